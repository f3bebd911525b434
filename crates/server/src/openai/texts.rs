//! One text or several, as texts or as tokens.

use serde::Deserialize;
use serde_json::Value;

use crate::body::{Described, any_of};

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a text, a list of texts, token ids, or a list of those")]
pub(crate) enum Texts {
    One(String),
    Ids(Vec<u32>),
    Many(Vec<String>),
    ManyIds(Vec<Vec<u32>>),
}

impl Described for Texts {
    fn schema() -> Value {
        any_of([
            String::schema(),
            Vec::<u32>::schema(),
            Vec::<String>::schema(),
            Vec::<Vec<u32>>::schema(),
        ])
    }
}

impl Texts {
    /// The ids of each.
    ///
    /// # Errors
    /// Those of `encode`.
    pub(super) fn into_ids<E>(
        self,
        encode: impl Fn(&str) -> Result<Vec<u32>, E>,
    ) -> Result<Vec<Vec<u32>>, E> {
        match self {
            Self::One(text) => Ok(vec![encode(&text)?]),
            Self::Ids(ids) => Ok(vec![ids]),
            Self::Many(texts) => texts.iter().map(|text| encode(text)).collect(),
            Self::ManyIds(all) => Ok(all),
        }
    }
}
