//! One file from one server: whole, cut, continued, short, long and wrong.

use std::fs;
use std::sync::atomic::AtomicBool;

use super::*;
use crate::hub::lock::ModelLock;

#[test]
fn whole_file() {
    check(b"", vec![Reply::whole(&body())], &[0]);
}

#[test]
fn cut_connection_goes_on_in_the_same_pull() {
    let replies = vec![
        Reply::whole(&body()).cut_after(100_000),
        Reply::rest(&body(), 100_000).cut_after(150_000),
        Reply::rest(&body(), 250_000),
    ];
    check(b"", replies, &[0, 100_000, 250_000]);
}

#[test]
fn partial_of_an_earlier_pull_goes_on() {
    check(&body()[..1], vec![Reply::rest(&body(), 1)], &[1]);
    check(&body()[..299_999], vec![Reply::rest(&body(), 299_999)], &[299_999]);
}

#[test]
fn complete_partial_needs_no_request() {
    check(&body(), vec![], &[]);
}

#[test]
fn server_that_ignores_ranges_starts_again() {
    check(&body()[..100_000], vec![Reply::whole(&body())], &[100_000]);
}

#[test]
fn server_that_goes_on_elsewhere_starts_again() {
    let replies = vec![Reply::rest(&body(), 99_999), Reply::whole(&body())];
    check(&body()[..100_000], replies, &[100_000, 0]);
    let replies = vec![Reply::status(416), Reply::whole(&body())];
    check(&body()[..100_000], replies, &[100_000, 0]);
}

#[test]
fn partial_longer_than_the_model_starts_again() {
    check(&[body(), vec![0]].concat(), vec![Reply::whole(&body())], &[0]);
}

#[test]
fn refusal_keeps_the_partial() {
    let server = Server::start(vec![Reply::status(503)]);
    let fixture = Fixture::new(&server);
    fixture.leave_partial(&body()[..100_000]);
    let failure = fixture.pull_failure();
    assert!(matches!(failure, SourceError::Status { status: 503, .. }), "{failure:?}");
    assert!(fs::read(fixture.partial_path()).unwrap() == body()[..100_000]);
}

#[test]
fn page_of_another_length_keeps_the_partial() {
    let server = Server::start(vec![Reply::whole(b"<html>please log in</html>")]);
    let fixture = Fixture::new(&server);
    fixture.leave_partial(&body()[..100_000]);
    let failure = fixture.pull_failure();
    assert!(matches!(failure, SourceError::WrongLength { found: 26, .. }), "{failure:?}");
    assert!(fs::read(fixture.partial_path()).unwrap() == body()[..100_000]);
}

#[test]
fn short_body_without_progress_fails_and_keeps_what_came() {
    let cut = Reply::whole(&body()).cut_after(100_000);
    let server = Server::start(vec![cut, Reply::rest(&body(), 100_000).cut_after(0)]);
    let fixture = Fixture::new(&server);
    let failure = fixture.pull_failure();
    assert_eq!(failure.to_string(), "connection ended after 100000 of 300000 bytes");
    assert_eq!(fixture.names(), ["tiny.gguf.partial"]);
}

#[test]
fn body_of_unnamed_length_is_measured() {
    check(b"", vec![Reply::whole(&body()).until_closed()], &[0]);

    let server = Server::start(vec![Reply::whole(&body()[1..]).until_closed()]);
    let failure = Fixture::new(&server).pull_failure();
    assert_eq!(failure.to_string(), "connection ended after 299999 of 300000 bytes");

    let server = Server::start(vec![Reply::whole(&body().repeat(8)).until_closed()]);
    let fixture = Fixture::new(&server);
    let failure = fixture.pull_failure();
    // The model's length and less than its length again: the rest was not read.
    let n_bytes_max = 2 * N_BYTES as u64;
    assert!(
        matches!(failure, SourceError::WrongLength { found, .. } if found <= n_bytes_max),
        "{failure:?}"
    );
    assert!(fixture.names().is_empty());
}

#[test]
fn nothing_received_leaves_nothing() {
    for reply in [Reply::status(404), Reply::whole(&body()).cut_after(0)] {
        let server = Server::start(vec![reply]);
        let fixture = Fixture::new(&server);
        fixture.pull_failure();
        assert!(fixture.names().is_empty());
    }
}

#[test]
fn wrong_bytes_are_removed() {
    let mut wrong = body();
    wrong[N_BYTES - 1] ^= 1;
    let server = Server::start(vec![Reply::whole(&wrong), Reply::whole(&body())]);
    let fixture = Fixture::new(&server);
    let expected = format!("sha256 is {}, expected {}", sha256(&wrong), sha256(&body()));
    assert_eq!(fixture.pull_failure().to_string(), expected);
    assert!(fixture.names().is_empty());
    fixture.pull().unwrap();
    fixture.assert_complete();
}

