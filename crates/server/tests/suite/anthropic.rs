//! Answers in Anthropic's form, whole and in events.

use serde_json::{Value, json};
use server::ServerOptions;

use crate::lab::{ANSWER, Lab};

const MESSAGES: &str = "/v1/messages";
const TEMPLATE: &str = "{% for m in messages %}{{ m.role }}: {{ m.content }}{% endfor %}\
                        {% if add_generation_prompt %}.go{% endif %}";

fn body(content: Value, max_tokens: usize) -> Value {
    let messages = json!([{"role": "user", "content": content}]);
    json!({"max_tokens": max_tokens, "messages": messages, "temperature": 0})
}

/// The events of a stream, each with its name.
fn events(lab: &Lab, mut body: Value) -> Vec<Value> {
    body["stream"] = json!(true);
    let reply = lab.post(MESSAGES, &body);
    assert_eq!(reply.status, 200, "{reply:?}");
    let frames = reply.body.split_terminator("\n\n");
    let event = |frame: &str| {
        let (name, data) = frame.split_once('\n').expect("a name and data");
        let json: Value =
            serde_json::from_str(data.strip_prefix("data: ").expect("data")).expect("JSON");
        assert_eq!(name.strip_prefix("event: "), json["type"].as_str());
        json
    };
    frames.map(event).collect()
}

#[test]
fn a_message_is_answered_whole_and_in_events() {
    let lab = Lab::with(ServerOptions::default(), Some(TEMPLATE));
    for content in [json!("hi"), json!([{"type": "text", "text": "hi"}])] {
        let whole = lab.post(MESSAGES, &body(content.clone(), 50)).json();
        assert_eq!(whole["content"], json!([{"type": "text", "text": ANSWER}]));
        assert_eq!((&whole["type"], &whole["role"]), (&json!("message"), &json!("assistant")));
        assert_eq!(
            (&whole["stop_reason"], &whole["stop_sequence"]),
            (&json!("end_turn"), &Value::Null)
        );
        let events = events(&lab, body(content, 50));
        let names: Vec<&str> =
            events.iter().map(|event| event["type"].as_str().expect("a type")).collect();
        let [first, block, deltas @ .., block_end, end, last] = &names[..] else {
            panic!("{names:?}")
        };
        assert_eq!([*first, *block], ["message_start", "content_block_start"]);
        assert!(deltas.iter().all(|name| *name == "content_block_delta"), "{names:?}");
        assert_eq!(
            [*block_end, *end, *last],
            ["content_block_stop", "message_delta", "message_stop"]
        );
        let text = events.iter().filter_map(|event| event["delta"]["text"].as_str());
        assert_eq!(text.collect::<String>(), ANSWER);
        let end = &events[events.len() - 2];
        assert_eq!(end["delta"]["stop_reason"], "end_turn");
        assert_eq!(end["usage"]["output_tokens"], whole["usage"]["output_tokens"]);
        let start = &events[0]["message"];
        let of_whole = |key: &str| whole["usage"][key].as_u64().expect("a number");
        let n_read = of_whole("input_tokens") + of_whole("cache_read_input_tokens");
        assert_eq!(start["usage"]["input_tokens"], n_read);
    }
}

#[test]
fn ends_have_their_reasons() {
    let lab = Lab::with(ServerOptions::default(), Some(TEMPLATE));
    let cut = lab.post(MESSAGES, &body(json!("hi"), 2)).json();
    assert_eq!(
        (&cut["stop_reason"], &cut["usage"]["output_tokens"]),
        (&json!("max_tokens"), &json!(2))
    );
    let mut stopped = body(json!("hi"), 50);
    stopped["stop_sequences"] = json!(["nothing", " two"]);
    let whole = lab.post(MESSAGES, &stopped).json();
    assert_eq!(
        (&whole["stop_reason"], &whole["stop_sequence"]),
        (&json!("stop_sequence"), &json!(" two"))
    );
    assert_eq!(whole["content"][0]["text"], " one🦙");
    let events = events(&lab, stopped);
    assert_eq!(events[events.len() - 2]["delta"]["stop_sequence"], " two");
}

/// An answer may be given its beginning, and a conversation its rules.
#[test]
fn an_answer_goes_on_from_its_beginning() {
    // Another turn would be without an end.
    let template = TEMPLATE.replace(".go", ".on");
    let lab = Lab::with(ServerOptions::default(), Some(&template));
    for system in [json!("Be brief."), json!([{"type": "text", "text": "Be brief."}])] {
        let messages = json!([
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "go"},
        ]);
        let body =
            json!({"max_tokens": 50, "system": system, "messages": messages, "temperature": 0});
        let whole = lab.post(MESSAGES, &body).json();
        assert_eq!(whole["content"][0]["text"], ANSWER);
    }
}

#[test]
fn tokens_are_counted() {
    let lab = Lab::with(ServerOptions::default(), Some(TEMPLATE));
    let mut counted = body(json!("hi"), 1);
    let whole = lab.post(MESSAGES, &counted).json();
    for key in ["max_tokens", "temperature"] {
        counted.as_object_mut().expect("an object").remove(key);
    }
    let found = lab.post("/v1/messages/count_tokens", &counted).json();
    assert_eq!(found, json!({"input_tokens": whole["usage"]["input_tokens"]}));
}

#[test]
fn what_cannot_be_answered_is_refused_in_their_form() {
    let lab = Lab::new();
    let with = |key: &str, value: Value| {
        let mut body = body(json!("go"), 5);
        body[key] = value;
        body
    };
    for (body, status, part) in [
        (
            json!({"messages": [{"role": "user", "content": "go"}]}),
            400,
            "max_tokens: it is missing",
        ),
        (with("max_tokens", json!(0)), 400, "max_tokens: expected at least 1"),
        (with("nonsense", json!(1)), 400, "nonsense"),
        (with("temperature", json!(-1)), 400, "temperature"),
        (with("model", json!("claude")), 404, "\"claude\" is not served here; script is"),
        (with("tools", json!([{"type": "web_search_20250305", "name": "x"}])), 400, "tools"),
        (with("tools", json!([{"input_schema": {}}])), 400, "tools"),
        (with("tool_choice", json!({"type": "any"})), 400, "tool_choice"),
        (with("thinking", json!({"type": "sometimes"})), 400, "thinking"),
        (with("output_config", json!({"format": {"type": "xml"}})), 400, "output_config"),
        (with("messages", json!([{"role": "user", "content": 5}])), 400, "messages.0.content"),
        (with("messages", json!([{"role": "system", "content": "x"}])), 400, "messages.0.role"),
        (with("messages", json!([{"role": "user", "content": [{"type": "image"}]}])), 400, "image"),
    ] {
        let reply = lab.post(MESSAGES, &body);
        let json = reply.json();
        assert_eq!((reply.status, &json["type"]), (status, &json!("error")), "{body}: {json}");
        let message = json["error"]["message"].as_str().expect("a message");
        assert!(message.contains(part) && json["error"]["type"].is_string(), "{body}: {json}");
    }
    let reply = lab.ask("GET", MESSAGES, "", b"");
    assert_eq!((reply.status, &reply.json()["type"]), (405, &json!("error")));
}
