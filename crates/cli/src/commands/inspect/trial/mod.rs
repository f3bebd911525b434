//! `lookback inspect trial`: how often what is said of attention is right.

mod tables;

use anyhow::Result;
use inspect::Inspector;
use inspect::planted::Half;
use inspect::profile::Profile;
use inspect::prompts::Prompts;
use inspect::questions::Judge;
use inspect::trial::{
    Asking, ContradictTrial, ContradictTrialPlan, GroundTrial, InjectTrial, LookCase, LookTrial,
    WhoTrial, WhoTrialPlan, contradict_trial, ground_trial, inject_trial, look_cases, look_trial,
    who_trial,
};
use serde::Serialize;

use super::profiles::{self, plain};
use super::session::Session;
use crate::inspect_args::{TrialArgs, TrialOf};
use crate::output;

/// What was found of the questions that were tried.
#[derive(Default, Serialize)]
struct Found {
    #[serde(skip_serializing_if = "Option::is_none")]
    look: Option<LookTrial>,
    #[serde(skip_serializing_if = "Option::is_none")]
    who: Option<WhoTrial>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contradict: Option<ContradictTrial>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inject: Option<InjectTrial>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ground: Option<GroundTrial>,
}

#[derive(Serialize)]
struct TrialJson<'a> {
    model: &'a str,
    #[serde(flatten)]
    found: &'a Found,
}

/// What all trials are made of.
struct Trials<'a> {
    questions: Vec<TrialOf>,
    n: usize,
    look: Vec<LookCase>,
    who: WhoTrialPlan,
    contradict: ContradictTrialPlan,
    prompts: Prompts<'a>,
    /// Of those who need one.
    profile: Option<Profile>,
}

const ALL: [TrialOf; 5] =
    [TrialOf::Look, TrialOf::Who, TrialOf::Contradict, TrialOf::Inject, TrialOf::Ground];
/// Sentences between the candidates of `who` and the pronoun.
const DISTANCES: [usize; 4] = [0, 2, 6, 12];
/// Of a contract, and pairs of them that attention may propose.
const N_CLAUSES: usize = 12;
const N_PAIRS: usize = 10;

pub(super) fn trial(args: &TrialArgs) -> Result<()> {
    let session = Session::open(&args.session)?;
    let template = session.loaded.compile_template()?;
    let questions = match &args.questions[..] {
        [] => ALL.to_vec(),
        some => ALL.into_iter().filter(|question| some.contains(question)).collect(),
    };
    let n = args.n as usize;
    let is_asked = |of: TrialOf| questions.contains(&of);
    let trials = Trials {
        n,
        look: match is_asked(TrialOf::Look) {
            true => look_cases(&Asking::new(&session.loaded)?, n as u64)?,
            false => Vec::new(),
        },
        who: WhoTrialPlan {
            half: Half::HeldOut,
            distances: DISTANCES.to_vec(),
            n_each: n.div_ceil(DISTANCES.len()) as u64,
            head_weights: None,
        },
        contradict: ContradictTrialPlan {
            half: Half::HeldOut,
            n: n as u64,
            n_clauses: N_CLAUSES,
            n_pairs: N_PAIRS,
            head_weights: None,
        },
        prompts: Prompts { tokenizer: &session.loaded.tokenizer, template: template.as_ref() },
        profile: match is_asked(TrialOf::Inject) || is_asked(TrialOf::Ground) {
            true => Some(profiles::profile(&session, template.as_ref(), &args.profile)?),
            false => None,
        },
        questions,
    };
    let mut engine = profiles::engine(&session)?;
    let found = session.inspect_steps(&mut engine, trials.n_steps(), |inspector, on_step| {
        trials.run(inspector, on_step)
    })?;
    if session.is_json() {
        return output::json(&TrialJson { model: session.name(), found: &found });
    }
    output::line(format_args!("{}\n", session.name()))?;
    tables::write(&found)
}

impl Trials<'_> {
    /// Documents of all questions.
    fn n_steps(&self) -> usize {
        self.questions.iter().map(|&question| self.n_steps_of(question)).sum()
    }

    fn n_steps_of(&self, question: TrialOf) -> usize {
        match question {
            TrialOf::Look | TrialOf::Contradict | TrialOf::Ground => self.n,
            TrialOf::Who => self.who.n(),
            // Both kinds of data, without and with an instruction.
            TrialOf::Inject => 4 * self.n,
        }
    }

    fn run(&self, inspector: &mut Inspector<'_>, on_step: &mut dyn FnMut(usize)) -> Result<Found> {
        let mut found = Found::default();
        let mut n_before = 0;
        for &question in &self.questions {
            let progress = &mut |n_done: usize| on_step(n_before + n_done);
            match question {
                TrialOf::Look => found.look = Some(look_trial(inspector, &self.look, progress)?),
                TrialOf::Who => found.who = Some(who_trial(inspector, &self.who, progress)?),
                TrialOf::Contradict => {
                    let mut prompt = |question: &str| self.prompts.question(question);
                    let judge = &mut Judge::new(&mut prompt);
                    let trial = contradict_trial(inspector, judge, &self.contradict, progress)?;
                    found.contradict = Some(trial);
                }
                TrialOf::Inject => {
                    let of = (self.profile(), self.n as u64);
                    let trial = inject_trial(inspector, self.prompts, of, progress);
                    found.inject = Some(trial.map_err(plain)?);
                }
                TrialOf::Ground => {
                    let of = (self.profile(), self.n as u64);
                    let trial = ground_trial(inspector, self.prompts, of, progress);
                    found.ground = Some(trial.map_err(plain)?);
                }
            }
            n_before += self.n_steps_of(question);
        }
        Ok(found)
    }

    fn profile(&self) -> &Profile {
        self.profile.as_ref().expect("a profile is there for those who need one")
    }
}
