//! What a request may ask of the sampler.

use crate::error::Error;

/// How the next token is chosen. Every step has a value that turns it off, named at its field.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplingParams {
    /// Divides the logits; 0 always takes the likeliest token, 1 is the model's own distribution.
    pub temperature: f32,
    /// Keeps the `top_k` likeliest tokens; 0 keeps all.
    pub top_k: usize,
    /// Keeps the fewest likeliest tokens that together reach this probability; 1 keeps all.
    pub top_p: f32,
    /// Drops tokens less likely than `min_p` times the likeliest; 0 keeps all.
    pub min_p: f32,
    /// Above 1 makes tokens of the last [`repeat_last_n`](Self::repeat_last_n) less likely,
    /// below 1 more likely; 1 is off.
    pub repeat_penalty: f32,
    /// How many tokens back the repeat penalty looks, the prompt included.
    pub repeat_last_n: usize,
    /// Subtracted from the logits of tokens that the answer holds already; 0 is off.
    pub presence_penalty: f32,
    /// Subtracted once for every time that the answer holds the token; 0 is off.
    pub frequency_penalty: f32,
    /// Added to the logits of single tokens: `(id, bias)`.
    pub logit_bias: Vec<(u32, f32)>,
    /// The same seed gives the same answer; it changes nothing but the random numbers.
    pub seed: u64,
}

impl Default for SamplingParams {
    /// Temperature 0.7: makers of small models advise 0.2 to 1, and above 0.8 such models ramble.
    /// Top-k 40, top-p 0.95 and min-p 0.05 cut the tail, which is long in a small model, and are
    /// what users of other local engines have by default. No penalties: they harm code and lists.
    fn default() -> Self {
        Self {
            temperature: 0.7,
            top_k: 40,
            top_p: 0.95,
            min_p: 0.05,
            repeat_penalty: 1.0,
            repeat_last_n: 64,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            logit_bias: Vec::new(),
            seed: 0,
        }
    }
}

impl SamplingParams {
    /// Always the likeliest token: temperature 0.
    pub fn greedy() -> Self {
        Self { temperature: 0.0, ..Self::default() }
    }

    /// The model's own distribution: temperature 1 and every filter off.
    pub fn plain() -> Self {
        Self { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, ..Self::default() }
    }

    /// Checks every parameter against its range and the biased ids against the vocabulary.
    ///
    /// # Errors
    /// [`Error::Parameter`], [`Error::BiasToken`] or [`Error::BiasValue`] for the first that is
    /// out of range. NaN and infinities are always out of range.
    pub fn validate(&self, n_vocab: usize) -> Result<(), Error> {
        let number = |name, found: f32, expected, is_allowed: bool| {
            let is_valid = found.is_finite() && is_allowed;
            if is_valid { Ok(()) } else { Err(Error::Parameter { name, expected, found }) }
        };
        let probability = |name, found| {
            number(name, found, "a probability from 0 to 1", (0.0..=1.0).contains(&found))
        };
        let penalty = |name, found| {
            number(name, found, "a number from -2 to 2", (-2.0..=2.0).contains(&found))
        };
        number("temperature", self.temperature, "a number from 0 on", self.temperature >= 0.0)?;
        probability("top_p", self.top_p)?;
        probability("min_p", self.min_p)?;
        let repeat = self.repeat_penalty;
        number("repeat_penalty", repeat, "a number above 0", repeat > 0.0)?;
        penalty("presence_penalty", self.presence_penalty)?;
        penalty("frequency_penalty", self.frequency_penalty)?;
        for &(id, found) in &self.logit_bias {
            if id as usize >= n_vocab {
                return Err(Error::BiasToken { id, n_vocab });
            }
            if !found.is_finite() {
                return Err(Error::BiasValue { id, found });
            }
        }
        Ok(())
    }

    /// Whether any step needs to know how often a token occurred.
    pub(super) fn has_penalties(&self) -> bool {
        let Self { repeat_penalty, presence_penalty, frequency_penalty, .. } = *self;
        repeat_penalty != 1.0 || presence_penalty != 0.0 || frequency_penalty != 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const N_VOCAB: usize = 100;

    /// `expected`: how the message starts, or "" when the parameters are fine.
    fn check(change: impl FnOnce(&mut SamplingParams), expected: &str) {
        let mut params = SamplingParams::default();
        change(&mut params);
        let message = params.validate(N_VOCAB).err().map(|error| error.to_string());
        let message = message.unwrap_or_default();
        assert!(message.starts_with(expected), "{message:?}");
        assert_eq!(message.is_empty(), expected.is_empty(), "{message:?}");
    }

    #[test]
    fn values_in_range_pass() {
        check(|_| (), "");
        check(|p| *p = SamplingParams::greedy(), "");
        check(|p| *p = SamplingParams::plain(), "");
        check(|p| p.temperature = 1e6, "");
        check(|p| (p.top_p, p.min_p) = (0.0, 1.0), "");
        check(|p| p.repeat_penalty = 0.5, "");
        check(|p| (p.presence_penalty, p.frequency_penalty) = (-2.0, 2.0), "");
        check(|p| p.logit_bias = vec![(0, -100.0), (99, 5.0), (3, f32::MAX)], "");
        check(|p| (p.top_k, p.repeat_last_n) = (usize::MAX, usize::MAX), "");
    }

    #[test]
    fn values_out_of_range_are_named() {
        check(|p| p.temperature = -0.5, "temperature: expected a number from 0 on, found -0.5");
        check(|p| p.temperature = f32::NAN, "temperature: expected");
        check(|p| p.temperature = f32::INFINITY, "temperature: expected");
        check(|p| p.top_p = 1.5, "top_p: expected a probability from 0 to 1, found 1.5");
        check(|p| p.top_p = f32::NAN, "top_p: expected");
        check(|p| p.min_p = -0.1, "min_p: expected");
        check(|p| p.repeat_penalty = 0.0, "repeat_penalty: expected a number above 0, found 0");
        check(|p| p.repeat_penalty = f32::INFINITY, "repeat_penalty: expected");
        check(|p| p.presence_penalty = 2.5, "presence_penalty: expected a number from -2 to 2");
        check(|p| p.frequency_penalty = f32::NEG_INFINITY, "frequency_penalty: expected");
    }

    #[test]
    fn s07_bias_outside_the_vocabulary_or_not_finite_is_an_error() {
        let id = "logit_bias: expected a token id below 100, found 191222";
        check(|p| p.logit_bias = vec![(5, 5.0), (191_222, -100.0)], id);
        check(|p| p.logit_bias = vec![(100, 0.0)], "logit_bias: expected a token id below 100");
        let value = "logit_bias of token 7: expected a finite number, found";
        check(|p| p.logit_bias = vec![(7, 1e308_f64 as f32)], value);
        check(|p| p.logit_bias = vec![(7, f32::NAN)], value);
    }
}
