//! Choices that a seed decides.

use engine::sampler::uniform;

/// The engine's stream of numbers for a seed, drawn one after the other.
pub(super) struct Random {
    seed: u64,
    n_drawn: u64,
}

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, n_drawn: 0 }
    }

    /// A number below `n`.
    pub(super) fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "there is a number to choose");
        let drawn = uniform(self.seed, self.n_drawn);
        self.n_drawn += 1;
        // Rounding could reach `n` itself.
        ((drawn * n as f64) as usize).min(n - 1)
    }

    pub(super) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    pub(super) fn shuffled<T>(&mut self, mut items: Vec<T>) -> Vec<T> {
        for n_left in (2..=items.len()).rev() {
            let chosen = self.below(n_left);
            items.swap(n_left - 1, chosen);
        }
        items
    }
}
