//! Reasoning, calls of tools and forms of answers, in every dialect.

use serde_json::{Value, json};

use crate::lab::Lab;

const CHAT: &str = "/v1/chat/completions";

/// A template that knows of tools and of reasoning, and whose prompts end in `go`.
const TEMPLATE: &str = "{% for tool in tools %}{{ tool | tojson }}{% endfor %}\
    {% for m in messages %}{{ m.role }}: {{ m.content }}{% for call in m.tool_calls %}\
    <tool_call>{{ call.function.name }}</tool_call>{% endfor %}{% endfor %}\
    {% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}go";

/// One that knows of neither.
const PLAIN: &str = "{% for m in messages %}[{{ m.role }}: {{ m.content }}]{% endfor %}go";

const TURN: &str = "<think>\nThey want weather.\n</think>\n\nLet me see.\n<tool_call>\n{\"name\": \
                    \"weather\", \"arguments\": {\"city\": \"Paris\"}}\n</tool_call>";

fn tools() -> Value {
    let city = json!({"type": "string", "enum": ["Paris", "Rome"]});
    let parameters = json!({"type": "object", "properties": {"city": city}, "required": ["city"],
        "additionalProperties": false});
    let function = json!({"name": "weather", "description": "Of a city", "parameters": parameters});
    json!([{"type": "function", "function": function}])
}

fn chat(fields: Value) -> Value {
    let mut body = json!({"messages": [{"role": "user", "content": "hi"}], "temperature": 0});
    let fields = fields.as_object().expect("an object").clone();
    body.as_object_mut().expect("an object").extend(fields);
    body
}

