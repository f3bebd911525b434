//! Requests that make no sense: 4xx in OpenAI's form, with the field that is to blame.

use serde_json::{Value, json};
use server::{Limits, ServerOptions};

use crate::lab::{ANSWER, Lab};

const CHAT: &str = "/v1/chat/completions";
const TEXT: &str = "/v1/completions";

fn check(lab: &Lab, path: &str, body: &[u8], status: u16, field: Value) {
    let reply = lab.ask("POST", path, "", body);
    let text = String::from_utf8_lossy(&body[..body.len().min(200)]);
    assert_eq!(reply.status, status, "{text}: {reply:?}");
    let error = &reply.json()["error"];
    assert_eq!(error["param"], field, "{text}: {error}");
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
    assert!(error["type"].is_string(), "{error}");
}

/// A chat with other fields.
fn chat(fields: Value) -> Value {
    let mut body = json!({"messages": [{"role": "user", "content": "go"}]});
    let fields = fields.as_object().expect("an object").clone();
    body.as_object_mut().expect("an object").extend(fields);
    body
}

#[test]
fn fields_of_chats_are_named() {
    let lab = Lab::new();
    for (fields, status, field) in [
        (json!({"nonsense": 1}), 400, "nonsense"),
        (json!({"temperature": "hot"}), 400, "temperature"),
        (json!({"temperature": -1}), 400, "temperature"),
        (json!({"top_p": 1.5}), 400, "top_p"),
        (json!({"top_k": -7}), 400, "top_k"),
        (json!({"min_p": 2}), 400, "min_p"),
        (json!({"presence_penalty": 3}), 400, "presence_penalty"),
        (json!({"frequency_penalty": -3}), 400, "frequency_penalty"),
        (json!({"repeat_penalty": 0}), 400, "repeat_penalty"),
        (json!({"logit_bias": {"x": 1}}), 400, "logit_bias"),
        (json!({"logit_bias": {"999999": 1}}), 400, "logit_bias"),
        (json!({"logit_bias": [1]}), 400, "logit_bias"),
        (json!({"n": 0}), 400, "n"),
        (json!({"n": 1000}), 400, "n"),
        (json!({"n": -1}), 400, "n"),
        (json!({"max_tokens": 0}), 400, "max_tokens"),
        (json!({"max_tokens": -5}), 400, "max_tokens"),
        (json!({"max_tokens": 1.5}), 400, "max_tokens"),
        (json!({"stop": ""}), 400, "stop"),
        (json!({"stop": 5}), 400, "stop"),
        (json!({"stop": vec!["a"; 17]}), 400, "stop"),
        (json!({"seed": "x"}), 400, "seed"),
        (json!({"stream": "yes"}), 400, "stream"),
        (json!({"stream_options": {"nonsense": true}}), 400, "stream_options"),
        (json!({"stream_options": [true]}), 400, "stream_options"),
        (json!({"structured_outputs": [{"type": "object"}]}), 400, "structured_outputs"),
        (json!({"top_logprobs": 3}), 400, "top_logprobs"),
        (json!({"logprobs": true, "top_logprobs": 21}), 400, "top_logprobs"),
        (json!({"modalities": ["audio"]}), 400, "modalities"),
        (json!({"model": "other"}), 404, "model"),
        (json!({"messages": []}), 400, "messages"),
        (json!({"messages": "go"}), 400, "messages"),
        (json!({"messages": [1]}), 400, "messages"),
        (json!({"messages": [{"content": "go"}]}), 400, "messages"),
        (json!({"messages": [{"role": "user", "content": {"text": "go"}}]}), 400, "messages"),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "image_url",
                "image_url": {"url": "http://169.254.169.254/"}}]}]}),
            400,
            "messages",
        ),
        (json!({"messages": [{"role": "user", "content": "a".repeat(200_000)}]}), 400, "messages"),
        (json!({"messages": null}), 400, "messages"),
    ] {
        check(&lab, CHAT, chat(fields).to_string().as_bytes(), status, json!(field));
    }
    // And the server still answers.
    let reply = lab.post(CHAT, &chat(json!({"temperature": 0})));
    assert_eq!(reply.json()["choices"][0]["message"]["content"], ANSWER);
}

