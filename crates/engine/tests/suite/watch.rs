//! Watching a request's attention, and hiding keys from it.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

use engine::{Error, FinishReason, LogprobsWanted, Request, Watch, Watcher};
use model::kv::Hidden;
use model::probe::{LayerAt, RowWeights, Statistics};

use crate::outcome::{run, run_all};
use crate::tiny::{N_CTX, SIZE, Size, engine, models, request, text};

/// Keeps all rows from one on.
struct Rows {
    first_pos: usize,
    /// Position, layer, and the bits of all heads' weights.
    rows: Vec<(u32, usize, Vec<u32>)>,
    n_statistics: usize,
    n_restarts: usize,
}

impl Rows {
    fn from(first_pos: usize) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self { first_pos, rows: Vec::new(), n_statistics: 0, n_restarts: 0 }))
    }
}

impl Watcher for Rows {
    fn first_pos(&self) -> usize {
        self.first_pos
    }

    fn restart(&mut self) {
        self.rows.clear();
        self.n_statistics = 0;
        self.n_restarts += 1;
    }

    fn wants_statistics(&self, layer: LayerAt) -> bool {
        layer.layer_idx == 1
    }

    fn wants_weights(&self, _layer: LayerAt, query_pos: u32) -> bool {
        query_pos as usize >= self.first_pos
    }

    fn statistics(
        &mut self,
        _: LayerAt,
        rows: Range<usize>,
        first_pos: u32,
        found: &Statistics<'_>,
    ) {
        let own = found.bands().iter().filter(|band| rows.contains(&band.start));
        for band in own {
            assert!(band.end <= rows.end, "a band is of one text");
            let block = |row: usize| (first_pos as usize + row - rows.start) / 64;
            assert_eq!(block(band.start), block(band.end - 1), "and of one block");
            self.n_statistics += band.len();
        }
    }

    fn weights(&mut self, layer: LayerAt, query_pos: u32, found: &mut RowWeights<'_>) {
        assert_eq!(found.key_positions[query_pos as usize], query_pos);
        let n_seen = query_pos as usize + 1;
        let n_heads = found.log_sum_exp.len();
        let bits = (0..n_heads).flat_map(|head| found.of_head(head)[..n_seen].to_vec());
        let sums: Vec<f32> = (0..n_heads).map(|head| found.of_head(head).iter().sum()).collect();
        assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-5));
        self.rows.push((query_pos, layer.layer_idx, bits.map(f32::to_bits).collect()));
    }
}

/// By position, then by layer: a step computes some rows layer by layer.
fn sorted(rows: &Arc<Mutex<Rows>>) -> MutexGuard<'_, Rows> {
    let mut rows = rows.lock().expect("nobody panicked");
    rows.rows.sort();
    rows
}

fn watched(request: &Request, rows: &Arc<Mutex<Rows>>) -> Request {
    Request { watch: Some(Watch::new(Arc::clone(rows) as _)), ..request.clone() }
}

#[test]
fn who_watches_sees_each_row_once_and_changes_nothing() {
    for loaded in models() {
        let plain = request(1, 100, 30);
        let expected = run(&mut engine(&loaded, SIZE), &plain);
        let alone = Rows::from(90);
        let found = run(&mut engine(&loaded, SIZE), &watched(&plain, &alone));
        assert_eq!(found.answer, expected.answer);
        let alone = sorted(&alone);
        let n_layers = loaded.model.config.n_layers;
        let n_rows = 100 + found.answer.ids.len() - 1 - 90;
        assert_eq!(alone.rows.len(), n_rows * n_layers);
        assert_eq!(alone.n_statistics, n_rows + 90);
        assert!(alone.rows.is_sorted_by(|a, b| a < b), "each once");

        // From a cache, in small steps, beside others, and with room for less than all of them.
        let mut warm = engine(&loaded, Size { n_tokens_max: 7, n_positions_max: 320, ..SIZE });
        run(&mut warm, &request(1, 60, 0));
        let rows = Rows::from(90);
        let others = [request(2, 110, 40), watched(&plain, &rows), request(3, 90, 60)];
        let found = run_all(&mut warm, &others);
        assert_eq!(found[1].answer, expected.answer);
        assert!(sorted(&rows).rows == alone.rows, "the same bits");
    }
}

