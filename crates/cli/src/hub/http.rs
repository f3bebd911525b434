//! Hugging Face and its mirrors: one file over HTTP, continued where it was cut.

use std::io::{self, Read};
use std::time::Duration;

use ureq::http::{HeaderMap, StatusCode, Uri, header};

use super::HubConfig;
use super::error::{HubError, SourceError};
use super::partial::{Expected, PartialFile};
use super::pull::Job;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Without a byte for this long a connection counts as dead.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);
const N_REDIRECTS_MAX: usize = 5;
/// Cuts survived in one pull, each only if bytes came since the one before.
const N_CUTS_MAX: usize = 20;
const CHUNK_BYTES: usize = 128 << 10;

/// Downloads what is missing of `{endpoint}/{repo}/resolve/main/{file}` into `partial`.
/// Returns what the complete file must be, by the catalogue or else by the server's headers.
pub(super) fn fetch(
    job: &mut Job<'_>,
    repo: &str,
    file: &str,
    partial: &mut PartialFile,
) -> Result<Expected, HubError> {
    let client = Client::new(job.config)?;
    let endpoint = job.config.hf_endpoint.trim_end_matches('/');
    let url = Address::parse(&format!("{endpoint}/{repo}/resolve/main/{file}"))?;
    let mut n_cuts = 0;
    loop {
        let n_bytes_before = partial.n_bytes();
        match fetch_rest(job, &client, &url, partial) {
            Err(HubError::Source(cut))
                if cut.is_cut() && partial.n_bytes() > n_bytes_before && n_cuts < N_CUTS_MAX =>
            {
                n_cuts += 1;
                job.progress.note(&format!("{cut}; going on from there"));
            }
            done_or_failed => return done_or_failed,
        }
    }
}

fn fetch_rest(
    job: &mut Job<'_>,
    client: &Client,
    url: &Address,
    partial: &mut PartialFile,
) -> Result<Expected, HubError> {
    let model = job.model;
    match model.n_bytes {
        Some(n_bytes) if partial.n_bytes() == n_bytes => return Ok(Expected::of(model)),
        Some(n_bytes) if partial.n_bytes() > n_bytes => partial.restart()?,
        _ => {}
    }
    let mut reply = client.get(url, partial.n_bytes())?;
    let mut expected = Expected::of(model);
    expected.learn_sha256(reply.sha256.take())?;
    expected.learn_n_bytes(reply.n_bytes_total())?;
    // The digest is what proves two halves to be of one file (an If-Range would prove it of one
    // server only); without one, or if the server does not go on where we stopped, begin again.
    let goes_on = expected.sha256.is_some() && reply.starts_at(partial.n_bytes());
    if partial.n_bytes() > 0 && !goes_on {
        match reply.status {
            StatusCode::OK => partial.restart()?,
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                partial.restart()?;
                reply = client.get(url, 0)?;
                expected.learn_n_bytes(reply.n_bytes_total())?;
            }
            // A refusal says nothing about what is here already.
            _ => {}
        }
    }
    let wanted = match partial.n_bytes() {
        0 => StatusCode::OK,
        _ => StatusCode::PARTIAL_CONTENT,
    };
    if reply.status != wanted {
        let status = reply.status.as_u16();
        return Err(SourceError::Status { host: reply.host, status }.into());
    }
    let stage = format!("pulling {} from {}", model.name, reply.host);
    job.progress.start(&stage, partial.n_bytes(), expected.n_bytes);
    copy_body(job, reply.body, partial, &expected)?;
    Ok(expected)
}

fn copy_body(
    job: &mut Job<'_>,
    mut body: impl Read,
    partial: &mut PartialFile,
    expected: &Expected,
) -> Result<(), HubError> {
    let mut chunk = vec![0; CHUNK_BYTES];
    // Past the expected length nothing more is needed to know that it is wrong.
    while partial.n_bytes() <= expected.n_bytes.unwrap_or(u64::MAX) {
        job.check_cancel()?;
        let found = partial.n_bytes();
        match body.read(&mut chunk) {
            Ok(0) => break,
            Ok(n_read) => partial.write(&chunk[..n_read])?,
            Err(cause) => return Err(cut(cause, found, expected.n_bytes).into()),
        }
        job.progress.set(partial.n_bytes());
    }
    Ok(())
}

fn cut(cause: io::Error, found: u64, expected: Option<u64>) -> SourceError {
    match ureq::Error::from(cause) {
        ureq::Error::Timeout(_) => SourceError::Stalled { found, seconds: STALL_TIMEOUT.as_secs() },
        _ => SourceError::ShortBody { found, expected },
    }
}

