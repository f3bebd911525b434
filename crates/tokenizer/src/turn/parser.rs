//! A turn that arrives in pieces becomes parts.

use super::call::{self, Malformed};
use super::format::{Mark, Stage, TurnFormat};
use super::{Part, Wants};

/// Reads a turn as it is written.
///
/// However the text is cut, the parts joined are the same. Held back is only what may still become
/// a mark, white space before what may be one, and calls until they are complete. White space that
/// touches a mark belongs to the format and is dropped; what looked like a call and is none is
/// text, as it was written.
#[derive(Clone, Debug)]
pub struct TurnParser {
    format: TurnFormat,
    wants: Wants,
    stage: Stage,
    /// Text that was pushed and is no part yet.
    held: String,
    /// Of `held`, the bytes that have no mark that ends a call or a header.
    n_searched: usize,
    /// What `held` follows after: the mark that began a call, and the header of a message.
    opening: String,
    /// The name in a header.
    name: String,
    /// Whether what comes next touches a mark.
    is_after_mark: bool,
    /// Whether there was text since the beginning, or since the last call: reasoning comes before
    /// what it is about, and its marks mean nothing behind it.
    has_text: bool,
}

impl TurnParser {
    /// `prompt_tail`: the end of the prompt, which may have begun to reason.
    pub fn new(format: TurnFormat, wants: Wants, prompt_tail: &str) -> Self {
        let is_begun = wants.reasoning && format.is_begun(prompt_tail);
        let stage = match format.start {
            Stage::Text | Stage::Opening if is_begun => Stage::Reasoning,
            Stage::Opening if !wants.calls => Stage::Text,
            // Its messages cannot be told apart without their headers.
            Stage::Header if !wants.reasoning && !wants.calls => Stage::Text,
            stage => stage,
        };
        Self {
            format,
            wants,
            stage,
            held: String::new(),
            n_searched: 0,
            opening: String::new(),
            name: String::new(),
            is_after_mark: is_begun,
            has_text: false,
        }
    }

    /// Whether what came last is said to oneself.
    pub fn is_reasoning(&self) -> bool {
        self.stage == Stage::Reasoning
    }

    /// Takes the next piece of text.
    pub fn push(&mut self, delta: &str) -> Vec<Part> {
        self.held.push_str(delta);
        let mut parts = Vec::new();
        while self.advance(&mut parts) {}
        parts
    }

    /// Ends the text.
    pub fn finish(&mut self) -> Vec<Part> {
        let mut parts = Vec::new();
        let rest = std::mem::take(&mut self.held);
        match self.stage {
            Stage::Call => {
                let calls = call::parse(self.format.body, &self.name, &rest);
                let as_text = std::mem::take(&mut self.opening) + &rest;
                emit_calls(calls.ok(), as_text, &mut parts);
            }
            // A header without a message is what the model wrote.
            Stage::Header if self.opening.is_empty() => emit(Part::Text, &rest, &mut parts),
            Stage::Header => {}
            Stage::Reasoning => emit(Part::Reasoning, rest.trim_end(), &mut parts),
            Stage::Text | Stage::Opening => emit(Part::Text, &rest, &mut parts),
        }
        parts
    }

    /// Goes as far as the next mark; whether there was one.
    fn advance(&mut self, parts: &mut Vec<Part>) -> bool {
        if self.is_after_mark {
            let n_spaces = self.held.len() - self.held.trim_start().len();
            self.held.drain(..n_spaces);
            self.is_after_mark = self.held.is_empty();
        }
        match self.stage {
            Stage::Opening => self.open(),
            Stage::Text => self.read(Part::Text, parts),
            Stage::Reasoning => self.read(Part::Reasoning, parts),
            Stage::Call => self.read_call(parts),
            Stage::Header => self.read_header(),
        }
    }

    fn open(&mut self) -> bool {
        let Some(first) = self.held.trim_start().chars().next() else { return false };
        self.stage = if first == '{' { Stage::Call } else { Stage::Text };
        true
    }

