//! Prompts that an encoder reads: the answers of transformers, and of nobody else's prompt.

use std::path::Path;

use engine::{Error, LoadSettings, Loaded, Request, SpecialText, Speculation, load_model};
use model::kv::KvPolicy;
use serde_json::Value as Json;

use crate::outcome::{greedy, run, run_at};
use crate::tiny::{SIZE, Size, engine, engine_of_floats, golden_folder, request};

fn load(path: &Path) -> Loaded {
    load_model(path, LoadSettings::default(), &mut |_, _| ()).expect("a model that loads")
}

fn loaded() -> Loaded {
    load(&golden_folder().join("t5/model.gguf"))
}

/// Where nothing is rounded.
#[test]
fn answers_are_those_of_transformers() {
    let mut n_cases = 0;
    for (folder, files) in [("t5", 2), ("t5-relu", 2), ("t5-near", 1)] {
        let folder = golden_folder().join(folder);
        let json = std::fs::read(folder.join("expected.json")).expect("expected.json");
        let json: Json = serde_json::from_slice(&json).expect("JSON");
        let ids = |name: &str| -> Vec<u32> {
            serde_json::from_value(json[name].clone()).expect("a list of ids")
        };
        for path in [folder.join("hf"), folder.join("model.gguf")].iter().take(files) {
            let loaded = load(path);
            let text = json["text"].as_str().expect("a text");
            let prompt = loaded.tokenizer.encode_whole(text, SpecialText::AsText);
            assert_eq!(prompt, ids("token_ids"));
            let expected = ids("greedy_ids");
            let request = Request { n_tokens_max: Some(expected.len()), ..greedy(&prompt) };
            let outcome = run(&mut engine_of_floats(&loaded, SIZE), &request);
            assert_eq!(outcome.answer.ids, expected, "{}", path.display());
            n_cases += 1;
        }
    }
    assert_eq!(n_cases, 5);
}

/// Of two blocks and less; their answers all begin alike.
fn requests(loaded: &Loaded) -> Vec<Request> {
    let n_vocab = loaded.model.config.n_vocab as u32;
    let prompt = |n: u32| (0..n).map(|i| (3 + i * i * n) % n_vocab).collect::<Vec<_>>();
    [100, 30, 70, 64].map(|n| Request { prompt: prompt(n), ..request(n.into(), 1, 25) }).into()
}

#[test]
fn prompts_do_not_mix_and_are_read_again_where_room_was_short() {
    let loaded = loaded();
    let requests = requests(&loaded);
    let alone = |request| run(&mut engine(&loaded, SIZE), request);
    let expected: Vec<_> = requests.iter().map(alone).collect();
    for (n_positions_max, stride) in [(8 * 256, 0), (8 * 256, 3), (5 * 64, 0)] {
        let size = Size { n_positions_max, ..SIZE };
        let at: Vec<_> =
            requests.iter().cloned().enumerate().map(|(i, r)| (i * stride, r)).collect();
        // Twice: what is left of the first answers is of no use to the second.
        let mut engine = engine(&loaded, size);
        for _ in 0..2 {
            for (found, expected) in run_at(&mut engine, &at).iter().zip(&expected) {
                assert_eq!(found.answer, expected.answer, "{size:?}");
                assert_eq!(found.usage.n_prompt, expected.usage.n_prompt);
                assert_eq!(found.usage.reuse.n_reused, 0);
                assert_eq!(found.usage.context().dropped, 0);
            }
        }
        assert!(engine.is_idle());
    }
}

#[test]
fn drafts_change_nothing() {
    let loaded = loaded();
    for request in requests(&loaded) {
        let plain = Request { speculation: Speculation::Off, ..request.clone() };
        let expected = run(&mut engine(&loaded, SIZE), &plain).answer;
        assert_eq!(run(&mut engine(&loaded, SIZE), &request).answer, expected);
    }
}

#[test]
fn what_an_encoder_does_not_read_is_refused() {
    let loaded = loaded();
    let check = |request: Request, expected: Error| {
        assert_eq!(engine(&loaded, SIZE).submit(request).err(), Some(expected));
    };
    check(greedy(&[]), Error::EmptyPrompt);
    let (n_prompt, n_ctx) = (SIZE.n_ctx + 1, SIZE.n_ctx);
    check(greedy(&vec![5; n_prompt]), Error::PromptTooLong { n_prompt, n_ctx });
    let n_vocab = loaded.model.config.n_vocab;
    let id = n_vocab as u32;
    check(greedy(&[3, id]), Error::UnknownToken { token_idx: 1, id, n_vocab });
    let policy = KvPolicy::SinksAndWindow { n_sinks: 4, window: 30 };
    let refused = Error::PolicyOfEncoder { policy };
    check(Request { kv_policy: policy, ..greedy(&[3]) }, refused);
}
