//! `POST /v1/chat/completions`.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use engine::{FinishReason, LogprobsWanted};
use inspect::record::Row;
use serde_json::{Map, Value, json};
use tokenizer::turn::Part;

use super::logprobs::{Place, of_chat};
use super::request::Common;
use super::tools::{ToolFields, call_json};
use super::usage::Totals;
use super::{Head, error_json, finish_reason, shaped, with};
use crate::access::client_of;
use crate::app::App;
use crate::attention::{self, AttentionWanted};
use crate::body::{self, fields};
use crate::conversation::{Continues, Conversation, Forms, Reasoning};
use crate::error::ApiError;
use crate::generation::{Answers, Delta, What, Written};
use crate::served::Served;
use crate::sse::{self, Closed, Kind, Sink};
use crate::worker::Delivery;

fields! {
    Chat {
        /// Objects with a role and content.
        messages: Vec<Value>,
        logprobs: bool,
        /// The likeliest tokens in each place, up to 20; with logprobs.
        top_logprobs: usize,
        /// none, minimal, low, medium or high.
        reasoning_effort: String,
        /// Most tokens of reasoning, and fewest.
        reasoning_budget: usize,
        reasoning_min: usize,
        /// More variables for the chat template.
        chat_template_kwargs: Map<String, Value>,
        /// The answer goes on with the last message, which is the assistant's.
        continue_final_message: bool,
        /// false beside it; true, the default, without it.
        add_generation_prompt: bool,
        /// Which rows of attention that wrote the answer are shown: layers, heads, top.
        attention: AttentionWanted,
        modalities: Vec<String>,
    }
    without_effect: ["verbosity", "prediction"]
}

/// All fields of a chat.
pub(crate) type Body = (Common, (Chat, (Forms, ToolFields)));

const CHUNK: &str = "chat.completion.chunk";

pub(crate) async fn chat_completions(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(app, request).await.unwrap_or_else(shaped)
}

async fn answer(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    let limits = &app.options.limits;
    let client = client_of(request.headers());
    let (common, (own, (forms, tools))): Body = body::read(request, &app.options).await?;
    let served = app.models.writer(common.model.as_deref()).await?;
    let logprobs = own.logprobs_wanted()?;
    let among = (limits, common.n.unwrap_or(1));
    let attention = own.attention.as_ref().map(|wanted| wanted.plan(&served, among)).transpose()?;
    let shows = Shows {
        logprobs: own.logprobs == Some(true),
        usage: common.includes_usage(),
        progress: common.return_progress == Some(true),
    };
    let conversation = Conversation { form: forms.form()?, tools: tools.read()?, ..own.read()? };
    let (is_stream, sampling) = (common.is_stream(), common.sampling()?);
    let generation = conversation.ask(&served, sampling, "messages")?;
    let mut generation = common.apply(generation, limits, logprobs)?;
    generation.request.client = client;
    generation.attention = attention;
    if generation.request.n_tokens_max == Some(0) {
        return Err(ApiError::field("max_tokens", "expected at least 1, found 0"));
    }
    let n = generation.n;
    let answers = generation.start(&served, limits, Delivery::of_stream(is_stream)).await?;
    let head = Head::new("chatcmpl-", &served);
    if !is_stream {
        return whole(&served, answers, (n, shows.logprobs), &head).await;
    }
    Ok(sse::response(Kind::Events, limits.keep_alive, move |sink| async move {
        let stream = Stream { served, head, shows, started: Instant::now() };
        stream.write(answers, n, &sink).await
    }))
}

impl Chat {
    fn logprobs_wanted(&self) -> Result<LogprobsWanted, ApiError> {
        let n_top = self.top_logprobs.unwrap_or(0);
        if n_top > 0 && self.logprobs != Some(true) {
            return Err(ApiError::field("top_logprobs", "logprobs is not true beside it"));
        }
        Ok(LogprobsWanted { n_top, of_prompt: None })
    }

