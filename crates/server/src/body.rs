//! Bodies: bounded, JSON, with the fields that an address knows.

mod schema;

use axum::body::to_bytes;
use axum::extract::Request;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::time::timeout;

pub(crate) use self::schema::{Described, any_of, object};

use crate::app::ServerOptions;
use crate::error::ApiError;

/// Fields of a request, all of which may be left out, and what they are for.
macro_rules! fields {
    (
        $(#[$attribute:meta])*
        $name:ident { $($(#[doc = $doc:literal])* $field:ident: $kind:ty,)* }
        without_effect: [$($ignored:literal),* $(,)?]
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Default)]
        pub(crate) struct $name {
            $($(#[doc = $doc])* pub(crate) $field: Option<$kind>,)*
        }

        impl $crate::body::Fields for $name {
            fn is_known(name: &str) -> bool {
                [$(stringify!($field),)* $($ignored,)*].contains(&name)
            }

            fn take(fields: &mut $crate::body::Taken) -> Result<Self, $crate::error::ApiError> {
                Ok(Self { $($field: fields.take(stringify!($field))?,)* })
            }

            fn describe(properties: &mut serde_json::Map<String, serde_json::Value>) {
                $(properties.insert(
                    stringify!($field).to_owned(),
                    $crate::body::property::<$kind>(&[$($doc,)*]),
                );)*
                $(properties.insert($ignored.to_owned(), $crate::body::ignored());)*
            }
        }
    };
}
pub(crate) use fields;

/// See [`fields`].
pub(crate) trait Fields: Sized {
    /// Whether a field is read, or is one that clients send and that changes nothing here.
    fn is_known(name: &str) -> bool;

    fn take(fields: &mut Taken) -> Result<Self, ApiError>;

    /// Adds the JSON schema of each field.
    fn describe(properties: &mut Map<String, Value>);
}

/// None.
impl Fields for () {
    fn is_known(_name: &str) -> bool {
        false
    }

    fn take(_fields: &mut Taken) -> Result<Self, ApiError> {
        Ok(())
    }

    fn describe(_properties: &mut Map<String, Value>) {}
}

/// Those of both.
impl<A: Fields, B: Fields> Fields for (A, B) {
    fn is_known(name: &str) -> bool {
        A::is_known(name) || B::is_known(name)
    }

    fn take(fields: &mut Taken) -> Result<Self, ApiError> {
        Ok((A::take(fields)?, B::take(fields)?))
    }

    fn describe(properties: &mut Map<String, Value>) {
        A::describe(properties);
        B::describe(properties);
    }
}

pub(crate) fn property<T: Described>(docs: &[&str]) -> Value {
    let mut schema = serde_json::json!({"anyOf": [T::schema(), {"type": "null"}]});
    let about = docs.concat();
    if !about.is_empty() {
        schema["description"] = about.trim().into();
    }
    schema
}

pub(crate) fn ignored() -> Value {
    serde_json::json!({"description": "Read by other servers; changes nothing here."})
}

/// An object whose fields are read one by one.
pub(crate) struct Taken(Map<String, Value>);

impl Taken {
    /// `None`: it is not there, or null.
    pub(crate) fn take<T>(&mut self, name: &str) -> Result<Option<T>, ApiError>
    where
        T: DeserializeOwned + Described,
    {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            // Serde takes it for the fields in their order.
            Some(Value::Array(_)) if T::schema()["type"] == "object" => {
                Err(ApiError::field(name, "expected an object, found a list"))
            }
            Some(value) => {
                let read = serde_json::from_value(value);
                read.map(Some).map_err(|error| ApiError::field(name, error.to_string()))
            }
        }
    }
}

/// Reads a body. Of fields that nobody knows the first is named, unless they may be there.
///
/// # Errors
/// A body that is too large, too slow, or not a JSON object, and fields of the wrong kind.
pub(crate) async fn read<T: Fields>(
    request: Request,
    ServerOptions { limits, is_lenient, .. }: &ServerOptions,
) -> Result<T, ApiError> {
    let bytes = timeout(limits.body, to_bytes(request.into_body(), limits.body_bytes)).await;
    let bytes = bytes.map_err(|_| ApiError::too_slow())?;
    let bytes = bytes.map_err(|_| ApiError::too_large(limits.body_bytes))?;
    parse(&bytes, *is_lenient)
}

fn parse<T: Fields>(bytes: &[u8], is_lenient: bool) -> Result<T, ApiError> {
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| ApiError::bad(format!("the body is not JSON: {error}")))?;
    let Value::Object(object) = value else {
        return Err(ApiError::bad("the body is JSON, but not an object"));
    };
    if !is_lenient && let Some(name) = object.keys().find(|name| !T::is_known(name)) {
        let message = "nobody knows this field here; --lenient lets it pass";
        return Err(ApiError::field(name, message));
    }
    T::take(&mut Taken(object))
}
