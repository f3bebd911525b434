//! What goes into the engine and what comes out of it.

use std::time::{Duration, Instant};

use model::kv::{Hidden, KvPolicy, Miss, Reuse};
use serde::Serialize;

use crate::error::Error;
use crate::grammar::Constraint;
use crate::guide::Thinking;
use crate::sampler::SamplingParams;
use crate::sequence::{FinishReason, RequestId};
use crate::speculation::Speculation;
use crate::watch::Watch;

/// Tokens to continue.
#[derive(Clone, Debug)]
pub struct Request {
    pub prompt: Vec<u32>,
    pub sampling: SamplingParams,
    /// Most tokens to write; `None`: until the model stops or the context is full.
    pub n_tokens_max: Option<usize>,
    /// Texts that end the answer; they are not part of it.
    pub stop: Vec<String>,
    pub speculation: Speculation,
    /// What of the text the model goes on without.
    pub kv_policy: KvPolicy,
    /// Tokens of the answer that come before its end can; `usize::MAX`: it ends at its limit only.
    pub n_tokens_min: usize,
    /// Tokens that end the answer as the model's own ends do; they are not part of it.
    pub stop_ids: Vec<u32>,
    pub logprobs: LogprobsWanted,
    /// Who sees the attention of its rows. They are computed one by one then, without drafts.
    pub watch: Option<Watch>,
    /// Keys that later tokens do not look at.
    pub hidden: Option<Hidden>,
    /// The form of the answer.
    pub constraint: Option<Constraint>,
    /// Bounds on what comes before the answer itself.
    pub thinking: Option<Thinking>,
    /// Tokens that control the model and that show in the text all the same, for those who read
    /// more in it than an answer.
    pub shown_ids: Vec<u32>,
    pub client: Client,
    /// When an answer that is not over ends with what it has; it may be one that has not begun.
    pub deadline: Option<Instant>,
}

/// Who asks. Requests of different clients take turns, however many each of them has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Client(pub u64);

impl Request {
    /// To the end of the model's turn, from all of the text, with nothing else asked for.
    pub fn new(prompt: Vec<u32>, sampling: SamplingParams) -> Self {
        Self {
            prompt,
            sampling,
            n_tokens_max: None,
            stop: Vec::new(),
            speculation: Speculation::Auto,
            kv_policy: KvPolicy::KeepAll,
            n_tokens_min: 0,
            stop_ids: Vec::new(),
            logprobs: LogprobsWanted::default(),
            watch: None,
            hidden: None,
            constraint: None,
            thinking: None,
            shown_ids: Vec::new(),
            client: Client::default(),
            deadline: None,
        }
    }

    /// One of several answers to the same prompt: the first is that of the request itself, the
    /// others are drawn with the seeds after its own. Requests that come together compute a prompt
    /// that they share once, so that nothing is lost by asking for them one by one.
    pub fn sample(&self, sample_idx: u64) -> Self {
        let seed = self.sampling.seed.wrapping_add(sample_idx);
        Self { sampling: SamplingParams { seed, ..self.sampling.clone() }, ..self.clone() }
    }
}

/// What a request is told of probabilities beside those of the tokens it gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogprobsWanted {
    /// The likeliest tokens in each place, up to [`N_TOP_MAX`].
    pub n_top: usize,
    /// Those of the prompt too, from this token of it on: [`Event::Prompt`]. What is found while it
    /// is computed is not taken from the cache, since a cached key has no logits.
    pub of_prompt: Option<usize>,
}

/// Most of the likeliest tokens in one place.
pub const N_TOP_MAX: usize = 20;

/// A token of the prompt, and how likely the model found it and others in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct PromptToken {
    pub token_id: u32,
    pub logprob: f32,
    /// The likeliest first.
    pub top: Vec<(u32, f32)>,
}

