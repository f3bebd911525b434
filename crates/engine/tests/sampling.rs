//! The sampler as its callers see it: known cases by number, distributions, laws.

use engine::{Error, History, Sampled, Sampler, SamplingParams, top_logprobs};

const NO_HISTORY: History<'_> = History { tokens: &[], n_prompt: 0 };
const LOGITS: [f32; 8] = [1.0, 2.5, -1.0, 2.0, 0.0, 2.5, -3.0, 1.5];

fn params(change: impl FnOnce(&mut SamplingParams)) -> SamplingParams {
    let mut params = SamplingParams::default();
    change(&mut params);
    params
}

fn sample(params: &SamplingParams, logits: &[f32], history: History<'_>) -> Result<Sampled, Error> {
    Sampler::new(params.clone(), logits.len(), [])?.sample(logits, history)
}

/// One answer: each token's logits depend on the token before.
fn answer(params: &SamplingParams, n: usize) -> Vec<u32> {
    let mut sampler = Sampler::new(params.clone(), LOGITS.len(), []).unwrap();
    let mut tokens = vec![0];
    for _ in 0..n {
        let mut logits = LOGITS;
        logits.rotate_right(*tokens.last().unwrap() as usize);
        let history = History { tokens: &tokens, n_prompt: 1 };
        tokens.push(sampler.sample(&logits, history).unwrap().id);
    }
    tokens.split_off(1)
}

/// Draws 10000 tokens in two ways, one stream's numbers and many streams' first numbers, and
/// compares each with `expected` probabilities.
fn check_distribution(params: &SamplingParams, logits: &[f32], expected: &[f64]) {
    const N: usize = 10_000;
    /// A right sampler exceeds it once in a million runs at up to 7 degrees of freedom.
    const CHI_SQUARE_MAX: f64 = 41.0;
    let tokens = vec![0; N];
    let mut sampler = Sampler::new(params.clone(), logits.len(), []).unwrap();
    let by_position = |i: usize| {
        let history = History { tokens: &tokens[..i], n_prompt: i };
        sampler.sample(logits, history).unwrap().id
    };
    let by_seed = |seed: usize| {
        let params = SamplingParams { seed: seed as u64, ..params.clone() };
        sample(&params, logits, NO_HISTORY).unwrap().id
    };
    let draws: [Vec<u32>; 2] = [(0..N).map(by_position).collect(), (0..N).map(by_seed).collect()];
    for draws in draws {
        let mut chi_square = 0.0;
        for (id, p) in expected.iter().enumerate() {
            let n = draws.iter().filter(|&&drawn| drawn as usize == id).count() as f64;
            if *p == 0.0 {
                assert_eq!(n, 0.0, "token {id} should be excluded");
            } else {
                chi_square += (n - p * N as f64).powi(2) / (p * N as f64);
            }
        }
        assert!(chi_square < CHI_SQUARE_MAX, "{chi_square}");
    }
}

fn softmax(logits: &[f32], temperature: f64) -> Vec<f64> {
    normalized(logits.iter().map(|&x| (f64::from(x) / temperature).exp()).collect())
}

