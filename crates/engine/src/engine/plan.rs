//! What a step computes, and room for it in the cache.

use kernels::KEY_BLOCK;
use model::kv::KvPolicy;

use super::{Engine, find, idx_of};
use crate::active::{Active, Leader};
use crate::scheduler::{Budget, schedule, take_turns};
use crate::sequence::{RequestId, Sequence};
use crate::speculation::Step;

impl Engine {
    /// Decides what the step computes, and makes room for it.
    pub(super) fn plan(&mut self) {
        self.view();
        self.draft();
        self.take_turns();
        self.hold_followers();
        self.schedule();
        while self.admit() {
            // What was found in the cache is not computed again, and leaves tokens to others.
            self.schedule();
        }
        for preempted_idx in 0..self.plan.preempted.len() {
            self.preempt(self.plan.preempted[preempted_idx]);
        }
        self.reserve();
        self.reserve_drafts();
    }

    fn view(&mut self) {
        self.views.clear();
        self.views.extend(self.active.iter().map(Active::view));
    }

    /// Drafts for those who only wait for their last token to be computed.
    fn draft(&mut self) {
        let is_decoding = |sequence: &Sequence| {
            !sequence.answer().is_empty() && sequence.tokens().len() == sequence.n_computed() + 1
        };
        let sequences = self.active.iter().map(|active| &active.sequence);
        let mut step = Step::of(sequences.filter(|sequence| is_decoding(sequence)).count());
        for (active, view) in self.active.iter_mut().zip(&mut self.views) {
            let Some(drafter) = &mut active.drafter else { continue };
            let sequence = &active.sequence;
            if is_decoding(sequence) {
                let n_max = sequence.n_draft_max();
                view.n_draft = drafter.propose(sequence.tokens(), n_max, &mut step);
            } else {
                drafter.pause();
            }
        }
    }

    fn take_turns(&mut self) {
        take_turns(&mut self.views);
        for view in &self.views {
            find(&mut self.active, view.id).turn = view.turn;
        }
    }

    /// Leaves out those who wait for a beginning that another one computes now.
    fn hold_followers(&mut self) {
        let Self { active, views, plan, .. } = self;
        views.retain(|view| {
            let follower = find(active, view.id);
            let (place, leader) = ((follower.turn, view.id), follower.leader);
            let Some(Leader { id, n_shared }) = leader.filter(|_| follower.slot.is_none()) else {
                return true;
            };
            let Some(leader) = idx_of(active, id).map(|idx| &active[idx]) else { return true };
            let is_on_its_way = match leader.slot {
                Some(_) => plan.chunks.iter().any(|chunk| chunk.id == id),
                None => (leader.turn, id) < place,
            };
            !is_on_its_way || leader.sequence.n_computed() >= n_shared
        });
    }

    fn schedule(&mut self) {
        for view in &mut self.views {
            let now = find(&mut self.active, view.id).view();
            (view.n_tokens, view.n_computed) = (now.n_tokens, now.n_computed);
        }
        let (kv, n_tokens_max) = (self.runner.kv(), self.runner.n_tokens_max());
        let bytes = &|id: RequestId, n_positions: usize| {
            let active = idx_of(&self.active, id).map(|idx| &self.active[idx]);
            let active = active.expect("views are of active requests");
            let n_bytes = active.n_bytes(kv.shape(), n_positions, n_tokens_max);
            let of_leader = n_whole_blocks_of_leader(&self.active, active) * KEY_BLOCK;
            n_bytes.saturating_sub(active.n_bytes(kv.shape(), of_leader, n_tokens_max))
        };
        let (n_tokens_beside, n_bytes_free) = (self.n_tokens_beside, kv.free_bytes());
        let budget = Budget { n_tokens_max, n_tokens_beside, n_bytes_free, bytes };
        schedule(&self.views, budget, &mut self.plan);
    }

    /// Gives those who run their place in the cache; whether there was anyone without.
    fn admit(&mut self) -> bool {
        let mut is_new = false;
        for chunk in &self.plan.chunks {
            let active = find(&mut self.active, chunk.id);
            if active.slot.is_some() {
                continue;
            }
            let reuse = active.admit(self.runner.kv_mut());
            // One that comes back was begun before.
            if active.clock.start.is_none() {
                active.reuse = reuse;
            }
            is_new = true;
        }
        is_new
    }

    /// Takes a request's place in the cache away. What it computed stays while there is room.
    fn preempt(&mut self, id: RequestId) {
        let active = find(&mut self.active, id);
        active.n_preempted += 1;
        active.sequence.preempt();
        active.remember(self.runner.kv_mut());
        active.release(self.runner.kv_mut());
    }

    /// Makes room for the chunks of the plan, in the order of turns. Who shares blocks with others
    /// frees less than the plan counted on; then more of the last ones give up.
    fn reserve(&mut self) {
        for view_idx in 0..self.views.len() {
            let id = self.views[view_idx].id;
            while let Some(chunk) = self.plan.chunks.iter().find(|chunk| chunk.id == id) {
                let active = find(&mut self.active, id);
                if active.reserve(self.runner.kv_mut(), chunk.tokens.end).is_ok() {
                    break;
                }
                let mut views = self.views.iter().rev().map(|view| view.id);
                let last = views.find(|&id| find(&mut self.active, id).slot.is_some());
                let last = last.expect("the one that needs room holds a place");
                self.preempt(last);
                self.plan.chunks.retain(|chunk| chunk.id != last);
            }
        }
    }

    /// Drafts take nothing from others: they go where there is no room.
    fn reserve_drafts(&mut self) {
        for chunk in self.plan.chunks.iter_mut().filter(|chunk| chunk.n_draft > 0) {
            let slot = find(&mut self.active, chunk.id).slot.expect("admitted");
            if self.runner.kv_mut().reserve(slot, chunk.tokens.end + chunk.n_draft).is_err() {
                chunk.n_draft = 0;
            }
        }
    }
}

impl Engine {
    /// The request whose prompt a new one has most of in common, if that is worth a wait.
    pub(super) fn leader(&self, prompt: &[u32], policy: KvPolicy) -> Option<Leader> {
        let leaders = self.active.iter().rev().filter_map(|active| active.leads(prompt, policy));
        leaders.max_by_key(|leader| leader.n_shared)
    }

    /// Keeps the beginnings of prompts that were computed now and for which others wait.
    pub(super) fn remember_beginnings(&mut self) {
        for follower_idx in 0..self.active.len() {
            let Active { slot: None, leader: Some(leader), .. } = self.active[follower_idx] else {
                continue;
            };
            let of_leader = self.plan.chunks.iter().find(|chunk| chunk.id == leader.id);
            let Some(chunk) = of_leader else { continue };
            if (chunk.tokens.start + 1..=chunk.tokens.end).contains(&leader.n_shared) {
                let slot = find(&mut self.active, leader.id).slot.expect("who runs was admitted");
                self.runner.kv_mut().remember_beginning(slot, leader.n_shared);
            }
        }
    }
}

/// Blocks that a request will share with its leader, who holds them now. Where they are not found
/// in the end, it waits as others do.
fn n_whole_blocks_of_leader(active: &[Active], follower: &Active) -> usize {
    let leader = follower.leader.filter(|_| follower.slot.is_none());
    let Some(Leader { id, n_shared }) = leader else { return 0 };
    let leader = idx_of(active, id).map(|idx| &active[idx]);
    let holds = |leader: &Active| leader.slot.is_some() && leader.sequence.n_computed() >= n_shared;
    if leader.is_some_and(holds) { n_shared / KEY_BLOCK } else { 0 }
}
