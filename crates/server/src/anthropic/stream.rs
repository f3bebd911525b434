//! Answers as events: blocks that begin, grow and end.

use serde_json::{Value, json};
use tokenizer::turn::Part;

use super::error_json;
use super::messages::{Message, call_block, usage_json};
use crate::attention;
use crate::generation::{Answers, Delta, What};
use crate::sse::{Closed, Sink};

/// Where a stream is.
struct Blocks<'a> {
    sink: &'a Sink,
    /// The block that grows.
    open: Option<Grows>,
    n_blocks: usize,
    has_calls: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Grows {
    Thinking,
    Text,
}

impl Message {
    pub(super) async fn stream(&self, mut answers: Answers, sink: &Sink) -> Result<(), Closed> {
        let usage = json!({"input_tokens": self.n_prompt, "output_tokens": 0});
        let message = self.json(json!([]), (Value::Null, Value::Null), &usage);
        let mut blocks = Blocks { sink, open: None, n_blocks: 0, has_calls: false };
        blocks.event("message_start", json!({"message": message})).await?;
        let mut seen = Vec::new();
        loop {
            let what = match sink.wait(answers.next()).await? {
                Ok(Some(Delta { what, .. })) => what,
                Ok(None) => return Ok(()),
                Err(error) => return sink.event("error", &error_json(&error)).await,
            };
            match what {
                What::Progress { .. } | What::Prompt(_) => {}
                What::Token { parts, rows, .. } => {
                    blocks.write(parts).await?;
                    seen.extend(rows);
                }
                What::End { parts, reason, usage, .. } => {
                    blocks.write(parts).await?;
                    if blocks.n_blocks == 0 {
                        blocks.grow(Grows::Text, String::new()).await?;
                    }
                    blocks.close().await?;
                    let (reason, sequence) = self.end(reason, &usage, blocks.has_calls);
                    let delta = json!({"stop_reason": reason, "stop_sequence": sequence});
                    let mut end = json!({"delta": delta, "usage": usage_json(&usage)});
                    // A field more is none to clients; an event more may be too much.
                    attention::show(&mut end, &seen);
                    blocks.event("message_delta", end).await?;
                    return blocks.event("message_stop", json!({})).await;
                }
            }
        }
    }
}

impl Blocks<'_> {
    async fn event(&self, name: &str, mut json: Value) -> Result<(), Closed> {
        json["type"] = name.into();
        self.sink.event(name, &json).await
    }

    async fn write(&mut self, parts: Vec<Part>) -> Result<(), Closed> {
        for part in parts {
            match part {
                Part::Reasoning(text) => self.grow(Grows::Thinking, text).await?,
                Part::Text(text) => self.grow(Grows::Text, text).await?,
                Part::Call(call) => {
                    self.close().await?;
                    self.begin(call_block(&call)).await?;
                    self.delta(json!({
                        "type": "input_json_delta",
                        "partial_json": call.arguments,
                    }))
                    .await?;
                    self.end().await?;
                    self.has_calls = true;
                }
            }
        }
        Ok(())
    }

    async fn grow(&mut self, kind: Grows, text: String) -> Result<(), Closed> {
        if self.open != Some(kind) {
            self.close().await?;
            self.begin(match kind {
                Grows::Thinking => json!({"type": "thinking", "thinking": "", "signature": ""}),
                Grows::Text => json!({"type": "text", "text": ""}),
            })
            .await?;
            self.open = Some(kind);
        }
        if text.is_empty() {
            return Ok(());
        }
        self.delta(match kind {
            Grows::Thinking => json!({"type": "thinking_delta", "thinking": text}),
            Grows::Text => json!({"type": "text_delta", "text": text}),
        })
        .await
    }

    async fn close(&mut self) -> Result<(), Closed> {
        match self.open.take() {
            Some(_) => self.end().await,
            None => Ok(()),
        }
    }

    async fn begin(&mut self, block: Value) -> Result<(), Closed> {
        let json = json!({"index": self.n_blocks, "content_block": block});
        self.event("content_block_start", json).await?;
        self.n_blocks += 1;
        Ok(())
    }

    async fn delta(&self, delta: Value) -> Result<(), Closed> {
        let json = json!({"index": self.n_blocks - 1, "delta": delta});
        self.event("content_block_delta", json).await
    }

    async fn end(&self) -> Result<(), Closed> {
        self.event("content_block_stop", json!({"index": self.n_blocks - 1})).await
    }
}
