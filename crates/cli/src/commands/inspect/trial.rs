//! `lookback inspect trial`: how often `look` names the right sentence.

use anyhow::Result;
use inspect::trial::{Asking, LookRates, LookTrial, Ranking, Rate, look_cases, look_trial};
use serde::Serialize;

use super::session::Session;
use crate::inspect_args::TrialArgs;
use crate::output;

#[derive(Serialize)]
struct TrialJson<'a> {
    model: &'a str,
    #[serde(flatten)]
    found: &'a LookTrial,
}

pub(super) fn trial(args: &TrialArgs) -> Result<()> {
    let session = Session::open(&args.session)?;
    let cases = look_cases(&Asking::new(&session.loaded)?, args.n.into())?;
    let longest = |of: usize| cases.iter().map(|case| case.n_tokens()[of]).max().unwrap_or(0);
    let mut engine = session.engine(longest(0), longest(1))?;
    let found = session.inspect_steps(&mut engine, cases.len(), |inspector, on_document| {
        Ok(look_trial(inspector, &cases, on_document)?)
    })?;
    if session.is_json() {
        return output::json(&TrialJson { model: session.name(), found: &found });
    }
    output::line(format_args!("{}: {} documents\n", session.name(), found.n_documents))?;
    write_rates("the answers that the documents give", &found.given)?;
    write_rates("the model's own answers", &found.own)?;
    output::note(format_args!("note: {}", found.caveat));
    Ok(())
}

fn write_rates(title: &str, rates: &LookRates) -> Result<()> {
    output::line(format_args!("{title}: {}", rates.n))?;
    output::line(format_args!("  hold the planted answer      {}", percent(rates.answered)))?;
    output::line(format_args!("  read from no sentence alone  {} of {}", rates.n_unread, rates.n))?;
    let planted = percent(rates.judge_is_planted);
    output::line(format_args!("  dearest is the planted one   {planted}\n"))?;
    output::line(format_args!(
        "  {:<10}  {:<27}  {:<27}  {:<27}  {:<27}",
        "ranked by", "first is the dearest", "among 3", "first is the planted", "among 3"
    ))?;
    for of in &rates.rankings {
        let [first, among, planted, planted_among] =
            [of.judged[0], of.judged[1], of.planted[0], of.planted[1]].map(percent);
        output::line(format_args!(
            "  {:<10}  {first:<27}  {among:<27}  {planted:<27}  {planted_among:<27}",
            name(of.ranking)
        ))?;
    }
    let [first, among] = rates.by_chance.map(|rate| format!("{:5.1}%", 100.0 * rate));
    output::line(format_args!(
        "  {:<10}  {first:<27}  {among:<27}  {first:<27}  {among:<27}\n",
        "chance"
    ))
}

fn name(ranking: Ranking) -> &'static str {
    match ranking {
        Ranking::Weight => "weight",
        Ranking::LogLift => "log-lift",
        Ranking::ValueNorm => "value",
        Ranking::Logit => "logit",
    }
}

/// ` 83.0% (75 to 89) of 100`
fn percent(rate: Rate) -> String {
    let [value, low, high] = [rate.rate, rate.low, rate.high].map(|share| 100.0 * share);
    format!("{value:5.1}% ({low:.0} to {high:.0}) of {}", rate.n)
}
