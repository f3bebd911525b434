//! `lookback inspect heads`: what each head of a model does.

use anyhow::Result;
use inspect::plot::{HeatMap, Scale};
use inspect::profile::Profile;
use inspect::questions::heads::{CAVEAT, HeadLabel, HeadRoles};
use serde::Serialize;

use super::files::Pictures;
use super::profiles;
use super::session::Session;
use crate::inspect_args::{HeadsArgs, RoleArg};
use crate::output;

#[derive(Serialize)]
struct HeadsJson<'a> {
    #[serde(flatten)]
    profile: &'a Profile,
    labels: Vec<HeadLabel>,
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
    let pictures = Pictures::at(&args.pictures)?;
    let session = Session::open(&args.session)?;
    let template = session.loaded.compile_template()?;
    let profile = profiles::profile(&session, template.as_ref(), &args.profile)?;
    if let Some(path) = &args.out {
        profile.write(path)?;
    }
    pictures.write(|| Ok(map(session.name(), &profile, args.show).draw()?))?;
    if session.is_json() {
        let labels = profile.labels();
        return output::json(&HeadsJson { profile: &profile, labels, caveat: CAVEAT });
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

/// One role of all heads.
fn map(model: &str, profile: &Profile, role: RoleArg) -> HeatMap {
    let (name, value_name, of): (_, _, fn(&HeadRoles) -> Option<f64>) = match role {
        RoleArg::Previous => ("the token before", "weight", |head| Some(head.previous)),
        RoleArg::Duplicate => ("the same token earlier", "weight", |head| Some(head.duplicate)),
        RoleArg::Induction => {
            ("what followed the same token", "weight", |head| Some(head.induction))
        }
        RoleArg::Retrieval => ("what is being copied", "share", |head| head.retrieval),
        RoleArg::Instruction => ("the instruction", "weight", |head| Some(head.instruction)),
    };
    let heads = &profile.roles.heads;
    let n_layers = heads.last().map_or(0, |head| head.layer_idx + 1);
    let n_heads = heads.len() / n_layers.max(1);
    let labels = |n: usize| (0..n).map(|idx| idx.to_string()).collect();
    HeatMap {
        title: format!("Which heads of {model} look at {name}"),
        row_name: "layer".to_owned(),
        column_name: "head".to_owned(),
        value_name: value_name.to_owned(),
        row_labels: labels(n_layers),
        column_labels: labels(n_heads),
        values: heads.iter().map(|head| of(head).map(|value| value as f32)).collect(),
        scale: Scale::Unsigned { gamma: 1.0 },
        strongest: Some(1.0),
        caveat: CAVEAT.to_owned(),
    }
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
