//! Needles: sentences with a random number, hidden in a text and asked for at its end (Kamradt
//! 2023, "Needle in a haystack").

use std::ops::Range;

use model::kv::{KvPolicy, SequenceId};
use tokenizer::{SpecialText, Tokenizer};

use super::Progress;
use super::passage::{read, step};
use crate::error::Error;
use crate::runner::Runner;
use crate::sampler::{has_nan, top_logits, uniform};

/// Most needles of one text: each subject has one number.
pub const N_NEEDLES_MAX: usize = SUBJECTS.len();

/// What has a number. They have little in common, so that a question fits one of them.
const SUBJECTS: [&str; 8] = [
    "The code of the vault in Lisbon",
    "The number painted on the yellow balloon",
    "The telephone number of the clockmaker",
    "The serial number of the lost telescope",
    "The weight of the bronze elephant in grams",
    "The password of the night watchman",
    "The licence of the red tractor",
    "The room in which Professor Okafor sleeps",
];
/// Same seed, same numbers.
const SEED: u64 = 7;
const NUMBERS: Range<u32> = 10_000..100_000;
/// Tokens of an answer: a number, whatever the vocabulary, and a few words before it.
const N_ANSWER: usize = 16;
/// Needles take at most one token of so many, or the text would be about nothing else.
const N_TOKENS_PER_NEEDLE_TOKEN: usize = 4;
/// Tokens in which a sentence is hoped to end.
const N_SENTENCE: usize = 64;

/// A text with needles in it, and the questions.
#[derive(Clone, Debug)]
pub struct Needles {
    /// `[n_tokens]`
    ids: Vec<u32>,
    needles: Vec<Needle>,
}

#[derive(Clone, Debug)]
struct Needle {
    /// Where it begins.
    pos: usize,
    number: u32,
    question: Vec<u32>,
}

/// What a model said when it was asked for a needle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Where in the text the needle begins, in tokens.
    pub pos: usize,
    pub number: u32,
    /// Greedy.
    pub text: String,
    pub is_found: bool,
}

impl Needles {
    /// Hides up to `n` needles evenly in a text, behind ends of sentences, and cuts its end so
    /// that it is as long as before. Fewer where the text is too short for so many.
    pub fn hide(text: &[u32], n: usize, tokenizer: &Tokenizer) -> Self {
        let encode = |text: &str| tokenizer.encode(text, SpecialText::AsText);
        let sentence = |i: usize| encode(&format!(" {} is {}.", SUBJECTS[i], number(i)));
        let sentences: Vec<Vec<u32>> = (0..n.min(N_NEEDLES_MAX)).map(sentence).collect();
        let mut n_room = text.len() / N_TOKENS_PER_NEEDLE_TOKEN;
        let fitting = sentences.iter().take_while(|sentence| {
            let fits = sentence.len() <= n_room;
            n_room = n_room.saturating_sub(sentence.len());
            fits
        });
        let sentences: Vec<&Vec<u32>> = fitting.collect();
        let n_needle_tokens: usize = sentences.iter().map(|sentence| sentence.len()).sum();
        let hay = &text[..text.len() - n_needle_tokens];
        let mut ids = Vec::with_capacity(text.len());
        let mut needles = Vec::with_capacity(sentences.len());
        let mut n_hay = 0;
        for (i, sentence) in sentences.iter().enumerate() {
            let wanted = hay.len() * (2 * i + 1) / (2 * sentences.len());
            let cut = end_of_sentence(hay, wanted, tokenizer).max(n_hay);
            ids.extend_from_slice(&hay[n_hay..cut]);
            n_hay = cut;
            let subject = SUBJECTS[i];
            let asked = subject.replacen("The", "the", 1);
            let question = format!("\n\nQuestion: What is {asked}?\nAnswer: {subject} is");
            needles.push(Needle { pos: ids.len(), number: number(i), question: encode(&question) });
            ids.extend_from_slice(sentence);
        }
        ids.extend_from_slice(&hay[n_hay..]);
        Self { ids, needles }
    }

    pub fn n_needles(&self) -> usize {
        self.needles.len()
    }

    /// The longest text with question and answer, in tokens.
    pub fn n_positions(&self) -> usize {
        let questions = self.needles.iter().map(|needle| needle.question.len() + N_ANSWER);
        questions.max().map_or(0, |n| self.ids.len() + n)
    }

