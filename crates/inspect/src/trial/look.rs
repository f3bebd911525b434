//! How often `look` names the sentence that an answer was read from.
//!
//! The judge hides every sentence from the rows that write the answer, one at a time: what costs
//! the answer most was read. The planted sentence is where the answer stands, read or not.

use std::ops::RangeInclusive;

use serde::Serialize;

use super::Rate;
use super::asking::{Asked, Asking, AskingError};
use crate::capture::Lens;
use crate::inspector::{InspectError, Inspector};
use crate::planted::{FactDocument, Half, facts};
use crate::questions::{AnswerPart, Look, Looked, Source, look};
use crate::text::Unit;

/// What ranks sentences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ranking {
    Weight,
    LogLift,
    ValueNorm,
    Logit,
}

/// A document that is asked about, with the answer that it gives.
#[derive(Clone, Debug)]
pub struct LookCase {
    document: FactDocument,
    asked: Asked,
    answer: Vec<u32>,
}

/// How often each ranking is right, over documents of 8 to 16 sentences.
#[derive(Clone, Debug, Serialize)]
pub struct LookTrial {
    pub n_documents: usize,
    /// For the answers that the documents give.
    pub given: LookRates,
    /// For the model's own, of at most 24 tokens.
    pub own: LookRates,
    pub caveat: &'static str,
}

#[derive(Clone, Debug, Serialize)]
pub struct LookRates {
    /// Answers that were looked at.
    pub n: usize,
    /// Those of them that no sentence alone is worth half a nat to: the judge names none there.
    pub n_unread: usize,
    /// Those that hold what the document gives as the answer.
    pub answered: Rate,
    /// How often the judge's sentence is the planted one, where there are both.
    pub judge_is_planted: Rate,
    /// The baseline: how often a sentence that is drawn is right, and one of three.
    pub by_chance: [f64; 2],
    pub rankings: Vec<RankingRates>,
}

/// How often the first sentence of a ranking is right, and one of its first three.
#[derive(Clone, Debug, Serialize)]
pub struct RankingRates {
    pub ranking: Ranking,
    /// Against the judge, where it names a sentence.
    pub judged: [Rate; 2],
    /// Against the planted sentence, where the answer is the planted one.
    pub planted: [Rate; 2],
}

/// Less than this, in nats, and nothing was read: the likelihood of the answer less than halves.
const READ_NATS: f64 = 0.5;
const N_OWN_MAX: usize = 24;
const N_SENTENCES: RangeInclusive<usize> = 8..=16;
/// The first, and the first three.
const DEPTHS: [usize; 2] = [1, 3];
const CAVEAT: &str = "planted English documents made of templates, hidden sentences as the judge: \
     what the question's own tokens had read before is not hidden, and other texts may differ";

impl Ranking {
    pub const ALL: [Self; 4] = [Self::Weight, Self::LogLift, Self::ValueNorm, Self::Logit];

    /// `None`: the model has not this lens.
    fn key(self, source: &Source) -> Option<f64> {
        match self {
            Self::Weight => Some(source.weight),
            Self::LogLift => Some(source.log_lift),
            Self::ValueNorm => source.value_norm,
            Self::Logit => source.logit,
        }
    }
}

/// The first documents of the half that nothing was chosen by.
///
/// # Errors
/// A model that cannot be asked.
pub fn look_cases(asking: &Asking<'_>, n_documents: u64) -> Result<Vec<LookCase>, AskingError> {
    let case = |idx: u64| {
        let n_sentences = N_SENTENCES.start() + idx as usize % N_SENTENCES.count();
        let document = facts(2 * idx + Half::HeldOut as u64, Half::HeldOut, n_sentences);
        let asked = asking.ask(&document.document, &document.question)?;
        let answer = asking.answer(&document.answer);
        Ok(LookCase { document, asked, answer })
    };
    (0..n_documents).map(case).collect()
}

impl LookCase {
    /// Tokens of the prompt, and of an answer at most.
    pub fn n_tokens(&self) -> [usize; 2] {
        [self.asked.prompt.len(), self.answer.len().max(N_OWN_MAX)]
    }
}

/// Looks at the answers to all documents. `progress(n_done)` is told of documents.
///
/// # Errors
/// What becomes of requests.
pub fn look_trial(
    inspector: &mut Inspector<'_>,
    cases: &[LookCase],
    progress: &mut dyn FnMut(usize),
) -> Result<LookTrial, InspectError> {
    let (mut given, mut own) = (Vec::new(), Vec::new());
    for (idx, case) in cases.iter().enumerate() {
        given.push(outcome(inspector, case, &case.answer)?);
        let answer = inspector.answer(&case.asked.prompt, N_OWN_MAX)?;
        if !answer.is_empty() {
            own.push(outcome(inspector, case, &answer)?);
        }
        progress(idx + 1);
    }
    let [given, own] = [given, own].map(|outcomes| LookRates::of(&outcomes));
    Ok(LookTrial { n_documents: cases.len(), given, own, caveat: CAVEAT })
}

/// What came of one answer.
struct Outcome {
    n_sources: usize,
    /// Sources, the best first, by each ranking that the model has.
    ranked: Vec<(Ranking, Vec<usize>)>,
    /// The source that costs most, where it costs enough.
    judged: Option<usize>,
    /// The source that holds the planted answer.
    planted: usize,
    is_answered: bool,
}

