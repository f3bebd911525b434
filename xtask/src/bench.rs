//! `cargo xtask bench`: the speed of the release build on the test models, beside llama.cpp's on
//! the same files, and the page docs/performance.md.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::Value;

use crate::venv;

/// Name for people, and file.
const MODELS: [(&str, &str); 3] = [
    ("SmolLM2-135M Q4_1", "SmolLM2-135M-Instruct.Q4_1.gguf"),
    ("Gemma-3-270m Q4_K_M", "gemma-3-270m-Q4_K_M.gguf"),
    ("Qwen2.5-Coder-0.5B Q4_K_M", "Qwen2.5-Coder-0.5B-Instruct-Q4_K_M.gguf"),
];
/// Both programs in turn, so that both see what else the machine does. The median counts.
const N_ROUNDS: usize = 5;
const N_PROMPT: &str = "512";
const N_DECODE: &str = "128";

const DEPTHS: &str = "0";
const KV_TYPES: &str = "f16";

/// Tokens a second of each round, by test.
type Speeds = BTreeMap<(String, String), Vec<f64>>;

/// Measures, prints the ratios, and writes them into the page.
pub(crate) fn compare(root: &Path) -> anyhow::Result<()> {
    let models = models_folder()?;
    venv::call("cargo", ["build", "--release", "--package", "lookback"])?;
    let peers = root.join("xtask/peers");
    let requirements = peers.join("requirements.txt");
    let python = venv::python(&root.join("target/peers-venv"), &requirements)?;
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from).to_string();
    let lookback = root.join("target/release/lookback");
    let mut table = String::new();
    let mut machine = String::new();
    for (name, file) in MODELS {
        let model = models.join(file);
        if !model.exists() {
            bail!("{} is missing: tests/fetch_models.py fetches it", model.display());
        }
        let (mut ours, mut theirs) = (Speeds::new(), BTreeMap::<String, Speeds>::new());
        for round in 1..=N_ROUNDS {
            eprintln!("{name}: round {round} of {N_ROUNDS}");
            let model = model.to_str().context("a model path that is text")?;
            let arguments = format!(
                "bench -p {N_PROMPT} -n {N_DECODE} -d {DEPTHS} --kv {KV_TYPES} -t {n_threads} -r 1 \
                 --json -m"
            );
            let arguments = arguments.split(' ').chain([model]);
            for line in lines(&venv::output(&lookback, arguments)?)? {
                machine = machine_of(&line)?;
                append_history(root, name, &line)?;
                add(&mut ours, &line)?;
            }
            let script = peers.join("llama_cpp_speed.py");
            let script = script.to_str().context("a path that is text")?;
            let arguments = [script, model, N_PROMPT, N_DECODE, DEPTHS, KV_TYPES, &n_threads];
            for line in lines(&venv::output(&python, arguments)?)? {
                let mode = line["mode"].as_str().context("mode")?.to_owned();
                add(theirs.entry(mode).or_default(), &line)?;
            }
        }
        write_rows(&mut table, name, &ours, &theirs)?;
    }
    let note = format!(
        "{machine}, {n_threads} threads, medians of {N_ROUNDS} rounds in which both ran in turn."
    );
    println!("{note}\n\n{HEAD}{table}");
    write_page(root, &format!("{note}\n\n{HEAD}{table}"))
}

const HEAD: &str = "| model | test | cache | lookback, t/s | llama.cpp, best mode, t/s | ratio |\n\
                    |---|---|---|---|---|---|\n";

fn write_rows(
    table: &mut String,
    name: &str,
    ours: &Speeds,
    theirs: &BTreeMap<String, Speeds>,
) -> anyhow::Result<()> {
    for (key, speeds) in ours {
        let best = theirs.values().filter_map(|speeds| speeds.get(key)).map(|s| median(s));
        let best = best.reduce(f64::max).with_context(|| format!("{key:?} of llama.cpp"))?;
        let (test, kv) = key;
        let ours = median(speeds);
        writeln!(table, "| {name} | {test} | {kv} | {ours:.0} | {best:.0} | {:.2} |", ours / best)?;
    }
    Ok(())
}

fn median(speeds: &[f64]) -> f64 {
    let mut sorted = speeds.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn add(speeds: &mut Speeds, line: &Value) -> anyhow::Result<()> {
    let text = |key: &str| line[key].as_str().map(str::to_owned).with_context(|| key.to_owned());
    let tps = line["tps"].as_f64().context("tps")?;
    speeds.entry((text("test")?, text("kv")?)).or_default().push(tps);
    Ok(())
}

fn lines(output: &str) -> anyhow::Result<Vec<Value>> {
    output.lines().map(|line| serde_json::from_str(line).context(line.to_owned())).collect()
}

fn machine_of(line: &Value) -> anyhow::Result<String> {
    let text = |key: &str| line[key].as_str().with_context(|| key.to_owned());
    Ok(format!("Commit {}, {}, kernels {}", text("commit")?, text("cpu")?, text("kernels")?))
}

/// One line a measurement, kept for comparing commits.
fn append_history(root: &Path, model: &str, line: &Value) -> anyhow::Result<()> {
    use std::io::Write as _;
    let path = root.join("bench/history.jsonl");
    let mut line = line.clone();
    line["model"] = model.into();
    let file = fs::OpenOptions::new().create(true).append(true).open(&path);
    writeln!(file.with_context(|| path.display().to_string())?, "{line}")?;
    Ok(())
}

const BEGIN: &str = "<!-- begin: cargo xtask bench -->\n";
const END: &str = "<!-- end -->\n";

/// Puts the table between the marks of docs/performance.md.
fn write_page(root: &Path, text: &str) -> anyhow::Result<()> {
    let path = root.join("docs/performance.md");
    let page = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let marked = page.split_once(BEGIN).zip(page.split_once(END));
    let ((before, _), (_, after)) =
        marked.with_context(|| format!("{}: the marks are missing", path.display()))?;
    fs::write(&path, format!("{before}{BEGIN}\n{text}\n{END}{after}"))?;
    Ok(())
}

/// Where tests/fetch_models.py puts the test models by default.
fn models_folder() -> anyhow::Result<PathBuf> {
    let home = std::env::home_dir().context("a home folder")?;
    Ok(home.join(".cache/lookback-models"))
}
