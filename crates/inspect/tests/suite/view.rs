//! What a page shows of an answer is what the questions find, however it is cut.

use std::ops::Range;

use engine::SpecialText;
use inspect::capture::Lens;
use inspect::questions::view::{Tiles, TilesAsked, View, grid, knock_out, readers, strip, tiles};
use inspect::questions::{AnswerPart, Look, look};
use inspect::text::Unit;
use inspect::{InspectError, Inspector};

use crate::lab::{self, encode, load, tiny};

const TEXT: &str = "One is here. Two is there. It rains. Four is far.\n\nDoes it rain?";
const LENSES: [Lens; 3] = [Lens::Weight, Lens::ValueNorm, Lens::Logit];

fn check(question: impl FnOnce(&mut Inspector<'_>, &View) -> Result<(), InspectError>) {
    let loaded = load(&tiny());
    let (prompt, answer) =
        (encode(&loaded, TEXT), loaded.tokenizer.encode("yes", SpecialText::AsText));
    let view = View { ids: [&prompt[..], &answer].concat(), n_prompt: prompt.len() };
    lab::inspect(&loaded, |inspector, _| question(inspector, &view)).expect("an answer");
}

fn asked(view: &View, lens: Lens) -> TilesAsked {
    let tokens = 0..view.ids.len() - view.n_prompt;
    TilesAsked { tokens, lens, keys: None, block: 1, heads: Vec::new() }
}

#[track_caller]
fn assert_near(a: f64, b: f64) {
    assert!((a - b).abs() <= 1e-5 * a.abs().max(b.abs()).max(1e-3), "{a} and {b}");
}

/// A sentence's value, by `look`.
fn looked(
    inspector: &mut Inspector<'_>,
    view: &View,
    lens: Lens,
) -> Result<(Range<usize>, f64, Option<f64>), InspectError> {
    let question = Look {
        ids: view.ids.clone(),
        n_prompt: view.n_prompt,
        context: 1..view.n_prompt,
        source: Unit::Sentence,
        part: AnswerPart::Whole,
        lenses: LENSES.to_vec(),
        rank_by: lens,
        n_checked: 1,
        head_weights: None,
    };
    let found = look(inspector, &question)?;
    let first = &found.parts[0].ranked[0];
    let value = match lens {
        Lens::Weight => Some(first.weight),
        Lens::ValueNorm => first.value_norm,
        Lens::Logit => first.logit,
    };
    let tokens = found.sources[first.source_idx].tokens.clone();
    Ok((tokens, value.expect("a lens that was asked for"), first.knock_out))
}

#[test]
fn tiles_add_up_to_what_look_finds() {
    check(|inspector, view| {
        for lens in LENSES {
            let (span, expected, _) = looked(inspector, view, lens)?;
            let found = tiles(inspector, view, &asked(view, lens))?;
            assert_near(found.values[span.clone()].iter().sum(), expected);
            let part = TilesAsked { keys: Some(span), block: 1000, ..asked(view, lens) };
            let part = tiles(inspector, view, &part)?;
            assert_eq!(part.values.len(), 1);
            assert_near(part.values[0], expected);
        }
        Ok(())
    });
}

#[test]
fn blocks_are_sums_of_tokens() {
    check(|inspector, view| {
        for lens in LENSES {
            let one = tiles(inspector, view, &asked(view, lens))?;
            let five = TilesAsked { block: 5, ..asked(view, lens) };
            let five = tiles(inspector, view, &five)?;
            assert_eq!(five.values.len(), one.values.len().div_ceil(5));
            for (block, tokens) in five.values.iter().zip(one.values.chunks(5)) {
                assert_near(*block, tokens.iter().sum());
            }
        }
        Ok(())
    });
}

#[test]
fn heads_are_what_the_mean_is_of() {
    check(|inspector, view| {
        let config = inspector.model.config.clone();
        let all = (0..config.n_layers)
            .flat_map(|layer| (0..config.n_heads).map(move |head| (layer, head)));
        let wanted = TilesAsked { heads: all.collect(), ..asked(view, Lens::Weight) };
        let found = tiles(inspector, view, &wanted)?;
        let n = found.heads.len() as f64;
        for (key, &value) in found.values.iter().enumerate() {
            let sum: f64 = found.heads.iter().map(|head| head.values[key]).sum();
            assert_near(sum / n, value);
        }
        let sinks: f64 = found.heads.iter().map(|head| head.sink).sum();
        assert_near(sinks / n, found.sink);
        // With the keys of the answer itself, which the last row alone sees.
        let whole = TilesAsked { keys: Some(0..view.ids.len()), ..asked(view, Lens::Weight) };
        let whole = tiles(inspector, view, &whole)?;
        assert_near(whole.values.iter().sum::<f64>() + whole.sink + whole.virtual_sink, 1.0);
        Ok(())
    });
}

#[test]
fn rows_that_do_not_fit_together_are_seen_one_after_the_other() {
    check(|inspector, view| {
        for lens in LENSES {
            let question = TilesAsked { heads: vec![(1, 2)], ..asked(view, lens) };
            let found = tiles(inspector, view, &question)?;
            let limit = inspector.n_bytes_max;
            // Room for one row of any lens, and not for all.
            inspector.n_bytes_max = 30_000;
            let few: Tiles = tiles(inspector, view, &question)?;
            inspector.n_bytes_max = limit;
            assert_eq!(found.n_rows, few.n_rows);
            let both = |tiles: &Tiles| [&tiles.values[..], &tiles.heads[0].values].concat();
            both(&found).iter().zip(both(&few)).for_each(|(a, b)| assert_near(*a, b));
            assert_near(found.sink, few.sink);
        }
        Ok(())
    });
}

#[test]
fn spans_are_seen_alike_from_all_sides() {
    check(|inspector, view| {
        let (span, weight, nats) = looked(inspector, view, Lens::Weight)?;
        let tokens = 0..view.ids.len() - view.n_prompt;
        let heads = grid(inspector, view, (&tokens, &span))?;
        let mean = heads.iter().map(|head| head.weight).sum::<f64>() / heads.len() as f64;
        assert_near(mean, weight);
        let found = readers(inspector, view, &span)?;
        let mean = found.iter().map(|token| token.weight).sum::<f64>() / found.len() as f64;
        assert_near(mean, weight);
        let found = knock_out(inspector, view, (&tokens, &span))?;
        assert_near(found.nats_lost, nats.expect("a checked source"));
        let lost = found.tokens.iter().map(|token| token.logprob - token.without).sum();
        assert_near(found.nats_lost, lost);
        let pieces: String = found.tokens.iter().map(|token| token.piece.as_str()).collect();
        assert_eq!(pieces, "yes");
        Ok(())
    });
}

#[test]
fn the_strip_is_that_of_the_rows() {
    check(|inspector, view| {
        for (nth, token) in strip(inspector, view)?.iter().enumerate() {
            let config = inspector.model.config.clone();
            let heads = (0..config.n_layers)
                .flat_map(|layer| (0..config.n_heads).map(move |head| (layer, head)));
            let row = TilesAsked {
                tokens: nth..nth + 1,
                keys: Some(0..view.n_prompt + nth),
                heads: heads.collect(),
                ..asked(view, Lens::Weight)
            };
            let row = tiles(inspector, view, &row)?;
            let n = row.heads.len() as f64;
            let [mut entropy, mut context] = [0.0; 2];
            for head in &row.heads {
                let rest: f64 = head.values.iter().sum();
                let shares = head.values.iter().map(|weight| weight / rest);
                entropy -= shares.map(|w| if w > 0.0 { w * w.ln() } else { 0.0 }).sum::<f64>() / n;
                context += head.values[..view.n_prompt].iter().sum::<f64>() / rest / n;
            }
            assert!((token.entropy - entropy).abs() < 1e-3, "{} and {entropy}", token.entropy);
            assert!((token.context - context).abs() < 1e-4, "{} and {context}", token.context);
            assert_near(token.sink, row.sink);
        }
        Ok(())
    });
}

#[test]
fn what_does_not_exist_is_said() {
    let refused = |question: fn(&mut Inspector<'_>, &View) -> Result<(), InspectError>,
                   expected: &str| {
        check(|inspector, view| {
            let message = question(inspector, view).err().map(|error| error.to_string());
            assert!(message.as_deref().is_some_and(|m| m.contains(expected)), "{message:?}");
            Ok(())
        });
    };
    refused(
        |it, view| {
            tiles(it, view, &TilesAsked { tokens: 0..99, ..asked(view, LENSES[0]) }).map(drop)
        },
        "tokens 0 to 99 of the answer, which has 3",
    );
    refused(
        |it, view| {
            tiles(it, view, &TilesAsked { heads: vec![(0, 4)], ..asked(view, LENSES[0]) }).map(drop)
        },
        "head 4 of layer 0 in a model of 2 layers of 4 heads",
    );
    refused(
        |it, view| tiles(it, view, &TilesAsked { block: 0, ..asked(view, LENSES[0]) }).map(drop),
        "at least 1 token a block",
    );
    refused(
        |it, view| {
            tiles(it, view, &TilesAsked { keys: Some(5..9999), ..asked(view, LENSES[0]) }).map(drop)
        },
        "keys 5 to 9999",
    );
    refused(|it, view| grid(it, view, (&(0..1), &(3..3))).map(drop), "tokens 3 to 3 of the prompt");
    refused(|it, view| readers(it, view, &(0..9999)).map(drop), "tokens 0 to 9999 of the prompt");
    refused(
        |it, view| knock_out(it, view, (&(0..1), &(view.n_prompt - 1..view.n_prompt))).map(drop),
        "the prompt's last token alone",
    );
}