/// What one step did for one request, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Prompt tokens were computed.
    Progress { id: RequestId, n_computed: usize, n_prompt: usize },
    /// Tokens `first..` of the prompt, which begin with its second at the earliest.
    Prompt { id: RequestId, first: usize, tokens: Vec<PromptToken> },
    /// A token was written. `text` is what it adds for sure: characters and stop strings that are
    /// still incomplete are held back. `top`: the likeliest in its place, the first foremost.
    Token { id: RequestId, token_id: u32, logprob: f32, top: Vec<(u32, f32)>, text: String },
    /// The end, with text that was held back and turned out to be neither.
    Finished { id: RequestId, text: String, reason: FinishReason, usage: Usage },
    /// The request cannot go on; others do.
    Failed { id: RequestId, error: Error },
}

impl Event {
    /// The request that it is about.
    pub fn id(&self) -> RequestId {
        match *self {
            Self::Progress { id, .. }
            | Self::Prompt { id, .. }
            | Self::Token { id, .. }
            | Self::Finished { id, .. }
            | Self::Failed { id, .. } => id,
        }
    }
}

/// What a request cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    pub n_prompt: usize,
    /// What of the prompt was cached from earlier requests.
    pub reuse: Reuse,
    pub n_generated: usize,
    /// Tokens that the last one could look back at.
    pub n_kept: usize,
    /// Where a token of the answer looked at few blocks only: how many of those between the first
    /// one and its own.
    pub n_blocks: Option<usize>,
    /// Tokens that were computed before they were chosen, and those of them that then were.
    pub n_drafted: usize,
    pub n_accepted: usize,
    /// Which of the request's stop texts ended the answer.
    pub stop_idx: Option<usize>,
    /// How often its keys and values made room for others, and were computed again.
    pub n_preempted: usize,
    /// From the first step to the first token.
    pub prefill: Duration,
    /// From the first token to the last.
    pub decode: Duration,
    /// Bytes of all cached keys and values at the end.
    pub kv_bytes: usize,
}

/// Where the context of an answer came from, for people and programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ContextUse {
    /// Tokens that the last one could look back at.
    pub kept: usize,
    /// Tokens before it that the policy had let go of.
    pub dropped: usize,
    /// Whether the answer looked only at the blocks that seemed to matter.
    pub approximate: bool,
    /// Prompt tokens whose keys and values were cached.
    pub reused: usize,
    /// Prompt tokens that were computed.
    pub recomputed: usize,
    /// Index of the first prompt token that no cached text has there.
    pub first_divergent: Option<usize>,
    /// Why the first computed token was.
    pub why: &'static str,
}

impl Usage {
    pub fn context(&self) -> ContextUse {
        let Reuse { n_reused, n_matched, miss } = self.reuse;
        ContextUse {
            kept: self.n_kept,
            dropped: (self.n_prompt + self.n_generated).saturating_sub(1 + self.n_kept),
            approximate: self.n_blocks.is_some(),
            reused: n_reused,
            recomputed: self.n_prefilled(),
            first_divergent: (n_matched < self.n_prompt).then_some(n_matched),
            why: match miss {
                Miss::Unknown => "no cached text begins like this",
                Miss::Differs => "cached texts go on in another way",
                Miss::New => "the cached text ends there",
                Miss::LastToken => "the last token is computed for its logits",
                Miss::Policy => "under this policy what follows is computed",
                Miss::Asked => "what is asked of the prompt is found while it is computed",
                Miss::BehindWindow => "a sliding window has dropped the keys before it",
            },
        }
    }

    /// Prompt tokens that had to be computed.
    pub fn n_prefilled(&self) -> usize {
        self.n_prompt - self.reuse.n_reused
    }

    /// Prompt tokens computed a second.
    pub fn prefill_tps(&self) -> f64 {
        rate(self.n_prefilled(), self.prefill)
    }

    /// Tokens written a second, the first not counted: it comes out of the prompt.
    pub fn decode_tps(&self) -> f64 {
        rate(self.n_generated.saturating_sub(1), self.decode)
    }
}

fn rate(n: usize, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { n as f64 / time.as_secs_f64() }
}