    pub(super) fn read(self) -> Result<Conversation, ApiError> {
        let is_plain = |modality: &String| modality == "text";
        if self.modalities.as_ref().is_some_and(|all| !all.iter().all(is_plain)) {
            return Err(ApiError::field("modalities", "expected text alone"));
        }
        let continues = self.continues()?;
        let messages = self.messages.ok_or_else(|| ApiError::missing("messages"))?;
        let (n_tokens_max, n_tokens_min) = (self.reasoning_budget, self.reasoning_min);
        let field = match (n_tokens_max, n_tokens_min) {
            (Some(_), _) => Some("reasoning_budget"),
            (None, Some(_)) => Some("reasoning_min"),
            _ => None,
        };
        let effort = self.reasoning_effort;
        let reasoning = Reasoning { effort, n_tokens_max, n_tokens_min, field, is_on: None };
        let extra = self.chat_template_kwargs.unwrap_or_default();
        Ok(Conversation { messages, reasoning, continues, extra, ..Conversation::default() })
    }

    /// # Errors
    /// Flags that contradict each other, and a last message that is not the assistant's.
    fn continues(&self) -> Result<Continues, ApiError> {
        match (self.continue_final_message == Some(true), self.add_generation_prompt) {
            (true, Some(true)) => {
                let message = "expected false beside continue_final_message, found true";
                Err(ApiError::field("add_generation_prompt", message))
            }
            (false, Some(false)) => {
                let message = "expected true, or continue_final_message beside it, found false";
                Err(ApiError::field("add_generation_prompt", message))
            }
            (false, _) => Ok(Continues::Anew),
            (true, _) => {
                let last = self.messages.as_ref().and_then(|messages| messages.last());
                match last.and_then(|message| message["role"].as_str()) {
                    Some("assistant") => Ok(Continues::LastAnswer),
                    other => {
                        let found = other.unwrap_or("none");
                        let message =
                            format!("expected a last message of the assistant, found {found}");
                        Err(ApiError::field("continue_final_message", message))
                    }
                }
            }
        }
    }
}

/// What is shown beside the answers.
#[derive(Clone, Copy)]
struct Shows {
    logprobs: bool,
    usage: bool,
    progress: bool,
}

/// One answer, as far as it has come.
#[derive(Default)]
struct Answer {
    written: Written,
    places: Vec<Place>,
    rows: Vec<Row>,
    finish_reason: Option<&'static str>,
}

/// Calls are a reason of their own, but for an answer that was cut.
fn chat_finish_reason(reason: FinishReason, has_calls: bool) -> &'static str {
    match finish_reason(reason) {
        "stop" if has_calls => "tool_calls",
        reason => reason,
    }
}

async fn whole(
    served: &Served,
    mut answers: Answers,
    (n, shows_logprobs): (usize, bool),
    head: &Head,
) -> Result<Response, ApiError> {
    let mut choices: Vec<Answer> = (0..n).map(|_| Answer::default()).collect();
    let mut totals = Totals::default();
    while let Some(Delta { choice: idx, what }) = answers.next().await? {
        let choice = &mut choices[idx];
        match what {
            What::Progress { .. } | What::Prompt(_) => {}
            What::Token { id, logprob, top, parts, rows } => {
                choice.written.add(parts);
                choice.rows.extend(rows);
                choice.places.push(Place { id, logprob: Some(logprob), top });
            }
            What::End { parts, reason, usage, n_reasoning } => {
                choice.written.add(parts);
                let has_calls = !choice.written.calls.is_empty();
                choice.finish_reason = Some(chat_finish_reason(reason, has_calls));
                totals.add(idx, usage, n_reasoning);
            }
        }
    }
    let choice = |(index, answer): (usize, Answer)| {
        let Answer { written, places, rows, finish_reason } = answer;
        let logprobs = shows_logprobs.then(|| of_chat(&served.tokenizer, &places));
        let mut json = json!({
            "index": index,
            "message": message_json(&written),
            "logprobs": logprobs,
            "finish_reason": finish_reason,
        });
        attention::show(&mut json, &rows);
        json
    };
    let choices: Vec<Value> = choices.into_iter().enumerate().map(choice).collect();
    let mut json = with(head.json("chat.completion", choices.into()), "usage", totals.usage());
    totals.extend(&mut json);
    Ok(Json(json).into_response())
}

fn message_json(Written { reasoning, text, calls }: &Written) -> Value {
    let content = if text.is_empty() && !calls.is_empty() { Value::Null } else { json!(text) };
    let mut message = json!({"role": "assistant", "content": content, "refusal": null});
    if !reasoning.is_empty() {
        message["reasoning_content"] = reasoning.as_str().into();
    }
    if !calls.is_empty() {
        message["tool_calls"] = calls.iter().map(call_json).collect();
    }
    message
}

