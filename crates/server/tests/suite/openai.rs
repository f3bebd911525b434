//! Answers in OpenAI's form, whole and in parts.

use serde_json::{Value, json};
use server::ServerOptions;

use crate::lab::{ANSWER, Lab, vocabulary};

const CHAT: &str = "/v1/chat/completions";
const TEXT: &str = "/v1/completions";
const TEMPLATE: &str = "{% for m in messages %}{{ m.role }}: {{ m.content }}{% endfor %}";

fn chat(content: &Value) -> Value {
    json!({"messages": [{"role": "user", "content": content}], "temperature": 0})
}

fn text_of(chunks: &[Value], part: &str) -> String {
    let texts = chunks.iter().filter_map(|chunk| chunk["choices"][0].pointer(part)?.as_str());
    texts.collect()
}

#[test]
fn a_chat_is_answered_whole_and_in_parts() {
    let lab = Lab::with(ServerOptions::default(), Some(TEMPLATE));
    for content in [json!("go"), json!([{"type": "text", "text": "go"}])] {
        let whole = lab.post(CHAT, &chat(&content)).json();
        let choice = &whole["choices"][0];
        assert_eq!(choice["message"]["content"], ANSWER);
        assert_eq!(
            (&choice["finish_reason"], &whole["object"]),
            (&json!("stop"), &json!("chat.completion"))
        );
        // `user: go` in bytes and a word, after the beginning of a text.
        let n_prompt = whole["usage"]["prompt_tokens"].as_u64().expect("a number");
        // The end of the turn is a token too.
        assert_eq!(whole["usage"]["completion_tokens"], 8);
        assert_eq!(whole["usage"]["total_tokens"], n_prompt + 8);
        let chunks = lab.stream(CHAT, chat(&content));
        assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
        let roles = chunks.iter().filter(|chunk| !chunk["choices"][0]["delta"]["role"].is_null());
        assert_eq!(roles.count(), 1);
        assert_eq!(text_of(&chunks, "/delta/content"), ANSWER);
        let (last, before) = chunks.split_last().expect("chunks");
        assert_eq!(last["choices"][0]["finish_reason"], "stop");
        assert!(before.iter().all(|chunk| chunk["choices"][0]["finish_reason"].is_null()));
        assert!(chunks.iter().all(|chunk| chunk.get("usage").is_none()));
    }
}

/// `stream_options.include_usage`: one more chunk, without choices.
#[test]
fn a_stream_ends_with_what_it_cost_where_that_was_asked() {
    let lab = Lab::new();
    for (path, mut body) in [(CHAT, chat(&json!("go"))), (TEXT, json!({"prompt": "go"}))] {
        let whole = lab.post(path, &body).json();
        body["stream_options"] = json!({"include_usage": true});
        let chunks = lab.stream(path, body);
        let (last, before) = chunks.split_last().expect("chunks");
        assert_eq!(last["choices"], json!([]));
        for key in ["prompt_tokens", "completion_tokens", "total_tokens"] {
            assert_eq!(last["usage"][key], whole["usage"][key], "{path}");
        }
        assert!(before.iter().all(|chunk| chunk["usage"].is_null()));
        assert_eq!(
            last["context"]["reused"],
            last["usage"]["prompt_tokens_details"]["cached_tokens"]
        );
    }
}

#[test]
fn roles_and_empty_content_are_read() {
    let lab = Lab::with(ServerOptions::default(), Some(TEMPLATE));
    let messages = json!([
        {"role": "developer", "content": "Be brief."},
        {"role": "assistant", "content": null},
        {"role": "user", "content": "go"},
    ]);
    let reply = lab.post(CHAT, &json!({"messages": messages, "temperature": 0}));
    assert_eq!(reply.json()["choices"][0]["message"]["content"], ANSWER);
}

#[test]
fn a_limit_is_named_as_the_end() {
    let lab = Lab::new();
    for key in ["max_tokens", "max_completion_tokens"] {
        let mut body = chat(&json!("on"));
        body[key] = json!(3);
        let whole = lab.post(CHAT, &body).json();
        let choice = &whole["choices"][0];
        assert_eq!(
            (&choice["message"]["content"], &choice["finish_reason"]),
            (&json!(" one one one"), &json!("length"))
        );
    }
    for stop in [json!(" three"), json!([" nothing", " three"])] {
        let mut body = chat(&json!("go"));
        body["stop"] = stop;
        let choice = &lab.post(CHAT, &body).json()["choices"][0];
        assert_eq!(
            (&choice["message"]["content"], &choice["finish_reason"]),
            (&json!(" one🦙 two"), &json!("stop"))
        );
    }
}

