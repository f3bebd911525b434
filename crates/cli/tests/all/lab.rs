//! A folder of its own, small models in it, and the binary, cut off from the network.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use format::gguf::Writer;
use serde_json::Value;
use tempfile::TempDir;
use tiny_random::TinyRandom;

/// Two tests at once never see each other's files.
pub(crate) struct Lab {
    dir: TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Ids of the small vocabulary: ends an answer, and a token that is one letter of text.
pub(crate) const END: u32 = 2;
pub(crate) const LETTER_E: u32 = 3 + 256;

/// Turns between control tokens that only a template can place.
pub(crate) const TEMPLATE: &str = "{% for message in messages %}<s>{{ message.role }}: \
     {{ message.content }}</s>{% endfor %}{% if add_generation_prompt %}<s>assistant: {% endif %}";

/// Small enough that a command takes milliseconds.
pub(crate) fn tiny() -> TinyRandom {
    let (d_model, d_ff, n_heads, n_kv_heads, head_dim) = (64, 128, 4, 2, 16);
    TinyRandom { d_model, d_ff, n_heads, n_kv_heads, head_dim, ..TinyRandom::default() }
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary folder") }
    }

    /// A lab with the model `tiny.gguf`, and its path.
    pub(crate) fn with_tiny() -> (Self, String) {
        let lab = Self::new();
        let model = lab.model(tiny().writer());
        (lab, model)
    }

    /// The same with a chat template.
    pub(crate) fn with_chat() -> (Self, String) {
        let lab = Self::new();
        let mut writer = tiny().writer();
        writer.set("tokenizer.chat_template", TEMPLATE);
        let model = lab.model(writer);
        (lab, model)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The folder that LOOKBACK_MODELS names; commands make it when they need it.
    pub(crate) fn models_dir(&self) -> PathBuf {
        self.path("models")
    }

    pub(crate) fn model(&self, writer: Writer<'_>) -> String {
        let path = self.path("tiny.gguf");
        writer.write(&path).expect("a writable folder");
        text(&path)
    }

    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a writable folder");
        std::fs::write(&path, bytes).expect("a writable folder");
        text(&path)
    }

    /// The binary with an environment that does not depend on the machine.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lookback"));
        command.args(args).current_dir(self.dir.path());
        command.env("LOOKBACK_MODELS", self.models_dir());
        // Nothing listens there.
        command.env("HF_ENDPOINT", "http://127.0.0.1:9");
        // A terminal that rustyline cannot drive: whatever it prints there must not reach a pipe.
        command.env("TERM", "dumb");
        for name in ["LOOKBACK_THREADS", "LOOKBACK_KERNELS", "HF_TOKEN"] {
            command.env_remove(name);
        }
        command
    }

    /// Starts a command with pipes at all three ends.
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the binary starts")
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.run_with_input(args, "")
    }

    pub(crate) fn run_with_input(&self, args: &[&str], input: &str) -> Ran {
        let mut child = self.start(args);
        let mut stdin = child.stdin.take().expect("a pipe");
        // A command that fails early does not read its input.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        Ran::of(child.wait_with_output().expect("the binary ends"))
    }

    /// Runs a command that must succeed.
    pub(crate) fn succeeds(&self, args: &[&str]) -> Ran {
        let ran = self.run(args);
        assert_eq!(ran.status, Some(0), "{args:?}: {ran:?}");
        ran
    }

    /// The objects that a command prints, one a line and nothing else.
    pub(crate) fn json_lines(&self, args: &[&str]) -> Vec<Value> {
        self.succeeds(args).json_lines()
    }

    /// The one object that a command prints.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let mut lines = self.json_lines(args);
        assert_eq!(lines.len(), 1, "{args:?}");
        lines.remove(0)
    }

    /// Runs a command that must fail with one line that holds every one of `parts`, print no
    /// answer and leave nothing behind.
    pub(crate) fn fails(&self, args: &[&str], parts: &[&str]) {
        self.run(args).is_error(1, parts);
        let models_dir = self.models_dir();
        let left: Vec<_> = std::fs::read_dir(models_dir).into_iter().flatten().collect();
        assert!(left.is_empty(), "{args:?} left {left:?}");
    }
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("standard output is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("standard error is UTF-8"),
        }
    }

    pub(crate) fn json_lines(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|err| panic!("{line}: {err}"));
        self.stdout.lines().map(parse).collect()
    }

    pub(crate) fn is_error(&self, status: i32, parts: &[&str]) {
        assert_eq!(self.status, Some(status), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        let lines = self.stderr.lines().filter(|line| !line.starts_with("note: "));
        let [line] = lines.collect::<Vec<_>>()[..] else { panic!("expected one line: {self:?}") };
        assert!(line.starts_with("error: "), "{line}");
        for part in parts {
            assert!(line.contains(part), "expected {part:?} in: {line}");
        }
    }
}

/// The numbers of a JSON array of ids.
pub(crate) fn ids(value: &Value) -> Vec<u64> {
    let ids = value.as_array().expect("an array");
    ids.iter().map(|id| id.as_u64().expect("a token id")).collect()
}

fn text(path: &Path) -> String {
    path.to_str().expect("a path of a temporary folder").to_owned()
}
