//! Who may ask.

use server::{Keys, Models, Server, ServerError, ServerOptions};

use crate::lab::Lab;

#[test]
fn other_names_and_other_pages_are_refused() {
    let lab = Lab::new();
    for (headers, status) in [
        ("", 200),
        ("Host: localhost:8080\r\n", 200),
        ("Host: evil.example\r\n", 403),
        ("Host: localhost\r\nOrigin: https://evil.example\r\n", 403),
        ("Host: localhost\r\nOrigin: http://127.0.0.1:3000\r\n", 200),
    ] {
        let reply = lab.ask("GET", "/v1/models", headers, b"");
        assert_eq!(reply.status, status, "{headers}");
        assert!(!reply.headers.contains("access-control-allow-origin"), "{reply:?}");
    }
}

#[test]
fn keys_open_everything_but_the_health() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keys");
    std::fs::write(&path, "# two\nfirst\n second \n").expect("a writable folder");
    let keys = Keys::read(&path).expect("keys");
    let lab = Lab::with(ServerOptions { keys, ..ServerOptions::default() }, None);
    for (path, headers, status) in [
        ("/health", "", 200),
        ("/v1/models", "", 401),
        ("/v1/models", "Authorization: Bearer second\r\n", 200),
        ("/v1/models", "x-api-key: first\r\n", 200),
        ("/v1/models", "Authorization: Bearer third\r\n", 401),
        ("/nothing", "", 401),
    ] {
        assert_eq!(lab.ask("GET", path, headers, b"").status, status, "{path} {headers}");
    }
    std::fs::write(&path, "# none\n").expect("a writable folder");
    let message = Keys::read(&path).err().expect("an error").to_string();
    assert!(message.ends_with("expected keys, one a line, found none"), "{message}");
}

#[test]
fn a_server_for_all_wants_keys() {
    let lab = Lab::new();
    let all = "0.0.0.0:0".parse().expect("an address");
    let error = Server::bind(all, Models::default(), ServerOptions::default());
    assert!(matches!(error, Err(ServerError::OpenToAll { .. })));
    let taken = Server::bind(lab.address, Models::default(), ServerOptions::default());
    assert!(matches!(taken, Err(ServerError::Bind { .. })));
}
