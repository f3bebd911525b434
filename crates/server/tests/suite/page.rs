//! The page for a browser.

use server::{Keys, ServerOptions};

use crate::lab::Lab;

#[test]
fn the_page_and_its_files_are_read_without_a_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keys");
    std::fs::write(&path, "key").expect("a writable folder");
    let keys = Keys::read(&path).expect("keys");
    let lab = Lab::with(ServerOptions { keys, ..ServerOptions::default() }, None);
    for (path, status, mime) in [
        ("/", 200, "text/html"),
        ("/assets/index.js", 200, "text/javascript"),
        ("/assets/index.css", 200, "text/css"),
        ("/assets/none.js", 404, "application/json"),
        ("/assets/..%2findex.html", 404, "application/json"),
        ("/assets/%2e%2e%2f%2e%2e%2fpackage.json", 404, "application/json"),
    ] {
        let reply = lab.ask("GET", path, "", b"");
        assert_eq!(reply.status, status, "{path}");
        assert!(reply.headers.contains(&format!("content-type: {mime}")), "{path}: {reply:?}");
    }
    assert_eq!(lab.ask("HEAD", "/", "", b"").status, 200);
    assert_eq!(lab.ask("POST", "/", "", b"").status, 405);
}

#[test]
fn the_page_stays_with_itself() {
    let reply = Lab::new().ask("GET", "/", "", b"");
    for header in [
        "content-security-policy: default-src 'none'; script-src 'self';",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "cache-control: no-cache",
    ] {
        assert!(reply.headers.contains(header), "{header}: {reply:?}");
    }
    let text = reply.body;
    assert!(!text.contains("http://") && !text.contains("https://"), "{text}");
}

#[test]
fn a_file_that_is_there_already_is_not_sent_again() {
    let lab = Lab::new();
    let first = lab.ask("GET", "/assets/index.js", "", b"");
    let tag = first.headers.lines().find_map(|line| line.strip_prefix("etag: ")).expect("a tag");
    for (asked, status) in [
        (tag.to_owned(), 304),
        (format!("\"other\", W/{tag}"), 304),
        ("*".to_owned(), 304),
        ("\"other\"".to_owned(), 200),
    ] {
        let header = format!("If-None-Match: {asked}\r\n");
        let reply = lab.ask("GET", "/assets/index.js", &header, b"");
        assert_eq!(reply.status, status, "{asked}");
        assert_eq!(reply.body.is_empty(), status == 304, "{asked}");
    }
}
