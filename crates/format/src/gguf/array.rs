//! Metadata arrays, left as they lie in the file: a vocabulary of 262 144 tokens costs one list of
//! offsets, not as many strings.

use crate::Bytes;
use crate::gguf::value::{Value, ValueType, put_string};

/// An array of numbers or bools, decoded when it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbers {
    element: ValueType,
    bytes: Bytes,
}

impl Numbers {
    /// `bytes`: whole numbers of type `element`, bools already checked.
    pub(super) fn new(element: ValueType, bytes: Bytes) -> Self {
        let numbers = Self { element, bytes };
        assert!(numbers.bytes.len().is_multiple_of(numbers.element_bytes()));
        numbers
    }

    fn element_bytes(&self) -> usize {
        self.element.n_bytes().expect("numbers have a fixed size")
    }

    pub fn element(&self) -> ValueType {
        self.element
    }

    pub fn len(&self) -> usize {
        self.bytes.len() / self.element_bytes()
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = Value> {
        let numbers = self.bytes.chunks_exact(self.element_bytes());
        numbers.map(|bytes| {
            Value::decode_number(self.element, bytes).expect("bools were checked when read")
        })
    }

    pub(super) fn encoded(&self) -> &[u8] {
        &self.bytes
    }
}

/// An array of byte strings, most of them text: a token may be any bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strings {
    /// For each string its length as u64, then its bytes.
    bytes: Bytes,
    /// Where each string's length stands in `bytes`.
    starts: Vec<usize>,
}

const LENGTH_BYTES: usize = size_of::<u64>();

impl Strings {
    /// `starts` are the offsets of the strings' lengths in `bytes`, in order, without gaps.
    pub(super) fn new(bytes: Bytes, starts: Vec<usize>) -> Self {
        Self { bytes, starts }
    }

    pub fn len(&self) -> usize {
        self.starts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    pub fn get(&self, string_idx: usize) -> Option<&[u8]> {
        let start = *self.starts.get(string_idx)?;
        let end = self.starts.get(string_idx + 1).copied().unwrap_or(self.bytes.len());
        Some(&self.bytes[start + LENGTH_BYTES..end])
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.len()).map(|string_idx| self.get(string_idx).expect("an index below the length"))
    }

    pub(super) fn encoded(&self) -> &[u8] {
        &self.bytes
    }
}

impl<S: AsRef<[u8]>> FromIterator<S> for Strings {
    fn from_iter<I: IntoIterator<Item = S>>(strings: I) -> Self {
        let mut bytes = Vec::new();
        let mut starts = Vec::new();
        for string in strings {
            starts.push(bytes.len());
            put_string(&mut bytes, string.as_ref());
        }
        Self::new(Bytes::from(bytes), starts)
    }
}
