//! What requests for chats and for texts have in common.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use engine::{LogprobsWanted, SamplingParams};
use model::kv::KvPolicy;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::random;
use crate::body::{Described, any_of, fields};
use crate::error::ApiError;
use crate::generation::Generation;
use crate::limits::Limits;

fields! {
    Common {
        /// One of /v1/models; the first one, where there is none.
        model: String,
        /// Answers to the same prompt.
        n: usize,
        /// Server-sent events, as the answer is made.
        stream: bool,
        stream_options: StreamOptions,
        /// The same seed gives the same answer.
        seed: i64,
        /// Texts that end the answer.
        stop: OneOrMany,
        /// 0: the likeliest token each time.
        temperature: f32,
        top_p: f32,
        top_k: i64,
        min_p: f32,
        presence_penalty: f32,
        frequency_penalty: f32,
        /// llama.cpp's name for a penalty on tokens that were there before.
        repeat_penalty: f32,
        /// vLLM's name for the same.
        repetition_penalty: f32,
        /// What is added to the logits of tokens, by their ids.
        logit_bias: BTreeMap<String, f32>,
        /// Most tokens of the answer.
        max_tokens: usize,
        max_completion_tokens: usize,
        min_tokens: usize,
        ignore_eos: bool,
        /// What of the text the model goes on without: all, window=N, blocks=N and others.
        kv_policy: String,
        /// Milliseconds after which the answer ends with what it has.
        t_max_predict_ms: u32,
        /// Tells in a stream how far the prompt is read.
        return_progress: bool,
    }
    without_effect: [
        "user",
        "store",
        "metadata",
        "service_tier",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "cache_prompt",
        "id_slot",
        "timings_per_token",
    ]
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamOptions {
    #[serde(default)]
    pub(super) include_usage: Option<bool>,
    /// Padding against listeners, which changes nothing here.
    #[serde(default, rename = "include_obfuscation")]
    _include_obfuscation: Option<bool>,
}

impl Described for StreamOptions {
    fn schema() -> Value {
        let flag = json!({"type": "boolean"});
        let properties = json!({"include_usage": flag, "include_obfuscation": flag});
        json!({"type": "object", "properties": properties, "additionalProperties": false})
    }
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
pub(crate) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Described for OneOrMany {
    fn schema() -> Value {
        any_of([String::schema(), Vec::<String>::schema()])
    }
}

impl OneOrMany {
    pub(crate) fn into_many(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}

impl Common {
    pub(super) fn includes_usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|options| options.include_usage == Some(true))
    }

    pub(super) fn is_stream(&self) -> bool {
        self.stream == Some(true)
    }

    /// Bounds, stops and the number of answers; the engine checks the numbers of a request.
    ///
    /// # Errors
    /// Numbers out of the range that the server allows.
    pub(super) fn apply(
        self,
        mut generation: Generation,
        limits: &Limits,
        logprobs: LogprobsWanted,
    ) -> Result<Generation, ApiError> {
        generation.n = self.n.unwrap_or(1);
        limits.check_choices(generation.n, "n")?;
        let request = &mut generation.request;
        request.stop = self.stop.map(OneOrMany::into_many).unwrap_or_default();
        limits.check_stops(&request.stop, "stop")?;
        request.n_tokens_min = match self.ignore_eos {
            Some(true) => usize::MAX,
            _ => self.min_tokens.unwrap_or(0),
        };
        request.n_tokens_max = self.max_completion_tokens.or(self.max_tokens);
        request.logprobs = logprobs;
        if let Some(policy) = &self.kv_policy {
            request.kv_policy = kv_policy(policy)?;
        }
        let asked = self.t_max_predict_ms.map(|n| Duration::from_millis(n.into()));
        request.deadline = Some(Instant::now() + asked.unwrap_or(limits.answer).min(limits.answer));
        Ok(generation)
    }

    /// # Errors
    /// Numbers that the engine has no form for.
    pub(super) fn sampling(&self) -> Result<SamplingParams, ApiError> {
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

/// # Errors
/// A policy that is none.
pub(crate) fn kv_policy(text: &str) -> Result<KvPolicy, ApiError> {
    text.parse()
        .map_err(|error: model::kv::PolicyError| ApiError::field("kv_policy", error.to_string()))
}