    /// Tokens that [`Self::ask`] computes at most.
    pub(super) fn n_tokens(&self) -> usize {
        let questions = self.needles.iter().map(|needle| needle.question.len() + N_ANSWER);
        if self.needles.is_empty() { 0 } else { self.ids.len() + questions.sum::<usize>() }
    }

    /// Reads the text once and asks for each needle after it.
    ///
    /// # Errors
    /// Logits that are not numbers, a cache that is too small; [`Error::Stopped`].
    pub(super) fn ask(
        &self,
        runner: &mut dyn Runner,
        tokenizer: &Tokenizer,
        (policy, progress): (KvPolicy, Progress<'_>),
    ) -> Result<Vec<Answer>, Error> {
        if self.needles.is_empty() {
            return Ok(Vec::new());
        }
        let text = runner.kv_mut().admit_empty(policy.after_prompt(usize::MAX));
        let mut answers = Vec::with_capacity(self.needles.len());
        let mut n_done = self.ids.len();
        let mut result = read(runner, text, &self.ids, progress).map(|_| ());
        for needle in &self.needles {
            if result.is_err() {
                break;
            }
            let policy = policy.after_prompt(self.ids.len() + needle.question.len());
            let branch = runner.kv_mut().fork_under(text, self.ids.len(), policy);
            let answer = self.answer(needle, branch, runner, tokenizer);
            runner.kv_mut().release(branch);
            result = answer.map(|answer| answers.push(answer));
            n_done += needle.question.len() + N_ANSWER;
            if result.is_ok() && progress(n_done).is_break() {
                result = Err(Error::Stopped);
            }
        }
        runner.kv_mut().release(text);
        result.map(|()| answers)
    }

    fn answer(
        &self,
        needle: &Needle,
        branch: SequenceId,
        runner: &mut dyn Runner,
        tokenizer: &Tokenizer,
    ) -> Result<Answer, Error> {
        let asked = [&self.ids[..], &needle.question].concat();
        let (&last, before) = asked.split_last().expect("a question has tokens");
        read(runner, branch, before, &mut |_| std::ops::ControlFlow::Continue(()))?;
        let mut answer =
            Answer { pos: needle.pos, number: needle.number, text: String::new(), is_found: false };
        let (mut token, mut ids) = (last, Vec::with_capacity(N_ANSWER));
        while ids.len() < N_ANSWER && !answer.is_found {
            step(runner, branch, token)?;
            let logits = runner.logits(0..1);
            if has_nan(logits) {
                return Err(Error::NanLogits { tensor: runner.find_non_finite() });
            }
            let Some(&(likeliest, _)) = top_logits(logits, 1).first() else { break };
            if tokenizer.is_end_of_generation(likeliest) {
                break;
            }
            token = likeliest;
            ids.push(token);
            answer.text = tokenizer.decode(&ids);
            answer.is_found = has_number(&answer.text, needle.number);
        }
        Ok(answer)
    }
}

/// `48213`, or as some write it, `48,213`.
fn has_number(text: &str, number: u32) -> bool {
    text.replace(',', "").contains(&number.to_string())
}

fn number(needle_idx: usize) -> u32 {
    let n = NUMBERS.end - NUMBERS.start;
    NUMBERS.start + (uniform(SEED, needle_idx as u64) * f64::from(n)) as u32
}

/// The first place from `from` on behind a token that ends a sentence; `from` where none is near.
fn end_of_sentence(ids: &[u32], from: usize, tokenizer: &Tokenizer) -> usize {
    let is_end = |&place: &usize| {
        let before = place.checked_sub(1).and_then(|idx| ids.get(idx));
        before.is_some_and(|&id| tokenizer.piece(id).ends_with(['.', '\n']))
    };
    let mut places = from..(from + N_SENTENCE).min(ids.len() + 1);
    places.find(is_end).unwrap_or(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_however_they_are_written() {
        assert!(has_number(" 48213.", 48213));
        assert!(has_number(" 48,213 in all", 48213));
        assert!(!has_number(" 4821.", 48213));
    }

    #[test]
    fn no_number_is_asked_for_twice() {
        let mut numbers: Vec<u32> = (0..N_NEEDLES_MAX).map(number).collect();
        assert!(numbers.iter().all(|number| NUMBERS.contains(number)), "{numbers:?}");
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), N_NEEDLES_MAX);
    }
}
