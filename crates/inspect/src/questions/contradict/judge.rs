//! A model asked whether two statements contradict each other.

use std::collections::HashMap;

use engine::SpecialText;
use serde::Serialize;

use crate::inspector::{InspectError, Inspector};

/// Turns a question into the tokens that a model answers, and remembers what it judged of single
/// statements.
pub struct Judge<'a> {
    prompt: &'a mut dyn FnMut(&str) -> Result<Vec<u32>, InspectError>,
    nulls: HashMap<String, f64>,
}

/// What a model made of two statements.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// `yes_over_no - null`: above zero, a contradiction is likelier than of a statement with
    /// itself.
    pub score: f64,
    /// `ln p(yes) - ln p(no)`, in the mean over both orders.
    pub yes_over_no: f64,
    /// The same of each statement with itself, in the mean: the baseline.
    pub null: f64,
    /// How far the orders are apart: what the model makes of order alone.
    pub order_effect: f64,
}

/// As models begin their answers.
const YES: [&str; 2] = ["Yes", "yes"];
const NO: [&str; 2] = ["No", "no"];

impl<'a> Judge<'a> {
    /// `prompt` gives what comes before the answer to a question.
    pub fn new(prompt: &'a mut dyn FnMut(&str) -> Result<Vec<u32>, InspectError>) -> Self {
        Self { prompt, nulls: HashMap::new() }
    }

    /// # Errors
    /// What becomes of requests, or of the prompt.
    pub fn pair(
        &mut self,
        inspector: &mut Inspector<'_>,
        [first, second]: [&str; 2],
    ) -> Result<Judged, InspectError> {
        let forth = self.yes_over_no(inspector, [first, second])?;
        let back = self.yes_over_no(inspector, [second, first])?;
        let nulls = [self.null(inspector, first)?, self.null(inspector, second)?];
        let (yes_over_no, null) = ((forth + back) / 2.0, nulls.iter().sum::<f64>() / 2.0);
        let order_effect = (forth - back).abs();
        Ok(Judged { score: yes_over_no - null, yes_over_no, null, order_effect })
    }

    fn null(
        &mut self,
        inspector: &mut Inspector<'_>,
        statement: &str,
    ) -> Result<f64, InspectError> {
        if let Some(&known) = self.nulls.get(statement) {
            return Ok(known);
        }
        let null = self.yes_over_no(inspector, [statement, statement])?;
        self.nulls.insert(statement.to_owned(), null);
        Ok(null)
    }

    fn yes_over_no(
        &mut self,
        inspector: &mut Inspector<'_>,
        statements: [&str; 2],
    ) -> Result<f64, InspectError> {
        let prompt = (self.prompt)(&question(statements))?;
        let mut of_any = |answers: [&str; 2]| {
            let mut sum = f64::NEG_INFINITY;
            for answer in answers {
                let answer = inspector.tokenizer.encode(answer, SpecialText::AsText);
                let ids = [&prompt[..], &answer].concat();
                sum = ln_sum(sum, inspector.score(&ids, prompt.len())?.logprob());
            }
            Ok::<_, InspectError>(sum)
        };
        Ok(of_any(YES)? - of_any(NO)?)
    }
}

fn question([first, second]: [&str; 2]) -> String {
    format!(
        "Statement 1: {}\nStatement 2: {}\n\nDo these two statements contradict each other? \
         Answer yes or no.",
        first.trim(),
        second.trim()
    )
}

/// `ln(exp(a) + exp(b))`
fn ln_sum(a: f64, b: f64) -> f64 {
    let most = a.max(b);
    if most == f64::NEG_INFINITY { most } else { most + ((a - most).exp() + (b - most).exp()).ln() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_of_probabilities() {
        let check = |a: f64, b: f64| {
            let found = ln_sum(a.ln(), b.ln());
            assert!((found - (a + b).ln()).abs() < 1e-12, "{a} {b}: {found}");
        };
        check(0.5, 0.25);
        check(1e-9, 0.5);
        check(0.0, 0.5);
        assert_eq!(ln_sum(f64::NEG_INFINITY, f64::NEG_INFINITY), f64::NEG_INFINITY);
    }
}
