//! OpenAI's newer dialect: answers that are kept.

use serde_json::{Value, json};
use server::ServerOptions;

use crate::lab::{ANSWER, Lab};

const PATH: &str = "/v1/responses";
/// Its prompts say how many messages they have, and end in `go`.
const TEMPLATE: &str = "{{ messages | length }} {% for m in messages %}{{ m.role }}: \
                        {{ m.content }}{% endfor %}go";

fn lab() -> Lab {
    Lab::with(ServerOptions::default(), Some(TEMPLATE))
}

fn body(input: Value) -> Value {
    json!({"input": input, "temperature": 0})
}

fn text(response: &Value) -> &Value {
    &response["output"][0]["content"][0]["text"]
}

#[test]
fn an_answer_is_kept_for_whoever_asked() {
    let lab = lab();
    let as_client = |method: &str, path: &str, key: &str, body: &Value| {
        let headers = format!("Authorization: Bearer {key}\r\n");
        lab.ask(method, path, &headers, body.to_string().as_bytes())
    };
    let first = as_client("POST", PATH, "a", &body(json!("hi"))).json();
    assert_eq!((text(&first), &first["status"]), (&json!(ANSWER), &json!("completed")));
    let id = first["id"].as_str().expect("a name");
    let path = format!("{PATH}/{id}");
    assert_eq!(as_client("GET", &path, "a", &Value::Null).json(), first);
    // Newer clients expect all of them.
    for key in ["cached_tokens", "cache_write_tokens"] {
        assert!(first["usage"]["input_tokens_details"][key].is_number(), "{first}");
    }
    let items = as_client("GET", &format!("{path}/input_items"), "a", &Value::Null).json();
    assert_eq!(items["data"][0]["content"][0]["text"], "hi");

    let mut next = body(json!([{"role": "user", "content": "more"}]));
    next["previous_response_id"] = json!(id);
    let second = as_client("POST", PATH, "a", &next).json();
    // Three messages, where there was one.
    let n_tokens = |response: &Value| response["usage"]["input_tokens"].as_u64().expect("a number");
    assert!(n_tokens(&second) > n_tokens(&first), "{second}");

    for (method, body) in [("GET", &Value::Null), ("DELETE", &Value::Null)] {
        assert_eq!(as_client(method, &path, "b", body).status, 404);
    }
    let stolen = as_client("POST", PATH, "b", &next);
    assert_eq!(stolen.json()["error"]["param"], "previous_response_id");
    assert_eq!(as_client("DELETE", &path, "a", &Value::Null).json()["deleted"], true);
    assert_eq!(as_client("GET", &path, "a", &Value::Null).status, 404);
    let mut unkept = body(json!("hi"));
    unkept["store"] = json!(false);
    let unkept = as_client("POST", PATH, "a", &unkept).json();
    let path = format!("{PATH}/{}", unkept["id"].as_str().expect("a name"));
    assert_eq!(as_client("GET", &path, "a", &Value::Null).status, 404);
}

#[test]
fn a_stream_ends_with_what_is_kept() {
    let lab = lab();
    let mut asked = body(json!([{"type": "message", "role": "user", "content":
        [{"type": "input_text", "text": "hi"}]}]));
    asked["stream"] = json!(true);
    let reply = lab.post(PATH, &asked);
    let data = reply.body.lines().filter_map(|line| line.strip_prefix("data: "));
    let events: Vec<Value> = data.map(|data| serde_json::from_str(data).expect("JSON")).collect();
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number);
    }
    let is_delta = |event: &&Value| event["type"] == "response.output_text.delta";
    let deltas = events.iter().filter(is_delta).filter_map(|event| event["delta"].as_str());
    assert_eq!(deltas.collect::<String>(), ANSWER);
    let last = events.last().expect("events");
    assert_eq!(
        (&last["type"], text(&last["response"])),
        (&json!("response.completed"), &json!(ANSWER))
    );
    let id = last["response"]["id"].as_str().expect("a name");
    assert_eq!(lab.get(&format!("{PATH}/{id}")), last["response"]);
}

#[test]
fn what_cannot_be_answered_is_refused() {
    let lab = lab();
    let with = |key: &str, value: Value| {
        let mut body = body(json!("hi"));
        body[key] = value;
        body
    };
    for (body, field) in [
        (json!({}), "input"),
        (body(json!([])), "input"),
        (body(json!([1])), "input"),
        (body(json!([{"type": "image_generation_call"}])), "input"),
        (body(json!([{"role": "user", "content": [{"type": "input_image"}]}])), "input"),
        (with("nonsense", json!(1)), "nonsense"),
        (with("background", json!(true)), "background"),
        (with("truncation", json!("auto")), "truncation"),
        (with("tools", json!([{"type": "web_search"}])), "tools"),
        (with("text", json!({"format": {"type": "xml"}})), "text"),
        (with("max_output_tokens", json!(0)), "max_output_tokens"),
        (with("previous_response_id", json!("none")), "previous_response_id"),
        (with("temperature", json!(-1)), "temperature"),
    ] {
        let reply = lab.post(PATH, &body);
        assert!([400, 404].contains(&reply.status), "{body}: {reply:?}");
        assert_eq!(reply.json()["error"]["param"], field, "{body}: {reply:?}");
    }
}
