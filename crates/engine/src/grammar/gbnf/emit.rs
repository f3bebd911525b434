//! Rules are written for the library: regular parts as terminals, the others as rules.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::parse::{parse, push_code};
use super::{GbnfError, Node, Rules};

/// Longer terminals are left in parts.
const REGEX_BYTES_MAX: usize = 16 << 10;

/// # Errors
/// A text that is no grammar, and rules that are nowhere.
pub(in super::super) fn to_lark(text: &str) -> Result<String, GbnfError> {
    let rules = parse(text)?;
    let unknown = rules.bodies.iter().position(Option::is_none);
    if let Some(idx) = unknown {
        return Err(GbnfError::Unknown { name: rules.names[idx].clone() });
    }
    let mut writer = Writer::new(&rules);
    let mut lark = String::from("start: rule_0\n");
    for idx in 0..rules.names.len() {
        let body = writer.item(writer.body(idx));
        let _ = writeln!(lark, "rule_{idx}: {body}");
    }
    for (regex, idx) in &writer.terminals {
        let _ = writeln!(lark, "T{idx}: /{regex}/");
    }
    Ok(lark)
}

struct Writer<'a> {
    rules: &'a Rules,
    /// What each rule is as a regular expression, if it is one; those that are being looked at
    /// have none.
    regexes: Vec<Option<Regex>>,
    terminals: BTreeMap<String, usize>,
}

#[derive(Clone)]
struct Regex {
    text: String,
    may_be_empty: bool,
}

impl<'a> Writer<'a> {
    fn new(rules: &'a Rules) -> Self {
        let regexes = vec![None; rules.names.len()];
        let mut writer = Self { rules, regexes, terminals: BTreeMap::new() };
        // A rule is regular once all rules in it are: as many rounds as there are rules will do,
        // and a round without news is the last.
        loop {
            let mut has_news = false;
            for idx in 0..rules.names.len() {
                if writer.regexes[idx].is_none() {
                    writer.regexes[idx] = writer.regex(writer.body(idx));
                    has_news |= writer.regexes[idx].is_some();
                }
            }
            if !has_news {
                return writer;
            }
        }
    }

    fn body(&self, idx: usize) -> &'a Node {
        self.rules.bodies[idx].as_ref().expect("every rule has a body by now")
    }

    fn regex(&self, node: &Node) -> Option<Regex> {
        let regex = match node {
            Node::Text(text) => {
                let mut regex = String::new();
                text.chars().for_each(|c| push_code(&mut regex, c));
                Regex { text: regex, may_be_empty: text.is_empty() }
            }
            Node::Class(class) => Regex { text: class.clone(), may_be_empty: false },
            Node::Rule(idx) => self.regexes[*idx].clone()?,
            Node::Sequence(all) => {
                let all: Vec<Regex> = all.iter().map(|n| self.regex(n)).collect::<Option<_>>()?;
                let may_be_empty = all.iter().all(|regex| regex.may_be_empty);
                let texts: String = all.iter().map(|regex| grouped(&regex.text)).collect();
                Regex { text: texts, may_be_empty }
            }
            Node::Choice(all) => {
                let all: Vec<Regex> = all.iter().map(|n| self.regex(n)).collect::<Option<_>>()?;
                let may_be_empty = all.iter().any(|regex| regex.may_be_empty);
                let texts: Vec<String> = all.into_iter().map(|regex| regex.text).collect();
                Regex { text: format!("(?:{})", texts.join("|")), may_be_empty }
            }
            Node::Repeat(inner, min, max) => {
                let inner = self.regex(inner)?;
                let may_be_empty = *min == 0 || inner.may_be_empty;
                let times = times(*min, *max);
                Regex { text: format!("(?:{}){times}", inner.text), may_be_empty }
            }
        };
        (regex.text.len() <= REGEX_BYTES_MAX).then_some(regex)
    }

    fn item(&mut self, node: &Node) -> String {
        if let Some(regex) = self.regex(node) {
            return self.terminal(regex);
        }
        match node {
            Node::Text(_) | Node::Class(_) => unreachable_text(node),
            Node::Rule(idx) => format!("rule_{idx}"),
            Node::Sequence(all) => {
                let mut items = Vec::new();
                // Neighbours that are regular are one terminal.
                let is_regular = |node: &Node| self.regex(node).is_some();
                let runs: Vec<&[Node]> =
                    all.chunk_by(|a, b| is_regular(a) && is_regular(b)).collect();
                for run in runs {
                    match run {
                        [one] => items.push(self.item(one)),
                        run => match self.regex(&Node::Sequence(run.to_vec())) {
                            Some(regex) => items.push(self.terminal(regex)),
                            None => items.extend(run.iter().map(|node| self.item(node))),
                        },
                    }
                }
                items.join(" ")
            }
            Node::Choice(all) => {
                let items: Vec<String> = all.iter().map(|node| self.item(node)).collect();
                format!("({})", items.join(" | "))
            }
            Node::Repeat(inner, min, max) => {
                let times = times(*min, *max);
                format!("({}){times}", self.item(inner))
            }
        }
    }

    /// A terminal is never empty: one that may be is left out instead.
    fn terminal(&mut self, Regex { text, may_be_empty }: Regex) -> String {
        if text.is_empty() {
            return "\"\"".into();
        }
        let n = self.terminals.len();
        let text = if may_be_empty { format!("{text}/ & /(?s:.+)") } else { text };
        let idx = *self.terminals.entry(text).or_insert(n);
        format!("T{idx}{}", if may_be_empty { "?" } else { "" })
    }
}

