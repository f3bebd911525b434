//! What a smaller cache costs: nothing where it is the same, something where it is not.

use std::ops::ControlFlow;
use std::sync::Arc;

use engine::kv_compare::{KvCompare, KvSetting, Measured, Needles, Passage, sample_text, settings};
use engine::{Error, Loaded, RunnerOptions, SpecialText};
use model::WorkspaceSize;
use model::kv::{Importance, KvPolicy, KvType};
use tiny_random::TinyRandom;

use crate::tiny::load;

const DEPTHS: [usize; 3] = [0, 70, 150];
const N_DECODED: usize = 12;
const N_NEEDLES: usize = 2;

fn compare(loaded: &Loaded) -> KvCompare {
    let ids = loaded.tokenizer.encode_prompt(&sample_text(400), SpecialText::AsText);
    let passage = Passage::new(ids, DEPTHS.to_vec(), N_DECODED).expect("long enough");
    let needles = Needles::hide(passage.deepest(), 0, &loaded.tokenizer);
    new(loaded, passage, needles)
}

fn new(loaded: &Loaded, passage: Passage, needles: Needles) -> KvCompare {
    let options = RunnerOptions {
        kv_shape: KvSetting::REFERENCE.shape(&loaded.model.config),
        kv_bytes_max: usize::MAX,
        n_threads: 2,
        size: WorkspaceSize { n_ctx: 1024, n_tokens_max: 32, n_logit_rows_max: 1 },
        kernels: kernels::detect(),
    };
    let (model, tokenizer) = (Arc::clone(&loaded.model), loaded.tokenizer.clone());
    let go_on = &mut |_| ControlFlow::Continue(());
    KvCompare::new(model, tokenizer, passage, needles, options, go_on).expect("it is computed")
}

fn measure(compare: &KvCompare, setting: KvSetting) -> Measured {
    let mut n_last = 0;
    let progress = &mut |n_done| {
        assert!(n_last <= n_done, "{n_done} after {n_last}");
        n_last = n_done;
        ControlFlow::Continue(())
    };
    let measured = compare.measure(setting, progress).expect("it is computed");
    assert!(n_last <= compare.n_tokens());
    measured
}

#[test]
fn an_f32_cache_is_the_f32_cache_to_the_last_bit() {
    for architecture in ["llama", "gemma3"] {
        let window = (architecture == "gemma3").then_some(16);
        let loaded = load(&TinyRandom { architecture, window, ..TinyRandom::default() });
        let measured = measure(&compare(&loaded), KvSetting::REFERENCE);
        for found in measured.depths.iter().map(|at| at.divergence).chain([measured.divergence]) {
            assert_eq!((found.kl_mean, found.kl_p99, found.kl_max), (0.0, 0.0, 0.0));
            assert_eq!((found.same_top1, found.nll_change), (1.0, 0.0));
        }
    }
}

#[test]
fn every_type_says_what_it_takes_and_loses() {
    let loaded = load(&TinyRandom::default());
    let compare = compare(&loaded);
    let all = settings(&KvType::ALL, &[], &[]);
    let all: Vec<Measured> = all.into_iter().map(|setting| measure(&compare, setting)).collect();
    for measured in &all {
        let shape = measured.setting.shape(&loaded.model.config);
        assert_eq!(measured.position_bytes, shape.position_bytes());
        assert_eq!(measured.depths.len(), DEPTHS.len());
        for (at, depth) in measured.depths.iter().zip(DEPTHS) {
            assert_eq!((at.depth, at.kv_bytes), (depth, shape.bytes(depth, 32)));
            assert_eq!(at.speed.prefill.is_some(), depth > 0);
            assert!(at.speed.decode > 0.0);
            let found = at.divergence;
            assert!(0.0 <= found.kl_mean && found.kl_mean <= found.kl_max, "{found:?}");
            assert!(found.kl_p99 <= found.kl_max, "{found:?}");
            assert!((0.0..=1.0).contains(&found.same_top1), "{found:?}");
        }
    }
    // The largest type loses nothing, the smallest one most.
    let (first, last) = (all[0].divergence, all[all.len() - 1].divergence);
    assert_eq!(first.kl_max, 0.0);
    assert!(all.iter().all(|measured| measured.divergence.kl_mean <= last.kl_mean));
    assert!(last.kl_mean > 0.0);
}

