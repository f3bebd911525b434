//! How families of models write their turns, as data.

use super::call::Body;

/// The marks of one family: where reasoning and calls begin and end in the text.
#[derive(Clone, Copy, Debug)]
pub struct TurnFormat {
    name: &'static str,
    /// Texts of which a chat template of this family has at least one.
    found_by: &'static [&'static str],
    pub(super) marks: &'static [Mark],
    pub(super) start: Stage,
    pub(super) body: Body,
    /// How calls are written, where they are JSON.
    pub(super) frame: Option<Frame>,
}

/// Where a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Text,
    Reasoning,
    Call,
    /// At the beginning: a brace begins a call, all else is text.
    Opening,
    /// Before a message that says in its header what it is.
    Header,
}

/// A text that leads from one stage to another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) text: &'static str,
    pub(super) from: Stage,
    pub(super) to: Stage,
}

/// A call as text: `open (before_name NAME before_arguments JSON after) between (...) close`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) open: &'static str,
    pub(super) before_name: &'static str,
    pub(super) before_arguments: &'static str,
    pub(super) after: &'static str,
    /// `None`: one call ends the turn.
    pub(super) between: Option<&'static str>,
    pub(super) close: &'static str,
}

const fn mark(from: Stage, text: &'static str, to: Stage) -> Mark {
    Mark { text, from, to }
}

const THINK: [Mark; 2] = [
    mark(Stage::Text, "<think>", Stage::Reasoning),
    mark(Stage::Reasoning, "</think>", Stage::Text),
];

const HERMES: TurnFormat = TurnFormat {
    name: "hermes",
    found_by: &["<tool_call>"],
    marks: &[
        THINK[0],
        mark(Stage::Reasoning, "</think>", Stage::Opening),
        mark(Stage::Text, "<tool_call>", Stage::Call),
        mark(Stage::Call, "</tool_call>", Stage::Text),
    ],
    // Small models leave the marks out.
    start: Stage::Opening,
    body: Body::JsonOrFunctionTags,
    frame: Some(Frame {
        open: "",
        before_name: "<tool_call>\n{\"name\": ",
        before_arguments: ", \"arguments\": ",
        after: "}\n</tool_call>",
        between: Some("\n"),
        close: "",
    }),
};

/// The first one whose marks a template has is that of the template.
const FORMATS: &[TurnFormat] = &[
    TurnFormat {
        name: "harmony",
        found_by: &["<|channel|>"],
        marks: &[
            mark(Stage::Header, "<|message|>", Stage::Text),
            mark(Stage::Text, "<|end|>", Stage::Header),
            mark(Stage::Text, "<|return|>", Stage::Header),
            mark(Stage::Reasoning, "<|end|>", Stage::Header),
            mark(Stage::Reasoning, "<|return|>", Stage::Header),
            mark(Stage::Call, "<|call|>", Stage::Header),
            mark(Stage::Call, "<|end|>", Stage::Header),
        ],
        start: Stage::Header,
        body: Body::Arguments,
        frame: Some(Frame {
            open: "",
            before_name: "<|channel|>commentary to=functions.",
            before_arguments: " <|constrain|>json<|message|>",
            after: "",
            between: None,
            close: "",
        }),
    },
    TurnFormat {
        name: "deepseek-v3.1",
        found_by: &["'<｜tool▁call▁begin｜>'+ tool['function']['name'] + '<｜tool▁sep｜>'"],
        frame: Some(Frame {
            open: "<｜tool▁calls▁begin｜>",
            before_name: "<｜tool▁call▁begin｜>",
            before_arguments: "<｜tool▁sep｜>",
            after: "<｜tool▁call▁end｜>",
            between: Some(""),
            close: "<｜tool▁calls▁end｜>",
        }),
        ..DEEPSEEK
    },
    DEEPSEEK,
    TurnFormat {
        name: "mistral",
        found_by: &["[ARGS]"],
        frame: Some(Frame {
            open: "",
            before_name: "[TOOL_CALLS]",
            before_arguments: "[ARGS]",
            after: "",
            between: Some(""),
            close: "",
        }),
        ..MISTRAL
    },
    MISTRAL,
    TurnFormat {
        name: "gemma-4",
        found_by: &["<|tool_call>"],
        marks: &[
            mark(Stage::Text, "<|channel>thought", Stage::Reasoning),
            mark(Stage::Reasoning, "<channel|>", Stage::Text),
            mark(Stage::Text, "<|tool_call>", Stage::Call),
            mark(Stage::Call, "<tool_call|>", Stage::Text),
        ],
        start: Stage::Text,
        body: Body::Gemma,
        frame: None,
    },
    TurnFormat {
        name: "gemma",
        found_by: &["<start_function_call>"],
        marks: &[
            mark(Stage::Text, "<start_function_call>", Stage::Call),
            mark(Stage::Call, "<end_function_call>", Stage::Text),
        ],
        start: Stage::Text,
        body: Body::Gemma,
        frame: None,
    },
    HERMES,
    TurnFormat {
        name: "llama",
        found_by: &["<|python_tag|>", "Respond in the format {\"name\": function name"],
        marks: &[mark(Stage::Text, "<|python_tag|>", Stage::Call)],
        start: Stage::Opening,
        body: Body::JsonObjects,
        frame: Some(Frame {
            open: "",
            before_name: "{\"name\": ",
            before_arguments: ", \"parameters\": ",
            after: "}",
            between: Some("; "),
            close: "",
        }),
    },
];

