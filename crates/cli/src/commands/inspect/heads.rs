//! `lookback inspect heads`: what each head of a model does.

use anyhow::Result;
use inspect::profile::Profile;
use inspect::questions::heads::{CAVEAT, HeadRoles};
use serde::Serialize;

use super::profiles;
use super::session::Session;
use crate::inspect_args::HeadsArgs;
use crate::output;

#[derive(Serialize)]
struct HeadsJson<'a> {
    #[serde(flatten)]
    profile: &'a Profile,
    caveat: &'static str,
}

/// A list for people.
struct List {
    title: &'static str,
    of: fn(&HeadRoles) -> Option<f64>,
    even: Option<f64>,
    n: String,
}

pub(super) fn heads(args: &HeadsArgs) -> Result<()> {
    let session = Session::open(&args.session)?;
    let template = session.loaded.compile_template()?;
    let profile = profiles::profile(&session, template.as_ref(), &args.profile)?;
    if let Some(path) = &args.out {
        profile.write(path)?;
    }
    if session.is_json() {
        return output::json(&HeadsJson { profile: &profile, caveat: CAVEAT });
    }
    for list in lists(&profile) {
        show(&list, &profile.roles.heads, args.top)?;
    }
    show_instruction(&profile, args.top)?;
    output::note(format_args!("note: {CAVEAT}"));
    Ok(())
}

fn lists(profile: &Profile) -> [List; 4] {
    let (even, counts) = (profile.roles.even, profile.roles.counts);
    [
        List {
            title: "previous: the weight of the token before",
            of: |head| Some(head.previous),
            even: Some(even.previous),
            n: format!("{} rows", counts.n_previous),
        },
        List {
            title: "duplicate: of the same token in the first copy of a repeated text",
            of: |head| Some(head.duplicate),
            even: Some(even.duplicate),
            n: format!("{} rows", counts.n_repeated),
        },
        List {
            title: "induction: of the token that followed it there",
            of: |head| Some(head.induction),
            even: Some(even.duplicate),
            n: format!("{} rows", counts.n_repeated),
        },
        List {
            title: "retrieval: how often the heaviest key is the token of the needle that is \
                    written",
            of: |head| head.retrieval,
            even: even.retrieval,
            n: format!(
                "{} tokens of {} answers, of {} asked for",
                counts.n_retrieval, counts.n_found, counts.n_needles
            ),
        },
    ]
}

fn show(list: &List, heads: &[HeadRoles], top: usize) -> Result<()> {
    output::line(list.title)?;
    let mut known: Vec<_> =
        heads.iter().filter_map(|head| (list.of)(head).map(|value| (value, head))).collect();
    known.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (value, head) in known.iter().take(top) {
        output::line(format_args!(
            "  layer {:>3}  head {:>3}  {value:.3}",
            head.layer_idx, head.head_idx
        ))?;
    }
    match list.even {
        Some(even) => output::line(format_args!("  all keys alike       {even:.3}"))?,
        None => output::line("  the model wrote none of the answers")?,
    }
    output::line(format_args!("  n = {}\n", list.n))
}

fn show_instruction(profile: &Profile, top: usize) -> Result<()> {
    output::line(
        "instruction: what the prompt's last token gives it, and what is left under attack",
    )?;
    let mut heads: Vec<&HeadRoles> = profile.roles.heads.iter().collect();
    heads.sort_by(|a, b| b.separation.total_cmp(&a.separation));
    for head in heads.iter().take(top) {
        output::line(format_args!(
            "  layer {:>3}  head {:>3}  {:.3} to {:.3}, {:.2} deviations apart",
            head.layer_idx,
            head.head_idx,
            head.instruction,
            head.instruction_attacked,
            head.separation
        ))?;
    }
    let even = profile.roles.even;
    output::line(format_args!(
        "  all keys alike       {:.3} to {:.3}",
        even.instruction, even.instruction_attacked
    ))?;
    let n = profile.roles.counts.n_injections;
    output::line(format_args!("  n = {n} documents, and {n} with an attack"))
}
