//! Rust sources as the rules see them: code apart from comments, strings and tests.

use crate::tree::{self, TextFile};

/// One file in three views that have the same lines.
pub(crate) struct Source {
    pub path: String,
    pub text: String,
    /// Comments blanked.
    pub uncommented: String,
    /// Comments and the contents of strings blanked.
    pub code: String,
    /// Per line: whether only tests compile it.
    is_test: Vec<bool>,
}

pub(crate) struct Function {
    pub name: String,
    /// Counted from 1.
    pub line: usize,
    pub n_lines: usize,
    /// From the name to the body.
    pub signature: String,
}

/// Every Rust file of the repository.
pub(crate) fn sources() -> Vec<Source> {
    let is_rust = |file: &TextFile| file.path.ends_with(".rs");
    let mut sources: Vec<Source> =
        tree::text_files().into_iter().filter(is_rust).map(Source::new).collect();
    let modules: Vec<String> = sources.iter().flat_map(Source::test_modules).collect();
    for source in &mut sources {
        let stem = source.path.trim_end_matches("/mod.rs").trim_end_matches(".rs");
        let is_below = |module: &String| {
            stem.strip_prefix(module.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if modules.iter().any(is_below) {
            source.is_test.fill(true);
        }
    }
    sources
}

impl Source {
    pub(crate) fn new(file: TextFile) -> Self {
        let (uncommented, code) = blank(&file.text);
        let folders: Vec<&str> = file.path.split('/').collect();
        let is_test_file = folders.iter().any(|name| matches!(*name, "tests" | "benches" | "fuzz"));
        let mut source = Self {
            is_test: vec![is_test_file; file.text.lines().count()],
            path: file.path,
            text: file.text,
            uncommented,
            code,
        };
        source.mark_test_items();
        source
    }

    /// Lines of `view` that the program itself is built from, numbered from 1.
    pub(crate) fn production<'a>(
        &'a self,
        view: &'a str,
    ) -> impl Iterator<Item = (usize, &'a str)> {
        numbered(view).filter(|(line, _)| !self.is_test[line - 1])
    }

    pub(crate) fn is_test(&self, line: usize) -> bool {
        self.is_test[line - 1]
    }

    /// Functions with a body, nested ones too.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let mut functions = Vec::new();
        for (start, _) in self.code.match_indices("fn ") {
            let before = self.code[..start].chars().next_back();
            let signature = &self.code[start + "fn ".len()..];
            let name: String = signature.chars().take_while(|c| is_word_char(*c)).collect();
            let Some(n_chars) = item_length(&self.code[start..]) else { continue };
            let item = &self.code[start..start + n_chars];
            if before.is_some_and(is_word_char) || name.is_empty() || item.ends_with(';') {
                continue;
            }
            let line = 1 + self.code[..start].matches('\n').count();
            let n_lines = 1 + item.matches('\n').count();
            let signature = item["fn ".len()..].split('{').next().unwrap_or(item).to_owned();
            functions.push(Function { name, line, n_lines, signature });
        }
        functions
    }

    fn mark_test_items(&mut self) {
        const ATTRIBUTE: &str = "#[cfg(test)]";
        for (start, _) in self.code.match_indices(ATTRIBUTE) {
            let rest = &self.code[start + ATTRIBUTE.len()..];
            let n_chars = item_length(rest).unwrap_or(rest.len());
            let first = self.code[..start].matches('\n').count();
            let last = first + rest[..n_chars].matches('\n').count();
            self.is_test[first..=last].fill(true);
        }
    }

    /// Files, without `.rs`, of modules that are declared for tests only.
    fn test_modules(&self) -> Vec<String> {
        let (folder, file) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let folder = match file {
            "mod.rs" | "lib.rs" | "main.rs" => folder.to_owned(),
            _ => self.path.trim_end_matches(".rs").to_owned(),
        };
        let lines = numbered(&self.code).filter(|(line, _)| self.is_test[line - 1]);
        let declared =
            lines.filter_map(|(_, line)| line.trim().strip_suffix(';')?.split("mod ").nth(1));
        declared.map(|name| format!("{folder}/{name}")).collect()
    }
}

/// Lines with their numbers from 1.
pub(crate) fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(line_idx, line)| (line_idx + 1, line))
}

/// Whether `needle` stands in `line`, not as a part of a longer word.
pub(crate) fn has_word(line: &str, needle: &str) -> bool {
    let starts_word = needle.starts_with(is_word_char);
    let ends_word = needle.ends_with(is_word_char);
    line.match_indices(needle).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + needle.len()..].chars().next();
        let continues = starts_word && before.is_some_and(is_word_char);
        let goes_on = ends_word && after.is_some_and(is_word_char);
        !continues && !goes_on
    })
}

pub(crate) fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Bytes up to the end of an item: its `;`, or the `}` of its body.
fn item_length(code: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (idx, c) in code.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 && c == '}' {
                    return Some(idx + 1);
                }
            }
            ';' if depth == 0 => return Some(idx + 1),
            _ => {}
        }
    }
    None
}

