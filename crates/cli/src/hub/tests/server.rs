//! A server on 127.0.0.1 that gives the answers it was told to give, in order.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// Answers one request for each reply, then 500 to whatever else comes.
pub(super) struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    thread: Option<JoinHandle<()>>,
}

/// What was asked: the path and the headers, names in lower case.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) path: String,
    headers: Vec<(String, String)>,
}

#[derive(Debug, Clone)]
pub(super) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    n_bytes_sent: usize,
    length: Length,
}

/// How the client learns where the body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Named,
    UntilClosed,
}

const STOP: &str = "/stop";

impl Server {
    pub(super) fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let thread = thread::spawn(move || {
            let mut replies = replies.into_iter();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                // A client that hangs up early is part of some tests.
                let Some(request) = Request::read(&stream) else { continue };
                if request.path == STOP {
                    return;
                }
                seen.lock().unwrap().push(request);
                let reply = replies.next().unwrap_or_else(|| Reply::status(500));
                let _ = stream.write_all(&reply.bytes());
            }
        });
        Self { address, requests, thread: Some(thread) }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Where each request wanted to begin.
    pub(super) fn n_bytes_skipped(&self) -> Vec<u64> {
        self.requests().iter().map(Request::n_bytes_skipped).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(mut stream) = TcpStream::connect(self.address) {
            let _ = write!(stream, "GET {STOP} HTTP/1.1\r\n\r\n");
        }
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || matches!(ended, Some(Ok(()))), "the server panicked");
    }
}

impl Request {
    fn read(stream: &TcpStream) -> Option<Self> {
        let mut lines = BufReader::new(stream).lines();
        let path = lines.next()?.ok()?.split(' ').nth(1)?.to_string();
        let mut headers = Vec::new();
        for line in lines {
            match line.ok()?.split_once(": ") {
                Some((name, value)) => headers.push((name.to_lowercase(), value.to_string())),
                None => break,
            }
        }
        Some(Self { path, headers })
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    fn n_bytes_skipped(&self) -> u64 {
        let range = self.header("range").unwrap_or("bytes=0-");
        range.strip_prefix("bytes=").and_then(|r| r.strip_suffix('-')).unwrap().parse().unwrap()
    }
}

impl Reply {
    pub(super) fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            n_bytes_sent: 0,
            length: Length::Named,
        }
    }

    /// 200 with all of `body`.
    pub(super) fn whole(body: &[u8]) -> Self {
        Self { body: body.to_vec(), n_bytes_sent: body.len(), ..Self::status(200) }
    }

    /// 206 with `body` from byte `first` on.
    pub(super) fn rest(body: &[u8], first: usize) -> Self {
        let range = format!("bytes {first}-{}/{}", body.len() - 1, body.len());
        let rest = Self::whole(&body[first..]);
        Self { status: 206, ..rest }.header("content-range", range)
    }

    pub(super) fn redirect(location: String) -> Self {
        Self::status(302).header("location", location)
    }

    pub(super) fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The connection ends after `n_bytes` of the body; the length promised stays.
    pub(super) fn cut_after(self, n_bytes: usize) -> Self {
        Self { n_bytes_sent: n_bytes, ..self }
    }

    /// The body's length is not named; it ends where the connection does.
    pub(super) fn until_closed(self) -> Self {
        Self { length: Length::UntilClosed, ..self }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} X\r\nconnection: close\r\n", self.status);
        if self.length == Length::Named {
            head += &format!("content-length: {}\r\n", self.body.len());
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += "\r\n";
        [head.as_bytes(), &self.body[..self.n_bytes_sent]].concat()
    }
}
