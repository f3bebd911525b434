//! `lookback inspect who`: which earlier mention a word stands for.

use anyhow::{Result, bail};
use inspect::questions::{Among, Candidate, Measure, Read, Who, WhoFound, who as find_mention};
use inspect::text::find_word;
use serde::Serialize;

use super::session::Session;
use crate::inspect_args::WhoArgs;
use crate::{Usage, open, output};

#[derive(Serialize)]
struct WhoJson<'a> {
    model: &'a str,
    n_heads: usize,
    #[serde(flatten)]
    found: &'a WhoFound,
}

pub(super) fn who(args: &WhoArgs) -> Result<()> {
    let text = open::read_text(args.text.text.as_deref(), args.text.file.as_deref(), "text")?;
    if args.word.trim().is_empty() {
        bail!(Usage("--word is empty: name a word of the text".to_owned()));
    }
    let word = find_word(&text, &args.word, args.nth.map(|nth| nth as usize - 1))?;
    let session = Session::open(&args.session)?;
    let among = match &args.among[..] {
        [] => Among::Mentions,
        names => Among::Named(names.to_vec()),
    };
    // A token before the text, and a candidate in the word's place, which may be longer.
    let n_tokens = session.loaded.tokenizer.encode(&text, engine::SpecialText::AsText).len();
    let mut engine = session.engine(n_tokens + N_TOKENS_MORE, 0)?;
    let question = Who { text, word, among, head_weights: None };
    let found =
        session.inspect(&mut engine, |inspector| Ok(find_mention(inspector, &question)?))?;
    if session.is_json() {
        let config = &session.loaded.model.config;
        let n_heads = config.n_layers * config.n_heads;
        return output::json(&WhoJson { model: session.name(), n_heads, found: &found });
    }
    show(&found)
}

/// Of a name that takes the place of a word, and of what stands before a text.
const N_TOKENS_MORE: usize = 64;

fn show(found: &WhoFound) -> Result<()> {
    let sentence = found.sentence.split_whitespace().collect::<Vec<_>>().join(" ");
    output::line(format_args!("{:?} in {sentence:?}\n", found.word.text))?;
    let widths = found.candidates.iter().map(|candidate| candidate.name.chars().count());
    let width = widths.max().unwrap_or(0).clamp(9, 32);
    output::line(format_args!(
        "   {:<width$}  in its place        own row           rows behind       without it",
        "candidate"
    ))?;
    for (rank, candidate) in found.candidates.iter().enumerate() {
        let name: String = candidate.name.chars().take(width).collect();
        output::line(format_args!(
            "{:>2} {name:<width$}  {}  {}  {}  {}",
            rank + 1,
            in_place(candidate),
            read(candidate.own),
            read(candidate.after),
            candidate.knock_out.map_or("-".to_owned(), |loss| format!("{:+.2} nats", -loss)),
        ))?;
    }
    output::line("")?;
    let by = match found.ranked_by {
        Measure::WholeSubstitution => "how likely each is in the word's place: no words follow it",
        _ => "how likely what follows is with each in the word's place",
    };
    output::line(format_args!("ranked by {by}"))?;
    let by_attention = found.candidates.get(found.first_by_attention);
    match by_attention.filter(|_| !found.do_agree) {
        None => output::line("attention of the word's own row puts the same one first")?,
        Some(other) => output::line(format_args!(
            "they disagree: the word's own row reads {:?} most, by token",
            other.name
        ))?,
    }
    if found.n_left_out > 0 {
        output::line(format_args!("{} earlier candidates were not tried", found.n_left_out))?;
    }
    output::note(format_args!(
        "note: shares of {} tokens before the word, without {:.0}% that sinks took; the number \
         behind is the log-lift; {}",
        found.n_tokens_before,
        100.0 * found.sink,
        found.caveat
    ));
    Ok(())
}

/// `62% (even 50%)`
fn in_place(candidate: &Candidate) -> String {
    candidate.substituted.map_or_else(
        || format!("{:<18}", "-"),
        |judged| {
            let [own, even] =
                [judged.probability, judged.probability_if_even].map(|share| 100.0 * share);
            format!("{own:>5.1}% (even {even:>2.0}%)  ")
        },
    )
}

/// `12.0% +0.80`
fn read(read: Option<Read>) -> String {
    read.map_or_else(
        || format!("{:<16}", "-"),
        |read| format!("{:>5.1}%  {:>+6.2}   ", 100.0 * read.share, read.log_lift),
    )
}
