//! `lookback inspect ground`: whether the sentences of an answer rest on the document.

use anyhow::Result;
use inspect::prompts::Prompts;
use inspect::questions::ground::{Ground, Grounded, Means, ground as look_at};
use serde::Serialize;

use super::case::answer_to;
use super::look::one_line;
use super::profiles::{self, plain};
use super::session::Session;
use crate::inspect_args::GroundArgs;
use crate::{open, output};

#[derive(Serialize)]
struct GroundJson<'a> {
    model: &'a str,
    #[serde(flatten)]
    found: &'a Grounded,
}

pub(super) fn ground(args: &GroundArgs) -> Result<()> {
    let document = open::read_text(None, args.file.as_deref(), "document")?;
    let session = Session::open(&args.session)?;
    let template = session.loaded.compile_template()?;
    let tokenizer = &session.loaded.tokenizer;
    let prompts = Prompts { tokenizer, template: template.as_ref() };
    let prompt = prompts.turn(&[&document, &args.question]).map_err(plain)?;
    let profile = profiles::profile(&session, template.as_ref(), &args.profile)?;
    // No token is shorter than a byte.
    let n_answer = args.answer.as_ref().map_or(args.n as usize, String::len);
    let mut engine = session.engine(prompt.ids.len(), n_answer)?;
    let found = session.inspect(&mut engine, |inspector| {
        let given = (args.answer.as_deref(), args.n);
        let answer = answer_to(inspector, &prompt.ids, given)?;
        let question = Ground {
            ids: [&prompt.ids[..], &answer].concat(),
            n_prompt: prompt.ids.len(),
            document: prompt.parts[0].clone(),
        };
        Ok(look_at(inspector, &profile.ground, &question)?)
    })?;
    if session.is_json() {
        return output::json(&GroundJson { model: session.name(), found: &found });
    }
    show(&found)
}

fn show(found: &Grounded) -> Result<()> {
    output::line("without it  ln p/token  lookback  fitted  sentence")?;
    for sentence in &found.sentences {
        output::line(format_args!(
            "{:+10.2}  {:+10.2}  {:8.3}  {:5.0}%  {}",
            -sentence.nats_per_token,
            sentence.logprob_per_token,
            sentence.lookback,
            100.0 * sentence.probability,
            one_line(&sentence.part.text)
        ))?;
    }
    let line = |means: Means, what: &str| {
        output::line(format_args!(
            "{:+10.2}  {:>10}  {:8.3}  {:5.0}%  planted: {what} (n = {}, {} without it)",
            -means.nats_per_token,
            "",
            means.lookback,
            100.0 * means.probability,
            means.n,
            means.n_nats
        ))
    };
    line(found.baselines.grounded, "what the document says")?;
    line(found.baselines.ungrounded, "what it does not say")?;
    output::note(format_args!("note: {}", found.caveat));
    Ok(())
}
