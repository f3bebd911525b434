//! Bodies: bounded, JSON, with the fields that an address knows.

use axum::body::{Body, to_bytes};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::time::timeout;

use crate::error::ApiError;
use crate::limits::Limits;

/// Fields of a request, all of which may be left out.
macro_rules! fields {
    (
        $(#[$attribute:meta])*
        $name:ident { $($(#[$doc:meta])* $field:ident: $kind:ty,)* }
        without_effect: [$($ignored:literal),* $(,)?]
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Default)]
        pub(crate) struct $name { $($(#[$doc])* pub(crate) $field: Option<$kind>,)* }

        impl $crate::body::Fields for $name {
            fn is_known(name: &str) -> bool {
                [$(stringify!($field),)* $($ignored,)*].contains(&name)
            }

            fn take(fields: &mut $crate::body::Taken) -> Result<Self, $crate::error::ApiError> {
                Ok(Self { $($field: fields.take(stringify!($field))?,)* })
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
}

/// Those of both.
impl<A: Fields, B: Fields> Fields for (A, B) {
    fn is_known(name: &str) -> bool {
        A::is_known(name) || B::is_known(name)
    }

    fn take(fields: &mut Taken) -> Result<Self, ApiError> {
        Ok((A::take(fields)?, B::take(fields)?))
    }
}

/// An object whose fields are read one by one.
pub(crate) struct Taken(Map<String, Value>);

impl Taken {
    /// `None`: it is not there, or null.
    pub(crate) fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, ApiError> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
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
    body: Body,
    limits: &Limits,
    is_lenient: bool,
) -> Result<T, ApiError> {
    let bytes = timeout(limits.body, to_bytes(body, limits.body_bytes)).await;
    let bytes = bytes.map_err(|_| ApiError::too_slow())?;
    let bytes = bytes.map_err(|_| ApiError::too_large(limits.body_bytes))?;
    parse(&bytes, is_lenient)
}

pub(crate) fn parse<T: Fields>(bytes: &[u8], is_lenient: bool) -> Result<T, ApiError> {
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
