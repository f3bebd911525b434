//! Profiles: what is measured is in range, the same twice, and known again.

use std::path::Path;

use engine::Loaded;
use inspect::N_BYTES_MAX;
use inspect::capture::{RowPlan, Selection, SpanWeights, SpansPlan};
use inspect::profile::{Effort, InjectEffort, Profile, ProfileError};
use inspect::questions::ground::{Ground, GroundEffort, ground};
use inspect::questions::heads::RolesEffort;
use inspect::questions::inject::inject;
use tiny_random::TinyRandom;

use crate::lab::{self, inspect, tiny};

const EFFORT: Effort = Effort {
    roles: RolesEffort { n_texts: 1, n_needles: 2, n_needle_words: 20, n_injections: 2 },
    inject: InjectEffort(4),
    ground: GroundEffort { n_documents: 5, n_sentences: 2, n_hidden: 1 },
};

fn load(seed: u64) -> Loaded {
    lab::load(&TinyRandom { seed, ..tiny() })
}

fn measure(loaded: &Loaded) -> Profile {
    inspect(loaded, |inspector, prompts| {
        Profile::measure(inspector, prompts, ("tiny", EFFORT)).expect("a profile")
    })
}

#[test]
fn spans_of_a_row_weigh_what_its_keys_do() {
    let loaded = load(1);
    inspect(&loaded, |inspector, prompts| {
        let ids = prompts.turn(&["A text that is read.", "And more of it."]).expect("a prompt").ids;
        let n = ids.len() as u32;
        let config = &loaded.model.config;
        let plan = SpansPlan { rows: 5..n, spans: vec![0..3, 2..n] };
        let spans = SpanWeights::new(config, plan, N_BYTES_MAX).expect("room");
        let spans = inspector.watch(&ids, spans).expect("an answer");
        let selection = Selection::all(config);
        let plan = RowPlan { selection, rows: 5..n, n_top: usize::MAX };
        for row in inspector.rows(&ids, plan).expect("rows") {
            let head = row.layer_idx * config.n_heads + row.head_idx;
            let found = spans.row(row.query_pos).nth(head).expect("a head");
            for (found, span) in found.iter().zip([0..3, 2..n]) {
                let keys = row.keys.iter().filter(|(pos, _)| span.contains(pos));
                let expected: f32 = keys.map(|(_, weight)| weight).sum();
                assert!((found - expected).abs() < 1e-5, "{found} {expected}");
            }
        }
    });
}

#[test]
fn a_profile_is_made_kept_and_used() {
    let loaded = load(1);
    let profile = measure(&loaded);
    assert_eq!(profile, measure(&loaded), "the same twice");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("profile.json");
    assert_eq!(Profile::read(&path, &loaded.model).expect("no file"), None);
    profile.write(&path).expect("a file");
    assert_eq!(Profile::read(&path, &loaded.model).expect("a profile"), Some(profile.clone()));
    foreign_and_damaged_files_are_refused(&path, &loaded);
    inspect(&loaded, |inspector, prompts| {
        let prompt = prompts.turn(&["Say it.", "Words that are data."]).expect("a prompt");
        let found = inject(inspector, &profile.inject, &prompt).expect("an answer");
        assert!((0.0..=1.0).contains(&found.focus));
        let window = &found.windows[0];
        assert!("Words that are data.".contains(window.text.trim()), "{window:?}");
        let question = Ground::new(inspector, &prompt, "One sentence. And another.");
        let found = ground(inspector, &profile.ground, &question).expect("an answer");
        assert_eq!(found.sentences.len(), 2);
        for sentence in &found.sentences {
            assert!((0.0..=1.0).contains(&sentence.probability));
            assert!((0.0..=1.0).contains(&sentence.lookback));
            assert!(sentence.nats_per_token.is_finite());
        }
    });
}

fn foreign_and_damaged_files_are_refused(path: &Path, loaded: &Loaded) {
    let other = load(2);
    let err = Profile::read(path, &other.model).expect_err("of another model");
    assert!(matches!(err, ProfileError::Foreign { .. }), "{err}");
    let text = std::fs::read_to_string(path).expect("a file");
    let check = |text: &str, message: &str| {
        let path = path.with_extension("other");
        std::fs::write(&path, text).expect("a file");
        let err = Profile::read(&path, &loaded.model).expect_err(message);
        assert!(err.to_string().contains(message), "{err}");
    };
    check(&text[..text.len() / 2], "not a profile");
    check(&text.replace("\"version\":4", "\"version\":1"), "version 1");
    check(&text.replacen("\"previous\":0.", "\"previous\":7.", 1), "no share");
}
