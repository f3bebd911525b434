//! Models that are loaded when they are asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use server::{Models, ServerOptions};

use crate::lab::{Lab, saying, served};

const TEXT: &str = "/v1/completions";

/// Models `one` and `two`, and one that cannot be loaded; with how often any was.
fn models() -> (Models, Arc<AtomicUsize>) {
    let mut models = Models::default();
    let n_loads = Arc::new(AtomicUsize::new(0));
    for name in ["one", "two"] {
        let n_loads = Arc::clone(&n_loads);
        let load = move || {
            n_loads.fetch_add(1, Ordering::Relaxed);
            Ok(served(name, saying(name), None))
        };
        models.add_on_demand(name.into(), Box::new(load));
    }
    let load = || Err("no such file".to_owned());
    models.add_on_demand("broken".into(), Box::new(load));
    (models, n_loads)
}

fn check(lab: &Lab, name: &str) {
    let reply = lab.post(TEXT, &json!({"model": name, "prompt": "go", "temperature": 0}));
    assert_eq!(reply.json()["choices"][0]["text"], name, "{reply:?}");
}

fn loaded(lab: &Lab) -> Vec<String> {
    let models = lab.get("/v1/models")["data"].as_array().expect("a list").clone();
    let is_loaded = models.into_iter().filter(|model| model["status"] == "loaded");
    is_loaded.map(|model| model["id"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn a_model_is_loaded_once_by_whoever_asks_first() {
    let (models, n_loads) = models();
    let lab = Lab::serve(models, ServerOptions::default());
    assert_eq!(loaded(&lab), [""; 0]);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| check(&lab, "two"));
        }
    });
    assert_eq!((n_loads.load(Ordering::Relaxed), &loaded(&lab)[..]), (1, &["two".to_owned()][..]));
    check(&lab, "one");
    assert_eq!(loaded(&lab), ["one", "two"]);
    let broken = lab.post(TEXT, &json!({"model": "broken", "prompt": "go"}));
    assert_eq!(broken.status, 503, "{broken:?}");
    let error = &broken.json()["error"];
    assert_eq!(error["message"], "model \"broken\" cannot be loaded: no such file");
    assert_eq!(lab.post(TEXT, &json!({"model": "three", "prompt": "go"})).status, 404);
}

/// A model whose thread has ended is no longer there, and comes back when it is asked for.
#[test]
fn one_that_broke_is_loaded_anew() {
    let mut models = Models::default();
    let n_loads = Arc::new(AtomicUsize::new(0));
    let load = {
        let n_loads = Arc::clone(&n_loads);
        move || {
            let is_first = n_loads.fetch_add(1, Ordering::Relaxed) == 0;
            let say = saying("one");
            let script = move |tokens: &[u32]| {
                assert!(!is_first, "as the test wants");
                say(tokens)
            };
            Ok(served("one", script, None))
        }
    };
    models.add_on_demand("one".into(), Box::new(load));
    let lab = Lab::serve(models, ServerOptions::default());
    let broken = lab.post(TEXT, &json!({"model": "one", "prompt": "go"}));
    assert_eq!(broken.status, 503, "{broken:?}");
    const N_TRIES: usize = 10_000;
    let is_known = |_: &usize| lab.ask("GET", "/health", "", b"").status == 503;
    (0..N_TRIES).find(is_known).expect("it is known in time");
    check(&lab, "one");
    assert_eq!(n_loads.load(Ordering::Relaxed), 2);
}

#[test]
fn the_one_asked_least_recently_makes_room() {
    let (mut models, n_loads) = models();
    models.n_loaded_max = Some(1);
    let lab = Lab::serve(models, ServerOptions::default());
    for name in ["one", "two", "two", "one"] {
        check(&lab, name);
        lab.wait_until_idle();
        assert_eq!(loaded(&lab), [name]);
    }
    assert_eq!(n_loads.load(Ordering::Relaxed), 3);
}

#[test]
fn who_is_never_asked_is_let_go() {
    let (mut models, n_loads) = models();
    models.idle = Some(Duration::from_millis(20));
    let lab = Lab::serve(models, ServerOptions::default());
    check(&lab, "one");
    const N_TRIES: usize = 10_000;
    (0..N_TRIES).find(|_| loaded(&lab).is_empty()).expect("it is let go in time");
    check(&lab, "one");
    assert_eq!(n_loads.load(Ordering::Relaxed), 2);
}