/// Tools and forms that cannot be held to are refused: no answer goes without them.
#[test]
fn fields_of_tools_and_forms_are_named() {
    let lab = Lab::new();
    for (fields, status, field) in [
        (json!({"tools": [{"type": "function"}]}), 400, "tools"),
        (json!({"tools": [{"type": "web_search"}]}), 400, "tools"),
        (json!({"tools": [{"type": "function", "function": {"name": "a b"}}]}), 400, "tools"),
        (
            json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": 5}}]}),
            400,
            "tools",
        ),
        (
            json!({"tool_choice": "required", "tools": [{"type": "function", "function":
                {"name": "f", "parameters": {"type": "string", "pattern": "("}}}]}),
            400,
            "tool_choice",
        ),
        (json!({"tool_choice": "required"}), 400, "tool_choice"),
        (json!({"tool_choice": "sometimes"}), 400, "tool_choice"),
        (
            json!({"tool_choice": {"type": "function", "function": {"name": "g"}}}),
            400,
            "tool_choice",
        ),
        (json!({"functions": [{"name": "f"}]}), 400, "functions"),
        (json!({"response_format": {"type": "xml"}}), 400, "response_format"),
        (json!({"response_format": {"type": "json_schema"}}), 400, "response_format"),
        (
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x",
                "strict": true, "schema": {"type": "string", "pattern": "^a\\\\!(?=b)$"}}}}),
            400,
            "response_format",
        ),
        (json!({"guided_regex": "foo**("}), 400, "guided_regex"),
        (json!({"guided_choice": []}), 400, "guided_choice"),
        (json!({"grammar": "root ::= ("}), 400, "grammar"),
        (json!({"grammar": format!("root ::= {}", "(".repeat(60_000))}), 400, "grammar"),
        (
            json!({"guided_grammar": format!("start: {}", "(".repeat(60_000))}),
            400,
            "guided_grammar",
        ),
        (json!({"structured_outputs": {}}), 400, "structured_outputs"),
        (json!({"structured_outputs": {"xml": 1}}), 400, "structured_outputs"),
        (json!({"guided_regex": "a", "guided_choice": ["a"]}), 400, "guided_choice"),
        (json!({"kv_policy": "some"}), 400, "kv_policy"),
        (json!({"reasoning_budget": 10, "reasoning_min": 20}), 400, "reasoning_budget"),
    ] {
        check(&lab, CHAT, chat(fields).to_string().as_bytes(), status, json!(field));
    }
}

#[test]
fn fields_of_texts_are_named() {
    let lab = Lab::new();
    for (body, field) in [
        (json!({}), "prompt"),
        (json!({"prompt": []}), "prompt"),
        (json!({"prompt": [[]]}), "prompt"),
        (json!({"prompt": [999_999]}), "prompt"),
        (json!({"prompt": [-1]}), "prompt"),
        (json!({"prompt": {"a": 1}}), "prompt"),
        (json!({"prompt": vec!["go"; 129]}), "prompt"),
        (json!({"prompt": "go", "suffix": "x"}), "suffix"),
        (json!({"prompt": "go", "best_of": 3}), "best_of"),
        (json!({"prompt": "go", "logprobs": 21}), "top_logprobs"),
        (json!({"prompt": "go", "echo": true, "stream": true}), "echo"),
    ] {
        check(&lab, TEXT, body.to_string().as_bytes(), 400, json!(field));
    }
}

#[test]
fn bodies_that_are_no_json_objects() {
    let lab = Lab::new();
    let deep = "[".repeat(100_000);
    let bodies: [&[u8]; 8] = [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\"go\"",
        b"\xFF\xFE",
        b"{\"messages\": \"\xFF\"}",
        deep.as_bytes(),
    ];
    for body in bodies {
        check(&lab, CHAT, body, 400, Value::Null);
        check(&lab, TEXT, body, 400, Value::Null);
    }
}

#[test]
fn bodies_are_bounded() {
    let limits = Limits { body_bytes: 1000, ..Limits::default() };
    let lab = Lab::with(ServerOptions { limits, ..ServerOptions::default() }, None);
    let long = json!({"prompt": "a".repeat(1000)}).to_string();
    check(&lab, TEXT, long.as_bytes(), 413, Value::Null);
}

#[test]
fn unknown_fields_pass_where_that_is_allowed() {
    let lab = Lab::with(ServerOptions { is_lenient: true, ..ServerOptions::default() }, None);
    let body = chat(json!({"nonsense": [1], "temperature": 0}));
    assert_eq!(lab.post(CHAT, &body).json()["choices"][0]["message"]["content"], ANSWER);
    // What is known is read all the same.
    let body = chat(json!({"temperature": -1})).to_string();
    check(&lab, CHAT, body.as_bytes(), 400, json!("temperature"));
}

#[test]
fn addresses_and_methods_that_are_none() {
    let lab = Lab::new();
    assert_eq!(lab.ask("GET", "/nothing", "", b"").status, 404);
    assert_eq!(lab.ask("GET", CHAT, "", b"").status, 405);
    assert_eq!(lab.ask("DELETE", "/v1/models", "", b"").status, 405);
    for path in ["/v1/models/%FF", "/v1/responses/%FF", "/v1/models/none"] {
        assert_eq!(lab.ask("GET", path, "", b"").status, 404, "{path}");
    }
    for path in ["/nothing", CHAT, "/v1/models/%FF"] {
        assert!(lab.ask("GET", path, "", b"").json()["error"]["message"].is_string());
    }
    // Not HTTP at all: whatever comes back, the next one is answered.
    drop(lab.send("\0\0\0\0\r\n\r\n"));
    drop(lab.send("GET /health HTTP/1.1\r\nHost:"));
    assert_eq!(lab.get("/health")["status"], "ok");
}
