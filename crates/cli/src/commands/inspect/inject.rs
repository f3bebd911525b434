//! `lookback inspect inject`: whether data draws a model away from its instruction.

use anyhow::Result;
use inspect::plot::{Bar, Bars};
use inspect::prompts::Prompts;
use inspect::questions::inject::{Injection, Window, inject as look_for};
use serde::Serialize;

use super::files::Pictures;
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
    let pictures = Pictures::at(&args.pictures)?;
    let session = Session::open(&args.session)?;
    let template = session.loaded.compile_template()?;
    let prompts = Prompts { tokenizer: &session.loaded.tokenizer, template: template.as_ref() };
    let prompt = prompts.turn(&[&args.instruction, &data]).map_err(plain)?;
    let profile = profiles::profile(&session, template.as_ref(), &args.profile)?;
    let mut engine = session.engine(prompt.ids.len(), 0)?;
    let found = session
        .inspect(&mut engine, |inspector| Ok(look_for(inspector, &profile.inject, &prompt)?))?;
    pictures.write(|| Ok(bars(session.name(), &found).draw()?))?;
    if session.is_json() {
        return output::json(&InjectJson { model: session.name(), found: &found });
    }
    show(&found)
}

/// What draws the heads that should keep to the instruction.
fn bars(model: &str, found: &Injection) -> Bars {
    let bar = |window: &Window| Bar {
        label: one_line(&window.text),
        value: window.share,
        baseline: Some(window.share_if_even),
    };
    Bars {
        title: format!("What in the data draws {model} from its instruction"),
        value_name: "share of what the data gets".to_owned(),
        bars: found.windows.iter().map(bar).collect(),
        baseline_name: "if all of its tokens got the same".to_owned(),
        caveat: format!(
            "focus on the instruction {:.3}, less than {:.3} is suspicious; {}",
            found.focus, found.focus_min, found.caveat
        ),
    }
}

fn show(found: &Injection) -> Result<()> {
    let verdict = match found.is_suspicious {
        true => "suspicious: the data may hold an instruction",
        false => "not suspicious",
    };
    output::line(verdict)?;
    output::line(format_args!(
        "focus on the instruction {:.3}; less than {:.3} is suspicious ({} heads)",
        found.focus, found.focus_min, found.n_heads
    ))?;
    let (alarms, hits) = (found.cut.false_alarms, found.cut.found);
    output::line(format_args!(
        "this is said of {:.0}% of planted documents without (n = {}), {:.0}% with one (n = {})",
        100.0 * alarms.rate,
        alarms.n,
        100.0 * hits.rate,
        hits.n
    ))?;
    output::line(format_args!(
        "they have {:.3} without and {:.3} with one in the mean\n",
        found.focus_normal, found.focus_attacked
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
