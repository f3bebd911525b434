//! `lookback bench`: speed of prompt and decoding at depth, against this machine's bandwidth.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, bail};
use engine::{Loaded, ModelRunner, Runner, RunnerOptions};
use model::batch::LogitRows;
use model::kv::KvShape;
use model::{Batch, SequenceId, WorkspaceSize};
use serde::Serialize;

use crate::args::{BenchArgs, KvArg};
use crate::interrupt::{EXIT_INTERRUPTED, Interrupt};
use crate::open::{self, N_TOKENS_MAX, Show};
use crate::{machine, output};

#[derive(Serialize)]
struct Line {
    /// `pp512@d4096`: 512 prompt tokens after 4096; `tg64@d0`: 64 tokens one by one.
    test: String,
    kv: &'static str,
    /// Median of `runs`, tokens a second.
    tps: f64,
    runs: Vec<f64>,
    /// Bytes of weights and cache read a second, where each token reads all of them.
    gbps: Option<f64>,
    /// Of the read bandwidth measured just before.
    bandwidth_share: Option<f64>,
    peak_rss_bytes: Option<u64>,
    cpu: String,
    kernels: &'static str,
    threads: usize,
    commit: &'static str,
}

pub(crate) fn bench(args: &BenchArgs) -> Result<ExitCode> {
    if args.r == 0 {
        bail!(crate::Usage("-r 0: at least one repetition is needed".into()));
    }
    if args.p == 0 && args.n == 0 {
        bail!(crate::Usage("-p 0 -n 0: at least one of them must be more than 0".into()));
    }
    let interrupt = Interrupt::install()?;
    let show = if args.output.json { Show::Nothing } else { Show::Progress };
    let opened = open::open(&args.model, open::arithmetic(&args.runtime), show, &interrupt)?;
    let n_threads = machine::n_threads(args.runtime.threads)?;
    let bandwidth = read_bandwidth(n_threads);
    if !args.output.json {
        let (cpu, gbps) = (machine::cpu_name(), bandwidth / 1e9);
        output::line(format_args!("{cpu}, {n_threads} threads, reads {gbps:.1} GB/s"))?;
    }
    let default_kv = [args.runtime.default_kv()];
    let kv_types = if args.kv.is_empty() { &default_kv[..] } else { &args.kv };
    for &kv in kv_types {
        // The peak is that of the runs with this cache, not of what was measured before.
        machine::reset_peak_rss();
        let mut bench = Bench::new(args, &opened.loaded, kv, n_threads, bandwidth)?;
        for &depth in &args.d {
            for line in bench.at_depth(args, depth, &interrupt) {
                print_line(&line, args.output.json)?;
            }
            if interrupt.is_requested() {
                return Ok(ExitCode::from(EXIT_INTERRUPTED));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print_line(line: &Line, json: bool) -> Result<()> {
    if json {
        return output::json(line);
    }
    let share = line
        .gbps
        .zip(line.bandwidth_share)
        .map(|(gbps, share)| format!("{gbps:6.1} GB/s  {:3.0}%", share * 100.0))
        .unwrap_or_default();
    output::line(format_args!("{:<14} {:<5} {:8.1} t/s  {share}", line.test, line.kv, line.tps))
}

struct Bench<'a> {
    loaded: &'a Loaded,
    runner: ModelRunner,
    id: SequenceId,
    batch: Batch,
    kv: KvArg,
    kernels: &'static kernels::Kernels,
    n_threads: usize,
    bandwidth: f64,
    /// State of a small generator of token ids.
    seed: u64,
}

impl<'a> Bench<'a> {
    fn new(
        args: &BenchArgs,
        loaded: &'a Loaded,
        kv: KvArg,
        n_threads: usize,
        bandwidth: f64,
    ) -> Result<Self> {
        let n_ctx = args.d.iter().max().unwrap_or(&0).saturating_add(args.p.max(args.n));
        let n_ctx = n_ctx.saturating_add(1);
        open::check_cache_fits(loaded, kv.kv_type(), n_ctx)?;
        let kernels = machine::kernels()?;
        let options = RunnerOptions {
            n_ctx,
            n_positions_max: n_ctx,
            k_type: kv.kv_type(),
            v_type: kv.kv_type(),
            n_threads,
            size: WorkspaceSize { n_tokens_max: N_TOKENS_MAX, n_logit_rows_max: 1 },
            kernels,
        };
        let mut runner = ModelRunner::new(Arc::clone(&loaded.model), &options);
        let id = runner.admit(n_ctx)?;
        let batch = Batch::default();
        Ok(Self { loaded, runner, id, batch, kv, kernels, n_threads, bandwidth, seed: 1 })
    }

    /// The tests at one depth; fewer when Ctrl-C came.
    fn at_depth(&mut self, args: &BenchArgs, depth: usize, interrupt: &Interrupt) -> Vec<Line> {
        self.runner.truncate(self.id, 0);
        self.feed(0, depth);
        self.feed_one(depth); // wakes the threads
        let (mut prompt, mut decode) = (Vec::new(), Vec::new());
        for _ in 0..args.r {
            if interrupt.is_requested() {
                return Vec::new();
            }
            self.runner.truncate(self.id, depth);
            if args.p > 0 {
                let start = Instant::now();
                self.feed(depth, args.p);
                prompt.push(args.p as f64 / start.elapsed().as_secs_f64());
                self.runner.truncate(self.id, depth);
            }
            if args.n > 0 {
                let start = Instant::now();
                (0..args.n).for_each(|i| self.feed_one(depth + i));
                decode.push(args.n as f64 / start.elapsed().as_secs_f64());
            }
        }
        let mut lines = Vec::new();
        if args.p > 0 {
            lines.push(self.line(format!("pp{}@d{depth}", args.p), prompt, None));
        }
        if args.n > 0 {
            let n_keys = depth + args.n / 2;
            let read = self.bytes_per_token(n_keys);
            lines.push(self.line(format!("tg{}@d{depth}", args.n), decode, Some(read)));
        }
        lines
    }

    fn line(&self, test: String, runs: Vec<f64>, bytes_per_token: Option<f64>) -> Line {
        let mut sorted = runs.clone();
        sorted.sort_by(f64::total_cmp);
        let tps = sorted[sorted.len() / 2];
        let round = |x: f64| (x * 100.0).round() / 100.0;
        let rate = bytes_per_token.map(|bytes| bytes * tps);
        Line {
            test,
            kv: self.kv.kv_type().name(),
            tps: round(tps),
            runs: runs.into_iter().map(round).collect(),
            gbps: rate.map(|rate| round(rate / 1e9)),
            bandwidth_share: rate.map(|rate| round(rate / self.bandwidth)),
            peak_rss_bytes: machine::peak_rss_bytes(),
            cpu: machine::cpu_name(),
            kernels: self.kernels.name,
            threads: self.n_threads,
            commit: env!("LOOKBACK_COMMIT"),
        }
    }

    /// Weights, without the embedding rows that are not looked up, and the cache.
    fn bytes_per_token(&self, n_keys: usize) -> f64 {
        let model = &self.loaded.model;
        let n_bytes: usize = model.matrices().map(|matrix| matrix.n_bytes()).sum();
        let embedding = model.output.as_ref().map_or(0, |_| model.token_embd.n_bytes());
        let c = &model.config;
        let kv_type = self.kv.kv_type();
        let layer_bytes = KvShape::of(c, kv_type, kv_type).position_bytes() / c.n_layers;
        let n_seen: usize = (0..c.n_layers)
            .map(|layer_idx| c.pattern(layer_idx).key_range(n_keys as u32).len().min(n_keys))
            .sum();
        (n_bytes - embedding + n_seen * layer_bytes) as f64
    }

    fn feed(&mut self, first: usize, n: usize) {
        for start in (first..first + n).step_by(N_TOKENS_MAX) {
            let end = (start + N_TOKENS_MAX).min(first + n);
            let logit_rows = if end == first + n { LogitRows::Last } else { LogitRows::None };
            let ids: Vec<u32> = (start..end).map(|_| self.random_id()).collect();
            self.step(&ids, start, logit_rows);
        }
    }

    fn feed_one(&mut self, pos: usize) {
        let id = self.random_id();
        self.step(&[id], pos, LogitRows::Last);
    }

    fn step(&mut self, ids: &[u32], first_pos: usize, logit_rows: LogitRows) {
        self.batch.clear();
        self.batch.push(self.id, ids, first_pos as u32, logit_rows);
        self.runner.forward(&self.batch);
        let n_rows = self.batch.logit_rows.len();
        std::hint::black_box(self.runner.logits(0..n_rows));
    }

    /// Knuth's MMIX generator: any spread of ids will do.
    fn random_id(&mut self) -> u32 {
        self.seed = self.seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.seed >> 33) % self.loaded.model.config.n_vocab as u64) as u32
    }
}

/// Bytes a second that `n_threads` read from memory together: the best of a few passes over a
/// buffer that no cache holds.
fn read_bandwidth(n_threads: usize) -> f64 {
    const N_BYTES: usize = 256 << 20;
    let buffer = vec![1u64; N_BYTES / 8];
    let part = buffer.len().div_ceil(n_threads);
    let pass = || {
        let start = Instant::now();
        std::thread::scope(|scope| {
            for part in buffer.chunks(part) {
                scope.spawn(move || std::hint::black_box(sum(part)));
            }
        });
        N_BYTES as f64 / start.elapsed().as_secs_f64()
    };
    (0..5).map(|_| pass()).fold(0.0, f64::max)
}

/// Eight independent sums, so that loads are not held up by additions.
fn sum(words: &[u64]) -> u64 {
    let mut sums = [0u64; 8];
    for words in words.as_chunks::<8>().0 {
        for (sum, word) in sums.iter_mut().zip(words) {
            *sum = sum.wrapping_add(*word);
        }
    }
    sums.iter().fold(0, |a, b| a.wrapping_add(*b))
}
