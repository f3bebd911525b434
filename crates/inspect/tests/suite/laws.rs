//! Laws of questions.

use std::ops::Range;

use engine::{Loaded, SpecialText};
use inspect::capture::{Spread, SpreadPlan};
use inspect::questions::{DrownCase, Shape, TextRead, Variant, VariantKind, diff, drown, variants};
use inspect::trial::{Asking, look_cases, look_trial};
use inspect::{InspectError, Inspector};
use tiny_random::TinyRandom;

use crate::lab::{self, encode, load, tiny};

const TEXT: &str = "One is here. Two is there. It rains. Four is far. Five is near.";
const QUESTION: &str = "\n\nDoes it rain?";

fn inspect<T>(
    loaded: &Loaded,
    question: impl FnOnce(&mut Inspector<'_>) -> Result<T, InspectError>,
) -> T {
    lab::inspect(loaded, |inspector, _| question(inspector)).expect("a question with an answer")
}

#[test]
fn a_model_does_not_differ_from_itself_and_does_from_another() {
    let [own, other] = [1, 2].map(|seed| load(&TinyRandom { seed, ..tiny() }));
    let shape = |loaded: &Loaded| Shape::of(&loaded.model, &loaded.tokenizer);
    assert_eq!(shape(&own).check(&shape(&other)), Ok(()));
    let ids = encode(&own, TEXT);
    let against = |other: &Loaded| {
        let read = inspect(&own, |inspector| TextRead::by(inspector, &ids));
        inspect(other, |inspector| diff(inspector, read, 0.0))
    };
    let found = against(&own);
    assert!(found.heads.iter().all(|head| head.mean == 0.0 && head.max == 0.0));
    assert_eq!((found.kl_max, found.first_layer), (0.0, None));
    assert_eq!(found.n_rows, ids.len() - 1);
    let found = against(&other);
    assert!(found.heads.iter().all(|head| head.mean > 0.0 && head.max <= 1.0));
    assert!(found.kl_max > 0.0);
}

#[test]
fn shapes_say_what_differs() {
    let [own, other] = [2, 3].map(|n_layers| {
        let loaded = load(&TinyRandom { n_layers, ..tiny() });
        Shape::of(&loaded.model, &loaded.tokenizer)
    });
    let message = own.check(&other).map_err(|err| err.to_string());
    assert_eq!(message, Err("2 layers and 3: expected two models of the same shape".to_owned()));
}

#[test]
fn the_curve_ends_with_the_actual_text() {
    let loaded = load(&tiny());
    let case = |variant: &Variant| {
        let prompt = encode(&loaded, &format!("{}{QUESTION}", variant.text));
        let text = inspect(&loaded, |inspector| Ok(inspector.text(&prompt)));
        let start = text.find(&variant.text, 0).expect("it is there").start;
        let tokens = |bytes: &Range<usize>| {
            text.span(start + bytes.start..start + bytes.end).expect("a part of it").tokens
        };
        let (context, span) = (tokens(&(0..variant.text.len())), tokens(&variant.span));
        DrownCase { kind: variant.kind, prompt, context, span }
    };
    let start = TEXT.find("It rains.").expect("it is there");
    let texts = variants(TEXT, &(start..start + 9));
    let cases: Vec<DrownCase> = texts.iter().map(case).collect();
    let answer = loaded.tokenizer.encode("yes", SpecialText::AsText);
    let found = inspect(&loaded, |inspector| drown(inspector, &cases, &answer, &mut |_| ()));
    let cut = |one_of| VariantKind::Cut { one_of };
    let kinds = [cut(4), cut(2), VariantKind::Actual];
    assert!(found.curve.iter().map(|point| point.kind).eq(kinds));
    assert!(found.curve.is_sorted_by_key(|point| point.n_tokens));
    assert_eq!(found.moved.len(), 3);
    let (first, last) = (&found.curve[0], &found.curve[2]);
    assert_eq!(last.span_share, span_share(&loaded, &cases[2], &answer));
    assert_eq!(found.change.log_lift, last.log_lift - first.log_lift);
}

/// Of the actual text alone.
fn span_share(loaded: &Loaded, case: &DrownCase, answer: &[u32]) -> f64 {
    let ids = [&case.prompt, answer].concat();
    let of = |tokens: &Range<usize>| tokens.start as u32..tokens.end as u32;
    let rows = case.prompt.len() as u32 - 1..ids.len() as u32 - 1;
    let plan = SpreadPlan { rows, context: of(&case.context), span: of(&case.span) };
    inspect(loaded, |inspector| Ok(inspector.watch(&ids, Spread::new(plan))?)).found().span
}

#[test]
fn a_trial_runs_on_any_model() {
    let loaded = load(&tiny());
    let cases = look_cases(&Asking::new(&loaded).expect("no template"), 2).expect("documents");
    let mut steps = Vec::new();
    let mut once = || inspect(&loaded, |it| look_trial(it, &cases, &mut |n| steps.push(n)));
    let [first, second] = [once(), once()];
    assert_eq!(first.n_documents, 2);
    assert_eq!((first.given.n, first.given.answered.n_right), (2, 2));
    assert_eq!(first.given.rankings.len(), 4);
    let json = |found| serde_json::to_string(found).expect("numbers");
    assert_eq!(json(&first), json(&second));
    assert_eq!(steps, [1, 2, 1, 2]);
}
