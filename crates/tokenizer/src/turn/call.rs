//! The text between the marks of a call becomes calls.

use serde_json::{Map, Value};

/// A call of a tool.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall {
    pub name: String,
    /// One JSON object, as text.
    pub arguments: String,
}

/// How calls are written between their marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// `{"name": ..., "arguments": {...}}`, or `<function=NAME><parameter=KEY>VALUE</parameter>`.
    JsonOrFunctionTags,
    /// Objects with `parameters` or `arguments`, with semicolons or lines between them.
    JsonObjects,
    /// A list of objects, or `NAME[ARGS]{...}`, several after each other.
    Mistral,
    /// `<｜tool▁call▁begin｜>NAME<｜tool▁sep｜>{...}<｜tool▁call▁end｜>`, several after each other.
    DeepSeek,
    /// `call:NAME{key:<escape>text<escape>,other:12}`, or with `<|"|>` around texts.
    Gemma,
    /// The arguments alone; a header had the name.
    Arguments,
}

/// Why a text is no call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// Whatever follows, it is none.
    Broken,
    /// It may go on.
    Incomplete,
}

type Calls = Result<Vec<ToolCall>, Malformed>;

/// `name`: what a header said.
pub(super) fn parse(body: Body, name: &str, text: &str) -> Calls {
    let text = text.trim();
    let calls = match body {
        Body::JsonOrFunctionTags if text.starts_with("<function=") => function_tags(text),
        Body::JsonOrFunctionTags | Body::JsonObjects => json_objects(text),
        Body::Mistral if text.starts_with('[') => json_list(text),
        Body::Mistral => named_arguments(text),
        Body::DeepSeek => deepseek(text),
        Body::Gemma => gemma(text),
        Body::Arguments => Ok(vec![call(name, Some(json(text)?))?]),
    }?;
    if calls.is_empty() { Err(Malformed::Broken) } else { Ok(calls) }
}

fn json(text: &str) -> Result<Value, Malformed> {
    serde_json::from_str(text).map_err(|error| malformed(&error))
}

fn malformed(error: &serde_json::Error) -> Malformed {
    if error.is_eof() { Malformed::Incomplete } else { Malformed::Broken }
}

/// Arguments are an object, the text of one, or left out.
fn call(name: &str, arguments: Option<Value>) -> Result<ToolCall, Malformed> {
    let is_name = !name.is_empty() && !name.contains(char::is_whitespace);
    let object = match arguments {
        None | Some(Value::Null) => Value::Object(Map::new()),
        Some(Value::String(text)) => json(&text).map_err(|_| Malformed::Broken)?,
        Some(value) => value,
    };
    match is_name && object.is_object() {
        true => Ok(ToolCall { name: name.to_owned(), arguments: object.to_string() }),
        false => Err(Malformed::Broken),
    }
}

fn json_call(value: &mut Value) -> Result<ToolCall, Malformed> {
    let keys = ["arguments", "parameters"];
    let arguments = keys.into_iter().find_map(|key| Some(value.get_mut(key)?.take()));
    let name = value.get("name").and_then(Value::as_str).ok_or(Malformed::Broken)?;
    call(name, arguments)
}

fn json_objects(text: &str) -> Calls {
    let (mut calls, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        match values.next() {
            Some(Ok(mut value)) => calls.push(json_call(&mut value)?),
            Some(Err(error)) => return Err(malformed(&error)),
            None => break,
        }
        rest = rest[values.byte_offset()..]
            .trim_start_matches(|c: char| c == ';' || c.is_whitespace());
    }
    Ok(calls)
}

fn json_list(text: &str) -> Calls {
    let mut list = json(text)?;
    list.as_array_mut().ok_or(Malformed::Broken)?.iter_mut().map(json_call).collect()
}

/// `NAME[ARGS]{...}`, each but the first after another `[TOOL_CALLS]`.
fn named_arguments(text: &str) -> Calls {
    let (mut calls, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        rest = rest.trim_start_matches("[TOOL_CALLS]");
        let (name, after) = rest.split_once("[ARGS]").ok_or(Malformed::Incomplete)?;
        let name = name.split_once("[CALL_ID]").map_or(name, |(name, _)| name);
        let mut values = serde_json::Deserializer::from_str(after).into_iter::<Value>();
        match values.next() {
            Some(Ok(value)) => calls.push(call(name.trim(), Some(value))?),
            Some(Err(error)) => return Err(malformed(&error)),
            None => return Err(Malformed::Incomplete),
        }
        rest = after[values.byte_offset()..].trim_start();
    }
    Ok(calls)
}

