//! Rows as JSON, with the keys that they list: schema `lookback.attention/1`.

use std::io::Write;

use serde::{Serialize, Serializer};

use super::{Export, ExportError, Tokens};
use crate::record::Row;

pub(super) const SCHEMA: &str = "lookback.attention/1";

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    model: &'a str,
    n_layers: usize,
    n_heads: usize,
    #[serde(serialize_with = "tokens")]
    tokens: Tokens<'a>,
    #[serde(serialize_with = "rows")]
    rows: &'a [Row],
}

#[derive(Serialize)]
struct JsonToken<'a> {
    id: u32,
    text: &'a str,
}

#[derive(Serialize)]
struct JsonRow {
    layer: usize,
    head: usize,
    query: u32,
    keys: Vec<u32>,
    weights: Vec<f32>,
    tail: f32,
    virtual_sink: f32,
    log_sum_exp: f32,
    entropy: f32,
}

pub(super) fn write(export: &Export<'_>, out: &mut dyn Write) -> Result<(), ExportError> {
    let &Export { model, n_layers, n_heads, tokens, rows } = export;
    let document = Document { schema: SCHEMA, model, n_layers, n_heads, tokens, rows };
    Ok(serde_json::to_writer(out, &document)?)
}

fn tokens<S: Serializer>(tokens: &Tokens<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    let pairs = tokens.ids.iter().zip(tokens.pieces);
    serializer.collect_seq(pairs.map(|(&id, text)| JsonToken { id, text }))
}

/// One row at a time: all of them may be more than memory holds twice.
fn rows<S: Serializer>(rows: &[Row], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(rows.iter().map(|row| JsonRow {
        layer: row.layer_idx,
        head: row.head_idx,
        query: row.query_pos,
        keys: row.keys.iter().map(|key| key.0).collect(),
        weights: row.keys.iter().map(|key| key.1).collect(),
        tail: row.tail,
        virtual_sink: row.virtual_sink,
        log_sum_exp: row.log_sum_exp,
        entropy: row.entropy,
    }))
}