fn normalized(weights: Vec<f64>) -> Vec<f64> {
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

/// The softmax of those tokens alone.
fn softmax_of(ids: &[usize], temperature: f64) -> Vec<f64> {
    let mut weights = softmax(&LOGITS, temperature);
    for (id, weight) in weights.iter_mut().enumerate() {
        if !ids.contains(&id) {
            *weight = 0.0;
        }
    }
    normalized(weights)
}

#[test]
fn s01_temperature_0_is_argmax_and_ties_go_to_the_lowest_id() {
    for seed in [0, 1, 99] {
        let params = params(|p| (p.temperature, p.seed) = (0.0, seed));
        assert_eq!(sample(&params, &LOGITS, NO_HISTORY).unwrap().id, 1);
    }
    let greedy = SamplingParams::greedy();
    assert_eq!(answer(&greedy, 20), answer(&greedy, 20));
}

#[test]
fn s01_penalties_and_bias_count_at_temperature_0() {
    let history = History { tokens: &[5, 1], n_prompt: 1 };
    let check = |change: fn(&mut SamplingParams), expected| {
        let mut params = SamplingParams::greedy();
        change(&mut params);
        assert_eq!(sample(&params, &LOGITS, history).unwrap().id, expected);
    };
    check(|_| (), 1);
    check(|p| p.repeat_penalty = 1.1, 1);
    check(|p| p.repeat_penalty = 2.0, 3);
    check(|p| (p.repeat_penalty, p.repeat_last_n) = (2.0, 1), 5);
    check(|p| p.presence_penalty = 0.1, 5);
    check(|p| p.frequency_penalty = 0.1, 5);
    check(|p| p.logit_bias = vec![(6, 6.0)], 6);
}

#[test]
fn s03_a_seed_changes_the_draws_and_not_the_temperature() {
    check_distribution(&SamplingParams::plain(), &LOGITS, &softmax(&LOGITS, 1.0));
    let seeded = |seed| SamplingParams { seed, ..SamplingParams::plain() };
    check_distribution(&seeded(7), &LOGITS, &softmax(&LOGITS, 1.0));
    assert_ne!(answer(&seeded(1), 40), answer(&seeded(2), 40));
    assert_eq!(answer(&seeded(1), 40), answer(&seeded(1), 40));
}

#[test]
fn s05_filters_see_the_tempered_distribution() {
    let hot = params(|p| (p.temperature, p.top_k, p.top_p, p.min_p) = (1e6, 0, 1.0, 0.9));
    check_distribution(&hot, &LOGITS, &[0.125; 8]);
    // At temperature 1 the same min-p leaves the two likeliest.
    let warm = SamplingParams { temperature: 1.0, ..hot };
    check_distribution(&warm, &LOGITS, &softmax_of(&[1, 5], 1.0));
}

#[test]
fn s05_extreme_values_stay_well_defined() {
    let logits = [f32::MIN, f32::MAX, f32::NEG_INFINITY, 0.0];
    for temperature in [1e-45, 1e-6, 1e6, f32::MAX] {
        for (top_k, top_p, min_p) in [(0, 1.0, 0.0), (2, 0.5, 0.5), (usize::MAX, 0.0, 1.0)] {
            let params = SamplingParams { temperature, top_k, top_p, min_p, ..params(|_| ()) };
            for logits in [logits, [f32::INFINITY, 1.0, 1.0, 1.0], [-1e30; 4], [0.0; 4]] {
                let sampled = sample(&params, &logits, NO_HISTORY).unwrap();
                assert!(sampled.logprob.is_finite());
                assert!(logits[sampled.id as usize] > f32::NEG_INFINITY);
            }
        }
    }
}

#[test]
fn s13_a_sequence_is_sampled_alone_whatever_runs_beside_it() {
    let a = params(|p| (p.temperature, p.repeat_penalty) = (0.0, 2.0));
    let b = params(|p| (p.seed, p.top_k) = (99, 1));
    let c = params(|p| (p.seed, p.temperature) = (99, 1.0));
    let alone = [answer(&a, 5), answer(&b, 5), answer(&c, 5)];
    let mut samplers = [&a, &b, &c].map(|p| Sampler::new(p.clone(), LOGITS.len(), []).unwrap());
    let mut tokens = [vec![0], vec![0], vec![0]];
    for step in 0..5 {
        for order in 0..3 {
            let i = (order * 2 + step) % 3;
            let mut logits = LOGITS;
            logits.rotate_right(*tokens[i].last().unwrap() as usize);
            let history = History { tokens: &tokens[i], n_prompt: 1 };
            let sampled = samplers[i].sample(&logits, history).unwrap();
            tokens[i].push(sampled.id);
        }
    }
    assert_eq!(tokens.map(|tokens| tokens[1..].to_vec()), alone);
}

#[test]
fn s17_banned_rows_are_never_sampled() {
    let padded = [1.0, 0.0, 0.5, 100.0, f32::INFINITY];
    let bias = vec![(3, 100.0)];
    for temperature in [0.0, 0.7, 1e6] {
        for seed in 0..50 {
            let params = params(|p| (p.temperature, p.seed) = (temperature, seed));
            let params = SamplingParams { logit_bias: bias.clone(), ..params };
            let mut sampler = Sampler::new(params, padded.len(), 3..5).unwrap();
            assert!(sampler.sample(&padded, NO_HISTORY).unwrap().id < 3);
        }
    }
    let error = Sampler::new(SamplingParams::default(), 4, 3..5).err();
    assert_eq!(error, Some(Error::UnknownToken { token_idx: 1, id: 4, n_vocab: 4 }));
}

#[test]
fn logits_that_leave_no_choice_are_errors() {
    for params in [SamplingParams::default(), SamplingParams::greedy()] {
        let check = |logits: &[f32], expected| {
            assert_eq!(sample(&params, logits, NO_HISTORY), Err(expected));
        };
        check(&[0.0, 1.0, f32::NAN], Error::NanLogits { tensor: None });
        check(&[f32::NAN; 3], Error::NanLogits { tensor: None });
        check(&[f32::NEG_INFINITY; 3], Error::NoCandidates);
        let mut sampler = Sampler::new(params, 2, [0, 1]).unwrap();
        assert_eq!(sampler.sample(&[0.0, 0.0], NO_HISTORY), Err(Error::NoCandidates));
    }
}

#[test]
fn draws_follow_the_distribution_that_each_filter_leaves() {
    let plain = SamplingParams::plain;
    let cold = SamplingParams { temperature: 0.5, ..plain() };
    check_distribution(&cold, &LOGITS, &softmax(&LOGITS, 0.5));
    let top_k = SamplingParams { top_k: 3, ..plain() };
    check_distribution(&top_k, &LOGITS, &softmax_of(&[1, 3, 5], 1.0));
    // Softmax at 1: .28 .28 .17 .10 .. for ids 1, 5, 3, 7; three reach 0.7, two do not.
    let top_p = SamplingParams { top_p: 0.7, ..plain() };
    check_distribution(&top_p, &LOGITS, &softmax_of(&[1, 3, 5], 1.0));
    let min_p = SamplingParams { min_p: 0.3, ..plain() };
    check_distribution(&min_p, &LOGITS, &softmax_of(&[1, 3, 5, 7], 1.0));
    // Top-p counts in what top-k left: of ids 1, 5, 3 the first two hold 0.77.
    let both = SamplingParams { top_k: 3, top_p: 0.7, ..plain() };
    check_distribution(&both, &LOGITS, &softmax_of(&[1, 5], 1.0));
    let biased = SamplingParams { logit_bias: vec![(1, -2.5), (5, -2.5)], ..plain() };
    let logits = [1.0, 0.0, -1.0, 2.0, 0.0, 0.0, -3.0, 1.5];
    check_distribution(&biased, &LOGITS, &softmax(&logits, 1.0));
}

#[test]
fn filters_that_keep_all_are_no_filters() {
    let plain = SamplingParams { seed: 5, ..SamplingParams::plain() };
    for top_k in [LOGITS.len(), usize::MAX] {
        let params = SamplingParams { top_k, ..plain.clone() };
        assert_eq!(answer(&params, 50), answer(&plain, 50));
    }
    let penalised = SamplingParams { repeat_penalty: 1.5, repeat_last_n: 0, ..plain.clone() };
    assert_eq!(answer(&penalised, 50), answer(&plain, 50));
}

#[test]
fn filters_that_keep_one_are_argmax() {
    let greedy = answer(&SamplingParams::greedy(), 20);
    assert_eq!(answer(&params(|p| (p.top_k, p.temperature) = (1, 2.0)), 20), greedy);
    assert_eq!(answer(&params(|p| (p.top_p, p.temperature) = (0.0, 2.0)), 20), greedy);
    let logits = [0.0, 1.0, 1.0 + f32::EPSILON, 0.5];
    let cold = params(|p| p.temperature = 1e-45);
    assert_eq!(sample(&cold, &logits, NO_HISTORY).unwrap().id, 2);
}

#[test]
fn logprobs_are_those_of_the_model_whatever_the_parameters() {
    /// Logits and sums in f32.
    const TOLERANCE: f64 = 1e-5;
    let expected = softmax(&LOGITS, 1.0);
    let history = History { tokens: &[1, 1, 5], n_prompt: 1 };
    let bent = params(|p| (p.repeat_penalty, p.presence_penalty, p.top_k) = (1.5, 1.0, 2));
    for params in [SamplingParams::plain(), SamplingParams::greedy(), bent] {
        for seed in 0..20 {
            let params = SamplingParams { seed, logit_bias: vec![(2, 3.0)], ..params.clone() };
            let Sampled { id, logprob } = sample(&params, &LOGITS, history).unwrap();
            assert!((f64::from(logprob) - expected[id as usize].ln()).abs() < TOLERANCE);
            let top = top_logprobs(&LOGITS, LOGITS.len());
            assert!(top.contains(&(id, logprob)));
        }
    }
}
