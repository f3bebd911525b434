//! `lookback serve`: from the first line to the last answer.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command};

use serde_json::Value;

use crate::lab::Lab;

/// A server that a test ends.
struct Served {
    child: Child,
    address: String,
}

impl Served {
    fn start(lab: &Lab, arguments: &[&str]) -> Self {
        let mut child = lab.start(&[&["serve", "--port", "0"], arguments].concat());
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("http://").expect("an address").to_owned();
        Self { child, address }
    }

    fn ask(&self, start: &str, body: &str) -> Value {
        let (status, body) = self.reply(start, body);
        assert_eq!(status, "200", "{body}");
        serde_json::from_str(&body).expect("JSON")
    }

    /// What is said of a request that is refused.
    fn refuses(&self, start: &str, body: &str) -> String {
        let (status, body) = self.reply(start, body);
        assert_eq!(status, "400", "{body}");
        let json: Value = serde_json::from_str(&body).expect("JSON");
        json["error"]["message"].as_str().expect("a text").to_owned()
    }

    /// Its status and body.
    fn reply(&self, start: &str, body: &str) -> (String, String) {
        let request = format!("{start} HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).expect("it answers");
        let (head, body) = reply.split_once("\r\n\r\n").expect("a head and a body");
        (head.split(' ').nth(1).expect("a status").to_owned(), body.to_owned())
    }

    /// What it wrote to stderr.
    fn end(mut self) -> String {
        let kill =
            Command::new("sh").arg("-c").arg(format!("kill -TERM {}", self.child.id())).status();
        assert!(kill.expect("a shell").success());
        let mut log = String::new();
        let stderr = self.child.stderr.as_mut().expect("a pipe");
        stderr.read_to_string(&mut log).expect("text");
        assert_eq!(self.child.wait().expect("it ends").code(), Some(0));
        log
    }
}

const ASKED: &str =
    "{\"messages\": [{\"role\": \"user\", \"content\": \"one\"}], \"max_tokens\": 5}";

#[test]
fn a_model_is_served_until_the_process_is_told_to_end() {
    let (lab, model) = Lab::with_chat();
    let served = Served::start(&lab, &["-m", &model]);
    let json = served.ask("POST /v1/chat/completions", ASKED);
    assert_eq!((&json["model"], &json["object"]), (&"tiny".into(), &"chat.completion".into()));
    let log = served.end();
    assert!(log.contains("path=\"/v1/chat/completions\" status=200"), "{log}");
}

#[test]
fn models_wait_to_be_asked_for() {
    let (lab, model) = Lab::with_chat();
    let second = format!("second={model}");
    let models = ["-m", &model, "-m", &second, "--on-demand", "--log", "json"];
    let served = Served::start(&lab, &models);
    let status = |served: &Served| {
        let models = served.ask("GET /v1/models", "")["data"].clone();
        [0, 1].map(|idx: usize| models[idx]["status"].as_str().expect("a text").to_owned())
    };
    assert_eq!(status(&served), ["unloaded", "unloaded"]);
    let asked = ASKED.replacen('{', "{\"model\": \"second\", ", 1);
    assert_eq!(served.ask("POST /v1/chat/completions", &asked)["model"], "second");
    assert_eq!(status(&served), ["unloaded", "loaded"]);
    let log = served.end();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    assert!(lines.filter(|line| line["message"] == "written").count() == 1, "{log}");
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
    let refused = |arguments: &[&str]| {
        lab.run(&[&["serve", "-m", &model, "--port", "0"], arguments].concat())
    };
    for (arguments, missing) in
        [(["--loaded-max", "2"], "--on-demand"), (["--tls-cert", &none], "--tls-key")]
    {
        let ran = refused(&arguments);
        assert!(ran.status == Some(2) && ran.stderr.contains(missing), "{ran:?}");
    }
    let pair = ["--tls-cert", &none, "--tls-key", &none];
    refused(&pair).is_error(1, &["keys: expected certificates in PEM"]);
}

/// The rows of an answer's tokens, as a client sees them.
fn check_rows(rows: &[Value], n_prompt: u64, n_tokens: usize) {
    let queries: Vec<u64> = rows.iter().map(|row| row["query"].as_u64().expect("a pos")).collect();
    let expected = (0..n_tokens as u64).flat_map(|i| [n_prompt - 1 + i; 2]);
    assert_eq!(queries, expected.collect::<Vec<_>>(), "two heads a token, in order");
    for row in rows {
        let weights = row["weights"].as_array().expect("weights");
        assert!(weights.len() <= 3);
        let listed: f64 = weights.iter().map(|w| w.as_f64().expect("a weight")).sum();
        let all = listed + row["tail"].as_f64().expect("a tail");
        assert!((all - 1.0).abs() < 1e-4, "{row}");
    }
}

#[test]
fn the_attention_that_wrote_an_answer_is_shown_where_it_is_asked_for() {
    let (lab, model) = Lab::with_chat();
    let served = Served::start(&lab, &["-m", &model]);
    let plain = served.ask("POST /v1/chat/completions", ASKED);
    assert_eq!(plain["choices"][0].get("attention"), None);
    let wanted = "{\"attention\": {\"layers\": [1], \"heads\": [0, 1], \"top\": 3}, ";
    let asked = ASKED.replacen('{', wanted, 1);
    let json = served.ask("POST /v1/chat/completions", &asked);
    let (choice, n_prompt) = (&json["choices"][0], &json["usage"]["prompt_tokens"]);
    assert!(choice["message"]["content"].is_string());
    let n_tokens = json["usage"]["completion_tokens"].as_u64().expect("tokens") as usize;
    let rows = choice["attention"]["rows"].as_array().expect("rows");
    check_rows(rows, n_prompt.as_u64().expect("tokens"), n_tokens);
    let refused = asked.replacen("[1]", "[99]", 1);
    let said = served.refuses("POST /v1/chat/completions", &refused);
    assert!(said.contains("attention: layer 99: the model has layers 0 to"), "{said}");
    served.end();
}

#[test]
fn a_client_asks_where_an_answer_came_from() {
    let (lab, model) = Lab::with_chat();
    let served = Served::start(&lab, &["-m", &model]);
    let asked = "{\"messages\": [{\"role\": \"user\", \"content\": \"One is here. Two is not.\"}], \
                 \"answer\": \"One is here.\", \"check\": 2, \"each\": \"sentence\"}";
    let json = served.ask("POST /v1/inspect/look", asked);
    assert_eq!(json["answer"], "One is here.");
    let sources = json["sources"].as_array().expect("sources");
    let texts: Vec<&str> = sources.iter().map(|s| s["text"].as_str().expect("text")).collect();
    assert_eq!(texts, ["One is here.", "Two is not."]);
    let ranked = json["parts"][0]["ranked"].as_array().expect("sources");
    assert!(ranked.iter().all(|source| source["knock_out"].is_number()), "{json}");
    let said = served.refuses("POST /v1/inspect/look", &asked.replace("sentence", "chapter"));
    assert!(said.contains("each: expected answer, sentence, word or token"), "{said}");
    let elsewhere = asked.replacen('{', "{\"context\": \"Three\", ", 1);
    let said = served.refuses("POST /v1/inspect/look", &elsewhere);
    assert!(said.contains("Three"), "{said}");
    served.end();
}
