//! A model that answers: its engine, its texts, and what its answers can be held to.

use std::sync::{Arc, OnceLock};

use engine::{
    ChatTemplate, Constraint, Engine, Grammar, GrammarCompiler, GrammarError, Special, Tokenizer,
};
use inspect::profile::Profiles;
use model::Model;
use model::kv::{KvPolicy, KvShape};
use tokenizer::turn::TurnFormat;

use crate::conversation::knows_tools;
use crate::error::ApiError;
use crate::inspection::HeadsKnown;
use crate::speeds::Calibration;
use crate::worker::EngineHandle;

/// A model that answers.
pub struct Served {
    pub(crate) name: String,
    pub(crate) engine: EngineHandle,
    pub(crate) tokenizer: Tokenizer,
    /// `None`: conversations are joined as plain text.
    pub(crate) template: Option<ChatTemplate>,
    /// How it writes reasoning and calls of tools.
    pub(crate) format: TurnFormat,
    pub(crate) n_ctx: usize,
    pub(crate) kv_policy: KvPolicy,
    pub(crate) kv_shape: KvShape,
    /// Rows of one forward pass.
    pub(crate) n_tokens_max: usize,
    /// What is looked at; `None`: there is no attention to see.
    pub(crate) model: Option<Arc<Model>>,
    /// Where profiles of heads are kept; `None`: in memory alone.
    pub(crate) profiles: Option<Profiles>,
    pub(crate) heads_known: HeadsKnown,
    /// `None`: nobody knows how fast it is.
    pub(crate) calibration: Option<Arc<dyn Calibration>>,
    n_vocab: usize,
    /// Made when the first grammar is asked for.
    compiler: OnceLock<Result<GrammarCompiler, GrammarError>>,
}

impl Served {
    /// Starts the thread of an engine.
    pub fn start(
        name: String,
        engine: Engine,
        (tokenizer, template): (Tokenizer, Option<ChatTemplate>),
        kv_policy: KvPolicy,
    ) -> Self {
        let runner = engine.runner();
        let (n_ctx, n_vocab) = (runner.n_ctx(), runner.n_vocab());
        let (kv_shape, n_tokens_max) = (runner.kv().shape().clone(), runner.n_tokens_max());
        let source = template.as_ref().map_or("", |template| template.source());
        // Where the template has no place for tools, the conversation tells of them in this form.
        let format = match knows_tools(source) {
            true => TurnFormat::of_template(source),
            false => TurnFormat::hermes(),
        };
        let engine = EngineHandle::start(engine);
        let compiler = OnceLock::new();
        Self {
            name,
            engine,
            tokenizer,
            template,
            format,
            n_ctx,
            kv_policy,
            kv_shape,
            n_tokens_max,
            model: None,
            profiles: None,
            heads_known: HeadsKnown::default(),
            calibration: None,
            n_vocab,
            compiler,
        }
    }

    /// Lets clients see what the attention of a model does: of the one that the engine runs.
    /// Profiles of its heads are found and kept in `profiles`.
    pub fn inspected(self, model: Arc<Model>, profiles: Option<Profiles>) -> Self {
        Self { model: Some(model), profiles, ..self }
    }

    /// Lets clients see how long answers will take, by what `calibration` knows of the model that
    /// the engine runs.
    pub fn timed(self, calibration: Box<dyn Calibration>) -> Self {
        Self { calibration: Some(calibration.into()), ..self }
    }

    /// A grammar over the tokens of this model; `field` is where it came from.
    ///
    /// # Errors
    /// A grammar that cannot be held to.
    pub(crate) fn compile(&self, grammar: &Grammar, field: &str) -> Result<Constraint, ApiError> {
        let compile = || {
            let make = || GrammarCompiler::new(&self.tokenizer, self.n_vocab);
            self.compiler.get_or_init(make).as_ref().map_err(Clone::clone)?.compile(grammar)
        };
        // Large grammars take their time; other requests do not wait for them.
        let compiled = tokio::task::block_in_place(compile);
        compiled.map_err(|error| ApiError::field(field, error.to_string()))
    }

    /// The id of a text that is one of the tokens that control the model.
    pub(crate) fn control_id(&self, text: &str) -> Option<u32> {
        match self.tokenizer.encode(text, engine::SpecialText::Parse)[..] {
            [id] if self.tokenizer.is_control(id) => Some(id),
            _ => None,
        }
    }

    /// Tokens as they are, those that control the model too.
    pub(crate) fn text(&self, ids: &[u32]) -> String {
        let bytes = ids.iter().flat_map(|&id| self.tokenizer.token_bytes(id, Special::Show));
        String::from_utf8_lossy(&bytes.copied().collect::<Vec<u8>>()).into_owned()
    }
}
