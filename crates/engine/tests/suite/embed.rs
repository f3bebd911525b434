//! Vectors of texts: each is that of its own text, whatever is computed beside it.

use std::ops::ControlFlow;
use std::sync::Arc;

use engine::{Embedder, Error, LoadSettings, Loaded, Pooling, load_model};
use model::{Arithmetic, Model};

use crate::tiny::golden_folder;

fn load(case: &str, arithmetic: Arithmetic) -> Loaded {
    let settings = LoadSettings { arithmetic, ..LoadSettings::default() };
    load_model(&golden_folder().join(case).join("hf"), settings, &mut |_, _| ()).expect("a model")
}

fn embed(
    model: &Arc<Model>,
    texts: &[Vec<u32>],
    pooling: Pooling,
    (n_tokens_max, n_threads): (usize, usize),
) -> Result<Vec<Vec<f32>>, Error> {
    let n_longest = texts.iter().map(Vec::len).max().unwrap_or(1);
    let sizes = (n_longest, n_tokens_max);
    let mut embedder = Embedder::new(Arc::clone(model), sizes, n_threads, kernels::detect());
    let mut vectors = Vec::new();
    embedder.embed(texts, pooling, &mut |vector| {
        vectors.push(vector);
        ControlFlow::Continue(())
    })?;
    Ok(vectors)
}

/// More of them than fit into one pass, longer and shorter ones in turn.
fn texts(n_vocab: usize) -> Vec<Vec<u32>> {
    let text = |n: usize| (0..n).map(|i| ((5 + i * i * 7 + n) % n_vocab) as u32).collect();
    (0..20).map(|i| text(1 + (i * 37) % 60)).collect()
}

#[test]
fn a_vector_does_not_depend_on_the_texts_beside_it() {
    for case in ["bert", "jina-bert-v2", "nomic-bert", "modern-bert", "gemma-embedding", "qwen3"] {
        for arithmetic in [Arithmetic::Exact, Arithmetic::Int8] {
            let model = load(case, arithmetic).model;
            let texts = texts(model.config.n_vocab);
            for pooling in Pooling::ALL {
                let alone = |text: &Vec<u32>| {
                    let one = std::slice::from_ref(text);
                    let mut vectors = embed(&model, one, pooling, (256, 1)).expect("a vector");
                    vectors.remove(0)
                };
                let expected: Vec<Vec<f32>> = texts.iter().map(alone).collect();
                for sizes in [(64, 1), (256, 3)] {
                    let found = embed(&model, &texts, pooling, sizes).expect("vectors");
                    assert!(found == expected, "{case}, {arithmetic:?}, {pooling:?}, {sizes:?}");
                }
            }
        }
    }
}

#[test]
fn texts_that_cannot_be_read_are_refused() {
    let model = load("bert", Arithmetic::Int8).model;
    let n_ctx = model.config.n_ctx;
    let check = |text: Vec<u32>, expected: Error| {
        let found = embed(&model, &[vec![1, 2], text], Pooling::Mean, (64, 1));
        assert_eq!(found, Err(expected));
    };
    check(Vec::new(), Error::EmptyPrompt);
    check(vec![1; n_ctx + 1], Error::PromptTooLong { n_prompt: n_ctx + 1, n_ctx });
    let n_vocab = model.config.n_vocab;
    check(vec![n_vocab as u32], Error::UnknownToken { token_idx: 0, id: n_vocab as u32, n_vocab });
    assert_eq!(embed(&model, &[], Pooling::Mean, (64, 1)), Ok(Vec::new()));
}

#[test]
fn work_can_be_stopped() {
    let model = load("bert", Arithmetic::Int8).model;
    let texts = texts(model.config.n_vocab);
    let mut embedder = Embedder::new(Arc::clone(&model), (60, 64), 1, kernels::detect());
    let mut n_shown = 0;
    let result = embedder.embed(&texts, Pooling::Mean, &mut |_| {
        n_shown += 1;
        if n_shown == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!((result, n_shown), (Err(Error::Stopped), 3));
}
