//! What scores gain or lose by the distance between query and key, head by head.

/// Added to the scores of each head, after the cap.
#[derive(Clone, Debug, Default)]
pub enum PositionBias {
    #[default]
    None,
    /// `-slope |query_pos - key_pos|` (ALiBi, Press et al. 2022): `[n_heads]`.
    Slopes(Vec<f32>),
    Buckets(BucketBias),
}

/// A learned number for each bucket of distances (Raffel et al. 2020, section 2.1), which are
/// looked up by distance: those beyond `reach` are in the buckets of `reach`.
#[derive(Clone, Debug)]
pub struct BucketBias {
    reach: i32,
    /// `[n_heads, 2 * reach + 1]`: of `key_pos - query_pos` from `-reach` on
    by_distance: Vec<f32>,
}

/// Which distances share a number: near ones have buckets of their own, far ones share
/// logarithmically more, up to `max_distance`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buckets {
    pub n_buckets: usize,
    pub max_distance: usize,
    /// Whether half of the buckets are for keys that come after the query.
    pub looks_ahead: bool,
}

impl Buckets {
    /// Buckets of one side.
    fn n_side(&self) -> usize {
        if self.looks_ahead { self.n_buckets / 2 } else { self.n_buckets }
    }

    /// Distances on one side that have buckets of their own.
    pub fn n_exact(&self) -> usize {
        self.n_side() / 2
    }

    /// The bucket of a key at `query_pos + distance`, where the query sees one.
    pub fn bucket(&self, distance: i32) -> usize {
        let (n_exact, n_side) = (self.n_exact(), self.n_side());
        let (first, distance) = match self.looks_ahead {
            true if distance > 0 => (n_side, distance),
            true => (0, -distance),
            false => (0, (-distance).max(0)),
        };
        let distance = distance as usize;
        if distance < n_exact {
            return first + distance;
        }
        // In f32, as models were trained: at powers of a bucket's width it decides.
        let share = (distance as f32 / n_exact as f32).ln()
            / (self.max_distance as f64 / n_exact as f64).ln() as f32;
        let beyond = (share * (n_side - n_exact) as f32) as usize;
        first + (n_exact + beyond).min(n_side - 1)
    }
}

impl BucketBias {
    /// # Shapes
    /// - `table`: `[n_buckets, n_heads]`
    pub fn new(buckets: &Buckets, table: &[f32]) -> Self {
        assert!(0 < buckets.n_exact() && buckets.n_exact() < buckets.max_distance);
        let n_heads = table.len() / buckets.n_buckets;
        let reach = buckets.max_distance as i32;
        let of_head = |head_idx: usize| {
            (-reach..=reach)
                .map(move |distance| table[buckets.bucket(distance) * n_heads + head_idx])
        };
        Self { reach, by_distance: (0..n_heads).flat_map(of_head).collect() }
    }

    fn of_head(&self, head_idx: usize) -> &[f32] {
        let n = 2 * self.reach as usize + 1;
        &self.by_distance[head_idx * n..][..n]
    }
}

impl PositionBias {
    /// Whether there are numbers for so many heads, or none are needed.
    pub(super) fn is_of(&self, n_heads: usize) -> bool {
        match self {
            Self::None => true,
            Self::Slopes(slopes) => slopes.len() == n_heads,
            Self::Buckets(BucketBias { reach, by_distance }) => {
                by_distance.len() == n_heads * (2 * *reach as usize + 1)
            }
        }
    }

    /// What the score of one key gains.
    pub fn at(&self, head_idx: usize, query_pos: u32, key_pos: u32) -> f32 {
        let mut score = [0.0];
        self.add((head_idx, query_pos), &[key_pos], &mut score);
        score[0]
    }

    /// For the keys of a block that there are.
    pub(super) fn add(
        &self,
        (head_idx, query_pos): (usize, u32),
        key_positions: &[u32],
        scores: &mut [f32],
    ) {
        // Positions are below 2^30.
        let distance = |key_pos: u32| key_pos as i32 - query_pos as i32;
        let keys = scores.iter_mut().zip(key_positions);
        match self {
            Self::None => (),
            Self::Slopes(slopes) => {
                let slope = slopes[head_idx];
                keys.for_each(|(score, &key)| *score -= slope * distance(key).abs() as f32);
            }
            Self::Buckets(bias) => {
                let (reach, bias) = (bias.reach, bias.of_head(head_idx));
                keys.for_each(|(score, &key)| {
                    *score += bias[(distance(key).clamp(-reach, reach) + reach) as usize];
                });
            }
        }
    }

    /// The numbers themselves.
    pub(crate) fn values(&self) -> &[f32] {
        match self {
            Self::None => &[],
            Self::Slopes(slopes) => slopes,
            Self::Buckets(bias) => &bias.by_distance,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where each bucket of keys before the query begins, as transformers 5.24 computes it.
    #[track_caller]
    fn check(buckets: Buckets, expected: &[i32]) {
        let begins = |&n: &i32| n == 0 || buckets.bucket(-n) != buckets.bucket(1 - n);
        let found: Vec<i32> = (0..400).filter(begins).collect();
        assert_eq!(found, expected, "{buckets:?}");
        let in_order: Vec<usize> = found.iter().map(|n| buckets.bucket(-n)).collect();
        assert_eq!(in_order, (0..expected.len()).collect::<Vec<_>>());
        for n in 1..400 {
            let ahead = buckets.bucket(-n) + buckets.n_buckets / 2;
            let ahead = if buckets.looks_ahead { ahead } else { 0 };
            assert_eq!(buckets.bucket(n), ahead);
        }
    }

    #[test]
    fn buckets_begin_where_the_models_were_trained_with_them() {
        let sides =
            |n_buckets, max_distance, looks_ahead| Buckets { n_buckets, max_distance, looks_ahead };
        let (both, before) = (|n, max| sides(n, max, true), |n, max| sides(n, max, false));
        check(both(32, 128), &[0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91]);
        check(both(32, 256), &[0, 1, 2, 3, 4, 5, 6, 7, 8, 13, 20, 30, 46, 70, 108, 166]);
        check(both(8, 20), &[0, 1, 2, 7]);
        let exact: Vec<i32> = (0..16).collect();
        let shared = [16, 19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77, 87, 99, 113];
        check(before(32, 128), &[&exact[..], &shared].concat());
        check(before(8, 20), &[0, 1, 2, 3, 4, 6, 9, 14]);
        check(before(16, 64), &[0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 14, 18, 23, 30, 39, 50]);
    }

    #[test]
    fn a_key_has_the_number_of_its_bucket() {
        const N_HEADS: usize = 3;
        for looks_ahead in [false, true] {
            let buckets = Buckets { n_buckets: 8, max_distance: 20, looks_ahead };
            let table: Vec<f32> = (0..8 * N_HEADS).map(|i| i as f32).collect();
            let bias = PositionBias::Buckets(BucketBias::new(&buckets, &table));
            for (head_idx, key_pos) in
                (0..N_HEADS).flat_map(|head| (0..200).map(move |k| (head, k)))
            {
                let bucket = buckets.bucket(key_pos as i32 - 100);
                let expected = table[bucket * N_HEADS + head_idx];
                assert_eq!(bias.at(head_idx, 100, key_pos), expected, "{head_idx}, {key_pos}");
            }
        }
    }
}
