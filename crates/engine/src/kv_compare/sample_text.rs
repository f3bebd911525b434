//! A text for those who bring none: the chronicle of a harbour that does not exist.

use crate::sampler::uniform;

/// A text of at least `n_bytes` bytes, the same each time; a longer one begins like a shorter one.
pub fn sample_text(n_bytes: usize) -> String {
    let mut draws = Draws { n: 0 };
    let mut text = String::from(
        "The Chronicle of Ostvik Harbour\n\nThis is the daily record of the harbour, as its \
         wardens kept it: who came and went, what was bought and sold, and what the weather did.\n",
    );
    let mut day = 0;
    while text.len() < n_bytes {
        day += 1 + draws.below(3);
        let (month, day_of_month) = (MONTHS[day / 28 % MONTHS.len()], day % 28 + 1);
        text.push_str(&format!("\n{day_of_month} {month}. {} ", draws.pick(&WEATHER)));
        // Two people and two goods go through an entry, so that its sentences hang together.
        let people = [draws.pick(&PEOPLE), draws.pick(&PEOPLE)];
        let goods = [draws.pick(&GOODS), draws.pick(&GOODS)];
        for _ in 0..3 + draws.below(4) {
            let sentence = draws.pick(&SENTENCES);
            let sentence = sentence.replace("{a}", people[0]).replace("{b}", people[1]);
            let sentence = sentence.replace("{x}", goods[0]).replace("{y}", goods[1]);
            let sentence = sentence.replace("{place}", draws.pick(&PLACES));
            let sentence = sentence.replace("{ship}", draws.pick(&SHIPS));
            let sentence = sentence.replace("{n}", &(2 + draws.below(58)).to_string());
            text.push_str(&sentence);
            text.push(' ');
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

/// Random numbers that are the same each time.
struct Draws {
    n: u64,
}

impl Draws {
    fn below(&mut self, n: usize) -> usize {
        const SEED: u64 = 11;
        self.n += 1;
        (uniform(SEED, self.n) * n as f64) as usize
    }

    fn pick<'a>(&mut self, items: &[&'a str]) -> &'a str {
        items[self.below(items.len())]
    }
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const WEATHER: [&str; 12] = [
    "A clear morning, with a light wind from the west.",
    "Rain since before dawn, and the roads soft.",
    "Fog until noon; the bell was rung every quarter of an hour.",
    "Cold and still, with ice along the inner quay.",
    "A hard wind from the north kept every boat in.",
    "Warm, and the tide higher than anyone expected.",
    "Clouds all day but no rain.",
    "The storm of the night before had passed, and people were out early to see the damage.",
    "Snow fell until the afternoon and then turned to rain.",
    "A quiet day.",
    "Bright sun on the water and hardly a breath of wind.",
    "Thunder in the distance, and a heavy shower towards evening.",
];

const PEOPLE: [&str; 16] = [
    "Marta Lind",
    "old Joren",
    "the miller",
    "Captain Brandt",
    "the schoolmaster",
    "Ilse Falk",
    "the harbour warden",
    "Peder the cooper",
    "the widow Aas",
    "young Tomas",
    "the baker's son",
    "Doctor Hahn",
    "Ragna Moe",
    "the ferryman",
    "the blacksmith",
    "Anton Weiss",
];

const GOODS: [&str; 16] = [
    "barley",
    "lamp oil",
    "salted herring",
    "rope",
    "candles",
    "wool",
    "copper nails",
    "honey",
    "window glass",
    "pine boards",
    "tea",
    "iron hoops",
    "paper",
    "apples",
    "sailcloth",
    "salt",
];

const PLACES: [&str; 10] = [
    "the customs house",
    "the lower market",
    "the chapel",
    "the inn by the bridge",
    "the rope walk",
    "the north quay",
    "the mill",
    "the school",
    "the old warehouse",
    "the lighthouse",
];

const SHIPS: [&str; 8] = [
    "the Halcyon",
    "the Three Sisters",
    "the Grey Heron",
    "the Prosper",
    "the Anna Maria",
    "the Northern Light",
    "the Good Intent",
    "the Swallow",
];

const SENTENCES: [&str; 32] = [
    "{a} bought {n} barrels of {x} from {b} and paid half of the price at once.",
    "At {place} {a} said that the price of {x} would rise before the end of the month.",
    "{ship} came in with {x} and {y}, {n} days after she had been expected.",
    "Nobody had seen {b} since the evening before, and {a} went to ask at {place}.",
    "The warden wrote down {n} crates of {y}, but only a few of them were opened.",
    "{a} and {b} quarrelled about a load of {x} that had been left in the rain.",
    "When {ship} was made fast, {b} came aboard to look at the {y}.",
    "It was agreed that the repair of {place} should cost no more than {n} crowns.",
    "\"There is not enough {x} in the whole town,\" said {a}, \"to last until spring.\"",
    "{b} offered {n} crowns for the {y}, which {a} refused.",
    "A letter arrived for {a}, and it was read aloud at {place} in the evening.",
    "The children of the school counted {n} sails on the horizon before the bell rang.",
    "{ship} sailed again with the tide, carrying {y} for the islands.",
    "{a} has promised to return the {x} that was lent in the winter.",
    "Behind {place} a wall gave way, and {b} was asked to build it up again.",
    "Because the {y} was damp, {a} would pay only a third of what had been asked.",
    "{b} lent {a} a cart and two horses to bring the {x} up from the quay.",
    "Of the {n} people who had signed the petition, most now wished that they had not.",
    "The lamp at {place} was out for an hour, and nobody could say why.",
    "{a} told the council that {ship} needed a new mast, and that it could not wait.",
    "In the afternoon {b} sold the last of the {x} at {place}.",
    "{n} crowns were paid to {b} for work on the north quay.",
    "There was music at {place} until late, and {a} danced with {b}.",
    "The council met and talked for {n} minutes about the duty on {y}.",
    "{a} found a purse near {place} and gave it to the warden.",
    "Two of the crew of {ship} were ill, and Doctor Hahn was sent for.",
    "{b} thinks that the {y} was stolen; {a} thinks that it was never delivered.",
    "What was left of the {x} was stored at {place}, under lock and key.",
    "{ship} had lost an anchor off the point, and her captain asked for {n} fathoms of chain.",
    "If the wind holds, {a} will leave for the islands with {n} sacks of {x}.",
    "{b} planted an apple tree beside {place}, as had been done every year.",
    "By evening the dispute was settled, and {a} and {b} shook hands on it.",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_as_long_as_asked_for_and_begins_the_same() {
        let (short, long) = (sample_text(2_000), sample_text(50_000));
        assert!(short.len() >= 2_000 && long.len() >= 50_000);
        assert!(long.starts_with(&short));
        assert!(!long.contains(['{', '}']), "every place is filled");
    }

    #[test]
    fn the_text_hardly_repeats_itself() {
        let text = sample_text(20_000);
        let sentences: Vec<&str> = text.split_inclusive(". ").collect();
        let mut once = sentences.clone();
        once.sort_unstable();
        once.dedup();
        assert!(once.len() * 10 > sentences.len() * 8, "{} of {}", once.len(), sentences.len());
    }
}
