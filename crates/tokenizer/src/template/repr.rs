//! Values as Python's `str` prints them: `None`, `True`, `['a', {'b': 1.0}]`.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

/// A value that contains itself many times over would print forever.
const BYTES_MAX: usize = 4 << 20;
const DEPTH_MAX: usize = 128;

/// The text of a value that is printed by itself.
///
/// # Errors
/// A value that is nested too deeply, or whose text is longer than 4 MiB.
pub(super) fn display(value: &Value) -> Result<String, Error> {
    let mut text = String::new();
    match value.as_str() {
        Some(own) => text.push_str(own),
        None => write(value, 0, &mut text)?,
    }
    Ok(text)
}

fn write(value: &Value, depth: usize, text: &mut String) -> Result<(), Error> {
    if depth > DEPTH_MAX || text.len() > BYTES_MAX {
        return Err(Error::new(ErrorKind::InvalidOperation, "a printed value is too large"));
    }
    match value.kind() {
        ValueKind::None => text.push_str("None"),
        ValueKind::Bool => text.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::String => write_string(value.as_str().unwrap_or_default(), text),
        ValueKind::Number => text.push_str(&super::json::number(value)),
        ValueKind::Seq | ValueKind::Iterable => {
            text.push('[');
            for (idx, item) in value.try_iter()?.enumerate() {
                text.push_str(if idx == 0 { "" } else { ", " });
                write(&item, depth + 1, text)?;
            }
            text.push(']');
        }
        ValueKind::Map => {
            text.push('{');
            for (idx, key) in value.try_iter()?.enumerate() {
                text.push_str(if idx == 0 { "" } else { ", " });
                write(&key, depth + 1, text)?;
                text.push_str(": ");
                write(&value.get_item(&key)?, depth + 1, text)?;
            }
            text.push('}');
        }
        _ => text.push_str(&value.to_string()),
    }
    Ok(())
}

/// In single quotes, unless only those occur in the string.
fn write_string(string: &str, text: &mut String) {
    let quote = if string.contains('\'') && !string.contains('"') { '"' } else { '\'' };
    text.push(quote);
    for c in string.chars() {
        match c {
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\\' => text.push_str("\\\\"),
            _ if c == quote => text.extend(['\\', c]),
            _ => text.push(c),
        }
    }
    text.push(quote);
}
