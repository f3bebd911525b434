//! Where an answer came from, as a page and as bars.

use std::ops::Range;

use anyhow::Result;
use inspect::capture::Lens;
use inspect::export::{Answer, Lens as PageLens, Page, Reading};
use inspect::plot::{Bar, Bars, Drawing};
use inspect::questions::{AnswerPartFound, Looked, LookedPart, Source};

/// What was looked at, and as what it is shown.
pub(super) struct Shown<'a> {
    pub(super) model: &'a str,
    /// Prompt and answer, which the parts' bytes are of.
    pub(super) text: &'a str,
    pub(super) found: &'a Looked,
    pub(super) n_heads: usize,
    pub(super) caveat: &'static str,
}

/// In the order of a page's readings.
const LENSES: [(Lens, &str); 3] =
    [(Lens::Weight, "weight"), (Lens::ValueNorm, "value"), (Lens::Logit, "logit")];

/// A picture has room for so many.
const N_BARS_MAX: usize = 40;

pub(super) fn page(shown: &Shown<'_>) -> Page {
    let Looked { sources, parts } = shown.found;
    let lenses = LENSES
        .map(|(lens, name)| PageLens { name: name.to_owned(), is_signed: lens == Lens::Logit });
    let of_answer: Vec<&LookedPart> = parts.iter().map(|part| &part.part).collect();
    let answer = parts.iter().zip(pieces(shown.text, &of_answer)).map(|(part, text)| {
        let readings = LENSES.iter().map(|&(lens, _)| reading(&[part], sources.len(), lens));
        Answer { text, readings: readings.collect() }
    });
    let all: Vec<&AnswerPartFound> = parts.iter().collect();
    let whole = LENSES.iter().map(|&(lens, _)| reading(&all, sources.len(), lens));
    Page {
        title: format!("Where {} looked", shown.model),
        model: shown.model.to_owned(),
        caveat: shown.caveat.to_owned(),
        lenses: lenses.to_vec(),
        context: pieces(shown.text, &sources.iter().collect::<Vec<_>>()),
        whole: whole.collect(),
        answer: answer.collect(),
        notes: vec![
            format!("{} heads, all alike", shown.n_heads),
            "weight: the share of attention; value: the same, weighed by the length of what it \
             carries; logit: what it adds to the logits of the answer"
                .to_owned(),
            "the whole answer: logits are summed over its parts, shares are the mean over tokens"
                .to_owned(),
        ],
    }
}

/// Sources of the whole answer by one lens, the best first, beside what they would be if all
/// tokens of the context were alike.
pub(super) fn bars(shown: &Shown<'_>, lens: Lens) -> Result<Drawing> {
    let Looked { sources, parts } = shown.found;
    let all: Vec<&AnswerPartFound> = parts.iter().collect();
    let values = reading(&all, sources.len(), lens).values;
    let n_tokens = |idx: usize| sources.get(idx).map_or(0, |part| part.tokens.len()) as f64;
    let n_all: f64 = (0..sources.len()).map(n_tokens).sum();
    let of_all: f64 = values.iter().map(|&(_, value)| f64::from(value)).sum();
    let mut bars: Vec<Bar> = values
        .iter()
        .map(|&(idx, value)| Bar {
            label: one_line(&sources[idx as usize].text),
            value: value.into(),
            baseline: Some(of_all * n_tokens(idx as usize) / n_all),
        })
        .collect();
    bars.sort_by(|a, b| b.value.total_cmp(&a.value));
    let n_left_out = bars.len().saturating_sub(N_BARS_MAX);
    bars.truncate(N_BARS_MAX);
    let more = match n_left_out {
        0 => String::new(),
        n => format!("; {n} more are left out"),
    };
    let value_name = match lens {
        Lens::Weight => "share of attention",
        Lens::ValueNorm => "share of attention, weighed by what it carries",
        Lens::Logit => "logits of the answer",
    };
    let picture = Bars {
        title: format!("What the answer of {} was read from", shown.model),
        value_name: value_name.to_owned(),
        bars,
        baseline_name: "if all tokens of the context got the same".to_owned(),
        caveat: format!("{}{more}", shown.caveat),
    };
    Ok(picture.draw()?)
}

/// What a lens sees of some parts together.
fn reading(parts: &[&AnswerPartFound], n_sources: usize, lens: Lens) -> Reading {
    let n_all: usize = parts.iter().map(|part| part.part.tokens.len()).sum();
    let share = |part: &AnswerPartFound| match lens {
        Lens::Logit => 1.0,
        _ => part.part.tokens.len() as f64 / n_all.max(1) as f64,
    };
    let mut sums = vec![0.0; n_sources];
    for part in parts {
        for source in &part.ranked {
            sums[source.source_idx] += share(part) * value(source, lens);
        }
    }
    let sink = |part: &&AnswerPartFound| match lens {
        Lens::Weight => share(part) * (part.sink + part.virtual_sink),
        _ => 0.0,
    };
    let values = (0..).zip(sums).map(|(idx, sum)| (idx, sum as f32));
    Reading { values: values.collect(), sink: parts.iter().map(sink).sum::<f64>() as f32 }
}

fn value(source: &Source, lens: Lens) -> f64 {
    match lens {
        Lens::Weight => source.weight,
        Lens::ValueNorm => source.value_norm.unwrap_or(0.0),
        Lens::Logit => source.logit.unwrap_or(0.0),
    }
}

/// The text of each part, with what stands between it and the next one.
fn pieces(text: &str, parts: &[&LookedPart]) -> Vec<String> {
    let next = parts.iter().skip(1).map(|part| part.bytes.start);
    let ends = next.chain(parts.last().map(|part| part.bytes.end));
    let piece = |(part, end): (&&LookedPart, usize)| {
        let bytes: Range<usize> = part.bytes.start..end.max(part.bytes.end);
        text.get(bytes).unwrap_or(&part.text).to_owned()
    };
    parts.iter().zip(ends).map(piece).collect()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_text_with_its_blanks() {
        let text = "a b. c d.\n\ne f.";
        let part = |bytes: Range<usize>| LookedPart {
            text: text[bytes.clone()].to_owned(),
            bytes,
            tokens: 0..1,
        };
        let parts = [part(0..4), part(5..9), part(11..15)];
        let found = pieces(text, &parts.iter().collect::<Vec<_>>());
        assert_eq!(found, ["a b. ", "c d.\n\n", "e f."]);
        assert_eq!(found.concat(), text);
        assert_eq!(pieces(text, &[]), [""; 0]);
    }
}
