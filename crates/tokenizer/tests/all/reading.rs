//! What a vocabulary in a file can say, and what happens when it says nonsense.

use crate::tiny::{self, BYTE, CONTROL, NORMAL, Tiny, USER_DEFINED};
use tokenizer::{Error, Special, SpecialText, Tokenizer};

/// The pieces of a text.
fn check(tokenizer: &Tokenizer, text: &str, special: SpecialText, expected: &[&str]) {
    let ids = tokenizer.encode(text, special);
    let pieces: Vec<_> = ids.iter().map(|id| tokenizer.piece(*id)).collect();
    assert_eq!(pieces, expected, "{text:?}");
}

fn check_error(tiny: &Tiny, expected: &str) {
    let message = Tokenizer::from_gguf(&tiny.gguf()).unwrap_err().to_string();
    assert!(message.contains(expected), "{message}");
    assert!(!message.contains('\n') && !message.ends_with('.'), "{message}");
}

#[test]
fn merges_go_by_rank_and_then_from_the_left() {
    let tokenizer = tiny::byte_bpe("gpt-2").tokenizer();
    check(&tokenizer, "hello world", SpecialText::AsText, &["hell", "o", " wor", "l", "d"]);
    check(&tokenizer, "aaaaaaa", SpecialText::AsText, &["aaaa", "aa", "a"]);
    check(&tokenizer, "é", SpecialText::AsText, &["é"]);
    check(&tokenizer, "🦙", SpecialText::AsText, &["<0xF0>", "<0x9F>", "<0xA6>", "<0x99>"]);
}

#[test]
fn merges_go_by_score() {
    let tokenizer = tiny::score_bpe().tokenizer();
    check(&tokenizer, "abc the", SpecialText::AsText, &["abc", " the"]);
    check(&tokenizer, " a\u{2581}a", SpecialText::AsText, &[" a", " a"]);
    check(&tokenizer, "aaaaa", SpecialText::AsText, &["aaaa", "a"]);
    check(&tokenizer, "x", SpecialText::AsText, &["x"]);
    check(&tokenizer, "é", SpecialText::AsText, &["<0xC3>", "<0xA9>"]);
}

#[test]
fn runs_of_spaces_and_newlines_match_before_anything_else() {
    let tokenizer = tiny::score_bpe().tokenizer();
    check(
        &tokenizer,
        "a     a\n\n\n\n\na",
        SpecialText::AsText,
        &["a", "    ", " a", "\n\n\n", "\n\n", "a"],
    );
}

#[test]
fn a_space_goes_before_text_only_where_the_file_says_so() {
    let plain = tiny::score_bpe().tokenizer();
    check(&plain, "<bos>the<eos>", SpecialText::Parse, &["<bos>", "the", "<eos>"]);
    let prefixed = Tiny { add_space_prefix: Some(true), ..tiny::score_bpe() }.tokenizer();
    check(&prefixed, "the", SpecialText::AsText, &[" the"]);
    check(
        &prefixed,
        "<bos>the<eos> the",
        SpecialText::Parse,
        &["<bos>", " the", "<eos>", "  ", "the"],
    );
    assert_eq!(prefixed.decode(&prefixed.encode(" the", SpecialText::AsText)), " the");
}

#[test]
fn word_piece_and_unigram() {
    let bert = tiny::word_piece().tokenizer();
    check(
        &bert,
        "Unreadable READING",
        SpecialText::AsText,
        &[" un", "r", "e", "a", "d", "able", " read", "ing"],
    );
    check(&bert, "é 中", SpecialText::AsText, &[" e", "[UNK]"]);
    let t5 = tiny::unigram().tokenizer();
    check(&t5, "the  reading", SpecialText::AsText, &[" the", " read", "ing"]);
}

