//! Answers that are held to a form, whatever the model would rather write.

use engine::{
    Engine, FinishReason, Grammar, GrammarCompiler, Request, SamplingParams, SpecialText,
    Speculation, Thinking, strict_schema,
};
use scripted_runner::{Limits, ScriptedRunner, Vocabulary};
use serde_json::{Value, json};
use tokenizer::turn::{Calls, Part, TurnFormat, TurnParser, Wants};

use crate::outcome::{Outcome, run_at};

/// Words that a form has, has parts of, and has none of.
const WORDS: [&str; 8] = ["\": ", "true", "{\"", "name", "\"}", " the", "yes", "</think>"];

fn vocabulary() -> Vocabulary {
    Vocabulary::new(&WORDS)
}

/// A model without sense: logits that look drawn at random, from the last tokens.
fn nonsense(tokens: &[u32]) -> Vec<f32> {
    let seed = tokens.iter().rev().take(3).fold(tokens.len() as u64, |seed, &token| {
        (seed ^ u64::from(token)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(31)
    });
    let logit = |id: u64| {
        let mixed =
            (seed ^ id.wrapping_mul(0xBF58_476D_1CE4_E5B9)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed >> 40) as f32 / (1 << 22) as f32
    };
    (0..vocabulary().n_vocab() as u64).map(logit).collect()
}

fn engine() -> Engine {
    let vocabulary = vocabulary();
    let sizes = Limits {
        n_vocab: vocabulary.n_vocab(),
        n_ctx: 2000,
        n_positions_max: 20_000,
        n_tokens_max: 64,
    };
    Engine::new(Box::new(ScriptedRunner::new(sizes, nonsense)), vocabulary.tokenizer())
}

fn compiler() -> GrammarCompiler {
    let vocabulary = vocabulary();
    GrammarCompiler::new(&vocabulary.tokenizer(), vocabulary.n_vocab()).expect("a vocabulary")
}

fn request(grammar: Option<&Grammar>, seed: u64) -> Request {
    let vocabulary = vocabulary();
    let compiler = compiler();
    let sampling = SamplingParams { temperature: 1.0, seed, ..SamplingParams::plain() };
    Request {
        constraint: grammar.map(|grammar| compiler.compile(grammar).expect("a grammar")),
        n_tokens_max: Some(300),
        ..Request::new(vocabulary.words(&[" the", "yes"]), sampling)
    }
}

fn answers(requests: Vec<Request>) -> Vec<Outcome> {
    let requests: Vec<(usize, Request)> = requests.into_iter().enumerate().collect();
    run_at(&mut engine(), &requests)
}

/// What every answer of a grammar is, or was on its way to be.
fn check(grammar: &Grammar, is_one: impl Fn(&str) -> bool) {
    let requests: Vec<Request> = (0..12).map(|seed| request(Some(grammar), seed)).collect();
    let mut n_ended = 0;
    for Outcome { answer, .. } in answers(requests) {
        let reason = answer.end.clone().expect("an end").expect("no error");
        if reason == FinishReason::Stop {
            n_ended += 1;
            assert!(is_one(&answer.text()), "{grammar:?}: {:?}", answer.text());
        }
    }
    assert!(n_ended > 0, "{grammar:?}: no answer came to its end");
}

#[test]
fn answers_have_the_form_that_was_asked_for() {
    let schema = json!({
        "type": "object",
        "properties": {
            "name": {"enum": ["yes", "name"]},
            "n": {"type": "integer", "minimum": 3, "maximum": 12},
            "list": {"type": "array", "items": {"type": "boolean"}, "maxItems": 2},
        },
        "required": ["name", "n", "list"],
        "additionalProperties": false,
    });
    check(&Grammar::JsonSchema(schema), |text| {
        let value: Value = serde_json::from_str(text).expect("JSON");
        let list = value["list"].as_array().expect("a list");
        value.as_object().is_some_and(|object| object.len() == 3)
            && ["yes", "name"].contains(&value["name"].as_str().expect("a text"))
            && (3..=12).contains(&value["n"].as_i64().expect("a number"))
            && list.len() <= 2
            && list.iter().all(Value::is_boolean)
    });
    check(&Grammar::Choice(vec!["yes".into(), "no".into(), "yes, \"x\"".into()]), |text| {
        ["yes", "no", "yes, \"x\""].contains(&text)
    });
    check(&Grammar::Regex("[a-c]{2,4}(true)?".into()), |text| {
        let rest = text.trim_start_matches(['a', 'b', 'c']);
        (2..=4).contains(&(text.len() - rest.len())) && ["", "true"].contains(&rest)
    });
    let gbnf = "root ::= \"(\" (root | \"yes\") \")\"";
    check(&Grammar::Gbnf(gbnf.into()), |text| {
        let n = text.len().saturating_sub(3) / 2;
        text == format!("{}yes{}", "(".repeat(n), ")".repeat(n))
    });
    check(&Grammar::Lark("start: \"a\" /[0-9]/ \"b\"".into()), |text| text.len() == 3);
}

/// In the form of every family that writes its calls as JSON, after reasoning and without it.
#[test]
fn turns_that_must_call_do() {
    let schema = strict_schema(&json!({"type": "object", "required": ["n"],
        "properties": {"n": {"enum": [1, "two", null]}}, "additionalProperties": false}));
    let tools = [("first", &schema), ("second", &schema)];
    let families = [
        "<tool_call>",
        "[TOOL_CALLS]",
        "[TOOL_CALLS][ARGS]",
        "<|python_tag|>",
        "<｜tool▁calls▁begin｜>",
        "'<｜tool▁call▁begin｜>'+ tool['function']['name'] + '<｜tool▁sep｜>'",
        "<|channel|>",
    ];
    for family in families {
        let format = TurnFormat::of_template(family);
        for calls in [Calls::One, Calls::Several] {
            let rules = format.call_grammar(&tools, calls, &|_| None).expect("a grammar");
            let plain = Grammar::Lark(format!("start: calls\n{rules}"));
            check(&plain, |text| is_calls(format, text, calls, Reasons::Not));
            let Some(thoughts) = format.thoughts_grammar(false, &|_| None) else { continue };
            let after = Grammar::Lark(format!("start: thoughts calls\n{thoughts}{rules}"));
            let compiler = compiler();
            compiler.compile(&after).expect("a grammar");
            // A model without sense thinks forever: it is told when to stop.
            let mut request = request(Some(&after), 3);
            let (start, end) = format.reasoning_marks().expect("marks");
            let end_ids = vocabulary().bytes(end.as_bytes());
            let (start, end) = (Some(start.to_owned()), end.to_owned());
            let (held_back, n_tokens_min, n_tokens_max) = (Vec::new(), 0, 20);
            request.thinking =
                Some(Thinking { start, end, end_ids, held_back, n_tokens_min, n_tokens_max });
            request.n_tokens_max = Some(1000);
            let answer = answers(vec![request]).remove(0).answer;
            assert_eq!(answer.end, Some(Ok(FinishReason::Stop)), "{family}: {}", answer.text());
            let text = answer.text();
            assert!(is_calls(format, &text, calls, Reasons::First), "{family}: {text:?}");
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reasons {
    First,
    Not,
}

fn is_calls(format: TurnFormat, text: &str, calls: Calls, reasons: Reasons) -> bool {
    let wants = Wants { calls: true, reasoning: true };
    let mut parser = TurnParser::new(format, wants, "");
    let mut parts = parser.push(text);
    parts.extend(parser.finish());
    let n_calls = parts.iter().filter(|part| matches!(part, Part::Call(_))).count();
    let has_text = parts.iter().any(|part| matches!(part, Part::Text(_)));
    let has_reasons = parts.iter().any(|part| matches!(part, Part::Reasoning(_)));
    // What it thinks may be white space.
    let is_right = reasons == Reasons::First || !has_reasons;
    let n_max = if calls == Calls::One { 1 } else { usize::MAX };
    !has_text && is_right && (1..=n_max).contains(&n_calls)
}

/// However many run, and however many tokens are guessed before they are chosen.
#[test]
fn a_form_does_not_depend_on_who_runs_beside_it() {
    let grammar = Grammar::Regex("(yes|true|[a-z]){20,60}".into());
    let requests: Vec<Request> = (0..6)
        .map(|seed| Request {
            speculation: if seed % 2 == 0 { Speculation::Auto } else { Speculation::Off },
            ..request((seed < 4).then_some(&grammar), seed)
        })
        .collect();
    let together = answers(requests.clone());
    for (request, together) in requests.into_iter().zip(together) {
        for speculation in [Speculation::Auto, Speculation::Off] {
            let alone = answers(vec![Request { speculation, ..request.clone() }]).remove(0);
            assert_eq!(alone.answer, together.answer);
        }
    }
}

/// A schema cannot ask not to be held to, and white space comes to an end.
#[test]
fn schemas_are_strict() {
    let lenient = json!({"type": "object", "properties": {"a": {"const": true}},
        "required": ["a"], "additionalProperties": false,
        "x-guidance": {"lenient": true, "whitespace_flexible": true}});
    check(&Grammar::JsonSchema(lenient), |text| {
        let spaces = text.chars().filter(|c| c.is_whitespace()).count();
        serde_json::from_str::<Value>(text).is_ok_and(|value| value == json!({"a": true}))
            && spaces <= 5 * 42
    });
}

#[test]
fn what_is_no_grammar_is_refused() {
    let compiler = compiler();
    let check = |grammar: Grammar| {
        let error = compiler.compile(&grammar).err().unwrap_or_else(|| panic!("{grammar:?}"));
        let message = error.to_string();
        assert!(!message.contains('\n') && message.len() < 500, "{message}");
    };
    check(Grammar::Regex("foo**(".into()));
    check(Grammar::Regex("a".repeat(1 << 20)));
    check(Grammar::Lark("start: nowhere".into()));
    check(Grammar::Lark("nonsense".into()));
    check(Grammar::Gbnf("root ::= ".to_owned() + &"(".repeat(60_000)));
    check(Grammar::Choice(Vec::new()));
    check(Grammar::JsonSchema(json!({"type": "foo"})));
    check(Grammar::JsonSchema(json!({"type": 123})));
    check(Grammar::JsonSchema(json!({"type": "string", "pattern": "("})));
    check(Grammar::JsonSchema(json!({"$ref": "http://127.0.0.1/schema.json"})));
    check(Grammar::JsonSchema(json!([1])));
    let mut deep = json!({"type": "string"});
    for _ in 0..2000 {
        deep = json!({"type": "array", "items": deep});
    }
    check(Grammar::JsonSchema(deep));
    check(Grammar::Lark(format!("start: {}\"a\"{}", "(".repeat(60_000), ")".repeat(60_000))));
    check(Grammar::Regex("(".repeat(60_000)));
    // Large, but bounded: they are used or refused, and nothing breaks.
    let step =
        |n: usize| (format!("r{n}"), json!({"items": {"$ref": format!("#/$defs/r{}", n + 1)}}));
    let mut steps: serde_json::Map<String, Value> = (0..4000).map(step).collect();
    steps.insert("r4000".into(), json!(true));
    let chain = json!({"$ref": "#/$defs/r0", "$defs": steps});
    let _ = compiler.compile(&Grammar::JsonSchema(chain));
    let _ = compiler.compile(&Grammar::Regex("((a{1000}){1000}){1000}".into()));
}

/// Thinking takes as many tokens as it may, and no fewer than it must.
#[test]
fn thinking_has_bounds() {
    let tokenizer = vocabulary().tokenizer();
    let end_ids = tokenizer.encode("\n</think>\n", SpecialText::Parse);
    let check = |n_tokens_min: usize, n_tokens_max: usize| {
        let (end, end_ids) = ("</think>".to_owned(), end_ids.clone());
        let n_ending = end_ids.len();
        let held_back = vec![vocabulary().word("</think>"), vocabulary().bytes(b"<")[0]];
        let bounds = Thinking { start: None, end, end_ids, held_back, n_tokens_min, n_tokens_max };
        let request = Request { thinking: Some(bounds), ..request(None, 5) };
        let answer = answers(vec![request]).remove(0).answer;
        let mut text = String::new();
        let n = answer.deltas.iter().take_while(|delta| {
            text.push_str(delta);
            !text.contains("</think>")
        });
        let (n, n_max) = (n.count() + 1, n_tokens_max + n_ending);
        assert!((n_tokens_min..=n_max).contains(&n), "{n}: {n_tokens_min} to {n_max}");
    };
    check(0, 0);
    check(0, 5);
    check(7, 7);
    check(20, 40);
}
