//! `lookback inspect` on models that know nothing: what holds of every answer.

use format::gguf::Strings;
use serde_json::Value;
use tiny_random::{N_VOCAB, TinyRandom};

use crate::lab::{Lab, tiny};

const STORY: &str = "The dog met the cat. Then the dog saw that it was wet. They left.";

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list"))
}

#[test]
fn candidates_share_what_is_certain() {
    let (lab, model) = Lab::with_tiny();
    let args = ["inspect", "who", "-m", &model, STORY, "--word", "it", "--json"];
    let found = lab.json(&args);
    let candidates = list(&found["candidates"]);
    let mut names: Vec<&str> =
        candidates.iter().map(|it| it["name"].as_str().expect("a name")).collect();
    names.sort_unstable();
    assert_eq!(names, ["the cat", "the dog"]);
    let of = |key: &str| candidates.iter().map(|it| number(&it["substituted"][key])).sum::<f64>();
    assert!((of("probability") - 1.0).abs() < 1e-9, "{found}");
    assert!((of("probability_if_even") - 1.0).abs() < 1e-9, "{found}");
    for candidate in candidates {
        let n_mentions = if candidate["name"] == "the dog" { 2 } else { 1 };
        assert_eq!(list(&candidate["mentions"]).len(), n_mentions, "{found}");
        for rows in ["own", "after"] {
            let read = &candidate[rows];
            assert!((0.0..=1.0).contains(&number(&read["share"])), "{found}");
            let even = number(&candidate["n_tokens"]) / number(&found["n_tokens_before"]);
            assert!((number(&read["share_if_even"]) - even).abs() < 1e-9, "{found}");
        }
    }
    assert!(found["caveat"].is_string());
    let likeliest = candidates.iter().map(|it| number(&it["substituted"]["probability"]));
    assert!(likeliest.is_sorted_by(|a, b| a >= b), "the best comes first: {found}");
}

#[test]
fn the_order_of_names_changes_nothing() {
    let (lab, model) = Lab::with_tiny();
    let found = |among: &str| {
        lab.json(&[
            "inspect", "who", "-m", &model, STORY, "--word", "it", "--among", among, "--json",
        ])
    };
    let [forth, back] = [found("the cat,the dog"), found("the dog,the cat")];
    assert_eq!(forth["candidates"], back["candidates"]);
}

#[test]
fn a_word_that_ends_the_text_is_judged_as_a_whole() {
    let (lab, model) = Lab::with_tiny();
    let text = "The dog met the cat and then it";
    let found = lab.json(&["inspect", "who", "-m", &model, text, "--word", "it", "--json"]);
    assert_eq!(found["ranked_by"], "whole_substitution");
    assert_eq!((&found["n_tokens_after"], &found["logprob_after"]), (&0.into(), &Value::Null));
    for candidate in list(&found["candidates"]) {
        assert!(candidate["after"].is_null() && candidate["knock_out"].is_null(), "{found}");
    }
    let shown = lab.succeeds(&["inspect", "who", "-m", &model, STORY, "--word", "it"]).stdout;
    assert!(shown.contains("the cat") && shown.contains("ranked by"), "{shown}");
}

#[test]
fn words_that_are_not_there_are_errors() {
    let (lab, model) = Lab::with_tiny();
    let fails = |more: &[&str], parts: &[&str]| {
        lab.fails(&[&["inspect", "who", "-m", &model, STORY], more].concat(), parts);
    };
    fails(&["--word", "she"], &["\"she\"", "0 times"]);
    // Only within words.
    fails(&["--word", "we"], &["\"we\"", "0 times"]);
    fails(&["--word", "it", "--nth", "2"], &["\"it\"", "1 times"]);
    fails(&["--word", "it", "--among", "the horse"], &["the horse"]);
    fails(&["--word", "The"], &["nothing that \"The\" may stand for"]);
    lab.run(&["inspect", "who", "-m", &model, STORY, "--word", " "]).is_error(2, &["--word"]);
}

#[test]
fn no_sentence_contradicts_itself() {
    for (lab, model) in [Lab::with_chat(), Lab::with_tiny()] {
        let same = "The rent is high.\nThe rent is high.\nThe rent is high.";
        let found = lab.json(&["inspect", "contradict", "-m", &model, same, "--json"]);
        assert_eq!((list(&found["pairs"]).len(), &found["n_pairs_all"]), (3, &3.into()));
        for pair in list(&found["pairs"]) {
            assert!(number(&pair["judged"]["score"]).abs() < 1e-6, "{pair}");
            assert!(number(&pair["judged"]["order_effect"]).abs() < 1e-6, "{pair}");
        }
        let text = "Cats sleep. Dogs bark. Cats never sleep.";
        let args = ["inspect", "contradict", "-m", &model, text, "--pairs", "2", "--json"];
        let found = lab.json(&args);
        let scores: Vec<f64> =
            list(&found["pairs"]).iter().map(|pair| number(&pair["judged"]["score"])).collect();
        assert!(scores.len() == 2 && scores[0] >= scores[1], "{found}");
        assert!(found["caveat"].is_string());
        let shown = lab.succeeds(&args[..args.len() - 1]).stdout;
        assert!(shown.contains("2 of 3 pairs of 3 sentences"), "{shown}");
    }
    let (lab, model) = Lab::with_tiny();
    lab.fails(&["inspect", "contradict", "-m", &model, "One alone."], &["1 sentences"]);
}

