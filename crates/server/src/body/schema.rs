//! What a field may hold, as a JSON schema: for people and programs that read how to ask.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Fields;

/// A type of a field.
pub(crate) trait Described {
    fn schema() -> Value;
}

/// The schema of a body.
pub(crate) fn object<T: Fields>() -> Value {
    let mut properties = Map::new();
    T::describe(&mut properties);
    json!({"type": "object", "properties": properties})
}

macro_rules! described {
    ($($kind:ty: $schema:tt,)*) => {
        $(impl Described for $kind {
            fn schema() -> Value {
                json!($schema)
            }
        })*
    };
}

described! {
    String: {"type": "string"},
    bool: {"type": "boolean"},
    f32: {"type": "number"},
    f64: {"type": "number"},
    u32: {"type": "integer", "minimum": 0, "maximum": 4_294_967_295_u32},
    i64: {"type": "integer"},
    usize: {"type": "integer", "minimum": 0},
    Value: {},
    Map<String, Value>: {"type": "object"},
}

impl<T: Described> Described for Vec<T> {
    fn schema() -> Value {
        json!({"type": "array", "items": T::schema()})
    }
}

impl<T: Described> Described for BTreeMap<String, T> {
    fn schema() -> Value {
        json!({"type": "object", "additionalProperties": T::schema()})
    }
}

/// One of several types.
pub(crate) fn any_of<const N: usize>(schemas: [Value; N]) -> Value {
    json!({"anyOf": schemas.to_vec()})
}
