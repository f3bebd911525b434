//! `lookback embed`: texts as vectors, or how alike two texts are.

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, bail};
use engine::{Embedder, Error, Loaded, Pooling, Recipe, SpecialText, Tokenizer, cosine, normalize};
use model::Model;
use model::spec::Direction;
use serde::Serialize;
use serde_json::Value;

use crate::Usage;
use crate::bar::Bar;
use crate::embed_args::EmbedArgs;
use crate::interrupt::{EXIT_INTERRUPTED, Interrupt};
use crate::open::{self, N_TOKENS_MAX, Show};
use crate::{machine, output};

#[derive(Serialize)]
struct EmbeddingsJson<'a> {
    model: &'a str,
    dimensions: usize,
    pooling: &'static str,
    normalized: bool,
    embeddings: Vec<EmbeddingJson<'a>>,
}

#[derive(Serialize)]
struct EmbeddingJson<'a> {
    index: usize,
    /// What the line of the text has there.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a Value>,
    n_tokens: usize,
    embedding: Vec<f32>,
}

#[derive(Serialize)]
struct SimilarityJson<'a> {
    model: &'a str,
    similarity: f64,
    pooling: &'static str,
    n_tokens: [usize; 2],
}

/// A text, and how errors name it.
struct Text {
    place: String,
    text: String,
    id: Option<Value>,
}