#[test]
fn several_answers_share_one_prompt() {
    let lab = Lab::new();
    let mut body = chat(&json!("go"));
    body["n"] = json!(3);
    let whole = lab.post(CHAT, &body).json();
    let choices = whole["choices"].as_array().expect("choices");
    for (i, choice) in choices.iter().enumerate() {
        assert_eq!((&choice["index"], &choice["message"]["content"]), (&json!(i), &json!(ANSWER)));
    }
    assert_eq!((choices.len(), &whole["usage"]["completion_tokens"]), (3, &json!(24)));
    let chunks = lab.stream(CHAT, body);
    for index in 0..3 {
        let own = chunks.iter().filter(|chunk| chunk["choices"][0]["index"] == index);
        assert_eq!(text_of(&own.cloned().collect::<Vec<_>>(), "/delta/content"), ANSWER);
    }
}

/// With the true bytes of each token, halves of characters too.
#[test]
fn log_probabilities_of_a_chat() {
    let lab = Lab::new();
    let mut body = chat(&json!("go"));
    (body["logprobs"], body["top_logprobs"]) = (json!(true), json!(2));
    let whole = lab.post(CHAT, &body).json();
    let places = whole["choices"][0]["logprobs"]["content"].as_array().expect("places").clone();
    let bytes = places.iter().flat_map(|place| place["bytes"].as_array().expect("bytes"));
    let bytes: Vec<u8> = bytes.map(|byte| byte.as_u64().expect("a byte") as u8).collect();
    assert_eq!(bytes, ANSWER.as_bytes());
    for place in &places {
        assert!(place["logprob"].as_f64().expect("a number") > -0.1, "{place}");
        let top = place["top_logprobs"].as_array().expect("places");
        assert_eq!(
            (top.len(), &top[0]["bytes"], &top[1]["token"]),
            (2, &place["bytes"], &json!("go"))
        );
    }
    let chunks = lab.stream(CHAT, body);
    let of_chunks = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["logprobs"]["content"].as_array().cloned());
    assert_eq!(of_chunks.flatten().collect::<Vec<_>>(), places);
}

/// As an evaluation harness asks: prompts of tokens, echoed with how likely each of them is.
#[test]
fn prompts_are_scored() {
    let lab = Lab::new();
    let vocabulary = vocabulary();
    let [go, one] = ["go", " one"].map(|word| vocabulary.word(word));
    let llama = vocabulary.bytes("🦙".as_bytes());
    let body = |max_tokens: usize| {
        json!({
            "prompt": [[1, go, one, llama[0]], [1, go]],
            "echo": true, "logprobs": 1, "max_tokens": max_tokens, "temperature": 0,
        })
    };
    for max_tokens in [0, 1] {
        let whole = lab.post(TEXT, &body(max_tokens)).json();
        let logprobs = &whole["choices"][0]["logprobs"];
        let of_tokens = logprobs["token_logprobs"].as_array().expect("a list");
        assert_eq!(of_tokens.len(), 4 + max_tokens);
        assert_eq!(of_tokens[0], Value::Null);
        // What the script says comes next, and what it does not.
        let likely: Vec<bool> =
            of_tokens[1..].iter().map(|x| x.as_f64().expect("a number") > -0.1).collect();
        assert_eq!(likely, [&[false, true, true][..], &[true][..max_tokens]].concat());
        assert_eq!(logprobs["tokens"][1], "go");
        assert_eq!(
            logprobs["text_offset"][2],
            logprobs["text_offset"][1].as_u64().expect("a number") + 2
        );
        assert_eq!(logprobs["top_logprobs"][2], json!({" one": of_tokens[2]}));
        assert_eq!(whole["choices"].as_array().expect("choices").len(), 2);
        assert_eq!(whole["usage"]["prompt_tokens"], 6);
    }
}

#[test]
fn texts_are_continued_whole_and_in_parts() {
    let lab = Lab::new();
    let body = json!({"prompt": ["go", "say go"], "n": 2, "temperature": 0});
    let whole = lab.post(TEXT, &body).json();
    let choices = whole["choices"].as_array().expect("choices");
    assert_eq!((choices.len(), &whole["object"]), (4, &json!("text_completion")));
    let chunks = lab.stream(TEXT, body);
    for (index, choice) in choices.iter().enumerate() {
        assert_eq!((&choice["index"], &choice["text"]), (&json!(index), &json!(ANSWER)));
        let own = chunks.iter().filter(|chunk| chunk["choices"][0]["index"] == index);
        assert_eq!(text_of(&own.cloned().collect::<Vec<_>>(), "/text"), ANSWER);
    }
    let whole = lab.post(TEXT, &json!({"prompt": "go", "echo": true})).json();
    assert_eq!(whole["choices"][0]["text"], format!("<s>go{ANSWER}"));
}

#[test]
fn models_are_listed() {
    let lab = Lab::new();
    let list = lab.get("/v1/models");
    assert_eq!((&list["object"], &list["data"][0]["id"]), (&json!("list"), &json!("script")));
    assert_eq!(lab.get("/v1/models/script"), list["data"][0]);
    assert_eq!(lab.ask("GET", "/v1/models/other", "", b"").status, 404);
}
