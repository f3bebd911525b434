//! The clients that people have, against a server with real models.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::Context;

use crate::npm;
use crate::venv::{self, Requirements};

/// The smallest of `tests/fetch_models.py` that talks.
pub(crate) const MODEL: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";

/// The one of them that makes vectors.
const VECTOR_MODEL: &str = "all-MiniLM-L6-v2";

/// Of many clients at once; tests/clients/soak.py runs as long as it is told to.
const SOAK_SECONDS: &str = "60";

/// Makes a client ready: what runs it. An error is a reason to leave it out.
type Prepare = fn(&Path, &Server) -> anyhow::Result<Vec<OsString>>;

const CLIENTS: [(&str, Prepare); 8] = [
    ("clients for Python", python),
    ("Ollama's client", ollama),
    ("clients for vectors", vectors),
    ("views of an answer", views),
    ("requests made from the document", document),
    ("clients for Node.js", node),
    ("lm-evaluation-harness", harness),
    ("many clients", soak),
];

pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let model = match model(MODEL) {
        Ok(model) => model,
        Err(reason) => {
            println!("== clients: skipped, {reason:#}\n");
            return Ok(());
        }
    };
    build_program()?;
    let server = Server::start(root, model)?;
    for (name, prepare) in CLIENTS {
        let command = match prepare(root, &server) {
            Ok(command) => command,
            Err(reason) => {
                println!("== {name}: skipped, {reason:#}\n");
                continue;
            }
        };
        let start = Instant::now();
        println!("== {name}: {}", command.join(" ".as_ref()).display());
        let (program, arguments) = command.split_first().context("a program")?;
        venv::call(program, arguments).with_context(|| name)?;
        println!("== {name}: passed in {:.1} s\n", start.elapsed().as_secs_f64());
    }
    Ok(())
}

/// The program that is asked.
pub(crate) fn build_program() -> anyhow::Result<()> {
    let build = ["build", "--quiet", "--package", "lookback"];
    venv::call("cargo", build.map(|word| word.to_owned()))
}

pub(crate) fn model(name: &str) -> anyhow::Result<PathBuf> {
    let model = real_models::folder().context("a home folder")?.join(name);
    anyhow::ensure!(
        model.exists(),
        "{} is missing; tests/fetch_models.py fetches it",
        model.display()
    );
    Ok(model)
}

/// Those of OpenAI and Anthropic for Python.
fn python(root: &Path, server: &Server) -> anyhow::Result<Vec<OsString>> {
    let (python, script) = (python_of_clients(root)?, root.join("tests/clients/check.py"));
    Ok(vec![python.into(), script.into(), server.address.clone()])
}

fn ollama(root: &Path, server: &Server) -> anyhow::Result<Vec<OsString>> {
    let (python, script) = (python_of_clients(root)?, root.join("tests/clients/of_ollama.py"));
    Ok(vec![python.into(), script.into(), server.address.clone()])
}

fn vectors(root: &Path, server: &Server) -> anyhow::Result<Vec<OsString>> {
    model(VECTOR_MODEL)?;
    let (python, script) = (python_of_clients(root)?, root.join("tests/clients/vectors.py"));
    Ok(vec![python.into(), script.into(), server.address.clone(), VECTOR_MODEL.into()])
}

/// What the page asks of an answer, against the rows of its attention.
fn views(root: &Path, server: &Server) -> anyhow::Result<Vec<OsString>> {
    let (python, script) = (python_of_clients(root)?, root.join("tests/clients/views.py"));
    Ok(vec![python.into(), script.into(), server.address.clone()])
}

/// What the server says of its addresses, asked with whatever it says may be asked.
fn document(root: &Path, server: &Server) -> anyhow::Result<Vec<OsString>> {
    let (python, script) = (python_of_clients(root)?, root.join("tests/clients/document.py"));
    Ok(vec![python.into(), script.into(), server.address.clone()])
}

/// OpenAI's for JavaScript.
fn node(root: &Path, server: &Server) -> anyhow::Result<Vec<OsString>> {
    let (source, folder) = (root.join("tests/clients/node"), root.join("target/clients-node"));
    npm::install(&source, &folder)?;
    // Packages are looked for beside the script.
    let script = folder.join("check.mjs");
    fs::copy(source.join("check.mjs"), &script)?;
    Ok(vec!["node".into(), script.into(), server.address.clone()])
}

/// What scores models, with tasks of ours.
fn harness(root: &Path, server: &Server) -> anyhow::Result<Vec<OsString>> {
    let source = root.join("tests/clients/lm_eval");
    let requirements = source.join("requirements.txt");
    let python = venv::python(&root.join("target/lm-eval-venv"), Requirements::All(&requirements))?;
    let script = source.join("check.py");
    Ok(vec![python.into(), script.into(), server.address.clone(), server.model.clone().into()])
}

fn soak(root: &Path, server: &Server) -> anyhow::Result<Vec<OsString>> {
    let (python, script) = (python_of_clients(root)?, root.join("tests/clients/soak.py"));
    let pid = server.child.id().to_string().into();
    Ok(vec![python.into(), script.into(), server.address.clone(), pid, SOAK_SECONDS.into()])
}

fn python_of_clients(root: &Path) -> anyhow::Result<PathBuf> {
    let requirements = root.join("tests/clients/requirements.txt");
    venv::python(&root.join("target/clients-venv"), Requirements::Roots(&requirements))
}

struct Server {
    child: Child,
    address: OsString,
    model: PathBuf,
}

impl Server {
    fn start(root: &Path, model: PathBuf) -> anyhow::Result<Self> {
        let binary = root.join("target/debug/lookback");
        let mut command = Command::new(binary);
        // Thousands of requests are no news.
        command.args(["serve", "--port", "0", "--log", "off", "-m"]).arg(&model);
        if let Ok(vectors) = self::model(VECTOR_MODEL) {
            command.arg("-m").arg(vectors);
        }
        command.stdout(Stdio::piped());
        let mut server = Self { child: command.spawn()?, address: OsString::new(), model };
        let stdout = server.child.stdout.as_mut().context("a pipe")?;
        let mut address = String::new();
        BufReader::new(stdout).read_line(&mut address)?;
        let address = address.trim_end();
        anyhow::ensure!(address.starts_with("http://"), "the server did not start");
        server.address = address.into();
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
