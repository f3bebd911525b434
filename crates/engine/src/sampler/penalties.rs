//! The first two steps: what was written before, and what the request wants more or less of.

use super::History;
use super::params::SamplingParams;

/// Makes tokens that occurred already less likely.
///
/// - Repeat (CTRL, Keskar et al. 2019, section 4.1): `x / r` for positive logits, `x * r` for the
///   others, over the last `repeat_last_n` tokens of prompt and answer. The paper divides all,
///   which rewards a token that has a negative logit.
/// - Presence and frequency (OpenAI): `x - presence - frequency * n` for a token that the answer,
///   prompt excluded, holds `n > 0` times.
///
/// # Shapes
/// - `logits`: `[n_vocab]`
/// - `counts`: `[n_vocab]`, all zero before and after
pub(super) fn penalize(
    logits: &mut [f32],
    history: History<'_>,
    params: &SamplingParams,
    counts: &mut [u32],
) {
    let History { tokens, n_prompt } = history;
    let repeat = params.repeat_penalty;
    if repeat != 1.0 {
        let window = &tokens[tokens.len().saturating_sub(params.repeat_last_n)..];
        for_each_distinct(window, counts, |id, _| {
            let logit = logits[id];
            logits[id] = if logit > 0.0 { logit / repeat } else { logit * repeat };
        });
    }
    let (presence, frequency) = (params.presence_penalty, params.frequency_penalty);
    if presence != 0.0 || frequency != 0.0 {
        for_each_distinct(&tokens[n_prompt..], counts, |id, n| {
            logits[id] -= presence + frequency * n as f32;
        });
    }
}

/// Adds each bias to its token's logit.
///
/// # Shapes
/// - `logits`: `[n_vocab]`
pub(super) fn add_bias(logits: &mut [f32], biases: &[(u32, f32)]) {
    for &(id, bias) in biases {
        logits[id as usize] += bias;
    }
}

/// Calls `apply(id, n)` once for every id, with how often it occurs in `tokens`.
fn for_each_distinct(tokens: &[u32], counts: &mut [u32], mut apply: impl FnMut(usize, u32)) {
    for &id in tokens {
        counts[id as usize] += 1;
    }
    for &id in tokens {
        let n = std::mem::take(&mut counts[id as usize]);
        if n > 0 {
            apply(id as usize, n);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 5] = [2.0, -2.0, 0.0, f32::NEG_INFINITY, 8.0];
    /// Prompt 4 0, answer 1 1 3.
    const HISTORY: History<'_> = History { tokens: &[4, 0, 1, 1, 3], n_prompt: 2 };

    fn check(change: impl FnOnce(&mut SamplingParams), expected: [f32; 5]) {
        let mut params = SamplingParams::default();
        change(&mut params);
        let (mut logits, mut counts) = (LOGITS, [0; 5]);
        penalize(&mut logits, HISTORY, &params, &mut counts);
        assert_eq!(logits, expected);
        assert_eq!(counts, [0; 5]);
    }

    #[test]
    fn repeat_divides_positive_and_multiplies_negative_logits_once() {
        check(|p| p.repeat_penalty = 2.0, [1.0, -4.0, 0.0, f32::NEG_INFINITY, 4.0]);
        check(|p| p.repeat_penalty = 0.5, [4.0, -1.0, 0.0, f32::NEG_INFINITY, 16.0]);
    }

    #[test]
    fn repeat_looks_at_the_last_tokens_only() {
        let last = |n| move |p: &mut SamplingParams| (p.repeat_penalty, p.repeat_last_n) = (2.0, n);
        check(last(0), LOGITS);
        check(last(3), [2.0, -4.0, 0.0, f32::NEG_INFINITY, 8.0]);
        check(last(4), [1.0, -4.0, 0.0, f32::NEG_INFINITY, 8.0]);
        check(last(usize::MAX), [1.0, -4.0, 0.0, f32::NEG_INFINITY, 4.0]);
    }

    #[test]
    fn presence_and_frequency_count_the_answer_only() {
        check(|p| p.presence_penalty = 0.5, [2.0, -2.5, 0.0, f32::NEG_INFINITY, 8.0]);
        check(|p| p.frequency_penalty = 0.5, [2.0, -3.0, 0.0, f32::NEG_INFINITY, 8.0]);
        let both = |p: &mut SamplingParams| {
            (p.presence_penalty, p.frequency_penalty) = (-1.0, 0.25);
        };
        check(both, [2.0, -1.5, 0.0, f32::NEG_INFINITY, 8.0]);
    }

    #[test]
    fn biases_of_one_token_add_up() {
        let mut logits = LOGITS;
        add_bias(&mut logits, &[(0, 1.5), (0, 1.0), (3, 100.0)]);
        assert_eq!(logits, [4.5, -2.0, 0.0, f32::NEG_INFINITY, 8.0]);
    }
}
