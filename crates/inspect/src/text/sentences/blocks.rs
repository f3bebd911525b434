//! Blocks: lines that may hold one sentence together.

use std::ops::Range;

use super::super::trim;

/// Lines that no sentence reaches over the ends of.
pub(super) struct Block {
    /// Trimmed.
    pub(super) bytes: Range<usize>,
    pub(super) kind: BlockKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlockKind {
    Prose,
    /// A line of code or a row of a table: one sentence, whatever stands in it.
    Whole,
}

pub(super) fn blocks(text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut fence = Fence::Outside;
    // Lines since the last blank one: how wide they are says which of them are wrapped.
    let mut paragraph: Vec<Line> = Vec::new();
    let mut line_start = 0;
    for raw in text.split_inclusive('\n') {
        let bytes = trim(text, line_start..line_start + raw.len());
        line_start += raw.len();
        if bytes.is_empty() {
            flush(&mut paragraph, &mut found);
            continue;
        }
        let line = Line { text: &text[bytes.clone()], is_indented: is_indented(raw), bytes };
        let was_inside = matches!(fence, Fence::Inside(_));
        fence = fence.after(line.text);
        if was_inside || matches!(fence, Fence::Inside(_)) {
            flush(&mut paragraph, &mut found);
            found.push(Block { bytes: line.bytes, kind: BlockKind::Whole });
        } else {
            paragraph.push(line);
        }
    }
    flush(&mut paragraph, &mut found);
    found
}

struct Line<'a> {
    /// Without white space at its ends.
    text: &'a str,
    bytes: Range<usize>,
    is_indented: bool,
}

/// Whether lines are within a fenced block of code, and what its fence is made of.
#[derive(Clone, Copy)]
enum Fence {
    Outside,
    Inside(char),
}

impl Fence {
    fn after(self, line: &str) -> Self {
        let mark =
            ['`', '~'].into_iter().find(|&c| line.chars().take_while(|&x| x == c).count() >= 3);
        match (self, mark) {
            (Self::Outside, Some(mark)) => Self::Inside(mark),
            (Self::Inside(open), Some(mark)) if open == mark => Self::Outside,
            _ => self,
        }
    }
}

/// Code in Markdown is indented by four spaces or a tab.
fn is_indented(raw: &str) -> bool {
    raw.starts_with("    ") || raw.starts_with('\t')
}

/// Moves the lines of a paragraph to `found`, those that belong together as one block.
fn flush(paragraph: &mut Vec<Line>, found: &mut Vec<Block>) {
    let wrapping = Wrapping::of(paragraph);
    let mut block: Option<Block> = None;
    for (idx, line) in paragraph.iter().enumerate() {
        let goes_on = idx > 0 && !divides(&paragraph[idx - 1], line, wrapping);
        let start = match block.take() {
            Some(block) if goes_on => block.bytes.start,
            ended => {
                found.extend(ended);
                line.bytes.start
            }
        };
        let is_whole = line.text.starts_with('|') || line.text.contains('\t');
        let kind = if is_whole { BlockKind::Whole } else { BlockKind::Prose };
        block = Some(Block { bytes: start..line.bytes.end, kind });
    }
    found.extend(block);
    paragraph.clear();
}

/// Whether the break between two lines ends what the first says, however that ends.
fn divides(line: &Line, next: &Line, wrapping: Wrapping) -> bool {
    let stands_alone = |line: &Line| is_heading(line.text) || is_row(line.text) || is_code(line);
    if stands_alone(line) || stands_alone(next) || is_bullet(next.text) {
        return true;
    }
    let is_wrapped = wrapping.breaks(line.text, next.text) || is_dangling(line.text);
    if is_number(next.text) {
        return !is_wrapped || ends_in_stop(line.text);
    }
    // Nothing else begins anew in lower case; where a line ends in a full stop, the words around it
    // say whether that is one.
    begins_anew(next.text) && !ends_in_stop(line.text) && !is_wrapped
}

/// How the lines of a paragraph came to be broken.
#[derive(Clone, Copy)]
enum Wrapping {
    /// Where something ends.
    None,
    /// Where the next word had no room in so many columns.
    At(usize),
}

