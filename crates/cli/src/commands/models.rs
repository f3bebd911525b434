//! `lookback models`, `pull` and `rm`: what can be named with -m.

use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use crate::args::{JsonArgs, PullArgs, RmArgs};
use crate::hub::{self, Store, catalogue};
use crate::interrupt::Interrupt;
use crate::machine::human_bytes;
use crate::open::{self, Show};
use crate::output;

#[derive(Serialize)]
struct ModelJson {
    name: String,
    /// `null` when it is not downloaded.
    path: Option<String>,
    bytes: Option<u64>,
    description: Option<String>,
    licence: Option<String>,
}

/// Catalogue models first, then whatever else is in the models folder.
pub(crate) fn models(args: &JsonArgs) -> Result<ExitCode> {
    let config = open::hub_config()?;
    let mut stored = Store::at(&config.models_dir).list()?;
    let mut rows = Vec::new();
    for model in catalogue() {
        let at = stored.iter().position(|stored| stored.name == model.name);
        let stored = at.map(|at| stored.remove(at));
        rows.push(ModelJson {
            name: model.name.clone(),
            path: stored.map(|stored| stored.path.display().to_string()),
            bytes: model.n_bytes,
            description: Some(model.description.to_string()),
            licence: Some(model.licence.to_string()),
        });
    }
    rows.extend(stored.into_iter().map(|stored| ModelJson {
        name: stored.name,
        path: Some(stored.path.display().to_string()),
        bytes: Some(stored.n_bytes),
        description: None,
        licence: None,
    }));
    if args.json {
        for row in &rows {
            output::json(row)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    for row in &rows {
        let mark = if row.path.is_some() { '*' } else { ' ' };
        let bytes = row.bytes.map(human_bytes).unwrap_or_default();
        let text = row.description.as_deref().or(row.path.as_deref()).unwrap_or_default();
        let licence = row.licence.as_deref().map(|name| format!(" ({name})")).unwrap_or_default();
        output::line(format_args!("{mark} {:width$}  {bytes:>9}  {text}{licence}", row.name))?;
    }
    output::note(format_args!("\n* downloaded, in {}", config.models_dir.display()));
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn pull(args: &PullArgs) -> Result<ExitCode> {
    let interrupt = Interrupt::install()?;
    let show = if args.output.json { Show::Nothing } else { Show::Progress };
    let config = open::hub_config()?;
    let path = open::pull(&config, &args.name, show, &interrupt)?;
    match args.output.json {
        true => output::json(&serde_json::json!({ "name": args.name, "path": path }))?,
        false => output::line(path.display())?,
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn remove(args: &RmArgs) -> Result<ExitCode> {
    let config = open::hub_config()?;
    let n_bytes = hub::Store::at(&config.models_dir).remove(&args.name)?;
    match args.output.json {
        true => output::json(&serde_json::json!({ "name": args.name, "bytes": n_bytes }))?,
        false => {
            let freed = human_bytes(n_bytes);
            output::line(format_args!("removed {}, {freed} freed", args.name))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
