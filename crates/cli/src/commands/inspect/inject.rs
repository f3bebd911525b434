//! `lookback inspect inject`: whether data draws a model away from its instruction.

use anyhow::Result;
use inspect::prompts::Prompts;
use inspect::questions::inject::{Injection, inject as look_for};
use serde::Serialize;

use super::look::one_line;
use super::profiles::{self, plain};
use super::session::Session;
use crate::inspect_args::InjectArgs;
use crate::{open, output};

#[derive(Serialize)]
struct InjectJson<'a> {
    model: &'a str,
    #[serde(flatten)]
    found: &'a Injection,
}

pub(super) fn inject(args: &InjectArgs) -> Result<()> {
    let data = open::read_text(args.data.as_deref(), args.file.as_deref(), "data")?;
    let session = Session::open(&args.session)?;
    let template = session.loaded.compile_template()?;
    let prompts = Prompts { tokenizer: &session.loaded.tokenizer, template: template.as_ref() };
    let prompt = prompts.turn(&[&args.instruction, &data]).map_err(plain)?;
    let profile = profiles::profile(&session, template.as_ref(), &args.profile)?;
    let mut engine = session.engine(prompt.ids.len(), 0)?;
    let found = session
        .inspect(&mut engine, |inspector| Ok(look_for(inspector, &profile.inject, &prompt)?))?;
    if session.is_json() {
        return output::json(&InjectJson { model: session.name(), found: &found });
    }
    show(&found)
}

fn show(found: &Injection) -> Result<()> {
    let verdict = match found.is_suspicious {
        true => "suspicious: the data may hold an instruction",
        false => "not suspicious",
    };
    output::line(verdict)?;
    output::line(format_args!(
        "an instruction in the data: {:.0}%; from {:.0}% on it is suspicious",
        100.0 * found.probability,
        100.0 * found.probability_min
    ))?;
    let (alarms, hits) = (found.cut.false_alarms, found.cut.found);
    output::line(format_args!(
        "of planted documents, this is said of {:.0}% without (n = {}) and {:.0}% with one (n = {})",
        100.0 * alarms.rate,
        alarms.n,
        100.0 * hits.rate,
        hits.n
    ))?;
    output::line(format_args!(
        "focus on the instruction {:.3}; planted documents have {:.3} without and {:.3} with one ({} \
         heads)\n",
        found.focus, found.focus_normal, found.focus_attacked, found.n_heads
    ))?;
    output::line("what these heads look at most in the data")?;
    for window in &found.windows {
        output::line(format_args!(
            "  {:5.1}% (even: {:.1}%)  {}",
            100.0 * window.share,
            100.0 * window.share_if_even,
            one_line(&window.text)
        ))?;
    }
    output::note(format_args!("note: {}", found.caveat));
    Ok(())
}
