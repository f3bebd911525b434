//! Every architecture answers the same, whatever the steps, the threads and the cache.

use std::path::PathBuf;

use engine::{FinishReason, LoadSettings, Loaded, Request, load_model};
use model::kv::KvPolicy;

use crate::outcome::{greedy, run};
use crate::tiny::{SIZE, Size, engine, golden_folder};

/// The small random models of the goldens, and their names.
fn goldens() -> Vec<(String, Loaded)> {
    let entries = std::fs::read_dir(golden_folder()).expect("tests/goldens");
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    folders.sort();
    let hf = folders.iter().map(|folder| folder.join("hf")).filter(|path| path.is_dir());
    let load = |path: PathBuf| {
        let loaded = load_model(&path, LoadSettings::default(), &mut |_, _| ());
        (path.display().to_string(), loaded.expect("a model that loads"))
    };
    hf.map(load).filter(|(_, loaded)| loaded.model.continues_text()).collect()
}

/// Longer than a block and than every window.
fn request(loaded: &Loaded) -> Request {
    let n_vocab = loaded.model.config.n_vocab as u32;
    let prompt: Vec<u32> = (0..80).map(|i| 4 + i * i % (n_vocab - 6)).collect();
    Request { n_tokens_max: Some(20), ..greedy(&prompt) }
}

#[test]
fn steps_and_threads_change_no_answer() {
    for (name, loaded) in goldens() {
        let expected = run(&mut engine(&loaded, SIZE), &request(&loaded));
        assert!(matches!(expected.answer.end, Some(Ok(_))), "{name}: {:?}", expected.answer);
        for (n_tokens_max, n_threads) in [(7, 3), (100, 2)] {
            let size = Size { n_tokens_max, n_threads, ..SIZE };
            let found = run(&mut engine(&loaded, size), &request(&loaded));
            assert_eq!(found.answer, expected.answer, "{name}");
        }
    }
}

/// Positions that were never learned are not invented, even where old ones are forgotten.
#[test]
fn learned_positions_end_a_text() {
    let mut n_learned = 0;
    for (name, loaded) in goldens() {
        let Some(n_positions) = loaded.model.n_positions_max() else { continue };
        n_learned += 1;
        let ends = (0..loaded.model.config.n_vocab as u32)
            .filter(|&id| loaded.tokenizer.is_end_of_generation(id));
        let kv_policy = KvPolicy::SinksAndWindow { n_sinks: 4, window: 30 };
        let mut request = Request { kv_policy, n_tokens_max: None, ..request(&loaded) };
        request.sampling.logit_bias = ends.map(|id| (id, -1e9)).collect();
        let outcome = run(&mut engine(&loaded, SIZE), &request);
        assert_eq!(outcome.answer.end, Some(Ok(FinishReason::Length)), "{name}");
        assert_eq!(request.prompt.len() + outcome.answer.ids.len(), n_positions + 1, "{name}");
    }
    assert!(n_learned > 0);
}