#[test]
fn bos_goes_before_a_prompt_once() {
    let tokenizer = tiny::score_bpe().tokenizer();
    let bos = tokenizer.bos().unwrap();
    assert!(tokenizer.adds_bos());
    assert_eq!(tokenizer.encode_prompt("", SpecialText::AsText), [bos]);
    let with_bos = tokenizer.encode_prompt("<bos>a", SpecialText::Parse);
    assert_eq!(with_bos, tokenizer.encode_prompt("a", SpecialText::AsText));
    let without = Tiny { add_bos: Some(false), ..tiny::score_bpe() }.tokenizer();
    assert!(without.encode_prompt("", SpecialText::AsText).is_empty());
    assert!(!tiny::byte_bpe("qwen2").tokenizer().adds_bos());
    assert!(tiny::byte_bpe("llama3").tokenizer().adds_bos());
}

#[test]
fn kinds_of_tokens() {
    let tokenizer = tiny::byte_bpe("gpt-2").tokenizer();
    let n_vocab = tokenizer.n_vocab() as u32;
    assert!(tokenizer.is_padding(n_vocab - 1) && tokenizer.is_padding(n_vocab));
    assert!(!tokenizer.is_padding(n_vocab - 2) && tokenizer.is_control(267));
    assert!(tokenizer.is_end_of_generation(266) && tokenizer.is_end_of_generation(268));
    assert!(!tokenizer.is_end_of_generation(267));
    assert_eq!(tokenizer.token_bytes(267, Special::Hide), b"");
    assert_eq!(tokenizer.token_bytes(267, Special::Show), b"<|im_start|>");
    assert_eq!(tokenizer.token_bytes(n_vocab, Special::Show), b"");
    check(
        &tokenizer,
        "[PAD270]<tool>",
        SpecialText::Parse,
        &["[", "P", "A", "D", "2", "7", "0", "]", "<tool>"],
    );
}

#[test]
fn a_padding_row_is_known_by_its_name_too() {
    let mut tiny = tiny::byte_bpe("gpt-2");
    tiny.types.iter_mut().for_each(|kind| *kind = if *kind == 5 { NORMAL } else { *kind });
    assert!(tiny.tokenizer().is_padding(270));
}

#[test]
fn without_token_types_bytes_and_ends_are_known_by_name() {
    let tiny = tiny::score_bpe();
    let mut gguf = tiny.gguf();
    gguf.token_types = None;
    let tokenizer = Tokenizer::from_gguf(&gguf).unwrap();
    check(&tokenizer, "é<bos>", SpecialText::Parse, &["<0xC3>", "<0xA9>", "<bos>"]);
    assert!(tokenizer.is_control(1) && tokenizer.is_control(0));
}

#[test]
fn byte_tokens_that_name_no_byte_are_text() {
    for name in ["<0x-1>", "<0xGG>", "<0x1>", "<0x100>", "<0x+F>", "<0x>"] {
        let mut tiny = tiny::score_bpe();
        let id = tiny.add(name, BYTE, -1.0);
        let tokenizer = tiny.tokenizer();
        assert_eq!(tokenizer.token_bytes(id, Special::Hide), name.as_bytes());
        assert_eq!(tokenizer.decode(&tokenizer.encode(name, SpecialText::AsText)), name);
    }
}

#[test]
fn arrays_that_do_not_fit_together() {
    check_error(
        &Tiny { tokens: vec![], types: vec![], scores: vec![], ..tiny::score_bpe() },
        "empty",
    );
    let mut short = tiny::score_bpe();
    short.scores.pop();
    check_error(&short, "tokenizer.ggml.scores has");
    let mut long = tiny::score_bpe();
    long.types.push(NORMAL);
    check_error(&long, "tokenizer.ggml.token_type has");
    let mut missing = tiny::score_bpe();
    missing.model = "llama";
    let mut gguf = missing.gguf();
    gguf.scores = None;
    assert!(matches!(Tokenizer::from_gguf(&gguf), Err(Error::MissingArray { .. })));
}

