//! What passages about two or three candidates are made of.

/// Something, and what only it can have done: nothing of another class can.
#[derive(Clone, Copy)]
pub(super) struct Role {
    pub(super) class: &'static str,
    pub(super) noun: &'static str,
    pub(super) deed: &'static str,
}

const fn role(class: &'static str, noun: &'static str, deed: &'static str) -> Role {
    Role { class, noun, deed }
}

pub(super) const THINGS: &[Role] = &[
    role("animal", "dog", "barked at the postman"),
    role("animal", "cat", "purred in the sun"),
    role("animal", "horse", "neighed with impatience"),
    role("animal", "parrot", "repeated every word"),
    role("vehicle", "car", "needed more petrol"),
    role("vehicle", "lorry", "had a flat tyre"),
    role("vehicle", "bus", "took on passengers at every stop"),
    role("vehicle", "motorbike", "needed a new exhaust"),
    role("food", "soup", "tasted of garlic"),
    role("food", "stew", "needed more salt"),
    role("food", "cake", "was baked with lemon"),
    role("food", "cheese", "had gone mouldy"),
    role("paper", "letter", "was written in green ink"),
    role("paper", "novel", "had four hundred pages"),
    role("paper", "contract", "ran to nine clauses"),
    role("paper", "diary", "ended in the middle of a sentence"),
    role("device", "clock", "struck twelve"),
    role("device", "telephone", "rang twice"),
    role("device", "kettle", "whistled on the stove"),
    role("device", "computer", "asked for a password"),
    role("plant", "rose bush", "was covered with red blossoms"),
    role("plant", "oak", "dropped acorns on the lawn"),
    role("plant", "vine", "bore grapes in autumn"),
    role("plant", "apple tree", "had lost most of the leaves"),
    role("garment", "coat", "had a torn sleeve"),
    role("garment", "scarf", "was knitted from red wool"),
    role("garment", "shirt", "was missing two buttons"),
    role("garment", "hat", "was too small for any head"),
    role("instrument", "violin", "had lost a string"),
    role("instrument", "piano", "had to be tuned"),
    role("instrument", "drum", "boomed through the hall"),
    role("instrument", "trumpet", "was blown too loudly"),
];

/// Several people of one trade; each trade is a class.
pub(super) const GROUPS: &[Role] = &[
    role("sailor", "sailors", "hoisted the sails"),
    role("baker", "bakers", "kneaded the dough"),
    role("nurse", "nurses", "changed the bandages"),
    role("farmer", "farmers", "brought in the harvest"),
    role("pupil", "pupils", "handed in the homework"),
    role("miner", "miners", "dug for coal"),
    role("gardener", "gardeners", "pruned the hedges"),
    role("tailor", "tailors", "sewed the hems"),
    role("barber", "barbers", "trimmed beards all day"),
    role("firefighter", "firefighters", "put out the flames"),
    role("fisherman", "fishermen", "mended the nets"),
    role("painter", "painters", "mixed the colours"),
    role("actor", "actors", "rehearsed the last scene"),
    role("waiter", "waiters", "carried the plates to the tables"),
    role("bricklayer", "bricklayers", "mixed mortar for the wall"),
    role("musician", "musicians", "tuned the violins"),
];

/// Trades of one person.
pub(super) const TRADES: &[Role] = &[
    role("dentist", "dentist", "filled two teeth"),
    role("pilot", "pilot", "landed the plane in fog"),
    role("baker", "baker", "kneaded the dough"),
    role("farmer", "farmer", "milked the cows"),
    role("singer", "singer", "sang two songs on stage"),
    role("tailor", "tailor", "sewed a new suit"),
    role("plumber", "plumber", "repaired a leaking pipe"),
    role("goalkeeper", "goalkeeper", "saved a penalty"),
    role("beekeeper", "beekeeper", "looked after the hives"),
    role("teacher", "teacher", "marked the homework"),
    role("surgeon", "surgeon", "operated on a patient"),
    role("barber", "barber", "cut hair until noon"),
    role("librarian", "librarian", "sorted the returned books"),
    role("cook", "cook", "roasted a goose"),
    role("painter", "painter", "mixed the colours"),
    role("gardener", "gardener", "pruned the hedges"),
];

/// What anybody can do, where the gender of a pronoun decides.
pub(super) const NEUTRAL_DEEDS: &[&str] = &[
    "bought a ticket to the coast",
    "looked out of the window",
    "took a seat by the door",
    "ordered a cup of tea",
    "asked for the time",
    "paid for the dinner",
    "waited under the roof",
    "fell asleep on the bench",
    "went home on foot",
    "made a short phone call",
    "read the menu aloud",
    "walked around the lake",
];

/// Two candidates, named for the first time.
pub(super) const PAIRS: &[&str] = &[
    "On Monday everyone talked about {a} and {b}.",
    "At first we saw only {a} and {b}.",
    "This is a story about {a} and {b}.",
    "Once more we were left with {a} and {b}.",
    "Last week I came across {a} and {b}.",
    "Years ago we often spoke of {a} and {b}.",
];

pub(super) const TRIPLES: &[&str] = &[
    "On Monday everyone talked about {a}, {b} and {c}.",
    "At first we saw only {a}, {b} and {c}.",
    "This is a story about {a}, {b} and {c}.",
    "Once more we were left with {a}, {b} and {c}.",
];

/// What stands before the sentence with the pronoun; nothing, too.
pub(super) const OPENINGS: &[&str] =
    &["", "", "In the evening ", "Later ", "After some time ", "Before long "];

/// Sentences that name nothing a pronoun could stand for.
pub(super) const BETWEEN: &[&str] = &[
    "Then rain fell until noon.",
    "Then snow fell until dusk.",
    "Again hours passed slowly.",
    "Meanwhile time passed quickly.",
    "Nothing stirred outside.",
    "Nobody came by.",
    "Now fog hung over everything.",
    "Soon mist rose from everywhere.",
    "Then there was silence.",
    "There was thunder from far away.",
    "Slowly morning turned into noon.",
    "Quickly noon turned into evening.",
    "Soon warm air came in from outside.",
    "Now cold air came in from outside.",
    "Already light faded little by little.",
    "Everywhere dust settled slowly.",
    "Nobody said much.",
    "Nobody seemed to be impatient.",
    "Outside there was only wind.",
    "Inside there was only candlelight.",
    "Nothing else happened until dawn.",
    "Nothing could be heard for hours.",
    "Everything smelled of rain.",
    "Everything smelled of smoke.",
];
