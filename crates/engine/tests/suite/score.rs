//! Scoring a text and writing it are two ways to the same probabilities.

use std::ops::ControlFlow;

use engine::{Error, Runner, Score, score};
use model::kv::KvPolicy;
use scripted_runner::{Limits, ScriptedRunner, Vocabulary};

use crate::outcome::run;
use crate::tiny::{SIZE, Size, engine, models, request, runner};

fn score_all(runner: &mut dyn Runner, ids: &[u32]) -> Result<Score, Error> {
    score(runner, ids, KvPolicy::KeepAll, &mut |_| ControlFlow::Continue(()))
}

#[test]
fn scores_are_the_probabilities_that_tokens_were_drawn_with() {
    for loaded in models() {
        let request = request(1, 40, 50);
        let answer = run(&mut engine(&loaded, SIZE), &request).answer;
        assert!(answer.ids.len() > 10);
        let text = [&request.prompt[..], &answer.ids].concat();
        for n_tokens_max in [1, 7, 256] {
            let mut runner = runner(&loaded, Size { n_tokens_max, ..SIZE });
            let score = score_all(&mut runner, &text).expect("a score");
            assert_eq!(score.logprobs.len(), text.len());
            assert_eq!(score.logprobs[0], None);
            let scored: Vec<_> = score.logprobs[40..].iter().flatten().copied().collect();
            assert_eq!(scored, answer.logprobs);
            assert_eq!(runner.kv().used_bytes(), 0);
        }
    }
}

/// Logits of the third token are not numbers.
fn scripted() -> ScriptedRunner {
    let n_vocab = Vocabulary::new(&[]).n_vocab();
    let limits = Limits { n_vocab, n_ctx: 8, n_positions_max: 64, n_tokens_max: 2 };
    ScriptedRunner::new(limits, move |tokens| {
        vec![if tokens.len() == 3 { f32::NAN } else { 0.0 }; n_vocab]
    })
}

#[test]
fn scores_that_cannot_be_leave_the_cache_empty() {
    let check = |ids: &[u32], expected: Error| {
        let mut runner = scripted();
        assert_eq!(score_all(&mut runner, ids).err(), Some(expected));
        assert_eq!(runner.kv().used_bytes(), 0);
    };
    let n_vocab = scripted().n_vocab();
    check(&[], Error::EmptyPrompt);
    check(&[1; 9], Error::PromptTooLong { n_prompt: 9, n_ctx: 8 });
    check(&[1, 9999], Error::UnknownToken { token_idx: 1, id: 9999, n_vocab });
    check(&[1; 3], Error::NanLogits { tensor: Some("script".into()) });
    assert_eq!(score_all(&mut scripted(), &[1]).expect("a score").mean_nll(), None);
    let uniform = score_all(&mut scripted(), &[1, 2]).expect("a score").mean_nll();
    assert!((uniform.expect("two tokens") - (n_vocab as f64).ln()).abs() < 1e-6);
}

#[test]
fn scoring_stops_when_told() {
    let mut runner = scripted();
    let mut seen = Vec::new();
    let result = score(&mut runner, &[1; 8], KvPolicy::KeepAll, &mut |n_done| {
        seen.push(n_done);
        ControlFlow::Break(())
    });
    assert_eq!((result.err(), seen), (Some(Error::Stopped), vec![2]));
    assert_eq!(runner.kv().used_bytes(), 0);
}
