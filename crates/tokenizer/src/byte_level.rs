//! GPT-2's spelling of bytes: each of the 256 bytes is written as one printable character.

/// Appends the bytes of a token in GPT-2's spelling. A token with a character that stands for no
/// byte is not spelled so: its text is taken as it is.
pub(crate) fn push_bytes(spelled: &str, bytes: &mut Vec<u8>) {
    let start = bytes.len();
    for c in spelled.chars() {
        match byte_of(c) {
            Some(byte) => bytes.push(byte),
            None => {
                bytes.truncate(start);
                bytes.extend_from_slice(spelled.as_bytes());
                return;
            }
        }
    }
}

pub(crate) fn bytes_of(spelled: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(spelled.len());
    push_bytes(spelled, &mut bytes);
    bytes
}

/// Printable Latin-1 characters stand for themselves; the other 68 bytes, in order, are written
/// as U+0100, U+0101, ... (the byte map of the GPT-2 tokenizer).
fn byte_of(c: char) -> Option<u8> {
    let code = u32::from(c);
    match code {
        0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF => Some(code as u8),
        0x100..=0x120 => Some((code - 0x100) as u8),
        0x121..=0x142 => Some((code - 0x121 + 0x7F) as u8),
        0x143 => Some(0xAD),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{byte_of, bytes_of};

    #[test]
    fn every_byte_has_exactly_one_character() {
        let mut bytes: Vec<u8> = ('\0'..='\u{1FF}').filter_map(byte_of).collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=255).collect::<Vec<u8>>());
    }

    #[test]
    fn space_newline_and_soft_hyphen() {
        assert_eq!(bytes_of("ĠĊŃĢ"), [b' ', b'\n', 0xAD, 0x80]);
        assert_eq!(bytes_of("Ġ中"), "Ġ中".as_bytes());
    }
}
