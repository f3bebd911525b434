//! Byte-level BPE (`gpt2`): words from the pre-tokenizer, merged by a ranked list of pairs.

use std::collections::HashMap;

use crate::byte_level::push_bytes;
use crate::error::{Error, excerpt};
use crate::merge::{Merge, MergeRules, Merger, NO_TOKEN, Piece};
use crate::pre_tokenizer::{PreTokenizer, WholeWords};
use crate::text_index::TextIndex;
use crate::vocab::Vocab;

#[derive(Debug)]
pub(crate) struct ByteBpe {
    pre_tokenizer: PreTokenizer,
    /// The token of each byte, or [`NO_TOKEN`].
    byte_ids: Box<[u32; 256]>,
    merges: HashMap<(u32, u32), Merge>,
    /// Present if a word that is a token is taken as it is, before any merge.
    whole_words: Option<TextIndex>,
    unknown: Option<u32>,
}

impl ByteBpe {
    /// `merges` are pairs in GPT-2's spelling with a space between, the most urgent first.
    pub(crate) fn new(
        vocab: &Vocab,
        merges: &[&[u8]],
        pre_tokenizer: PreTokenizer,
        unknown: Option<u32>,
    ) -> Result<Self, Error> {
        let index = TextIndex::new(vocab);
        let mut byte_ids = Box::new([NO_TOKEN; 256]);
        for byte in 0..=255u8 {
            byte_ids[usize::from(byte)] = index.find(vocab, &[byte]).unwrap_or(NO_TOKEN);
        }
        if unknown.is_none() && byte_ids.contains(&NO_TOKEN) {
            return Err(Error::NoFallback);
        }
        let mut ranked = HashMap::with_capacity(merges.len());
        for (rank, (pair, id)) in (0..).zip(resolve_all(vocab, &index, merges)?) {
            ranked.entry(pair).or_insert(Merge { rank, id });
        }
        let whole_words = (pre_tokenizer.whole_words() == WholeWords::First).then_some(index);
        Ok(Self { pre_tokenizer, byte_ids, merges: ranked, whole_words, unknown })
    }

    pub(crate) fn encode(&self, vocab: &Vocab, text: &str, ids: &mut Vec<u32>) {
        let mut merger = Merger::default();
        self.pre_tokenizer.for_each_word(text, |word| {
            let word = word.as_bytes();
            if let Some(id) = self.whole_words.as_ref().and_then(|index| index.find(vocab, word)) {
                ids.push(id);
                return;
            }
            let pieces = word.iter().enumerate().map(|(start, byte)| Piece {
                start,
                end: start + 1,
                id: self.byte_ids[usize::from(*byte)],
            });
            for piece in merger.run(word, pieces, self) {
                let id = if piece.id == NO_TOKEN { self.unknown } else { Some(piece.id) };
                ids.extend(id);
            }
        });
    }
}

impl MergeRules for ByteBpe {
    fn merge(&self, _text: &[u8], left: Piece, right: Piece) -> Option<Merge> {
        self.merges.get(&(left.id, right.id)).copied()
    }
}

/// The ids of a merge's two parts, and of what they become.
type Resolved = ((u32, u32), u32);

/// All merges in their order. Finding three tokens for each of 150000 is most of what loading a
/// vocabulary takes, and waits for memory: threads share it.
fn resolve_all(vocab: &Vocab, index: &TextIndex, merges: &[&[u8]]) -> Result<Vec<Resolved>, Error> {
    /// For fewer, a thread takes longer to start.
    const N_A_THREAD: usize = 8192;
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from);
    let n_each = merges.len().div_ceil(n_threads).max(N_A_THREAD);
    let resolve_part = |(part_idx, part): (usize, &[&[u8]])| {
        let mut joined = Vec::new();
        let merges = (part_idx * n_each..).zip(part);
        let resolved = merges.map(|(idx, merge)| resolve(vocab, index, (idx, merge), &mut joined));
        resolved.collect::<Result<Vec<_>, _>>()
    };
    let mut parts = merges.chunks(n_each).enumerate();
    let Some(first) = parts.next() else { return Ok(Vec::new()) };
    std::thread::scope(|scope| {
        let others: Vec<_> = parts.map(|part| scope.spawn(move || resolve_part(part))).collect();
        let mut resolved = resolve_part(first)?;
        for other in others {
            let part = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            resolved.extend(part?);
        }
        Ok(resolved)
    })
}

/// `joined` is work space.
fn resolve(
    vocab: &Vocab,
    index: &TextIndex,
    (idx, merge): (usize, &[u8]),
    joined: &mut Vec<u8>,
) -> Result<Resolved, Error> {
    let syntax = || Error::MergeSyntax { idx, merge: excerpt(&String::from_utf8_lossy(merge)) };
    let spelled = std::str::from_utf8(merge).map_err(|_| syntax())?;
    let (left, right) = match spelled.split_once(' ') {
        Some((left, right)) if !left.is_empty() && !right.is_empty() => (left, right),
        _ => return Err(syntax()),
    };
    joined.clear();
    push_bytes(left, joined);
    let middle = joined.len();
    push_bytes(right, joined);
    let find = |part: &[u8]| {
        let unknown =
            || Error::MergeUnknownToken { idx, token: excerpt(&String::from_utf8_lossy(part)) };
        index.find(vocab, part).ok_or_else(unknown)
    };
    Ok(((find(&joined[..middle])?, find(&joined[middle..])?), find(joined)?))
}