    fn read(&mut self, part: fn(String) -> Part, parts: &mut Vec<Part>) -> bool {
        let marks: Vec<Mark> = self.marks().collect();
        let found = marks.iter().filter_map(|mark| Some((self.held.find(mark.text)?, mark)));
        if let Some((at, mark)) = found.min_by_key(|(at, _)| *at) {
            let before = self.held[..at].trim_end();
            let is_text = self.stage == Stage::Text && !before.is_empty();
            if is_text && mark.to == Stage::Reasoning {
                // What comes before it is text, and it is more of that.
                self.has_text = true;
                return true;
            }
            self.has_text |= is_text;
            emit(part, before, parts);
            self.held.drain(..at + mark.text.len());
            self.enter(mark);
            return true;
        }
        let n_kept = n_held_back(&self.held, &marks);
        let n = self.held.len() - n_kept;
        self.has_text |= self.stage == Stage::Text && n > 0;
        emit(part, &self.held[..n], parts);
        self.held.drain(..n);
        false
    }

    fn enter(&mut self, mark: &Mark) {
        self.stage = match mark.to {
            Stage::Opening if !self.wants.calls => Stage::Text,
            stage => stage,
        };
        self.n_searched = 0;
        self.is_after_mark = mark.to != Stage::Call;
        self.opening = match mark.to {
            Stage::Call | Stage::Header => mark.text.to_owned(),
            _ => String::new(),
        };
    }

    /// Marks that lead on from here, if anybody wants to know of what they lead to.
    fn marks(&self) -> impl Iterator<Item = Mark> {
        let (stage, Wants { calls, reasoning }) = (self.stage, self.wants);
        let has_text = self.has_text;
        self.format.marks.iter().copied().filter(move |mark| {
            let is_wanted = match (mark.from, mark.to) {
                (Stage::Call, _) | (_, Stage::Call) => calls,
                (Stage::Reasoning, _) | (_, Stage::Reasoning) => reasoning,
                _ => calls || reasoning,
            };
            let is_late = mark.to == Stage::Reasoning && has_text;
            mark.from == stage && is_wanted && !is_late
        })
    }

    fn read_call(&mut self, parts: &mut Vec<Part>) -> bool {
        let from = floor_char(&self.held, self.n_searched);
        let marks: Vec<Mark> = self.marks().collect();
        let found = marks
            .iter()
            .filter_map(|mark| Some((from + self.held[from..].find(mark.text)?, mark)))
            .min_by_key(|(at, _)| *at);
        let Some((at, mark)) = found else {
            let n_max = marks.iter().map(|mark| mark.text.len()).max().unwrap_or(0);
            self.n_searched = self.held.len().saturating_sub(n_max);
            return false;
        };
        let end = at + mark.text.len();
        let calls = call::parse(self.format.body, &self.name, &self.held[..at]);
        if calls == Err(Malformed::Incomplete) && self.format.start != Stage::Header {
            // The mark stands within a text of the call.
            self.n_searched = end;
            return true;
        }
        let as_text = std::mem::take(&mut self.opening) + &self.held[..end];
        let is_call = calls.is_ok();
        self.has_text = !is_call;
        emit_calls(calls.ok(), as_text, parts);
        self.held.drain(..end);
        self.enter(mark);
        self.is_after_mark = is_call;
        true
    }

    fn read_header(&mut self) -> bool {
        let Some(mark) = self.marks().next() else { return false };
        let Some(at) = self.held.find(mark.text) else { return false };
        let header: String = self.held.drain(..at + mark.text.len()).collect();
        let recipient = header.split_once("to=functions.").map(|(_, rest)| {
            rest.split(|c: char| c.is_whitespace() || c == '<').next().unwrap_or_default()
        });
        let is_reasoning = header.contains("<|channel|>analysis") && self.wants.reasoning;
        self.enter(&mark);
        match recipient.filter(|_| self.wants.calls) {
            Some(name) => {
                self.name = name.to_owned();
                self.opening = header;
                self.stage = Stage::Call;
            }
            None if is_reasoning => self.stage = Stage::Reasoning,
            None => {}
        }
        true
    }
}

fn emit(part: fn(String) -> Part, text: &str, parts: &mut Vec<Part>) {
    if !text.is_empty() {
        parts.push(part(text.to_owned()));
    }
}

fn emit_calls(calls: Option<Vec<call::ToolCall>>, as_text: String, parts: &mut Vec<Part>) {
    match calls {
        Some(calls) => parts.extend(calls.into_iter().map(Part::Call)),
        None => parts.push(Part::Text(as_text)),
    }
}

