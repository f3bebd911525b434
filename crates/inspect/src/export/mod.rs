//! What was seen, as files that other programs read: docs/inspect-formats.md says what is in them.

mod arrays;
mod bertviz;
mod circuitsvis;
mod compact;
mod error;
mod grid;
mod html;
mod json;
mod npz;
mod parquet;
mod safetensors;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::Path;

use ::format::Output;

use crate::record::Row;

pub use error::ExportError;
pub use html::{Answer, Lens, Page, Reading};

/// Rows of one text, and what their numbers stand for.
#[derive(Clone, Copy, Debug)]
pub struct Export<'a> {
    pub model: &'a str,
    /// Of the model; rows may be of some only.
    pub n_layers: usize,
    pub n_heads: usize,
    /// Of the text, one a position.
    pub tokens: Tokens<'a>,
    pub rows: &'a [Row],
}

/// One id and one piece of text a position.
#[derive(Clone, Copy, Debug)]
pub struct Tokens<'a> {
    pub ids: &'a [u32],
    pub pieces: &'a [String],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// The rows as they are, however many keys they list.
    Json,
    /// One array with a place for every key: rows must list all of theirs.
    Safetensors,
    Npz,
    /// A table with a line for each weight.
    Parquet,
    /// What BertViz and CircuitsVis draw, of short texts.
    Bertviz,
    CircuitsVis,
}

/// Tokens of a text that BertViz and CircuitsVis can show: they draw a shape for each weight.
pub const N_DRAWN_TOKENS_MAX: usize = 256;

impl ExportFormat {
    /// Longer endings first.
    const ENDINGS: [(&str, Self); 6] = [
        (".bertviz.json", Self::Bertviz),
        (".circuitsvis.json", Self::CircuitsVis),
        (".json", Self::Json),
        (".safetensors", Self::Safetensors),
        (".npz", Self::Npz),
        (".parquet", Self::Parquet),
    ];

    /// # Errors
    /// [`ExportError::Name`]
    pub fn of(path: &Path) -> Result<Self, ExportError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let known = Self::ENDINGS.into_iter().find(|(ending, _)| name.ends_with(ending));
        known.map(|(_, format)| format).ok_or_else(|| ExportError::Name { path: path.into() })
    }
}

impl Export<'_> {
    /// The file appears complete or not at all. Arrays that need more than `n_bytes_max` are not
    /// made.
    ///
    /// # Errors
    /// Rows that the format cannot hold; what the system says.
    pub fn write_file(
        &self,
        path: &Path,
        format: ExportFormat,
        n_bytes_max: u64,
    ) -> Result<(), ExportError> {
        let mut output = Output::create(path)?;
        self.write(output.writer(), format, n_bytes_max).map_err(|err| err.at(path))?;
        Ok(output.commit()?)
    }

    /// # Errors
    /// As [`Self::write_file`]; something was written then, perhaps.
    pub fn write(
        &self,
        out: &mut dyn Write,
        format: ExportFormat,
        n_bytes_max: u64,
    ) -> Result<(), ExportError> {
        let n_tokens = self.tokens.ids.len();
        assert_eq!(n_tokens, self.tokens.pieces.len(), "a piece for each token");
        let keys = self.rows.iter().flat_map(|row| row.keys.iter().map(|key| key.0));
        let positions = keys.chain(self.rows.iter().map(|row| row.query_pos));
        assert!(positions.max().is_none_or(|pos| (pos as usize) < n_tokens), "rows of this text");
        match format {
            ExportFormat::Json => json::write(self, out),
            ExportFormat::Safetensors => {
                safetensors::write(&arrays::of(self, n_bytes_max)?, self.model, out)
            }
            ExportFormat::Npz => npz::write(&arrays::of(self, n_bytes_max)?, out),
            ExportFormat::Parquet => parquet::write(self, out),
            ExportFormat::Bertviz => bertviz::write(self, out),
            ExportFormat::CircuitsVis => circuitsvis::write(self, out),
        }
    }
}
