//! Laws of the cache: whatever is shared, copied, dropped and evicted, every sequence reads what
//! was computed for its own text.

use kernels::{Cells, KEY_BLOCK};
use proptest::prelude::*;

use super::{
    CacheFull, Keys, KvCache, KvFileError, KvPolicy, KvShape, KvType, LayerShape, Miss, Reuse,
    SequenceId, ValuePlace, ValueScratch, Values,
};
use crate::attention::AttentionPattern;

const WINDOW: u32 = 70;

fn shape() -> KvShape {
    let layer = |window| LayerShape { k_type: KvType::F32, v_type: KvType::F32, window };
    KvShape {
        n_kv_heads: 1,
        head_dim: 1,
        values: ValuePlace::Own,
        layers: vec![layer(None), layer(Some(WINDOW))],
    }
}

/// What a model might compute for a token of a sequence: it depends on all up to it, and on what
/// they could not see.
fn key_of(kv: &KvCache, id: SequenceId, key_idx: usize) -> f32 {
    let policy = kv.policy(id);
    let is_approximate = policy.few().is_some_and(|(_, from)| key_idx >= from as usize);
    let seed = policy.n_keys_max().unwrap_or(if is_approximate { 19 } else { 17 }) as u32;
    let tokens = kv.tokens(id)[..=key_idx].iter();
    let hash = tokens.fold(seed, |hash, &token| hash.wrapping_mul(31) ^ token);
    (hash % (1 << 24)) as f32
}

/// Computes the tokens that follow those cached.
fn feed(kv: &mut KvCache, id: SequenceId, tokens: &[u32]) -> Result<(), CacheFull> {
    let first = kv.n_keys(id);
    kv.reserve(id, first + tokens.len())?;
    let positions: Vec<u32> = (first as u32..).take(tokens.len()).collect();
    kv.append(id, tokens, &positions);
    let keys: Vec<f32> = (first..kv.n_keys(id)).map(|i| key_of(kv, id, i)).collect();
    for layer_idx in 0..2 {
        kv.write_rows(kernels::scalar(), layer_idx, (id, first), (&keys, &keys));
    }
    Ok(())
}

/// A query behind the last key reads the keys and values of its text.
fn check(kv: &KvCache, id: SequenceId) {
    let tokens = kv.tokens(id);
    let patterns = [AttentionPattern::Causal, AttentionPattern::SlidingWindow { window: WINDOW }];
    for (layer_idx, pattern) in patterns.into_iter().enumerate() {
        let view = kv.view(layer_idx, id);
        let mut scratch = ValueScratch::new(1, ValuePlace::Own);
        for key_idx in view.visible(pattern, tokens.len() as u32).iter() {
            let (block_idx, slot) = (key_idx / KEY_BLOCK, key_idx % KEY_BLOCK);
            let expected = key_of(kv, id, key_idx);
            let keys = view.keys(0, block_idx);
            let values = view.values(kernels::scalar(), 0, block_idx, &mut scratch);
            let (Keys::Floats(Cells::F32(keys)), Values::Floats(Cells::F32(values))) =
                (keys, values)
            else {
                panic!("f32 is stored as f32");
            };
            assert_eq!((keys[slot], values[slot]), (expected, expected), "key {key_idx}");
        }
    }
}

fn text(seed: u32, n: usize) -> Vec<u32> {
    (0..n as u32).map(|i| i.wrapping_mul(seed) % 97).collect()
}

#[derive(Clone, Debug)]
enum Step {
    /// A beginning of text `seed`, of which some may be cached.
    Admit {
        seed: u32,
        n: usize,
        policy: KvPolicy,
    },
    Feed {
        idx: usize,
        seed: u32,
        n: usize,
    },
    Fork {
        idx: usize,
        n_less: usize,
    },
    Truncate {
        idx: usize,
        n_less: usize,
    },
    Remember {
        idx: usize,
    },
    Release {
        idx: usize,
    },
}

