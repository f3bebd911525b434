//! Which server is asked, what it is told, and what happens when it refuses.

use std::net::TcpListener;

use super::*;

#[test]
fn address_and_token() {
    let server = Server::start(vec![Reply::whole(&body())]);
    let mut fixture = Fixture::new(&server);
    fixture.config.hf_endpoint += "/mirror/";
    fixture.pull().unwrap();
    let request = &server.requests()[0];
    assert_eq!(request.path, "/mirror/owner/repo/resolve/main/tiny.gguf");
    assert_eq!(request.header("authorization"), Some("Bearer secret"));
}

#[test]
fn next_source_is_tried() {
    let server = Server::start(vec![Reply::status(404), Reply::whole(&body())]);
    let mut fixture = Fixture::new(&server);
    fixture.model.sources = vec![hugging_face("owner/gone"), hugging_face("owner/there")];
    fixture.pull().unwrap();
    fixture.assert_complete();
    let paths: Vec<String> = server.requests().into_iter().map(|request| request.path).collect();
    let expected = ["gone", "there"].map(|repo| format!("/owner/{repo}/resolve/main/tiny.gguf"));
    assert_eq!(paths, expected);
}

#[test]
fn last_error_has_a_line_for_each_source() {
    let server = Server::start(vec![Reply::status(401), Reply::status(404)]);
    let mut fixture = Fixture::new(&server);
    fixture.model.sources = vec![hugging_face("owner/one"), hugging_face("owner/two")];
    assert_eq!(
        fixture.pull().unwrap_err().to_string(),
        "could not pull `tiny` from any source:\n  \
         Hugging Face owner/one: 127.0.0.1 answered HTTP 401, \
         no such repository or it needs a token (HF_TOKEN)\n  \
         Hugging Face owner/two: 127.0.0.1 answered HTTP 404, no such repository or file"
    );
}

#[test]
fn redirects_keep_the_token_at_home() {
    let storage = Server::start(vec![Reply::rest(&body(), 1000)]);
    let digest = format!("\"{}\"", sha256(&body()));
    let endpoint = Server::start(vec![
        Reply::redirect("/renamed?download=true".to_string()),
        Reply::redirect(format!("{}/blob?signature=a%2Fb", storage.url()))
            .header("x-linked-etag", digest),
    ]);
    let mut fixture = Fixture::new(&endpoint);
    // Continuing shows that the digest of the redirect is known, and that the range is passed on.
    (fixture.model.n_bytes, fixture.model.sha256) = (None, None);
    fixture.leave_partial(&body()[..1000]);
    fixture.pull().unwrap();
    fixture.assert_complete();

    let asked = endpoint.requests();
    assert_eq!(asked[1].path, "/renamed?download=true");
    assert!(asked.iter().all(|request| request.header("authorization") == Some("Bearer secret")));
    let asked = storage.requests();
    assert_eq!(asked[0].path, "/blob?signature=a%2Fb");
    assert_eq!(asked[0].header("authorization"), None);
    assert_eq!(asked[0].header("range"), Some("bytes=1000-"));
}

/// Only the endpoint may say what the file is: storage servers use tags of their own.
#[test]
fn storage_tags_are_not_digests() {
    let tag = format!("\"{}\"", sha256(b"not the file"));
    let storage = Server::start(vec![Reply::whole(&body()).header("etag", tag)]);
    let endpoint = Server::start(vec![Reply::redirect(format!("{}/blob", storage.url()))]);
    let fixture = Fixture::new(&endpoint);
    fixture.pull().unwrap();
    fixture.assert_complete();
}

#[test]
fn bad_redirects_are_refused() {
    let to = |location: &str| Reply::redirect(location.to_string());
    let scripts = [
        (vec![Reply::status(302)], "without a location"),
        (vec![to("ftp://127.0.0.1/x")], "expected http:// or https://"),
        (vec![to("not an address")], "not a valid address"),
        (vec![to("/again"); 6], "too many redirects"),
    ];
    for (replies, problem) in scripts {
        let server = Server::start(replies);
        let failure = Fixture::new(&server).pull_failure().to_string();
        assert!(failure.contains(problem), "expected `{problem}` in `{failure}`");
    }
}

#[test]
fn unreachable_server_is_named() {
    let server = Server::start(vec![]);
    let mut fixture = Fixture::new(&server);
    // A port that was free a moment ago and that nothing listens on.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    fixture.config.hf_endpoint = format!("http://{free}");
    let failure = fixture.pull_failure();
    assert!(matches!(failure, SourceError::Unreachable { .. }), "{failure:?}");
    assert!(failure.to_string().starts_with("cannot reach 127.0.0.1: "), "{failure}");
    for bad in ["huggingface.co", "ftp://huggingface.co", "http://", ""] {
        fixture.config.hf_endpoint = bad.to_string();
        let failure = fixture.pull_failure();
        assert!(matches!(failure, SourceError::BadAddress { .. }), "{bad}: {failure:?}");
    }
}

#[test]
fn unwritable_store_ends_the_pull_at_once() {
    let server = Server::start(vec![]);
    let mut fixture = Fixture::new(&server);
    let file = fixture.dir.path().join("file");
    fs::write(&file, "").unwrap();
    fixture.config.models_dir = file.join("models");
    let err = fixture.pull().unwrap_err();
    assert!(matches!(err, HubError::Store { .. }), "{err:?}");
    assert!(err.to_string().starts_with("cannot make the models folder "), "{err}");
}
