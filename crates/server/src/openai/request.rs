//! What requests for chats and for texts have in common.

use std::collections::BTreeMap;

use engine::{LogprobsWanted, Request, SamplingParams};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::app::{App, Served, random};
use crate::body::fields;
use crate::error::ApiError;
use crate::generation::Generation;

fields! {
    Common {
        model: String,
        n: usize,
        stream: bool,
        stream_options: StreamOptions,
        seed: i64,
        stop: OneOrMany,
        temperature: f32,
        top_p: f32,
        top_k: i64,
        min_p: f32,
        presence_penalty: f32,
        frequency_penalty: f32,
        /// llama.cpp's name, and vLLM's.
        repeat_penalty: f32,
        repetition_penalty: f32,
        logit_bias: BTreeMap<String, f32>,
        max_tokens: usize,
        max_completion_tokens: usize,
        min_tokens: usize,
        ignore_eos: bool,
        tools: Vec<Value>,
        functions: Vec<Value>,
        tool_choice: Value,
        response_format: Map<String, Value>,
    }
    without_effect: [
        "user",
        "store",
        "metadata",
        "service_tier",
        "parallel_tool_calls",
        "safety_identifier",
        "prompt_cache_key",
        "cache_prompt",
    ]
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamOptions {
    #[serde(default)]
    pub(super) include_usage: bool,
    /// Padding against listeners, which changes nothing here.
    #[serde(default, rename = "include_obfuscation")]
    _include_obfuscation: bool,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    pub(super) fn into_many(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}

impl Common {
    pub(super) fn includes_usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|options| options.include_usage)
    }

    /// What cannot be done yet is refused, never left out.
    pub(super) fn check_supported(&self) -> Result<(), ApiError> {
        let wants_tools = self.tool_choice.as_ref().is_none_or(|choice| choice != "none");
        for (name, tools) in [("tools", &self.tools), ("functions", &self.functions)] {
            if wants_tools && tools.as_ref().is_some_and(|tools| !tools.is_empty()) {
                return Err(ApiError::field(name, "tools are not called here yet; leave them out"));
            }
        }
        match self.response_format.as_ref().map(|format| &format["type"]) {
            None => Ok(()),
            Some(kind) if kind == "text" => Ok(()),
            Some(kind) => {
                let message = format!("expected type text, found {kind}");
                Err(ApiError::field("response_format", message))
            }
        }
    }

    /// The engine's form of it.
    ///
    /// # Errors
    /// Numbers out of the range that the server allows; the engine checks the others.
    pub(super) fn generation(
        self,
        (app, served): (&App, &Served),
        (prompt, prompt_field): (Vec<u32>, &'static str),
        logprobs: LogprobsWanted,
    ) -> Result<Generation, ApiError> {
        let limits = &app.options.limits;
        let n = self.n.unwrap_or(1);
        if !(1..=limits.n_choices).contains(&n) {
            let message = format!("expected 1 to {}, found {n}", limits.n_choices);
            return Err(ApiError::field("n", message));
        }
        let sampling = self.sampling()?;
        let stop = self.stop.map(OneOrMany::into_many).unwrap_or_default();
        if stop.len() > limits.n_stops {
            let message =
                format!("expected at most {} texts, found {}", limits.n_stops, stop.len());
            return Err(ApiError::field("stop", message));
        }
        let n_tokens_min = match self.ignore_eos {
            Some(true) => usize::MAX,
            _ => self.min_tokens.unwrap_or(0),
        };
        let request = Request {
            n_tokens_max: self.max_completion_tokens.or(self.max_tokens),
            stop,
            kv_policy: served.kv_policy,
            n_tokens_min,
            logprobs,
            ..Request::new(prompt, sampling)
        };
        Ok(Generation { request, n, prompt_field })
    }

    fn sampling(&self) -> Result<SamplingParams, ApiError> {
        let default = SamplingParams::default();
        let top_k = match self.top_k {
            None => default.top_k,
            // What several programs write for all.
            Some(-1) => 0,
            Some(k) => usize::try_from(k).map_err(|_| {
                ApiError::field("top_k", format!("expected a number from 0 on, found {k}"))
            })?,
        };
        let bias = self.logit_bias.iter().flatten().map(|(id, bias)| match id.parse() {
            Ok(id) => Ok((id, *bias)),
            Err(_) => Err(ApiError::field("logit_bias", format!("{id:?} is no token id"))),
        });
        let repeat_penalty = self.repeat_penalty.or(self.repetition_penalty);
        Ok(SamplingParams {
            temperature: self.temperature.unwrap_or(default.temperature),
            top_k,
            top_p: self.top_p.unwrap_or(default.top_p),
            min_p: self.min_p.unwrap_or(default.min_p),
            repeat_penalty: repeat_penalty.unwrap_or(default.repeat_penalty),
            presence_penalty: self.presence_penalty.unwrap_or(default.presence_penalty),
            frequency_penalty: self.frequency_penalty.unwrap_or(default.frequency_penalty),
            logit_bias: bias.collect::<Result<_, _>>()?,
            seed: self.seed.map_or_else(random, |seed| seed as u64),
            ..default
        })
    }
}
