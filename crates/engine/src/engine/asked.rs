//! What is asked about a prompt beside its answer.

use model::kv::{Hidden, KvPolicy};

use crate::error::Error;
use crate::request::Request;

/// Refuses what cannot be told of a prompt.
///
/// # Errors
/// Log-probabilities or hidden keys where an encoder reads, or under a policy that lets go of a
/// part; hidden keys that do not come before the tokens that are not to see them.
pub(super) fn check(request: &Request, n_prompt: usize, has_encoder: bool) -> Result<(), Error> {
    let is_whole = !has_encoder && request.kv_policy == KvPolicy::KeepAll;
    if request.logprobs.of_prompt.is_some() && !is_whole {
        return Err(Error::PromptLogprobs);
    }
    let Some(Hidden { keys, from }) = &request.hidden else { return Ok(()) };
    if !is_whole {
        return Err(Error::HiddenOfPart);
    }
    if keys.is_empty() || keys.end > *from || *from as usize >= n_prompt {
        let (start, end, from) = (keys.start, keys.end, *from);
        return Err(Error::Hidden { start, end, from, n_prompt });
    }
    Ok(())
}

/// Whether something is asked that is found while the prompt is computed.
pub(super) fn is_asked(request: &Request) -> bool {
    request.logprobs.of_prompt.is_some() || request.watch.is_some()
}

/// Tokens whose keys may come from the cache all the same.
pub(super) fn n_reused_max(request: &Request) -> usize {
    // The logits of a token are those of the row before it.
    let of_prompt = request.logprobs.of_prompt.map(|first| first.saturating_sub(1));
    let watched = request.watch.as_ref().map(|watch| watch.lock().first_pos());
    let hidden = request.hidden.as_ref().map(|hidden| hidden.from as usize);
    [of_prompt, watched, hidden].into_iter().flatten().min().unwrap_or(usize::MAX)
}