fn arguments(call: &Value) -> Value {
    let text = call["function"]["arguments"].as_str().expect("a text");
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn a_turn_comes_in_its_parts() {
    let lab = Lab::saying(TURN, TEMPLATE);
    let body = chat(json!({"tools": tools()}));
    let choice = &lab.post(CHAT, &body).json()["choices"][0];
    let message = &choice["message"];
    assert_eq!(message["reasoning_content"], "They want weather.");
    assert_eq!(message["content"], "Let me see.");
    let [call] = &message["tool_calls"].as_array().expect("calls")[..] else {
        panic!("{message}");
    };
    assert_eq!((&call["type"], &call["function"]["name"]), (&json!("function"), &json!("weather")));
    assert_eq!(arguments(call), json!({"city": "Paris"}));
    assert_eq!(choice["finish_reason"], "tool_calls");

    let chunks = lab.stream(CHAT, body);
    let joined = |key: &str| -> String {
        let part = |chunk: &Value| chunk["choices"][0]["delta"][key].as_str().map(str::to_owned);
        chunks.iter().filter_map(part).collect()
    };
    assert_eq!(
        (&*joined("reasoning_content"), &*joined("content")),
        ("They want weather.", "Let me see.")
    );
    let calls = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"].get("tool_calls"));
    let [call] = &calls.collect::<Vec<_>>()[..] else { panic!("{chunks:?}") };
    assert_eq!((&call[0]["index"], &call[0]["function"]["name"]), (&json!(0), &json!("weather")));
    let last = chunks.last().expect("chunks");
    assert_eq!(last["choices"][0]["finish_reason"], "tool_calls");
}

#[test]
fn what_nobody_asked_for_is_no_call() {
    let lab = Lab::saying(TURN, TEMPLATE);
    for fields in [json!({}), json!({"tools": tools(), "tool_choice": "none"})] {
        let choice = &lab.post(CHAT, &chat(fields)).json()["choices"][0];
        assert_eq!(choice["message"].get("tool_calls"), None);
        let content = choice["message"]["content"].as_str().expect("a text");
        assert!(content.ends_with("</tool_call>"), "{content}");
        assert_eq!(choice["finish_reason"], "stop");
    }
    // A turn that is cut is no call, whatever it was on its way to.
    let cut = chat(json!({"tools": tools(), "max_tokens": TURN.len() - 20}));
    let choice = &lab.post(CHAT, &cut).json()["choices"][0];
    assert_eq!(
        (choice["message"].get("tool_calls"), &choice["finish_reason"]),
        (None, &json!("length"))
    );
}

/// What the conversation quotes is never a call: only what the model writes.
#[test]
fn quotes_are_not_calls() {
    let messages = json!([
        {"role": "user", "content": TURN},
        {"role": "assistant", "content": null, "tool_calls": [{"id": "1", "type": "function",
            "function": {"name": "weather", "arguments": "{\"city\": \"Rome\"}"}}]},
        {"role": "tool", "tool_call_id": "1", "content": TURN},
    ]);
    for template in [TEMPLATE, PLAIN] {
        let lab = Lab::saying("Fine.", template);
        let body = json!({"messages": messages, "tools": tools(), "temperature": 0});
        let choice = &lab.post(CHAT, &body).json()["choices"][0];
        assert_eq!(choice["message"]["content"], "Fine.");
        assert_eq!(
            (choice["message"].get("tool_calls"), &choice["finish_reason"]),
            (None, &json!("stop"))
        );
    }
}

/// The model would write something else.
#[test]
fn a_call_that_must_be_is() {
    for template in [TEMPLATE, PLAIN] {
        let lab = Lab::saying("I would rather talk.", template);
        let named = json!({"type": "function", "function": {"name": "weather"}});
        for choice in [json!("required"), named] {
            for parallel in [true, false] {
                let body =
                    chat(json!({"tools": tools(), "tool_choice": choice, "max_tokens": 2000,
                    "parallel_tool_calls": parallel, "reasoning_effort": "none"}));
                let choice = &lab.post(CHAT, &body).json()["choices"][0];
                assert_eq!(choice["finish_reason"], "tool_calls", "{choice}");
                let call = &choice["message"]["tool_calls"][0];
                let city = arguments(call)["city"].clone();
                assert!([json!("Paris"), json!("Rome")].contains(&city), "{call}");
            }
        }
    }
}

#[test]
fn answers_have_the_form_that_was_asked_for() {
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer", "minimum": 0,
        "maximum": 9}}, "required": ["n"], "additionalProperties": false});
    let is_schema = |text: &str| {
        let value: Value = serde_json::from_str(text).expect("JSON");
        value["n"].as_u64().is_some_and(|n| n < 10)
    };
    let is_yes = |text: &str| ["yes", "no"].contains(&text);
    type Is<'a> = &'a dyn Fn(&str) -> bool;
    let forms: [(Value, Is<'_>); 8] = [
        (
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x",
                "schema": schema}}}),
            &is_schema,
        ),
        (json!({"response_format": {"type": "json_object", "schema": schema}}), &is_schema),
        (json!({"json_schema": schema}), &is_schema),
        (json!({"guided_json": schema}), &is_schema),
        (json!({"structured_outputs": {"json": schema}}), &is_schema),
        (json!({"guided_choice": ["yes", "no"]}), &is_yes),
        (json!({"grammar": "root ::= \"yes\" | \"no\""}), &is_yes),
        (json!({"response_format": {"type": "regex", "value": "yes|no"}}), &is_yes),
    ];
    for template in [PLAIN, TEMPLATE] {
        let lab = Lab::saying("I would rather talk.", template);
        for (fields, is) in &forms {
            let mut body = chat(fields.clone());
            body["reasoning_effort"] = json!("none");
            let reply = lab.post(CHAT, &body).json();
            let text = reply["choices"][0]["message"]["content"].as_str();
            let text = text.unwrap_or_else(|| panic!("{body}: {reply}"));
            assert!(is(text), "{body}: {text}");
            let chunks = lab.stream(CHAT, body);
            let parts = chunks.iter().filter_map(|c| c["choices"][0]["delta"]["content"].as_str());
            assert_eq!(parts.collect::<String>(), text);
        }
        let text = json!({"prompt": "go", "guided_choice": ["yes", "no"], "temperature": 0});
        let reply = lab.post("/v1/completions", &text).json();
        assert!(is_yes(reply["choices"][0]["text"].as_str().expect("a text")), "{reply}");
    }
}

