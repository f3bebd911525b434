//! What those who run a server see and set: numbers, names of requests, pages, connections.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use server::{Limits, Models, ServerOptions, Tls};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, Stream};

use crate::lab::{ANSWER, Lab, saying, served};

const TEXT: &str = "/v1/completions";

#[test]
fn numbers_are_counted() {
    let mut models = Models::default();
    for name in ["one", "two"] {
        models.add(name.into(), served(name, saying("abc"), None));
    }
    let lab = Lab::serve(models, ServerOptions::default());
    for _ in 0..3 {
        assert_eq!(lab.post(TEXT, &json!({"prompt": "go", "max_tokens": 2})).status, 200);
    }
    lab.wait_until_idle();
    let page = lab.ask("GET", "/metrics", "", b"").body;
    for line in [
        "lookback_generated_tokens_total{model_name=\"one\"} 6",
        "vllm:generation_tokens_total{model_name=\"one\"} 6",
        "vllm:prompt_tokens_total{model_name=\"one\"} 6",
        "vllm:prompt_tokens_total{model_name=\"two\"} 0",
        "vllm:request_success_total{model_name=\"one\",finished_reason=\"length\"} 3",
        "vllm:time_to_first_token_seconds_count{model_name=\"one\"} 3",
        "vllm:inter_token_latency_seconds_count{model_name=\"one\"} 3",
        "vllm:num_requests_waiting{model_name=\"one\"} 0",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
    for name in ["vllm:kv_cache_usage_perc", "vllm:cache_config_info", "vllm:num_requests_running"]
    {
        let helps = page.lines().filter(|line| line.starts_with(&format!("# HELP {name} ")));
        assert_eq!(helps.count(), 1, "{name}\n{page}");
    }
}

#[test]
fn the_document_describes_every_address() {
    let lab = Lab::new();
    let document = lab.get("/openapi.json");
    let paths = document["paths"].as_object().expect("paths");
    for (path, methods) in paths {
        for (method, about) in methods.as_object().expect("methods") {
            assert!(about["summary"].is_string() && about["responses"]["4XX"].is_object());
            let path = path.replace("{id}", "none").replace("{name}", "none");
            let reply = lab.ask(&method.to_uppercase(), &path, "", b"{}");
            assert_ne!(reply.status, 405, "{method} {path}");
            assert!(reply.status < 500, "{method} {path}: {reply:?}");
            if method == "post" {
                let properties = &about["requestBody"]["content"]["application/json"]["schema"];
                assert!(properties["properties"].is_object(), "{path}: {about}");
            }
        }
    }
    let chat = &paths["/v1/chat/completions"]["post"]["requestBody"]["content"]["application/json"];
    for field in ["messages", "tools", "response_format", "temperature"] {
        let described = &chat["schema"]["properties"][field];
        assert!(described["anyOf"].is_array(), "{field}: {described}");
    }
}

#[test]
fn requests_have_names() {
    let lab = Lab::new();
    let named = lab.ask("GET", "/health", "x-request-id: mine-7\r\n", b"");
    assert!(named.headers.contains("x-request-id: mine-7"), "{named:?}");
    for headers in ["", "x-request-id: <script>\r\n"] {
        let given = lab.ask("GET", "/nothing", headers, b"");
        assert!(given.headers.contains("x-request-id: req_"), "{given:?}");
        assert!(given.headers.contains("\r\nrequest-id: req_"), "{given:?}");
    }
}

#[test]
fn pages_ask_where_they_may() {
    let origins = vec!["https://chat.example".to_owned()];
    let lab = Lab::with(ServerOptions { origins, ..ServerOptions::default() }, None);
    let ask = |method: &str, origin: &str| {
        let headers = format!("Host: localhost\r\nOrigin: {origin}\r\n");
        lab.ask(method, "/v1/models", &headers, b"")
    };
    for method in ["GET", "OPTIONS"] {
        let allowed = ask(method, "https://chat.example");
        assert_eq!(allowed.status, 200, "{allowed:?}");
        let header = "access-control-allow-origin: https://chat.example";
        assert!(allowed.headers.contains(header), "{allowed:?}");
        let refused = ask(method, "https://evil.example");
        assert_eq!(refused.status, 403, "{refused:?}");
        assert!(!refused.headers.contains("access-control"), "{refused:?}");
    }
}

/// Who sends nothing, or not enough, is let go; who sends too much is told so.
#[test]
fn connections_are_bounded() {
    let limits = Limits {
        header: Duration::from_millis(40),
        body: Duration::from_millis(40),
        n_connections: 4,
        ..Limits::default()
    };
    let lab = Lab::with(ServerOptions { limits, ..ServerOptions::default() }, None);
    let head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n";
    let starts = ["", "GET /health HT", "GET /health HTTP/1.1\r\nHost: localhost\r\nX-", head];
    // As many as may be connected at once, twice.
    for start in starts.into_iter().chain(starts) {
        let mut stream = lab.send(start);
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
    let many = "X-Many: 1\r\n".repeat(500);
    assert_eq!(lab.ask("GET", "/health", &many, b"").status, 431);
    let long = format!("X-Long: {}\r\n", "a".repeat(200_000));
    assert_eq!(lab.ask("GET", "/health", &long, b"").status, 431);
    assert_eq!(lab.get("/health")["status"], "ok");
}

#[test]
fn a_certificate_makes_it_https() {
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a pair");
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, pair.cert.pem()).expect("a writable folder");
    std::fs::write(&key, pair.signing_key.serialize_pem()).expect("a writable folder");
    let tls = Some(Tls::read(&certificate, &key).expect("a pair"));
    let lab = Lab::with(ServerOptions { tls, ..ServerOptions::default() }, None);

    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&certificate).expect("PEM")).expect("a root");
    let ring = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let mut client = ClientConnection::new(Arc::new(config), name).expect("a client");
    let body = json!({"prompt": "go", "temperature": 0}).to_string();
    let request = format!("POST {TEXT} HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let mut socket = lab.send("");
    let mut stream = Stream::new(&mut client, &mut socket);
    stream.write_all(request.as_bytes()).expect("it is encrypted");
    let mut reply = Vec::new();
    // The end of the connection is all that says that this is the end.
    let _ = stream.read_to_end(&mut reply);
    let reply = String::from_utf8(reply).expect("text");
    assert!(reply.contains(&json!(ANSWER).to_string()), "{reply}");
    // Without encryption there is no answer, and nothing breaks.
    assert_eq!(lab.ask("GET", "/health", "", b"").status, 0);

    std::fs::write(&certificate, "nothing").expect("a writable folder");
    let message = Tls::read(&certificate, &key).err().expect("an error").to_string();
    assert!(message.contains("cert.pem: expected certificates in PEM"), "{message}");
}