impl Wrapping {
    /// Wrapped text is known by its lines: nearly all are full but for the last.
    fn of(paragraph: &[Line]) -> Self {
        /// Columns that texts are wrapped at: narrower ones are lists, wider ones are not wrapped.
        const WIDTHS: Range<usize> = 40..121;
        let width = paragraph.iter().map(|line| columns(line.text)).max().unwrap_or(0);
        let wrapped = Self::At(width);
        let is_full = |pair: &&[Line]| wrapped.breaks(pair[0].text, pair[1].text);
        let n_full = paragraph.windows(2).filter(is_full).count();
        let is_wrapped = WIDTHS.contains(&width) && n_full >= 2 && 2 * n_full > paragraph.len() - 1;
        if is_wrapped { wrapped } else { Self::None }
    }

    /// Whether the next line's first word had no room in this one.
    fn breaks(self, line: &str, next: &str) -> bool {
        let Self::At(width) = self else { return false };
        let first = next.split_whitespace().next().unwrap_or(next);
        // Scripts without spaces are wrapped between any two letters.
        let n_first = if first.chars().any(is_caseless) { 2 } else { columns(first) };
        columns(line) + 1 + n_first > width
    }
}

/// Whether a line ends where nothing can: after a comma, an article, a preposition.
fn is_dangling(line: &str) -> bool {
    const WORDS: &[&str] = &[
        "a", "an", "and", "are", "as", "at", "be", "between", "by", "for", "from", "her", "his",
        "in", "into", "is", "its", "my", "of", "on", "or", "our", "that", "the", "their", "to",
        "under", "was", "were", "with", "your",
    ];
    line.ends_with(',') || line.split_whitespace().next_back().is_some_and(|w| WORDS.contains(&w))
}

/// Columns that a text takes, to the exactness that telling wrapped lines takes.
fn columns(text: &str) -> usize {
    let wide = |c: char| if c >= '\u{1100}' && is_caseless(c) { 2 } else { 1 };
    text.chars().map(wide).sum()
}

fn is_caseless(c: char) -> bool {
    c.is_alphabetic() && !c.is_lowercase() && !c.is_uppercase()
}

fn begins_anew(line: &str) -> bool {
    let mut letters =
        line.trim_start_matches(['"', '\'', '“', '‘', '«', '(', '[', '*', '_']).chars();
    letters.next().is_some_and(|c| c.is_uppercase() || is_caseless(c))
}

fn ends_in_stop(line: &str) -> bool {
    let end = line.trim_end_matches(super::stops::is_closer);
    end.ends_with(super::stops::is_stop)
}

/// A heading of Markdown, or a line that is drawn.
fn is_heading(line: &str) -> bool {
    let level = line.chars().take_while(|&c| c == '#').count();
    let is_marked = (1..=6).contains(&level) && line[level..].starts_with([' ', '\t']);
    is_marked || !line.chars().any(char::is_alphanumeric)
}

/// A row of a table: cells between bars, tabs or gaps.
fn is_row(line: &str) -> bool {
    /// Two spaces stand after full stops too, three do not.
    const GAP: &str = "   ";
    line.starts_with('|') || line.contains('\t') || line.contains(GAP) || line.contains(" | ")
}

fn is_code(line: &Line) -> bool {
    let text = line.text;
    let is_indented_code =
        line.is_indented && (text.ends_with([';', ':', ')']) || text.contains(" = "));
    text.ends_with(['{', '}']) || text.ends_with(");") || is_indented_code
}

fn is_bullet(line: &str) -> bool {
    const BULLETS: &[&str] = &["-", "*", "+", "•", "–", "—", "◦", "▪", "‣", "·"];
    line.split_once([' ', '\t']).is_some_and(|(mark, _)| BULLETS.contains(&mark))
}

/// A number or letter of a list, or the number of a section before its name.
fn is_number(line: &str) -> bool {
    let Some((mark, rest)) = line.split_once([' ', '\t']) else { return false };
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    let is_level = |text: &str| is_digits(text) && text.len() <= 3;
    let Some(number) = mark.strip_suffix(['.', ')', ']']) else {
        return mark.contains('.') && mark.split('.').all(is_level) && begins_anew(rest);
    };
    let number = number.trim_start_matches(['(', '[']);
    // A letter with a full stop is an initial.
    let is_letter = number.len() == 1 && number.bytes().all(|c| c.is_ascii_lowercase());
    number.split('.').all(is_level) || is_letter && !mark.ends_with('.')
}
