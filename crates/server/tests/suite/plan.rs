//! What an answer will cost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use model::Speeds;
use serde_json::{Value, json};
use server::{Calibration, Model, Models, ServerOptions};

use crate::lab::{ENDLESS, Lab, script, vocabulary, writer};

const CHAT: &str = "/v1/chat/completions";
const PLAN: &str = "/v1/plan";

fn asked(text: &str, more: &Value) -> Value {
    let mut body = json!({"messages": [{"role": "user", "content": text}], "temperature": 0});
    body.as_object_mut().expect("an object").extend(more.as_object().expect("one").clone());
    body
}

/// What is planned is what the same body then costs, however often the plan was asked for.
#[test]
fn an_answer_costs_what_was_planned() {
    let lab = Lab::new();
    let plan = |body: &Value| {
        let plan = lab.post(PLAN, body).json();
        assert_eq!(lab.post(PLAN, body).json(), plan);
        plan
    };
    for (text, max_tokens) in [("one two go", 3), ("one two go", 3), ("one two three go", 1)] {
        let body = asked(text, &json!({"max_tokens": max_tokens}));
        let (plan, answer) = (plan(&body), lab.post(CHAT, &body).json());
        let usage = &answer["usage"];
        assert_eq!(plan["prompt_tokens"], usage["prompt_tokens"], "{plan}");
        assert_eq!(plan["answer_tokens"], usage["completion_tokens"], "{plan}");
        assert_eq!(plan["cached_tokens"], answer["context"]["reused"], "{plan}");
        assert_eq!(plan["compute_tokens"], answer["context"]["recomputed"], "{plan}");
        assert_eq!((&plan["fits"], &plan["answer_is_assumed"]), (&true.into(), &false.into()));
        assert_eq!((&plan["seconds"], &plan["weights_bytes"]), (&Value::Null, &Value::Null));
    }
}

#[test]
fn a_conversation_without_room_is_told_so() {
    let lab = Lab::new();
    let n_ctx = lab.post(PLAN, &asked("go", &json!({}))).json()["n_ctx"].clone();
    let n_ctx = n_ctx.as_u64().expect("a number") as usize;
    for (n_prompt, n_answer) in [(2, 512), (n_ctx - 1, 2), (n_ctx, 1), (n_ctx + 1, 0)] {
        // The first token begins the text.
        let plan = lab.post(PLAN, &asked(&"a".repeat(n_prompt - 1), &json!({}))).json();
        assert_eq!(plan["prompt_tokens"], n_prompt);
        assert_eq!(plan["answer_tokens"], n_answer, "{n_prompt}");
        assert_eq!(
            (&plan["fits"], &plan["answer_is_assumed"]),
            (&(n_answer > 0).into(), &true.into())
        );
    }
    let plan = |more: Value| lab.post(PLAN, &asked("go", &more));
    let bytes = |policy: &str| {
        let json = plan(json!({"kv_policy": policy})).json();
        json["kv_bytes_max"].as_u64().expect("a number")
    };
    assert!(bytes("window=64") < bytes("all"));
    for (more, field) in [
        (json!({"n": 2}), "n"),
        (json!({"kv_policy": "some"}), "kv_policy"),
        (json!({"kv_policy": "window=200000"}), "kv_policy"),
        (json!({"model": "none"}), "model"),
        (json!({"messages": [1]}), "messages"),
        (json!({"beams": 2}), "beams"),
    ] {
        let reply = plan(more);
        assert!((400..500).contains(&reply.status), "{reply:?}");
        assert_eq!(reply.json()["error"]["param"], field, "{reply:?}");
    }
}

/// Counts how often it is asked to measure, which never succeeds.
#[derive(Default)]
struct Counting(Arc<AtomicUsize>);

impl Calibration for Counting {
    fn kept(&self) -> Option<Speeds> {
        None
    }

    fn measure(&self, is_wanted: &dyn Fn() -> bool) -> Option<Speeds> {
        assert!(!is_wanted(), "nobody is answered");
        self.0.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[test]
fn nothing_is_measured_while_somebody_is_answered() {
    let n_measured = Arc::new(AtomicUsize::new(0));
    let calibration = Box::new(Counting(Arc::clone(&n_measured)));
    let mut models = Models::default();
    let timed = writer("script", script(&vocabulary()), None).timed(calibration);
    models.add("script".into(), Model::Writer(Arc::new(timed)));
    let lab = Lab::serve(models, ServerOptions::default());
    let plan = || {
        assert_eq!(lab.post(PLAN, &asked("go", &json!({}))).json()["seconds"], Value::Null);
        n_measured.load(Ordering::Relaxed)
    };
    assert_eq!(plan(), 1);
    let body = asked(ENDLESS, &json!({"stream": true})).to_string();
    let head = format!("POST {CHAT} HTTP/1.0\r\nContent-Length: {}\r\n\r\n", body.len());
    let answered = lab.send(&format!("{head}{body}"));
    const N_TRIES: usize = 10_000;
    let is_busy = |_: &usize| lab.get("/health")["in_flight"] == 1;
    (0..N_TRIES).find(is_busy).expect("it is answered in time");
    assert_eq!(plan(), 1);
    drop(answered);
    lab.wait_until_idle();
    assert_eq!(plan(), 2);
}