pub(crate) fn embed(args: &EmbedArgs) -> Result<ExitCode> {
    let show = if args.output.json { Show::Nothing } else { Show::Progress };
    if args.similarity && args.texts.len() != 2 {
        let n = args.texts.len();
        bail!(Usage(format!("--similarity: expected two texts, found {n}")));
    }
    let texts = read_texts(args)?;
    let interrupt = Interrupt::install()?;
    let (file, opened) =
        open::load(&args.model, open::arithmetic(&args.runtime), show, &interrupt, &mut |_| ())?;
    let (loaded, name) = (&opened.loaded, args.model.model.as_str());
    check_embeds(&loaded.model, name)?;
    let recipe = Recipe::of(&file)?;
    let asked = args.pooling.map(|pooling| pooling.pooling());
    let pooling = pooling(asked, &recipe, &loaded.model);
    let n_max = n_tokens_max(&recipe, &loaded.model);
    let prefix = prefix(args, &recipe)?;
    let encode = |text: &Text| ids(&loaded.tokenizer, &prefix, text, n_max, args.truncate);
    let ids: Vec<Vec<u32>> = texts.iter().map(encode).collect::<Result<_>>()?;
    let mut embedder = embedder(loaded, args, &ids)?;
    let n_total: usize = ids.iter().map(Vec::len).sum();
    let mut bar = Bar::tokens(show, "embedding");
    let (mut n_done, mut text_idx, mut written) = (0, 0, Ok(()));
    let mut vectors = Vec::new();
    let result = embedder.embed(&ids, pooling, &mut |mut vector| {
        if !args.no_normalize {
            normalize(&mut vector);
        }
        n_done += ids[text_idx].len();
        bar.set(n_done as u64, n_total as u64);
        if args.jsonl {
            let (id, n_tokens) = (texts[text_idx].id.as_ref(), ids[text_idx].len());
            let json = EmbeddingJson { index: text_idx, id, n_tokens, embedding: vector };
            written = output::json(&json);
        } else {
            vectors.push(vector);
        }
        text_idx += 1;
        match written.is_err() || interrupt.is_requested() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    bar.finish();
    written?;
    match result {
        Err(Error::Stopped) => return Ok(ExitCode::from(EXIT_INTERRUPTED)),
        result => result?,
    }
    if args.similarity {
        let [a, b] = [&vectors[0], &vectors[1]];
        print_similarity(args, pooling, cosine(a, b), [ids[0].len(), ids[1].len()])?;
    } else if !args.jsonl {
        print_vectors(args, pooling, &ids, vectors)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// # Errors
/// A model of two halves: neither of them is asked for alone.
fn check_embeds(model: &Model, name: &str) -> Result<()> {
    if model.encoder.is_some() {
        bail!(
            "{name} reads a prompt with an encoder and answers it with a decoder: expected an \
             encoder or a decoder alone; this one answers `lookback run`"
        );
    }
    Ok(())
}

fn read_texts(args: &EmbedArgs) -> Result<Vec<Text>> {
    let one = |place: String, text: String| Text { place, text, id: None };
    if args.texts.len() > 1 {
        let texts = args.texts.iter().enumerate();
        return Ok(texts.map(|(i, text)| one(format!("text {}", i + 1), text.clone())).collect());
    }
    let argument = args.texts.first().map(String::as_str);
    let all = open::read_text(argument, args.file.as_deref(), "text")?;
    if !args.jsonl {
        return Ok(vec![one("the text".into(), all)]);
    }
    let lines = all.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(i, line)| text_of_line(format!("line {}", i + 1), line)).collect()
}

fn text_of_line(place: String, line: &str) -> Result<Text> {
    let expected = "a string, or an object with \"text\"";
    match serde_json::from_str(line) {
        Ok(Value::String(text)) => Ok(Text { place, text, id: None }),
        Ok(Value::Object(mut json)) => match json.remove("text") {
            Some(Value::String(text)) => Ok(Text { place, text, id: json.remove("id") }),
            _ => bail!("{place}: expected {expected}, found an object without one"),
        },
        Ok(_) => bail!("{place}: expected {expected}, found other JSON"),
        Err(err) => bail!("{place}: expected JSON, {expected}: {err}"),
    }
}

/// What was asked for, or what the file says, or else what models of its kind mostly do.
pub(super) fn pooling(asked: Option<Pooling>, recipe: &Recipe, model: &Model) -> Pooling {
    if let Some(pooling) = asked.or(recipe.pooling) {
        return pooling;
    }
    let pooling = match model.config.direction {
        Direction::Causal => Pooling::Last,
        Direction::Bidirectional => Pooling::Mean,
    };
    output::note(format_args!(
        "note: the model's file does not say which hidden states become the vector: {} is taken; \
         --pooling says otherwise",
        pooling.name()
    ));
    pooling
}

/// The longest text, in tokens.
pub(super) fn n_tokens_max(recipe: &Recipe, model: &Model) -> usize {
    let limits = [model.n_positions_max(), recipe.n_tokens_max].into_iter().flatten();
    limits.fold(model.config.n_ctx, usize::min)
}

/// What stands before texts of which nothing is said.
pub(super) fn default_prefix(recipe: &Recipe) -> String {
    let prefix = recipe.default_prompt.as_ref().and_then(|name| recipe.prompts.get(name));
    prefix.cloned().unwrap_or_default()
}

fn prefix(args: &EmbedArgs, recipe: &Recipe) -> Result<String> {
    if let Some(prefix) = &args.prefix {
        return Ok(prefix.clone());
    }
    let Some(name) = &args.prompt else { return Ok(default_prefix(recipe)) };
    match recipe.prompts.get(name) {
        Some(prefix) => Ok(prefix.clone()),
        None if recipe.prompts.is_empty() => {
            bail!("--prompt {name}: the model's file has no prompts; --prefix puts any text before")
        }
        None => {
            let known: Vec<&str> = recipe.prompts.keys().map(String::as_str).collect();
            bail!("--prompt {name}: expected one of {}", known.join(", "))
        }
    }
}

fn ids(
    tokenizer: &Tokenizer,
    prefix: &str,
    Text { place, text, .. }: &Text,
    n_max: usize,
    truncates: bool,
) -> Result<Vec<u32>> {
    let mut ids = tokenizer.encode_whole(&format!("{prefix}{text}"), SpecialText::AsText);
    let n = ids.len();
    if n == 0 {
        bail!("{place} has no tokens");
    }
    if n > n_max && !truncates {
        bail!(
            "{place} has {n} tokens, the model reads {n_max}: shorten it, or leave out its end \
             with --truncate"
        );
    }
    if n > n_max {
        ids.truncate(n_max);
        // The end that the model was trained with stays one.
        if let (Some(end), Some(last)) = (tokenizer.end_of_whole(), ids.last_mut()) {
            *last = end;
        }
    }
    Ok(ids)
}

fn embedder(loaded: &Loaded, args: &EmbedArgs, ids: &[Vec<u32>]) -> Result<Embedder> {
    let n_longest = ids.iter().map(Vec::len).max().unwrap_or(1);
    let n_threads = machine::n_threads(args.runtime.threads)?;
    let model = Arc::clone(&loaded.model);
    Ok(Embedder::new(model, (n_longest, N_TOKENS_MAX), n_threads, machine::kernels()?))
}

fn print_similarity(
    args: &EmbedArgs,
    pooling: Pooling,
    similarity: f64,
    n_tokens: [usize; 2],
) -> Result<()> {
    if args.output.json {
        let (model, pooling) = (args.model.model.as_str(), pooling.name());
        return output::json(&SimilarityJson { model, similarity, pooling, n_tokens });
    }
    output::line(format_args!("{similarity:.4}"))
}

fn print_vectors(
    args: &EmbedArgs,
    pooling: Pooling,
    ids: &[Vec<u32>],
    vectors: Vec<Vec<f32>>,
) -> Result<()> {
    let dimensions = vectors.first().map_or(0, Vec::len);
    let n_tokens = ids.iter().map(Vec::len);
    if args.output.json {
        let all = vectors.into_iter().zip(n_tokens).enumerate();
        let embeddings = all.map(|(index, (embedding, n_tokens))| EmbeddingJson {
            index,
            id: None,
            n_tokens,
            embedding,
        });
        return output::json(&EmbeddingsJson {
            model: &args.model.model,
            dimensions,
            pooling: pooling.name(),
            normalized: !args.no_normalize,
            embeddings: embeddings.collect(),
        });
    }
    let length = if args.no_normalize { "as long as it is" } else { "of length 1" };
    output::line(format_args!("{dimensions} values, pooling {}, {length}\n", pooling.name()))?;
    for (vector, n_tokens) in vectors.iter().zip(n_tokens) {
        let first: Vec<String> = vector.iter().take(6).map(|x| format!("{x:>8.4}")).collect();
        output::line(format_args!("{n_tokens:>5} tokens  {} ...", first.join(" ")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_texts() {
        let check = |line: &str, expected: Result<(&str, Option<Value>), &str>| {
            let found = text_of_line("line 3".into(), line);
            let found = found.map(|text| (text.text, text.id)).map_err(|err| err.to_string());
            match (found, expected) {
                (Ok((text, id)), Ok(expected)) => assert_eq!((text.as_str(), id), expected),
                (Err(found), Err(part)) => {
                    assert!(found.starts_with("line 3: ") && found.contains(part), "{found}");
                }
                (found, expected) => panic!("{found:?}, not {expected:?}"),
            }
        };
        check("\"a b\"", Ok(("a b", None)));
        check("{\"text\": \"a\", \"id\": 7, \"more\": []}", Ok(("a", Some(7.into()))));
        check("{\"id\": 7}", Err("without one"));
        check("7", Err("other JSON"));
        check("a b", Err("expected JSON"));
    }
}
