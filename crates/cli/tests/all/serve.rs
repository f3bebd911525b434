//! `lookback serve`: from the first line to the last answer.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command};

use serde_json::{Value, json};
use tiny_random::TinyRandom;

use crate::embed::bert;
use crate::lab::{Lab, TEMPLATE, tiny};

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
    let (status, told) = served.reply("POST /v1/models/tiny/load", "{}");
    assert_eq!(status, "200", "{told}");
    let data: Vec<&str> = told.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    let [.., model, "[DONE]"] = data[..] else { panic!("{told}") };
    let model: Value = serde_json::from_str(model).expect("JSON");
    assert_eq!((&model["status"], &model["attention"]), (&"loaded".into(), &true.into()));
    let log = served.end();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    assert!(lines.filter(|line| line["message"] == "written").count() == 1, "{log}");
}

/// A plan for a text of which nothing is cached is that of the command line; what is measured once
/// is kept for both.
#[test]
fn an_answer_is_planned_as_on_the_command_line() {
    let (lab, model) = Lab::with_chat();
    let served = Served::start(&lab, &["-m", &model, "--kv", "q8_0"]);
    let plan = |asked: &str| served.ask("POST /v1/plan", asked);
    let json = plan(ASKED);
    let counts = ["n_ctx", "prompt_tokens", "answer_tokens"].map(|name| json[name].to_string());
    let [ctx, prompt, generate] = counts.each_ref().map(|text| &**text);
    let sizes = ["--ctx", ctx, "--prompt", prompt, "--generate", generate];
    let expected =
        lab.json(&[&["plan", "-m", "tiny.gguf", "--kv", "q8_0", "--json"], &sizes[..]].concat());
    for (name, of_command) in [
        ("weights_bytes", "weights_bytes"),
        ("kv_bytes_max", "kv_bytes"),
        ("prefill_s", "prefill_s"),
        ("decode_tps", "decode_tps"),
    ] {
        assert_eq!(json[name], expected[of_command], "{name}: {json}");
    }
    let number = |json: &Value, name: &str| json[name].as_f64().expect("a number");
    let [prefill_s, seconds] = ["prefill_s", "seconds"].map(|name| number(&json, name));
    let decode_s = number(&json, "answer_tokens") / number(&json, "decode_tps");
    assert!(
        prefill_s < seconds && seconds < prefill_s + decode_s,
        "all but the last token: {json}"
    );
    served.ask("POST /v1/chat/completions", ASKED);
    let again = plan(ASKED);
    assert_eq!(number(&again, "compute_tokens"), 1.0, "{again}");
    assert!(number(&again, "prefill_s") <= prefill_s, "{again}");
    served.end();
}

