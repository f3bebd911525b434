//! Which experts a token goes through, and with what weights.

use kernels::Kernels;

use crate::experts_config::{ExpertGroups, ExpertsConfig};
use crate::spec::{GroupRank, RouterScores};

/// Buffers of one choice.
pub(super) struct RoutingScratch {
    /// `[n_experts]`: what is compared; below all else where an expert cannot be chosen.
    choice: Vec<f32>,
    /// `[n_groups]`
    ranks: Vec<f32>,
    /// `[n_used]`
    chosen: Vec<usize>,
}

impl RoutingScratch {
    pub(super) fn new(experts: Option<ExpertsConfig>) -> Self {
        let Widths { n_experts, n_groups, n_used } = Widths::of(experts);
        Self {
            choice: vec![0.0; n_experts],
            ranks: vec![0.0; n_groups],
            chosen: Vec::with_capacity(n_used),
        }
    }

    /// Bytes that [`Self::new`] allocates.
    pub(super) fn n_bytes(experts: Option<ExpertsConfig>) -> usize {
        let Widths { n_experts, n_groups, n_used } = Widths::of(experts);
        (n_experts + n_groups) * size_of::<f32>() + n_used * size_of::<usize>()
    }

    /// The experts of a token, each with its weight. Chosen are the greatest of `score + bias`;
    /// weights are made of scores alone (DeepSeek-V3, arXiv 2412.19437, equations 12 to 16).
    ///
    /// # Shapes
    /// - `scores`: `[n_experts]`, the router's products; what is made of them afterwards
    /// - `bias`: `[n_experts]`
    /// - result: `[n_used]`
    pub(super) fn choose<'a>(
        &'a mut self,
        kernels: &Kernels,
        experts: &ExpertsConfig,
        bias: Option<&[f32]>,
        scores: &'a mut [f32],
    ) -> impl Iterator<Item = (usize, f32)> + 'a {
        let Self { choice, ranks, chosen } = self;
        match experts.scores {
            RouterScores::Softmax => {
                let (_, _, sum) = (kernels.online_softmax)(scores, f32::NEG_INFINITY);
                scores.iter_mut().for_each(|score| *score /= sum);
            }
            RouterScores::Sigmoid => {
                scores.iter_mut().for_each(|score| *score = 1.0 / (1.0 + (-*score).exp()));
            }
        }
        choice.copy_from_slice(scores);
        if let Some(bias) = bias {
            (kernels.add)(choice, bias);
        }
        if let Some(groups) = experts.groups {
            keep_groups(groups, choice, ranks);
        }
        chosen.clear();
        for _ in 0..experts.n_used {
            let best = greatest(choice);
            chosen.push(best);
            choice[best] = f32::NEG_INFINITY;
        }
        let total: f32 = match experts.normalizes {
            // Sigmoids may all be zero.
            true => chosen.iter().map(|&idx| scores[idx]).sum::<f32>().max(f32::MIN_POSITIVE),
            false => 1.0,
        };
        let scale = experts.scale;
        chosen.iter().map(move |&idx| (idx, scores[idx] / total * scale))
    }
}

/// Leaves the experts of the best groups to be chosen.
fn keep_groups(groups: ExpertGroups, choice: &mut [f32], ranks: &mut [f32]) {
    let size = choice.len() / groups.n_groups;
    for (group, rank) in choice.chunks_exact(size).zip(&mut *ranks) {
        let (first, second) = two_greatest(group);
        *rank = match groups.rank {
            GroupRank::Greatest => first,
            GroupRank::SumOfTwo if size > 1 => first + second,
            GroupRank::SumOfTwo => first,
        };
    }
    for _ in groups.n_used..groups.n_groups {
        // Of equal ones the last.
        let worst =
            ranks.iter().enumerate().fold(None, |worst: Option<(usize, f32)>, (idx, &r)| {
                let is_gone = r == f32::INFINITY;
                let is_worse = worst.is_none_or(|(_, least)| r <= least);
                if is_worse && !is_gone { Some((idx, r)) } else { worst }
            });
        let Some((worst, _)) = worst else { return };
        ranks[worst] = f32::INFINITY;
        choice[worst * size..][..size].fill(f32::NEG_INFINITY);
    }
}

/// Of equal ones the first; not a number is never greater.
fn greatest(values: &[f32]) -> usize {
    let better = |best: usize, (idx, &value): (usize, &f32)| {
        if value > values[best] || values[best].is_nan() { idx } else { best }
    };
    values.iter().enumerate().fold(0, better)
}

fn two_greatest(values: &[f32]) -> (f32, f32) {
    values.iter().fold((f32::NEG_INFINITY, f32::NEG_INFINITY), |(first, second), &value| {
        if value > first { (value, first) } else { (first, second.max(value)) }
    })
}

/// Of the buffers; zeros where there are no experts.
struct Widths {
    n_experts: usize,
    n_groups: usize,
    n_used: usize,
}

