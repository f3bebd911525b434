//! Tokens, texts and prompts, as llama.cpp's clients ask for them.

use serde_json::{Value, json};
use server::ServerOptions;

use crate::lab::{Lab, vocabulary};

const TEMPLATE: &str = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}\
                        {% if add_generation_prompt %}assistant:{% endif %}";

#[test]
fn texts_and_tokens() {
    let lab = Lab::new();
    let (go, llama) = (vocabulary().word("go"), vocabulary().word("llama"));
    let check = |path: &str, body: Value, expected: Value| {
        assert_eq!(lab.post(path, &body).json(), expected, "{body}");
    };
    check("/tokenize", json!({"content": "go"}), json!({"tokens": [go]}));
    let added = json!({"content": "go", "add_special": true});
    check("/tokenize", added, json!({"tokens": [1, go]}));
    check("/tokenize", json!({"content": "<s>"}), json!({"tokens": [1]}));
    let pieces = json!({"content": "go", "with_pieces": true});
    check("/tokenize", pieces, json!({"tokens": [{"id": go, "piece": "go"}]}));
    check("/detokenize", json!({"tokens": [go, llama]}), json!({"content": "gollama"}));
    for (path, body, field) in [
        ("/tokenize", json!({}), "content"),
        ("/tokenize", json!({"content": 1}), "content"),
        ("/detokenize", json!({"tokens": [999_999]}), "tokens"),
        ("/detokenize", json!({"tokens": "go"}), "tokens"),
    ] {
        let reply = lab.post(path, &body);
        assert_eq!((reply.status, &reply.json()["error"]["param"]), (400, &json!(field)), "{body}");
    }
}

#[test]
fn conversations_and_prompts() {
    let lab = Lab::with(ServerOptions::default(), Some(TEMPLATE));
    let messages =
        json!([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]);
    let prompt = lab.post("/apply-template", &json!({"messages": messages})).json();
    assert_eq!(prompt, json!({"prompt": "system: Be brief.\nuser: hi\nassistant:"}));
    let props = lab.get("/props");
    assert_eq!(
        (&props["chat_template"], &props["model_alias"]),
        (&json!(TEMPLATE), &json!("script"))
    );
}
