//! `tojson` as `transformers` has it: Python's `json.dumps` with `ensure_ascii=False`.

use std::fmt::Write as _;

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, ErrorKind, Value};

/// More than any output may have; stops values that contain themselves many times over.
const JSON_BYTES_MAX: usize = 4 << 20;
const DEPTH_MAX: usize = 128;
const INDENT_MAX: usize = 64;

/// The filter: `x|tojson(ensure_ascii, indent, separators, sort_keys)`, all optional.
pub(super) fn to_json(
    value: &Value,
    ensure_ascii: Option<bool>,
    indent: Option<usize>,
    options: Kwargs,
) -> Result<String, Error> {
    let ensure_ascii = options.get::<Option<bool>>("ensure_ascii")?.or(ensure_ascii);
    let indent = options.get::<Option<usize>>("indent")?.or(indent);
    let separators = options.get::<Option<Vec<String>>>("separators")?;
    let sort_keys = options.get::<Option<bool>>("sort_keys")?;
    options.assert_all_used()?;
    if indent.is_some_and(|indent| indent > INDENT_MAX) {
        return Err(invalid("tojson indents by at most 64"));
    }
    let (item, key) = match separators.as_deref() {
        Some([item, key]) => (item.as_str(), key.as_str()),
        Some(_) => return Err(invalid("tojson expects two separators")),
        None => (if indent.is_some() { "," } else { ", " }, ": "),
    };
    let mut writer = Writer {
        text: String::new(),
        escapes: if ensure_ascii == Some(true) { Escapes::Ascii } else { Escapes::Needed },
        keys: if sort_keys == Some(true) { Keys::Sorted } else { Keys::AsGiven },
        indent,
        item_separator: item,
        key_separator: key,
    };
    writer.value(value, 0)?;
    Ok(writer.text)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    Needed,
    Ascii,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    AsGiven,
    Sorted,
}

struct Writer<'a> {
    text: String,
    escapes: Escapes,
    keys: Keys,
    indent: Option<usize>,
    item_separator: &'a str,
    key_separator: &'a str,
}

impl Writer<'_> {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > DEPTH_MAX || self.text.len() > JSON_BYTES_MAX {
            return Err(invalid("tojson got a value that is too large"));
        }
        match value.kind() {
            ValueKind::None => self.text.push_str("null"),
            ValueKind::Bool => self.text.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => self.text.push_str(&number(value)),
            ValueKind::String => self.string(value.as_str().unwrap_or_default()),
            ValueKind::Seq | ValueKind::Iterable => self.sequence(value, depth)?,
            ValueKind::Map => self.map(value, depth)?,
            kind => return Err(invalid(&format!("a value of type {kind} has no JSON form"))),
        }
        Ok(())
    }

    fn sequence(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        let start = self.text.len();
        self.text.push('[');
        for item in value.try_iter()? {
            self.begin_item(start, depth);
            self.value(&item, depth + 1)?;
        }
        self.end(start, depth, ']');
        Ok(())
    }

    fn map(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        let mut keys: Vec<Value> = value.try_iter()?.collect();
        if self.keys == Keys::Sorted {
            keys.sort();
        }
        let start = self.text.len();
        self.text.push('{');
        for key in keys {
            self.begin_item(start, depth);
            match key.kind() {
                ValueKind::None => self.text.push_str("\"null\""),
                ValueKind::String => self.string(key.as_str().unwrap_or_default()),
                _ => self.string(&key.to_string()),
            }
            self.text.push_str(self.key_separator);
            self.value(&value.get_item(&key)?, depth + 1)?;
        }
        self.end(start, depth, '}');
        Ok(())
    }

    /// The separator, unless this is the first item of the bracket at `start`, and the indent.
    fn begin_item(&mut self, start: usize, depth: usize) {
        if self.text.len() > start + 1 {
            self.text.push_str(self.item_separator);
        }
        self.new_line(depth + 1);
    }

    fn end(&mut self, start: usize, depth: usize, bracket: char) {
        if self.text.len() > start + 1 {
            self.new_line(depth);
        }
        self.text.push(bracket);
    }

    fn new_line(&mut self, depth: usize) {
        if let Some(indent) = self.indent {
            self.text.push('\n');
            self.text.extend(std::iter::repeat_n(' ', indent * depth));
        }
    }

    fn string(&mut self, text: &str) {
        self.text.push('"');
        for c in text.chars() {
            match c {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                '\t' => self.text.push_str("\\t"),
                '\u{8}' => self.text.push_str("\\b"),
                '\u{C}' => self.text.push_str("\\f"),
                '\0'..='\u{1F}' => self.escape(c),
                // Private characters stay: those of [`super::mask`] stand for ASCII.
                '\u{7F}'..='\u{EFFFF}' if self.escapes == Escapes::Ascii => self.escape(c),
                _ => self.text.push(c),
            }
        }
        self.text.push('"');
    }

    fn escape(&mut self, c: char) {
        for unit in c.encode_utf16(&mut [0; 2]) {
            write!(self.text, "\\u{unit:04x}").expect("writing to a string cannot fail");
        }
    }
}

/// As Python's `json` writes numbers: `1.0`, `1e+16`, `1e-05`.
pub(super) fn number(value: &Value) -> String {
    if value.is_integer() {
        return value.to_string();
    }
    let Ok(x) = f64::try_from(value.clone()) else { return value.to_string() };
    match x {
        _ if x.is_nan() => "NaN".to_owned(),
        _ if x.is_infinite() => if x > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
        _ if x == 0.0 || (1e-4..1e16).contains(&x.abs()) => format!("{x:?}"),
        _ => {
            let shown = format!("{x:e}");
            let (mantissa, exponent) = shown.split_once('e').unwrap_or((&shown, "0"));
            let (sign, digits) = match exponent.strip_prefix('-') {
                Some(digits) => ('-', digits),
                None => ('+', exponent),
            };
            format!("{mantissa}e{sign}{digits:0>2}")
        }
    }
}

fn invalid(problem: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, problem.to_owned())
}