/// What the chunks of a stream have in common.
struct Stream {
    served: Arc<Served>,
    head: Head,
    shows: Shows,
    started: Instant,
}

impl Stream {
    async fn write(&self, mut answers: Answers, n: usize, sink: &Sink) -> Result<(), Closed> {
        for index in 0..n {
            let role = json!({"role": "assistant", "content": ""});
            self.chunk(sink, index, role, None, None).await?;
        }
        let (mut totals, mut n_calls) = (Totals::default(), vec![0; n]);
        loop {
            let Delta { choice: index, what } = match sink.wait(answers.next()).await? {
                Ok(Some(delta)) => delta,
                Ok(None) => break,
                Err(error) => return sink.data(&error_json(&error)).await,
            };
            match what {
                What::Prompt(_) => {}
                What::Progress { n_computed, n_prompt } => {
                    self.progress(sink, (n_computed, n_prompt)).await?;
                }
                What::Token { id, logprob, top, parts, rows } => {
                    let place = Some(Place { id, logprob: Some(logprob), top });
                    self.parts(sink, index, &mut n_calls, parts, place).await?;
                    self.rows(sink, (index, id), rows).await?;
                }
                What::End { parts, reason, usage, n_reasoning } => {
                    totals.add(index, usage, n_reasoning);
                    self.parts(sink, index, &mut n_calls, parts, None).await?;
                    let reason = chat_finish_reason(reason, n_calls[index] > 0);
                    self.chunk(sink, index, json!({}), None, Some(reason)).await?;
                }
            }
        }
        if self.shows.usage {
            let mut json = with(self.head.json(CHUNK, json!([])), "usage", totals.usage());
            totals.extend(&mut json);
            sink.data(&json).await?;
        }
        sink.text("[DONE]").await
    }

    /// A chunk for each part; a token that completes none has one where its probability shows.
    async fn parts(
        &self,
        sink: &Sink,
        index: usize,
        n_calls: &mut [usize],
        parts: Vec<Part>,
        place: Option<Place>,
    ) -> Result<(), Closed> {
        let mut place = place.filter(|_| self.shows.logprobs);
        if parts.is_empty() && place.is_some() {
            self.chunk(sink, index, json!({"content": ""}), place.take(), None).await?;
        }
        for part in parts {
            let delta = match part {
                Part::Text(text) => json!({"content": text}),
                Part::Reasoning(text) => json!({"reasoning_content": text}),
                Part::Call(call) => {
                    let json = with(call_json(&call), "index", n_calls[index].into());
                    n_calls[index] += 1;
                    json!({"tool_calls": [json]})
                }
            };
            self.chunk(sink, index, delta, place.take(), None).await?;
        }
        Ok(())
    }

    /// The rows that wrote a token, in a chunk of their own.
    async fn rows(
        &self,
        sink: &Sink,
        (index, token_id): (usize, u32),
        rows: Vec<Row>,
    ) -> Result<(), Closed> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut choice = json!({"index": index, "delta": {}});
        attention::show_token(&mut choice, token_id, &rows);
        sink.data(&self.head.json(CHUNK, json!([choice]))).await
    }

    /// How far the prompt is read, in llama.cpp's form.
    async fn progress(&self, sink: &Sink, (n, n_prompt): (usize, usize)) -> Result<(), Closed> {
        if !self.shows.progress {
            return Ok(());
        }
        let time_ms = self.started.elapsed().as_millis() as u64;
        let progress = json!({"total": n_prompt, "processed": n, "time_ms": time_ms});
        let json = with(self.head.json(CHUNK, json!([])), "prompt_progress", progress);
        sink.data(&json).await
    }

    async fn chunk(
        &self,
        sink: &Sink,
        index: usize,
        delta: Value,
        place: Option<Place>,
        finish_reason: Option<&str>,
    ) -> Result<(), Closed> {
        let logprobs = place.map(|place| of_chat(&self.served.tokenizer, &[place]));
        let choice = json!({
            "index": index,
            "delta": delta,
            "logprobs": logprobs,
            "finish_reason": finish_reason,
        });
        let mut json = self.head.json(CHUNK, json!([choice]));
        if self.shows.usage {
            json["usage"] = Value::Null;
        }
        sink.data(&json).await
    }
}
