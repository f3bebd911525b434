//! The notation is read: `name ::= "text" [a-z]+ (other | rule)*  # comment`.

use std::fmt::Write as _;

use super::{GbnfError, Node, Rules};

const DEPTH_MAX: usize = 100;
const REPETITIONS_MAX: u32 = 2000;

struct Parser<'a> {
    text: &'a str,
    /// Bytes that are read.
    at: usize,
    rules: Rules,
}

pub(super) fn parse(text: &str) -> Result<Rules, GbnfError> {
    let mut parser = Parser { text, at: 0, rules: Rules::default() };
    parser.rules.idx("root");
    parser.skip(Lines::Cross);
    while parser.at < text.len() {
        parser.rule()?;
        parser.skip(Lines::Cross);
    }
    Ok(parser.rules)
}

/// Whether white space may go on in the next line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lines {
    Cross,
    Stay,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn take_if(&mut self, text: &str) -> bool {
        let is_there = self.rest().starts_with(text);
        self.at += if is_there { text.len() } else { 0 };
        is_there
    }

    fn skip(&mut self, lines: Lines) {
        while let Some(next) = self.peek() {
            match next {
                '#' => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
                ' ' | '\t' | '\r' => self.at += 1,
                '\n' if lines == Lines::Cross => self.at += 1,
                _ => return,
            }
        }
    }

    fn place(&self) -> (usize, usize) {
        let before = &self.text[..self.at];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    fn expected(&self, expected: &'static str) -> GbnfError {
        let (line, column) = self.place();
        let found = self.peek().map_or("the end".to_owned(), |c| format!("{c:?}"));
        GbnfError::Expected { line, column, expected, found }
    }

    fn name(&mut self) -> Result<String, GbnfError> {
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let rest = self.rest();
        let n = rest.find(|c| !is_of_name(c)).unwrap_or(rest.len());
        if n == 0 {
            return Err(self.expected("the name of a rule"));
        }
        let name = rest[..n].to_owned();
        self.at += n;
        Ok(name)
    }

    fn rule(&mut self) -> Result<(), GbnfError> {
        let (line, _) = self.place();
        let name = self.name()?;
        self.skip(Lines::Stay);
        if !self.take_if("::=") {
            return Err(self.expected("::="));
        }
        self.skip(Lines::Cross);
        let idx = self.rules.idx(&name);
        if self.rules.bodies[idx].is_some() {
            return Err(GbnfError::Twice { line, name });
        }
        let body = self.choice(0)?;
        self.rules.bodies[idx] = Some(body);
        match self.peek() {
            None | Some('\n') => Ok(()),
            Some(_) => {
                Err(self.expected("a text, a class, a rule, a group or the end of the line"))
            }
        }
    }

    fn choice(&mut self, depth: usize) -> Result<Node, GbnfError> {
        if depth > DEPTH_MAX {
            let (line, column) = self.place();
            return Err(GbnfError::TooDeep { line, column, max: DEPTH_MAX });
        }
        let mut all = vec![self.sequence(depth)?];
        while self.take_if("|") {
            self.skip(Lines::Cross);
            all.push(self.sequence(depth)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Node::Choice(all) })
    }

    fn sequence(&mut self, depth: usize) -> Result<Node, GbnfError> {
        let lines = if depth > 0 { Lines::Cross } else { Lines::Stay };
        let mut all = Vec::new();
        loop {
            self.skip(lines);
            let item = match self.peek() {
                Some('"') => self.literal()?,
                Some('[') => self.class()?,
                Some('.') => {
                    self.at += 1;
                    Node::Class("(?s:.)".into())
                }
                Some('(') => {
                    self.at += 1;
                    let inner = self.choice(depth + 1)?;
                    self.skip(Lines::Cross);
                    if !self.take_if(")") {
                        return Err(self.expected(")"));
                    }
                    inner
                }
                Some(c) if c.is_ascii_alphanumeric() => {
                    let name = self.name()?;
                    Node::Rule(self.rules.idx(&name))
                }
                Some('|' | ')' | '\n') | None => break,
                Some(_) => return Err(self.expected("a text, a class, a rule or a group")),
            };
            all.push(self.repeated(item)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Node::Sequence(all) })
    }

    fn repeated(&mut self, item: Node) -> Result<Node, GbnfError> {
        let (min, max) = match self.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => return self.counted(item),
            _ => return Ok(item),
        };
        self.at += 1;
        Ok(Node::Repeat(Box::new(item), min, max))
    }

    /// `{m}`, `{m,}`, `{m,n}`.
    fn counted(&mut self, item: Node) -> Result<Node, GbnfError> {
        let (line, column) = self.place();
        self.at += 1;
        let end = self.rest().find('}').ok_or_else(|| self.expected("}"))?;
        let inner = self.rest()[..end].to_owned();
        let wrong = || {
            let found = inner.chars().take(40).collect();
            GbnfError::Repetition { line, column, max: REPETITIONS_MAX, found }
        };
        let number = |text: &str| {
            let n: u32 = text.trim().parse().map_err(|_| wrong())?;
            if n > REPETITIONS_MAX { Err(wrong()) } else { Ok(n) }
        };
        let (min, max) = match inner.split_once(',') {
            None => (number(&inner)?, Some(number(&inner)?)),
            Some((min, max)) if max.trim().is_empty() => (number(min)?, None),
            Some((min, max)) => (number(min)?, Some(number(max)?)),
        };
        if max.is_some_and(|max| max < min) {
            return Err(wrong());
        }
        self.at += end + 1;
        Ok(Node::Repeat(Box::new(item), min, max))
    }

    fn literal(&mut self) -> Result<Node, GbnfError> {
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.peek() {
                None | Some('\n') => return Err(self.expected("\" at the end of a text")),
                Some('"') => {
                    self.at += 1;
                    return Ok(Node::Text(text));
                }
                Some(_) => text.push(self.character()?),
            }
        }
    }

    /// One, or what an escape means.
    fn character(&mut self) -> Result<char, GbnfError> {
        if !self.take_if("\\") {
            return self.take().ok_or_else(|| self.expected("a character"));
        }
        let n_digits = match self.peek() {
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            _ => 0,
        };
        if n_digits > 0 {
            let digits = self.rest().get(1..1 + n_digits);
            let is_hex = |digits: &&str| digits.chars().all(|c| c.is_ascii_hexdigit());
            let code = digits.filter(is_hex).and_then(|hex| u32::from_str_radix(hex, 16).ok());
            let found = code.and_then(char::from_u32);
            let found = found.ok_or_else(|| self.expected("digits of a character"))?;
            self.at += 1 + n_digits;
            return Ok(found);
        }
        let found = match self.peek() {
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some(c @ ('\\' | '"' | '[' | ']' | '-' | '^' | '/')) => c,
            _ => return Err(self.expected("n, r, t, x, u, U, \\, \", [ or ] after \\")),
        };
        self.at += 1;
        Ok(found)
    }

    fn class(&mut self) -> Result<Node, GbnfError> {
        self.at += 1;
        let mut class = String::from(if self.take_if("^") { "[^" } else { "[" });
        let n_before = class.len();
        loop {
            match self.peek() {
                None | Some('\n') => return Err(self.expected("] at the end of a class")),
                Some(']') if class.len() == n_before => {
                    return Err(self.expected("a character in a class"));
                }
                Some(']') => break,
                Some(_) => {}
            }
            let first = self.character()?;
            let is_range = self.rest().starts_with('-') && !self.rest().starts_with("-]");
            if !is_range {
                push_code(&mut class, first);
                continue;
            }
            self.at += 1;
            let at = self.at;
            let last = self.character()?;
            if last < first {
                self.at = at;
                return Err(self.expected("the end of a range, not before its beginning"));
            }
            push_code(&mut class, first);
            class.push('-');
            push_code(&mut class, last);
        }
        self.at += 1;
        class.push(']');
        Ok(Node::Class(class))
    }
}

/// A character by its number: none of them means anything else.
pub(super) fn push_code(regex: &mut String, c: char) {
    if c.is_ascii_alphanumeric() {
        regex.push(c);
    } else {
        let _ = write!(regex, "\\u{{{:x}}}", u32::from(c));
    }
}