fn policies() -> impl Strategy<Value = KvPolicy> {
    prop_oneof![
        Just(KvPolicy::KeepAll),
        Just(KvPolicy::SinksAndWindow { n_sinks: 4, window: 30 }),
        Just(KvPolicy::SinksAndWindow { n_sinks: 70, window: 100 }),
        (0u32..200).prop_map(|from| KvPolicy::TopBlocks { n_blocks: 1, from }),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0u32..4, 1usize..200, policies()).prop_map(|(seed, n, policy)| Step::Admit {
            seed,
            n,
            policy
        }),
        (0usize..9, 0u32..4, 1usize..100).prop_map(|(idx, seed, n)| Step::Feed { idx, seed, n }),
        (0usize..9, 0usize..5).prop_map(|(idx, n_less)| Step::Fork { idx, n_less }),
        (0usize..9, 0usize..5).prop_map(|(idx, n_less)| Step::Truncate { idx, n_less }),
        (0usize..9).prop_map(|idx| Step::Remember { idx }),
        (0usize..9).prop_map(|idx| Step::Release { idx }),
    ];
    prop::collection::vec(step, 1..60)
}

/// Runs steps in a cache of some size.
struct Simulation {
    kv: KvCache,
    ids: Vec<SequenceId>,
}

impl Simulation {
    fn pick(&self, idx: usize) -> Option<SequenceId> {
        (!self.ids.is_empty()).then(|| self.ids[idx % self.ids.len()])
    }

