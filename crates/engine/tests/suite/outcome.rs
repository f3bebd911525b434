//! Runs requests to their ends and keeps what each one got.

use std::collections::BTreeMap;

use engine::{
    Engine, Error, Event, FinishReason, PromptToken, Request, RequestId, SamplingParams, Usage,
};

/// What a request led to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) answer: Answer,
    /// Zeros where the request failed.
    pub(crate) usage: Usage,
}

/// The part of it that must not depend on anything but the request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Answer {
    /// Without the token that ends a turn.
    pub(crate) ids: Vec<u32>,
    pub(crate) logprobs: Vec<f32>,
    /// The likeliest in each place, where they were asked for.
    pub(crate) tops: Vec<Vec<(u32, f32)>>,
    /// Tokens of the prompt, where they were asked for, and which is the first of them.
    pub(crate) prompt: Vec<PromptToken>,
    pub(crate) first_of_prompt: Option<usize>,
    /// One a token, then that of the end.
    pub(crate) deltas: Vec<String>,
    /// `None`: it goes on.
    pub(crate) end: Option<Result<FinishReason, Error>>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        self.deltas.concat()
    }
}

/// A greedy request without limits.
pub(crate) fn greedy(prompt: &[u32]) -> Request {
    Request::new(prompt.to_vec(), SamplingParams::greedy())
}

/// The outcomes of requests, by id.
#[derive(Default)]
pub(crate) struct Outcomes(BTreeMap<RequestId, Outcome>);

impl Outcomes {
    /// One step of the engine.
    pub(crate) fn step(&mut self, engine: &mut Engine) {
        for event in engine.step() {
            self.record(event);
        }
    }

    pub(crate) fn get(&mut self, id: RequestId) -> &mut Outcome {
        self.0.entry(id).or_default()
    }

    pub(crate) fn all(self) -> Vec<Outcome> {
        self.0.into_values().collect()
    }

    fn record(&mut self, event: Event) {
        let (Event::Progress { id, .. }
        | Event::Prompt { id, .. }
        | Event::Token { id, .. }
        | Event::Finished { id, .. }
        | Event::Failed { id, .. }) = event;
        let Outcome { answer, usage: total } = self.get(id);
        assert_eq!(answer.end, None, "nothing comes after the end");
        match event {
            Event::Progress { n_computed, n_prompt, .. } => {
                assert!(answer.ids.is_empty());
                assert!(n_computed <= n_prompt);
            }
            Event::Prompt { first, tokens, .. } => {
                assert!(answer.ids.is_empty());
                let first_of_all = *answer.first_of_prompt.get_or_insert(first);
                assert_eq!(first, first_of_all + answer.prompt.len());
                answer.prompt.extend(tokens);
            }
            Event::Token { token_id, logprob, top, text, .. } => {
                answer.ids.push(token_id);
                answer.logprobs.push(logprob);
                answer.tops.push(top);
                answer.deltas.push(text);
            }
            Event::Finished { text, reason, usage, .. } => {
                answer.deltas.push(text);
                answer.end = Some(Ok(reason));
                *total = usage;
            }
            Event::Failed { error, .. } => answer.end = Some(Err(error)),
        }
    }
}

/// Outcomes of requests that come before the step that stands beside them.
pub(crate) fn run_at(engine: &mut Engine, requests: &[(usize, Request)]) -> Vec<Outcome> {
    const N_STEPS_MAX: usize = 10_000;
    let mut outcomes = Outcomes::default();
    let mut ids = Vec::new();
    for step in 0..N_STEPS_MAX {
        for (idx, (_, request)) in requests.iter().enumerate().filter(|(_, (at, _))| *at == step) {
            ids.push((idx, engine.submit(request.clone()).expect("a request that is in range")));
        }
        if ids.len() == requests.len() && engine.is_idle() {
            ids.sort_unstable();
            return ids.into_iter().map(|(_, id)| outcomes.get(id).clone()).collect();
        }
        outcomes.step(engine);
    }
    panic!("not at an end after {N_STEPS_MAX} steps");
}

pub(crate) fn run_all(engine: &mut Engine, requests: &[Request]) -> Vec<Outcome> {
    let requests: Vec<_> = requests.iter().map(|request| (0, request.clone())).collect();
    run_at(engine, &requests)
}

pub(crate) fn run(engine: &mut Engine, request: &Request) -> Outcome {
    run_all(engine, std::slice::from_ref(request)).remove(0)
}
