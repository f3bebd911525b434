//! GPT-2's spelling of bytes: each of the 256 bytes is written as one printable character.

/// The bytes of a token in GPT-2's spelling, or `None` if it has a character of no byte.
pub(crate) fn bytes_of(spelled: &str) -> Option<Vec<u8>> {
    spelled.chars().map(byte_of).collect()
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
    use super::bytes_of;

    #[test]
    fn every_byte_has_exactly_one_character() {
        let mut bytes: Vec<u8> =
            ('\0'..='\u{1FF}').filter_map(|c| bytes_of(&c.to_string())).flatten().collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=255).collect::<Vec<u8>>());
    }

    #[test]
    fn space_newline_and_soft_hyphen() {
        assert_eq!(bytes_of("ĠĊŃĢ"), Some(vec![b' ', b'\n', 0xAD, 0x80]));
        assert_eq!(bytes_of("中"), None);
    }
}
