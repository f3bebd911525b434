//! `lookback serve`: from the first line to the last answer.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use serde_json::Value;

use crate::lab::Lab;

#[test]
fn a_model_is_served_until_the_process_is_told_to_end() {
    let (lab, model) = Lab::with_chat();
    let mut child = lab.start(&["serve", "-m", &model, "--port", "0"]);
    let mut line = String::new();
    let stdout = child.stdout.as_mut().expect("a pipe");
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    let address = line.trim().strip_prefix("http://").expect("an address");
    let body = "{\"messages\": [{\"role\": \"user\", \"content\": \"one\"}], \"max_tokens\": 5}";
    let request = format!(
        "POST /v1/chat/completions HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("it answers");
    let (head, body) = reply.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with("HTTP/1.0 200") || head.starts_with("HTTP/1.1 200"), "{head}");
    let json: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!((&json["model"], &json["object"]), (&"tiny".into(), &"chat.completion".into()));
    let kill = Command::new("sh").arg("-c").arg(format!("kill -TERM {}", child.id())).status();
    assert!(kill.expect("a shell").success());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn what_cannot_be_served_is_refused() {
    let (lab, model) = Lab::with_tiny();
    lab.fails(
        &["serve", "-m", &model, "--host", "0.0.0.0", "--port", "0"],
        &["can be reached from other machines", "--api-key-file"],
    );
    let none = lab.file("keys", "\n");
    let keys = ["serve", "-m", &model, "--port", "0", "--api-key-file", &none];
    lab.fails(&keys, &["keys", "one a line, found none"]);
    let twice = ["serve", "-m", &model, "-m", &model, "--port", "0"];
    lab.run(&twice).is_error(2, &["two models are called tiny"]);
}
