//! Who runs, who waits, and who has gone.

use std::io::Read as _;

use serde_json::json;
use server::{Limits, ServerOptions};

use crate::lab::{ANSWER, Lab};

const TEXT: &str = "/v1/completions";

/// A request for an answer without an end, in parts; the reader has seen the first of them.
fn endless(lab: &Lab) -> std::net::TcpStream {
    let body = json!({"prompt": "on", "stream": true}).to_string();
    let head = format!("POST {TEXT} HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let mut stream = lab.send(&head);
    let mut some = [0; 256];
    let n = stream.read(&mut some).expect("an answer");
    assert!(String::from_utf8_lossy(&some[..n]).contains("200 OK"));
    stream
}

#[test]
fn who_hangs_up_frees_a_slot() {
    let lab = Lab::new();
    for _ in 0..20 {
        drop(endless(&lab));
    }
    // Before any part of an answer: it is not in parts.
    let body = json!({"prompt": "on"}).to_string();
    let head = format!("POST {TEXT} HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    drop(lab.send(&head));
    lab.wait_until_idle();
}

/// Those who read slowly, or not at all, keep nobody waiting.
#[test]
fn answers_beside_one_that_nobody_reads() {
    let lab = Lab::new();
    let unread = endless(&lab);
    for _ in 0..20 {
        let reply = lab.post(TEXT, &json!({"prompt": "go", "temperature": 0}));
        assert_eq!(reply.json()["choices"][0]["text"], ANSWER);
    }
    drop(unread);
    lab.wait_until_idle();
}

#[test]
fn many_at_once_get_what_they_get_alone() {
    let lab = Lab::new();
    std::thread::scope(|scope| {
        for i in 0..16 {
            let lab = &lab;
            scope.spawn(move || {
                let body = json!({"prompt": format!("{}go", "a".repeat(i * 7)), "temperature": 0});
                for _ in 0..5 {
                    let reply = lab.post(TEXT, &body);
                    assert_eq!(reply.json()["choices"][0]["text"], ANSWER);
                }
            });
        }
    });
    lab.wait_until_idle();
}

#[test]
fn too_many_are_told_to_come_again() {
    let limits = Limits { n_in_flight: 2, ..Limits::default() };
    let lab = Lab::with(ServerOptions { limits, ..ServerOptions::default() }, None);
    let (first, second) = (endless(&lab), endless(&lab));
    let reply = lab.post(TEXT, &json!({"prompt": "go"}));
    assert_eq!(reply.status, 429, "{reply:?}");
    assert!(reply.headers.contains("retry-after: 1"), "{reply:?}");
    assert_eq!(reply.json()["error"]["type"], "rate_limit_error");
    drop((first, second));
    lab.wait_until_idle();
    assert_eq!(lab.post(TEXT, &json!({"prompt": "go"})).status, 200);
}

/// Answers on their way end before the server does.
#[test]
fn a_server_that_is_stopped_lets_answers_end() {
    let limits = Limits { drain: std::time::Duration::from_millis(50), ..Limits::default() };
    let lab = Lab::with(ServerOptions { limits, ..ServerOptions::default() }, None);
    let _endless = endless(&lab);
    // Whoever never ends is cut off: dropping the lab waits for the server.
    drop(lab);
}

/// A model whose thread has ended is not healthy, and says so.
#[test]
fn an_engine_that_has_ended_is_not_healthy() {
    let lab = Lab::panicking();
    assert_eq!(lab.ask("GET", "/health", "", b"").status, 200);
    let reply = lab.post(TEXT, &json!({"prompt": "go"}));
    assert_eq!(reply.status, 503, "{reply:?}");
    const N_TRIES: usize = 10_000;
    let is_known = |_: &usize| lab.ask("GET", "/health", "", b"").status == 503;
    (0..N_TRIES).find(is_known).expect("it is known in time");
}