#[test]
fn rows_of_one_token_come_from_one_step() {
    for loaded in models() {
        let mut warm = engine(&loaded, SIZE);
        let all = Rows::from(0);
        run(&mut warm, &watched(&request(1, 100, 0), &all));
        let all = sorted(&all);
        for pos in [0, 17, 64, 99] {
            let one = Rows::from(pos);
            let prompt = text(1, 100)[..=pos].to_vec();
            let probe = Request { prompt, ..watched(&request(1, 0, 0), &one) };
            let outcome = run(&mut warm, &probe);
            assert_eq!(outcome.answer.end, Some(Ok(FinishReason::Length)));
            let is_windowed = loaded.model.config.window < N_CTX as u32;
            let n_reused = outcome.usage.reuse.n_reused;
            assert!(n_reused == pos || is_windowed && n_reused < pos, "{n_reused} of {pos}");
            let one = sorted(&one);
            let expected = all.rows.iter().filter(|row| row.0 as usize == pos);
            assert!(one.rows.iter().eq(expected), "row {pos}");
        }
    }
}

fn scored(prompt: &[u32], from: usize, hidden: Option<Hidden>) -> Request {
    let logprobs = LogprobsWanted { n_top: 2, of_prompt: Some(from) };
    Request { prompt: prompt.to_vec(), logprobs, hidden, ..request(1, 0, 0) }
}

#[test]
fn log_probabilities_from_a_token_on_leave_the_rest_cached() {
    for loaded in models() {
        let prompt = text(5, 120);
        let whole = run(&mut engine(&loaded, SIZE), &scored(&prompt, 1, None)).answer.prompt;
        let mut warm = engine(&loaded, SIZE);
        for n_reused in [0, 99] {
            let outcome = run(&mut warm, &scored(&prompt, 100, None));
            assert_eq!(outcome.answer.first_of_prompt, Some(100));
            assert_eq!(outcome.answer.prompt, whole[99..]);
            let is_windowed = loaded.model.config.window < N_CTX as u32;
            assert!(outcome.usage.reuse.n_reused == n_reused || is_windowed);
        }
    }
}

/// The answer without some keys is that of a model that cannot see them, and nobody else finds
/// what was computed without them.
#[test]
fn hidden_keys_have_no_influence_from_their_token_on() {
    for loaded in models() {
        let (prompt, from) = (text(6, 120), 100);
        let mut other = prompt.clone();
        other[30..40].copy_from_slice(&text(7, 10));
        let hidden = |from: u32| Some(Hidden { keys: 30..40, from });
        let mut warm = engine(&loaded, SIZE);
        let plain = run(&mut warm, &scored(&prompt, from, None)).answer.prompt;
        let partly = run(&mut warm, &scored(&prompt, from, hidden(from as u32))).answer.prompt;
        assert_ne!(plain, partly);
        let cold = run(&mut engine(&loaded, SIZE), &scored(&prompt, from, hidden(from as u32)));
        assert_eq!(partly, cold.answer.prompt, "whatever is cached");
        assert_eq!(plain, run(&mut warm, &scored(&prompt, from, None)).answer.prompt);
        // From their end on, it does not matter which tokens they were.
        let [one, two] = [&prompt, &other].map(|prompt| {
            run(&mut engine(&loaded, SIZE), &scored(prompt, from, hidden(40))).answer.prompt
        });
        assert_eq!(one, two);
        assert_ne!(one, partly);
    }
}

#[test]
fn what_cannot_be_hidden_is_refused() {
    let [loaded, ..] = models();
    let mut engine = engine(&loaded, SIZE);
    let prompt = text(8, 50);
    for (keys, from) in [(5..5, 10), (5..11, 10), (5..10, 50)] {
        let hidden = Hidden { keys: keys.clone(), from };
        let found = engine.submit(scored(&prompt, 20, Some(hidden)));
        let Range { start, end } = keys;
        assert_eq!(found, Err(Error::Hidden { start, end, from, n_prompt: 50 }));
    }
    let policy = model::kv::KvPolicy::SinksAndWindow { n_sinks: 4, window: 30 };
    let hidden = Some(Hidden { keys: 1..2, from: 10 });
    let logprobs = LogprobsWanted::default();
    let forgetful = Request { kv_policy: policy, logprobs, ..scored(&prompt, 20, hidden) };
    assert_eq!(engine.submit(forgetful), Err(Error::HiddenOfPart));
}