const DEEPSEEK: TurnFormat = TurnFormat {
    name: "deepseek",
    found_by: &["<｜tool▁calls▁begin｜>"],
    marks: &[
        THINK[0],
        THINK[1],
        mark(Stage::Text, "<｜tool▁calls▁begin｜>", Stage::Call),
        mark(Stage::Call, "<｜tool▁calls▁end｜>", Stage::Text),
    ],
    start: Stage::Text,
    body: Body::DeepSeek,
    frame: Some(Frame {
        open: "<｜tool▁calls▁begin｜>",
        before_name: "<｜tool▁call▁begin｜>function<｜tool▁sep｜>",
        before_arguments: "\n```json\n",
        after: "\n```<｜tool▁call▁end｜>",
        between: Some("\n"),
        close: "<｜tool▁calls▁end｜>",
    }),
};

const MISTRAL: TurnFormat = TurnFormat {
    name: "mistral-json",
    found_by: &["[TOOL_CALLS]"],
    marks: &[
        mark(Stage::Text, "[THINK]", Stage::Reasoning),
        mark(Stage::Reasoning, "[/THINK]", Stage::Text),
        mark(Stage::Text, "[TOOL_CALLS]", Stage::Call),
    ],
    start: Stage::Text,
    body: Body::Mistral,
    frame: Some(Frame {
        open: "[TOOL_CALLS][",
        before_name: "{\"name\": ",
        before_arguments: ", \"arguments\": ",
        after: "}",
        between: Some(", "),
        close: "]",
    }),
};

impl TurnFormat {
    /// The format of models with this chat template; [`TurnFormat::hermes`] where it names none.
    pub fn of_template(source: &str) -> Self {
        let has = |format: &&TurnFormat| format.found_by.iter().any(|text| source.contains(text));
        FORMATS.iter().find(has).copied().unwrap_or(HERMES)
    }

    /// `<tool_call>{"name": ..., "arguments": {...}}</tool_call>`, and `<think>`: the form that
    /// most open models were trained on, and that others can be told of.
    pub fn hermes() -> Self {
        HERMES
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Texts that lead from one part to another, some of which may be control tokens.
    pub fn marks(&self) -> impl Iterator<Item = &'static str> {
        const OF_HEADERS: [&str; 3] = ["<|start|>", "<|channel|>", "<|constrain|>"];
        const INSIDE: [&str; 8] = [
            "<|channel>",
            "<|\"|>",
            "[ARGS]",
            "[CALL_ID]",
            "<escape>",
            "<｜tool▁call▁begin｜>",
            "<｜tool▁sep｜>",
            "<｜tool▁call▁end｜>",
        ];
        let own = self.marks.iter().map(|mark| mark.text);
        let of_headers = OF_HEADERS.into_iter().filter(|_| self.start == Stage::Header);
        own.chain(of_headers).chain(INSIDE)
    }

    /// What reasoning begins and ends with.
    pub fn reasoning_marks(&self) -> Option<(&'static str, &'static str)> {
        let found = |is: fn(&Mark) -> bool| Some(self.marks.iter().find(|mark| is(mark))?.text);
        match self.start {
            Stage::Header => Some(("<|channel|>analysis<|message|>", "<|end|>")),
            _ => found(|mark| mark.to == Stage::Reasoning)
                .zip(found(|mark| mark.from == Stage::Reasoning)),
        }
    }

    /// Whether the prompt, of which this is the end, has begun the model's reasoning.
    pub fn is_begun(&self, prompt_tail: &str) -> bool {
        let start = self.reasoning_marks().map(|(start, _)| start);
        start.is_some_and(|start| prompt_tail.trim_end().ends_with(start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_name_their_family() {
        let check = |source, expected| {
            assert_eq!(TurnFormat::of_template(source).name(), expected);
        };
        check("{{ '<tool_call>\\n' }}", "hermes");
        check("{{ '[TOOL_CALLS]' }}", "mistral-json");
        check("{{ '[TOOL_CALLS]' + name + '[ARGS]' }}", "mistral");
        check("{{ '<|start|>assistant<|channel|>analysis' }}", "harmony");
        check("{{ '<｜tool▁calls▁begin｜>' }}", "deepseek");
        check("{{ '<|python_tag|>' }}", "llama");
        check("{{ '<start_function_call>call:' }}", "gemma");
        check("{{ '<|tool_call>call:' }}", "gemma-4");
        check("{{ message.content }}", "hermes");
    }

    #[test]
    fn prompts_may_begin_to_reason() {
        let check = |format: TurnFormat, tail, expected| {
            assert_eq!(format.is_begun(tail), expected, "{tail:?}");
        };
        check(HERMES, "<|im_start|>assistant\n<think>\n", true);
        check(HERMES, "<|im_start|>assistant\n<think>\n\n</think>\n\n", false);
        check(HERMES, "<|im_start|>assistant\n", false);
        check(MISTRAL, "[/INST][THINK]", true);
    }
}
