//! Which token is taken, with logits that a model would never show on demand.

use engine::{Engine, Error, FinishReason, Request, SamplingParams};
use model::kv::KvPolicy;
use scripted_runner::{Limits, ScriptedRunner, Vocabulary};

use crate::outcome::{greedy, run, run_all};

/// In the prompt of a request whose logits are numbers; others follow [`script`].
const GOOD: u32 = 10;
const NAN: u32 = 11;
const EXCLUDED: u32 = 12;
const PADDING: u32 = 13;

fn vocabulary() -> Vocabulary {
    Vocabulary::new(&["x", "y"])
}

/// Two equal likeliest words; the third token's logits are what the prompt's first token says.
fn script(tokens: &[u32]) -> Vec<f32> {
    let n_vocab = vocabulary().n_vocab();
    let mut logits = vec![f32::NEG_INFINITY; n_vocab];
    let [x, y] = [vocabulary().word("x"), vocabulary().word("y")].map(|id| id as usize);
    (logits[x], logits[y]) = (1.0, 1.0);
    match tokens[0] {
        NAN if tokens.len() == 4 => logits[y] = f32::NAN,
        EXCLUDED if tokens.len() == 4 => logits.fill(f32::NEG_INFINITY),
        PADDING => {
            logits[n_vocab - 1] = f32::INFINITY;
            logits[n_vocab - 2] = f32::MAX;
            logits[n_vocab - Vocabulary::N_PADDING] = 2.0;
        }
        _ => (),
    }
    logits
}

fn engine() -> Engine {
    let n_vocab = vocabulary().n_vocab();
    let limits = Limits { n_vocab, n_ctx: 32, n_positions_max: 256, n_tokens_max: 16 };
    Engine::new(Box::new(ScriptedRunner::new(limits, script)), vocabulary().tokenizer())
}

fn request(kind: u32, sampling: SamplingParams) -> Request {
    Request { sampling, n_tokens_max: Some(20), ..greedy(&[kind, 1]) }
}

fn seeded(seed: u64) -> SamplingParams {
    SamplingParams { seed, ..SamplingParams::plain() }
}

#[test]
fn s01_greedy_takes_the_lowest_of_equal_logits() {
    let answer = run(&mut engine(), &request(GOOD, SamplingParams::greedy())).answer;
    assert_eq!(answer.ids, [vocabulary().word("x"); 20]);
    assert_eq!(answer.end, Some(Ok(FinishReason::Length)));
}

#[test]
fn s03_a_seed_chooses_the_draws_and_not_the_temperature() {
    let ids = |sampling| run(&mut engine(), &request(GOOD, sampling)).answer.ids;
    assert_eq!(ids(seeded(7)), ids(seeded(7)));
    assert_ne!(ids(seeded(7)), ids(seeded(8)));
    let greedy = |seed| SamplingParams { seed, ..SamplingParams::greedy() };
    assert_eq!(ids(greedy(7)), ids(greedy(8)));
    // Both words are drawn: the temperature did not become 0.
    let drawn = ids(seeded(7));
    assert!(drawn.contains(&vocabulary().word("x")) && drawn.contains(&vocabulary().word("y")));
}

#[test]
fn s17_rows_without_text_are_never_written() {
    let n_tokens = vocabulary().tokenizer().n_vocab();
    for sampling in [SamplingParams::greedy(), SamplingParams::default(), seeded(1)] {
        let answer = run(&mut engine(), &request(PADDING, sampling)).answer;
        assert_eq!(answer.ids.len(), 20);
        assert!(answer.ids.iter().all(|&id| (id as usize) < n_tokens), "{:?}", answer.ids);
    }
}

/// A request fails alone: `error`, after two tokens; those beside it get what they get alone.
fn check_failure(kind: u32, error: Error) {
    let requests = [GOOD, kind, GOOD].map(|kind| request(kind, seeded(3)));
    let mut engine = engine();
    let outcomes = run_all(&mut engine, &requests);
    let failed = &outcomes[1].answer;
    assert_eq!(failed.end, Some(Err(error)));
    assert_eq!(failed.ids.len(), 2);
    let alone = run(&mut self::engine(), &requests[0]);
    assert_eq!(outcomes[0].answer, alone.answer);
    assert_eq!(outcomes[2].answer, alone.answer);
    // What led to the failure does not stay cached, and the engine goes on.
    let kv = engine.runner_mut().kv_mut();
    let failed = [&requests[1].prompt[..], &outcomes[1].answer.ids].concat();
    let (slot, reuse) = kv.admit_text(&failed, KvPolicy::KeepAll);
    kv.release(slot);
    assert!(reuse.n_matched <= requests[1].prompt.len(), "{reuse:?}");
    assert_eq!(run(&mut engine, &requests[0]).answer, alone.answer);
}

#[test]
fn logits_that_are_not_numbers_fail_one_request() {
    check_failure(NAN, Error::NanLogits { tensor: Some("script".into()) });
}

#[test]
fn logits_that_leave_no_token_fail_one_request() {
    check_failure(EXCLUDED, Error::NoCandidates);
}

#[test]
fn requests_out_of_range_are_refused_and_leave_no_trace() {
    let mut engine = engine();
    let n_vocab = vocabulary().n_vocab();
    let good = request(GOOD, SamplingParams::greedy());
    let mut check = |change: fn(&mut Request), expected: Error| {
        let mut request = good.clone();
        change(&mut request);
        assert_eq!(engine.submit(request), Err(expected));
        assert!(engine.is_idle());
    };
    check(|request| request.prompt.clear(), Error::EmptyPrompt);
    check(|request| request.prompt = vec![1; 33], Error::PromptTooLong { n_prompt: 33, n_ctx: 32 });
    check(
        |request| request.prompt[1] = u32::MAX,
        Error::UnknownToken { token_idx: 1, id: u32::MAX, n_vocab },
    );
    check(|request| request.stop = vec![String::new()], Error::EmptyStop { stop_idx: 0 });
    let bias = |request: &mut Request| request.sampling.logit_bias = vec![(191_222, -100.0)];
    check(bias, Error::BiasToken { id: 191_222, n_vocab });
    assert_eq!(engine.runner().kv().used_bytes(), 0);
}