#[test]
fn what_was_looked_at_becomes_files() {
    let (lab, model) = Lab::with_chat();
    let document = lab.file("doc.txt", "The rent is high. The rooms are small & <b>dark</b>.");
    let look = ["inspect", "look", "-m", &model, "-f", &document, "Why?", "--answer", "It is. So."];
    let files = ["--html", "a.html", "--png", "a.png", "--svg", "a.svg", "--each", "sentence"];
    lab.succeeds(&[&look[..], &files].concat());
    let page = std::fs::read_to_string(lab.path("a.html")).expect("a page");
    assert!(page.contains("The rent is high. ") && !page.contains("<b>dark"), "{page}");
    is_svg(&lab, "a.svg");
    is_png(&lab, "a.png");
    let map = ["inspect", "map", "-m", &model, "-f", &document];
    lab.succeeds(&[&map[..], &["--svg", "b.svg", "--png", "b.png"]].concat());
    is_svg(&lab, "b.svg");
    is_png(&lab, "b.png");
    lab.succeeds(&[&map[..], &["--svg", "c.svg", "--show", "layers"]].concat());
    is_svg(&lab, "c.svg");
}

#[test]
fn what_is_not_there_is_said() {
    let (lab, model) = Lab::with_tiny();
    let fails = |args: &[&str], parts: &[&str]| {
        lab.fails(&[&["inspect", args[0], "-m", &model], &args[1..]].concat(), parts);
    };
    fails(&["rows", STORY, "--layers", "9"], &["layer 9", "layers 0 to"]);
    fails(&["rows", STORY, "--heads", "4"], &["head 4", "heads 0 to 3"]);
    fails(&["rows", STORY, "--rows", "999"], &["--rows", "token 999", "tokens 0 to"]);
    let long = "The dog. ".repeat(50);
    let large = ["rows", &long, "--rows", "0-400", "--top", "all", "--limit", "1"];
    fails(&large, &["MiB, the limit is 1 MiB"]);
    let look = ["look", STORY, "--answer", "They left early.", "--word"];
    fails(&[&look[..], &["nobody"]].concat(), &["\"nobody\""]);
}

#[test]
fn parts_of_tokens_are_widened_and_said_so() {
    let lab = Lab::new();
    let mut writer = tiny().writer();
    // Three named tokens, a token a byte, and "ll" among the letters.
    let bytes = (0..256).map(|byte| format!("<0x{byte:02X}>"));
    let letters = "heo tailswdnrcm".chars().map(String::from).chain(["ll".to_owned()]);
    let named = ["<unk>", "<s>", "</s>"].map(String::from);
    let mut tokens: Vec<String> = named.into_iter().chain(bytes).chain(letters).collect();
    tokens.extend((tokens.len()..N_VOCAB).map(|idx| format!("<{idx}>")));
    writer.set("tokenizer.ggml.tokens", Strings::from_iter(tokens));
    let model = lab.model(writer);
    let of = |word: &str| {
        let look = ["inspect", "look", "-m", &model, STORY, "--answer", "hello", "--word", word];
        let found = lab.json(&[&look[..], &["--json"]].concat());
        let said = lab.succeeds(&look).stderr.contains("within a token");
        assert_eq!(found["widened"], said, "{found}");
        said
    };
    assert!(!of("hello") && !of("ell"));
    assert!(of("el"));
}

#[test]
fn all_answers_become_pictures() {
    let lab = Lab::new();
    let model = lab.model(TinyRandom { n_ctx: 2048, ..tiny() }.writer());
    let document = lab.file("doc.txt", "The rent is high. The rooms are small.");
    let check = |question: &[&str]| {
        lab.succeeds(&[&["inspect", question[0], "-m", &model], &question[1..]].concat());
        for (flag, ending) in [("--svg", "svg"), ("--png", "png")] {
            let (right, wrong) = (format!("a.{ending}"), "a.txt");
            let args = [&["inspect", question[0], "-m", &model], &question[1..]].concat();
            lab.succeeds(&[&args[..], &[flag, &right]].concat());
            lab.run(&[&args[..], &[flag, wrong]].concat()).is_error(2, &[flag, wrong, ending]);
        }
        is_svg(&lab, "a.svg");
        is_png(&lab, "a.png");
    };
    check(&["who", STORY, "--word", "it"]);
    check(&["contradict", STORY]);
    check(&["drown", "-f", &document, "Why?", "--answer", "High."]);
    check(&["diff", STORY, "--against", &model]);
    check(&["heads", "--show", "previous"]);
    check(&["ground", "-f", &document, "Why?", "--answer", "High. So."]);
    check(&["inject", "--instruction", "Say it.", "-f", &document]);
}

