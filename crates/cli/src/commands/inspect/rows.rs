//! `lookback inspect rows`: attention weights, row by row.

use anyhow::{Context, Result, bail};
use engine::SpecialText;
use inspect::capture::{RowPlan, Selection};
use inspect::export::{Export, Tokens};
use inspect::record::Row;
use serde::Serialize;

use super::files::{self, Pictures};
use super::rows_files;
use super::session::Session;
use crate::inspect_args::{ChosenArgs, RowsArgs};
use crate::{open, output};

#[derive(Serialize)]
struct RowsJson<'a> {
    model: &'a str,
    ids: &'a [u32],
    rows: &'a [Row],
}

pub(super) fn rows(args: &RowsArgs) -> Result<()> {
    let text = open::read_text(args.text.text.as_deref(), args.text.file.as_deref(), "text")?;
    let pictures = Pictures::at(&args.pictures)?;
    let export = files::export_file(args.o.as_deref())?;
    rows_files::check(args, export.as_ref())?;
    let session = Session::open(&args.session)?;
    let tokenizer = &session.loaded.tokenizer;
    let ids = tokenizer.encode_prompt(&text, SpecialText::AsText);
    let n = ids.len() as u32;
    let wanted = args.rows.clone().unwrap_or(n.saturating_sub(1)..n);
    if wanted.end > n {
        bail!("--rows: token {}, the text has tokens 0 to {}", wanted.end - 1, n - 1);
    }
    let selection = selection(&session, &args.chosen)?;
    if args.pictures.is_wanted() {
        rows_files::check_one_head(&selection)?;
    }
    let n_top = if args.pictures.is_wanted() { usize::MAX } else { args.top };
    let plan = RowPlan { selection, rows: wanted, n_top };
    let mut engine = session.engine(ids.len(), 0)?;
    let mut rows = session.inspect(&mut engine, |inspector| Ok(inspector.rows(&ids, plan)?))?;
    let pieces: Vec<String> = ids.iter().map(|&id| tokenizer.piece(id).into_owned()).collect();
    let tokens = Tokens { ids: &ids, pieces: &pieces };
    pictures.write(|| rows_files::heat_map(session.name(), tokens, &rows))?;
    rows.iter_mut().for_each(|row| rows_files::thin(row, args.top));
    if let Some((path, format)) = export {
        let config = &session.loaded.model.config;
        let (n_layers, n_heads) = (config.n_layers, config.n_heads);
        let export = Export { model: session.name(), n_layers, n_heads, tokens, rows: &rows };
        return export.write_file(&path, format, session.n_bytes_max() as u64).context("-o");
    }
    if session.is_json() {
        return output::json(&RowsJson { model: session.name(), ids: &ids, rows: &rows });
    }
    for row in &rows {
        let piece = |pos: u32| &pieces[pos as usize];
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

pub(super) fn selection(session: &Session<'_>, chosen: &ChosenArgs) -> Result<Selection> {
    let config = &session.loaded.model.config;
    let [layers, heads] = [&chosen.layers, &chosen.heads]
        .map(|numbers| numbers.as_ref().map(|numbers| &numbers.0[..]));
    Ok(Selection::new(config, layers, heads)?)
}
