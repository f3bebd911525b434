//! Reading forward through a header, never past its end (F1).

use std::fmt::Display;
use std::path::Path;

use crate::{Bytes, Error};

/// Every read says which `place` of the file it reads, for the error; the text is only made when
/// there is one.
pub(super) struct Cursor<'a> {
    pub(super) file: &'a Path,
    bytes: &'a Bytes,
    /// `bytes`, looked up once.
    data: &'a [u8],
    pos: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a Bytes, file: &'a Path) -> Self {
        Self { file, bytes, data: bytes, pos: 0 }
    }

    pub(super) fn pos(&self) -> usize {
        self.pos
    }

    pub(super) fn n_left(&self) -> u64 {
        (self.data.len() - self.pos) as u64
    }

    pub(super) fn take(&mut self, n: u64, place: &dyn Display) -> Result<&'a [u8], Error> {
        if n > self.n_left() {
            return Err(Error::Truncated {
                file: self.file.into(),
                place: place.to_string(),
                needed: n,
                left: self.n_left(),
            });
        }
        let start = self.pos;
        self.pos += n as usize; // at most n_left, which was a usize
        Ok(&self.data[start..self.pos])
    }

    /// What was read since `start`, as a handle on the file.
    pub(super) fn since(&self, start: usize) -> Bytes {
        self.bytes.slice(start..self.pos)
    }

    fn array<const N: usize>(&mut self, place: &dyn Display) -> Result<[u8; N], Error> {
        let bytes = self.take(N as u64, place)?;
        Ok(bytes.try_into().expect("take returns as many bytes as asked for"))
    }

    pub(super) fn u32(&mut self, place: &dyn Display) -> Result<u32, Error> {
        Ok(u32::from_le_bytes(self.array(place)?))
    }

    pub(super) fn u64(&mut self, place: &dyn Display) -> Result<u64, Error> {
        Ok(u64::from_le_bytes(self.array(place)?))
    }

    /// A number of things of at least `bytes_each` bytes that follow: more than can fit is an error
    /// before anybody counts to it.
    pub(super) fn count(&mut self, bytes_each: u64, place: &dyn Display) -> Result<u64, Error> {
        let n = self.u64(place)?;
        let n_max = self.n_left() / bytes_each;
        if n > n_max {
            let expected = format!("at most {n_max}, for {} bytes are left", self.n_left());
            return Err(Error::malformed(self.file, place.to_string(), expected, n.to_string()));
        }
        Ok(n)
    }

    /// A string's bytes, which need not be text.
    pub(super) fn string(&mut self, place: &dyn Display) -> Result<&'a [u8], Error> {
        let n = self.u64(&format_args!("length of {place}"))?;
        self.take(n, place)
    }

    /// A string that must be text and `1..=n_bytes_max` bytes long.
    pub(super) fn name(&mut self, n_bytes_max: u64, place: &dyn Display) -> Result<&'a str, Error> {
        let bytes = self.string(place)?;
        if bytes.is_empty() || bytes.len() as u64 > n_bytes_max {
            let expected = format!("1 to {n_bytes_max} bytes");
            let found = bytes.len().to_string();
            return Err(Error::malformed(self.file, place.to_string(), expected, found));
        }
        self.text(bytes, place)
    }

    pub(super) fn text(&self, bytes: &'a [u8], place: &dyn Display) -> Result<&'a str, Error> {
        std::str::from_utf8(bytes).map_err(|error| {
            let at = error.valid_up_to();
            let found = format!("byte {:#04x} at {at}", bytes[at]);
            Error::malformed(self.file, place.to_string(), "UTF-8 text", found)
        })
    }
}
