//! `lookback run`: one prompt, one answer.

use std::process::ExitCode;

use anyhow::{Result, bail};
use engine::{ContextUse, FinishReason, Loaded, Message, SpecialText};
use serde::Serialize;

use crate::args::RunArgs;
use crate::generate::{SpeculationJson, Timings, closing_line, generate};
use crate::interrupt::{EXIT_INTERRUPTED, Interrupt};
use crate::open::{self, Show, Text};
use crate::prediction::{Measured, Predicted};
use crate::{machine, output, saved_kv};

#[derive(Serialize)]
struct RunJson<'a> {
    model: &'a str,
    prompt_ids: &'a [u32],
    ids: &'a [u32],
    text: &'a str,
    finish_reason: FinishReason,
    timings: Timings,
    context: ContextUse,
    speculation: SpeculationJson,
    /// `null` until `lookback plan` has measured the machine's speed with this model and cache.
    predicted: Option<Predicted>,
    measured: Measured,
    kv_bytes: usize,
    peak_rss_bytes: Option<u64>,
}

pub(crate) fn run(args: &RunArgs) -> Result<ExitCode> {
    args.sampling.check()?;
    let show = if args.output.json { Show::Nothing } else { Show::Progress };
    let prompt = read_prompt(args)?;
    let interrupt = Interrupt::install()?;
    let arithmetic = open::arithmetic(&args.runtime);
    let opened = open::open(&args.model, arithmetic, show, &interrupt)?;
    let loaded = &opened.loaded;
    let prompt_ids = encode(args, &prompt, loaded)?;
    let n_answer = args.sampling.n.map(|n| n as usize);
    let text = Text::Prompt { n_prompt: prompt_ids.len(), n_answer };
    saved_kv::check(&args.saved_kv, &loaded.model)?;
    let mut engine = open::engine(loaded, &args.runtime, &args.cache, text)?;
    saved_kv::begin(&args.saved_kv, &mut engine)?;
    let request = args.sampling.request(prompt_ids.clone(), args.cache.kv_policy());
    let mut emit = |text: &str| if args.output.json { Ok(()) } else { output::text(text) };
    let answer = generate(&mut engine, request, show, &interrupt, &mut emit)?;
    if args.output.json {
        let json = RunJson {
            model: &args.model.model,
            prompt_ids: &prompt_ids,
            ids: &answer.ids,
            text: &answer.text,
            finish_reason: answer.finish_reason,
            timings: Timings::of(&answer, opened.load_ms),
            context: answer.usage.context(),
            speculation: SpeculationJson::of(&answer.usage),
            predicted: Predicted::of(
                &loaded.model,
                (&args.runtime, &args.cache.kv_types(&args.runtime)),
                (engine.runner().n_ctx(), args.cache.kv_policy()),
                &answer.usage,
            )?,
            measured: Measured::of(&answer.usage),
            kv_bytes: answer.usage.kv_bytes,
            peak_rss_bytes: machine::peak_rss_bytes(),
        };
        output::json(&json)?;
    } else {
        output::line("")?;
        output::note(format_args!("\n[{}]", closing_line(&answer, &args.sampling)));
    }
    let text = [&prompt_ids[..], &answer.ids].concat();
    saved_kv::end(&args.saved_kv, &mut engine, &text)?;
    match answer.finish_reason {
        FinishReason::Cancelled => Ok(ExitCode::from(EXIT_INTERRUPTED)),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// The file's text, the argument (`-`: standard input), or the one after the other.
fn read_prompt(args: &RunArgs) -> Result<String> {
    let file = args.file.as_deref();
    let prompt = match (&args.prompt, file) {
        (Some(question), Some(_)) => {
            let document = open::read_text(None, file, "prompt")?;
            let question = open::read_text(Some(question), None, "prompt")?;
            format!("{}\n\n{question}", document.trim_end())
        }
        (prompt, file) => open::read_text(prompt.as_deref(), file, "prompt")?,
    };
    if prompt.trim().is_empty() && !args.raw {
        bail!("the prompt is empty: give a text, or --raw to let the model begin");
    }
    Ok(prompt)
}

/// One user turn in the model's template, or plain text where it has none or `--raw` says so; what
/// an encoder reads is a whole text.
fn encode(args: &RunArgs, prompt: &str, loaded: &Loaded) -> Result<Vec<u32>> {
    if loaded.model.encoder.is_some() {
        let text = with_system(args, prompt);
        return Ok(loaded.tokenizer.encode_whole(&text, SpecialText::AsText));
    }
    if args.raw {
        return Ok(loaded.tokenizer.encode_prompt(prompt, SpecialText::AsText));
    }
    let Some(template) = loaded.compile_template()? else {
        output::note(
            "note: this model has no chat template; it continues the prompt as plain text",
        );
        let text = with_system(args, prompt);
        return Ok(loaded.tokenizer.encode_prompt(&text, SpecialText::AsText));
    };
    let mut messages = Vec::new();
    messages.extend(args.system.as_deref().map(Message::system));
    messages.push(Message::user(prompt));
    Ok(loaded.encode_chat(&template, &messages)?)
}

fn with_system(args: &RunArgs, prompt: &str) -> String {
    match &args.system {
        Some(system) => format!("{system}\n\n{prompt}"),
        None => prompt.to_owned(),
    }
}
