//! Checks a SentencePiece `precompiled_charsmap` before it is used: its reader indexes unchecked.
//!
//! Layout: `u32` length of the trie in bytes, the trie as little-endian `u32` units, then the
//! replacement texts, each ended by a zero byte. The trie is a double array (Aoe 1989) as the
//! Darts library stores it: a unit holds a label in its low byte, bit 8 says that a value
//! follows, and the children of a node at `pos` lie at `pos ^ offset ^ byte`.

use crate::error::Error;

pub(crate) fn check(charsmap: &[u8]) -> Result<(), Error> {
    let bad = |problem| Error::BadCharsmap { problem };
    let (n_trie_bytes, rest) =
        charsmap.split_first_chunk::<4>().ok_or(bad("it has no length of the trie"))?;
    let n_trie_bytes = u32::from_le_bytes(*n_trie_bytes) as usize;
    let (trie, texts) =
        rest.split_at_checked(n_trie_bytes).ok_or(bad("the trie is longer than the map"))?;
    let (units, odd_bytes) = trie.as_chunks::<4>();
    if units.is_empty() || !odd_bytes.is_empty() {
        return Err(bad("the trie's length is not a multiple of four"));
    }
    let units: Vec<u32> = units.iter().map(|unit| u32::from_le_bytes(*unit)).collect();
    let texts = std::str::from_utf8(texts).map_err(|_| bad("its texts are not valid UTF-8"))?;
    check_trie(&units, texts).map_err(bad)
}

/// As [`check`], for the base64 text in which `tokenizer.json` holds a map.
pub(crate) fn check_base64(charsmap: &str) -> Result<(), Error> {
    let mut bytes = Vec::with_capacity(charsmap.len() / 4 * 3);
    let (mut bits, mut n_bits) = (0u32, 0);
    for c in charsmap.trim_end_matches('=').bytes() {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return Err(Error::BadCharsmap { problem: "it is not base64" }),
        };
        bits = bits << 6 | u32::from(value);
        n_bits += 6;
        if n_bits >= 8 {
            n_bits -= 8;
            bytes.push((bits >> n_bits) as u8);
        }
    }
    check(&bytes)
}

/// Follows every path from the root; a reader may look at any child of a node it has reached.
fn check_trie(units: &[u32], texts: &str) -> Result<(), &'static str> {
    let mut seen = vec![false; units.len()];
    let mut open = vec![offset(units[0])];
    while let Some(children) = open.pop() {
        if children | 0xFF >= units.len() {
            return Err("a node of the trie points outside it");
        }
        for byte in 1..=0xFF_usize {
            let pos = children ^ byte;
            let unit = units[pos];
            if label(unit) != byte as u32 || std::mem::replace(&mut seen[pos], true) {
                continue;
            }
            let value_pos = pos ^ offset(unit);
            if unit >> 8 & 1 == 1 {
                let value = units.get(value_pos).map(|value| (value & 0x7FFF_FFFF) as usize);
                if !value.is_some_and(|at| texts.is_char_boundary(at)) {
                    return Err("a value of the trie points outside the texts");
                }
            }
            open.push(value_pos);
        }
    }
    Ok(())
}

/// Bit 31 is kept: a unit that is a value has it set and matches no byte.
fn label(unit: u32) -> u32 {
    unit & (1 << 31 | 0xFF)
}

fn offset(unit: u32) -> usize {
    ((unit >> 10) as usize) << ((unit & (1 << 9)) >> 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A trie with one entry, the byte `a`, whose replacement starts at `value`.
    fn charsmap(value: u32, texts: &[u8]) -> Vec<u8> {
        let mut units = vec![0u32; 512];
        units[0] = 256 << 10; // the root's children lie at 256 ^ byte
        let pos = 256 ^ usize::from(b'a');
        units[pos] = u32::from(b'a') | 1 << 8 | 1 << 10; // a value follows, at pos ^ 1
        units[pos ^ 1] = value | 1 << 31;
        let mut bytes = (4 * units.len() as u32).to_le_bytes().to_vec();
        units.iter().for_each(|unit| bytes.extend(unit.to_le_bytes()));
        bytes.extend(texts);
        bytes
    }

    #[test]
    fn a_sound_map_passes_and_damaged_ones_do_not() {
        assert!(check(&charsmap(2, b"x\0A\0")).is_ok());
        assert!(check(&charsmap(9, b"x\0A\0")).is_err(), "value outside");
        assert!(check(&charsmap(0, b"\xFF\0")).is_err(), "not UTF-8");
        assert!(check(&charsmap(2, b"x\0A\0")[..100]).is_err(), "cut off");
        assert!(check(&[0, 0]).is_err());
        assert!(check_base64("BAAAAP///38=").is_err(), "root outside");
        assert!(check_base64("BAAA!").is_err(), "not base64");
        assert!(check(&[0, 0, 0, 0]).is_err());
        assert!(check(&[4, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0x7F]).is_err(), "root outside");
    }
}