/// Two settings of one file, side by side.
#[test]
fn a_model_has_a_cache_of_its_own() {
    let (lab, model) = Lab::with_chat();
    let [a, b] = ["a", "b"].map(|name| format!("{name}={model}"));
    let models = ["-m", &a, "-m", &b];
    let served = Served::start(&lab, &[&models[..], &["--kv-of", "b=q8_0/q4_0:0=f32"]].concat());
    for (name, kv) in [("a", "f16"), ("b", "q8_0/q4_0:0=f32")] {
        let asked = ASKED.replacen('{', &format!("{{\"model\": \"{name}\", "), 1);
        let plan = served.ask("POST /v1/plan", &asked);
        let ctx = plan["n_ctx"].to_string();
        let expected = lab.json(&["plan", "-m", &model, "--kv", kv, "--ctx", &ctx, "--json"]);
        assert_eq!(plan["kv_bytes_max"], expected["kv_bytes"], "{name}");
        assert_eq!(served.ask("POST /v1/chat/completions", &asked)["model"], name);
    }
    served.end();
    let refused =
        |kv_of: &[&str]| lab.run(&[&["serve", "--port", "0"], &models[..], kv_of].concat());
    let unknown = refused(&["--kv-of", "c=q8_0"]);
    unknown.is_error(2, &["--kv-of c: no model is called so; served here: a, b"]);
    let twice = refused(&["--kv-of", "b=q8_0", "--kv-of", "b=f32"]);
    twice.is_error(2, &["--kv-of b: it has a type of cache already"]);
    for (kv_of, said) in [("b", "expected NAME=TYPE"), ("b=f7", "\"f7\" is no type of cache")] {
        let ran = refused(&["--kv-of", kv_of]);
        assert!(ran.status == Some(2) && ran.stderr.contains(said), "{ran:?}");
    }
    let bert = format!("bert={}", bert());
    let vectors = ["serve", "--port", "0", "-m", &bert, "--kv-of", "bert=q8_0"];
    lab.run(&vectors).is_error(2, &["--kv-of bert: it makes vectors of texts"]);
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

/// Rows wherever they stand in an answer, or in a part of a stream.
fn rows_in(json: &Value) -> Vec<Value> {
    let places = ["/attention", "/choices/0/attention", "/response/attention"];
    let found = places.into_iter().filter_map(|place| json.pointer(place));
    found.flat_map(|seen| seen["rows"].as_array().expect("rows").clone()).collect()
}

#[test]
fn every_dialect_shows_the_attention_that_wrote_an_answer() {
    let (lab, model) = Lab::with_chat();
    let served = Served::start(&lab, &["-m", &model]);
    let check = |path: &str, more: Value, counts: [&[&str]; 2]| {
        let mut body = json!({"temperature": 0, "attention": {"layers": [1],
            "heads": [0, 1], "top": 3}});
        body.as_object_mut().expect("an object").extend(more.as_object().expect("one").clone());
        let json = served.ask(&format!("POST {path}"), &body.to_string());
        let count = |places: &[&str]| -> u64 {
            places.iter().filter_map(|place| json["usage"][place].as_u64()).sum()
        };
        let [n_prompt, n_tokens] = counts.map(count);
        let whole = rows_in(&json);
        check_rows(&whole, n_prompt, n_tokens as usize);
        body["stream"] = true.into();
        let (status, stream) = served.reply(&format!("POST {path}"), &body.to_string());
        assert_eq!(status, "200", "{stream}");
        let parts = stream.lines().filter_map(|line| line.strip_prefix("data: {"));
        let parts = parts.map(|rest| serde_json::from_str(&format!("{{{rest}")).expect("JSON"));
        assert_eq!(parts.flat_map(|part: Value| rows_in(&part)).collect::<Vec<_>>(), whole);
        body["attention"]["heads"] = json!([4]);
        let said = served.refuses(&format!("POST {path}"), &body.to_string());
        assert!(said.contains("attention: head 4: the model has heads 0 to 3"), "{said}");
        json
    };
    let messages = json!([{"role": "user", "content": "one"}]);
    let of_openai: [&[&str]; 2] = [&["prompt_tokens"], &["completion_tokens"]];
    let chat = json!({"messages": messages, "max_tokens": 5});
    check("/v1/chat/completions", chat.clone(), of_openai);
    check("/v1/completions", json!({"prompt": "one", "max_tokens": 5}), of_openai);
    let read = ["input_tokens", "cache_read_input_tokens"];
    check("/v1/messages", chat, [&read, &["output_tokens"]]);
    let asked = json!({"input": "one", "max_output_tokens": 5});
    let json = check("/v1/responses", asked, [&["input_tokens"], &["output_tokens"]]);
    let kept = format!("GET /v1/responses/{}", json["id"].as_str().expect("a name"));
    assert_eq!(rows_in(&served.ask(&kept, "")), [] as [Value; 0], "they are not kept");
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

const STORY: &str = "The dog met the cat. Then the dog saw that it was wet. They left.";

/// Whoever asks over HTTP is told what the command line says.
#[track_caller]
fn check_inspection(served: &Served, lab: &Lab, (name, body): (&str, Value), args: &[&str]) {
    let mut json = served.ask(&format!("POST /v1/inspect/{name}"), &body.to_string());
    let object = json.as_object_mut().and_then(|json| json.remove("object"));
    assert_eq!(object, Some(format!("inspection.{name}").into()));
    let args = [&["inspect", name, "--json", "-m", "tiny.gguf"], args].concat();
    assert_eq!(json, lab.json(&args), "{name}");
}

#[test]
fn questions_have_the_same_answers_over_http() {
    let lab = Lab::new();
    // Planted documents have some thousand letters.
    let mut writer = TinyRandom { n_ctx: 4096, ..tiny() }.writer();
    writer.set("tokenizer.chat_template", TEMPLATE);
    let model = lab.model(writer);
    let served = Served::start(&lab, &["-m", &model]);
    let file = lab.file("story.txt", STORY);
    let check = |name, body, args: &[&str]| check_inspection(&served, &lab, (name, body), args);
    let who = json!({"text": STORY, "word": "it"});
    check("who", who, &[STORY, "--word", "it"]);
    let messages = json!([{"role": "user", "content": [{"type": "text", "text": STORY}]}]);
    let who = json!({"messages": messages, "word": "the dog", "nth": 1, "among": ["the cat"]});
    check("who", who, &[STORY, "--word", "the dog", "--nth", "1", "--among", "the cat"]);
    check("contradict", json!({"text": STORY, "pairs": 2}), &[STORY, "--pairs", "2"]);
    let drown = json!({"document": STORY, "question": "Who left?", "answer": "They."});
    check("drown", drown, &["Who left?", "-f", &file, "--answer", "They."]);
    let drown = json!({"document": STORY, "question": "Who?", "max_tokens": 3, "span": "the cat"});
    check("drown", drown, &["Who?", "-f", &file, "-n", "3", "--span", "the cat"]);
    // What the server measures first, it keeps for others.
    let inject = json!({"instruction": "Sum up.", "data": STORY});
    check("inject", inject, &["--instruction", "Sum up.", STORY]);
    let ground = json!({"document": STORY, "question": "Who left?", "answer": "They. And it."});
    check("ground", ground, &["Who left?", "-f", &file, "--answer", "They. And it."]);
    check("heads", json!({}), &[]);
    let n_kept = std::fs::read_dir(lab.models_dir().join(".profiles")).expect("profiles").count();
    assert_eq!(n_kept, 1);
    served.end();
}

#[test]
fn rows_of_a_conversation_are_shown() {
    let (lab, model) = Lab::with_chat();
    let served = Served::start(&lab, &["-m", &model]);
    let ask = |more: Value| {
        let mut body = json!({"messages": [{"role": "user", "content": "one"}], "layers": [1],
            "heads": [0, 1], "top": 3});
        let more = more.as_object().expect("an object").clone();
        body.as_object_mut().expect("an object").extend(more);
        served.ask("POST /v1/inspect/rows", &body.to_string())
    };
    let json = ask(json!({"answer": "two"}));
    assert_eq!(
        (&json["schema"], &json["object"]),
        (&"lookback.attention/1".into(), &"inspection.rows".into())
    );
    let n_prompt = json["n_prompt"].as_u64().expect("a number");
    let n_tokens = json["tokens"].as_array().expect("tokens").len();
    let rows = json["rows"].as_array().expect("rows");
    check_rows(rows, n_prompt, n_tokens - n_prompt as usize);
    let json = ask(json!({"max_tokens": 0}));
    assert_eq!((&json["answer"], &json["n_prompt"]), (&"".into(), &n_prompt.into()));
    check_rows(json["rows"].as_array().expect("rows"), n_prompt, 1);
    let json = ask(json!({"answer": "two", "rows": [2, 3], "top": 100}));
    let rows = json["rows"].as_array().expect("rows");
    assert!(rows.iter().all(|row| row["tail"] == 0.0) && rows.len() == 4, "{json}");
    served.end();
}

#[test]
fn what_is_wrong_with_a_question_is_named() {
    let (lab, model) = Lab::with_chat();
    let served = Served::start(&lab, &["-m", &model]);
    let long = "a ".repeat(100_000);
    let messages = json!([{"role": "user", "content": "one"}]);
    for (name, body, field, said) in [
        ("who", json!({"word": "it"}), "text", "it is missing"),
        ("who", json!({"text": STORY}), "word", "it is missing"),
        ("who", json!({"text": STORY, "word": "she"}), "word", "\"she\" as a whole word 0 times"),
        ("who", json!({"text": STORY, "word": "it", "nth": 0}), "nth", "from 1 on"),
        ("who", json!({"text": STORY, "word": "it", "among": ["the horse"]}), "among", "the horse"),
        ("who", json!({"text": STORY, "word": "The"}), "word", "nothing that"),
        (
            "who",
            json!({"text": STORY, "word": "it", "among": vec!["a"; 17]}),
            "among",
            "at most 16",
        ),
        ("who", json!({"text": long, "word": "a"}), "text", "tokens, the context holds"),
        ("who", json!({"messages": [], "word": "a"}), "messages", "with a text"),
        ("contradict", json!({"text": "One."}), "text", "2 to 2000 sentences"),
        ("contradict", json!({"text": STORY, "pairs": 0}), "pairs", "1 to 1000"),
        ("drown", json!({"question": "Who?"}), "document", "it is missing"),
        ("drown", json!({"document": STORY, "question": " "}), "question", "it is empty"),
        (
            "drown",
            json!({"document": STORY, "question": "Who?", "span": "horse"}),
            "span",
            "the text does not hold \"horse\"",
        ),
        ("inject", json!({"instruction": "Say it."}), "data", "it is missing"),
        ("inject", json!({"instruction": "Say it.", "data": long}), "data", "the context holds"),
        ("ground", json!({"document": STORY}), "question", "it is missing"),
        ("rows", json!({}), "messages", "it is missing"),
        ("rows", json!({"messages": messages, "layers": [99]}), "layers", "layer 99"),
        ("rows", json!({"messages": messages, "heads": [4]}), "heads", "heads 0 to 3"),
        ("rows", json!({"messages": messages, "rows": [0, 9999]}), "rows", "tokens 0 to"),
        ("rows", json!({"messages": messages, "rows": "some"}), "rows", "expected answer"),
        ("look", json!({"messages": messages, "context": "Three"}), "context", "Three"),
        ("heads", json!({"layer": 1}), "layer", "nobody knows this field"),
    ] {
        let start = format!("POST /v1/inspect/{name}");
        let (status, reply) = served.reply(&start, &body.to_string());
        let error = serde_json::from_str::<Value>(&reply).expect("JSON")["error"].clone();
        assert_eq!((&status[..], &error["param"]), ("400", &field.into()), "{name}: {error}");
        assert!(error["message"].as_str().is_some_and(|text| text.contains(said)), "{error}");
    }
    served.end();
}
