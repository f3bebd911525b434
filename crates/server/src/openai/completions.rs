//! `POST /v1/completions`: texts that are continued, and scored.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use engine::{LogprobsWanted, SpecialText};
use serde::Deserialize;
use serde_json::{Value, json};

use super::logprobs::{self, Place, of_text};
use super::request::Common;
use super::usage::Totals;
use super::{Head, error_json, finish_reason, shaped, with};
use crate::access::client_of;
use crate::app::{App, Served};
use crate::body::{self, fields};
use crate::error::ApiError;
use crate::generation::{Answers, Delta, Generation, What};
use crate::sse::{self, Closed, Sink};

fields! {
    Text {
        prompt: Prompts,
        echo: bool,
        logprobs: usize,
        suffix: String,
        best_of: usize,
    }
    without_effect: []
}

/// One prompt or several, as texts or as tokens.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Prompts {
    Text(String),
    Ids(Vec<u32>),
    Texts(Vec<String>),
    ManyIds(Vec<Vec<u32>>),
}

const OBJECT: &str = "text_completion";

pub(crate) async fn completions(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(app, request).await.unwrap_or_else(shaped)
}

/// One prompt on its way.
struct Asked {
    prompt: Vec<u32>,
    answers: Answers,
}

/// What is shown of the answers.
#[derive(Clone, Copy)]
struct Shown {
    echo: bool,
    logprobs: bool,
    n: usize,
}

async fn answer(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    let options = &app.options;
    let client = client_of(request.headers());
    let body = body::read(request.into_body(), &options.limits, options.is_lenient);
    let (common, own): (Common, Text) = body.await?;
    let served = app.model(common.model.as_deref())?;
    common.check_supported()?;
    own.check_supported(common.n)?;
    let (is_stream, has_usage) = (common.stream == Some(true), common.includes_usage());
    let echo = own.echo == Some(true);
    let shown = Shown { echo, logprobs: own.logprobs.is_some(), n: common.n.unwrap_or(1) };
    if is_stream && echo {
        return Err(ApiError::field("echo", "a stream has no place for the prompt"));
    }
    let logprobs =
        LogprobsWanted { n_top: own.logprobs.unwrap_or(0), of_prompt: echo && shown.logprobs };
    let prompts = tokio::task::block_in_place(|| own.prompts(served))?;
    let (n_choices, n_max) = (prompts.len() * shown.n, options.limits.n_choices);
    if prompts.is_empty() || n_choices > n_max {
        let message = format!("expected 1 to {n_max} answers, found {n_choices}");
        return Err(ApiError::field("prompt", message));
    }
    // Bounds, seeds and texts are those of all prompts.
    let mut like = common.generation((&app, served), (Vec::new(), "prompt"), logprobs)?;
    like.request.client = client;
    let mut asked = Vec::with_capacity(prompts.len());
    for prompt in prompts {
        let request = engine::Request { prompt: prompt.clone(), ..like.request.clone() };
        let generation = Generation { request, n: like.n, prompt_field: "prompt" };
        asked.push(Asked { prompt, answers: generation.start(&served.engine).await? });
    }
    let head = Head::new("cmpl-", served);
    if !is_stream {
        return whole(served, asked, shown, &head).await;
    }
    let (keep_alive, name) = (options.limits.keep_alive, served.name.clone());
    let app = Arc::clone(&app);
    Ok(sse::response(keep_alive, move |sink| async move {
        let served = app.model(Some(&name)).expect("it was served a moment ago");
        stream(served, asked, (shown, has_usage), head, &sink).await
    }))
}

impl Text {
    fn check_supported(&self, n: Option<usize>) -> Result<(), ApiError> {
        if self.suffix.as_ref().is_some_and(|suffix| !suffix.is_empty()) {
            return Err(ApiError::field("suffix", "what follows an answer is not read here"));
        }
        match self.best_of {
            Some(best_of) if best_of != n.unwrap_or(1) => {
                let message = format!("expected {}, as n, found {best_of}", n.unwrap_or(1));
                Err(ApiError::field("best_of", message))
            }
            _ => Ok(()),
        }
    }

    fn prompts(self, served: &Served) -> Result<Vec<Vec<u32>>, ApiError> {
        let prompts = self.prompt.ok_or_else(|| ApiError::field("prompt", "it is missing"))?;
        let encode = |text: &String| served.tokenizer.encode_prompt(text, SpecialText::Parse);
        Ok(match prompts {
            Prompts::Text(text) => vec![encode(&text)],
            Prompts::Texts(texts) => texts.iter().map(encode).collect(),
            Prompts::Ids(ids) => vec![ids],
            Prompts::ManyIds(all) => all,
        })
    }
}

