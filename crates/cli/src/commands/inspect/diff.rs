//! `lookback inspect diff`: two models that read the same text.

use anyhow::{Context as _, Result};
use engine::SpecialText;
use inspect::plot::{HeatMap, Scale};
use inspect::questions::{Diff, Shape, TextRead, diff as compare};
use serde::Serialize;

use super::files::Pictures;
use super::session::Session;
use crate::inspect_args::DiffArgs;
use crate::{open, output};

#[derive(Serialize)]
struct DiffJson<'a> {
    model: &'a str,
    against: &'a str,
    #[serde(flatten)]
    found: &'a Diff,
}

pub(super) fn diff(args: &DiffArgs) -> Result<()> {
    let pictures = Pictures::at(&args.pictures)?;
    let text = open::read_text(args.text.text.as_deref(), args.text.file.as_deref(), "text")?;
    let (shape, read) = first(args, &text)?;
    let session = Session::open_other(&args.session, &args.against)?;
    let (model, against) = (open::short_name(&args.session.model.model), session.name());
    let other = Shape::of(&session.loaded.model, &session.loaded.tokenizer);
    shape.check(&other).with_context(|| format!("{model} and {against} cannot be compared"))?;
    let mut engine = session.engine(read.n_tokens(), 0)?;
    let found =
        session.inspect(&mut engine, |inspector| Ok(compare(inspector, read, args.threshold)?))?;
    pictures.write(|| Ok(map(model, against, &found).draw()?))?;
    if session.is_json() {
        return output::json(&DiffJson { model, against, found: &found });
    }
    output::line(format_args!("{model} and {against}, {} rows of each head\n", found.n_rows))?;
    output::line("layer  distance   largest  (total variation of rows, mean over heads and rows)")?;
    for layer in &found.layers {
        let mark = if found.first_layer == Some(layer.layer) { "  <- first above" } else { "" };
        output::line(format_args!(
            "{:>5}  {:>8.4}  {:>8.4}{mark}",
            layer.layer, layer.mean, layer.max
        ))?;
    }
    output::line(format_args!("\nheads that differ most (median of all: {:.4})", found.median))?;
    for head in &found.farthest {
        output::line(format_args!(
            "  {:>3}.{:<3}  {:.4}  largest {:.4}",
            head.layer, head.head, head.mean, head.max
        ))?;
    }
    output::line(format_args!(
        "\nwhat comes next: divergence of at least {:.4} nats a token, {:.4} at most",
        found.kl_mean, found.kl_max
    ))?;
    output::note(format_args!("note: {}", found.caveat));
    Ok(())
}

/// What the first model makes of the text; it is let go of before the second is opened.
fn first(args: &DiffArgs, text: &str) -> Result<(Shape, TextRead)> {
    let session = Session::open(&args.session)?;
    let tokenizer = &session.loaded.tokenizer;
    let ids = tokenizer.encode_prompt(text, SpecialText::AsText);
    let shape = Shape::of(&session.loaded.model, tokenizer);
    let mut engine = session.engine(ids.len(), 0)?;
    let read = session.inspect(&mut engine, |inspector| Ok(TextRead::by(inspector, &ids)?))?;
    Ok((shape, read))
}

fn map(model: &str, against: &str, found: &Diff) -> HeatMap {
    let n_heads = found.heads.len() / found.layers.len().max(1);
    let labels = |n: usize| (0..n).map(|idx| idx.to_string()).collect();
    HeatMap {
        title: format!("How differently {model} and {against} read a text"),
        row_name: "layer".to_owned(),
        column_name: "head".to_owned(),
        value_name: "total variation".to_owned(),
        row_labels: labels(found.layers.len()),
        column_labels: labels(n_heads),
        values: found.heads.iter().map(|head| Some(head.mean as f32)).collect(),
        scale: Scale::Unsigned { gamma: 1.0 },
        strongest: None,
        caveat: format!("mean over {} rows; {}", found.n_rows, found.caveat),
    }
}
