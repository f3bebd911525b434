//! Templates and what they are filled with.

use super::lists;
use super::random::Random;
use crate::text::calendar;

/// The values of the slots of a template: `{city}` and `{city2}` are two cities.
#[derive(Clone, Debug, Default)]
pub(super) struct Filling {
    values: Vec<(String, String)>,
}

impl Filling {
    /// `template` with a value in each of its slots; those that have none yet are drawn.
    pub(super) fn fill(&mut self, template: &str, random: &mut Random) -> String {
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, slot, after)) = next_slot(rest) {
            text.push_str(before);
            text.push_str(&self.value(slot, random));
            rest = after;
        }
        text.push_str(rest);
        text
    }

    /// What is known of the slots of `template`, and nothing else.
    pub(super) fn only(&self, template: &str) -> Self {
        let is_in = |slot: &str| slots(template).any(|other| other == slot);
        let values = self.values.iter().filter(|(slot, _)| is_in(slot));
        Self { values: values.cloned().collect() }
    }

    /// What is known of all slots but those of `template`.
    pub(super) fn without(&self, template: &str) -> Self {
        let is_in = |slot: &str| slots(template).any(|other| other == slot);
        let values = self.values.iter().filter(|(slot, _)| !is_in(slot));
        Self { values: values.cloned().collect() }
    }

    /// Both; a slot of both has its value of `self`.
    pub(super) fn with(mut self, other: &Self) -> Self {
        for (slot, value) in &other.values {
            if !self.values.iter().any(|(known, _)| known == slot) {
                self.values.push((slot.clone(), value.clone()));
            }
        }
        self
    }

    fn value(&mut self, slot: &str, random: &mut Random) -> String {
        if let Some((_, value)) = self.values.iter().find(|(known, _)| known == slot) {
            return value.clone();
        }
        let kind = slot.trim_end_matches(|c: char| c.is_ascii_digit());
        let value = loop {
            let value = draw(kind, random);
            if !self.values.iter().any(|(_, known)| *known == value) {
                break value;
            }
        };
        self.values.push((slot.to_owned(), value.clone()));
        value
    }
}

/// What stands before a slot, its name, what stands behind it.
fn next_slot(template: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = template.split_once('{')?;
    let (slot, after) = rest.split_once('}')?;
    Some((before, slot, after))
}

fn slots(template: &str) -> impl Iterator<Item = &str> {
    let mut rest = template;
    std::iter::from_fn(move || {
        let (_, slot, after) = next_slot(rest)?;
        rest = after;
        Some(slot)
    })
}

fn draw(kind: &str, random: &mut Random) -> String {
    let mut between = |low: usize, high: usize| low + random.below(high - low);
    match kind {
        "amount" => format!("EUR {},{}50", between(1, 90), between(1, 10)),
        "code" => between(1000, 10_000).to_string(),
        "number" => between(12, 99).to_string(),
        "percent" => format!("{}.{}", between(2, 20), between(1, 10)),
        "room" => between(101, 899).to_string(),
        "date" => {
            let (day, year) = (between(1, 29), between(2001, 2030));
            format!("{day} {} {year}", random.pick(calendar::MONTHS))
        }
        "person" => {
            let first = random.below(2);
            let first = random.pick([lists::WOMEN, lists::MEN][first]);
            format!("{first} {}", random.pick(lists::SURNAMES))
        }
        "woman" => random.pick(lists::WOMEN).to_owned(),
        "man" => random.pick(lists::MEN).to_owned(),
        "company" => {
            let form = random.pick(lists::COMPANY_FORMS);
            format!("{} {form}", random.pick(lists::COMPANIES))
        }
        "city" => random.pick(lists::CITIES).to_owned(),
        "colour" => random.pick(lists::COLOURS).to_owned(),
        "codename" => random.pick(lists::CODENAMES).to_owned(),
        "product" => random.pick(lists::PRODUCTS).to_owned(),
        "weekday" => random.pick(calendar::WEEKDAYS).to_owned(),
        "place" => random.pick(lists::PLACES).to_owned(),
        _ => unreachable!("a template has a slot `{kind}` that nothing is drawn for"),
    }
}
