//! What a model says to itself before it answers: whether, and for how long.

use engine::{SpecialText, Thinking};
use serde_json::{Map, Value};

use crate::error::ApiError;
use crate::served::Served;

/// What a client wants of it. What is not said is left to the model.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reasoning {
    pub(crate) is_on: Option<bool>,
    /// `low`, `high`, or what else the template knows.
    pub(crate) effort: Option<String>,
    /// Tokens after which it is ended, and before which it does not end.
    pub(crate) n_tokens_max: Option<usize>,
    pub(crate) n_tokens_min: Option<usize>,
    /// The field that asked for bounds; `None`: nobody minds where there is nothing to bound.
    pub(crate) field: Option<&'static str>,
}

/// Whether a turn has reasoning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Never,
    /// The model decides.
    Maybe,
    /// Its format says so.
    Always,
    /// The prompt has begun it.
    Begun,
}

impl Reasoning {
    /// Tells the template, by the names that templates have for it.
    pub(super) fn tell(&self, extra: &mut Map<String, Value>) {
        let is_on = match self.effort.as_deref() {
            Some("none") => Some(false),
            _ => self.is_on,
        };
        if let Some(is_on) = is_on {
            for name in ["enable_thinking", "thinking"] {
                extra.entry(name).or_insert(is_on.into());
            }
        }
        if let Some(effort) = &self.effort {
            extra.entry("reasoning_effort").or_insert(effort.as_str().into());
        }
    }

    pub(super) fn stage(&self, served: &Served, prompt_tail: &str) -> Stage {
        let Some((start, end)) = served.format.reasoning_marks() else { return Stage::Never };
        let source = served.template.as_ref().map_or("", |template| template.source());
        if served.format.is_begun(prompt_tail) {
            return Stage::Begun;
        }
        if served.format.always_reasons() {
            return Stage::Always;
        }
        let is_over = prompt_tail.trim_end().ends_with(end);
        if source.contains(start) && !is_over { Stage::Maybe } else { Stage::Never }
    }

    /// The engine's form of the bounds.
    ///
    /// # Errors
    /// Bounds that were asked for by name, for a model that does not reason apart, and a least
    /// length above the greatest.
    pub(super) fn bounds(
        &self,
        served: &Served,
        stage: Stage,
    ) -> Result<Option<Thinking>, ApiError> {
        let (n_min, n_max) = (self.n_tokens_min.unwrap_or(0), self.n_max(served));
        if n_min == 0 && n_max == usize::MAX {
            return Ok(None);
        }
        let marks = served.format.reasoning_marks().filter(|_| stage != Stage::Never);
        let Some((start, end)) = marks else {
            return match self.field {
                Some(field) => {
                    Err(ApiError::field(field, "this model does not reason before it answers"))
                }
                None => Ok(None),
            };
        };
        if n_min > n_max {
            let message = format!("expected at least the minimum of {n_min} tokens, found {n_max}");
            return Err(ApiError::field(self.field.unwrap_or("reasoning"), message));
        }
        let ending = if stage == Stage::Always { end.to_owned() } else { format!("\n{end}\n\n") };
        let encode = |text: &str| served.tokenizer.encode(text, SpecialText::Parse);
        let (end_ids, held_back) = (encode(&ending), encode(end).into_iter().take(1).collect());
        let start = (stage != Stage::Begun).then(|| start.to_owned());
        let (end, n_tokens_min, n_tokens_max) = (end.to_owned(), n_min, n_max);
        Ok(Some(Thinking { start, end, end_ids, held_back, n_tokens_min, n_tokens_max }))
    }

    /// Where the template does not know of effort, it is a number of tokens.
    fn n_max(&self, served: &Served) -> usize {
        let source = served.template.as_ref().map_or("", |template| template.source());
        let by_effort = match self.effort.as_deref() {
            _ if source.contains("reasoning_effort") => usize::MAX,
            Some("minimal") => 256,
            Some("low") => 1024,
            Some("medium") => 8192,
            _ => usize::MAX,
        };
        self.n_tokens_max.unwrap_or(by_effort)
    }
}

impl Stage {
    /// What a grammar begins with.
    pub(super) fn start(self) -> &'static str {
        match self {
            Self::Never => "",
            Self::Maybe => "thoughts?",
            Self::Always | Self::Begun => "thoughts",
        }
    }

    /// The rule of it.
    pub(super) fn grammar(self, served: &Served) -> Option<String> {
        let control = |text: &str| served.control_id(text);
        let is_begun = self == Self::Begun;
        (self != Self::Never).then(|| served.format.thoughts_grammar(is_begun, &control)).flatten()
    }
}
