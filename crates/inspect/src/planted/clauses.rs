//! Clauses of leases: pairs that contradict each other, and others that do not touch them.

use super::contradictions::Conflict;

#[derive(Clone, Copy)]
pub(super) struct ClausePair {
    pub(super) conflict: Conflict,
    pub(super) first: &'static str,
    /// Says something else than the first.
    pub(super) contradiction: &'static str,
    /// Says the same as the first.
    pub(super) restatement: &'static str,
}

const fn pair(
    conflict: Conflict,
    first: &'static str,
    contradiction: &'static str,
    restatement: &'static str,
) -> ClausePair {
    ClausePair { conflict, first, contradiction, restatement }
}

pub(super) const PAIRS: &[ClausePair] = &[
    pair(
        Conflict::Amount,
        "The monthly rent is {amount}.",
        "Each month the tenant pays {amount2} in rent.",
        "Each month the tenant pays {amount} in rent.",
    ),
    pair(
        Conflict::Amount,
        "The tenant leaves a deposit of {amount}.",
        "The deposit that secures this lease comes to {amount2}.",
        "The deposit that secures this lease comes to {amount}.",
    ),
    pair(
        Conflict::Amount,
        "Late payments bear interest of {percent} percent a year.",
        "On late payments the yearly rate of interest is {percent2} percent.",
        "On late payments the yearly rate of interest is {percent} percent.",
    ),
    pair(
        Conflict::Amount,
        "Either party may end this lease with {number} days of notice.",
        "The period of notice is {number2} days for both parties.",
        "The period of notice is {number} days for both parties.",
    ),
    pair(
        Conflict::Date,
        "This lease begins on {date}.",
        "The term of this lease starts on {date2}.",
        "The term of this lease starts on {date}.",
    ),
    pair(
        Conflict::Date,
        "This lease ends on {date}.",
        "The last day of the lease is {date2}.",
        "The last day of the lease is {date}.",
    ),
    pair(
        Conflict::Date,
        "The keys are handed over on {date}.",
        "The tenant receives the keys on {date2}.",
        "The tenant receives the keys on {date}.",
    ),
    pair(
        Conflict::Date,
        "The roof will be renewed before {date}.",
        "The work on the roof begins only after {date}.",
        "The work on the roof is finished before {date}.",
    ),
    pair(
        Conflict::Party,
        "The costs of the heating are borne by the tenant.",
        "The landlord alone pays for the heating.",
        "The tenant alone pays for the heating.",
    ),
    pair(
        Conflict::Party,
        "The landlord cleans the stairs every week.",
        "The weekly cleaning of the stairs is done by the tenant.",
        "The weekly cleaning of the stairs is done by the landlord.",
    ),
    pair(
        Conflict::Party,
        "The caretaker of the building is {person}.",
        "{person2} is employed as the only caretaker of the building.",
        "{person} is employed as the only caretaker of the building.",
    ),
    pair(
        Conflict::Party,
        "The building is insured with {company}.",
        "{company2} is the sole insurer of the building.",
        "{company} is the sole insurer of the building.",
    ),
    pair(
        Conflict::Duty,
        "The tenant must insure the furniture.",
        "The tenant is not required to insure the furniture.",
        "It is the duty of the tenant to insure the furniture.",
    ),
    pair(
        Conflict::Duty,
        "The tenant may not keep dogs in the rooms.",
        "Dogs may be kept in the rooms by the tenant.",
        "Dogs must not be kept in the rooms by the tenant.",
    ),
    pair(
        Conflict::Duty,
        "The rooms may be sublet without consent.",
        "Any subletting of the rooms needs the written consent of the landlord.",
        "For subletting the rooms the tenant needs no consent.",
    ),
    pair(
        Conflict::Duty,
        "The tenant has to paint the walls before moving out.",
        "The tenant may move out without painting the walls.",
        "Before moving out the tenant is obliged to paint the walls.",
    ),
];

pub(super) const OTHERS: &[&str] = &[
    "The rooms lie on the second floor of the building in {city}.",
    "The building stands near the station of {city}.",
    "The bicycle shed is open to all who live in the building.",
    "The drying room in the attic is shared by all floors.",
    "Post is delivered to the boxes at the gate.",
    "Parcels are left with the neighbours on the ground floor.",
    "Laundry may be hung in the yard on weekdays.",
    "Carpets may be beaten in the yard until noon.",
    "Loud music is not allowed after ten in the evening.",
    "Musical instruments are silent between one and three.",
    "The yard is lit from dusk until dawn.",
    "The cellar is locked with a separate key.",
    "Bulky waste is collected on the first {weekday} of the month.",
    "Paper and glass are collected every other {weekday}.",
    "The gas meter hangs beside the entrance.",
    "The water meter hangs below the sink in the kitchen.",
    "Flower pots are fixed to the railing of the balcony.",
    "Barbecues on the balcony are run with electricity only.",
    "Nails in the tiles of the bathroom are to be avoided.",
    "Shelves are fixed to the inner walls only.",
    "The elevator carries at most {number} hundred kilograms.",
    "The gate of the garage is at most {number} decimetres wide.",
    "The windows of the bathroom are opened daily.",
    "The blinds are rolled down slowly and with care.",
    "Smoke detectors hang in the hall and in both bedrooms.",
    "Fire extinguishers hang on every landing.",
    "Prams may stand below the stairs.",
    "Shoes are not left on the landing.",
    "The name plate at the door is white with black letters.",
    "The name plate at the bell is made of brass.",
    "Satellite dishes are mounted on the chimney only.",
    "Cables are led through the ducts in the floor.",
    "The fruit of the trees in the garden belongs to everyone.",
    "The grass in the garden is cut with the shared mower.",
    "The playground behind the building is closed at night.",
    "The fountain in front of the building is shut off in winter.",
    "Letters to the landlord go to the office in {city}.",
    "Letters to the tenant go to the rented rooms.",
    "Changes to this contract are made in writing.",
    "Oral agreements beside this contract do not exist.",
    "If one clause is void, the others stay in force.",
    "The headings of this contract have no meaning of their own.",
    "Disputes are heard by the court of {city}.",
    "Before going to court the parties talk to a mediator.",
    "Each party receives one signed copy.",
    "A copy lies with the notary in {city}.",
    "The plan of the rooms is attached as an annex.",
    "The list of the furniture is attached as an annex.",
];
