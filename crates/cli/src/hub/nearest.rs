//! The known name a person most likely meant.

/// The candidate with the fewest edits to `name`, if at most two or a third of its
/// characters differ; failing that, the first one that `name` begins. Case does not count.
pub(super) fn nearest<'a>(name: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let name = name.to_lowercase();
    let n_edits_max = (name.chars().count() / 3).max(2);
    candidates
        .iter()
        .map(|candidate| (n_edits(&name, candidate), *candidate))
        .filter(|(n_edits, _)| *n_edits <= n_edits_max)
        .min()
        .map(|(_, candidate)| candidate)
        .or_else(|| candidates.iter().copied().find(|c| !name.is_empty() && c.starts_with(&name)))
}

/// Levenshtein distance between two names: characters to insert, delete or replace.
fn n_edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (from_idx, from_char) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = from_idx + 1;
        for (to_idx, to_char) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(from_char != *to_char);
            diagonal = row[to_idx + 1];
            row[to_idx + 1] = replaced.min(diagonal + 1).min(row[to_idx] + 1);
        }
    }
    row[to.len()]
}