impl Outcome {
    /// The planted source, where the answer is the planted one.
    fn planted(&self) -> Option<usize> {
        self.is_answered.then_some(self.planted)
    }
}

fn outcome(
    inspector: &mut Inspector<'_>,
    case: &LookCase,
    answer: &[u32],
) -> Result<Outcome, InspectError> {
    let question = Look {
        ids: [&case.asked.prompt, answer].concat(),
        n_prompt: case.asked.prompt.len(),
        context: case.asked.context.clone(),
        source: Unit::Sentence,
        part: AnswerPart::Whole,
        lenses: Lens::all_of(&inspector.model),
        rank_by: Lens::Weight,
        n_checked: usize::MAX,
        head_weights: None,
    };
    let looked = look(inspector, &question)?;
    let is_answered = inspector.text(answer).text().contains(&case.document.answer);
    Ok(judged(case, &looked, is_answered))
}

fn judged(case: &LookCase, looked: &Looked, is_answered: bool) -> Outcome {
    let sources = &looked.parts[0].ranked;
    let by = |ranking: Ranking| {
        let keys = sources.iter().map(|source| Some((ranking.key(source)?, source.source_idx)));
        let mut keys: Vec<(f64, usize)> = keys.collect::<Option<_>>()?;
        keys.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        Some((ranking, keys.into_iter().map(|(_, source_idx)| source_idx).collect()))
    };
    let loss = |source: &Source| source.knock_out.unwrap_or(f64::NEG_INFINITY);
    let dearest = sources.iter().max_by(|a, b| loss(a).total_cmp(&loss(b)));
    let gold = case.document.gold.start + case.asked.document_start;
    Outcome {
        n_sources: sources.len(),
        ranked: Ranking::ALL.into_iter().filter_map(by).collect(),
        judged: dearest.filter(|source| loss(source) >= READ_NATS).map(|source| source.source_idx),
        planted: looked.sources.iter().take_while(|source| source.bytes.end <= gold).count(),
        is_answered,
    }
}

impl LookRates {
    fn of(outcomes: &[Outcome]) -> Self {
        let read = || outcomes.iter().filter(|outcome| outcome.judged.is_some());
        let both = || read().filter(|outcome| outcome.is_answered);
        let n_agreed = both().filter(|outcome| outcome.judged == outcome.planted()).count();
        let n_answered = outcomes.iter().filter(|outcome| outcome.is_answered).count();
        let n = outcomes.len();
        let by_chance = DEPTHS.map(|depth| {
            let of_one = |outcome: &Outcome| (depth as f64 / outcome.n_sources as f64).min(1.0);
            outcomes.iter().map(of_one).sum::<f64>() / n.max(1) as f64
        });
        let rankings = Ranking::ALL.into_iter().filter_map(|ranking| {
            let is_there = |(found, _): &(Ranking, Vec<usize>)| *found == ranking;
            outcomes.first()?.ranked.iter().any(is_there).then(|| RankingRates {
                ranking,
                judged: DEPTHS.map(|depth| hits(outcomes, ranking, depth, |it| it.judged)),
                planted: DEPTHS.map(|depth| hits(outcomes, ranking, depth, Outcome::planted)),
            })
        });
        Self {
            n,
            n_unread: n - read().count(),
            answered: Rate::of(n_answered, n),
            judge_is_planted: Rate::of(n_agreed, both().count()),
            by_chance,
            rankings: rankings.collect(),
        }
    }
}

/// How often a ranking's first `depth` sources hold the right one, where there is one.
fn hits(
    outcomes: &[Outcome],
    ranking: Ranking,
    depth: usize,
    right: impl Fn(&Outcome) -> Option<usize>,
) -> Rate {
    let hits = outcomes.iter().filter_map(|outcome| {
        let right = right(outcome)?;
        let (_, order) = outcome.ranked.iter().find(|(found, _)| *found == ranking)?;
        Some(order.iter().take(depth).any(|&source_idx| source_idx == right))
    });
    let hits: Vec<bool> = hits.collect();
    Rate::of(hits.iter().filter(|&&is_hit| is_hit).count(), hits.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(order: [usize; 4], judged: Option<usize>, is_answered: bool) -> Outcome {
        let ranked = vec![(Ranking::Weight, order.to_vec())];
        Outcome { n_sources: 4, ranked, judged, planted: 1, is_answered }
    }

    #[test]
    fn rates_count_only_where_there_is_something_right() {
        let outcomes = [
            outcome([1, 0, 2, 3], Some(1), true),
            outcome([0, 2, 1, 3], Some(1), true),
            outcome([2, 0, 3, 1], Some(2), false),
            outcome([1, 2, 3, 0], None, true),
        ];
        let rates = LookRates::of(&outcomes);
        assert_eq!((rates.n, rates.n_unread), (4, 1));
        assert_eq!(rates.answered, Rate::of(3, 4));
        assert_eq!(rates.judge_is_planted, Rate::of(2, 2));
        assert_eq!(rates.by_chance, [0.25, 0.75]);
        let [of_weight] = &rates.rankings[..] else { panic!("one ranking") };
        assert_eq!(of_weight.judged, [Rate::of(2, 3), Rate::of(3, 3)]);
        assert_eq!(of_weight.planted, [Rate::of(2, 3), Rate::of(3, 3)]);
        assert!(LookRates::of(&[]).rankings.is_empty());
    }
}
