//! Which tokens may come next, found beside the forward pass: on a thread of its own, from one
//! token to the next.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use llguidance::toktrie::SimpleVob;

use super::compile::STACK_BYTES;
use super::{Constraint, GrammarError};

/// The tokens that a grammar allows in one place.
pub(crate) struct Mask {
    /// `[n_vocab + 1]` bits.
    tokens: SimpleVob,
    /// Whether the answer may end here.
    may_end: bool,
}

impl Mask {
    fn of(constraint: &mut Constraint) -> Result<Self, GrammarError> {
        let mask = constraint.matcher.compute_mask_or_eos();
        let tokens = mask.map_err(|error| run_error(&error))?;
        let may_end = tokens.is_allowed(constraint.end);
        Ok(Self { tokens, may_end })
    }

    /// Excludes all other tokens; where the answer may end, it may by any of `ends`.
    ///
    /// # Shapes
    /// - `logits`: `[n_vocab]`
    pub(crate) fn apply(&self, logits: &mut [f32], ends: &[u32]) {
        let kept = ends.iter().map(|&id| (id as usize, logits[id as usize]));
        let kept: Vec<_> = kept.filter(|_| self.may_end).collect();
        for (words, logits) in self.tokens.as_slice().iter().zip(logits.chunks_mut(32)) {
            for (bit, logit) in logits.iter_mut().enumerate() {
                if words >> bit & 1 == 0 {
                    *logit = f32::NEG_INFINITY;
                }
            }
        }
        for (id, logit) in kept {
            logits[id] = logit;
        }
    }
}

fn run_error(error: &impl ToString) -> GrammarError {
    GrammarError::Run { problem: GrammarError::problem(error) }
}

/// The thread that finds masks; it begins with the first one that is wanted.
#[derive(Default)]
pub(crate) struct Masks {
    thread: Option<(Sender<Job>, JoinHandle<()>)>,
}

struct Job {
    constraint: Constraint,
    reply: SyncSender<(Constraint, Result<Mask, GrammarError>)>,
}

/// A mask on its way, and the constraint that it comes from.
pub(crate) struct Pending {
    reply: Receiver<(Constraint, Result<Mask, GrammarError>)>,
}

impl Masks {
    pub(crate) fn find(&mut self, constraint: Constraint) -> Pending {
        let (reply, pending) = sync_channel(1);
        let mut job = Job { constraint, reply };
        if self.thread.is_none() {
            self.thread = spawn().ok();
        }
        if let Some((jobs, _)) = &self.thread {
            match jobs.send(job) {
                Ok(()) => return Pending { reply: pending },
                Err(unsent) => job = unsent.0,
            }
        }
        // A system without another thread to give: here and now.
        work(job);
        Pending { reply: pending }
    }
}

impl Drop for Masks {
    fn drop(&mut self) {
        if let Some((jobs, thread)) = self.thread.take() {
            drop(jobs);
            // A panic in it was reported to whoever waited for its mask.
            let _ = thread.join();
        }
    }
}

impl Pending {
    /// Waits for it.
    ///
    /// # Errors
    /// A grammar that went beyond its limits.
    pub(crate) fn wait(self) -> Result<(Constraint, Mask), GrammarError> {
        let (constraint, mask) = self.reply.recv().map_err(|error| run_error(&error))?;
        Ok((constraint, mask?))
    }
}

fn spawn() -> std::io::Result<(Sender<Job>, JoinHandle<()>)> {
    let (jobs, receiver) = channel();
    let thread = std::thread::Builder::new().name("grammar".into());
    let thread = thread.stack_size(STACK_BYTES);
    let thread = thread.spawn(move || receiver.into_iter().for_each(work))?;
    Ok((jobs, thread))
}

fn work(Job { mut constraint, reply }: Job) {
    let mask = Mask::of(&mut constraint);
    // Whoever asked may have gone.
    let _ = reply.send((constraint, mask));
}

impl Constraint {
    /// Goes on by a token that its mask allowed; whether nothing can follow it.
    ///
    /// # Errors
    /// A token that the grammar does not have here, and limits.
    pub(crate) fn accept(&mut self, id: u32) -> Result<bool, GrammarError> {
        self.matcher.consume_token(id).map_err(|error| run_error(&error))?;
        Ok(self.matcher.is_stopped())
    }
}
