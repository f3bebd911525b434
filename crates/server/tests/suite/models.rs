//! Models that are loaded when they are asked for.

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use serde_json::{Value, json};
use server::{Models, ServerOptions};

use crate::lab::{Lab, saying, served};

const TEXT: &str = "/v1/completions";

/// Models `one` and `two`, and one that cannot be loaded; with how often any was.
fn models() -> (Models, Arc<AtomicUsize>) {
    let mut models = Models::default();
    let n_loads = Arc::new(AtomicUsize::new(0));
    for name in ["one", "two"] {
        let n_loads = Arc::clone(&n_loads);
        let load = move |_: &mut dyn FnMut(f64)| {
            n_loads.fetch_add(1, Ordering::Relaxed);
            Ok(served(name, saying(name), None))
        };
        models.add_on_demand(name.into(), Box::new(load));
    }
    let load = |_: &mut dyn FnMut(f64)| Err("no such file".to_owned());
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
        move |_: &mut dyn FnMut(f64)| {
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

const LOAD: &str = "/v1/models/one/load";

/// A model that is half loaded until it is told to go on, with how often it was loaded.
fn slow_models() -> (Models, mpsc::Sender<()>, Arc<AtomicUsize>) {
    let (go_on, waits) = mpsc::channel();
    let (waits, n_loads) = (Mutex::new(waits), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&n_loads);
    let load = move |progress: &mut dyn FnMut(f64)| {
        counted.fetch_add(1, Ordering::Relaxed);
        progress(0.5);
        waits.lock().expect("nobody panics").recv().expect("the test says when");
        progress(0.75);
        Ok(served("one", saying("one"), None))
    };
    let mut models = Models::default();
    models.add_on_demand("one".into(), Box::new(load));
    (models, go_on, n_loads)
}

/// The objects of a stream, as they come.
fn objects(stream: TcpStream) -> impl Iterator<Item = Value> {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    let data = lines.filter_map(|line| line.strip_prefix("data: ").map(str::to_owned));
    data.map_while(|data| serde_json::from_str(&data).ok())
}

fn begin(lab: &Lab) -> impl Iterator<Item = Value> {
    let mut objects =
        objects(lab.send(&format!("POST {LOAD} HTTP/1.0\r\nContent-Length: 2\r\n\r\n{{}}")));
    objects.find(|object| object["progress"] == 0.5).expect("it is half loaded");
    objects
}

#[test]
fn who_loads_a_model_sees_how_far_it_is() {
    let (models, go_on, n_loads) = slow_models();
    let lab = Lab::serve(models, ServerOptions::default());
    let listed = || {
        let model = lab.get("/v1/models/one");
        assert_eq!(model, lab.get("/v1/models")["data"][0]);
        ["status", "attention", "context_length"].map(|name| model[name].clone())
    };
    assert_eq!(listed(), [json!("unloaded"), Value::Null, Value::Null]);
    let rest = begin(&lab);
    assert_eq!(listed(), [json!("loading"), Value::Null, Value::Null]);
    go_on.send(()).expect("it waits");
    let rest: Vec<Value> = rest.collect();
    assert!(rest.is_sorted_by_key(|object| object["progress"].as_f64()), "{rest:?}");
    let mut last = rest.last().expect("an end").clone();
    let progress = last.as_object_mut().expect("an object").remove("progress");
    assert_eq!((progress, &last), (Some(json!(1.0)), &lab.get("/v1/models/one")));
    assert_eq!(listed(), [json!("loaded"), json!(false), json!(100_000)]);
    // One that is there is there.
    let whole = lab.post(LOAD, &json!({"stream": false}));
    assert_eq!((whole.status, whole.json()), (200, last));
    assert_eq!(lab.stream(LOAD, json!({})).len(), 1);
    assert_eq!(n_loads.load(Ordering::Relaxed), 1);
}

#[test]
fn a_model_is_loaded_to_the_end_when_nobody_waits_any_more() {
    let (models, go_on, n_loads) = slow_models();
    let lab = Lab::serve(models, ServerOptions::default());
    drop(begin(&lab));
    go_on.send(()).expect("it waits");
    check(&lab, "one");
    assert_eq!(n_loads.load(Ordering::Relaxed), 1);
}

#[test]
fn what_cannot_be_loaded_says_why() {
    let (models, _) = models();
    let lab = Lab::serve(models, ServerOptions::default());
    let why = "model \"broken\" cannot be loaded: no such file";
    let path = "/v1/models/broken/load";
    let told = lab.post(path, &json!({})).body;
    assert!(told.contains(&format!("\"message\":{}", json!(why))), "{told}");
    let whole = lab.post(path, &json!({"stream": false}));
    assert_eq!((whole.status, &whole.json()["error"]["message"]), (503, &why.into()));
    assert_eq!(lab.get("/v1/models/broken")["status"], "unloaded");
    assert_eq!(lab.post("/v1/models/three/load", &json!({})).status, 404);
    assert_eq!(lab.post(path, &json!({"streams": true})).status, 400);
}
