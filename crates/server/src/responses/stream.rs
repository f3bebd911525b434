//! Answers as events: items that begin, grow and end, each event with its number.

use serde_json::{Value, json};
use tokenizer::turn::{Part, ToolCall};

use super::output::{Head, call_item, message_item, new_id, reasoning_item, text_part};
use crate::attention;
use crate::generation::{Answers, Delta, What};
use crate::openai::call_id;
use crate::sse::{Closed, Sink};

struct Items<'a> {
    sink: &'a Sink,
    n_events: usize,
    /// Those that have ended.
    output: Vec<Value>,
    open: Option<Open>,
}

/// The item that grows.
struct Open {
    kind: Grows,
    id: String,
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Grows {
    Reasoning,
    Text,
}

/// The answer; `None` where it failed.
pub(super) async fn write(
    head: &Head,
    mut answers: Answers,
    sink: &Sink,
) -> Result<Option<Value>, Closed> {
    let mut items = Items { sink, n_events: 0, output: Vec::new(), open: None };
    for name in ["response.created", "response.in_progress"] {
        items.event(name, json!({"response": head.begun()})).await?;
    }
    let mut seen = Vec::new();
    loop {
        let what = match sink.wait(answers.next()).await? {
            Ok(Some(Delta { what, .. })) => what,
            Ok(None) => return Ok(None),
            Err(error) => {
                items.event("response.failed", json!({"response": head.failed(&error)})).await?;
                return Ok(None);
            }
        };
        match what {
            What::Progress { .. } | What::Prompt(_) => {}
            What::Token { parts, rows, .. } => {
                items.write(parts).await?;
                seen.extend(rows);
            }
            What::End { parts, reason, usage, n_reasoning } => {
                items.write(parts).await?;
                if items.output.is_empty() && items.open.is_none() {
                    items.grow(Grows::Text, String::new()).await?;
                }
                items.close().await?;
                let output = std::mem::take(&mut items.output);
                let mut response = head.ended(output, reason, (&usage, n_reasoning));
                // A field more is none to clients; an event more may be too much.
                attention::show(&mut response, &seen);
                let name = match response["status"] == "completed" {
                    true => "response.completed",
                    false => "response.incomplete",
                };
                items.event(name, json!({"response": response})).await?;
                return Ok(Some(response));
            }
        }
    }
}

impl Items<'_> {
    async fn event(&mut self, name: &str, mut json: Value) -> Result<(), Closed> {
        json["type"] = name.into();
        json["sequence_number"] = self.n_events.into();
        self.n_events += 1;
        self.sink.event(name, &json).await
    }

    async fn write(&mut self, parts: Vec<Part>) -> Result<(), Closed> {
        for part in parts {
            match part {
                Part::Reasoning(text) => self.grow(Grows::Reasoning, text).await?,
                Part::Text(text) => self.grow(Grows::Text, text).await?,
                Part::Call(call) => self.call(call).await?,
            }
        }
        Ok(())
    }

    async fn call(&mut self, call: ToolCall) -> Result<(), Closed> {
        self.close().await?;
        let id = new_id("fc");
        let item = call_item(&id, &call_id(), &call);
        let mut begun = item.clone();
        (begun["status"], begun["arguments"]) = ("in_progress".into(), "".into());
        let index = self.output.len();
        let added = json!({"output_index": index, "item": begun});
        self.event("response.output_item.added", added).await?;
        let place = json!({"output_index": index, "item_id": id});
        let mut delta = place.clone();
        delta["delta"] = call.arguments.as_str().into();
        self.event("response.function_call_arguments.delta", delta).await?;
        let mut done = place;
        (done["arguments"], done["name"]) = (call.arguments.into(), call.name.into());
        self.event("response.function_call_arguments.done", done).await?;
        let ended = json!({"output_index": index, "item": item});
        self.event("response.output_item.done", ended).await?;
        self.output.push(item);
        Ok(())
    }

    async fn grow(&mut self, kind: Grows, text: String) -> Result<(), Closed> {
        if self.open.as_ref().is_none_or(|open| open.kind != kind) {
            self.close().await?;
            self.begin(kind).await?;
        }
        if text.is_empty() {
            return Ok(());
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        open.text.push_str(&text);
        let mut delta = self.place();
        delta["delta"] = text.into();
        let name = match kind {
            Grows::Reasoning => "response.reasoning_text.delta",
            Grows::Text => {
                delta["logprobs"] = json!([]);
                "response.output_text.delta"
            }
        };
        self.event(name, delta).await
    }

    async fn begin(&mut self, kind: Grows) -> Result<(), Closed> {
        let (id, item) = match kind {
            Grows::Reasoning => {
                let id = new_id("rs");
                let item = reasoning_item(&id, "", "in_progress");
                (id, item)
            }
            Grows::Text => {
                let id = new_id("msg");
                let item = message_item(&id, None, "in_progress");
                (id, item)
            }
        };
        let added = json!({"output_index": self.output.len(), "item": item});
        self.open = Some(Open { kind, id, text: String::new() });
        self.event("response.output_item.added", added).await?;
        if kind == Grows::Text {
            let mut part = self.place();
            part["part"] = text_part("");
            self.event("response.content_part.added", part).await?;
        }
        Ok(())
    }

    async fn close(&mut self) -> Result<(), Closed> {
        let mut place = self.place();
        let Some(Open { kind, id, text }) = self.open.take() else { return Ok(()) };
        place["text"] = text.as_str().into();
        let item = match kind {
            Grows::Reasoning => {
                self.event("response.reasoning_text.done", place).await?;
                reasoning_item(&id, &text, "completed")
            }
            Grows::Text => {
                place["logprobs"] = json!([]);
                self.event("response.output_text.done", place.clone()).await?;
                let mut part = place;
                part["part"] = text_part(&text);
                self.event("response.content_part.done", part).await?;
                message_item(&id, Some(&text), "completed")
            }
        };
        let ended = json!({"output_index": self.output.len(), "item": item});
        self.event("response.output_item.done", ended).await?;
        self.output.push(item);
        Ok(())
    }

    /// Where the item that grows stands.
    fn place(&self) -> Value {
        let id = self.open.as_ref().map(|open| &*open.id);
        json!({"output_index": self.output.len(), "content_index": 0, "item_id": id})
    }
}
