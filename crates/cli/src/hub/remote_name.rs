//! `hf:owner/repo/file.gguf`: names that come from outside and become file names here.

use super::error::{HubError, NameProblem};

/// Longest stored name: 255 bytes is the limit of common file systems, less room for `.partial`
/// and the names of the lock and of the temporary folder.
const N_BYTES_MAX: usize = 200;

/// A checked `owner/repo` and file of Hugging Face.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemoteName {
    pub(super) repo: String,
    pub(super) file: String,
}

impl RemoteName {
    /// Parses what follows `hf:`. Only plain names pass: no `..`, separators, drive letters,
    /// percent signs or leading dots, so neither the address nor the stored name can escape.
    pub(super) fn parse(text: &str) -> Result<Self, HubError> {
        Self::check(text)
            .map_err(|problem| HubError::BadName { name: format!("hf:{text}"), problem })
    }

    fn check(text: &str) -> Result<Self, NameProblem> {
        let parts: Vec<&str> = text.split('/').collect();
        let [owner, repo, file] = parts[..] else {
            return Err(NameProblem::Parts { n_parts: parts.len() });
        };
        for part in [owner, repo, file] {
            if !is_plain(part) {
                return Err(NameProblem::Characters { part: part.to_string() });
            }
        }
        for part in [owner, repo] {
            if part.contains("--") || part.contains("..") || part.ends_with('-') {
                return Err(NameProblem::Separator { part: part.to_string() });
            }
        }
        if !file.ends_with(".gguf") {
            return Err(NameProblem::NotGguf { file: file.to_string() });
        }
        let name = Self { repo: format!("{owner}/{repo}"), file: file.to_string() };
        let n_bytes = name.stored_name().len();
        if n_bytes > N_BYTES_MAX {
            return Err(NameProblem::TooLong { n_bytes, n_bytes_max: N_BYTES_MAX });
        }
        Ok(name)
    }

    /// The file's name in the store. Owner and repository hold no `--`, so no two names collide.
    pub(super) fn stored_name(&self) -> String {
        format!("{}--{}", self.repo.replace('/', "--"), self.file)
    }

    /// The name whose [`stored_name`](Self::stored_name) is `stored`, if there is one.
    pub(super) fn from_stored_name(stored: &str) -> Option<Self> {
        let name = Self::check(&stored.replacen("--", "/", 2)).ok()?;
        (name.stored_name() == stored).then_some(name)
    }
}

fn is_plain(part: &str) -> bool {
    part.starts_with(|c: char| c.is_ascii_alphanumeric())
        && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}