impl Expected {
    fn learn_sha256(&mut self, found: Option<String>) -> Result<(), SourceError> {
        match (&self.sha256, found) {
            (Some(expected), Some(found)) if *expected != found => {
                Err(SourceError::WrongDigest { found, expected: expected.clone() })
            }
            (None, found) => {
                self.sha256 = found;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn learn_n_bytes(&mut self, found: Option<u64>) -> Result<(), SourceError> {
        match (self.n_bytes, found) {
            (Some(expected), Some(found)) if expected != found => {
                Err(SourceError::WrongLength { found, expected })
            }
            (expected, found) => {
                self.n_bytes = expected.or(found);
                Ok(())
            }
        }
    }
}

struct Client {
    agent: ureq::Agent,
    endpoint: Address,
    token: Option<String>,
}

/// An answer that is not a redirect.
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    host: String,
    /// Digest named by the endpoint itself, in any of its answers on the way here.
    sha256: Option<String>,
    body: ureq::BodyReader<'static>,
}

impl Client {
    fn new(config: &HubConfig) -> Result<Self, SourceError> {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // Redirects are followed in `get`, where the token and the headers can be watched.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_resolve(Some(CONNECT_TIMEOUT))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(STALL_TIMEOUT))
            .timeout_per_read(Some(STALL_TIMEOUT))
            // Ranges and lengths are of the file, not of a compressed form of it.
            .accept_encoding("identity")
            .user_agent(concat!("lookback/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        let endpoint = Address::parse(&config.hf_endpoint)?;
        Ok(Self { agent, endpoint, token: config.hf_token.clone() })
    }

    /// Asks for the bytes of `url` from `n_bytes_skipped` on, through redirects.
    fn get(&self, url: &Address, n_bytes_skipped: u64) -> Result<Reply, SourceError> {
        let mut url = url.clone();
        let mut sha256 = None;
        for _ in 0..=N_REDIRECTS_MAX {
            let response = self.call(&url, n_bytes_skipped).map_err(|cause| {
                SourceError::Unreachable { host: url.host(), cause: Box::new(cause) }
            })?;
            let is_endpoint = url.has_origin_of(&self.endpoint);
            let (parts, body) = response.into_parts();
            if is_endpoint && sha256.is_none() {
                sha256 = sha256_header(&parts.headers);
            }
            if !parts.status.is_redirection() {
                let (status, headers) = (parts.status, parts.headers);
                let host = url.host();
                return Ok(Reply { status, headers, host, sha256, body: body.into_reader() });
            }
            url = url.redirected(parts.headers.get(header::LOCATION))?;
        }
        Err(url.refused("too many redirects"))
    }

    fn call(
        &self,
        url: &Address,
        n_bytes_skipped: u64,
    ) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
        let mut request = self.agent.get(&url.text);
        if n_bytes_skipped > 0 {
            request = request.header(header::RANGE, format!("bytes={n_bytes_skipped}-"));
        }
        // Storage hosts that the endpoint redirects to have no business with the token.
        if let Some(token) = self.token.as_ref().filter(|_| url.has_origin_of(&self.endpoint)) {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if url.is_loopback() {
            request = request.config().proxy(None).build();
        }
        request.call()
    }
}

impl Reply {
    /// Whether the body is the rest of the file from byte `n_bytes_skipped` on.
    fn starts_at(&self, n_bytes_skipped: u64) -> bool {
        self.status == StatusCode::PARTIAL_CONTENT
            && self.content_range().is_some_and(|(first, _)| first == n_bytes_skipped)
    }

    /// Length of the whole file, in an answer that carries some of it.
    fn n_bytes_total(&self) -> Option<u64> {
        match self.status {
            StatusCode::OK => self.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok(),
            StatusCode::PARTIAL_CONTENT => self.content_range()?.1,
            _ => None,
        }
    }

    /// First byte and length of the whole file from `Content-Range: bytes first-last/total`.
    fn content_range(&self) -> Option<(u64, Option<u64>)> {
        let text = self.headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
        let (range, n_bytes) = text.strip_prefix("bytes ")?.split_once('/')?;
        Some((range.split_once('-')?.0.parse().ok()?, n_bytes.parse().ok()))
    }
}

/// The sha256 that Hugging Face gives as entity tag of a large file. Other files and other
/// servers have tags of other kinds, which are shorter.
fn sha256_header(headers: &HeaderMap) -> Option<String> {
    let tag = headers.get("x-linked-etag").or_else(|| headers.get(header::ETAG))?.to_str().ok()?;
    let tag = tag.trim_start_matches("W/").trim_matches('"').to_ascii_lowercase();
    (tag.len() == 64 && tag.bytes().all(|b| b.is_ascii_hexdigit())).then_some(tag)
}

/// A checked `http` or `https` address.
#[derive(Debug, Clone)]
struct Address {
    text: String,
    uri: Uri,
}

impl Address {
    fn parse(text: &str) -> Result<Self, SourceError> {
        let bad = |problem| SourceError::BadAddress { url: text.to_string(), problem };
        let uri: Uri = text.parse().map_err(|_| bad("not a valid address"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(bad("expected http:// or https://"));
        }
        if uri.host().is_none_or(str::is_empty) {
            return Err(bad("no host"));
        }
        Ok(Self { text: text.to_string(), uri })
    }

    fn redirected(&self, location: Option<&ureq::http::HeaderValue>) -> Result<Self, SourceError> {
        let Some(location) = location.and_then(|location| location.to_str().ok()) else {
            return Err(self.refused("redirects without a location"));
        };
        let scheme = self.uri.scheme_str().unwrap_or_default();
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        let target = if location.starts_with("//") {
            Self::parse(&format!("{scheme}:{location}"))?
        } else if location.starts_with('/') {
            Self::parse(&format!("{scheme}://{authority}{location}"))?
        } else {
            Self::parse(location)?
        };
        if scheme == "https" && target.uri.scheme_str() == Some("http") {
            return Err(target.refused("a redirect from https to http"));
        }
        Ok(target)
    }

    fn refused(&self, problem: &'static str) -> SourceError {
        SourceError::BadAddress { url: self.text.clone(), problem }
    }

    fn host(&self) -> String {
        self.uri.host().unwrap_or_default().to_string()
    }

    fn has_origin_of(&self, other: &Self) -> bool {
        self.uri.scheme() == other.uri.scheme() && self.uri.authority() == other.uri.authority()
    }

    /// A proxy cannot reach this machine's own servers.
    fn is_loopback(&self) -> bool {
        matches!(self.uri.host(), Some("localhost" | "127.0.0.1" | "[::1]"))
    }
}
