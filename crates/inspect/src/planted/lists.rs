//! What the slots of templates are filled with.

pub(super) const WOMEN: &[&str] = &[
    "Maria", "Anna", "Clara", "Emma", "Grace", "Helen", "Ingrid", "Julia", "Karin", "Laura",
    "Nadia", "Olga", "Monica", "Rosa", "Sarah", "Teresa", "Ursula", "Vera", "Wanda", "Yvonne",
    "Alice", "Diana",
];

pub(super) const MEN: &[&str] = &[
    "Peter", "Adam", "Bruno", "Carl", "David", "Erik", "Frank", "George", "Henry", "Ivan", "Jacob",
    "Kevin", "Leo", "Martin", "Niels", "Oscar", "Paul", "Ralph", "Simon", "Thomas", "Victor",
    "Walter",
];

pub(super) const SURNAMES: &[&str] = &[
    "Keller", "Vogel", "Novak", "Larsen", "Moreau", "Rossi", "Silva", "Becker", "Dahl", "Fischer",
    "Gruber", "Horvat", "Jansen", "Kowalski", "Lindgren", "Marino", "Nagy", "Olsen", "Petrov",
    "Quinn", "Ramos", "Sato", "Tanaka", "Urban", "Weber", "Young", "Zeman", "Archer", "Baxter",
    "Carver",
];

pub(super) const COMPANIES: &[&str] = &[
    "Northwind",
    "Bluestone",
    "Cedarline",
    "Deltaworks",
    "Elmwood",
    "Fairhaven",
    "Greystone",
    "Hillcrest",
    "Ironbridge",
    "Juniper",
    "Kestrel",
    "Lakeside",
    "Meridian",
    "Oakfield",
    "Pinecrest",
    "Redwater",
    "Silverton",
    "Thornbury",
    "Westmark",
    "Yellowfin",
];

pub(super) const COMPANY_FORMS: &[&str] = &["GmbH", "LLC", "Group", "Partners", "Holdings"];

pub(super) const CITIES: &[&str] = &[
    "Lisbon", "Oslo", "Vienna", "Dublin", "Prague", "Madrid", "Athens", "Warsaw", "Helsinki",
    "Geneva", "Porto", "Bergen", "Leeds", "Turin", "Lyon", "Ghent", "Malmo", "Riga", "Cork",
    "Bilbao", "Zagreb", "Tallinn", "Krakow", "Basel",
];

pub(super) const COLOURS: &[&str] = &[
    "crimson",
    "indigo",
    "turquoise",
    "magenta",
    "ochre",
    "lavender",
    "emerald",
    "ivory",
    "maroon",
    "coral",
    "amber",
    "teal",
    "scarlet",
    "violet",
    "beige",
    "olive",
];

pub(super) const CODENAMES: &[&str] = &[
    "Harbour", "Saffron", "Glacier", "Marigold", "Compass", "Lantern", "Orchid", "Pebble",
    "Quartz", "Raven", "Sparrow", "Thistle", "Umbra", "Velvet", "Walnut", "Zephyr", "Anchor",
    "Bramble",
];

pub(super) const PRODUCTS: &[&str] = &[
    "printer",
    "generator",
    "projector",
    "scanner",
    "forklift",
    "freezer",
    "telescope",
    "microscope",
    "dishwasher",
    "radiator",
    "conveyor",
    "excavator",
    "sewing machine",
    "water pump",
    "laser cutter",
    "coffee machine",
];

pub(super) const PLACES: &[&str] = &[
    "boiler room",
    "top drawer",
    "garden shed",
    "wine cellar",
    "glove box",
    "attic",
    "linen cupboard",
    "piano stool",
    "tool chest",
    "mailbox",
    "bread bin",
    "filing cabinet",
    "pantry",
    "bicycle basket",
];
