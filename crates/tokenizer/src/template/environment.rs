//! The Jinja environment of `transformers`, with bounds on what a template can use up.

use minijinja::value::{Rest, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, Value, filters};

pub(super) const TEMPLATE_NAME: &str = "chat";

/// Steps of the template's program; a turn of a conversation costs some dozens.
const FUEL: u64 = 1_000_000;
/// The longest string that one filter may make.
const STRING_BYTES_MAX: usize = 4 << 20;
const N_ITEMS_MAX: usize = 100_000;
const INDENT_MAX: usize = 1_000;

/// What a template said with `raise_exception`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Raised(pub(super) String);

pub(super) fn build(source: &str) -> Result<Environment<'static>, Error> {
    let mut env = Environment::new();
    env.set_debug(false);
    env.set_trim_blocks(true);
    env.set_lstrip_blocks(true);
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env.set_fuel(Some(FUEL));
    env.set_formatter(print);
    env.set_unknown_method_callback(call_method);
    env.add_function("raise_exception", |message: String| -> Result<Value, Error> {
        let text = "the template raised an exception";
        Err(Error::new(ErrorKind::InvalidOperation, text).with_source(Raised(message)))
    });
    env.add_filter("tojson", super::json::to_json);
    add_bounded_filters(&mut env);
    env.add_template_owned(TEMPLATE_NAME, without_generation_tags(source))?;
    Ok(env)
}

/// Filters that build a new value from a whole one get a value of bounded size; those that can
/// make much from little and that no chat template needs are not there.
fn add_bounded_filters(env: &mut Environment<'_>) {
    for name in ["batch", "slice", "format", "pprint", "urlencode", "zip", "chain", "groupby"] {
        env.remove_filter(name);
    }
    let whole = [
        ("list", Value::from_function(filters::list)),
        ("sort", Value::from_function(filters::sort)),
        ("reverse", Value::from_function(filters::reverse)),
        ("unique", Value::from_function(filters::unique)),
        ("map", Value::from_function(filters::map)),
        ("select", Value::from_function(filters::select)),
        ("reject", Value::from_function(filters::reject)),
        ("selectattr", Value::from_function(filters::selectattr)),
        ("rejectattr", Value::from_function(filters::rejectattr)),
        ("string", Value::from_function(filters::string)),
        ("join", Value::from_function(filters::join)),
        ("replace", Value::from_function(filters::replace)),
        ("indent", Value::from_function(filters::indent)),
    ];
    for (name, filter) in whole {
        env.add_filter(name, move |state: &State<'_, '_>, value: Value, args: Rest<Value>| {
            check_call(name, &value, &args)?;
            let args: Vec<Value> = std::iter::once(value).chain(args.iter().cloned()).collect();
            filter.call(state, &args)
        });
    }
}

/// Python's methods of strings, lists and dictionaries.
fn call_method(
    state: &State<'_, '_>,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    match (method, args) {
        // `sep.join(list)` is the filter with its two values the other way round.
        ("join", [items]) => check_call("join", items, std::slice::from_ref(value))?,
        ("format", _) => return Err(too_large("the method format is not supported")),
        _ => check_call(method, value, args)?,
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args)
}

/// Refuses a call whose result could be far larger than a prompt.
fn check_call(name: &str, value: &Value, args: &[Value]) -> Result<(), Error> {
    let text_len = |value: &Value| value.as_str().map_or(0, str::len);
    if value.len().is_some_and(|n_items| n_items > STRING_BYTES_MAX)
        || (value.kind() != ValueKind::String && value.len() > Some(N_ITEMS_MAX))
    {
        return Err(too_large("a value is too large for this filter"));
    }
    let n_bytes = match (name, args) {
        ("replace", [from, to, ..]) => {
            let from = from.as_str().unwrap_or_default();
            let n_found = value.as_str().map_or(0, |text| text.matches(from).count());
            n_found.saturating_mul(text_len(to))
        }
        ("join", _) => {
            let separator = args.first().map_or(0, text_len);
            let items = value.try_iter().into_iter().flatten();
            items.fold(0, |sum: usize, item| sum.saturating_add(text_len(&item) + separator))
        }
        ("indent", _) => {
            let widths = args.iter().flat_map(|arg| [arg.as_usize(), named_width(arg)]);
            let width = widths.flatten().max().unwrap_or(0);
            if width > INDENT_MAX {
                return Err(too_large("indent takes a width of at most 1000"));
            }
            let n_lines = value.as_str().map_or(0, |text| text.matches('\n').count() + 1);
            n_lines.saturating_mul(width)
        }
        _ => 0,
    };
    if n_bytes > STRING_BYTES_MAX {
        return Err(too_large("a filter would make a string of over 4 MiB"));
    }
    Ok(())
}

/// `width` of keyword arguments, which arrive as a map.
fn named_width(arg: &Value) -> Option<usize> {
    let is_map = arg.kind() == ValueKind::Map;
    is_map.then(|| arg.get_attr("width").ok()).flatten().and_then(|width| width.as_usize())
}

fn too_large(problem: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, problem)
}

fn print(out: &mut Output<'_>, _state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    Ok(out.write_str(&super::repr::display(value)?)?)
}

/// `{% generation %}` only marks text for training; here it is a block that is always printed.
fn without_generation_tags(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(open) = rest.find("{%") {
        let (before, tag_and_rest) = rest.split_at(open);
        text.push_str(before);
        let Some(n_inside) = tag_and_rest[2..].find("%}") else {
            rest = tag_and_rest;
            break;
        };
        let (tag, after) = tag_and_rest.split_at(n_inside + 4);
        let word = tag[2..n_inside + 2].trim_matches(['-', '+', ' ', '\t', '\r', '\n']);
        match word {
            "generation" => text.push_str(&tag.replace(word, "if true")),
            "endgeneration" => text.push_str(&tag.replace(word, "endif")),
            _ => text.push_str(tag),
        }
        rest = after;
    }
    text.push_str(rest);
    text
}
