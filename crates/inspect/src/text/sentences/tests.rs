//! Sentences of many kinds of text, and what holds of all.

use proptest::prelude::*;

use super::*;
use crate::text::words;

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let found: Vec<&str> = sentences(text).into_iter().map(|range| &text[range]).collect();
    assert_eq!(found, expected, "{text:?}");
}

/// The sentences stay what they are however they are put together.
#[track_caller]
fn check_joined(expected: &[&str]) {
    check(&expected.join(" "), expected);
    check(&expected.join("\n"), expected);
    check(&format!("  {}\n", expected.join("\n\n")), expected);
}

#[test]
fn white_space_is_no_sentence() {
    check("", &[]);
    check(" \n\t\r\n ", &[]);
    check("word", &["word"]);
    check("...", &["..."]);
}

#[test]
fn full_stops_question_marks_exclamation_marks() {
    check_joined(&["It rains.", "Does it?", "It does!", "What?!", "No."]);
    check_joined(&["The rent is due on 5 May.", "2019 was a dry year.", "É tarde."]);
    check_joined(&["I paid €5.", "€6 were asked for.", "#4 is missing."]);
}

#[test]
fn abbreviations_do_not_end() {
    check_joined(&["Mr. Smith met Dr. Keller and Mrs. Vogel.", "They talked."]);
    check_joined(&[
        "Bring fruit, e.g. Apples, i.e. Food.",
        "See Fig. 3 and No. 5.",
        "Is it?",
        "No.",
    ]);
    check_joined(&[
        "He is Prof. J. R. Smith of Acme Inc. in Ohio.",
        "She is John F. Kennedy's aunt.",
    ]);
    check_joined(&["The U.S. Senate met at 5 p.m. on Monday.", "It left the U.S.", "The end."]);
    check_joined(&["It opens at 9 a.m. Monday.", "It closes at 5 p.m.", "Maria left."]);
    check_joined(&["We sell pens, ink, etc.", "Paper is extra."]);
    check_joined(&["Acme Corp. Ltd. pays Smith et al. (2019) in Jan. 2020.", "Sgt. Pepper signs."]);
    check_joined(&["This is plan B.", "The next is C.", "So am I.", "Nobody else is."]);
}

#[test]
fn numbers_keep_their_points() {
    check_joined(&["Section 4.2 applies.", "Pay 3.50 on 3.5.2019.", "Version 1.2.3 is out."]);
    check_joined(&["Open example.com/a.html or mail a.b@c.de.", "Done."]);
    check(
        "1. The tenant pays. 2. The landlord repairs.",
        &["1. The tenant pays.", "2. The landlord repairs."],
    );
    check(
        "Section 4. The tenant pays. It is late.",
        &["Section 4. The tenant pays.", "It is late."],
    );
}

#[test]
fn ellipses() {
    check_joined(&["Well... maybe.", "Wait...", "What?", "He said … nothing.", "So…", "Go."]);
    check_joined(&["First . . . then. . . later.", "Yes."]);
}

#[test]
fn quotes_and_brackets_close_behind_the_stop() {
    check_joined(&["He said \"Stop.\"", "She did.", "(It was late.)", "“Why?”", "Nobody knew."]);
    check_joined(&["“Stop!” he said.", "\"Is it?\" Maria Keller asked.", "(See note 4.)"]);
    check_joined(&["It holds (see p. 5).", "It was shown.[12]", "It ends."]);
}

#[test]
fn lines_that_say_something_of_their_own() {
    check("Introduction\nThe model is small.", &["Introduction", "The model is small."]);
    check(
        "# On cats\nThey sleep.\n## On dogs\nThey bark.",
        &["# On cats", "They sleep.", "## On dogs", "They bark."],
    );
    check(
        "Bring:\n- a pen\n- some ink\n  and paper\n* a book",
        &["Bring:", "- a pen", "- some ink\n  and paper", "* a book"],
    );
    check("1. one\n2) two\n(c) three\n4.2 Four", &["1. one", "2) two", "(c) three", "4.2 Four"]);
    check("| a | b |\n|---|---|\n| c. D | e |", &["| a | b |", "|---|---|", "| c. D | e |"]);
    check("Name\tAnn\nage\t5", &["Name\tAnn", "age\t5"]);
    check(
        "Title\n=====\nbody text\n\nno stop\n\nnext",
        &["Title", "=====", "body text", "no stop", "next"],
    );
}

#[test]
fn wrapped_lines_are_no_ends() {
    check(
        "a line that is\nwrapped. Another one\nfollows.",
        &["a line that is\nwrapped.", "Another one\nfollows."],
    );
    let wrapped = "The contract was signed by the director of\nNorthwind in the presence of Mr.\n\
                   Keller. It is valid.";
    check(
        wrapped,
        &[
            "The contract was signed by the director of\nNorthwind in the presence of Mr.\nKeller.",
            "It is valid.",
        ],
    );
    let wrapped = "The landlord keeps the roof, the walls and the heating of\nNorthwind in repair; \
                   the tenant, who has been there since the year\n98. It pays for what all of the \
                   people of the firm break in\nOslo.";
    check(wrapped, &[&wrapped[..128], &wrapped[129..]]);
    check(
        "Repair the roof of the house on Main Street\nPaint all kitchens",
        &["Repair the roof of the house on Main Street", "Paint all kitchens"],
    );
    check(
        "Terms of the lease\nNorthwind pays the rent of the office each month.",
        &["Terms of the lease", "Northwind pays the rent of the office each month."],
    );
}

#[test]
fn code_is_read_by_the_line() {
    check(
        "See:\n```rust\nlet a = b.c;\nlet d = e\n```\nDone. Bye.",
        &["See:", "```rust", "let a = b.c;", "let d = e", "```", "Done.", "Bye."],
    );
    check("fn main() {\n    run();\n}", &["fn main() {", "run();", "}"]);
}

#[test]
fn ideographic_stops_need_no_space() {
    check("猫は黒い。犬は白い！本当？はい", &["猫は黒い。", "犬は白い！", "本当？", "はい"]);
    check(
        "「行こう。」と言った。「はい。」彼は来た。",
        &["「行こう。」と言った。", "「はい。」", "彼は来た。"],
    );
    check("他走了。她没走。", &["他走了。", "她没走。"]);
}

#[test]
fn what_does_not_end_is_divided_between_clauses() {
    let clause = "and so it went on and on for days, ";
    let text = clause.repeat(100);
    let found = sentences(&text);
    assert!(found.len() > 4);
    assert!(found.iter().all(|range| text[range.clone()].ends_with(',')));
    assert_eq!(sentences(&"x".repeat(10_000)).len(), 3);
    assert_eq!(sentences(&"word ".repeat(1000)).len(), 5);
}

proptest! {
    #[test]
    fn sentences_cover_what_is_no_white_space(
        text in prop_oneof![
            any::<String>(),
            "([A-Z][a-z]{0,6}|[a-z]{1,4}|[0-9]{1,3}|[.!?…。」\"()\\[\\]|#*-]|[ \n\t]|``` ?\n){0,80}",
            "((the|The|Mr|J|a|I|,|;|3,000|漢) ?){0,600}",
        ],
    ) {
        let found = sentences(&text);
        let mut end = 0;
        for range in &found {
            prop_assert!(end <= range.start && range.start < range.end);
            prop_assert!(text[end..range.start].trim().is_empty());
            let inside = &text[range.clone()];
            prop_assert_eq!(inside.trim(), inside);
            prop_assert!(words(inside).len() <= 200 && inside.len() <= 4096);
            end = range.end;
        }
        prop_assert!(text[end..].trim().is_empty());
    }
}