    fn run(&mut self, step: &Step) -> Option<()> {
        match *step {
            Step::Admit { seed, n, policy } => {
                let text = text(seed, n);
                let expected = self.kv.reusable(&text, policy);
                let (id, reuse) = self.kv.admit_text(&text, policy);
                assert_eq!(reuse, expected);
                assert!(reuse.n_reused < n && reuse.n_reused <= reuse.n_matched);
                assert_eq!(self.kv.tokens(id), &text[..reuse.n_reused]);
                self.ids.push(id);
                check(&self.kv, id);
                // Without room it stays as it is.
                let _ = feed(&mut self.kv, id, &text[reuse.n_reused..]);
            }
            Step::Feed { idx, seed, n } => {
                let id = self.pick(idx)?;
                let _ = feed(&mut self.kv, id, &text(seed, n));
            }
            Step::Fork { idx, n_less } => {
                let id = self.pick(idx)?;
                let n_keys = self.kv.n_keys(id).saturating_sub(n_less);
                let fork = self.kv.fork(id, n_keys);
                self.ids.push(fork);
            }
            Step::Truncate { idx, n_less } => {
                let id = self.pick(idx)?;
                let n_keys = self.kv.n_keys(id).saturating_sub(n_less);
                self.kv.truncate(id, n_keys);
            }
            Step::Remember { idx } => self.kv.remember(self.pick(idx)?),
            Step::Release { idx } => {
                let id = self.pick(idx)?;
                self.ids.retain(|&other| other != id);
                self.kv.release(id);
            }
        }
        Some(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_sequence_reads_its_own_text(steps in steps(), n_blocks in 4usize..40) {
        let n_bytes_max = n_blocks * KEY_BLOCK * shape().position_bytes();
        let mut run = Simulation { kv: KvCache::new(shape(), n_bytes_max), ids: Vec::new() };
        for step in &steps {
            run.run(step);
            prop_assert!(run.kv.used_bytes() <= n_bytes_max);
            prop_assert!(run.kv.free_bytes() <= n_bytes_max);
            run.ids.iter().for_each(|&id| check(&run.kv, id));
        }
        // Nothing is lost: without sequences all of it may be taken.
        run.ids.iter().for_each(|&id| run.kv.release(id));
        prop_assert_eq!(run.kv.free_bytes(), n_bytes_max);
        let id = run.kv.admit();
        let n_positions = n_blocks * KEY_BLOCK;
        prop_assert_eq!(run.kv.reserve(id, n_positions), Ok(()));
        prop_assert_eq!(run.kv.used_bytes(), n_bytes_max);
        let full = CacheFull { n_free: n_positions, n_wanted: n_positions + 1 };
        prop_assert_eq!(run.kv.reserve(id, n_positions + 1), Err(full));
    }
}

/// Blocks waste under 4%: at most one that is partly filled, whatever the length.
#[test]
fn only_the_last_block_is_partly_filled() {
    let mut kv = KvCache::new(shape(), usize::MAX);
    let id = kv.admit();
    feed(&mut kv, id, &text(3, 2000)).expect("room");
    let n_full = KvShape { layers: shape().layers[..1].to_vec(), ..shape() }.bytes(2000, 0);
    let n_used =
        2000 * KvShape { layers: shape().layers[..1].to_vec(), ..shape() }.position_bytes();
    assert!((n_full - n_used) as f64 <= 0.04 * n_full as f64);
    assert!(kv.used_bytes() <= kv.shape().bytes(2000, 2000));
}

#[test]
fn windowed_layers_keep_only_their_window() {
    let mut kv = KvCache::new(shape(), usize::MAX);
    let id = kv.admit();
    text(5, 5000).chunks(50).for_each(|chunk| feed(&mut kv, id, chunk).expect("room"));
    check(&kv, id);
    assert!(kv.used_bytes() <= kv.shape().bytes(5000, 50));
    let layer_bytes = shape().position_bytes() / 2;
    assert!(kv.used_bytes() < layer_bytes * (5000 + 600));
}

/// A fork takes over what both policies agree on, and all where they are one.
#[test]
fn a_fork_takes_over_what_policies_share() {
    let mut kv = KvCache::new(shape(), usize::MAX);
    let id = kv.admit();
    feed(&mut kv, id, &text(6, 100)).expect("room");
    let few = KvPolicy::TopBlocks { n_blocks: 1, from: 80 };
    for (policy, n_keys, expected) in [(few, 100, 80), (few, 60, 60), (KvPolicy::KeepAll, 100, 100)]
    {
        let fork = kv.fork_under(id, n_keys, policy);
        assert_eq!(kv.n_keys(fork), expected);
        kv.release(fork);
    }
    let branch = kv.fork_under(id, 80, few);
    feed(&mut kv, branch, &text(8, 30)).expect("room");
    let again = kv.fork(branch, 110);
    assert_eq!(kv.n_keys(again), 110);
}

/// The answer to a first question, then a second one: not a token of the document again.
#[test]
fn a_second_question_computes_only_itself() {
    let mut kv = KvCache::new(shape(), usize::MAX);
    let document = text(7, 4096);
    let first = [&document[..], &text(11, 30)].concat();
    let (id, reuse) = kv.admit_text(&first, KvPolicy::KeepAll);
    assert_eq!(reuse, Reuse { n_reused: 0, n_matched: 0, miss: Miss::Unknown });
    first.chunks(256).for_each(|chunk| feed(&mut kv, id, chunk).expect("room"));
    kv.remember(id);
    text(13, 300).chunks(1).for_each(|token| feed(&mut kv, id, token).expect("room"));
    kv.remember(id);
    kv.release(id);
    let second = [&document[..], &[96], &text(12, 40)].concat();
    let (id, reuse) = kv.admit_text(&second, KvPolicy::KeepAll);
    check(&kv, id);
    assert_eq!((reuse.n_reused, reuse.miss), (4096, Miss::Differs));
}

/// A prompt that is answered at length, and then again: the first answer's window has left its end.
#[test]
fn a_prompt_is_answered_again_after_a_long_answer() {
    let mut kv = KvCache::new(shape(), usize::MAX);
    let (prompt, answer) = (text(7, 1024 + 30), text(13, 600));
    let (id, _) = kv.admit_text(&prompt, KvPolicy::KeepAll);
    prompt.chunks(256).for_each(|chunk| feed(&mut kv, id, chunk).expect("room"));
    kv.remember(id);
    answer.chunks(1).for_each(|token| feed(&mut kv, id, token).expect("room"));
    kv.remember(id);
    kv.release(id);
    for n_answered in [0, 10, 20, 0] {
        let again = [&prompt[..], &answer[..n_answered]].concat();
        let (id, reuse) = kv.admit_text(&again, KvPolicy::KeepAll);
        check(&kv, id);
        assert!(reuse.n_reused >= 1024, "{n_answered}: {reuse:?}");
        feed(&mut kv, id, &again[reuse.n_reused..]).expect("room");
        check(&kv, id);
        kv.remember(id);
        kv.release(id);
    }
}

const MODEL: [u8; 32] = [7; 32];

/// A cache with a text in it that is remembered.
fn filled(shape: KvShape, tokens: &[u32]) -> KvCache {
    let mut kv = KvCache::new(shape, usize::MAX);
    let id = kv.admit();
    tokens.chunks(64).for_each(|chunk| feed(&mut kv, id, chunk).expect("room"));
    kv.remember(id);
    kv.release(id);
    kv
}

/// Law 11: what was saved is read as if it had been computed here.
#[test]
fn a_saved_text_is_loaded_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("text.kv");
    for kind in KvType::ALL {
        let layers = shape().layers.into_iter();
        let layers = layers.map(|layer| LayerShape { k_type: kind, v_type: kind, ..layer });
        let shape = KvShape { layers: layers.collect(), ..shape() };
        let tokens = text(7, 333);
        let mut kv = filled(shape.clone(), &tokens);
        assert_eq!(kv.save(&tokens, &MODEL, &path).expect("saved"), 333);
        let mut loaded = KvCache::new(shape, usize::MAX);
        assert_eq!(loaded.load(&MODEL, &path).expect("loaded"), tokens);
        assert_eq!(loaded.used_bytes(), kv.used_bytes());
        let longer = [&tokens[..], &[1, 2]].concat();
        let [a, b] = [&mut kv, &mut loaded].map(|kv| {
            let (id, reuse) = kv.admit_text(&longer, KvPolicy::KeepAll);
            assert_eq!(reuse.n_reused, 333);
            let mut bytes = Vec::new();
            for layer_idx in 0..2 {
                let view = kv.view(layer_idx, id);
                for &block in view.blocks.iter().flatten() {
                    bytes.extend(view.keys.blocks.get(block).bytes().concat());
                    bytes.extend(view.values.blocks.get(block).bytes().concat());
                }
            }
            bytes
        });
        assert!(!a.is_empty() && a == b, "{kind:?}");
    }
}

#[test]
fn what_is_not_a_saved_text_of_this_model_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("text.kv");
    let tokens = text(7, 200);
    let mut kv = filled(shape(), &tokens);
    kv.save(&tokens, &MODEL, &path).expect("saved");
    let whole = std::fs::read(&path).expect("a file");
    let n_bytes = kv.used_bytes();
    let mut refuse = |bytes: &[u8], expected: &str| {
        std::fs::write(&path, bytes).expect("written");
        let error = kv.load(&MODEL, &path).expect_err("refused").to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(kv.used_bytes(), n_bytes);
        let (id, reuse) = kv.admit_text(&tokens, KvPolicy::KeepAll);
        assert_eq!(reuse.n_reused, 199);
        check(&kv, id);
        kv.release(id);
    };
    refuse(b"", "not a saved cache");
    refuse(b"GGUF and something else", "not a saved cache");
    for n in (12..whole.len()).step_by(97) {
        refuse(&whole[..n], "damaged");
        let mut flipped = whole.clone();
        flipped[n] ^= 0x10;
        std::fs::write(&path, &flipped).expect("written");
        let error = kv_error(&path);
        assert!(!error.is_empty());
    }
    let mut version = whole.clone();
    version[12] = 9;
    refuse(&version, "version 9");
    refuse(&[&whole[..], b"more"].concat(), "damaged");
    std::fs::write(&path, &whole).expect("written");
    let other = kv.load(&[8; 32], &path).expect_err("refused").to_string();
    assert!(other.contains("another model"), "{other}");
    let mut small = KvCache::new(shape(), 1000);
    let full = small.load(&MODEL, &path).expect_err("refused").to_string();
    assert!(full.contains("1000 are free"), "{full}");
    let missing = kv.load(&MODEL, &folder.path().join("absent")).expect_err("refused");
    assert!(missing.to_string().contains("absent"));
    assert!(matches!(kv.save(&[96], &MODEL, &path), Err(KvFileError::NotCached)));
    assert_eq!(std::fs::read(&path).expect("a file"), whole, "what was there stays");
}

/// What a fresh cache says of a file.
fn kv_error(path: &std::path::Path) -> String {
    let mut kv = KvCache::new(shape(), usize::MAX);
    let error = kv.load(&MODEL, path).expect_err("refused");
    assert_eq!(kv.used_bytes(), 0);
    error.to_string()
}
