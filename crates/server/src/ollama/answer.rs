//! `POST /api/chat` and `/api/generate`.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use engine::{FinishReason, SpecialText, Usage};
use serde_json::{Value, json};
use tokenizer::template::timestamp;
use tokenizer::turn::{Part, ToolCall};

use super::request::Common;
use super::{ChatBody, GenerateBody, shaped};

use crate::access::client_of;
use crate::app::App;
use crate::body;
use crate::error::ApiError;
use crate::generation::{Answers, Delta, Ended, Generation, What, Written};
use crate::served::Served;
use crate::sse::{self, Closed, Kind, Sink};
use crate::worker::Delivery;

pub(crate) async fn chat(State(app): State<Arc<App>>, request: Request) -> Response {
    answer_chat(&app, request).await.unwrap_or_else(shaped)
}

pub(crate) async fn generate(State(app): State<Arc<App>>, request: Request) -> Response {
    answer_text(&app, request).await.unwrap_or_else(shaped)
}

async fn answer_chat(app: &App, request: Request) -> Result<Response, ApiError> {
    let client = client_of(request.headers());
    let (common, own): ChatBody = body::read(request, &app.options).await?;
    let served = app.models.writer(common.model.as_deref()).await?;
    if own.messages.as_ref().is_none_or(Vec::is_empty) {
        // How programs have a model loaded, which it is now.
        let reply = Reply::new(&served, Form::Message);
        return Ok(Json(reply.json(&Written::default(), Some("load"))).into_response());
    }
    let mut generation = own.read(&common)?.ask(&served, common.sampling(), "messages")?;
    generation.request.client = client;
    answer(app, (&served, common), generation, Form::Message).await
}

async fn answer_text(app: &App, request: Request) -> Result<Response, ApiError> {
    let client = client_of(request.headers());
    let (common, own): GenerateBody = body::read(request, &app.options).await?;
    let served = app.models.writer(common.model.as_deref()).await?;
    let prompt = own.prompt.as_deref().unwrap_or_default();
    if prompt.is_empty() {
        let reply = Reply::new(&served, Form::Text);
        return Ok(Json(reply.json(&Written::default(), Some("load"))).into_response());
    }
    let mut generation = match own.read(&common)? {
        Some(conversation) => conversation.ask(&served, common.sampling(), "prompt")?,
        None => as_it_is(&served, &common, prompt)?,
    };
    generation.request.client = client;
    answer(app, (&served, common), generation, Form::Text).await
}

fn as_it_is(served: &Served, common: &Common, prompt: &str) -> Result<Generation, ApiError> {
    let encode = || served.tokenizer.encode_prompt(prompt, SpecialText::Parse);
    let ids = tokio::task::block_in_place(encode);
    let form = common.form()?;
    let constraint = form.map(|form| served.compile(&form.grammar, form.field)).transpose()?;
    let request = engine::Request {
        kv_policy: served.kv_policy,
        constraint,
        ..engine::Request::new(ids, common.sampling())
    };
    Ok(Generation { request, n: 1, prompt_field: "prompt", turn: None, attention: None })
}

async fn answer(
    app: &App,
    (served, common): (&Arc<Served>, Common),
    generation: Generation,
    form: Form,
) -> Result<Response, ApiError> {
    let limits = &app.options.limits;
    let is_stream = common.is_stream();
    let generation = common.apply(generation, limits, app.options.is_lenient)?;
    let answers = generation.start(served, limits, Delivery::of_stream(is_stream)).await?;
    let reply = Reply::new(served, form);
    if is_stream {
        return Ok(sse::response(Kind::Lines, limits.keep_alive, move |sink| async move {
            reply.stream(answers, &sink).await
        }));
    }
    Ok(Json(reply.whole(answers).await?).into_response())
}

/// Where the answer stands in a line.
#[derive(Clone, Copy)]
enum Form {
    Message,
    Text,
}

/// What the lines of an answer have in common.
struct Reply {
    model: String,
    form: Form,
    started: Instant,
}

impl Reply {
    fn new(served: &Served, form: Form) -> Self {
        Self { model: served.name.clone(), form, started: Instant::now() }
    }

    fn json(&self, Written { reasoning, text, calls }: &Written, end: Option<&str>) -> Value {
        let mut json = json!({"model": self.model, "created_at": timestamp(SystemTime::now())});
        match self.form {
            Form::Text => {
                json["response"] = text.as_str().into();
                if !reasoning.is_empty() {
                    json["thinking"] = reasoning.as_str().into();
                }
            }
            Form::Message => {
                let mut message = json!({"role": "assistant", "content": text});
                if !reasoning.is_empty() {
                    message["thinking"] = reasoning.as_str().into();
                }
                if !calls.is_empty() {
                    message["tool_calls"] = calls.iter().map(call_json).collect();
                }
                json["message"] = message;
            }
        }
        json["done"] = end.is_some().into();
        if let Some(end) = end {
            json["done_reason"] = end.into();
        }
        json
    }

    fn end(&self, written: &Written, reason: FinishReason, usage: &Usage) -> Value {
        let reason = if reason == FinishReason::Stop { "stop" } else { "length" };
        let mut json = self.json(written, Some(reason));
        let nanoseconds = |duration: std::time::Duration| json!(duration.as_nanos() as u64);
        json["total_duration"] = nanoseconds(self.started.elapsed());
        json["load_duration"] = 0.into();
        json["prompt_eval_count"] = usage.n_prompt.into();
        json["prompt_eval_duration"] = nanoseconds(usage.prefill);
        json["eval_count"] = usage.n_generated.into();
        json["eval_duration"] = nanoseconds(usage.decode);
        json
    }

    async fn whole(&self, answers: Answers) -> Result<Value, ApiError> {
        let Ended { written, reason, usage, .. } = answers.ended().await?;
        Ok(self.end(&written, reason, &usage))
    }

    async fn stream(&self, mut answers: Answers, sink: &Sink) -> Result<(), Closed> {
        loop {
            let what = match sink.wait(answers.next()).await? {
                Ok(Some(Delta { what, .. })) => what,
                Ok(None) => return Ok(()),
                Err(error) => return sink.line(&json!({"error": error.message})).await,
            };
            match what {
                What::Progress { .. } | What::Prompt(_) => {}
                What::Token { parts, .. } => self.parts(parts, sink).await?,
                What::End { parts, reason, usage, .. } => {
                    self.parts(parts, sink).await?;
                    return sink.line(&self.end(&Written::default(), reason, &usage)).await;
                }
            }
        }
    }

    async fn parts(&self, parts: Vec<Part>, sink: &Sink) -> Result<(), Closed> {
        for part in parts {
            let mut written = Written::default();
            written.add(vec![part]);
            sink.line(&self.json(&written, None)).await?;
        }
        Ok(())
    }
}

fn call_json(ToolCall { name, arguments }: &ToolCall) -> Value {
    let arguments: Value = serde_json::from_str(arguments).unwrap_or_else(|_| json!({}));
    json!({"function": {"name": name, "arguments": arguments}})
}
