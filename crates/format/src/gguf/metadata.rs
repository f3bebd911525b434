//! Metadata: ordered keys with typed access.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::Error;
use crate::gguf::array::{Numbers, Strings};
use crate::gguf::value::Value;

/// Keys and values in the order of the file.
///
/// The typed getters return `Ok(None)` when the key is absent and [`Error::MetadataType`] when it
/// has another type. Writers disagree on the width of numbers, so every integer type is accepted
/// where the value fits, and both float types where a float is asked for.
#[derive(Debug)]
pub struct Metadata {
    file: PathBuf,
    entries: Vec<(String, Value)>,
    by_key: HashMap<String, usize>,
}

impl Metadata {
    pub(super) fn new(file: PathBuf) -> Self {
        Self { file, entries: Vec::new(), by_key: HashMap::new() }
    }

    /// # Errors
    /// [`Error::DuplicateKey`]
    pub(super) fn insert(&mut self, key: String, value: Value) -> Result<(), Error> {
        if self.by_key.insert(key.clone(), self.entries.len()).is_some() {
            return Err(Error::DuplicateKey { file: self.file.clone(), key });
        }
        self.entries.push((key, value));
        Ok(())
    }

    pub fn get(&self, key: &str) -> Option<&Value> {
        self.by_key.get(key).map(|&entry_idx| &self.entries[entry_idx].1)
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value))
    }

    pub fn u32(&self, key: &str) -> Result<Option<u32>, Error> {
        self.typed(key, "u32", |value| value.as_integer()?.try_into().ok())
    }

    pub fn u64(&self, key: &str) -> Result<Option<u64>, Error> {
        self.typed(key, "u64", |value| value.as_integer()?.try_into().ok())
    }

    pub fn f32(&self, key: &str) -> Result<Option<f32>, Error> {
        self.typed(key, "f32", Value::as_f32)
    }

    pub fn bool(&self, key: &str) -> Result<Option<bool>, Error> {
        self.typed(key, "bool", Value::as_bool)
    }

    pub fn str(&self, key: &str) -> Result<Option<&str>, Error> {
        self.typed(key, "string", Value::as_str)
    }

    /// Strings of an array are bytes: see [`Strings`].
    pub fn strings(&self, key: &str) -> Result<Option<&Strings>, Error> {
        self.typed(key, "array of string", Value::as_strings)
    }

    pub fn u32s(&self, key: &str) -> Result<Option<Vec<u32>>, Error> {
        self.numbers(key, "array of u32", |value| value.as_integer()?.try_into().ok())
    }

    pub fn i32s(&self, key: &str) -> Result<Option<Vec<i32>>, Error> {
        self.numbers(key, "array of i32", |value| value.as_integer()?.try_into().ok())
    }

    pub fn f32s(&self, key: &str) -> Result<Option<Vec<f32>>, Error> {
        self.numbers(key, "array of f32", Value::as_f32)
    }

    pub fn bools(&self, key: &str) -> Result<Option<Vec<bool>>, Error> {
        self.numbers(key, "array of bool", Value::as_bool)
    }

    /// # Errors
    /// [`Error::MissingKey`] too, as for every `require_`.
    pub fn require_u32(&self, key: &str) -> Result<u32, Error> {
        self.require(key, self.u32(key)?)
    }

    pub fn require_f32(&self, key: &str) -> Result<f32, Error> {
        self.require(key, self.f32(key)?)
    }

    pub fn require_str(&self, key: &str) -> Result<&str, Error> {
        self.require(key, self.str(key)?)
    }

    pub fn require_strings(&self, key: &str) -> Result<&Strings, Error> {
        self.require(key, self.strings(key)?)
    }

    fn require<T>(&self, key: &str, value: Option<T>) -> Result<T, Error> {
        value.ok_or_else(|| Error::MissingKey { file: self.file.clone(), key: key.into() })
    }

    fn numbers<T>(
        &self,
        key: &str,
        expected: &'static str,
        convert: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<Vec<T>>, Error> {
        let Some(numbers) = self.typed::<&Numbers>(key, expected, Value::as_numbers)? else {
            return Ok(None);
        };
        let mut converted = Vec::with_capacity(numbers.len());
        for (number_idx, value) in numbers.iter().enumerate() {
            converted.push(convert(&value).ok_or_else(|| {
                let found = format!("{} at index {number_idx}", value.describe());
                self.type_error(key, expected, found)
            })?);
        }
        Ok(Some(converted))
    }

    fn typed<'a, T>(
        &'a self,
        key: &str,
        expected: &'static str,
        convert: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match convert(value) {
            Some(converted) => Ok(Some(converted)),
            None => Err(self.type_error(key, expected, value.describe())),
        }
    }

    fn type_error(&self, key: &str, expected: &'static str, found: String) -> Error {
        Error::MetadataType { file: self.file.clone(), key: key.into(), expected, found }
    }
}
