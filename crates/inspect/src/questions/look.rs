//! Which parts of the context an answer, a sentence or a word of it came from.

use std::ops::Range;

use engine::PromptToken;
use model::batch::KeysOf;
use model::kv::Hidden;
use serde::Serialize;

use crate::ask::Reply;
use crate::capture::{Found, Lens, LogitTerms, SourceRow, SourcesPlan, Target};
use crate::inspector::{InspectError, Inspector};
use crate::text::{Segment, Segments, TokenText, Unit};

/// A prompt with its answer, and what of both is compared.
#[derive(Clone, Debug)]
pub struct Look {
    /// Prompt, then answer.
    pub ids: Vec<u32>,
    pub n_prompt: usize,
    /// Tokens of the prompt that can be sources.
    pub context: Range<usize>,
    /// What sources are.
    pub source: Unit,
    /// What of the answer is looked at together.
    pub part: AnswerPart,
    pub lenses: Vec<Lens>,
    /// By which sources are ranked.
    pub rank_by: Lens,
    /// The first of them, of each part, that are hidden to see what the answer loses.
    pub n_checked: usize,
    /// `[n_layers, n_heads]`: what each head counts; `None`: all alike.
    pub head_weights: Option<Vec<f32>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerPart {
    Whole,
    Each(Unit),
    /// Tokens of the answer, counted from its first.
    Tokens(Range<usize>),
}

/// Where the parts of an answer came from.
#[derive(Clone, Debug, Serialize)]
pub struct Looked {
    /// What can be a source, in the order of the text.
    pub sources: Vec<LookedPart>,
    pub parts: Vec<AnswerPartFound>,
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LookedPart {
    pub text: String,
    /// Of the text of prompt and answer.
    pub bytes: Range<usize>,
    pub tokens: Range<usize>,
}

/// A part of the answer and its sources.
#[derive(Clone, Debug, Serialize)]
pub struct AnswerPartFound {
    #[serde(flatten)]
    pub part: LookedPart,
    /// `ln p` of its tokens.
    pub logprob: f64,
    /// What the first key of the text weighs, which takes what is needed nowhere.
    pub sink: f64,
    pub virtual_sink: f64,
    /// The best first.
    pub ranked: Vec<Source>,
    /// The logits of its tokens against those of the likeliest others, as a sum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logit_terms: Option<LogitTerms>,
}

/// What one part of the context was worth to one part of the answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Source {
    /// Which of [`Looked::sources`].
    pub source_idx: usize,
    /// The share of attention, in the mean over rows and heads.
    pub weight: f64,
    /// What it would be if all tokens of the context got the same: the baseline of `weight`.
    pub weight_if_even: f64,
    /// `ln` of the mean weight of its tokens over that of all other tokens of the context, so that
    /// their number does not matter; what they are does.
    pub log_lift: f64,
    pub value_norm: Option<f64>,
    /// In logits, summed over the tokens.
    pub logit: Option<f64>,
    /// What the answer's part loses without it, in nats: what it was read for, at least.
    pub knock_out: Option<f64>,
}

/// # Errors
/// Spans outside the text, plans that are too large, and what becomes of requests.
pub fn look(inspector: &mut Inspector<'_>, look: &Look) -> Result<Looked, InspectError> {
    if look.ids.len() <= look.n_prompt {
        return Err(InspectError::Empty { what: "the answer" });
    }
    let text = inspector.text(&look.ids);
    let sources = Segments::new(&text, look.context.clone(), look.source);
    if sources.segments().is_empty() {
        return Err(InspectError::Empty { what: "the context" });
    }
    let parts = answer_parts(&text, look)?;
    let scored = inspector.score(&look.ids, look.n_prompt)?;
    let targets = targets(&scored);
    let rows = parts.iter().enumerate().flat_map(|(unit, part)| {
        let row = |token: usize| {
            let target = targets[token - look.n_prompt];
            SourceRow { query_pos: token as u32 - 1, unit, target: Some(target) }
        };
        part.tokens.clone().map(row).collect::<Vec<_>>()
    });
    let mut of_keys = vec![None; look.context.start];
    of_keys.extend_from_slice(sources.segment_of_token());
    let plan = SourcesPlan {
        keys_of: KeysOf::Own,
        parts: of_keys,
        n_parts: sources.segments().len(),
        rows: rows.collect(),
        n_units: parts.len(),
        head_weights: look.head_weights.clone(),
        lenses: look.lenses.clone(),
    };
    let found = inspector.sources(&look.ids, plan)?.found();
    let mut answer = Vec::new();
    for (part, found) in parts.iter().zip(found) {
        let of_part = part.tokens.start - look.n_prompt..part.tokens.end - look.n_prompt;
        let logprobs = scored.prompt[of_part].iter().map(|token| f64::from(token.logprob));
        let mut of_part = AnswerPartFound {
            part: described(&text, part),
            logprob: logprobs.sum(),
            sink: found.first,
            virtual_sink: found.virtual_sink,
            ranked: ranked(look, &sources, &found),
            logit_terms: look.lenses.contains(&Lens::Logit).then(|| found.terms.clone()),
        };
        knock_out(inspector, look, &sources, &mut of_part)?;
        answer.push(of_part);
    }
    let sources = sources.segments().iter().map(|segment| described(&text, segment)).collect();
    Ok(Looked { sources, parts: answer })
}

/// Each token that was scored, against the likeliest other one.
pub(super) fn targets(scored: &Reply) -> Vec<Target> {
    let target = |token: &PromptToken| {
        let others = token.top.iter().map(|&(id, _)| id).find(|&id| id != token.token_id);
        Target { token_id: token.token_id, contrast_id: others.unwrap_or(token.token_id) }
    };
    scored.prompt.iter().map(target).collect()
}

fn answer_parts(text: &TokenText, look: &Look) -> Result<Vec<Segment>, InspectError> {
    let answer = look.n_prompt..look.ids.len();
    let segment = |tokens: Range<usize>| Segment { bytes: text.bytes(tokens.clone()), tokens };
    let parts = match &look.part {
        AnswerPart::Whole => vec![segment(answer)],
        AnswerPart::Each(unit) => Segments::new(text, answer, *unit).segments().to_vec(),
        AnswerPart::Tokens(tokens) => {
            let tokens = tokens.start + answer.start..tokens.end + answer.start;
            if tokens.is_empty() || tokens.end > answer.end {
                let expected = "tokens of the answer";
                let what = format!("tokens {} to {}", tokens.start, tokens.end);
                return Err(InspectError::Unfit { what, expected });
            }
            vec![segment(tokens)]
        }
    };
    if parts.is_empty() { Err(InspectError::Empty { what: "the answer" }) } else { Ok(parts) }
}

fn described(text: &TokenText, segment: &Segment) -> LookedPart {
    let Segment { bytes, tokens } = segment.clone();
    LookedPart { text: text.text()[bytes.clone()].to_owned(), bytes, tokens }
}

/// All sources of a part, the best first.
fn ranked(look: &Look, sources: &Segments, found: &Found) -> Vec<Source> {
    let segments = sources.segments();
    let n_tokens = |segment: &Segment| segment.tokens.len() as f64;
    let n_all: f64 = segments.iter().map(n_tokens).sum();
    let of_all: f64 = found.weights.iter().sum();
    let source = |(source_idx, segment): (usize, &Segment)| {
        let (weight, n) = (found.weights[source_idx], n_tokens(segment));
        let of_rest = (of_all - weight).max(f64::MIN_POSITIVE) / (n_all - n).max(1.0);
        Source {
            source_idx,
            weight,
            weight_if_even: of_all * n / n_all,
            log_lift: (weight.max(f64::MIN_POSITIVE) / n / of_rest).ln(),
            value_norm: has(look, Lens::ValueNorm).then(|| found.value_norms[source_idx]),
            logit: has(look, Lens::Logit).then(|| found.logits[source_idx]),
            knock_out: None,
        }
    };
    let mut ranked: Vec<Source> = segments.iter().enumerate().map(source).collect();
    let key = |source: &Source| match look.rank_by {
        Lens::Weight => source.weight,
        Lens::ValueNorm => source.value_norm.unwrap_or(source.weight),
        Lens::Logit => source.logit.unwrap_or(source.weight),
    };
    ranked.sort_by(|a, b| key(b).total_cmp(&key(a)));
    ranked
}

fn has(look: &Look, lens: Lens) -> bool {
    look.lenses.contains(&lens)
}

/// Hides the best sources of a part, one at a time, from the rows that wrote it. A row always sees
/// itself: where the text ends with a source, its last token stays.
fn knock_out(
    inspector: &mut Inspector<'_>,
    look: &Look,
    sources: &Segments,
    found: &mut AnswerPartFound,
) -> Result<(), InspectError> {
    let tokens = found.part.tokens.clone();
    let from = tokens.start as u32 - 1;
    let keys = |source: &Source| {
        let tokens = &sources.segments()[source.source_idx].tokens;
        tokens.start as u32..(tokens.end as u32).min(from)
    };
    let checked = found.ranked.iter_mut().take(look.n_checked);
    let checked: Vec<&mut Source> = checked.filter(|source| !keys(source).is_empty()).collect();
    let hidden: Vec<Hidden> =
        checked.iter().map(|source| Hidden { keys: keys(source), from }).collect();
    if hidden.is_empty() {
        return Ok(());
    }
    let ids = &look.ids[..tokens.end];
    let scores = inspector.score_without(ids, tokens.start, hidden)?;
    for (source, score) in checked.into_iter().zip(scores) {
        source.knock_out = Some(found.logprob - score);
    }
    Ok(())
}
