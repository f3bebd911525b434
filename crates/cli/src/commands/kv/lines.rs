//! What was measured, as a table and as JSON.

use std::fmt::Write as _;

use engine::kv_compare::{AtDepth, Divergence, KvSetting, Measured, Needles, Passage};
use model::Arithmetic;
use model::kv::KvPolicy;
use serde::Serialize;

use crate::machine;

/// Characters of `q8_0/q4_0`.
const N_NAME: usize = 9;

/// What all lines have in common.
pub(super) struct Report<'a> {
    pub(super) model: &'a str,
    pub(super) passage: &'a Passage,
    pub(super) needles: &'a Needles,
    pub(super) arithmetic: Arithmetic,
    pub(super) n_threads: usize,
    pub(super) kernels: &'static str,
    /// Characters of the longest name of a setting.
    pub(super) n_name: usize,
}

#[derive(Serialize)]
pub(super) struct Line<'a> {
    model: &'a str,
    kv: String,
    k_type: &'static str,
    v_type: &'static str,
    policy: String,
    bytes_per_token: usize,
    exact: bool,
    /// Tokens decoded at each depth.
    n_decoded: usize,
    /// Over all depths together.
    #[serde(flatten)]
    divergence: DivergenceJson,
    needles_found: usize,
    depths: Vec<DepthJson>,
    needles: Vec<NeedleJson<'a>>,
    cpu: String,
    kernels: &'static str,
    threads: usize,
    commit: &'static str,
}

/// Nats.
#[derive(Serialize)]
struct DivergenceJson {
    kl_mean: f64,
    kl_p99: f64,
    kl_max: f64,
    same_top1: f64,
    nll_change: f64,
}

#[derive(Serialize)]
struct DepthJson {
    depth: usize,
    kv_bytes: usize,
    /// `null` at depth 0.
    prefill_tps: Option<f64>,
    decode_tps: f64,
    #[serde(flatten)]
    divergence: DivergenceJson,
}

#[derive(Serialize)]
struct NeedleJson<'a> {
    pos: usize,
    number: u32,
    answer: &'a str,
    found: bool,
}

impl Report<'_> {
    pub(super) fn json<'a>(&'a self, measured: &'a Measured) -> Line<'a> {
        let KvSetting { k_type, v_type, policy } = measured.setting;
        let round = |x: f64| (x * 100.0).round() / 100.0;
        let depths = measured.depths.iter().map(|at| DepthJson {
            depth: at.depth,
            kv_bytes: at.kv_bytes,
            prefill_tps: at.speed.prefill.map(round),
            decode_tps: round(at.speed.decode),
            divergence: at.divergence.into(),
        });
        let needles = measured.answers.iter().map(|answer| NeedleJson {
            pos: answer.pos,
            number: answer.number,
            answer: &answer.text,
            found: answer.is_found,
        });
        Line {
            model: self.model,
            kv: measured.setting.to_string(),
            k_type: k_type.name(),
            v_type: v_type.name(),
            policy: policy.to_string(),
            bytes_per_token: measured.position_bytes,
            exact: self.arithmetic == Arithmetic::Exact,
            n_decoded: self.passage.n_decoded(),
            divergence: measured.divergence.into(),
            needles_found: n_found(measured),
            depths: depths.collect(),
            needles: needles.collect(),
            cpu: machine::cpu_name(),
            kernels: self.kernels,
            threads: self.n_threads,
            commit: env!("LOOKBACK_COMMIT"),
        }
    }

    /// What is above the rows.
    pub(super) fn head(&self) -> String {
        let Self { model, n_threads, .. } = self;
        let n_name = self.n_name.max(N_NAME);
        let (n_decoded, n_needles) = (self.passage.n_decoded(), self.needles.n_needles());
        let note = match self.arithmetic {
            Arithmetic::Exact => "",
            Arithmetic::Int8 => {
                "int8 activations round anew after the smallest change: --exact shows the cache \
                 alone\n"
            }
        };
        format!(
            "{model}, {n_threads} threads: {n_decoded} tokens decoded at each depth beside an f32 \
             cache, {n_needles} needles\n{note}\n\
             {:<n_name$} {:>7} {:>6} {:>8} {:>7}  {:<25}  {:>6} {:>7} {:>7}\n\
             {:<n_name$} {:>7} {:>6} {:>8} {:>7}  {:>7} {:>8} {:>8}  {:>6} {:>7} {:>7}",
            "",
            "bytes",
            "",
            "tokens a",
            "second",
            "KL divergence, nats",
            "same",
            "NLL",
            "needles",
            "kv",
            "a token",
            "depth",
            "prefill",
            "decode",
            "mean",
            "99%",
            "max",
            "top-1",
            "change",
            "found",
        )
    }

    /// A line a depth.
    pub(super) fn rows(&self, measured: &Measured) -> String {
        let mut rows = String::new();
        let n_name = self.n_name.max(N_NAME);
        for (i, at) in measured.depths.iter().enumerate() {
            let name = if i == 0 { measured.setting.to_string() } else { String::new() };
            let bytes = match measured.setting.policy {
                KvPolicy::KeepAll if i > 0 => String::new(),
                KvPolicy::KeepAll => measured.position_bytes.to_string(),
                // It changes with the length of the text.
                _ => format!("{:.0}", at.bytes_a_token()),
            };
            // Needles lie before the largest depth.
            let is_last = i + 1 == measured.depths.len();
            let needles = match measured.answers.len() {
                n @ 1.. if is_last => format!("{}/{n}", n_found(measured)),
                _ => String::new(),
            };
            let row = format!("{name:<n_name$} {bytes:>7} {} {needles:>7}", columns(at));
            writeln!(rows, "{}", row.trim_end()).expect("a string takes all");
        }
        rows
    }
}

fn columns(at: &AtDepth) -> String {
    let Divergence { kl_mean, kl_p99, kl_max, same_top1, nll_change } = at.divergence;
    let prefill = at.speed.prefill.map(|tps| format!("{tps:.0}")).unwrap_or_default();
    format!(
        "{:>6} {prefill:>8} {:>7.1}  {:>7} {:>8} {:>8}  {:>5.1}% {:>7}",
        at.depth,
        at.speed.decode,
        small(kl_mean),
        small(kl_p99),
        small(kl_max),
        100.0 * same_top1,
        change(nll_change),
    )
}

/// Two digits, and plain numbers where they are short.
fn small(x: f64) -> String {
    match x {
        0.0 => "0".into(),
        0.001..100.0 => format!("{x:.4}"),
        x => format!("{x:.1e}"),
    }
}

fn change(x: f64) -> String {
    if x == 0.0 { "0".into() } else { format!("{x:+.4}") }
}

fn n_found(measured: &Measured) -> usize {
    measured.answers.iter().filter(|answer| answer.is_found).count()
}

impl From<Divergence> for DivergenceJson {
    fn from(divergence: Divergence) -> Self {
        let Divergence { kl_mean, kl_p99, kl_max, same_top1, nll_change } = divergence;
        Self { kl_mean, kl_p99, kl_max, same_top1, nll_change }
    }
}