#[test]
fn damaged_partial_is_removed_and_the_next_pull_works() {
    let server = Server::start(vec![Reply::rest(&body(), 100_000), Reply::whole(&body())]);
    let fixture = Fixture::new(&server);
    fixture.leave_partial(&[7; 100_000]);
    assert!(matches!(fixture.pull_failure(), SourceError::WrongDigest { .. }));
    fixture.pull().unwrap();
    fixture.assert_complete();
}

#[test]
fn digest_named_by_the_endpoint_is_checked_before_the_body() {
    let other = sha256(b"another file");
    let reply = Reply::whole(&body()).header("x-linked-etag", format!("\"{other}\""));
    let server = Server::start(vec![reply.cut_after(0)]);
    let fixture = Fixture::new(&server);
    let failure = fixture.pull_failure();
    assert!(matches!(failure, SourceError::WrongDigest { found, .. } if found == other));
}

/// What `kill -9` in the middle of a pull leaves: a partial and a lock file nobody holds.
#[test]
fn killed_pull_is_invisible_and_goes_on() {
    let server = Server::start(vec![Reply::rest(&body(), 100_000)]);
    let fixture = Fixture::new(&server);
    fixture.leave_partial(&body()[..100_000]);
    fs::write(fixture.store().lock_path(&fixture.path()), "").unwrap();
    fs::create_dir(fixture.config.models_dir.join(".tiny.gguf.wheels-abc")).unwrap();
    assert_eq!(fixture.store().list().unwrap(), []);
    fixture.pull().unwrap();
    assert!(fs::read(fixture.path()).unwrap() == body());
}

#[test]
fn present_file_is_checked_and_replaced_if_damaged() {
    let server = Server::start(vec![Reply::whole(&body())]);
    let fixture = Fixture::new(&server);
    fs::create_dir_all(&fixture.config.models_dir).unwrap();
    fs::write(fixture.path(), &body()[..1000]).unwrap();
    fixture.pull().unwrap();
    fixture.assert_complete();
    fixture.pull().unwrap();
    assert_eq!(server.n_bytes_skipped(), [0]);
}

#[test]
fn cancelled_pull_says_so_and_frees_the_lock() {
    let server = Server::start(vec![Reply::whole(&body())]);
    let fixture = Fixture::new(&server);
    let cancelled = pull(&fixture.config, &fixture.model, &mut Silent, &AtomicBool::new(true));
    assert!(matches!(cancelled, Err(HubError::Cancelled { .. })), "{cancelled:?}");
    let lock_path = fixture.store().lock_path(&fixture.path());
    assert!(ModelLock::try_acquire(&lock_path).unwrap().is_some());
}

/// The digest of an `hf:` file comes from the endpoint's headers.
#[test]
fn unknown_file_is_checked_against_the_endpoints_digest() {
    let digest = || sha256(&body());
    let tagged = |reply: Reply| reply.header("etag", format!("\"{}\"", digest()));
    let cut = tagged(Reply::whole(&body())).cut_after(100_000);
    let server = Server::start(vec![cut, tagged(Reply::rest(&body(), 100_000))]);
    let mut fixture = Fixture::new(&server);
    (fixture.model.n_bytes, fixture.model.sha256) = (None, None);
    fixture.pull().unwrap();
    fixture.assert_complete();

    let server = Server::start(vec![tagged(Reply::whole(&[0; N_BYTES]))]);
    let mut fixture = Fixture::new(&server);
    (fixture.model.n_bytes, fixture.model.sha256) = (None, None);
    assert!(matches!(fixture.pull_failure(), SourceError::WrongDigest { .. }));
}

#[test]
fn without_any_digest_nothing_is_continued_and_nothing_empty_accepted() {
    let replies = vec![Reply::rest(&body(), 100_000), Reply::whole(&body())];
    let server = Server::start(replies);
    let mut fixture = Fixture::new(&server);
    (fixture.model.n_bytes, fixture.model.sha256) = (None, None);
    fixture.leave_partial(&body()[..100_000]);
    fixture.pull().unwrap();
    fixture.assert_complete();
    assert_eq!(server.n_bytes_skipped(), [100_000, 0]);

    let server = Server::start(vec![Reply::whole(b"")]);
    let mut fixture = Fixture::new(&server);
    (fixture.model.n_bytes, fixture.model.sha256) = (None, None);
    assert!(matches!(fixture.pull_failure(), SourceError::ShortBody { found: 0, .. }));
}
