//! `cargo xtask bench`: the speed of the release build on the test models, beside llama.cpp's on
//! the same files, and the page docs/performance.md.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::venv::{self, Requirements};

/// Name for people, file, and the depth of long texts, where they are measured.
const MODELS: [(&str, &str, Option<&str>); 3] = [
    ("SmolLM2-135M Q4_1", "SmolLM2-135M-Instruct.Q4_1.gguf", Some("4096")),
    ("Gemma-3-270m Q4_K_M", "gemma-3-270m-Q4_K_M.gguf", None),
    ("Qwen2.5-Coder-0.5B Q4_K_M", "Qwen2.5-Coder-0.5B-Instruct-Q4_K_M.gguf", Some("8192")),
];
const N_PROMPT: &str = "512";
const N_DECODE: &str = "128";

/// What is measured together.
struct Suite {
    /// Both programs in turn, so that both see what else the machine does. The median counts.
    n_rounds: usize,
    kv_types: &'static str,
    /// What llama.cpp offers a user, see `llama_cpp_speed.py`.
    modes: &'static [&'static str],
    /// Sequences that decode together.
    n_parallel: Option<&'static str>,
}

/// With nothing in the cache.
const SHORT: Suite = Suite {
    n_rounds: 5,
    kv_types: "f16",
    modes: &["default", "no-repack", "fa-off"],
    n_parallel: Some("4"),
};
/// Behind a long text, which llama.cpp takes minutes to read.
const LONG: Suite =
    Suite { n_rounds: 3, kv_types: "f16,q8_0", modes: &["default", "fa-off"], n_parallel: None };

/// Lines of all rounds, by test and type of cache.
type Lines = BTreeMap<(String, String), Vec<Value>>;

/// What a model's rounds gave.
#[derive(Default)]
struct Rounds {
    ours: Lines,
    /// By mode.
    theirs: BTreeMap<&'static str, Lines>,
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All, and written into the page.
    Page,
    /// With nothing in the cache, and only printed: a quarter of the time.
    Short,
}

/// Measures and prints the ratios.
pub(crate) fn compare(root: &Path, scope: Scope) -> anyhow::Result<()> {
    let models = real_models::folder().context("a home folder")?;
    venv::call("cargo", ["build", "--release", "--package", "lookback"])?;
    let peers = root.join("xtask/peers");
    let requirements = peers.join("requirements.txt");
    let venv = root.join("target/peers-venv");
    let python = venv::python(&venv, Requirements::Roots(&requirements))?;
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from).to_string();
    let mut page = Page::default();
    for (name, file, depth) in MODELS {
        let model = models.join(file);
        if !model.exists() {
            bail!("{} is missing: tests/fetch_models.py fetches it", model.display());
        }
        let model = model.to_str().context("a model path that is text")?;
        let depth = depth.filter(|_| scope == Scope::Page);
        for (suite, depth) in [(&SHORT, Some("0")), (&LONG, depth)] {
            let Some(depth) = depth else { continue };
            let mut rounds = Rounds::default();
            for round in 1..=suite.n_rounds {
                eprintln!("{name}, depth {depth}: round {round} of {}", suite.n_rounds);
                for line in run_lookback(root, (suite, depth), model, &n_threads)? {
                    page.machine = machine_of(&line)?;
                    append_history(root, name, &line)?;
                    add(&mut rounds.ours, line)?;
                }
                for mode in suite.modes {
                    let lines = rounds.theirs.entry(mode).or_default();
                    let setting = (suite, depth, *mode);
                    for line in run_llama_cpp(&python, &peers, setting, model, &n_threads)? {
                        add(lines, line)?;
                    }
                }
            }
            page.add_speeds(name, &rounds)?;
            if depth == "0" {
                page.add_costs(name, &rounds)?;
            }
        }
    }
    let text = page.finish(&n_threads);
    println!("{text}");
    match scope {
        Scope::Page => write_page(root, &text),
        Scope::Short => Ok(()),
    }
}

/// One sequence, then several, in runs of their own: the peak of memory is that of one.
fn run_lookback(
    root: &Path,
    (suite, depth): (&Suite, &str),
    model: &str,
    n_threads: &str,
) -> anyhow::Result<Vec<Value>> {
    let program = root.join("target/release/lookback");
    let one = format!("-p {N_PROMPT} --parallel 1");
    let several = suite.n_parallel.map(|n| format!("-p 0 --parallel {n}"));
    let mut all = Vec::new();
    for tests in [Some(one), several].into_iter().flatten() {
        let kv_types = suite.kv_types;
        let arguments = format!(
            "bench {tests} -n {N_DECODE} -d {depth} --kv {kv_types} -t {n_threads} -r 1 --json -m"
        );
        all.extend(lines(&venv::output(&program, arguments.split(' ').chain([model]))?)?);
    }
    Ok(all)
}

