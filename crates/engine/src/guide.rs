//! What the next token of an answer may be, beside what the sampler's parameters say: a grammar,
//! and bounds on how long the model thinks.

use crate::error::Error;
use crate::grammar::{Constraint, Masks, Pending};

/// How long a model thinks before it answers. Texts are as its template writes them.
#[derive(Clone, Debug, PartialEq)]
pub struct Thinking {
    /// What thinking begins with; `None`: the prompt has begun it.
    pub start: Option<String>,
    /// What it ends with.
    pub end: String,
    /// What ends it as tokens: written for the model when it has thought for `n_tokens_max`.
    pub end_ids: Vec<u32>,
    /// The tokens that `end` begins with, which do not come before `n_tokens_min` others.
    pub held_back: Vec<u32>,
    pub n_tokens_min: usize,
    pub n_tokens_max: usize,
}

/// The way of one answer.
pub(crate) struct Guide {
    grammar: Option<Pending>,
    thinking: Option<Thoughts>,
}

/// Whether the answer can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goes {
    On,
    /// The grammar has no more to say.
    Over,
}

struct Thoughts {
    bounds: Thinking,
    stage: Stage,
    /// The last bytes of the text, as many as may belong to `start` or `end`.
    tail: String,
    /// Nothing else can be written there.
    is_inside_character: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Before,
    /// After so many tokens of it.
    Inside(usize),
    /// So many of `end_ids` are written.
    Ending(usize),
    After,
}

impl Guide {
    pub(crate) fn new(
        constraint: Option<Constraint>,
        thinking: Option<Thinking>,
        masks: &mut Masks,
    ) -> Self {
        let grammar = constraint.map(|constraint| masks.find(constraint));
        Self { grammar, thinking: thinking.map(Thoughts::new) }
    }

    /// Excludes what may not come next, lets `choose` choose among the rest, and goes on with it.
    /// `ends`: tokens that end an answer.
    ///
    /// # Errors
    /// Those of `choose`, and a grammar that went beyond its limits.
    pub(crate) fn choose<T>(
        &mut self,
        ends: &[u32],
        masks: &mut Masks,
        choose: impl FnOnce(&mut dyn FnMut(&mut [f32])) -> Result<(u32, T), Error>,
    ) -> Result<(T, Goes), Error> {
        let found = self.grammar.take().map(Pending::wait).transpose()?;
        let mut restrict = |logits: &mut [f32]| {
            if let Some((_, mask)) = &found {
                mask.apply(logits, ends);
            }
            if let Some(thoughts) = &self.thinking {
                thoughts.restrict(logits, ends);
            }
        };
        let (id, chosen) = choose(&mut restrict)?;
        let Some((mut constraint, _)) = found else { return Ok((chosen, Goes::On)) };
        if ends.contains(&id) {
            return Ok((chosen, Goes::Over));
        }
        if constraint.accept(id)? {
            return Ok((chosen, Goes::Over));
        }
        self.grammar = Some(masks.find(constraint));
        Ok((chosen, Goes::On))
    }

    /// Notes the text of a token, which may end within a character.
    pub(crate) fn read(&mut self, text: &str, is_inside_character: bool) {
        if let Some(thoughts) = &mut self.thinking {
            thoughts.read(text);
            thoughts.is_inside_character = is_inside_character;
        }
    }
}

impl Thoughts {
    fn new(bounds: Thinking) -> Self {
        let stage = if bounds.start.is_some() { Stage::Before } else { Stage::Inside(0) };
        Self { bounds, stage, tail: String::new(), is_inside_character: false }
    }

    fn restrict(&self, logits: &mut [f32], ends: &[u32]) {
        let Thinking { end_ids, held_back, n_tokens_min, n_tokens_max, .. } = &self.bounds;
        match self.stage {
            Stage::Before | Stage::After => {}
            Stage::Inside(_) if self.is_inside_character => {}
            Stage::Inside(n) if n >= *n_tokens_max => only(logits, end_ids.first()),
            Stage::Inside(n) if n < *n_tokens_min => {
                for &id in held_back.iter().chain(ends) {
                    logits[id as usize] = f32::NEG_INFINITY;
                }
            }
            Stage::Inside(_) => {}
            Stage::Ending(n) => only(logits, end_ids.get(n)),
        }
    }

    fn read(&mut self, text: &str) {
        self.tail.push_str(text);
        let Thinking { start, end, end_ids, n_tokens_max, .. } = &self.bounds;
        let is_forced = |n: usize| n >= *n_tokens_max && !self.is_inside_character;
        self.stage = match self.stage {
            Stage::Before if start.as_ref().is_some_and(|start| self.tail.contains(start)) => {
                self.tail.clear();
                Stage::Inside(0)
            }
            Stage::Inside(n) if is_forced(n) && end_ids.len() > 1 => Stage::Ending(1),
            Stage::Inside(n) if is_forced(n) || self.tail.contains(end) => Stage::After,
            Stage::Inside(n) => Stage::Inside(n + 1),
            Stage::Ending(n) if n + 1 == end_ids.len() => Stage::After,
            Stage::Ending(n) => Stage::Ending(n + 1),
            stage => stage,
        };
        let n_kept = end.len().max(start.as_ref().map_or(0, String::len));
        let cut = self.tail.len().saturating_sub(n_kept);
        let cut = (cut..=self.tail.len()).find(|&at| self.tail.is_char_boundary(at));
        self.tail.drain(..cut.unwrap_or(0));
    }
}

/// Leaves one token; `None`: all stay.
fn only(logits: &mut [f32], id: Option<&u32>) {
    let Some(&id) = id else { return };
    for (other, logit) in logits.iter_mut().enumerate() {
        if other != id as usize {
            *logit = f32::NEG_INFINITY;
        }
    }
    // Whatever else excluded it.
    logits[id as usize] = logits[id as usize].max(f32::MIN);
}