fn deepseek(text: &str) -> Calls {
    let (mut calls, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let after = rest.strip_prefix("<｜tool▁call▁begin｜>").ok_or(Malformed::Broken)?;
        let (one, after) = after.split_once("<｜tool▁call▁end｜>").ok_or(Malformed::Incomplete)?;
        let (head, tail) = one.split_once("<｜tool▁sep｜>").ok_or(Malformed::Broken)?;
        // An older form says `function` first, and puts the arguments in a block of code.
        let (name, arguments) = match tail.split_once("```json") {
            Some((name, code)) => (name, code.trim().strip_suffix("```").unwrap_or(code)),
            None => (head, tail),
        };
        calls.push(call(name.trim(), Some(json(arguments).map_err(|_| Malformed::Broken)?))?);
        rest = after.trim_start();
    }
    Ok(calls)
}

fn function_tags(text: &str) -> Calls {
    let rest = text.strip_prefix("<function=").ok_or(Malformed::Broken)?;
    let (name, mut rest) = rest.split_once('>').ok_or(Malformed::Incomplete)?;
    let mut arguments = Map::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix("</function>") {
            return match after.trim().is_empty() {
                true => Ok(vec![call(name.trim(), Some(Value::Object(arguments)))?]),
                false => Err(Malformed::Broken),
            };
        }
        if rest.is_empty() {
            return Err(Malformed::Incomplete);
        }
        let after = rest.strip_prefix("<parameter=").ok_or(Malformed::Broken)?;
        let (key, after) = after.split_once('>').ok_or(Malformed::Incomplete)?;
        let (value, after) = after.split_once("</parameter>").ok_or(Malformed::Incomplete)?;
        arguments.insert(key.trim().to_owned(), untyped(value));
        rest = after;
    }
}

/// What the text of a value means: JSON that is no string, or the text itself.
fn untyped(text: &str) -> Value {
    let text = text.strip_prefix('\n').unwrap_or(text);
    let text = text.strip_suffix('\n').unwrap_or(text);
    match serde_json::from_str(text) {
        Ok(Value::String(_)) | Err(_) => Value::from(text),
        Ok(value) => value,
    }
}

/// What texts stand between, in one version and another.
const QUOTES: [&str; 2] = ["<escape>", "<|\"|>"];

fn gemma(text: &str) -> Calls {
    let rest = text.strip_prefix("call:").ok_or(Malformed::Broken)?;
    let (name, rest) = rest.split_once('{').ok_or(Malformed::Incomplete)?;
    let (arguments, rest) = gemma_object(rest, 0)?;
    match rest.trim().is_empty() {
        true => Ok(vec![call(name.trim(), Some(arguments))?]),
        false => Err(Malformed::Broken),
    }
}

/// Objects and lists within each other.
const DEPTH_MAX: usize = 64;

/// After the brace.
fn gemma_object(text: &str, depth: usize) -> Result<(Value, &str), Malformed> {
    let (mut object, mut rest) = (Map::new(), text.trim_start());
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((Value::Object(object), after));
        }
        let (key, after) = rest.split_once(':').ok_or(Malformed::Incomplete)?;
        let (value, after) = gemma_value(after, depth)?;
        let key = QUOTES.iter().fold(key.trim().to_owned(), |key, quote| key.replace(quote, ""));
        object.insert(key, value);
        rest = after_comma(after);
    }
}

fn gemma_value(text: &str, depth: usize) -> Result<(Value, &str), Malformed> {
    let text = text.trim_start();
    if depth == DEPTH_MAX {
        return Err(Malformed::Broken);
    }
    for quote in QUOTES {
        if let Some(after) = text.strip_prefix(quote) {
            let (value, rest) = after.split_once(quote).ok_or(Malformed::Incomplete)?;
            return Ok((Value::from(value), rest));
        }
    }
    if let Some(after) = text.strip_prefix('{') {
        return gemma_object(after, depth + 1);
    }
    if let Some(after) = text.strip_prefix('[') {
        let (mut list, mut rest) = (Vec::new(), after.trim_start());
        loop {
            if let Some(after) = rest.strip_prefix(']') {
                return Ok((Value::Array(list), after));
            }
            let (value, after) = gemma_value(rest, depth + 1)?;
            list.push(value);
            rest = after_comma(after);
        }
    }
    let end = text.find([',', '}', ']']).ok_or(Malformed::Incomplete)?;
    if end == 0 {
        return Err(Malformed::Broken);
    }
    Ok((untyped(text[..end].trim()), &text[end..]))
}

