//! `lookback bench`: speed of prompt and decoding at depth, against this machine's bandwidth.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, bail};
use engine::{ModelRunner, Runner, RunnerOptions};
use kernels::KEY_BLOCK;
use model::batch::LogitRows;
use model::{Batch, SequenceId, WorkspaceSize, cost};
use serde::Serialize;

use crate::args::BenchArgs;
use crate::interrupt::{EXIT_INTERRUPTED, Interrupt};
use crate::kv_arg::KvArg;
use crate::open::{self, CacheOf, N_TOKENS_MAX, Opened, Show};
use crate::{machine, output};

#[derive(Serialize)]
struct Line {
    /// `pp512@d4096`: 512 prompt tokens after 4096; `tg64@d0`: 64 tokens one by one; `tg64x4@d0`:
    /// the same in four sequences together.
    test: String,
    kv: String,
    /// Median of `runs`, tokens a second.
    tps: f64,
    runs: Vec<f64>,
    /// Bytes of weights and cache read a second, where each token reads all of them.
    gbps: Option<f64>,
    /// Of the read bandwidth measured just before.
    bandwidth_share: Option<f64>,
    peak_rss_bytes: Option<u64>,
    load_ms: f64,
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
    if args.parallel.contains(&0) {
        bail!(crate::Usage("--parallel 0: at least one sequence is needed".into()));
    }
    let interrupt = Interrupt::install()?;
    let show = if args.output.json { Show::Nothing } else { Show::Progress };
    let opened = open::open(&args.model, open::arithmetic(&args.runtime), show, &interrupt)?;
    open::check_one_text(&opened.loaded.model, &args.model.model)?;
    let n_threads = machine::n_threads(args.runtime.threads)?;
    let kernels = machine::kernels()?;
    let bandwidth = read_bandwidth(n_threads);
    let granted = Granted { n_threads, kernels, bandwidth };
    if !args.output.json {
        let (cpu, gbps) = (machine::cpu_name(), bandwidth / 1e9);
        output::line(format_args!("{cpu}, {n_threads} threads, reads {gbps:.1} GB/s"))?;
    }
    let default_kv = [args.runtime.default_kv()];
    let kv_types = if args.kv.is_empty() { &default_kv[..] } else { &args.kv };
    for kv in kv_types {
        // The peak is that of the runs with this cache, not of what was measured before.
        machine::reset_peak_rss();
        let mut bench = Bench::new(args, &opened, kv, granted)?;
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

/// What the machine gives to every test.
#[derive(Clone, Copy)]
struct Granted {
    n_threads: usize,
    kernels: &'static kernels::Kernels,
    /// Bytes a second.
    bandwidth: f64,
}

struct Bench<'a> {
    opened: &'a Opened,
    runner: ModelRunner,
    batch: Batch,
    kv: &'a KvArg,
    granted: Granted,
    /// State of a small generator of token ids.
    seed: u64,
}

impl<'a> Bench<'a> {
    fn new(args: &BenchArgs, opened: &'a Opened, kv: &'a KvArg, granted: Granted) -> Result<Self> {
        let n_ctx = args.d.iter().max().unwrap_or(&0).saturating_add(args.p.max(args.n));
        let n_ctx = n_ctx.saturating_add(1);
        let n_parallel = args.parallel.iter().copied().max().unwrap_or(1);
        // Sequences that decode together share what is before them, and copy its last block.
        let n_beyond = args.p.max(args.n).saturating_add(2 * KEY_BLOCK);
        let n_positions = n_ctx.saturating_add(n_beyond.saturating_mul(n_parallel));
        let kv_shape = kv.shape(&opened.loaded.model.config)?;
        open::check_positions(&opened.loaded.model, n_ctx)?;
        open::check_cache_fits(CacheOf { kv, shape: &kv_shape }, n_positions)?;
        let options = RunnerOptions {
            kv_shape,
            kv_bytes_max: usize::MAX,
            n_threads: granted.n_threads,
            size: WorkspaceSize {
                n_ctx,
                n_tokens_max: N_TOKENS_MAX.max(n_parallel),
                n_logit_rows_max: n_parallel,
            },
            kernels: granted.kernels,
        };
        let runner = ModelRunner::new(Arc::clone(&opened.loaded.model), &options);
        Ok(Self { opened, runner, batch: Batch::default(), kv, granted, seed: 1 })
    }

