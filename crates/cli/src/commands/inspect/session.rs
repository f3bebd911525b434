//! A model that is open to be looked at.

use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::Result;
use engine::{Engine, Loaded};
use inspect::{AskEngine, Inspector};

use crate::args::ModelArgs;
use crate::bar::Bar;
use crate::inspect_args::SessionArgs;
use crate::interrupt::Interrupt;
use crate::open::{self, Show, Text};

pub(super) struct Session<'a> {
    args: &'a SessionArgs,
    model: ModelArgs,
    show: Show,
    interrupt: Interrupt,
    pub(super) loaded: Loaded,
}

impl<'a> Session<'a> {
    /// # Errors
    /// A model that cannot be opened, or reads its prompt with an encoder.
    pub(super) fn open(args: &'a SessionArgs) -> Result<Self> {
        Self::open_other(args, &args.model.model)
    }

    /// Another model, run in the same way.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub(super) fn open_other(args: &'a SessionArgs, model: &str) -> Result<Self> {
        let model = ModelArgs { model: model.to_owned(), ..args.model.clone() };
        let show = if args.output.json { Show::Nothing } else { Show::Progress };
        let interrupt = Interrupt::install()?;
        let arithmetic = open::arithmetic(&args.runtime);
        let opened = open::open(&model, arithmetic, show, &interrupt)?;
        open::check_one_text(&opened.loaded.model, &model.model)?;
        Ok(Self { args, model, show, interrupt, loaded: opened.loaded })
    }

    pub(super) fn is_json(&self) -> bool {
        self.args.output.json
    }

    /// The model's name, for people.
    pub(super) fn name(&self) -> &str {
        open::short_name(&self.model.model)
    }

    /// Most bytes of what is kept of attention.
    pub(super) fn n_bytes_max(&self) -> usize {
        self.args.limit as usize * (1 << 20)
    }

    /// An engine with room for a text of so many tokens and an answer.
    pub(super) fn engine(&self, n_prompt: usize, n_answer: usize) -> Result<Engine> {
        let text = Text::Prompt { n_prompt, n_answer: Some(n_answer) };
        open::engine(&self.loaded, &self.args.runtime, &self.args.cache, text)
    }

    /// Lets a question ask the model, with progress on the way.
    pub(super) fn inspect<T>(
        &self,
        engine: &mut Engine,
        question: impl FnOnce(&mut Inspector<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut bar = Bar::steps(self.show, "looking");
        let mut n_done = 0;
        let mut on_tokens = |n: usize| {
            n_done += n as u64;
            bar.set(n_done, n_done);
        };
        let answer = self.watched(engine, &mut on_tokens, question);
        bar.finish();
        answer
    }

    /// The same, of something that is done `n_steps` times and says how often it was.
    pub(super) fn inspect_steps<T>(
        &self,
        engine: &mut Engine,
        n_steps: usize,
        question: impl FnOnce(&mut Inspector<'_>, &mut dyn FnMut(usize)) -> Result<T>,
    ) -> Result<T> {
        let mut bar = Bar::steps(self.show, "looking");
        let mut on_step = |n_done: usize| bar.set(n_done as u64, n_steps as u64);
        let answer =
            self.watched(engine, &mut |_| (), |inspector| question(inspector, &mut on_step));
        bar.finish();
        answer
    }

    fn watched<T>(
        &self,
        engine: &mut Engine,
        on_tokens: &mut dyn FnMut(usize),
        question: impl FnOnce(&mut Inspector<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut progress = |n: usize| {
            on_tokens(n);
            match self.interrupt.is_requested() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let mut ask = AskEngine { engine, progress: &mut progress };
        let mut inspector = Inspector {
            model: Arc::clone(&self.loaded.model),
            tokenizer: &self.loaded.tokenizer,
            ask: &mut ask,
            n_bytes_max: self.n_bytes_max(),
        };
        question(&mut inspector)
    }
}
