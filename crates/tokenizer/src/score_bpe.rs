//! SentencePiece-style BPE (`llama`: Llama 2, Gemma): of all adjacent pieces that together are a
//! token, join those whose token has the best score.

use crate::error::Error;
use crate::merge::{Merge, MergeRules, Merger, NO_TOKEN, Piece};
use crate::text_index::TextIndex;
use crate::vocab::{TokenKind, Vocab};

/// SentencePiece's spelling of a space. In text it means the same as a space.
pub(crate) const SPACE_MARK: char = '\u{2581}';

#[derive(Debug)]
pub(crate) struct ScoreBpe {
    index: TextIndex,
    /// `[n_vocab]`: lower is merged earlier.
    ranks: Vec<u32>,
    byte_ids: Box<[u32; 256]>,
    unknown: Option<u32>,
}

impl ScoreBpe {
    /// # Shapes
    /// `scores`: `[n_vocab]`, finite.
    pub(crate) fn new(vocab: &Vocab, scores: &[f32], unknown: Option<u32>) -> Result<Self, Error> {
        assert_eq!(scores.len(), vocab.len());
        let mut byte_ids = Box::new([NO_TOKEN; 256]);
        for id in vocab.ids_of(TokenKind::Byte) {
            byte_ids[usize::from(vocab.bytes(id)[0])] = id;
        }
        if unknown.is_none() && byte_ids.contains(&NO_TOKEN) {
            return Err(Error::NoFallback);
        }
        let ranks = scores.iter().map(|score| rank_of(*score)).collect();
        Ok(Self { index: TextIndex::new(vocab), ranks, byte_ids, unknown })
    }

    pub(crate) fn encode(&self, vocab: &Vocab, text: &str, ids: &mut Vec<u32>) {
        let text = text.replace(SPACE_MARK, " ");
        let rules = Rules { bpe: self, vocab };
        let pieces = text.char_indices().map(|(start, c)| {
            let end = start + c.len_utf8();
            let id = self.index.find(vocab, &text.as_bytes()[start..end]).unwrap_or(NO_TOKEN);
            Piece { start, end, id }
        });
        let mut merger = Merger::default();
        for piece in merger.run(text.as_bytes(), pieces, &rules) {
            if piece.id == NO_TOKEN {
                self.encode_bytes(&text.as_bytes()[piece.start..piece.end], ids);
            } else {
                ids.push(piece.id);
            }
        }
    }

    /// A character without a token: its bytes if the vocabulary has them all, else one unknown.
    fn encode_bytes(&self, bytes: &[u8], ids: &mut Vec<u32>) {
        let byte_id = |byte: &u8| self.byte_ids[usize::from(*byte)];
        if bytes.iter().any(|byte| byte_id(byte) == NO_TOKEN) {
            ids.extend(self.unknown);
        } else {
            ids.extend(bytes.iter().map(byte_id));
        }
    }
}

struct Rules<'a> {
    bpe: &'a ScoreBpe,
    vocab: &'a Vocab,
}

impl MergeRules for Rules<'_> {
    fn merge(&self, text: &[u8], left: Piece, right: Piece) -> Option<Merge> {
        let id = self.bpe.index.find(self.vocab, &text[left.start..right.end])?;
        Some(Merge { rank: self.bpe.ranks[id as usize], id })
    }
}

/// Orders finite scores as unsigned numbers, the highest score first.
fn rank_of(score: f32) -> u32 {
    // + 0.0 makes -0.0 and 0.0 the same score.
    let bits = (score + 0.0).to_bits();
    let ascending = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    !ascending
}

#[cfg(test)]
mod tests {
    use super::rank_of;

    #[test]
    fn ranks_order_scores_downwards() {
        let scores = [1e9, 2.5, 0.0, -1e-30, -1.0, -261_990.0, f32::MIN];
        assert!(scores.windows(2).all(|w| rank_of(w[0]) < rank_of(w[1])));
        assert_eq!(rank_of(0.0), rank_of(-0.0));
    }
}
