//! What a prompt would find if it were submitted now.

use model::kv::{KvPolicy, Reuse};

use super::Engine;
use crate::error::Error;
use crate::runner::longest_text;

/// What a prompt would find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// What of it is cached.
    pub reuse: Reuse,
    /// Most tokens of prompt and answer together; 0: the prompt has no room.
    pub n_tokens_max: usize,
}

impl Engine {
    /// What a prompt would find, which this changes nothing of.
    ///
    /// # Errors
    /// [`Error::PolicyTooLarge`].
    pub fn outlook(&self, prompt: &[u32], policy: KvPolicy) -> Result<Outlook, Error> {
        let policy = policy.after_prompt(prompt.len());
        let n_positions = longest_text(&*self.runner, policy)?;
        let reuse = match self.runner.encoder() {
            // What a decoder has of a text belongs to one prompt.
            Some(_) => Reuse::default(),
            None => self.runner.kv().reusable(prompt, policy),
        };
        // The last token is only read, never computed: it may stand one beyond the context.
        let n_tokens_max = if prompt.len() > n_positions { 0 } else { n_positions + 1 };
        Ok(Outlook { reuse, n_tokens_max })
    }
}