    /// The tests at one depth; fewer when Ctrl-C came.
    fn at_depth(&mut self, args: &BenchArgs, depth: usize, interrupt: &Interrupt) -> Vec<Line> {
        let before = self.runner.kv_mut().admit();
        self.feed(before, depth);
        self.decode(before, 1, 1); // wakes the threads
        let mut prompt = Vec::new();
        let mut decode = vec![Vec::new(); args.parallel.len()];
        for _ in 0..args.r {
            if interrupt.is_requested() {
                self.runner.kv_mut().release(before);
                return Vec::new();
            }
            if args.p > 0 {
                let id = self.runner.kv_mut().fork(before, depth);
                prompt.push(tokens_per_second(args.p, || self.feed(id, args.p)));
                self.runner.kv_mut().release(id);
            }
            for (speeds, &n_parallel) in decode.iter_mut().zip(&args.parallel) {
                speeds.push(self.decode(before, n_parallel, args.n));
            }
        }
        self.runner.kv_mut().release(before);
        let mut lines = Vec::new();
        if args.p > 0 {
            lines.push(self.line(format!("pp{}@d{depth}", args.p), prompt, None));
        }
        if args.n == 0 {
            return lines;
        }
        for (speeds, &n_parallel) in decode.into_iter().zip(&args.parallel) {
            let times = if n_parallel == 1 { String::new() } else { format!("x{n_parallel}") };
            let read = self.bytes_per_token(depth + args.n / 2, n_parallel);
            lines.push(self.line(format!("tg{}{times}@d{depth}", args.n), speeds, Some(read)));
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
            kv: self.kv.to_string(),
            tps: round(tps),
            runs: runs.into_iter().map(round).collect(),
            gbps: rate.map(|rate| round(rate / 1e9)),
            bandwidth_share: rate.map(|rate| round(rate / self.granted.bandwidth)),
            peak_rss_bytes: machine::peak_rss_bytes(),
            load_ms: round(self.opened.load_ms),
            cpu: machine::cpu_name(),
            kernels: self.granted.kernels.name,
            threads: self.granted.n_threads,
            commit: env!("LOOKBACK_COMMIT"),
        }
    }

    /// The weights, without the embedding rows that are not looked up, once for all sequences, and
    /// each one's cache.
    fn bytes_per_token(&self, depth: usize, n_parallel: usize) -> f64 {
        let model = &self.opened.loaded.model;
        let weight_bytes: usize = cost::weight_bytes_read(model).iter().map(|row| row.1).sum();
        let kv_bytes = cost::kv_bytes_read(&model.config, self.runner.kv().shape(), depth);
        weight_bytes as f64 / n_parallel as f64 + kv_bytes as f64
    }

    /// Appends `n` tokens to a sequence.
    fn feed(&mut self, id: SequenceId, n: usize) {
        let first = self.runner.kv().n_keys(id);
        for start in (first..first + n).step_by(N_TOKENS_MAX) {
            let end = (start + N_TOKENS_MAX).min(first + n);
            let logit_rows = if end == first + n { LogitRows::Last } else { LogitRows::None };
            let tokens: Vec<u32> = (start..end).map(|_| self.random_token()).collect();
            self.batch.clear();
            self.push(id, &tokens, logit_rows);
            self.step();
        }
    }

    /// Speed of `n_parallel` sequences that go on from `before` together, `n` tokens each.
    fn decode(&mut self, before: SequenceId, n_parallel: usize, n: usize) -> f64 {
        let depth = self.runner.kv().n_keys(before);
        let kv = self.runner.kv_mut();
        let ids: Vec<_> = (0..n_parallel).map(|_| kv.fork(before, depth)).collect();
        let speed = tokens_per_second(n * n_parallel, || {
            for _ in 0..n {
                self.batch.clear();
                for &id in &ids {
                    let token = self.random_token();
                    self.push(id, &[token], LogitRows::Last);
                }
                self.step();
            }
        });
        ids.iter().for_each(|&id| self.runner.kv_mut().release(id));
        speed
    }

    fn push(&mut self, id: SequenceId, tokens: &[u32], logit_rows: LogitRows) {
        let first = self.runner.kv().n_keys(id);
        let room = self.runner.kv_mut().reserve(id, first + tokens.len());
        room.expect("the cache of a benchmark has no bound");
        self.batch.push(id, tokens, first as u32, logit_rows);
    }

    fn step(&mut self) {
        self.runner.forward(&self.batch);
        let n_rows = self.batch.logit_rows.len();
        std::hint::black_box(self.runner.logits(0..n_rows));
    }

    /// Knuth's MMIX generator: any spread of ids will do.
    fn random_token(&mut self) -> u32 {
        self.seed = self.seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.seed >> 33) % self.opened.loaded.model.config.n_vocab as u64) as u32
    }
}

fn tokens_per_second(n_tokens: usize, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    n_tokens as f64 / start.elapsed().as_secs_f64()
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
