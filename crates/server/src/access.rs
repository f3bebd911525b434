//! Who may ask: keys, and the names under which the server is asked for.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;

use axum::http::{HeaderMap, header};
use engine::Client;
use sha2::{Digest, Sha256};

use crate::error::ApiError;

/// Keys of the server's clients, as digests: what is compared does not depend on how much of a key
/// is right.
#[derive(Clone, Default)]
pub struct Keys(Vec<[u8; 32]>);

#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error("{path}: {source}")]
    Read { path: String, source: std::io::Error },
    #[error("{path}: expected keys, one a line, found none")]
    Empty { path: String },
}

impl Keys {
    /// One key a line; lines that begin with `#` are left out.
    ///
    /// # Errors
    /// A file that cannot be read, or has no key.
    pub fn read(path: &Path) -> Result<Self, KeysError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|source| KeysError::Read { path: name.clone(), source })?;
        let lines = text.lines().map(str::trim);
        let keys = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let digests: Vec<[u8; 32]> = keys.map(digest).collect();
        if digests.is_empty() {
            return Err(KeysError::Empty { path: name });
        }
        Ok(Self(digests))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// # Errors
    /// A request without one of the keys, where there are any.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let found = key_of(headers).map(|key| digest(key.trim()));
        let is_known = found.is_some_and(|found| {
            // All are compared, whichever is right.
            self.0.iter().fold(false, |is_known, key| is_known | is_same(key, &found))
        });
        if self.is_empty() || is_known { Ok(()) } else { Err(ApiError::unauthorized()) }
    }
}

/// Who asks: whoever has the same key. Clients take turns, however much each of them asks.
pub(crate) fn client_of(headers: &HeaderMap) -> Client {
    let mut hasher = DefaultHasher::new();
    key_of(headers).hash(&mut hasher);
    Client(hasher.finish())
}

fn key_of(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = bearer.and_then(|value| value.strip_prefix("Bearer "));
    bearer.or_else(|| headers.get("x-api-key")?.to_str().ok())
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

fn is_same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

/// A page of another site can send requests to a server on this machine, and can have a name that
/// leads here: both name themselves in their headers.
///
/// # Errors
/// A host that is none of this server's names, and a page of another that is none of `origins`.
pub(crate) fn check_origin(
    headers: &HeaderMap,
    names: &[String],
    origins: &[String],
) -> Result<(), ApiError> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let is_ours = |host: &str| names.is_empty() || names.iter().any(|name| name == host_name(host));
    if let Some(host) = text(header::HOST).filter(|host| !is_ours(host)) {
        return Err(ApiError::forbidden(format!(
            "this server is not {host}; ask it as localhost, or bind it to that name"
        )));
    }
    match origin_of(headers).filter(|origin| !is_allowed(origin, origins)) {
        Some(origin) if !is_ours(origin.split_once("://").map_or(origin, |(_, host)| host)) => {
            Err(ApiError::forbidden(format!("pages of {origin} may not ask this server")))
        }
        _ => Ok(()),
    }
}

/// The page that asks.
pub(crate) fn origin_of(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::ORIGIN)?.to_str().ok()
}

/// Whether a page is one of those that may ask.
pub(crate) fn is_allowed(origin: &str, origins: &[String]) -> bool {
    origins.iter().any(|allowed| allowed == "*" || allowed == origin)
}

/// Without the port.
fn host_name(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(name, _)| name),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let value = |text: &str| text.parse().expect("a value");
        pairs.iter().map(|(name, text)| (name.parse().expect("a name"), value(text))).collect()
    }

    #[test]
    fn names_and_pages_of_others_are_refused() {
        let names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(String::from).into();
        let check = |pairs: &[(&'static str, &str)], is_ours: bool| {
            let origins = ["https://chat.example".to_owned()];
            let found = check_origin(&headers(pairs), &names, &origins);
            assert_eq!(found.is_ok(), is_ours, "{pairs:?}");
        };
        check(&[], true);
        check(&[("host", "localhost:8080")], true);
        check(&[("host", "127.0.0.1")], true);
        check(&[("host", "[::1]:8080")], true);
        check(&[("host", "evil.example:8080")], false);
        check(&[("host", "localhost"), ("origin", "http://localhost:8080")], true);
        check(&[("host", "localhost"), ("origin", "https://evil.example")], false);
        check(&[("host", "localhost"), ("origin", "null")], false);
        check(&[("host", "localhost"), ("origin", "https://chat.example")], true);
        assert!(check_origin(&headers(&[("host", "any.example")]), &[], &[]).is_ok());
    }

    #[test]
    fn keys_are_asked_for_where_there_are_any() {
        let keys = Keys(vec![digest("first"), digest("second")]);
        let check = |pairs: &[(&'static str, &str)], is_known: bool| {
            assert_eq!(keys.check(&headers(pairs)).is_ok(), is_known, "{pairs:?}");
        };
        check(&[], false);
        check(&[("authorization", "Bearer second")], true);
        check(&[("authorization", "Bearer secon")], false);
        check(&[("authorization", "second")], false);
        check(&[("x-api-key", "first")], true);
        check(&[("x-api-key", "")], false);
        assert!(Keys::default().check(&headers(&[])).is_ok());
    }
}