/// Reasoning comes before the form, and the form holds after it.
#[test]
fn a_form_leaves_room_to_reason() {
    let lab = Lab::saying("<think>Hm.</think>maybe", TEMPLATE.replace("enable", "x").as_str());
    let body = chat(json!({"guided_choice": ["yes", "no"], "max_tokens": 100}));
    let message = &lab.post(CHAT, &body).json()["choices"][0]["message"];
    assert_eq!(message["reasoning_content"], "Hm.", "{message}");
    let content = message["content"].as_str().expect("a text");
    assert!(["yes", "no"].contains(&content), "{message}");
}

#[test]
fn reasoning_has_bounds() {
    let long = format!("<think>\n{}</think>\n\nDone.", "so ".repeat(100));
    let lab = Lab::saying(&long, TEMPLATE);
    let body = chat(json!({"reasoning_budget": 5, "max_tokens": 200}));
    let reply = lab.post(CHAT, &body);
    assert_eq!(reply.status, 200, "{reply:?}");
    let reasoning = reply.json()["choices"][0]["message"]["reasoning_content"].clone();
    let reasoning = reasoning.as_str().expect("a text").to_owned();
    assert!(!reasoning.is_empty() && reasoning.len() <= 8, "{reasoning:?}");
}

#[test]
fn anthropic_has_blocks() {
    let lab = Lab::saying(TURN, TEMPLATE);
    let tool = &tools()[0]["function"];
    let tool = json!({"name": "weather", "input_schema": tool["parameters"]});
    let mut body = json!({"max_tokens": 500, "messages": [{"role": "user", "content": "hi"}],
        "tools": [tool], "temperature": 0, "thinking": {"type": "adaptive"}});
    let whole = lab.post("/v1/messages", &body).json();
    let [thinking, text, call] = &whole["content"].as_array().expect("blocks")[..] else {
        panic!("{whole}");
    };
    assert_eq!(thinking["thinking"], "They want weather.");
    assert_eq!(text["text"], "Let me see.");
    assert_eq!((&call["name"], &call["input"]), (&json!("weather"), &json!({"city": "Paris"})));
    assert_eq!(whole["stop_reason"], "tool_use");

    body["stream"] = json!(true);
    let reply = lab.post("/v1/messages", &body);
    let data = reply.body.lines().filter_map(|line| line.strip_prefix("data: "));
    let events: Vec<Value> = data.map(|data| serde_json::from_str(data).expect("JSON")).collect();
    let starts: Vec<&Value> = events
        .iter()
        .filter(|event| event["type"] == "content_block_start")
        .map(|event| &event["content_block"]["type"])
        .collect();
    assert_eq!(starts, ["thinking", "text", "tool_use"]);
    let joined = |key: &str| -> String {
        events.iter().filter_map(|event| event["delta"][key].as_str()).collect()
    };
    assert_eq!(joined("thinking"), "They want weather.");
    assert_eq!(joined("partial_json"), "{\"city\":\"Paris\"}");

    // And what came of it goes back.
    body["stream"] = json!(false);
    body["messages"] = json!([
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": whole["content"]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call["id"],
            "content": [{"type": "text", "text": "12 degrees"}]}]},
    ]);
    assert_eq!(lab.post("/v1/messages", &body).status, 200);
}

#[test]
fn an_answer_that_was_begun_is_gone_on_with() {
    let template = "{% for m in messages %}[{{ m.role }}: {{ m.content }}]{% endfor %}";
    let lab = Lab::saying("abc", template);
    let messages =
        json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "go"}]);
    let answer = |fields: Value| {
        let reply = lab.post(CHAT, &chat(fields)).json();
        reply["choices"][0]["message"]["content"].as_str().expect("a text").to_owned()
    };
    assert_eq!(answer(json!({"messages": messages, "continue_final_message": true})), "abc");
    // What closes a turn stands behind one that is over.
    assert_eq!(answer(json!({"messages": messages})), "bc");
    for (fields, param) in [
        (json!({"continue_final_message": true}), "continue_final_message"),
        (
            json!({"messages": messages, "continue_final_message": true,
                "add_generation_prompt": true}),
            "add_generation_prompt",
        ),
        (json!({"add_generation_prompt": false}), "add_generation_prompt"),
    ] {
        let reply = lab.post(CHAT, &chat(fields.clone()));
        assert_eq!(reply.status, 400, "{fields}");
        assert_eq!(reply.json()["error"]["param"], param, "{fields}");
    }
}
