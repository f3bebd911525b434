//! Signs of life in a stream, while a model says nothing: its readers skip them.

use std::io::Read as _;
use std::sync::mpsc::channel;
use std::time::Duration;

use scripted_runner::{Vocabulary, only};
use serde_json::{Value, json};
use server::{Limits, Models, ServerOptions};

use crate::lab::{Lab, served, vocabulary};

/// The body of a stream whose model begins when `sign` has come.
fn check(path: &str, fields: Value, sign: &str) -> String {
    let (begin, wait) = channel::<()>();
    let vocabulary = vocabulary();
    let (end, n_vocab) = (Vocabulary::EOS, vocabulary.n_vocab());
    let script = move |_: &[u32]| {
        // An error: whoever would say that it may begin is gone, which says the same.
        let _ = wait.recv();
        only(end, n_vocab)
    };
    let mut models = Models::default();
    models.add("script".into(), served("script", script, Some("go")));
    let limits = Limits { keep_alive: Duration::from_millis(1), ..Limits::default() };
    let lab = Lab::serve(models, ServerOptions { limits, ..ServerOptions::default() });
    let mut body = json!({"stream": true, "messages": [{"role": "user", "content": "hi"}]});
    let fields = fields.as_object().expect("an object").clone();
    body.as_object_mut().expect("an object").extend(fields);
    let body = body.to_string();
    let head = format!("POST {path} HTTP/1.0\r\nContent-Length: {}\r\n\r\n", body.len());
    let mut stream = lab.send(&(head + &body));
    let mut bytes = Vec::new();
    let mut byte = [0];
    let is_head = |bytes: &[u8]| !bytes.windows(4).any(|end| end == b"\r\n\r\n");
    while is_head(&bytes) || !bytes.ends_with(sign.as_bytes()) {
        stream.read_exact(&mut byte).expect("a sign of life");
        bytes.extend(byte);
    }
    drop(begin);
    stream.read_to_end(&mut bytes).expect("the rest");
    let reply = String::from_utf8(bytes).expect("text");
    reply.split_once("\r\n\r\n").expect("a body").1.to_owned()
}

#[test]
fn events_have_comments_between_them() {
    let body = check("/v1/messages", json!({"max_tokens": 5}), ": still here\n\n");
    let is_frame = |frame: &&str| frame.starts_with(": ") || frame.starts_with("event: ");
    assert!(body.split_terminator("\n\n").all(|frame| is_frame(&frame)), "{body:?}");
    assert!(body.contains("event: message_stop"), "{body:?}");
}

/// Ollama's client takes an empty line for a part that is broken.
#[test]
fn lines_are_json_all_the_same() {
    let body = check("/api/chat", json!({}), " ");
    assert!(body.starts_with(' '), "{body:?}");
    let lines: Vec<Value> =
        body.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.last().expect("lines")["done"], true, "{body:?}");
}
