//! `lookback tokenize`: the tokens of a text.

use std::process::ExitCode;

use anyhow::Result;
use engine::{SpecialText, load_tokenizer};
use model::load::ModelFile;
use serde::Serialize;

use crate::args::TokenizeArgs;
use crate::interrupt::Interrupt;
use crate::open::{self, Show};
use crate::output;

#[derive(Serialize)]
struct TokenizeJson<'a> {
    ids: &'a [u32],
    pieces: &'a [String],
}

pub(crate) fn tokenize(args: &TokenizeArgs) -> Result<ExitCode> {
    let show = if args.output.json { Show::Nothing } else { Show::Progress };
    let text = open::read_text(args.text.text.as_deref(), args.text.file.as_deref(), "text")?;
    let interrupt = Interrupt::install()?;
    let path = open::resolve_or_pull(&args.model.model, show, &interrupt)?;
    let file = ModelFile::open(&path, open::mapping(&args.model))?;
    let tokenizer = load_tokenizer(&file)?;
    let special = if args.special { SpecialText::Parse } else { SpecialText::AsText };
    // A tokenizer is shown whatever the model.
    let ids = match file.architecture().is_ok_and(|spec| spec.reads_whole_texts()) {
        true => tokenizer.encode_whole(&text, special),
        false => tokenizer.encode_prompt(&text, special),
    };
    let pieces: Vec<String> = ids.iter().map(|&id| tokenizer.piece(id).into_owned()).collect();
    if args.output.json {
        output::json(&TokenizeJson { ids: &ids, pieces: &pieces })?;
    } else {
        for (id, piece) in ids.iter().zip(&pieces) {
            output::line(format_args!("{id:>7}  {piece:?}"))?;
        }
        output::note(format_args!("{} tokens", ids.len()));
    }
    Ok(ExitCode::SUCCESS)
}
