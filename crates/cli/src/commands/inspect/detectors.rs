//! `lookback inspect detectors`: how often `inject` and `ground` are right.

use anyhow::Result;
use inspect::prompts::Prompts;
use inspect::trial::{self, GroundTrial, InjectTrial};
use serde::Serialize;

use super::profiles::{self, plain};
use super::session::Session;
use crate::inspect_args::DetectorsArgs;
use crate::output;

#[derive(Serialize)]
struct DetectorsJson<'a> {
    model: &'a str,
    inject: InjectTrial,
    ground: GroundTrial,
}

pub(super) fn detectors(args: &DetectorsArgs) -> Result<()> {
    let session = Session::open(&args.session)?;
    let template = session.loaded.compile_template()?;
    let profile = profiles::profile(&session, template.as_ref(), &args.profile)?;
    let mut engine = profiles::engine(&session)?;
    let n = u64::from(args.n);
    let (inject, ground) = session.inspect(&mut engine, |inspector| {
        let prompts = Prompts { tokenizer: inspector.tokenizer, template: template.as_ref() };
        let inject = trial::inject(inspector, prompts, &profile, n).map_err(plain)?;
        let ground = trial::ground(inspector, prompts, &profile, n).map_err(plain)?;
        Ok((inject, ground))
    })?;
    output::json(&DetectorsJson { model: session.name(), inject, ground })
}
