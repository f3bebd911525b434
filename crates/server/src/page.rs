//! The page for a browser: the files of `web/dist`, which are a part of the program.

use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use rust_embed::{Embed, EmbeddedFile};

use crate::error::ApiError;
use crate::openai::shaped;

/// Builds for tests and for work on the page read the folder each time.
#[derive(Embed)]
#[folder = "../../web/dist"]
struct Files;

/// Everything comes from here and goes here. Styles are set by scripts, pictures are made by them.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' blob: data:; connect-src 'self'; worker-src 'self' blob:; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'";

const NO_FILE: &str = "the page has no such file";

const TYPES: [(&str, &str); 5] = [
    ("html", "text/html; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("svg", "image/svg+xml"),
];

/// Holds nothing that needs a key.
pub(crate) fn is_page(path: &str) -> bool {
    path == "/" || path.starts_with("/assets/")
}

pub(crate) async fn index(headers: HeaderMap) -> Response {
    file("index.html", &headers)
}

pub(crate) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    // Builds that read the folder would follow it anywhere.
    match name.contains(['/', '\\']) {
        true => shaped(ApiError::not_found(NO_FILE)),
        false => file(&format!("assets/{name}"), &headers),
    }
}

fn file(path: &str, asked: &HeaderMap) -> Response {
    let Some(found) = Files::get(path) else {
        return shaped(ApiError::not_found(NO_FILE));
    };
    let tag = tag_of(&found);
    let has_it = asked.get_all(header::IF_NONE_MATCH).iter().any(|tags| names(tags, &tag));
    let mut response = match has_it {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => Body::from(found.data.into_owned()).into_response(),
    };
    let ending = path.rsplit('.').next().unwrap_or_default();
    let of_type = TYPES.iter().find(|(known, _)| *known == ending);
    let mime = of_type.map_or("application/octet-stream", |(_, mime)| mime);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(mime));
    headers.insert(header::ETAG, tag);
    // A new program has a new page under the same names.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// The first bytes of its SHA-256.
fn tag_of(file: &EmbeddedFile) -> HeaderValue {
    let hash = file.metadata.sha256_hash();
    let hex: String = hash[..12].iter().map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::from_str(&format!("\"{hex}\"")).expect("hexadecimal digits in quotes")
}

/// Whether a list of tags, weak ones too, has this one.
fn names(tags: &HeaderValue, tag: &HeaderValue) -> bool {
    let (Ok(tags), Ok(tag)) = (tags.to_str(), tag.to_str()) else { return false };
    let strong = |each: &str| each.trim().trim_start_matches("W/").to_owned();
    tags.split(',').map(strong).any(|each| each == "*" || each == tag)
}
