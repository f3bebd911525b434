//! `POST /v1/chat/completions`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use engine::LogprobsWanted;
use serde_json::{Map, Value, json};

use super::logprobs::{Place, of_chat};
use super::request::Common;
use super::usage::Totals;
use super::{Head, error_json, finish_reason, shaped, with};
use crate::access::client_of;
use crate::app::{App, Served};
use crate::body::{self, fields};
use crate::chat::{self, Continues};
use crate::error::ApiError;
use crate::generation::{Answers, Delta, What};
use crate::sse::{self, Closed, Sink};

fields! {
    Chat {
        messages: Vec<Value>,
        logprobs: bool,
        top_logprobs: usize,
        reasoning_effort: String,
        chat_template_kwargs: Map<String, Value>,
        modalities: Vec<String>,
    }
    without_effect: ["verbosity"]
}

const CHUNK: &str = "chat.completion.chunk";

pub(crate) async fn chat_completions(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(app, request).await.unwrap_or_else(shaped)
}

async fn answer(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    let options = &app.options;
    let client = client_of(request.headers());
    let body = body::read(request.into_body(), &options.limits, options.is_lenient);
    let (common, own): (Common, Chat) = body.await?;
    let served = app.model(common.model.as_deref())?;
    common.check_supported()?;
    let logprobs = own.logprobs_wanted()?;
    let is_plain = |modality: &String| modality == "text";
    if own.modalities.as_ref().is_some_and(|all| !all.iter().all(is_plain)) {
        return Err(ApiError::field("modalities", "expected text alone"));
    }
    let (is_stream, has_usage) = (common.stream == Some(true), common.includes_usage());
    let shows_logprobs = own.logprobs == Some(true);
    let prompt = own.prompt(served)?;
    let mut generation = common.generation((&app, served), (prompt, "messages"), logprobs)?;
    generation.request.client = client;
    if generation.request.n_tokens_max == Some(0) {
        return Err(ApiError::field("max_tokens", "expected at least 1, found 0"));
    }
    let n = generation.n;
    let answers = generation.start(&served.engine).await?;
    let head = Head::new("chatcmpl-", served);
    if !is_stream {
        return whole(served, answers, (n, shows_logprobs), &head).await;
    }
    let (keep_alive, name) = (options.limits.keep_alive, served.name.clone());
    let app = Arc::clone(&app);
    Ok(sse::response(keep_alive, move |sink| async move {
        let served = app.model(Some(&name)).expect("it was served a moment ago");
        let stream = Stream { served, head, shows_logprobs, has_usage };
        stream.write(answers, n, &sink).await
    }))
}

impl Chat {
    fn logprobs_wanted(&self) -> Result<LogprobsWanted, ApiError> {
        let n_top = self.top_logprobs.unwrap_or(0);
        if n_top > 0 && self.logprobs != Some(true) {
            return Err(ApiError::field("top_logprobs", "logprobs is not true beside it"));
        }
        Ok(LogprobsWanted { n_top, of_prompt: false })
    }

    fn prompt(self, served: &Served) -> Result<Vec<u32>, ApiError> {
        let messages = self.messages.ok_or_else(|| ApiError::field("messages", "it is missing"))?;
        let mut extra = self.chat_template_kwargs.unwrap_or_default();
        if let Some(effort) = self.reasoning_effort {
            extra.entry("reasoning_effort").or_insert(effort.into());
        }
        chat::encode(served, &messages, Continues::Anew, extra)
    }
}

/// One answer, as far as it has come.
#[derive(Default)]
struct Choice {
    text: String,
    places: Vec<Place>,
    finish_reason: Option<&'static str>,
}

async fn whole(
    served: &Served,
    mut answers: Answers,
    (n, shows_logprobs): (usize, bool),
    head: &Head,
) -> Result<Response, ApiError> {
    let mut choices: Vec<Choice> = (0..n).map(|_| Choice::default()).collect();
    let mut totals = Totals::default();
    while let Some(Delta { choice: idx, what }) = answers.next().await? {
        let choice = &mut choices[idx];
        match what {
            What::Prompt(_) => {}
            What::Token { id, logprob, top, text } => {
                choice.text.push_str(&text);
                choice.places.push(Place { id, logprob: Some(logprob), top });
            }
            What::End { text, reason, usage } => {
                choice.text.push_str(&text);
                choice.finish_reason = Some(finish_reason(reason));
                totals.add(idx, usage);
            }
        }
    }
    let choice = |(index, Choice { text, places, finish_reason }): (usize, Choice)| {
        let logprobs = shows_logprobs.then(|| of_chat(&served.tokenizer, &places));
        json!({
            "index": index,
            "message": {"role": "assistant", "content": text, "refusal": null},
            "logprobs": logprobs,
            "finish_reason": finish_reason,
        })
    };
    let choices: Vec<Value> = choices.into_iter().enumerate().map(choice).collect();
    let mut json = with(head.json("chat.completion", choices.into()), "usage", totals.usage());
    totals.extend(&mut json);
    Ok(Json(json).into_response())
}

/// What the chunks of a stream have in common.
struct Stream<'a> {
    served: &'a Served,
    head: Head,
    shows_logprobs: bool,
    has_usage: bool,
}

impl Stream<'_> {
    async fn write(&self, mut answers: Answers, n: usize, sink: &Sink) -> Result<(), Closed> {
        for index in 0..n {
            let role = json!({"role": "assistant", "content": ""});
            self.chunk(sink, index, role, None, None).await?;
        }
        let mut totals = Totals::default();
        loop {
            let Delta { choice: index, what } = match sink.wait(answers.next()).await? {
                Ok(Some(delta)) => delta,
                Ok(None) => break,
                Err(error) => return sink.data(&error_json(&error)).await,
            };
            match what {
                What::Prompt(_) => {}
                What::Token { id, logprob, top, text } => {
                    if text.is_empty() && !self.shows_logprobs {
                        continue;
                    }
                    let place = Place { id, logprob: Some(logprob), top };
                    self.chunk(sink, index, json!({"content": text}), Some(place), None).await?;
                }
                What::End { text, reason, usage } => {
                    totals.add(index, usage);
                    if !text.is_empty() {
                        self.chunk(sink, index, json!({"content": text}), None, None).await?;
                    }
                    self.chunk(sink, index, json!({}), None, Some(finish_reason(reason))).await?;
                }
            }
        }
        if self.has_usage {
            let mut json = with(self.head.json(CHUNK, json!([])), "usage", totals.usage());
            totals.extend(&mut json);
            sink.data(&json).await?;
        }
        sink.text("[DONE]").await
    }

    async fn chunk(
        &self,
        sink: &Sink,
        index: usize,
        delta: Value,
        place: Option<Place>,
        finish_reason: Option<&str>,
    ) -> Result<(), Closed> {
        let places = place.filter(|_| self.shows_logprobs);
        let logprobs = places.map(|place| of_chat(&self.served.tokenizer, &[place]));
        let choice = json!({
            "index": index,
            "delta": delta,
            "logprobs": logprobs,
            "finish_reason": finish_reason,
        });
        let mut json = self.head.json(CHUNK, json!([choice]));
        if self.has_usage {
            json["usage"] = Value::Null;
        }
        sink.data(&json).await
    }
}
