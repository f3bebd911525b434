//! `lookback inspect drown`: what becomes of a part of a text when more stands around it.

use anyhow::{Context as _, Error, Result};
use inspect::inspector::text_of;
use inspect::plot::{Lines, Series, XScale};
use inspect::questions::{
    DrownPoint, Drowned, VariantKind, dearest_span, drown as measure, drown_cases, named_span,
};
use serde::Serialize;

use super::case::{Case, about};
use super::session::Session;
use crate::inspect_args::DrownArgs;
use crate::plot_arg::{plot_file, write};
use crate::{Usage, open, output};

#[derive(Serialize)]
struct DrownJson<'a> {
    model: &'a str,
    answer: &'a str,
    span: &'a str,
    #[serde(flatten)]
    found: &'a Drowned,
}

/// Tokens that a text may have more with the span elsewhere: white space.
const N_MORE: usize = 16;

pub(super) fn drown(args: &DrownArgs) -> Result<()> {
    let (Some(question), Some(_)) = (&args.case.question, &args.case.file) else {
        let message = "drown needs a text and a question about it: -f FILE QUESTION";
        return Err(Error::new(Usage(message.to_owned())));
    };
    let plot = args.plot.as_deref().map(plot_file).transpose()?;
    let document = open::read_text(None, args.case.file.as_deref(), "text")?.trim().to_owned();
    let question = open::read_text(Some(question), None, "question")?;
    let session = Session::open(&args.session)?;
    let case = Case::of(&args.case, &session, &document, about(&document, &question))?;
    let n_answer = args.case.answer.as_ref().map_or(args.case.n as usize, String::len);
    let mut engine = session.engine(case.prompt.len(), n_answer + N_MORE)?;
    let (answer, span) = session.inspect(&mut engine, |inspector| {
        let answer = case.answer(&args.case, inspector)?;
        let span = match &args.span {
            Some(span) => named_span(&document, span).context("--span")?,
            None => {
                let prompt = (&case.prompt[..], case.context.clone());
                dearest_span(inspector, prompt, (&document, &answer))?
            }
        };
        Ok((answer, span))
    })?;
    let ask = |text: &str| -> Result<_> {
        let Case { prompt, context } =
            Case::of(&args.case, &session, text, about(text, &question))?;
        Ok((prompt, context))
    };
    let cases = drown_cases(&session.loaded.tokenizer, (&document, &span), ask)?;
    let found = session.inspect_steps(&mut engine, cases.len(), |inspector, on_step| {
        Ok(measure(inspector, &cases, &answer, on_step)?)
    })?;
    let answer = text_of(&session.loaded.tokenizer, &answer);
    if let Some(plot) = &plot {
        write(plot, &lines(session.name(), &found).draw())?;
    }
    if session.is_json() {
        let (model, answer, span) = (session.name(), answer.text(), &document[span]);
        return output::json(&DrownJson { model, answer, span, found: &found });
    }
    show(&found, &document[span], answer.text().trim())
}

fn show(found: &Drowned, span: &str, answer: &str) -> Result<()> {
    output::line(format_args!("answer {answer:?}\nneeds  {span:?}\n"))?;
    output::line(
        "text        tokens  depth  log-lift   span (if even)   sink  keys (e^H)  ln p/token  \
         without span/token",
    )?;
    for point in found.curve.iter().chain(&found.moved) {
        let is_actual = point.kind == VariantKind::Actual;
        output::line(format_args!(
            "{:<10}  {:>6}  {:>4.0}%  {:>+8.2}  {:>5.2}% ({:>5.2}%)  {:>4.0}%  {:>10.1}  {:>10.2}  \
             {:>+18.2}{}",
            name(point.kind),
            point.n_tokens,
            100.0 * point.depth,
            point.log_lift,
            100.0 * point.span_share,
            100.0 * point.span_share_if_even,
            100.0 * (point.sink + point.virtual_sink),
            point.n_effective,
            point.logprob_per_token,
            -point.knock_out_per_token,
            if is_actual { "  <- the text" } else { "" },
        ))?;
    }
    let (change, n) = (&found.change, found.curve.len());
    output::line(format_args!(
        "\nthe whole text against the shortest: log-lift {:+.2}, ln p a token {:+.2}, what the \
         span is worth a token {:+.2} ({n} lengths, {} tokens of answer)",
        change.log_lift, change.logprob_per_token, change.knock_out_per_token, change.n
    ))?;
    output::note(format_args!("note: {}", found.caveat));
    Ok(())
}

fn name(kind: VariantKind) -> String {
    match kind {
        VariantKind::Cut { one_of } => format!("1/{one_of}"),
        VariantKind::Actual => "whole".to_owned(),
        VariantKind::Start => "span first".to_owned(),
        VariantKind::Middle => "in middle".to_owned(),
        VariantKind::End => "span last".to_owned(),
    }
}

fn lines(model: &str, found: &Drowned) -> Lines {
    let series = |name: &str, of: fn(&DrownPoint) -> f64| Series {
        name: name.to_owned(),
        points: found.curve.iter().map(|point| (point.n_tokens as f64, of(point))).collect(),
    };
    Lines {
        title: format!("What becomes of a span in more text: {model}"),
        x_name: "tokens of the text".to_owned(),
        y_name: "nats".to_owned(),
        x_scale: XScale::Log,
        series: vec![
            series("log-lift of the span", |point| point.log_lift),
            series("ln p a token", |point| point.logprob_per_token),
            series("span's worth a token", |point| point.knock_out_per_token),
        ],
        caveat: found.caveat.to_owned(),
    }
}
