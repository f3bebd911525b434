//! The part of a text that an answer needs, and prompts with the texts that hold it.

use std::ops::Range;

use engine::Tokenizer;

use super::{DrownCase, Variant, variants};
use crate::capture::Lens;
use crate::inspector::{InspectError, Inspector, text_of};
use crate::questions::{AnswerPart, Look, look};
use crate::text::{SpanError, Unit};

/// Sources that are hidden to find the span.
const N_CHECKED: usize = 5;

/// Where a part of a document stands first.
///
/// # Errors
/// One that is empty, or not there.
pub fn named_span(document: &str, span: &str) -> Result<Range<usize>, SpanError> {
    let span = span.trim();
    if span.is_empty() {
        return Err(SpanError::EmptyNeedle);
    }
    let start = document.find(span).ok_or_else(|| SpanError::not_found(span))?;
    Ok(start..start + span.len())
}

/// The sentence of a document that the answer to a prompt loses most without, of the first few by
/// their values; `context` are the tokens of the document.
///
/// # Errors
/// A prompt that does not hold the document, and what becomes of requests.
pub fn dearest_span(
    inspector: &mut Inspector<'_>,
    (prompt, context): (&[u32], Range<usize>),
    (document, answer): (&str, &[u32]),
) -> Result<Range<usize>, InspectError> {
    let question = Look {
        ids: [prompt, answer].concat(),
        n_prompt: prompt.len(),
        context,
        source: Unit::Sentence,
        part: AnswerPart::Whole,
        lenses: vec![Lens::Weight, Lens::ValueNorm],
        rank_by: Lens::ValueNorm,
        n_checked: N_CHECKED,
        head_weights: None,
    };
    let found = look(inspector, &question)?;
    let checked = found.parts.iter().flat_map(|part| &part.ranked);
    let checked = checked.filter_map(|source| Some((source.knock_out?, source.source_idx)));
    let dearest = checked.max_by(|a, b| a.0.total_cmp(&b.0));
    let (_, dearest) =
        dearest.ok_or(InspectError::Empty { what: "the text before the question" })?;
    let start = inspector.text(prompt).find(document, 0)?.start;
    let bytes = &found.sources[dearest].bytes;
    // A template may join the text with what stands around it.
    let [start, end] = [bytes.start, bytes.end].map(|at| at.saturating_sub(start));
    Ok(start..end.min(document.len()))
}

/// The texts of a curve as prompts, which `ask` makes: the tokens, and those of the text in them.
///
/// # Errors
/// Those of `ask`, and prompts that do not hold their texts.
pub fn drown_cases<E: From<SpanError>>(
    tokenizer: &Tokenizer,
    (document, span): (&str, &Range<usize>),
    mut ask: impl FnMut(&str) -> Result<(Vec<u32>, Range<usize>), E>,
) -> Result<Vec<DrownCase>, E> {
    let case = |Variant { kind, text, span }: Variant| {
        let (prompt, context) = ask(&text)?;
        let shown = text_of(tokenizer, &prompt);
        let start = shown.find(&text, 0)?.start;
        let span = shown.span(start + span.start..start + span.end)?.tokens;
        Ok(DrownCase { kind, prompt, context, span })
    };
    variants(document, span).into_iter().map(case).collect()
}
