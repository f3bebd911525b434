//! Why a request cannot be answered.

/// What can go wrong between a prompt and its answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    #[error("the prompt has no tokens: give a text")]
    EmptyPrompt,
    #[error(
        "the prompt has {n_prompt} tokens, the context holds {n_ctx}: shorten the prompt or use \
         a larger context"
    )]
    PromptTooLong { n_prompt: usize, n_ctx: usize },
    #[error(
        "the policy keeps {n_kept} tokens, and the context of {n_ctx} has no room for them beside \
         those that are computed: keep fewer or use a larger context"
    )]
    PolicyTooLarge { n_kept: usize, n_ctx: usize },
    #[error(
        "{policy} keeps a part of a prompt and answers from it, and here is no answer: expected \
         all, window=N or blocks=N"
    )]
    NothingToAnswer { policy: model::kv::KvPolicy },
    #[error(
        "{policy} lets go of a part of one text, and this model's encoder and decoder read two: \
         expected all"
    )]
    PolicyOfEncoder { policy: model::kv::KvPolicy },
    #[error(
        "log-probabilities of a prompt are those of tokens that see all before them: expected a \
         model without an encoder, and no policy that lets go of a part"
    )]
    PromptLogprobs,
    #[error(
        "keys are hidden from tokens that would see them all: expected a model without an encoder, \
         and no policy that lets go of a part"
    )]
    HiddenOfPart,
    #[error(
        "hidden keys {start} to {end} from token {from} on: expected some keys, before that token, \
         and that one within the prompt of {n_prompt} tokens"
    )]
    Hidden { start: u32, end: u32, from: u32, n_prompt: usize },
    #[error("token {token_idx}: expected an id below {n_vocab}, found {id}")]
    UnknownToken { token_idx: usize, id: u32, n_vocab: usize },

    #[error("{name}: expected {expected}, found {found}")]
    Parameter { name: &'static str, expected: &'static str, found: f32 },
    #[error("logit_bias: expected a token id below {n_vocab}, found {id}")]
    BiasToken { id: u32, n_vocab: usize },
    #[error("logit_bias of token {id}: expected a finite number, found {found}")]
    BiasValue { id: u32, found: f32 },
    #[error("stop string {stop_idx} is empty: give it a character or leave it out")]
    EmptyStop { stop_idx: usize },

    /// `tensor` is the one to blame, where somebody has looked for it.
    #[error(
        "the model's logits are not numbers{}: get the model file again",
        tensor.as_ref().map(|name| format!(", nor are all of tensor {name}")).unwrap_or_default()
    )]
    NanLogits { tensor: Option<String> },
    #[error(
        "the model's hidden states are not numbers{}: get the model file again",
        tensor.as_ref().map(|name| format!(", nor are all of tensor {name}")).unwrap_or_default()
    )]
    NanHidden { tensor: Option<String> },
    #[error("every token is excluded: expected at least one logit above minus infinity")]
    NoCandidates,
    #[error(transparent)]
    CacheFull(#[from] model::kv::CacheFull),
    #[error(transparent)]
    Grammar(#[from] crate::grammar::GrammarError),
    #[error("stopped before the end")]
    Stopped,
}

/// Checks ids that came from outside.
///
/// # Errors
/// [`Error::UnknownToken`] names the first id that is not in the vocabulary.
pub(crate) fn check_ids(ids: &[u32], n_vocab: usize) -> Result<(), Error> {
    match ids.iter().position(|&id| id as usize >= n_vocab) {
        Some(token_idx) => Err(Error::UnknownToken { token_idx, id: ids[token_idx], n_vocab }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: Error, expected: &str) {
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn messages_say_what_to_do() {
        check(
            Error::PromptTooLong { n_prompt: 9, n_ctx: 8 },
            "the prompt has 9 tokens, the context holds 8: shorten the prompt or use a larger \
             context",
        );
        check(
            Error::NanLogits { tensor: None },
            "the model's logits are not numbers: get the model file again",
        );
        check(
            Error::NanLogits { tensor: Some("output_norm.weight".into()) },
            "the model's logits are not numbers, nor are all of tensor output_norm.weight: get \
             the model file again",
        );
        check(
            Error::Parameter { name: "top_p", expected: "0 to 1", found: f32::NAN },
            "top_p: expected 0 to 1, found NaN",
        );
    }

    #[test]
    fn the_first_unknown_id_is_named() {
        assert_eq!(check_ids(&[0, 9], 10), Ok(()));
        let error = Error::UnknownToken { token_idx: 1, id: 10, n_vocab: 10 };
        assert_eq!(check_ids(&[0, 10, 11], 10), Err(error));
    }
}
