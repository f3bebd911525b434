//! Turns that must call a tool, as grammars in the notation of the `llguidance` crate.

use std::fmt::Write as _;

use serde_json::Value;

use super::Calls;
use super::format::{Frame, Stage, TurnFormat};

impl TurnFormat {
    /// The grammar of turns that call tools, each of a name and the JSON schema of its arguments:
    /// rules, of which `calls` is the first. `control`: the id of a text that is a control token.
    /// `None`: calls of this family are no JSON.
    pub fn call_grammar(
        &self,
        tools: &[(&str, &Value)],
        calls: Calls,
        control: &dyn Fn(&str) -> Option<u32>,
    ) -> Option<String> {
        let Frame { open, before_name, before_arguments, after, between, close } = self.frame?;
        let spell = |text: &str| self.spell(text, control);
        let is_quoted = before_name.ends_with(": ");
        let mut rules = String::new();
        let (open, close) = (spell(open), spell(close));
        let more = match (calls, between) {
            (Calls::Several, Some(between)) => format!(" ({} call)*", spell(between)),
            _ => String::new(),
        };
        let _ = writeln!(rules, "calls: {open} call{more} {close}");
        let names: Vec<String> = (0..tools.len()).map(|idx| format!("call_{idx}")).collect();
        let _ = writeln!(rules, "call: {}", names.join(" | "));
        for (idx, (name, schema)) in tools.iter().enumerate() {
            let name = if is_quoted { Value::from(*name).to_string() } else { (*name).to_owned() };
            let head = spell(&format!("{before_name}{name}{before_arguments}"));
            let _ = writeln!(rules, "call_{idx}: {head} arguments_{idx} {}", spell(after));
            let _ = writeln!(rules, "arguments_{idx}: %json {schema}");
        }
        Some(rules)
    }

    /// A call as the model would write it, for those whose template has no place for one.
    pub fn write_call(&self, name: &str, arguments: &Value) -> Option<String> {
        let Frame { open, before_name, before_arguments, after, close, .. } = self.frame?;
        let name = match before_name.ends_with(": ") {
            true => Value::from(name).to_string(),
            false => name.to_owned(),
        };
        Some(format!("{open}{before_name}{name}{before_arguments}{arguments}{after}{close}"))
    }

    /// What a turn has before an answer that is neither reasoning nor a call.
    pub fn answer_opening(&self, control: &dyn Fn(&str) -> Option<u32>) -> String {
        match self.start {
            Stage::Header => self.spell("<|channel|>final<|message|>", control),
            _ => String::new(),
        }
    }

    /// Whether every turn of this family begins with reasoning.
    pub fn always_reasons(&self) -> bool {
        self.start == Stage::Header
    }

    /// The rule of reasoning, as `thoughts`. `None`: models of this family do not reason.
    pub fn thoughts_grammar(
        &self,
        is_begun: bool,
        control: &dyn Fn(&str) -> Option<u32>,
    ) -> Option<String> {
        let (start, end) = self.reasoning_marks()?;
        let start = if is_begun { String::new() } else { self.spell(start, control) };
        let (inner, after) = match control(end) {
            Some(id) => ("/(?s:.*)/".to_owned(), format!("<[{id}]>")),
            None => (String::new(), "thinking".to_owned()),
        };
        let rest = match self.start {
            Stage::Header => self.spell("<|start|>assistant", control),
            _ => "/\\s*/".to_owned(),
        };
        let mut rules = format!("thoughts: {start} {inner} {after} {rest}\n");
        if control(end).is_none() {
            let end = Value::from(end);
            let _ = writeln!(rules, "thinking[suffix={end}]: /(?s:.*)/");
        }
        Some(rules)
    }

    /// A text as terminals: control tokens by their ids, what lies between them as it is.
    fn spell(&self, text: &str, control: &dyn Fn(&str) -> Option<u32>) -> String {
        let mut spelled = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let marks = self.marks().filter_map(|mark| Some((rest.find(mark)?, mark)));
            let marks = marks.filter_map(|(at, mark)| Some((at, mark, control(mark)?)));
            let found = marks.min_by_key(|(at, mark, _)| (*at, usize::MAX - mark.len()));
            let plain = found.map_or(rest, |(at, ..)| &rest[..at]);
            if !plain.is_empty() {
                spelled.push(Value::from(plain).to_string());
            }
            spelled.extend(found.map(|(_, _, id)| format!("<[{id}]>")));
            rest = found.map_or("", |(at, mark, _)| &rest[at + mark.len()..]);
        }
        spelled.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn calls_are_spelled_with_the_tokens_of_the_model() {
        let schema = json!({"type": "object"});
        let check = |template, control: &dyn Fn(&str) -> Option<u32>, expected| {
            let format = TurnFormat::of_template(template);
            let found = format.call_grammar(&[("f", &schema)], Calls::Several, control);
            assert_eq!(found.expect("a grammar"), expected);
        };
        check(
            "<tool_call>",
            &|_| None,
            "calls:  call (\"\\n\" call)* \ncall: call_0\ncall_0: \"<tool_call>\\n{\\\"name\\\": \
             \\\"f\\\", \\\"arguments\\\": \" arguments_0 \"}\\n</tool_call>\"\narguments_0: \
             %json {\"type\":\"object\"}\n",
        );
        check(
            "[ARGS]",
            &|mark| (mark == "[ARGS]").then_some(7),
            "calls:  call ( call)* \ncall: call_0\ncall_0: \"[TOOL_CALLS]f\" <[7]> arguments_0 \n\
             arguments_0: %json {\"type\":\"object\"}\n",
        );
        let format = TurnFormat::of_template("<start_function_call>");
        assert_eq!(format.call_grammar(&[], Calls::One, &|_| None), None);
    }
}