async fn whole(
    served: &Served,
    asked: Vec<Asked>,
    shown: Shown,
    head: &Head,
) -> Result<Response, ApiError> {
    let (mut choices, mut totals) = (Vec::new(), Totals::default());
    for Asked { prompt, answers } in asked {
        let (texts, of_prompt) = texts_of(served, &prompt, answers, shown).await?;
        totals.join(of_prompt);
        choices.extend(texts);
    }
    for (index, choice) in choices.iter_mut().enumerate() {
        choice["index"] = index.into();
    }
    let mut json = with(head.json(OBJECT, choices.into()), "usage", totals.usage());
    totals.extend(&mut json);
    Ok(Json(json).into_response())
}

/// The answers to one prompt.
async fn texts_of(
    served: &Served,
    prompt: &[u32],
    mut answers: Answers,
    shown: Shown,
) -> Result<(Vec<Value>, Totals), ApiError> {
    let tokenizer = &served.tokenizer;
    let mut choices: Vec<(String, Vec<Place>, &str)> = Vec::new();
    for _ in 0..shown.n {
        let mut start = (String::new(), Vec::new(), "");
        if shown.echo {
            start.0 = logprobs::text(tokenizer, prompt);
            let first = prompt.first().map(|&id| Place { id, logprob: None, top: Vec::new() });
            start.1.extend(first);
        }
        choices.push(start);
    }
    let mut totals = Totals::default();
    while let Some(Delta { choice, what }) = answers.next().await? {
        let (all, places, end) = &mut choices[choice];
        match what {
            What::Prompt(tokens) => places.extend(tokens.into_iter().map(|token| Place {
                id: token.token_id,
                logprob: Some(token.logprob),
                top: token.top,
            })),
            What::Token { id, logprob, top, text } => {
                all.push_str(&text);
                places.push(Place { id, logprob: Some(logprob), top });
            }
            What::End { text, reason, usage } => {
                all.push_str(&text);
                *end = finish_reason(reason);
                totals.add(choice, usage);
            }
        }
    }
    let choice = |(text, places, end): (String, Vec<Place>, &str)| {
        let logprobs = shown.logprobs.then(|| of_text(tokenizer, &places, 0));
        json!({"text": text, "index": 0, "logprobs": logprobs, "finish_reason": end})
    };
    Ok((choices.into_iter().map(choice).collect(), totals))
}

async fn stream(
    served: &Served,
    asked: Vec<Asked>,
    (shown, has_usage): (Shown, bool),
    head: Head,
    sink: &Sink,
) -> Result<(), Closed> {
    let mut totals = Totals::default();
    let chunk = async |index: usize, text: &str, place: Option<Place>, end: Option<&str>| {
        let place = place.filter(|_| shown.logprobs);
        let logprobs = place.map(|place| of_text(&served.tokenizer, &[place], 0));
        let choice =
            json!({"text": text, "index": index, "logprobs": logprobs, "finish_reason": end});
        let mut json = head.json(OBJECT, json!([choice]));
        if has_usage {
            json["usage"] = Value::Null;
        }
        sink.data(&json).await
    };
    for (prompt_idx, Asked { mut answers, .. }) in asked.into_iter().enumerate() {
        let mut of_prompt = Totals::default();
        loop {
            let Delta { choice, what } = match sink.wait(answers.next()).await? {
                Ok(Some(delta)) => delta,
                Ok(None) => break,
                Err(error) => return sink.data(&error_json(&error)).await,
            };
            let index = prompt_idx * shown.n + choice;
            match what {
                What::Prompt(_) => {}
                What::Token { id, logprob, top, text } => {
                    if !text.is_empty() || shown.logprobs {
                        let place = Place { id, logprob: Some(logprob), top };
                        chunk(index, &text, Some(place), None).await?;
                    }
                }
                What::End { text, reason, usage } => {
                    of_prompt.add(choice, usage);
                    chunk(index, &text, None, Some(finish_reason(reason))).await?;
                }
            }
        }
        totals.join(of_prompt);
    }
    if has_usage {
        let mut json = with(head.json(OBJECT, json!([])), "usage", totals.usage());
        totals.extend(&mut json);
        sink.data(&json).await?;
    }
    sink.text("[DONE]").await
}
