//! The tokens of a model: the bytes each one stands for, and what kind it is.

/// What a token may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// Ordinary text.
    Text,
    /// A single byte, for text that no other token can write.
    Byte,
    /// Text that is cut out before the model's own algorithm runs (Gemma's runs of spaces).
    UserDefined,
    /// Structure of the conversation, never text: `<|im_end|>`.
    Control,
    /// What stands for text that has no token.
    Unknown,
    /// A row that only pads the table; never written and never to be sampled.
    Unused,
}

/// All tokens, by id. The texts lie one after the other in one allocation.
#[derive(Debug, Default)]
pub(crate) struct Vocab {
    bytes: Vec<u8>,
    /// `[n_vocab]`: where the token's bytes end.
    ends: Vec<usize>,
    /// `[n_vocab]`
    kinds: Vec<TokenKind>,
}

impl Vocab {
    pub(crate) fn push(&mut self, bytes: &[u8], kind: TokenKind) {
        let kind = if is_padding_row(bytes) { TokenKind::Unused } else { kind };
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len());
        self.kinds.push(kind);
    }

    pub(crate) fn len(&self) -> usize {
        self.kinds.len()
    }

    /// The bytes that the token stands for; empty for an id outside the vocabulary.
    pub(crate) fn bytes(&self, id: u32) -> &[u8] {
        let idx = id as usize;
        let Some(&end) = self.ends.get(idx) else { return &[] };
        let start = if idx == 0 { 0 } else { self.ends[idx - 1] };
        &self.bytes[start..end]
    }

    /// `Unused` for an id outside the vocabulary.
    pub(crate) fn kind(&self, id: u32) -> TokenKind {
        self.kinds.get(id as usize).copied().unwrap_or(TokenKind::Unused)
    }

    /// The ids of all tokens of one kind, in order.
    pub(crate) fn ids_of(&self, kind: TokenKind) -> impl Iterator<Item = u32> + '_ {
        self.kinds.iter().enumerate().filter(move |(_, k)| **k == kind).map(|(idx, _)| idx as u32)
    }

    /// `[256]`: the token of each byte; `None`: not all bytes have one.
    pub(crate) fn byte_ids(&self) -> Option<Box<[u32; 256]>> {
        let mut found = [None; 256];
        for id in self.ids_of(TokenKind::Byte) {
            found[usize::from(self.bytes(id)[0])] = Some(id);
        }
        let ids = found.into_iter().collect::<Option<Vec<u32>>>()?;
        ids.into_boxed_slice().try_into().ok()
    }

    /// A file without token types still names the tokens that end a text: they are structure.
    pub(crate) fn make_control(&mut self, id: u32) {
        if let Some(kind @ TokenKind::Text) = self.kinds.get_mut(id as usize) {
            *kind = TokenKind::Control;
        }
    }
}

/// Converters fill a table up to a round size with rows named `[PAD151665]`.
fn is_padding_row(bytes: &[u8]) -> bool {
    let digits = bytes.strip_prefix(b"[PAD").and_then(|rest| rest.strip_suffix(b"]"));
    digits.is_some_and(|d| !d.is_empty() && d.iter().all(u8::is_ascii_digit))
}
