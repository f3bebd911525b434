//! The clients that people have, against a server with a real model.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context;

use crate::venv;

/// The smallest of `tests/fetch_models.py` that talks.
const MODEL: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";

/// Of many clients at once; tests/clients/soak.py runs as long as it is told to.
const SOAK_SECONDS: &str = "60";

/// The model and the Python of an environment with the clients.
///
/// # Errors
/// What is missing: a reason to leave them out.
pub(crate) fn prepare(root: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
    let model = models_folder()?.join(MODEL);
    anyhow::ensure!(
        model.exists(),
        "{} is missing; tests/fetch_models.py fetches it",
        model.display()
    );
    let requirements = root.join("tests/clients/requirements.txt");
    Ok((model, venv::python(&root.join("target/clients-venv"), &requirements)?))
}

/// Where tests/fetch_models.py puts the test models.
pub(crate) fn models_folder() -> anyhow::Result<PathBuf> {
    if let Some(folder) = std::env::var_os("LOOKBACK_TEST_MODELS") {
        return Ok(folder.into());
    }
    let home = std::env::home_dir().context("a home folder")?;
    Ok(home.join(".cache/lookback-models"))
}

pub(crate) fn run(root: &Path, (model, python): &(PathBuf, PathBuf)) -> anyhow::Result<()> {
    let build = ["build", "--quiet", "--package", "lookback"];
    venv::call("cargo", build.map(|word| word.to_owned()))?;
    let server = Server::start(root, model)?;
    let script = |name: &str| root.join("tests/clients").join(name).into_os_string();
    let (address, pid) = (OsString::from(&server.address), server.child.id().to_string());
    venv::call(python, [&script("check.py"), &address])?;
    let seconds = OsString::from(SOAK_SECONDS);
    venv::call(python, [&script("soak.py"), &address, &pid.into(), &seconds])
}

struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(root: &Path, model: &Path) -> anyhow::Result<Self> {
        let binary = root.join("target/debug/lookback");
        let mut command = Command::new(binary);
        command.args(["serve", "--port", "0", "-m"]).arg(model).stdout(Stdio::piped());
        let mut server = Self { child: command.spawn()?, address: String::new() };
        let stdout = server.child.stdout.as_mut().context("a pipe")?;
        BufReader::new(stdout).read_line(&mut server.address)?;
        server.address.truncate(server.address.trim_end().len());
        anyhow::ensure!(server.address.starts_with("http://"), "the server did not start");
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
