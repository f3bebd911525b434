//! The tensors that a quantised matrix is made of.

use std::collections::HashSet;

use format::safetensors::{RawTensor, RawType, SafetensorsFolder};
use kernels::block;

use crate::error::LoadError;

/// Hands them out by the last part of their names, and remembers which.
pub(in crate::load) struct Parts<'a> {
    pub(in crate::load) folder: &'a SafetensorsFolder,
    /// Of the module.
    pub(in crate::load) name: String,
    pub(in crate::load) used: &'a mut HashSet<String>,
}

impl<'a> Parts<'a> {
    /// Parts are parts of names, or the ends of one.
    fn name_of(&self, part: &str) -> String {
        let dot = if part.starts_with('_') { "" } else { "." };
        format!("{}{dot}{part}", self.name)
    }

    /// # Errors
    /// As for [`Parts::optional_raw`], and a part that is missing.
    pub(super) fn raw(
        &mut self,
        part: &str,
        dtype: RawType,
        shape: &[usize],
    ) -> Result<&'a RawTensor, LoadError> {
        let tensor = self.optional_raw(part, dtype, shape)?;
        tensor.ok_or_else(|| missing(self.name_of(part), shape))
    }

    /// # Errors
    /// Another type or shape.
    pub(super) fn optional_raw(
        &mut self,
        part: &str,
        dtype: RawType,
        shape: &[usize],
    ) -> Result<Option<&'a RawTensor>, LoadError> {
        let name = self.name_of(part);
        let Some(tensor) = self.folder.raw_tensor(&name) else {
            return match self.folder.tensor(&name)? {
                None => Ok(None),
                Some(found) => {
                    let (expected, found) = (dtype.name(), found.info.dtype.name());
                    Err(LoadError::TensorType { name, expected, found })
                }
            };
        };
        if tensor.dtype != dtype {
            let (expected, found) = (dtype.name(), tensor.dtype.name());
            return Err(LoadError::TensorType { name, expected, found });
        }
        check_shape(&name, shape, &tensor.shape)?;
        self.used.insert(name);
        Ok(Some(tensor))
    }

    /// That of a part that needs others beside it.
    pub(super) fn type_of(&self, part: &str) -> Option<RawType> {
        self.folder.raw_tensor(&self.name_of(part)).map(|tensor| tensor.dtype)
    }

    /// The first part that is there, in one of some shapes.
    ///
    /// # Errors
    /// As for [`Parts::floats`].
    pub(super) fn floats_of(
        &mut self,
        parts: &[&str],
        shapes: &[Vec<usize>],
    ) -> Result<(Vec<usize>, Vec<f32>), LoadError> {
        let mut part = parts[0];
        let mut shape = &shapes[0];
        for other in parts.iter().rev() {
            if let Some(tensor) = self.folder.tensor(&self.name_of(other))? {
                part = other;
                let found = shapes.iter().find(|shape| **shape == tensor.info.shape);
                shape = found.unwrap_or(&shapes[0]);
            }
        }
        Ok((shape.clone(), self.floats(part, shape)?))
    }

    /// Finite numbers.
    ///
    /// # Errors
    /// A part that is missing, has another shape or type, or holds other numbers.
    pub(super) fn floats(&mut self, part: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError> {
        let name = self.name_of(part);
        let Some(tensor) = self.folder.tensor(&name)? else { return Err(missing(name, shape)) };
        check_shape(&name, shape, &tensor.info.shape)?;
        let mut values = vec![0.0; shape.iter().product()];
        block::decode_row(tensor.info.dtype, &tensor.bytes, &mut values);
        if let Some(value_idx) = values.iter().position(|x| !x.is_finite()) {
            return Err(LoadError::NotFinite { name, value_idx, found: values[value_idx] });
        }
        self.used.insert(name);
        Ok(values)
    }

    /// An error about a number in a part.
    pub(super) fn wrong(&self, part: &str, expected: String, found: i32) -> LoadError {
        LoadError::config(&self.name_of(part), expected, found)
    }

    /// The group of each input, `[n_in]`: neighbours, where the part is not there or holds nothing
    /// but `unordered`.
    ///
    /// # Errors
    /// As for [`Parts::optional_raw`], and a group that there is not.
    pub(super) fn groups(
        &mut self,
        part: &str,
        [n_in, group]: [usize; 2],
        unordered: i32,
    ) -> Result<Vec<u32>, LoadError> {
        let in_order = || (0..n_in).map(|input| (input / group) as u32).collect();
        let Some(tensor) = self.optional_raw(part, RawType::I32, &[n_in])? else {
            return Ok(in_order());
        };
        let groups: Vec<u32> = words(&tensor.bytes).collect();
        if groups.iter().all(|&group| group as i32 == unordered) {
            return Ok(in_order());
        }
        let n_groups = n_in.div_ceil(group);
        match groups.iter().find(|&&group| group as usize >= n_groups) {
            None => Ok(groups),
            Some(&found) => {
                let expected = format!("groups below {n_groups}");
                Err(self.wrong(part, expected, found as i32))
            }
        }
    }
}

/// Little-endian words.
pub(super) fn words(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word))
}

fn missing(name: String, expected: &[usize]) -> LoadError {
    LoadError::MissingTensor { name, expected: expected.to_vec() }
}

fn check_shape(name: &str, expected: &[usize], found: &[usize]) -> Result<(), LoadError> {
    if expected == found {
        return Ok(());
    }
    let (expected, found) = (expected.to_vec(), found.to_vec());
    Err(LoadError::TensorShape { name: name.to_owned(), expected, found })
}
