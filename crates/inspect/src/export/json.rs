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
    rows: &'a [Row],
}

#[derive(Serialize)]
struct JsonToken<'a> {
    id: u32,
    text: &'a str,
}

pub(super) fn write(export: &Export<'_>, out: &mut dyn Write) -> Result<(), ExportError> {
    Ok(serde_json::to_writer(out, export)?)
}

/// As in a file.
impl Serialize for Export<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let &Self { model, n_layers, n_heads, tokens, rows } = self;
        let document = Document { schema: SCHEMA, model, n_layers, n_heads, tokens, rows };
        document.serialize(serializer)
    }
}

fn tokens<S: Serializer>(tokens: &Tokens<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    let pairs = tokens.ids.iter().zip(tokens.pieces);
    serializer.collect_seq(pairs.map(|(&id, text)| JsonToken { id, text }))
}
