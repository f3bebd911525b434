//! `--help` fits a terminal and names every flag.

use crate::lab::Lab;

const N_COLUMNS_MAX: usize = 100;

fn check(command: &str, expected: &[&str]) {
    check_page(&[command, "--help"], expected);
}

fn check_page(args: &[&str], expected: &[&str]) {
    let page = Lab::new().succeeds(args).stdout;
    for line in page.lines() {
        assert!(line.chars().count() <= N_COLUMNS_MAX, "{args:?}: {line}");
    }
    let words: Vec<&str> = page.split([' ', ',', '\n']).collect();
    for word in expected {
        assert!(words.contains(word), "{args:?} does not name {word}:\n{page}");
    }
}

const MODEL: [&str; 3] = ["-m", "--model", "--no-mmap"];
const RUNTIME: [&str; 3] = ["-t", "--threads", "--exact"];
const CACHE: [&str; 2] = ["--ctx", "--kv"];
const SAMPLING: [&str; 11] = [
    "-n",
    "--temperature",
    "--top-k",
    "--top-p",
    "--min-p",
    "--repeat-penalty",
    "--presence-penalty",
    "--frequency-penalty",
    "--logit-bias",
    "--seed",
    "--stop",
];

#[test]
fn answers() {
    let shared = [&MODEL[..], &RUNTIME, &CACHE, &SAMPLING, &["--system", "--json"]].concat();
    check("run", &[&shared[..], &["[PROMPT]", "-f", "--file", "--raw"]].concat());
    check("chat", &shared);
}

#[test]
fn measures() {
    check("tokenize", &[&MODEL[..], &["[TEXT]", "-f", "--file", "--special", "--json"]].concat());
    let score = [&MODEL[..], &RUNTIME, &CACHE, &["-f", "--file", "--ids", "--top", "--json"]];
    check("score", &score.concat());
    let own = ["--jsonl", "--similarity", "--pooling", "--prefix", "--prompt", "--truncate"];
    check("embed", &[&MODEL[..], &RUNTIME, &own, &["-f", "--file", "--json"]].concat());
    let bench = [&MODEL[..], &RUNTIME, &["-p", "-n", "-d", "-r", "--kv", "--parallel", "--json"]];
    check("bench", &bench.concat());
    let own = ["-f", "--file", "--k-types", "--v-types", "--depths", "-n", "--needles", "--plot"];
    check_page(&["kv", "compare", "--help"], &[&MODEL[..], &RUNTIME, &own, &["--json"]].concat());
    check("kv", &["compare"]);
}

#[test]
fn inspects() {
    let shared = [&MODEL[..], &RUNTIME, &CACHE, &["--limit", "--json", "-f"]].concat();
    let has = |command: &str, own: &[&str]| {
        check_page(&["inspect", command, "--help"], &[&shared[..], own].concat());
    };
    has("look", &["--html", "--png", "--svg", "--by", "--each"]);
    has("rows", &["-o", "--png", "--svg", "--top", "--layers"]);
    has("map", &["--png", "--svg", "--show"]);
    has("who", &["--word", "--nth", "--among"]);
    has("contradict", &["--pairs"]);
}

#[test]
fn serves() {
    let own = ["--host", "--port", "--api-key-file", "--parallel", "--lenient", "--kv-of"];
    check("serve", &[&MODEL[..], &RUNTIME, &CACHE, &own].concat());
}

#[test]
fn models() {
    check("models", &["--json"]);
    let plan = ["--ctx", "--kv", "--parallel", "--prompt", "--generate", "--fits", "--recalibrate"];
    check("plan", &[&plan[..], &RUNTIME, &["-m", "--model", "--json"]].concat());
    check("pull", &["<NAME>", "--json"]);
    check("show", &["[MODEL]", "--tensors", "--json"]);
    check("rm", &["<NAME>", "--json"]);
}

#[test]
fn the_list_of_models_fits_too() {
    check_page(&["models"], &["smollm2", "gemma3-270m", "qwen2.5-coder-0.5b"]);
}

#[test]
fn the_program_names_every_command() {
    let commands =
        ["run", "chat", "tokenize", "score", "bench", "kv", "plan", "models", "pull", "show", "rm"];
    check_page(&["--help"], &commands);
    check_page(&["help"], &commands);
}
