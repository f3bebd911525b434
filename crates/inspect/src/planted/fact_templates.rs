//! Facts that can be asked for.

use super::Half;
use super::random::Random;
use super::slots::Filling;

/// The slots of the question name what is asked about, the others of the answer what is not known.
#[derive(Clone, Copy)]
pub(super) struct FactTemplate {
    sentence: &'static str,
    question: &'static str,
    answer: &'static str,
}

/// A template and what it is filled with.
#[derive(Clone)]
pub(super) struct Fact {
    template: FactTemplate,
    filling: Filling,
    pub(super) sentence: String,
    pub(super) question: String,
    pub(super) answer: String,
}

impl Fact {
    pub(super) fn draw(half: Half, random: &mut Random) -> Self {
        let template = random.pick(&half.of(FACTS));
        Self::new(template, Filling::default(), random)
    }

    /// One of the same form about something else.
    pub(super) fn rival(&self, random: &mut Random) -> Self {
        loop {
            let rival = Self::new(self.template, Filling::default(), random);
            if rival.question != self.question && !rival.sentence.contains(&self.answer) {
                return rival;
            }
        }
    }

    /// Another answer to the same question.
    pub(super) fn answered_otherwise(&self, random: &mut Random) -> Self {
        loop {
            let other = Self::new(self.template, self.subject(), random);
            if !other.sentence.contains(&self.answer) {
                return other;
            }
        }
    }

    /// The same question with the answer of a fact of the same form; nothing where that makes no
    /// sentence, as where a company would buy from itself.
    pub(super) fn answered_as(&self, rival: &Self, random: &mut Random) -> Option<Self> {
        let answer = rival.filling.without(self.template.question);
        Self::fill(self.template, self.subject().with(&answer), random)
    }

    fn subject(&self) -> Filling {
        self.filling.only(self.template.question)
    }

    /// Slots without a value are drawn until they make a fact.
    fn new(template: FactTemplate, known: Filling, random: &mut Random) -> Self {
        loop {
            if let Some(fact) = Self::fill(template, known.clone(), random) {
                return fact;
            }
        }
    }

    /// Nothing where the sentence does not hold its answer just once, or the question does.
    fn fill(template: FactTemplate, mut filling: Filling, random: &mut Random) -> Option<Self> {
        let sentence = filling.fill(template.sentence, random);
        let question = filling.fill(template.question, random);
        let answer = filling.fill(template.answer, random);
        let is_fact = sentence.matches(&answer).count() == 1 && !question.contains(&answer);
        is_fact.then_some(Self { template, filling, sentence, question, answer })
    }
}

const fn fact(
    sentence: &'static str,
    question: &'static str,
    answer: &'static str,
) -> FactTemplate {
    FactTemplate { sentence, question, answer }
}

const FACTS: &[FactTemplate] = &[
    fact(
        "The access code of the {city} office is {code}.",
        "What is the access code of the {city} office?",
        "{code}",
    ),
    fact(
        "The contract number of {company} is {code}.",
        "What is the contract number of {company}?",
        "{code}",
    ),
    fact("{person} signed the lease on {date}.", "When did {person} sign the lease?", "{date}"),
    fact(
        "The meeting with {company} takes place on {date}.",
        "When does the meeting with {company} take place?",
        "{date}",
    ),
    fact(
        "The monthly rent for the {city} warehouse is {amount}.",
        "What is the monthly rent for the {city} warehouse?",
        "{amount}",
    ),
    fact(
        "The insurance of {company} covers losses of up to {amount}.",
        "Up to what amount does the insurance of {company} cover losses?",
        "{amount}",
    ),
    fact("The auditor of {company} is {person}.", "Who is the auditor of {company}?", "{person}"),
    fact(
        "The lawyer who represents {company} is {person}.",
        "Who is the lawyer who represents {company}?",
        "{person}",
    ),
    fact(
        "{company} must give notice {number} days before the end of the term.",
        "How many days before the end of the term must {company} give notice?",
        "{number} days",
    ),
    fact(
        "The warranty that {company} gives on the {product} lasts {number} months.",
        "How long does the warranty that {company} gives on the {product} last?",
        "{number} months",
    ),
    fact("{person} was born in {city}.", "Where was {person} born?", "{city}"),
    fact(
        "{person} wants to open a bakery in {city}.",
        "Where does {person} want to open a bakery?",
        "{city}",
    ),
    fact(
        "{person} keeps the spare key in the {place}.",
        "Where does {person} keep the spare key?",
        "the {place}",
    ),
    fact(
        "{person} hid the birthday present in the {place}.",
        "Where did {person} hide the birthday present?",
        "the {place}",
    ),
    fact(
        "{company} charges {percent} percent interest on late payments.",
        "How much interest does {company} charge on late payments?",
        "{percent} percent",
    ),
    fact(
        "{person} owns {percent} percent of the shares of {company}.",
        "How much of the shares of {company} does {person} own?",
        "{percent} percent",
    ),
    fact(
        "{company} bought the {product} from {company2}.",
        "From which company did {company} buy the {product}?",
        "{company2}",
    ),
    fact(
        "{company} delivers the {product} to {company2}.",
        "To which company does {company} deliver the {product}?",
        "{company2}",
    ),
    fact(
        "The project that {person} runs is called {codename}.",
        "What is the project that {person} runs called?",
        "{codename}",
    ),
    fact(
        "The password for the {city} archive is {codename}.",
        "What is the password for the {city} archive?",
        "{codename}",
    ),
    fact(
        "{person} arrived in {city} on a {weekday}.",
        "On which day of the week did {person} arrive in {city}?",
        "{weekday}",
    ),
    fact(
        "The {city} branch of {company} is closed every {weekday}.",
        "On which day of the week is the {city} branch of {company} closed?",
        "{weekday}",
    ),
    fact(
        "The favourite colour of {person} is {colour}.",
        "What is the favourite colour of {person}?",
        "{colour}",
    ),
    fact(
        "The files about {company} are bound in {colour}.",
        "In which colour are the files about {company} bound?",
        "{colour}",
    ),
    fact(
        "The training for {person} takes place in room {room}.",
        "In which room does the training for {person} take place?",
        "room {room}",
    ),
    fact(
        "The {product} in {city} stands in room {room}.",
        "In which room does the {product} in {city} stand?",
        "room {room}",
    ),
];
