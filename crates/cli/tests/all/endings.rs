//! Ctrl-C and pipes that close: the work stops, quietly, with the status that says so.

#![cfg(unix)]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use tiny_random::TinyRandom;

use crate::lab::{LETTER_E, Lab, Ran, tiny};

/// Tokens of an answer that takes much longer than it takes to stop it.
const N_CTX: u32 = 1 << 16;

/// An answer without end, short of [`N_CTX`].
fn endless(command: &str) -> (Lab, Child) {
    let lab = Lab::new();
    let model = lab.model(TinyRandom { n_ctx: N_CTX, ..tiny() }.writer());
    let always_e = format!("{LETTER_E}=1000");
    let mut child = lab.start(&[command, "-m", &model, "--logit-bias", &always_e]);
    let stdin = child.stdin.as_mut().expect("a pipe");
    stdin.write_all(b"tell\n").expect("it reads");
    if command == "run" {
        // Its prompt is all that comes.
        child.stdin = None;
    }
    (lab, child)
}

/// Waits until the answer has begun.
fn read_a_byte(child: &mut Child) {
    let mut byte = [0];
    child.stdout.as_mut().expect("a pipe").read_exact(&mut byte).expect("an answer");
    assert_eq!(byte, *b"e");
}

/// What Ctrl-C in a terminal does.
fn interrupt(child: &Child) {
    let kill = Command::new("sh").arg("-c").arg(format!("kill -INT {}", child.id())).status();
    assert!(kill.expect("a shell").success());
}

fn end(child: Child) -> Ran {
    Ran::of(child.wait_with_output().expect("it ends"))
}

#[test]
fn an_interrupted_run_ends_with_its_closing_line_and_status_130() {
    let (_lab, mut child) = endless("run");
    read_a_byte(&mut child);
    interrupt(&child);
    let ran = end(child);
    assert_eq!(ran.status, Some(130), "{}", ran.stderr);
    assert!(ran.stdout.len() < N_CTX as usize / 2, "{} bytes", ran.stdout.len());
    assert_eq!(ran.stdout.trim_start_matches('e'), "\n");
    assert!(ran.stderr.trim_end().ends_with(']'), "{}", ran.stderr);
}

#[test]
fn an_interrupted_answer_does_not_end_the_chat() {
    let (_lab, mut child) = endless("chat");
    read_a_byte(&mut child);
    interrupt(&child);
    let stdin = child.stdin.as_mut().expect("a pipe");
    stdin.write_all(b"/stats\n/save chat.json\n/exit\n").expect("it reads");
    let ran = end(child);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.len() < N_CTX as usize / 2, "{} bytes", ran.stdout.len());
    assert_eq!(ran.stdout.trim_start_matches('e'), "\n\n");
    assert!(ran.stderr.contains("prompt tokens"), "{}", ran.stderr);
    assert!(ran.stderr.contains("saved 2 messages"), "{}", ran.stderr);
}

/// A server that begins a download and never ends it.
#[test]
fn an_interrupted_pull_says_how_to_go_on() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of this machine");
    let address = format!("http://{}", listener.local_addr().expect("a bound port"));
    let lab = Lab::new();
    let mut command = lab.command(&["pull", "hf:owner/repo/tiny.gguf"]);
    command.env("HF_ENDPOINT", address).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the binary starts");
    let (mut stream, _) = listener.accept().expect("it connects");
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
    stream.write_all(head).expect("it reads");
    interrupt(&child);
    // The flag is looked at between chunks.
    while stream.write_all(&[0; 100]).is_ok() {}
    let ran = end(child);
    assert_eq!(ran.status, Some(130), "{ran:?}");
    assert!(ran.stderr.contains("error: pull of `hf:owner/repo/tiny.gguf` stopped"), "{ran:?}");
    assert!(ran.stderr.contains("the same command goes on with it"), "{ran:?}");
}

fn check_closed(mut child: Child) {
    let mut byte = [0];
    let mut stdout = child.stdout.take().expect("a pipe");
    stdout.read_exact(&mut byte).expect("a byte");
    drop(stdout);
    drop(child.stdin.take());
    let ran = end(child);
    assert_eq!(ran.status, Some(0), "{ran:?}");
    for word in ["panicked", "error"] {
        assert!(!ran.stderr.contains(word), "{ran:?}");
    }
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    check_closed(endless("run").1);
    check_closed(endless("chat").1);
    let (lab, model) = Lab::with_tiny();
    let long = "e".repeat(100_000);
    let file = lab.file("long.txt", &long);
    check_closed(lab.start(&["tokenize", "-m", &model, "-f", &file]));
    check_closed(lab.start(&["models"]));
    check_closed(lab.start(&["show", "--tensors", &model]));
    check_closed(lab.start(&["score", "-m", &model, "hello"]));
}

/// Nobody reads the numbers either: the answer comes all the same.
#[test]
fn a_closed_standard_error_is_no_error() {
    let (lab, model) = Lab::with_tiny();
    let mut child = lab.start(&["run", "-m", &model, "-n", "3", "-"]);
    drop(child.stderr.take());
    child.stdin.take().expect("a pipe").write_all(b"hello").expect("it reads");
    assert_eq!(end(child).status, Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn an_answer_that_cannot_be_written_is_an_error() {
    let (lab, model) = Lab::with_tiny();
    for args in [&["run", "-m", &model, "hello"][..], &["models"], &["models", "--json"]] {
        let full = std::fs::File::create("/dev/full").expect("Linux has it");
        let child = lab.command(args).stdout(full).stderr(Stdio::piped()).spawn();
        let ran = end(child.expect("the binary starts"));
        assert_eq!(ran.status, Some(1), "{ran:?}");
        assert!(ran.stderr.contains("error: cannot write to standard output"), "{ran:?}");
    }
}
