//! The files of the repository.

use std::fs;
use std::path::{Path, PathBuf};

/// A file that is UTF-8.
pub(crate) struct TextFile {
    /// From the root, with `/`.
    pub path: String,
    pub text: String,
}

/// Made by tools, or kept out of the repository.
const SKIPPED: &[&str] =
    &[".git", ".peers", ".venv", "__pycache__", "artifacts", "corpus", "node_modules", "target"];

/// Every text file, sorted by path.
pub(crate) fn text_files() -> Vec<TextFile> {
    let mut files = Vec::new();
    collect(&root(), "", &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(files.len() > 10, "the walk found only {} files", files.len());
    files
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the root").to_owned()
}

pub(crate) fn exists(path: &str) -> bool {
    root().join(path).exists()
}

/// Text of a file that must be there.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Names in a folder, sorted; a folder's name ends in `/`.
pub(crate) fn entries(folder: &str) -> Vec<String> {
    let read = fs::read_dir(root().join(folder)).unwrap_or_else(|e| panic!("{folder}: {e}"));
    let mut names: Vec<String> = read
        .map(|entry| entry.expect("a listed entry"))
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() { name + "/" } else { name }
        })
        .filter(|name| !SKIPPED.contains(&name.trim_end_matches('/')))
        .collect();
    names.sort();
    names
}

fn collect(root: &Path, folder: &str, files: &mut Vec<TextFile>) {
    for name in entries(folder) {
        let path = format!("{folder}{name}");
        if name.ends_with('/') {
            collect(root, &path, files);
        } else if let Ok(text) = fs::read_to_string(root.join(&path)) {
            files.push(TextFile { path, text });
        }
    }
}
