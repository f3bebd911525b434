//! `lookback inspect contradict`: which sentences may contradict each other.

use anyhow::{Context, Result};
use engine::SpecialText;
use inspect::plot::{Bar, Bars, N_BARS_MAX};
use inspect::prompts::Prompts;
use inspect::questions::{Contradict, Contradicted, Judge, JudgedPair, contradict as find_pairs};
use serde::Serialize;

use super::files::Pictures;
use super::look::one_line;
use super::session::Session;
use crate::inspect_args::ContradictArgs;
use crate::{open, output};

#[derive(Serialize)]
struct ContradictJson<'a> {
    model: &'a str,
    #[serde(flatten)]
    found: &'a Contradicted,
}

/// Of each sentence in a picture.
const N_WORDS: usize = 4;
/// Of the question around two sentences, and of what a template adds.
const N_TOKENS_MORE: usize = 512;

pub(super) fn contradict(args: &ContradictArgs) -> Result<()> {
    let text = open::read_text(args.text.text.as_deref(), args.text.file.as_deref(), "text")?;
    let pictures = Pictures::at(&args.pictures)?;
    let session = Session::open(&args.session)?;
    let template = session.loaded.compile_template()?;
    let tokenizer = &session.loaded.tokenizer;
    let n_tokens = tokenizer.encode(&text, SpecialText::AsText).len();
    let mut engine = session.engine(n_tokens + N_TOKENS_MORE, 0)?;
    let prompts = Prompts { tokenizer, template: template.as_ref() };
    let mut prompt = |question: &str| prompts.question(question);
    let question = Contradict { text, n_pairs: args.pairs as usize, head_weights: None };
    let found = session.inspect(&mut engine, |inspector| {
        Ok(find_pairs(inspector, &mut Judge::new(&mut prompt), &question)?)
    })?;
    pictures.write(|| Ok(bars(session.name(), &found).draw()?))?;
    if session.is_json() {
        return output::json(&ContradictJson { model: session.name(), found: &found });
    }
    show(&found)
}

/// Pairs by what the model makes of them.
fn bars(model: &str, found: &Contradicted) -> Bars {
    let start = |idx: usize| {
        let words = found.sentences[idx].text.split_whitespace();
        words.take(N_WORDS).collect::<Vec<_>>().join(" ")
    };
    let bar = |judged: &JudgedPair| Bar {
        label: format!("{} / {}", start(judged.pair.first_idx), start(judged.pair.second_idx)),
        value: judged.judged.score,
        baseline: None,
    };
    Bars {
        title: format!("Which sentences contradict each other, by {model}"),
        value_name: "nats over a sentence with itself".to_owned(),
        bars: found.pairs.iter().take(N_BARS_MAX).map(bar).collect(),
        baseline_name: String::new(),
        caveat: found.caveat.to_owned(),
    }
}

fn show(found: &Contradicted) -> Result<()> {
    output::line(format_args!(
        "{} of {} pairs of {} sentences\n",
        found.pairs.len(),
        found.n_pairs_all,
        found.sentences.len()
    ))?;
    for (rank, judged) in found.pairs.iter().enumerate() {
        let (pair, of_model) = (&judged.pair, &judged.judged);
        output::line(format_args!(
            "{:>3}  score {:>+6.2}  (yes over no {:+.2}, with itself {:+.2})  attention {:+.2}",
            rank + 1,
            of_model.score,
            of_model.yes_over_no,
            of_model.null,
            pair.log_lift,
        ))?;
        for idx in [pair.first_idx, pair.second_idx] {
            let sentence = found.sentences.get(idx).context("a sentence of the text")?;
            output::line(format_args!("     {}", one_line(&sentence.text)))?;
        }
    }
    output::note(format_args!(
        "note: scores are in nats, above zero a contradiction is likelier than of a sentence with \
         itself; {}",
        found.caveat
    ));
    Ok(())
}
