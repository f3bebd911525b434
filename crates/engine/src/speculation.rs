//! Several tokens from one pass over the weights: a draft is computed beside the last token, and
//! what the sampler would have chosen anyway is kept (Leviathan et al. 2023, the draft being no
//! model but the text). Token for token the answer is that of one token a step.

use crate::lookup::Lookup;

/// Whether a request's answer may be drafted; it changes the speed, never the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Speculation {
    /// Where it pays.
    #[default]
    Auto,
    Off,
}

/// Most tokens of a draft.
const N_DRAFT_MAX: usize = 8;

/// Drafts for one sequence, and how many of their tokens are worth computing.
///
/// Work depends on the tokens alone, never on a clock. Where drafts are not worth a row, nothing
/// is computed, and the next token still tells whether the draft was right: so it goes on again
/// without a trial.
pub(crate) struct Drafter {
    lookup: Lookup,
    /// `[n_draft]`: what may follow in this step.
    draft: Vec<u32>,
    /// Share of right tokens, a moving average: the `alpha` of Leviathan et al.
    acceptance: f32,
    n_drafted: usize,
    n_accepted: usize,
}

/// What a step is to compute for those who write. The rows of prompts have to be computed in any
/// case, whatever is drafted beside them.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    n_rows: usize,
    /// Tokens that it is expected to write.
    n_written: f32,
}

impl Step {
    /// A token for each of `n_sequences`.
    pub(crate) fn of(n_sequences: usize) -> Self {
        Self { n_rows: n_sequences, n_written: n_sequences as f32 }
    }

    /// Tokens a unit of time, which is that of a step of one row.
    ///
    /// Rows after the first cost a fifth each. Measured up to 9 rows (AVX2, 2 cores of Zen 3): 0.14
    /// (Qwen2.5-Coder 0.5B) to 0.26 (SmolLM2 135M).
    fn rate(&self) -> f32 {
        self.n_written / (1.0 + 0.2 * (self.n_rows as f32 - 1.0))
    }

    /// With one more row, whose token is right with probability `chance`.
    fn with_row(&self, chance: f32) -> Self {
        Self { n_rows: self.n_rows + 1, n_written: self.n_written + chance }
    }
}

impl Drafter {
    /// `None`: no drafts.
    pub(crate) fn new(speculation: Speculation) -> Option<Self> {
        match speculation {
            Speculation::Off => None,
            Speculation::Auto => Some(Self {
                lookup: Lookup::default(),
                draft: Vec::with_capacity(N_DRAFT_MAX),
                acceptance: 0.5,
                n_drafted: 0,
                n_accepted: 0,
            }),
        }
    }

    /// Drafts what may follow `tokens`, at most `n_max` of them, and says how many rows of it are
    /// worth adding to `step`, which then has them.
    ///
    /// # Shapes
    /// - `tokens`: `[n_tokens]`
    pub(crate) fn propose(&mut self, tokens: &[u32], n_max: usize, step: &mut Step) -> usize {
        self.lookup.draft(tokens, N_DRAFT_MAX, &mut self.draft);
        let (mut n_best, mut chance) = (0, 1.0);
        let mut tried = *step;
        for n in 1..=n_max.min(self.draft.len()) {
            chance *= self.acceptance;
            tried = tried.with_row(chance);
            if tried.rate() > step.rate() {
                (n_best, *step) = (n, tried);
            }
        }
        n_best
    }

    /// Nothing follows in this step.
    pub(crate) fn pause(&mut self) {
        self.draft.clear();
    }

    /// `[n_draft]`
    pub(crate) fn draft(&self) -> &[u32] {
        &self.draft
    }

    /// Learns from the tokens that came: `[n_written]`. Of the draft, `n_computed` had rows.
    pub(crate) fn observe(&mut self, n_computed: usize, written: &[u32]) {
        /// Four tokens back count as much as all before them.
        const RATE: f32 = 0.25;
        self.n_drafted += n_computed;
        for (drafted, written) in self.draft.iter().take(n_computed.max(1)).zip(written) {
            let is_right = drafted == written;
            let target = if is_right { 1.0 } else { 0.0 };
            self.acceptance += RATE * (target - self.acceptance);
            if !is_right {
                break;
            }
            self.n_accepted += usize::from(n_computed > 0);
        }
    }

    /// Draft tokens that were computed, and those of them that the sampler chose.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.n_drafted, self.n_accepted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text that repeats itself.
    const TEXT: [u32; 9] = [1, 2, 3, 4, 5, 6, 1, 2, 3];

    fn drafter(acceptance: f32) -> Drafter {
        Drafter { acceptance, ..Drafter::new(Speculation::Auto).expect("a drafter") }
    }

    /// The draft's length where `n_sequences` write.
    fn n_proposed(acceptance: f32, n_max: usize, n_sequences: usize) -> usize {
        let mut step = Step::of(n_sequences);
        let n = drafter(acceptance).propose(&TEXT, n_max, &mut step);
        assert_eq!(step.n_rows, n_sequences + n);
        n
    }

    #[test]
    fn the_surer_the_longer() {
        let check = |acceptance, expected| assert_eq!(n_proposed(acceptance, 99, 1), expected);
        check(0.0, 0);
        check(0.19, 0);
        check(0.25, 1);
        check(0.4, 1);
        check(0.8, 4);
        check(1.0, N_DRAFT_MAX);
    }

    #[test]
    fn limits_hold_and_full_steps_leave_drafts_that_are_sure() {
        assert_eq!(n_proposed(1.0, 3, 1), 3);
        assert_eq!(n_proposed(1.0, 0, 1), 0);
        assert_eq!([1, 4, 50].map(|n_sequences| n_proposed(0.8, 99, n_sequences)), [4, 2, 0]);
        assert_eq!(n_proposed(1.0, 99, 50), N_DRAFT_MAX);
    }

    #[test]
    fn without_an_earlier_run_there_is_none() {
        let mut step = Step::of(1);
        assert_eq!(drafter(1.0).propose(&[1, 2, 3, 4], 99, &mut step), 0);
        assert!(Drafter::new(Speculation::Off).is_none());
    }

    #[test]
    fn it_goes_off_by_itself_and_on_again_without_a_row() {
        let mut drafter = drafter(1.0);
        let mut propose = |next: &[u32]| {
            let mut step = Step::of(1);
            let n = drafter.propose(&TEXT, 99, &mut step);
            drafter.observe(n, next);
            (n, drafter.counts())
        };
        assert_eq!(propose(&[4, 5, 6, 1, 2, 3, 4, 5, 6]), (8, (8, 8)));
        let n_tried = (0..100).take_while(|_| propose(&[9]).0 > 0).count();
        assert!((3..10).contains(&n_tried), "{n_tried}");
        let (_, counts) = propose(&[4]);
        assert_eq!(counts.1, 8, "what had no row is not counted");
        assert!(propose(&[4]).0 > 0);
    }
}
