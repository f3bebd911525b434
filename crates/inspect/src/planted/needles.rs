//! A haystack with one needle in it.

use std::ops::Range;

use super::Half;
use super::draft::{Draft, place};
use super::fact_templates::Fact;
use super::filler::Filler;
use super::random::Random;

/// A long text of filler, and one sentence that answers a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeedleDocument {
    pub document: String,
    pub question: String,
    /// Stands once in the document.
    pub answer: String,
    pub answer_bytes: Range<usize>,
    pub needle: Range<usize>,
}

/// A document of `n_words`, words being what spaces divide, and at most a sentence more. The needle
/// lies after `depth` of the others: 0 is the start, 1 the end.
pub fn needle(seed: u64, half: Half, n_words: usize, depth: f64) -> NeedleDocument {
    const N_PER_PARAGRAPH: usize = 8;
    assert!((0.0..=1.0).contains(&depth), "depth is a share");
    let random = &mut Random::new(seed);
    let fact = Fact::draw(half, random);
    let mut filler = Filler::new(half);
    let mut hay: Vec<String> = Vec::new();
    let mut n_hay = 0;
    while n_hay + count(&fact.sentence) < n_words {
        let sentence = filler.sentence(&fact.answer, random);
        n_hay += count(&sentence);
        hay.push(sentence);
    }
    let target = (depth * n_hay as f64) as usize;
    let ends = hay.iter().scan(0, |end, sentence| {
        *end += count(sentence);
        Some(*end)
    });
    let at = ends.take_while(|&end| end <= target).count();
    hay.insert(at, fact.sentence);
    let mut draft = Draft::default();
    for (idx, sentence) in hay.iter().enumerate() {
        draft.push_after(if idx % N_PER_PARAGRAPH == 0 { "\n\n" } else { " " }, sentence);
    }
    let needle = draft.sentences[at].clone();
    NeedleDocument {
        answer_bytes: place(&draft.text, &needle, &fact.answer),
        question: fact.question,
        answer: fact.answer,
        document: draft.text,
        needle,
    }
}

fn count(sentence: &str) -> usize {
    sentence.split_whitespace().count()
}