#[test]
fn rows_become_files_that_others_read() {
    let (lab, model) = Lab::with_tiny();
    let rows = ["inspect", "rows", "-m", &model, "hello", "--rows", "0-3"];
    for name in ["r.json", "r.parquet"] {
        lab.succeeds(&[&rows[..], &["-o", name]].concat());
        assert!(lab.path(name).metadata().expect("a file").len() > 100, "{name}");
    }
    for name in ["r.npz", "r.safetensors", "r.bertviz.json"] {
        let ran = lab.run(&[&rows[..], &["-o", name]].concat());
        ran.is_error(2, &[name, "--top all"]);
        lab.succeeds(&[&rows[..], &["-o", name, "--top", "all"]].concat());
        assert!(lab.path(name).metadata().expect("a file").len() > 100, "{name}");
    }
    let text = std::fs::read_to_string(lab.path("r.json")).expect("a file");
    let found: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(found["schema"], "lookback.attention/1");
    let one = ["--layers", "1", "--heads", "2", "--top", "1"];
    let pictures = ["--svg", "r.svg", "--png", "r.png", "--json"];
    let line = lab.json(&[&rows[..], &one, &pictures].concat());
    is_svg(&lab, "r.svg");
    is_png(&lab, "r.png");
    for row in list(&line["rows"]) {
        assert_eq!(list(&row["keys"]).len(), 1, "pictures change no rows: {row}");
        let sum = number(&row["weights"][0]) + number(&row["tail"]);
        assert!((sum - 1.0).abs() < 1e-4, "{row}");
    }
    lab.run(&[&rows[..], &["--svg", "r.svg"]].concat()).is_error(2, &["--layers", "--heads"]);
}

#[test]
fn files_are_checked_before_the_work() {
    let lab = Lab::new();
    let fails = |command: &str, status: i32, more: &[&str], parts: &[&str]| {
        let args = ["inspect", command, "-m", "absent.gguf", "hello"];
        lab.run(&[&args[..], more].concat()).is_error(status, parts);
    };
    fails("map", 2, &["--png", "a.svg"], &["--png a.svg", ".png"]);
    fails("map", 1, &["--svg", "absent/a.svg"], &["--svg", "absent/a.svg"]);
    fails("look", 2, &["--html", "a.txt"], &["--html a.txt", ".html"]);
    fails("look", 1, &["--html", "absent/a.html"], &["--html", "absent/a.html"]);
    fails("rows", 2, &["-o", "a.txt"], &["-o a.txt", ".npz"]);
    fails("rows", 1, &["-o", "absent/a.json"], &["-o", "absent/a.json"]);
}

fn is_svg(lab: &Lab, name: &str) {
    let text = std::fs::read_to_string(lab.path(name)).expect("a picture");
    let document = roxmltree::Document::parse(&text).expect("an XML document");
    assert_eq!(document.root_element().tag_name().name(), "svg", "{name}");
}

fn is_png(lab: &Lab, name: &str) {
    let png = std::fs::read(lab.path(name)).expect("a picture");
    assert_eq!(png[..8], *b"\x89PNG\r\n\x1a\n", "{name}");
}

/// The row that writes an answer's first token is a part of the text there, and sees itself.
#[test]
fn a_text_that_ends_with_a_source_can_be_checked() {
    let (lab, model) = Lab::with_tiny();
    let text = "One is here. Two is not. Three";
    let look =
        ["inspect", "look", "--raw", "-m", &model, text, "-n", "3", "--check", "9", "--json"];
    let found = lab.json(&look);
    let ranked = list(&found["parts"][0]["ranked"]);
    let checked = ranked.iter().filter(|source| source["knock_out"].is_number()).count();
    assert!(checked + 1 >= ranked.len() && checked >= 2, "{found}");
}

#[test]
fn trials_are_of_what_was_asked() {
    let lab = Lab::new();
    let model = lab.model(TinyRandom { n_ctx: 2048, ..tiny() }.writer());
    let of = |questions: &[&str]| {
        lab.json(&[&["inspect", "trial", "-m", &model, "-n", "1", "--json"], questions].concat())
    };
    let some = of(&["who", "look"]);
    assert_eq!(some["look"]["n_documents"], 1);
    assert_eq!(some["who"]["n"], 4, "one of each distance");
    assert!(some.get("inject").is_none() && some.get("ground").is_none(), "{some}");
    let all = of(&[]);
    assert_eq!((&all["look"], &all["who"]), (&some["look"], &some["who"]));
    assert_eq!(all["contradict"]["n"], 1);
    assert_eq!(all["inject"]["statements"]["n_positive"], 1);
    assert_eq!(all["ground"]["nats"]["n_negative"], 1);
    let args = ["inspect", "trial", "-m", &model, "-n", "1"];
    let shown = lab.succeeds(&args).stdout;
    for question in ["look", "who", "contradict", "inject", "ground"] {
        assert!(shown.lines().any(|line| line.starts_with(question)), "{question}: {shown}");
    }
    let refused = lab.run(&[&args[..], &["when"]].concat());
    assert!(refused.status == Some(2) && refused.stderr.contains("look, who"), "{refused:?}");
}
