//! A model that is open to be looked at.

use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::Result;
use engine::{Engine, Loaded};
use inspect::{AskEngine, Inspector};

use crate::bar::Bar;
use crate::inspect_args::SessionArgs;
use crate::interrupt::Interrupt;
use crate::open::{self, Show, Text};

pub(super) struct Session<'a> {
    args: &'a SessionArgs,
    show: Show,
    interrupt: Interrupt,
    pub(super) loaded: Loaded,
}

impl<'a> Session<'a> {
    /// # Errors
    /// A model that cannot be opened, or reads its prompt with an encoder.
    pub(super) fn open(args: &'a SessionArgs) -> Result<Self> {
        let show = if args.output.json { Show::Nothing } else { Show::Progress };
        let interrupt = Interrupt::install()?;
        let arithmetic = open::arithmetic(&args.runtime);
        let opened = open::open(&args.model, arithmetic, show, &interrupt)?;
        open::check_one_text(&opened.loaded.model, &args.model.model)?;
        Ok(Self { args, show, interrupt, loaded: opened.loaded })
    }

    pub(super) fn is_json(&self) -> bool {
        self.args.output.json
    }

    /// The model's name, for people.
    pub(super) fn name(&self) -> &str {
        open::short_name(&self.args.model.model)
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
        let mut progress = |n: usize| {
            n_done += n as u64;
            bar.set(n_done, n_done);
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
        let answer = question(&mut inspector);
        bar.finish();
        answer
    }
}