fn after_comma(text: &str) -> &str {
    let text = text.trim_start();
    text.strip_prefix(',').unwrap_or(text).trim_start()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: Body, text: &str, expected: Result<&[(&str, &str)], Malformed>) {
        let found = parse(body, "named", text);
        let expected = expected.map(|calls| {
            let call = |&(name, arguments): &(&str, &str)| ToolCall {
                name: name.into(),
                arguments: arguments.into(),
            };
            calls.iter().map(call).collect::<Vec<_>>()
        });
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn json_calls() {
        use Malformed::{Broken, Incomplete};
        let body = Body::JsonOrFunctionTags;
        check(body, r#"{"name": "f", "arguments": {"a": 1}}"#, Ok(&[("f", r#"{"a":1}"#)]));
        check(body, r#"{"name": "f", "arguments": "{\"a\": 1}"}"#, Ok(&[("f", r#"{"a":1}"#)]));
        check(body, r#"{"name": "f"}"#, Ok(&[("f", "{}")]));
        check(body, r#"{"name": "f", "arguments": {"#, Err(Incomplete));
        check(body, r#"{"name": "f", "arguments": [1]}"#, Err(Broken));
        check(body, r#"{"name": 1}"#, Err(Broken));
        check(body, r#"{"name": "two words"}"#, Err(Broken));
        check(body, "[]", Err(Broken));
        check(body, "", Err(Broken));
        check(body, "no", Err(Broken));
        let two = r#"{"name": "f", "parameters": {}}; {"name": "g", "parameters": {}}"#;
        check(Body::JsonObjects, two, Ok(&[("f", "{}"), ("g", "{}")]));
        check(Body::Arguments, r#"{"a": [1.5]}"#, Ok(&[("named", r#"{"a":[1.5]}"#)]));
    }

    #[test]
    fn calls_in_tags() {
        let text = "<function=f>\n<parameter=city>\nParis\n</parameter>\n<parameter=n>\n3\n\
                    </parameter>\n</function>";
        check(Body::JsonOrFunctionTags, text, Ok(&[("f", r#"{"city":"Paris","n":3}"#)]));
        check(Body::JsonOrFunctionTags, "<function=f>", Err(Malformed::Incomplete));
    }

    #[test]
    fn other_families() {
        let list = r#"[{"name": "f", "arguments": {}}, {"name": "g", "arguments": {"a": 1}}]"#;
        check(Body::Mistral, list, Ok(&[("f", "{}"), ("g", r#"{"a":1}"#)]));
        let named = "f[CALL_ID]a1[ARGS]{\"a\": 1}[TOOL_CALLS]g[ARGS]{}";
        check(Body::Mistral, named, Ok(&[("f", r#"{"a":1}"#), ("g", "{}")]));
        let old = "<｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"a\": 1}\n```\
                   <｜tool▁call▁end｜>";
        check(Body::DeepSeek, old, Ok(&[("f", r#"{"a":1}"#)]));
        let new = "<｜tool▁call▁begin｜>f<｜tool▁sep｜>{}<｜tool▁call▁end｜>";
        check(Body::DeepSeek, &format!("{new}{new}"), Ok(&[("f", "{}"), ("f", "{}")]));
        let gemma = "call:f{city:<escape>Paris, {France}<escape>,n:3,l:[1,<escape>x<escape>],\
                     o:{deep:true}}";
        let expected = r#"{"city":"Paris, {France}","n":3,"l":[1,"x"],"o":{"deep":true}}"#;
        check(Body::Gemma, gemma, Ok(&[("f", expected)]));
        check(Body::Gemma, &format!("call:f{{a:{}", "[".repeat(100_000)), Err(Malformed::Broken));
    }
}