#[test]
fn values_that_make_no_sense() {
    let base = tiny::byte_bpe("gpt-2");
    check_error(&Tiny { model: "rwkv", ..base.clone() }, "\"rwkv\"");
    check_error(&Tiny { pre: Some("gpt-7"), ..base.clone() }, "\"gpt-7\"");
    check_error(&Tiny { pre: None, ..base.clone() }, "tokenizer.ggml.pre is missing");
    check_error(&Tiny { bos_id: Some(271), ..base.clone() }, "bos_token_id is 271");
    check_error(&Tiny { eos_id: Some(u32::MAX), ..base.clone() }, "eos_token_id");
    for (merge, expected) in [
        ("he", "two parts"),
        ("he ", "two parts"),
        (" he", "two parts"),
        ("q zz", "names \"zz\""),
        ("q q", "names \"qq\""),
    ] {
        check_error(&Tiny { merges: vec![merge.to_owned()], ..base.clone() }, expected);
    }
    // So many that threads share them; the first bad one is named, whoever finds it.
    let mut merges = vec![base.merges[0].clone(); 40_000];
    (merges[30_000], merges[39_000]) = ("q zz".to_owned(), "q q".to_owned());
    check_error(&Tiny { merges: merges.clone(), ..base.clone() }, "30000");
    merges.truncate(30_000);
    let many = Tiny { merges: [&merges[..], &base.merges].concat(), ..base.clone() }.tokenizer();
    let text = "the hello theh";
    let encode = |tokenizer: &Tokenizer| tokenizer.encode(text, SpecialText::AsText);
    assert_eq!(encode(&many), encode(&base.tokenizer()));
    let mut types = base.types.clone();
    types[3] = 7;
    check_error(&Tiny { types, ..base.clone() }, "token 3 has type 7");
    let mut scores = tiny::score_bpe().scores;
    scores[5] = f32::NAN;
    check_error(&Tiny { scores, ..tiny::score_bpe() }, "token 5 has score NaN");
    let mut gguf = base.gguf();
    gguf.tokens[9] = b"\xFF";
    assert!(matches!(Tokenizer::from_gguf(&gguf), Err(Error::TokenNotUtf8 { id: 9 })));
}

#[test]
fn a_vocabulary_must_be_able_to_write_any_text() {
    let mut tiny = Tiny { model: "llama", ..Tiny::default() };
    tiny.add("a", NORMAL, 0.0);
    check_error(&tiny, "neither an unknown token nor all 256 byte tokens");
    let mut gpt = Tiny { model: "gpt2", pre: Some("gpt-2"), ..Tiny::default() };
    gpt.add("a", NORMAL, 0.0);
    check_error(&gpt, "neither an unknown token nor all 256 byte tokens");
}

#[test]
fn a_damaged_charsmap_is_refused() {
    check_error(&Tiny { charsmap: Some(vec![9; 7]), ..tiny::unigram() }, "charsmap is damaged");
}

/// 400 000 characters in one run: quadratic time would take minutes here, linear under a second.
#[test]
fn long_runs_take_linear_time() {
    let started = std::time::Instant::now();
    let runs = [
        "a".repeat(400_000),
        " ".repeat(400_000) + "a",
        "the lo ".repeat(60_000),
        "\n".repeat(400_000),
    ];
    let mut all = vec![tiny::byte_bpe("llama3").tokenizer(), tiny::score_bpe().tokenizer()];
    all.push(Tiny { add_space_prefix: Some(true), ..tiny::score_bpe() }.tokenizer());
    for tokenizer in all {
        for run in &runs {
            let ids = tokenizer.encode(run, SpecialText::AsText);
            assert!(tokenizer.decode(&ids) == *run, "{:?}...", &run[..9]);
        }
    }
    let unigram = tiny::unigram().tokenizer();
    for run in &runs {
        unigram.encode(run, SpecialText::AsText);
    }
    const SECONDS_MAX: u64 = 60; // far above linear on a slow machine, far below quadratic
    assert!(started.elapsed().as_secs() < SECONDS_MAX);
}

#[test]
fn user_defined_tokens_are_text_that_is_cut_out_first() {
    let mut tiny = tiny::score_bpe();
    tiny.add("<b>", USER_DEFINED, 0.0);
    tiny.add("<c>", CONTROL, 0.0);
    let tokenizer = tiny.tokenizer();
    check(&tokenizer, "a<b>a<c>", SpecialText::AsText, &["a", "<b>", "a", "<", "c", ">"]);
    check(&tokenizer, "a<b>a<c>", SpecialText::Parse, &["a", "<b>", "a", "<c>"]);
}
