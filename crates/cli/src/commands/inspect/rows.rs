//! `lookback inspect rows`: attention weights, row by row.

use anyhow::{Result, bail};
use engine::SpecialText;
use inspect::capture::{RowPlan, Selection};
use inspect::record::Row;
use serde::Serialize;

use super::session::Session;
use crate::inspect_args::{Numbers, RowsArgs};
use crate::{open, output};

#[derive(Serialize)]
struct RowsJson<'a> {
    model: &'a str,
    ids: &'a [u32],
    rows: &'a [Row],
}

pub(super) fn rows(args: &RowsArgs) -> Result<()> {
    let text = open::read_text(args.text.text.as_deref(), args.text.file.as_deref(), "text")?;
    let session = Session::open(&args.session)?;
    let tokenizer = &session.loaded.tokenizer;
    let ids = tokenizer.encode_prompt(&text, SpecialText::AsText);
    let n = ids.len() as u32;
    let wanted = args.rows.clone().unwrap_or(n.saturating_sub(1)..n);
    if wanted.end > n {
        bail!("--rows: token {}, the text has tokens 0 to {}", wanted.end - 1, n - 1);
    }
    let selection = selection(&session, args.layers.as_ref(), args.heads.as_ref())?;
    let plan = RowPlan { selection, rows: wanted, n_top: args.top };
    let mut engine = session.engine(ids.len(), 0)?;
    let rows = session.inspect(&mut engine, |inspector| Ok(inspector.rows(&ids, plan)?))?;
    if session.is_json() {
        return output::json(&RowsJson { model: session.name(), ids: &ids, rows: &rows });
    }
    for row in &rows {
        let piece = |pos: u32| tokenizer.piece(ids[pos as usize]);
        output::line(format_args!(
            "token {} {:?}  layer {}  head {}  entropy {:.2} nats",
            row.query_pos,
            piece(row.query_pos),
            row.layer_idx,
            row.head_idx,
            row.entropy
        ))?;
        for &(pos, weight) in &row.keys {
            output::line(format_args!("  {:6.2}%  {pos:>6}  {:?}", 100.0 * weight, piece(pos)))?;
        }
        output::line(format_args!("  {:6.2}%  others", 100.0 * row.tail))?;
    }
    Ok(())
}

pub(super) fn selection(
    session: &Session<'_>,
    layers: Option<&Numbers>,
    heads: Option<&Numbers>,
) -> Result<Selection> {
    let config = &session.loaded.model.config;
    let numbers = |chosen: Option<&Numbers>| chosen.map(|numbers| numbers.0.clone());
    let (layers, heads) = (numbers(layers), numbers(heads));
    Ok(Selection::new(config, layers.as_deref(), heads.as_deref())?)
}