/// A text or class longer than a terminal may be.
fn unreachable_text(node: &Node) -> String {
    match node {
        Node::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
        Node::Class(class) => format!("/{class}/"),
        _ => String::new(),
    }
}

fn grouped(regex: &str) -> String {
    if regex.is_empty() { String::new() } else { format!("(?:{regex})") }
}

fn times(min: u32, max: Option<u32>) -> String {
    match (min, max) {
        (0, None) => "*".into(),
        (1, None) => "+".into(),
        (0, Some(1)) => "?".into(),
        (min, None) => format!("{{{min},}}"),
        (min, Some(max)) => format!("{{{min},{max}}}"),
    }
}

#[cfg(test)]
mod tests {
    use llguidance::api::TopLevelGrammar;
    use llguidance::toktrie::ApproximateTokEnv;
    use llguidance::{Matcher, ParserFactory};
    use proptest::prelude::*;

    use super::*;

    /// Whether the grammar has the text, byte by byte.
    fn accepts(gbnf: &str, text: &str) -> bool {
        let lark = to_lark(gbnf).expect("a grammar");
        let environment = ApproximateTokEnv::single_byte_env();
        let mut factory = ParserFactory::new_simple(&environment).expect("a vocabulary");
        factory.quiet();
        let mut matcher =
            Matcher::new(factory.create_parser(TopLevelGrammar::from_lark(lark.clone())));
        assert_eq!(matcher.get_error(), None, "{lark}");
        let tokens: Vec<u32> = text.bytes().map(u32::from).collect();
        matcher.try_consume_tokens(&tokens).is_ok_and(|n| n == tokens.len())
            && matcher.is_accepting().unwrap_or(false)
    }

    fn check(gbnf: &str, accepted: &[&str], rejected: &[&str]) {
        for text in accepted {
            assert!(accepts(gbnf, text), "{gbnf}: {text:?}");
        }
        for text in rejected {
            assert!(!accepts(gbnf, text), "{gbnf}: {text:?}");
        }
    }

    #[test]
    fn regular_grammars_are_themselves() {
        check(r#"root ::= "yes" | "no""#, &["yes", "no"], &["", "ye", "yesno"]);
        check(r#"root ::= [a-z]+ "x""#, &["ax", "xx", "axbx"], &["x", "ab"]);
        check(r#"root ::= [^a-c\]]{2,3}"#, &["xy", "xyz", "[["], &["x", "xa", "]]", "xyzx"]);
        check(
            "root ::= a b?  # comment\na ::= \"1\" | (\n\"2\" |\n\"3\")\nb ::= .",
            &["1", "3é"],
            &["", "4"],
        );
        check(
            r#"root ::= "\x41\u00e9\n\"" [é-ü/\\]"#,
            &["Aé\n\"ê", "Aé\n\"/", "Aé\n\"\\"],
            &["Aé\n\"a"],
        );
        check(r#"root ::= "a" "" | """#, &["", "a"], &["b"]);
    }

    const JSON: &str = r#"
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::= "{" ws (pair ("," ws pair)*)? "}" ws
pair   ::= string ":" ws value
array  ::= "[" ws (value ("," ws value)*)? "]" ws
string ::= "\"" ([^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}))* "\"" ws
number ::= "-"? ("0" | [1-9] [0-9]*) ("." [0-9]+)? ([eE] [-+]? [0-9]+)? ws
ws     ::= [ \t\n]*
"#;

    #[test]
    fn nested_grammars() {
        let accepted =
            ["{}", "{\"a\": [1, -2.5e3, \"x\\u00e9\\n\", {\"b\": null}]}\n", "{ \"é\": [] }"];
        let rejected = ["", "[]", "{\"a\"}", "{\"a\": 01}", "{\"a\": \"\\u12g4\"}", "{}}"];
        check(JSON, &accepted, &rejected);
        let sums = "root ::= term ([-+] term)*\nterm ::= [0-9]+ | \"(\" root \")\"";
        check(sums, &["1", "1+(2-3)", "((4))"], &["", "1+", "(1", "1)"]);
    }

    #[test]
    fn what_is_no_grammar_is_placed() {
        let check = |gbnf: &str, expected: &str| {
            let error = to_lark(gbnf).expect_err(gbnf).to_string();
            assert!(error.contains(expected), "{gbnf}: {error}");
        };
        check("", "rule root is nowhere");
        check("root ::= other", "rule other is nowhere");
        check("root ::= \"a", "line 1, column 12: expected \" at the end of a text, found the end");
        check("root ::= (\"a\"", "expected )");
        check("root ::= \"a\")", "found ')'");
        check("root ::= []", "a character in a class");
        check("root ::= [z-a]", "the end of a range");
        check("root ::= \"\\q\"", "after \\");
        check("root ::= \"\\xZZ\"", "digits of a character");
        check("root ::= \"a\"{3,2}", "found 3,2");
        check("root ::= \"a\"{9999}", "up to 2000, found 9999");
        check("root = \"a\"", "expected ::=");
        check("root ::= <[12]>", "found '<'");
        check("root ::= \"a\"\n\nroot ::= \"b\"", "line 3: rule root is there twice");
        let deep = format!("root ::= {}\"a\"{}", "(".repeat(60_000), ")".repeat(60_000));
        check(&deep, "more than 100 groups");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(
            text in r#"(root ::= )?[a-c"\[\]()|*+?{}0-9,\\^.\n #:=-]{0,40}"#,
        ) {
            let _ = to_lark(&text);
        }
    }
}
