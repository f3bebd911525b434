//! `lookback inspect look`: which sentences an answer came from.

use anyhow::{Context, Result};
use inspect::capture::Lens;
use inspect::questions::{AnswerPart, CAVEAT, Look, Looked, look as find_sources};
use inspect::text::Unit;
use serde::Serialize;

use super::case::Case;
use super::files::{self, Pictures};
use super::look_files::{self, Shown};
use super::session::Session;
use crate::inspect_args::{EachArg, LensArg, LookArgs};
use crate::output;

#[derive(Serialize)]
struct LookJson<'a> {
    model: &'a str,
    answer: &'a str,
    #[serde(flatten)]
    found: &'a Looked,
    n_heads: usize,
    /// Whether `--word` splits a token, and what was looked at holds more.
    widened: bool,
    caveat: &'static str,
}

pub(super) fn look(args: &LookArgs) -> Result<()> {
    let pictures = Pictures::at(&args.pictures)?;
    let html = files::html_file(args.html.as_deref())?;
    let session = Session::open(&args.session)?;
    let case = Case::read(&args.case, &session)?;
    let mut engine = case.engine(&args.case, &session)?;
    let rank_by = args.by.map_or_else(|| Lens::default_of(&session.loaded.model), LensArg::lens);
    let mut widened = false;
    let (answer, all, found) = session.inspect(&mut engine, |inspector| {
        let answer = case.answer(&args.case, inspector)?;
        let text = inspector.text(&answer);
        let part = match (&args.word, args.each) {
            (Some(word), _) => {
                let span = text.span(text.find(word, 0)?)?;
                widened = span.is_widened;
                AnswerPart::Tokens(span.tokens)
            }
            (None, EachArg::Answer) => AnswerPart::Whole,
            (None, EachArg::Sentence) => AnswerPart::Each(Unit::Sentence),
            (None, EachArg::Word) => AnswerPart::Each(Unit::Word),
            (None, EachArg::Token) => AnswerPart::Each(Unit::Token),
        };
        let question = Look {
            ids: [&case.prompt[..], &answer].concat(),
            n_prompt: case.prompt.len(),
            context: case.context.clone(),
            source: args.source.unit(),
            part,
            lenses: Lens::all_of(&inspector.model),
            rank_by,
            n_checked: args.check,
            head_weights: None,
        };
        let all = inspector.text(&question.ids).text().to_owned();
        Ok((text.text().to_owned(), all, find_sources(inspector, &question)?))
    })?;
    let config = &session.loaded.model.config;
    let n_heads = config.n_layers * config.n_heads;
    let (model, caveat) = (session.name(), CAVEAT);
    let shown = Shown { model, text: &all, found: &found, n_heads, caveat };
    pictures.write(|| look_files::bars(&shown, rank_by))?;
    if let Some(path) = html {
        look_files::page(&shown).write_file(&path).context("--html")?;
    }
    if session.is_json() {
        let json = LookJson { model, answer: &answer, found: &found, n_heads, widened, caveat };
        return output::json(&json);
    }
    show(args, &found)?;
    if let (Some(word), true) = (&args.word, widened) {
        output::note(format_args!(
            "note: {word:?} ends within a token: whole tokens were looked at"
        ));
    }
    output::note(format_args!("note: {n_heads} heads, all alike; {CAVEAT}"));
    Ok(())
}

fn show(args: &LookArgs, found: &Looked) -> Result<()> {
    for part in &found.parts {
        let n = part.part.tokens.len();
        output::line(format_args!("{:?}", part.part.text.trim()))?;
        output::line(format_args!(
            "{n} tokens, ln p {:.2}; {:.0}% of attention rests on the first token\n",
            part.logprob,
            100.0 * part.sink
        ))?;
        for (rank, source) in part.ranked.iter().take(args.top).enumerate() {
            let text = &found.sources[source.source_idx].text;
            output::line(format_args!(
                "  {}  weight {:5.1}% (even: {:.1}%)  value {:5.1}%{}{}",
                rank + 1,
                100.0 * source.weight,
                100.0 * source.weight_if_even,
                100.0 * source.value_norm.unwrap_or(0.0),
                source.logit.map(|x| format!("  logit {x:+7.2}")).unwrap_or_default(),
                source
                    .knock_out
                    .map(|x| format!("  without it {:+.2} nats", -x))
                    .unwrap_or_default(),
            ))?;
            output::line(format_args!("     {}", one_line(text)))?;
        }
        output::line("")?;
    }
    Ok(())
}

/// A sentence on one line, without its middle where it is long.
pub(super) fn one_line(text: &str) -> String {
    const N_CHARS_MAX: usize = 100;
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    let n = line.chars().count();
    if n <= N_CHARS_MAX {
        return line;
    }
    let head: String = line.chars().take(N_CHARS_MAX * 2 / 3).collect();
    let tail: String = line.chars().skip(n - N_CHARS_MAX / 3).collect();
    format!("{head} … {tail}")
}