/// The smaller the part of the text that stays, the fewer bytes a token.
#[test]
fn a_part_of_a_prompt_costs_what_it_keeps() {
    let loaded = load(&TinyRandom { n_ctx: 1024, ..TinyRandom::default() });
    let ids = loaded.tokenizer.encode_prompt(&sample_text(2_000), SpecialText::AsText);
    let passage = Passage::new(ids, vec![600], 4).expect("long enough");
    let no_needles = Needles::hide(&[], 0, &loaded.tokenizer);
    let compare = new(&loaded, passage, no_needles);
    for by in [Importance::Observed, Importance::Expected] {
        let measured = |n_keys| {
            let policy = KvPolicy::Evict { by, n_keys, n_prompt: 0 };
            measure(&compare, KvSetting { policy, ..KvSetting::REFERENCE })
        };
        let (whole, part) = (measured(640), measured(320));
        assert_eq!(whole.divergence.kl_max, 0.0);
        assert!(part.divergence.kl_mean > 0.0);
        // Ten blocks, and five of them.
        assert_eq!(2 * part.depths[0].kv_bytes, whole.depths[0].kv_bytes);
    }
}

#[test]
fn what_is_let_go_of_is_missed() {
    let loaded = load(&TinyRandom::default());
    let compare = compare(&loaded);
    let kl_mean = |window| {
        let policy = KvPolicy::SinksAndWindow { n_sinks: 0, window };
        measure(&compare, KvSetting { policy, ..KvSetting::REFERENCE }).divergence.kl_mean
    };
    assert_eq!(kl_mean(1 << 20), 0.0);
    assert!(kl_mean(8) > 0.0);
}

/// One token is a letter here, so texts of several hundred tokens hold a sentence or two.
#[test]
fn needles_lie_where_they_are_said_to() {
    let loaded = load(&TinyRandom { n_ctx: 1024, ..TinyRandom::default() });
    let tokenizer = &loaded.tokenizer;
    let ids = tokenizer.encode_prompt(&sample_text(2_000), SpecialText::AsText);
    let passage = Passage::new(ids, vec![600], 1).expect("long enough");
    let text = passage.deepest().to_vec();
    let needles = Needles::hide(&text, N_NEEDLES, tokenizer);
    assert_eq!(needles.n_needles(), N_NEEDLES);
    assert!(needles.n_positions() > text.len());
    assert_eq!(Needles::hide(&text[..100], N_NEEDLES, tokenizer).n_needles(), 0);
    assert_eq!(Needles::hide(&[], N_NEEDLES, tokenizer).n_positions(), 0);

    let compare = new(&loaded, passage, needles);
    let measured = measure(&compare, KvSetting::REFERENCE);
    assert_eq!(measured.answers.len(), N_NEEDLES);
    let [first, second] = &measured.answers[..] else { panic!("two were asked for") };
    assert!(first.pos > 0 && first.pos < second.pos && second.pos < text.len());
    assert!(!first.is_found && !second.is_found, "random weights know no number");
    assert_eq!(measure(&compare, KvSetting::REFERENCE).answers, measured.answers);
}

#[test]
fn work_stops_when_it_is_told_to() {
    let loaded = load(&TinyRandom::default());
    let compare = compare(&loaded);
    for n_allowed in [0, 1, 7, 20] {
        let mut n_calls = 0;
        let result = compare.measure(KvSetting::REFERENCE, &mut |_| {
            n_calls += 1;
            if n_calls > n_allowed { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(result.err(), Some(Error::Stopped));
        assert_eq!(n_calls, n_allowed + 1);
    }
}