/// Bytes at the end that may become a mark, and the white space before them.
fn n_held_back(text: &str, marks: &[Mark]) -> usize {
    if marks.is_empty() {
        return 0;
    }
    let begins = |at: &usize| marks.iter().any(|mark| mark.text.starts_with(&text[*at..]));
    let n_max = marks.iter().map(|mark| mark.text.len()).max().unwrap_or(0);
    let from = floor_char(text, text.len().saturating_sub(n_max));
    let starts = text[from..].char_indices().map(|(at, _)| from + at);
    let start = starts.into_iter().find(begins).unwrap_or(text.len());
    text.len() - text[..start].trim_end().len()
}

/// The last place up to `at` where a character begins.
fn floor_char(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::turn::ToolCall;

    const ALL: Wants = Wants { calls: true, reasoning: true };

    fn parts(template: &str, tail: &str, deltas: &[&str]) -> Vec<Part> {
        let mut parser = TurnParser::new(TurnFormat::of_template(template), ALL, tail);
        let mut parts: Vec<Part> = deltas.iter().flat_map(|delta| parser.push(delta)).collect();
        parts.extend(parser.finish());
        joined(parts)
    }

    /// Neighbours of one kind as one.
    fn joined(parts: Vec<Part>) -> Vec<Part> {
        let mut all: Vec<Part> = Vec::new();
        for part in parts {
            match (all.last_mut(), part) {
                (Some(Part::Text(text)), Part::Text(more)) => text.push_str(&more),
                (Some(Part::Reasoning(text)), Part::Reasoning(more)) => text.push_str(&more),
                (_, part) => all.push(part),
            }
        }
        all
    }

    fn text(text: &str) -> Part {
        Part::Text(text.into())
    }

    fn thought(text: &str) -> Part {
        Part::Reasoning(text.into())
    }

    fn called(name: &str, arguments: &str) -> Part {
        Part::Call(ToolCall { name: name.into(), arguments: arguments.into() })
    }

    /// Whole, and cut into characters.
    fn check(template: &str, tail: &str, turn: &str, expected: &[Part]) {
        assert_eq!(parts(template, tail, &[turn]), expected, "{turn}");
        let characters: Vec<String> = turn.chars().map(String::from).collect();
        let characters: Vec<&str> = characters.iter().map(String::as_str).collect();
        assert_eq!(parts(template, tail, &characters), expected, "{turn}");
    }

    const CALL: &str = "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>";

    #[test]
    fn turns_of_the_hermes_kind() {
        let (f, template) = (called("f", "{\"a\":1}"), "<tool_call>");
        check(template, "", "Hello.", &[text("Hello.")]);
        check(template, "", CALL, std::slice::from_ref(&f));
        check(
            template,
            "",
            &format!("Wait.\n{CALL}\n{CALL}"),
            &[text("Wait."), f.clone(), f.clone()],
        );
        let thinks = format!("<think>\nSo.\n</think>\n\nYes.{CALL}");
        check(template, "", &thinks, &[thought("So."), text("Yes."), f.clone()]);
        check(template, "<think>\n", "So.\n</think>\n\nYes.", &[thought("So."), text("Yes.")]);
        let bare = "{\"name\": \"f\", \"arguments\": {\"a\": 1}}";
        check(template, "", bare, std::slice::from_ref(&f));
        check(template, "", &format!("<think>So.</think>\n{bare}"), &[thought("So."), f.clone()]);
        check(template, "", "{\"a\": 1} is JSON", &[text("{\"a\": 1} is JSON")]);
        check(template, "", "a < b <tool", &[text("a < b <tool")]);
        check(template, "", "a</think>b", &[text("a</think>b")]);
        check(template, "", "Say <think>a</think>.", &[text("Say <think>a</think>.")]);
        let broken = "<tool_call>{\"name\": }</tool_call> x";
        check(template, "", broken, &[text(broken)]);
        let cut = "<tool_call>\n{\"name\": \"f\"";
        check(template, "", cut, &[text(cut)]);
        let inner =
            "<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":\"</tool_call>\"}}</tool_call>";
        check(template, "", inner, &[called("f", "{\"a\":\"</tool_call>\"}")]);
    }

    #[test]
    fn turns_of_other_kinds() {
        let call = "{\"name\": \"f\", \"parameters\": {}}";
        check("<|python_tag|>", "", call, &[called("f", "{}")]);
        check("<|python_tag|>", "", &format!("<|python_tag|>{call}"), &[called("f", "{}")]);
        check("<|python_tag|>", "", "{1} is a set", &[text("{1} is a set")]);
        check("[TOOL_CALLS]", "", "[TOOL_CALLS]f[ARGS]{}", &[called("f", "{}")]);
        check("[TOOL_CALLS]", "", "[THINK]a[/THINK]b", &[thought("a"), text("b")]);
        let gemma = "<start_function_call>call:f{a:1}<end_function_call>";
        check("<start_function_call>", "", gemma, &[called("f", "{\"a\":1}")]);
        let gemma =
            "<|channel>thought\nHm.<channel|><|tool_call>call:f{a:<|\"|>b<|\"|>}<tool_call|>";
        check("<|tool_call>", "", gemma, &[thought("Hm."), called("f", "{\"a\":\"b\"}")]);
        let deepseek = "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{}\
                        <｜tool▁call▁end｜><｜tool▁calls▁end｜>";
        check("<｜tool▁calls▁begin｜>", "", deepseek, &[called("f", "{}")]);
        let harmony = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>\
                       commentary to=functions.f <|constrain|>json<|message|>{\"a\": 1}<|call|>";
        check("<|channel|>", "", harmony, &[thought("Hm."), called("f", "{\"a\":1}")]);
        let answer = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final\
                      <|message|>Yes.<|return|>";
        check("<|channel|>", "", answer, &[thought("Hm."), text("Yes.")]);
    }

    const TEMPLATES: [&str; 7] = [
        "<|tool_call>",
        "<tool_call>",
        "[TOOL_CALLS]",
        "<|channel|>",
        "<|python_tag|>",
        "<｜tool▁calls▁begin｜>",
        "<start_function_call>",
    ];

    fn fragment() -> impl Strategy<Value = String> {
        let fragments = [
            "<tool_call>",
            "</tool_call>",
            "<think>",
            "</think>",
            "{\"name\": \"f\"}",
            "{",
            "}",
            "[TOOL_CALLS]",
            "f[ARGS]",
            "<|channel|>",
            "analysis",
            "final",
            "<|message|>",
            "<|end|>",
            "<|call|>",
            " to=functions.f",
            "<｜tool▁calls▁begin｜>",
            "<｜tool▁call▁begin｜>",
            "<｜tool▁sep｜>",
            "<｜tool▁call▁end｜>",
            "<｜tool▁calls▁end｜>",
            "call:f{a:",
            "<escape>",
            "<start_function_call>",
            "<end_function_call>",
            "<|tool_call>",
            "<tool_call|>",
            "<|channel>thought",
            "<channel|>",
            " ",
            "\n",
            "é",
            "<",
            "text",
            "🦙",
        ];
        proptest::sample::select(fragments.to_vec()).prop_map(String::from)
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_parts(
            fragments in proptest::collection::vec(fragment(), 0..12),
            template in proptest::sample::select(TEMPLATES.to_vec()),
            cuts in proptest::collection::vec(0usize..100, 0..6),
        ) {
            let whole = fragments.concat();
            let mut cuts: Vec<usize> =
                cuts.iter().map(|&at| floor_char(&whole, at.min(whole.len()))).collect();
            cuts.extend([0, whole.len()]);
            cuts.sort_unstable();
            let deltas: Vec<&str> = cuts.windows(2).map(|cut| &whole[cut[0]..cut[1]]).collect();
            prop_assert_eq!(parts(template, "", &deltas), parts(template, "", &[&whole]));
        }

        #[test]
        fn what_nobody_wants_is_text(
            fragments in proptest::collection::vec(fragment(), 0..12),
            template in proptest::sample::select(TEMPLATES.to_vec()),
        ) {
            let wants = Wants { calls: false, reasoning: false };
            let mut parser = TurnParser::new(TurnFormat::of_template(template), wants, "<think>");
            let mut parts: Vec<Part> = fragments.iter().flat_map(|f| parser.push(f)).collect();
            parts.extend(parser.finish());
            let text: String = parts
                .into_iter()
                .map(|part| match part {
                    Part::Text(text) => text,
                    part => panic!("{part:?}"),
                })
                .collect();
            prop_assert_eq!(text, fragments.concat());
        }
    }
}
