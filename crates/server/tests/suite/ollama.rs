//! Answers in Ollama's form, whole and in lines.

use serde_json::{Value, json};
use server::ServerOptions;

use crate::lab::{ANSWER, Lab};

const TEMPLATE: &str = "{% for m in messages %}{{ m.role }}: {{ m.content }}{% endfor %}go";

fn lab() -> Lab {
    Lab::with(ServerOptions::default(), Some(TEMPLATE))
}

fn lines(lab: &Lab, path: &str, body: &Value) -> Vec<Value> {
    let reply = lab.post(path, body);
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(reply.headers.contains("content-type: application/x-ndjson"), "{reply:?}");
    reply.body.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn conversations_and_texts_are_answered() {
    let lab = lab();
    let messages = json!([{"role": "user", "content": "hi"}]);
    let options = json!({"temperature": 0, "num_ctx": 4096});
    for (path, asked, part) in [
        ("/api/chat", json!({"messages": messages}), "/message/content"),
        ("/api/generate", json!({"prompt": "hi"}), "/response"),
        ("/api/generate", json!({"prompt": "go", "raw": true}), "/response"),
    ] {
        let mut body = asked;
        body["model"] = json!("script:latest");
        body["options"] = options.clone();
        let lines = lines(&lab, path, &body);
        let text =
            |json: &Value| json.pointer(part).and_then(Value::as_str).expect("a text").to_owned();
        assert_eq!(lines.iter().map(text).collect::<String>(), ANSWER);
        let (last, before) = lines.split_last().expect("lines");
        assert!(before.iter().all(|line| line["done"] == false));
        assert_eq!((&last["done"], &last["done_reason"]), (&json!(true), &json!("stop")));
        body["stream"] = json!(false);
        let whole = lab.post(path, &body).json();
        assert_eq!((text(&whole), &whole["eval_count"]), (ANSWER.to_owned(), &last["eval_count"]));
        body["options"]["num_predict"] = json!(2);
        assert_eq!(lab.post(path, &body).json()["done_reason"], "length");
    }
}

#[test]
fn models_are_listed_and_shown() {
    let lab = lab();
    assert_eq!(lab.get("/api/tags")["models"][0]["name"], "script");
    assert_eq!(lab.get("/api/ps")["models"][0]["name"], "script");
    assert!(lab.get("/api/version")["version"].is_string());
    let shown = lab.post("/api/show", &json!({"model": "script"})).json();
    assert_eq!(
        (&shown["template"], &shown["capabilities"][0]),
        (&json!(TEMPLATE), &json!("completion"))
    );
    // How programs have a model loaded.
    let loaded = lab.post("/api/chat", &json!({"model": "script", "messages": []})).json();
    assert_eq!((&loaded["done"], &loaded["done_reason"]), (&json!(true), &json!("load")));
}

#[test]
fn what_cannot_be_answered_is_refused_in_their_form() {
    let lab = lab();
    let messages = json!([{"role": "user", "content": "hi"}]);
    for (path, body, status, part) in [
        ("/api/chat", json!({"model": "other", "messages": messages}), 404, "\"other\""),
        ("/api/chat", json!({"messages": messages, "nonsense": 1}), 400, "nonsense"),
        (
            "/api/chat",
            json!({"messages": messages, "options": {"mirostat": 1}}),
            400,
            "options.mirostat",
        ),
        ("/api/chat", json!({"messages": [1]}), 400, "messages"),
        (
            "/api/chat",
            json!({"messages": [{"role": "user", "content": "x", "images": ["aaaa"]}]}),
            400,
            "images",
        ),
        ("/api/chat", json!({"messages": messages, "format": "xml"}), 400, "format"),
        ("/api/chat", json!({"messages": messages, "think": 5}), 400, "think"),
        ("/api/generate", json!({"prompt": "x", "suffix": "y"}), 400, "suffix"),
        ("/api/embed", json!({"input": "x"}), 404, "of this kind"),
        ("/api/show", json!({}), 400, "model"),
    ] {
        let reply = lab.post(path, &body);
        assert_eq!(reply.status, status, "{body}: {reply:?}");
        let message = reply.json()["error"].as_str().expect("a message").to_owned();
        assert!(message.contains(part), "{body}: {message}");
    }
}
