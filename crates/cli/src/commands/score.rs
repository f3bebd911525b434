//! `lookback score`: how likely a model finds a text.

use std::ops::ControlFlow;
use std::process::ExitCode;

use anyhow::{Result, bail};
use engine::{Score, Special, SpecialText, score, top_logits};
use serde::Serialize;

use crate::args::{ModelArgs, ScoreArgs};
use crate::bar::Bar;
use crate::interrupt::{EXIT_INTERRUPTED, Interrupt};
use crate::open::{self, Opened, Show, Text};
use crate::output;

#[derive(Serialize)]
struct ScoreJson<'a> {
    ids: &'a [u32],
    logprobs: &'a [Option<f32>],
    mean_nll_nats: Option<f64>,
    /// With the weights that the file has, where others were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    mean_nll_nats_unquantized: Option<f64>,
    perplexity: Option<f64>,
    bits_per_byte: Option<f64>,
    top_logits: &'a [(u32, f32)],
}

/// Rows of logits held at once; a row of a large vocabulary is a megabyte.
const N_LOGIT_ROWS: usize = 16;

/// A text and how likely its tokens are.
struct Scored {
    opened: Opened,
    ids: Vec<u32>,
    score: Score,
}

/// Opens a model and scores the text with it; `None`: stopped.
fn scored(
    args: &ScoreArgs,
    model: &ModelArgs,
    text: Option<&str>,
    show: Show,
    interrupt: &Interrupt,
) -> Result<Option<Scored>> {
    let opened = open::open(model, open::arithmetic(&args.runtime), show, interrupt)?;
    open::check_one_text(&opened.loaded.model, &model.model)?;
    let ids = match text {
        Some(text) => opened.loaded.tokenizer.encode_prompt(text, SpecialText::AsText),
        None => args.ids.clone(),
    };
    let text = Text::Prompt { n_prompt: ids.len(), n_answer: Some(0) };
    let mut runner =
        open::runner(&opened.loaded, &args.runtime, &args.cache, text, (N_LOGIT_ROWS, 1))?;
    let mut bar = Bar::tokens(show, "scoring");
    let result = score(&mut runner, &ids, args.cache.kv_policy(), &mut |n_done| {
        bar.set(n_done as u64, ids.len() as u64);
        if interrupt.is_requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    bar.finish();
    match result {
        Err(engine::Error::Stopped) => Ok(None),
        result => Ok(Some(Scored { score: result?, opened, ids })),
    }
}

pub(crate) fn score_text(args: &ScoreArgs) -> Result<ExitCode> {
    let show = if args.output.json { Show::Nothing } else { Show::Progress };
    let text = match args.ids.is_empty() {
        true => {
            Some(open::read_text(args.text.text.as_deref(), args.text.file.as_deref(), "text")?)
        }
        false => None,
    };
    let interrupt = Interrupt::install()?;
    let scored = |model: &ModelArgs| scored(args, model, text.as_deref(), show, &interrupt);
    let mut unquantized = None;
    if args.model.quantize.is_some() {
        let model = ModelArgs { quantize: None, ..args.model.clone() };
        let Some(with_own) = scored(&model)? else {
            return Ok(ExitCode::from(EXIT_INTERRUPTED));
        };
        unquantized = with_own.score.mean_nll();
    }
    let Some(Scored { opened, ids, score: result }) = scored(&args.model)? else {
        return Ok(ExitCode::from(EXIT_INTERRUPTED));
    };
    let tokenizer = &opened.loaded.tokenizer;
    let mean_nll = result.mean_nll();
    // Bytes of the tokens that were predicted: all but the first.
    let n_bytes = |id: &u32| tokenizer.token_bytes(*id, Special::Show).len();
    let n_bytes: usize = ids.iter().skip(1).map(n_bytes).sum();
    let n_predicted = ids.len().saturating_sub(1) as f64;
    let bits_per_byte = mean_nll
        .filter(|_| n_bytes > 0)
        .map(|nll| nll * n_predicted / n_bytes as f64 / std::f64::consts::LN_2);
    let top = top_logits(&result.last_logits, args.top);
    if args.output.json {
        let json = ScoreJson {
            ids: &ids,
            logprobs: &result.logprobs,
            mean_nll_nats: mean_nll,
            mean_nll_nats_unquantized: unquantized,
            perplexity: mean_nll.map(f64::exp),
            bits_per_byte,
            top_logits: &top,
        };
        output::json(&json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let Some(mean_nll) = mean_nll else {
        bail!("one token has nothing to be predicted from: give a longer text");
    };
    output::line(format_args!("tokens         {}", ids.len()))?;
    output::line(format_args!("mean NLL       {mean_nll:.4} nats a token"))?;
    if let Some(unquantized) = unquantized {
        output::line(format_args!(
            "               {:+.4} by quantising, from {unquantized:.4}",
            mean_nll - unquantized
        ))?;
    }
    output::line(format_args!("perplexity     {:.3}", mean_nll.exp()))?;
    if let Some(bits) = bits_per_byte {
        output::line(format_args!("bits per byte  {bits:.3}"))?;
    }
    output::line("\nlikeliest next tokens (logit)")?;
    for (id, logit) in top {
        output::line(format_args!("{logit:>9.3}  {id:>7}  {:?}", tokenizer.piece(id)))?;
    }
    Ok(ExitCode::SUCCESS)
}
