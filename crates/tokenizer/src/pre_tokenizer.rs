//! Where byte-level BPE may not merge: the splitting rules behind each `tokenizer.ggml.pre`.
//!
//! The patterns are those of the models' own `tokenizer.json`. A name that is not in the table is
//! an error: with another model's rules the text would still be encoded, only wrongly.

use std::borrow::Cow;

use fancy_regex::{Regex, RegexBuilder};
use tokenizers::NormalizedString;

use crate::error::{Error, excerpt};

/// Whether a whole word that is a token is taken before the merges are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WholeWords {
    First,
    Merged,
}

/// How the text is normalised first. GGUF does not store it, `tokenizer.json` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Normalize {
    AsIs,
    Nfc,
}

/// Whether prompts start with BOS if the file does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DefaultBos {
    Add,
    Omit,
}

/// One set of rules and the names of the vocabularies that use it.
struct Family {
    names: &'static [&'static str],
    /// Each splits what the ones before left; both matches and gaps are kept.
    patterns: &'static [&'static str],
    whole_words: WholeWords,
    normalize: Normalize,
    bos: DefaultBos,
}

impl Family {
    const fn new(names: &'static [&'static str], patterns: &'static [&'static str]) -> Self {
        let (whole_words, normalize) = (WholeWords::Merged, Normalize::AsIs);
        Self { names, patterns, whole_words, normalize, bos: DefaultBos::Omit }
    }

    const fn nfc(self) -> Self {
        Self { normalize: Normalize::Nfc, ..self }
    }

    const fn whole_words_first(self) -> Self {
        Self { whole_words: WholeWords::First, ..self }
    }

    const fn add_bos(self) -> Self {
        Self { bos: DefaultBos::Add, ..self }
    }
}

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const DIGIT: &str = r"\p{N}";
const LLAMA3: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}",
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);
/// As Llama 3's, but every digit alone.
const QWEN2: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}",
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);
/// As Qwen 2's, but combining marks stay with their letters.
const QWEN35: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}",
    r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);
/// A run of capitals, then small letters: `HTTPServer` is `HTTP`, `Server`.
const TEKKEN: &str = concat!(
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+",
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*",
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);
const GPT4O: &str = concat!(
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);
const DEEPSEEK_V3: &str = concat!(
    r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"##,
    r"|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*",
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
);
const DEEPSEEK_CJK: &str = r"[\x{4E00}-\x{9FA5}\x{0800}-\x{4E00}\x{AC00}-\x{D7FF}]+";
/// ASCII's, full-width forms of it, and quotes.
const DEEPSEEK_PUNCTUATION: &str = concat!(
    r"\s?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}",
    r"\x{2018}-\x{201F}\x{3000}-\x{3002}]+"
);
const SEED_CODER: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}",
    r"| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+"
);
const BAILING: &str = concat!(
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}",
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
);
const BLOOM: &str = r" ?[^(\s|.,!?…。，、।۔،)]+";
/// What converters write for a vocabulary they do not know means these rules, not GPT-2's alone.
const DEFAULT_PUNCTUATION: &str = r"[\p{P}$+<=>^~|]+";
const FALCON_PUNCTUATION: &str = r"[\p{P}$+<=>^~|`]+";
const CJK: &str = r"[\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+";