fn run_llama_cpp(
    python: &Path,
    peers: &Path,
    (suite, depth, mode): (&Suite, &str, &str),
    model: &str,
    n_threads: &str,
) -> anyhow::Result<Vec<Value>> {
    let script = peers.join("llama_cpp_speed.py");
    let script = script.to_str().context("a path that is text")?;
    let arguments = [script, mode, model, N_PROMPT, N_DECODE, depth, suite.kv_types, n_threads];
    lines(&venv::output(python, arguments)?)
}

/// The generated part of docs/performance.md.
#[derive(Default)]
struct Page {
    machine: String,
    speeds: String,
    costs: String,
}

impl Page {
    fn add_speeds(&mut self, name: &str, rounds: &Rounds) -> anyhow::Result<()> {
        let tps = |lines: &[Value]| median(lines, "tps");
        let one = rounds.ours.iter().find(|((test, _), _)| test.starts_with("tg"));
        let (_, one) = one.context("a decode test")?;
        let one = tps(one)?;
        for (key, lines) in &rounds.ours {
            let (test, kv) = key;
            let ours = tps(lines)?;
            let share = lines[0]["bandwidth_share"].as_f64();
            let share = share.map(|_| median(lines, "bandwidth_share")).transpose()?;
            let share = share.map_or_else(String::new, |share| format!("{:.0}%", share * 100.0));
            let theirs = rounds.theirs.values().filter_map(|lines| lines.get(key));
            let best = theirs.map(|lines| tps(lines)).collect::<anyhow::Result<Vec<_>>>()?;
            let beside = match best.into_iter().reduce(f64::max) {
                Some(best) => format!("{best:.0} | {:.2}", ours / best),
                None => format!("one sequence: {one:.0} | {:.2}", ours / one),
            };
            writeln!(self.speeds, "| {name} | {test} | {kv} | {ours:.0} | {share} | {beside} |")?;
        }
        Ok(())
    }

    /// Of the runs with one sequence; of llama.cpp the mode with the least.
    fn add_costs(&mut self, name: &str, rounds: &Rounds) -> anyhow::Result<()> {
        let ours = |key: &str| {
            let tests = rounds.ours.iter().filter(|((test, _), _)| !test.contains('x'));
            greatest(tests.map(|(_, lines)| lines), key)
        };
        let least = |key: &str| {
            let modes = rounds.theirs.values().map(|tests| greatest(tests.values(), key));
            let modes = modes.collect::<anyhow::Result<Vec<_>>>()?;
            modes.into_iter().reduce(f64::min).context("a mode")
        };
        let mib = |n_bytes: f64| n_bytes / f64::from(1 << 20);
        writeln!(
            self.costs,
            "| {name} | {:.0} MiB | {:.0} MiB | {:.0} ms | {:.0} ms |",
            mib(ours("peak_rss_bytes")?),
            mib(least("peak_rss_bytes")?),
            ours("load_ms")?,
            least("load_ms")?,
        )?;
        Ok(())
    }

    fn finish(&self, n_threads: &str) -> String {
        let Self { machine, speeds, costs } = self;
        format!(
            "{machine}, {n_threads} threads, medians of {} rounds in which both ran in turn, of {} \
             behind a long text.\n\n\
             | model | test | cache | lookback, t/s | of the bandwidth | llama.cpp, best mode, t/s \
             | ratio |\n|---|---|---|---|---|---|---|\n{speeds}\n\
             | model | peak memory | of llama.cpp | load | of llama.cpp |\n\
             |---|---|---|---|---|\n{costs}",
            SHORT.n_rounds, LONG.n_rounds
        )
    }
}

/// The greatest median among some tests.
fn greatest<'a>(tests: impl Iterator<Item = &'a Vec<Value>>, key: &str) -> anyhow::Result<f64> {
    let medians = tests.map(|lines| median(lines, key)).collect::<anyhow::Result<Vec<_>>>()?;
    medians.into_iter().reduce(f64::max).context("a test")
}

fn median(lines: &[Value], key: &str) -> anyhow::Result<f64> {
    let values = lines.iter().map(|line| line[key].as_f64().context(key.to_owned()));
    let mut values = values.collect::<anyhow::Result<Vec<_>>>()?;
    values.sort_by(f64::total_cmp);
    Ok(values[values.len() / 2])
}

fn add(tests: &mut Lines, line: Value) -> anyhow::Result<()> {
    let text = |key: &str| line[key].as_str().map(str::to_owned).with_context(|| key.to_owned());
    tests.entry((text("test")?, text("kv")?)).or_default().push(line);
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