/// `text` without comments, and without comments and contents of literals. Blanks replace what is
/// taken out, line feeds stay.
fn blank(text: &str) -> (String, String) {
    let chars: Vec<char> = text.chars().collect();
    let mut uncommented = String::with_capacity(text.len());
    let mut code = String::with_capacity(text.len());
    let mut idx = 0;
    while idx < chars.len() {
        let (kind, end) = piece(&chars, idx);
        for (offset, &c) in chars[idx..end].iter().enumerate() {
            let blank = if c == '\n' { c } else { ' ' };
            let is_edge = offset == 0 || idx + offset + 1 == end;
            uncommented.push(if kind == Piece::Comment { blank } else { c });
            code.push(match kind {
                Piece::Code => c,
                Piece::Literal if is_edge => c,
                _ => blank,
            });
        }
        idx = end;
    }
    (uncommented, code)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Piece {
    Code,
    Comment,
    Literal,
}

/// What starts at `idx`, and where it ends.
fn piece(chars: &[char], idx: usize) -> (Piece, usize) {
    let at = |offset: usize| chars.get(idx + offset).copied().unwrap_or('\0');
    let continues_word = idx > 0 && is_word_char(chars[idx - 1]);
    match chars[idx] {
        '/' if at(1) == '/' => {
            let n_chars = chars[idx..].iter().position(|c| *c == '\n');
            (Piece::Comment, n_chars.map_or(chars.len(), |n| idx + n))
        }
        '/' if at(1) == '*' => (Piece::Comment, block_comment_end(chars, idx)),
        '"' => (Piece::Literal, string_end(chars, idx, '"')),
        '\'' if at(1) == '\\' || at(2) == '\'' => (Piece::Literal, string_end(chars, idx, '\'')),
        'r' if !continues_word || matches!(chars[idx - 1], 'b' | 'c') => {
            match raw_string_end(chars, idx) {
                Some(end) => (Piece::Literal, end),
                None => (Piece::Code, idx + 1),
            }
        }
        _ => (Piece::Code, idx + 1),
    }
}

fn block_comment_end(chars: &[char], start: usize) -> usize {
    let mut depth = 0;
    let mut idx = start;
    while idx + 1 < chars.len() {
        match (chars[idx], chars[idx + 1]) {
            ('/', '*') => (depth, idx) = (depth + 1, idx + 2),
            ('*', '/') => (depth, idx) = (depth - 1, idx + 2),
            _ => idx += 1,
        }
        if depth == 0 {
            return idx;
        }
    }
    chars.len()
}

fn string_end(chars: &[char], start: usize, quote: char) -> usize {
    let mut idx = start + 1;
    while idx < chars.len() && chars[idx] != quote {
        idx += if chars[idx] == '\\' { 2 } else { 1 };
    }
    (idx + 1).min(chars.len())
}

fn raw_string_end(chars: &[char], start: usize) -> Option<usize> {
    let n_hashes = chars[start + 1..].iter().take_while(|c| **c == '#').count();
    let open = start + 1 + n_hashes;
    if chars.get(open) != Some(&'"') {
        return None;
    }
    let closes = |idx: &usize| {
        chars[*idx] == '"'
            && chars[idx + 1..].iter().take(n_hashes).filter(|c| **c == '#').count() == n_hashes
    };
    let close = (open + 1..chars.len()).find(closes)?;
    Some(close + 1 + n_hashes)
}

#[test]
fn code_is_told_from_comments_and_strings() {
    #[track_caller]
    fn check(text: &str, uncommented: &str, code: &str) {
        assert_eq!(blank(text), (uncommented.to_owned(), code.to_owned()));
    }
    check("a // b\nc", "a     \nc", "a     \nc");
    check("a /* /* b */ */ c", "a               c", "a               c");
    check(r#"x("// y\"", z)"#, r#"x("// y\"", z)"#, r#"x("      ", z)"#);
    check("r#\"a\"b\"# c", "r#\"a\"b\"# c", "r      # c");
    check("'a' '\\'' &'a str", "'a' '\\'' &'a str", "' ' '  ' &'a str");
    check("for r in rs", "for r in rs", "for r in rs");
}

#[test]
fn functions_and_tests_are_found() {
    let text =
        "fn a() {\n}\n#[cfg(test)]\nmod tests {\n    fn b(x: [u8; 2]) {\n\n    }\n}\nfn c();\n";
    let file = TextFile { path: "crates/x/src/lib.rs".into(), text: text.into() };
    let source = Source::new(file);
    let found: Vec<_> =
        source.functions().into_iter().map(|f| (f.name, f.line, f.n_lines)).collect();
    assert_eq!(found, [("a".to_owned(), 1, 2), ("b".to_owned(), 5, 3)]);
    let production: Vec<usize> = source.production(&source.code).map(|(line, _)| line).collect();
    assert_eq!(production, [1, 2, 9]);
}