const FAMILIES: &[Family] = &[
    Family::new(&["default"], &[DEFAULT_PUNCTUATION, GPT2, r"\p{N}+", "[0-9][0-9][0-9]"]),
    Family::new(
        &[
            "gpt-2",
            "phi-2",
            "jais",
            "jina-es",
            "jina-de",
            "jina-v2-es",
            "jina-v2-de",
            "gigachat",
            "a.x-4.0",
            "mellum",
            "exaone4",
            "trillion",
            "granite-docling",
        ],
        &[GPT2],
    ),
    Family::new(&["mpt", "olmo"], &[GPT2]).nfc(),
    Family::new(
        &["smollm", "starcoder", "refact", "codeshell", "exaone", "minerva-7b", "mellum2"],
        &[DIGIT, GPT2],
    ),
    Family::new(&["command-r"], &[DIGIT, GPT2]).nfc(),
    Family::new(
        &["llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"],
        &[LLAMA3],
    )
    .whole_words_first()
    .add_bos(),
    Family::new(&["dbrx", "smaug-bpe", "glm4", "chatglm-bpe"], &[LLAMA3]),
    Family::new(&["qwen2"], &[QWEN2]).nfc(),
    Family::new(
        &["stablelm2", "deepseek-r1-qwen", "megrez", "hunyuan", "solar-open", "grok-2", "kormo"],
        &[QWEN2],
    ),
    Family::new(&["qwen35"], &[QWEN35]).nfc(),
    Family::new(&["tekken"], &[TEKKEN]).whole_words_first().add_bos(),
    Family::new(&["gpt-4o", "llama4", "kanana2", "minimax-m2"], &[GPT4O]),
    Family::new(&["deepseek-v3", "hunyuan-dense", "joyai-llm"], &[r"\p{N}{1,3}", CJK, DEEPSEEK_V3]),
    Family::new(&["deepseek-coder"], &[r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", DEEPSEEK_CJK, DIGIT]),
    Family::new(
        &["deepseek-llm"],
        &[
            r"[\r\n]",
            r"\s?[\p{Lu}\p{Ll}\p{Lt}]+",
            DEEPSEEK_PUNCTUATION,
            r"\s+$",
            DEEPSEEK_CJK,
            r"\p{N}+",
        ],
    ),
    Family::new(&["seed-coder"], &[SEED_CODER]),
    Family::new(&["bailingmoe", "bailingmoe2", "llada-moe"], &[BAILING]),
    Family::new(&["falcon"], &[FALCON_PUNCTUATION, GPT2, r"[0-9][0-9][0-9]"]),
    Family::new(&["bloom", "poro-chat", "gpt3-finnish"], &[BLOOM]),
    Family::new(&["viking"], &[BLOOM, DIGIT]),
    Family::new(
        &["chameleon"],
        &[
            r"<sentinel:[0-9]+>",
            r"IMGIMG[A-I]{1,4}Z",
            r"[\t\n]|    |  ",
            DIGIT,
            r"[\p{P}!-/:-@\[-`{-~]",
            GPT2,
        ],
    )
    .add_bos(),
];

/// The values of `tokenizer.ggml.pre` that can be read, in the order of the table.
pub fn known_pre_tokenizers() -> impl Iterator<Item = &'static str> {
    FAMILIES.iter().flat_map(|family| family.names.iter().copied())
}

/// Splits text into the words that merging must not cross.
#[derive(Debug)]
pub(crate) struct PreTokenizer {
    patterns: Vec<Regex>,
    whole_words: WholeWords,
    normalize: Normalize,
    bos: DefaultBos,
}

impl PreTokenizer {
    pub(crate) fn named(name: &str) -> Result<Self, Error> {
        let family = FAMILIES.iter().find(|family| family.names.contains(&name));
        let family = family.ok_or_else(|| Error::UnknownPreTokenizer {
            found: excerpt(name),
            known: known_pre_tokenizers().collect::<Vec<_>>().join(", "),
        })?;
        Ok(Self {
            patterns: family.patterns.iter().map(|pattern| compile(pattern)).collect(),
            whole_words: family.whole_words,
            normalize: family.normalize,
            bos: family.bos,
        })
    }

    pub(crate) fn whole_words(&self) -> WholeWords {
        self.whole_words
    }

    pub(crate) fn default_bos(&self) -> DefaultBos {
        self.bos
    }

    pub(crate) fn for_each_word(&self, text: &str, mut use_word: impl FnMut(&str)) {
        let text = match self.normalize {
            Normalize::Nfc if !text.is_ascii() => {
                Cow::Owned(NormalizedString::from(text).nfc().get().to_owned())
            }
            _ => Cow::Borrowed(text),
        };
        split(&self.patterns, &text, &mut use_word);
    }
}

/// The tables are ours, and a test compiles every one: a pattern that fails is a bug.
fn compile(pattern: &str) -> Regex {
    // Every pattern steps back at most once over a run, so the time stays linear without a limit,
    // while any limit would be reached by some long run of spaces.
    let regex = RegexBuilder::new(pattern).backtrack_limit(usize::MAX).build();
    regex.unwrap_or_else(|error| panic!("pattern {pattern:?}: {error}"))
}

fn split(patterns: &[Regex], text: &str, use_word: &mut impl FnMut(&str)) {
    if text.is_empty() {
        return;
    }
    let Some((first, rest)) = patterns.split_first() else {
        use_word(text);
        return;
    };
    let mut end = 0;
    for found in first.find_iter(text) {
        // Without a backtrack limit matching cannot fail.
        let Ok(found) = found else { break };
        split(rest, &text[end..found.start()], use_word);
        split(rest, found.as_str(), use_word);
        end = found.end();
    }
    split(rest, &text[end..], use_word);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, text: &str, expected: &[&str]) {
        let mut words = Vec::new();
        PreTokenizer::named(name).unwrap().for_each_word(text, |word| words.push(word.to_owned()));
        assert_eq!(words, expected, "{name}");
    }

    #[test]
    fn words_of_each_style() {
        check(
            "gpt-2",
            "I'll pay  12€\n\nnow",
            &["I", "'ll", " pay", " ", " 12", "€", "\n", "\n", "now"],
        );
        check("default", "a=b 12345", &["a", "=", "b", " ", "123", "45"]);
        check("smollm", "in 2024 ", &["in", " ", "2", "0", "2", "4", " "]);
        check("llama3", "x12345;\n\n y", &["x", "123", "45", ";\n\n", " y"]);
        check("qwen2", "(x):\r\n12 'LL", &["(x", "):\r\n", "1", "2", " '", "LL"]);
        check("tekken", "HTTPServer", &["HTTPServer"]);
        check("gpt-4o", "it's 1234", &["it's", " ", "123", "4"]);
        check("deepseek-v3", "a東京1234 b", &["a", "東京", "123", "4", " b"]);
        check("deepseek-coder", "a 12\nb", &["a", " ", "1", "2", "\n", "b"]);
        check("deepseek-llm", "Ab (12)東京，\n", &["Ab", " (", "12", ")", "東京", "，", "\n"]);
        check("falcon", "a+b 12345", &["a", "+", "b", " ", "123", "45"]);
        check("bloom", "Hi, you", &["Hi", ",", " you"]);
    }

    #[test]
    fn composed_and_decomposed_letters_are_one_text_where_the_family_says_so() {
        check("qwen2", "e\u{301}", &["\u{e9}"]);
        check("llama3", "e\u{301}", &["e", "\u{301}"]);
    }

    #[test]
    fn words_join_to_the_text_for_every_name() {
        let text = "  Zürich's 12,345€\r\n\r\n\t東京 \u{301}IMGIMGABZ <sentinel:3>  ";
        for name in known_pre_tokenizers() {
            let mut joined = String::new();
            let pre_tokenizer = PreTokenizer::named(name).unwrap();
            pre_tokenizer.for_each_word(text, |word| joined.push_str(word));
            assert_eq!(joined, text, "{name}");
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = known_pre_tokenizers().collect();
        names.sort_unstable();
        let n_names = names.len();
        names.dedup();
        assert_eq!(names.len(), n_names);
    }

    #[test]
    fn an_unknown_name_is_named_and_the_known_ones_listed() {
        let message = PreTokenizer::named("gpt-7").unwrap_err().to_string();
        assert!(message.contains("\"gpt-7\"") && message.contains("llama-bpe"), "{message}");
    }
}
