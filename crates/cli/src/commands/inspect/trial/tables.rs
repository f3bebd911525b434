//! What trials found, for people: value, baseline, interval of 95%, n.

use anyhow::Result;
use inspect::trial::{
    Auroc, ContradictTrial, GroundTrial, InjectTrial, LookRates, LookTrial, Ranking, Rate, WhoTrial,
};

use super::Found;
use crate::output;

pub(super) fn write(found: &Found) -> Result<()> {
    let Found { look, who, contradict, inject, ground } = found;
    look.as_ref().map_or(Ok(()), write_look)?;
    who.as_ref().map_or(Ok(()), write_who)?;
    contradict.as_ref().map_or(Ok(()), write_contradict)?;
    inject.as_ref().map_or(Ok(()), write_inject)?;
    ground.as_ref().map_or(Ok(()), write_ground)
}

fn write_look(found: &LookTrial) -> Result<()> {
    output::line(format_args!("look, {} documents\n", found.n_documents))?;
    write_rates("the answers that the documents give", &found.given)?;
    write_rates("the model's own answers", &found.own)?;
    caveat(found.caveat)
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
    let [first, among] = rates.by_chance.map(chance);
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

fn write_who(found: &WhoTrial) -> Result<()> {
    output::line(format_args!("who, {} passages\n", found.n))?;
    output::line(format_args!(
        "  {:<18}  {:<7}  {:<9}  {:<27}  chance",
        "measure", "clue", "sentences", "the right one is first"
    ))?;
    for of in &found.rates {
        let distance = of.distance.map_or_else(|| "all".to_owned(), |n| n.to_string());
        output::line(format_args!(
            "  {:<18}  {:<7}  {distance:<9}  {:<27}  {}",
            of.measure.name(),
            of.clue,
            percent(of.rate),
            chance(of.chance)
        ))?;
    }
    output::line("")?;
    caveat(found.caveat)
}

fn write_contradict(found: &ContradictTrial) -> Result<()> {
    output::line(format_args!("contradict, {} contracts\n", found.n))?;
    let n_pairs = found.n_clauses * (found.n_clauses - 1) / 2;
    let among = format!("among the first {} of {n_pairs} pairs", found.n_pairs);
    let by_chance = chance(found.recall_of_chance);
    output::line(format_args!("  {among}; chance {by_chance}"))?;
    output::line(format_args!("    contradictions             {}", percent(found.recall)))?;
    let restated = percent(found.recall_of_restatements);
    output::line(format_args!("    the same in other words    {restated}"))?;
    output::line("  the model's judgement of a pair, AUROC of contradictions; chance 0.5")?;
    area("over the same in other words", found.against_restatements)?;
    area("over unrelated clauses", found.against_unrelated)?;
    output::line(format_args!(
        "  right of all                 {}; who never finds any {}\n",
        percent(found.accuracy),
        chance(found.accuracy_of_never)
    ))?;
    caveat(found.caveat)
}

fn write_inject(found: &InjectTrial) -> Result<()> {
    output::line("inject, AUROC of data with a planted instruction; chance 0.5")?;
    area("statements", Some(found.statements))?;
    area("full of imperatives", Some(found.hard))?;
    area("statements, by length alone", Some(found.by_length))?;
    area("imperatives, by length", Some(found.hard_by_length))?;
    output::line("  at the profile's threshold")?;
    for (what, cut) in [("statements", found.statements_cut), ("imperatives", found.hard_cut)] {
        output::line(format_args!("    {what:<27}found {}", percent(cut.found)))?;
        output::line(format_args!("    {:<20}false alarms {}", "", percent(cut.false_alarms)))?;
    }
    output::line(format_args!("  a window shows it            {}\n", percent(found.windows)))?;
    caveat(found.caveat)
}

fn write_ground(found: &GroundTrial) -> Result<()> {
    output::line("ground, AUROC of what the document says over what it does not; chance 0.5")?;
    area("nats lost without it", Some(found.nats))?;
    area("ln p, without attention", Some(found.logprob))?;
    area("fitted lookback ratios", Some(found.probability))?;
    area("mean lookback ratio", Some(found.lookback))?;
    output::line("")?;
    caveat(found.caveat)
}

fn area(what: &str, found: Option<Auroc>) -> Result<()> {
    let Some(Auroc { auroc, low, high, n_positive, n_negative }) = found else { return Ok(()) };
    output::line(format_args!(
        "    {what:<27}{auroc:.2} ({low:.2} to {high:.2}) of {n_positive} + {n_negative}"
    ))
}

fn caveat(text: &str) -> Result<()> {
    output::note(format_args!("note: {text}"));
    Ok(())
}

fn chance(share: f64) -> String {
    format!("{:5.1}%", 100.0 * share)
}

/// ` 83.0% (75 to 89) of 100`
fn percent(rate: Rate) -> String {
    let [value, low, high] = [rate.rate, rate.low, rate.high].map(|share| 100.0 * share);
    format!("{value:5.1}% ({low:.0} to {high:.0}) of {}", rate.n)
}