impl Widths {
    fn of(experts: Option<ExpertsConfig>) -> Self {
        let groups = experts.and_then(|experts| experts.groups);
        let (n_experts, n_used) = experts.map_or((0, 0), |e| (e.n_experts, e.n_used));
        Self { n_experts, n_groups: groups.map_or(0, |groups| groups.n_groups), n_used }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every set of experts that may be chosen, the one with the greatest sum taken, in f64.
    fn by_force(experts: &ExpertsConfig, bias: &[f32], logits: &[f32]) -> Vec<(usize, f64)> {
        let n = logits.len();
        let exps: Vec<f64> = logits.iter().map(|&x| f64::from(x).exp()).collect();
        let scores: Vec<f64> = match experts.scores {
            RouterScores::Softmax => exps.iter().map(|x| x / exps.iter().sum::<f64>()).collect(),
            RouterScores::Sigmoid => exps.iter().map(|x| x / (1.0 + x)).collect(),
        };
        let choice: Vec<f64> = scores.iter().zip(bias).map(|(s, &b)| s + f64::from(b)).collect();
        let members = |set: u32, n: usize| (0..n).filter(move |i| set >> i & 1 == 1);
        let best_of = |n: usize, n_chosen: usize, value: &dyn Fn(u32) -> Option<f64>| {
            let sets = (0u32..1 << n).filter(|set| set.count_ones() as usize == n_chosen);
            let valued = sets.filter_map(|set| Some((set, value(set)?)));
            valued.max_by(|a, b| a.1.total_cmp(&b.1)).expect("a set").0
        };
        let (n_groups, n_used, rank) = match experts.groups {
            None => (1, 1, GroupRank::Greatest),
            Some(ExpertGroups { n_groups, n_used, rank }) => (n_groups, n_used, rank),
        };
        let size = n / n_groups;
        let rank = |group: usize| {
            let mut values = choice[group * size..][..size].to_vec();
            values.sort_by(f64::total_cmp);
            let n_summed = if rank == GroupRank::SumOfTwo { 2 } else { 1 };
            values.iter().rev().take(n_summed).sum::<f64>()
        };
        let groups = best_of(n_groups, n_used, &|set| Some(members(set, n_groups).map(rank).sum()));
        let chosen = best_of(n, experts.n_used, &|set| {
            let is_allowed = members(set, n).all(|idx| groups >> (idx / size) & 1 == 1);
            is_allowed.then(|| members(set, n).map(|idx| choice[idx]).sum())
        });
        let total: f64 = members(chosen, n).map(|idx| scores[idx]).sum();
        let total = if experts.normalizes { total } else { 1.0 };
        members(chosen, n)
            .map(|idx| (idx, scores[idx] / total * f64::from(experts.scale)))
            .collect()
    }

    /// f32 against f64.
    const TOLERANCE: f64 = 1e-5;

    #[test]
    fn the_chosen_ones_are_those_of_all_sets() {
        let kernels = kernels::detect();
        let mut state = 1u64;
        let mut noise = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        let group = |rank| Some(ExpertGroups { n_groups: 4, n_used: 2, rank });
        for scores in [RouterScores::Softmax, RouterScores::Sigmoid] {
            for groups in [None, group(GroupRank::Greatest), group(GroupRank::SumOfTwo)] {
                for normalizes in [false, true] {
                    let (n_experts, n_used) = (12, 3);
                    let experts = ExpertsConfig {
                        n_experts,
                        n_used,
                        d_ff: 1,
                        d_ff_shared: None,
                        scores,
                        groups,
                        normalizes,
                        scale: 2.5,
                    };
                    let mut scratch = RoutingScratch::new(Some(experts));
                    for _ in 0..20 {
                        let mut logits: Vec<f32> = (0..n_experts).map(|_| 3.0 * noise()).collect();
                        // Some below zero even beside a score of one.
                        let bias: Vec<f32> = (0..n_experts).map(|_| 1.5 * noise()).collect();
                        let expected = by_force(&experts, &bias, &logits);
                        let found = scratch.choose(kernels, &experts, Some(&bias), &mut logits);
                        let mut found: Vec<_> = found.collect();
                        found.sort_by_key(|&(idx, _)| idx);
                        let idxs = |of: &[(usize, f64)]| of.iter().map(|x| x.0).collect::<Vec<_>>();
                        let found: Vec<_> =
                            found.iter().map(|&(idx, w)| (idx, f64::from(w))).collect();
                        assert_eq!(idxs(&found), idxs(&expected), "{experts:?}");
                        for (found, expected) in found.iter().zip(&expected) {
                            assert!((found.1 - expected.1).abs() < TOLERANCE, "{experts:?}");
                        }
                    }
                }
            }
        }
    }

    /// Whatever a router says, places in a list of experts come out.
    #[test]
    fn numbers_that_are_none_choose_experts_that_exist() {
        let groups = Some(ExpertGroups { n_groups: 2, n_used: 1, rank: GroupRank::SumOfTwo });
        let experts = ExpertsConfig {
            n_experts: 4,
            n_used: 2,
            d_ff: 1,
            d_ff_shared: None,
            scores: RouterScores::Sigmoid,
            groups,
            normalizes: true,
            scale: 1.0,
        };
        let mut scratch = RoutingScratch::new(Some(experts));
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for mut scores in [[value; 4], [value, 0.0, 0.0, value]] {
                let kernels = kernels::detect();
                let chosen = scratch.choose(kernels, &experts, None, &mut scores);
                assert!(chosen.map(|(idx, _)| idx).all(|idx| idx < 4), "{value}");
            }
        }
    }
}
