//! A cached text on disk: versioned, checksummed, and bound to the model that computed it.
//!
//! ```text
//! "lookback kv\0"  version: u32  fingerprint of the model: [u8; 32]
//! n_kv_heads: u32  head_dim: u32  n_layers: u32
//! per layer: names of the types of keys and values, window: u32 (0: none)
//! n_tokens: u64  tokens: [u32]
//! per group of layers: which blocks are there: [u8; n_blocks]
//! per layer, per block that is there: its keys, its values
//! SHA-256 of all before
//! ```
//! Numbers are little-endian, blocks as they lie in memory; a name is its length in a byte and its
//! letters.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use format::Output;
use kernels::KEY_BLOCK;
use sha2::{Digest, Sha256};

use super::cache::KvCache;
use super::kv_type::KvType;
use super::sequences::Table;
use super::shape::{KvShape, LayerShape, ValuePlace};
use crate::config::{HEAD_DIM_MAX, N_LAYERS_MAX};

const MAGIC: &[u8; 12] = b"lookback kv\0";
const VERSION: u32 = 2;
const CHECKSUM_BYTES: u64 = 32;
const _: () = assert!(cfg!(target_endian = "little"), "blocks would need another order");

/// What identifies a model: see [`crate::Model::fingerprint`].
pub type Fingerprint = [u8; 32];

/// Why a text could not be saved or loaded. The cache is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum KvFileError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Write(#[from] format::Error),
    #[error("nothing of this text is cached any more")]
    NotCached,
    #[error("{path} is not a saved cache")]
    NotACache { path: PathBuf },
    #[error("{path} has version {found}; this program reads version {VERSION}")]
    Version { path: PathBuf, found: u32 },
    #[error("{path} was saved with another model, or with --exact on one side only")]
    OtherModel { path: PathBuf },
    #[error("{path} holds {found}; this cache holds {expected}: choose the same --kv")]
    OtherTypes { path: PathBuf, expected: String, found: String },
    #[error("{path} is damaged: {what}")]
    Damaged { path: PathBuf, what: &'static str },
    #[error("{path} needs {n_wanted} bytes of cache, {n_free} are free: use a larger context")]
    Full { path: PathBuf, n_wanted: usize, n_free: usize },
}

/// A text and where its keys and values are.
struct SavedText {
    tokens: Vec<u32>,
    /// By group of layers.
    tables: Vec<Table>,
}

impl KvCache {
    /// Writes what is cached of a text, and returns how many of its tokens that is. A file that is
    /// there is replaced when the new one is whole.
    ///
    /// # Errors
    /// [`KvFileError::NotCached`], and what the system says.
    pub fn save(
        &mut self,
        tokens: &[u32],
        fingerprint: &Fingerprint,
        path: &Path,
    ) -> Result<usize, KvFileError> {
        let (n_tokens, tables) = self.cached_text(tokens);
        if n_tokens == 0 {
            return Err(KvFileError::NotCached);
        }
        let mut output = Output::create(path)?;
        let text = SavedText { tokens: tokens[..n_tokens].to_vec(), tables };
        let written = self.write_text(&text, fingerprint, output.writer());
        written.map_err(|source| KvFileError::Io { path: path.into(), source })?;
        output.commit()?;
        Ok(n_tokens)
    }

    fn write_text(
        &self,
        text: &SavedText,
        fingerprint: &Fingerprint,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut hasher = Sha256::new();
        let mut put = |bytes: &[u8]| {
            hasher.update(bytes);
            out.write_all(bytes)
        };
        put(MAGIC)?;
        put(&VERSION.to_le_bytes())?;
        put(fingerprint)?;
        put(&shape_bytes(self.shape()))?;
        put(&(text.tokens.len() as u64).to_le_bytes())?;
        for token in &text.tokens {
            put(&token.to_le_bytes())?;
        }
        for table in &text.tables {
            put(&table.iter().map(|block| u8::from(block.is_some())).collect::<Vec<_>>())?;
        }
        for layer in &self.store.layers {
            for &block in text.tables[layer.group_idx].iter().flatten() {
                let [keys, values] = [&layer.keys.blocks, &layer.values.blocks];
                let parts = keys.get(block).bytes().into_iter().chain(values.get(block).bytes());
                for bytes in parts {
                    put(bytes)?;
                }
            }
        }
        out.write_all(&hasher.finalize())
    }

    /// Reads a saved text, for requests that begin like it; returns its tokens. What sequences do
    /// not use makes room.
    ///
    /// # Errors
    /// A file that is no saved cache, is damaged, or of another model or other types; too little
    /// room; and what the system says. The cache holds what it held before, or less of what
    /// nobody uses.
    pub fn load(
        &mut self,
        fingerprint: &Fingerprint,
        path: &Path,
    ) -> Result<Vec<u32>, KvFileError> {
        let io = |source| KvFileError::Io { path: path.into(), source };
        let file = File::open(path).map_err(io)?;
        let n_left = file.metadata().map_err(io)?.len();
        let input = BufReader::with_capacity(1 << 20, file);
        let mut source = Source { path, input, hasher: Sha256::new(), n_left };
        source.check_head(fingerprint, self.shape())?;
        let tokens = source.tokens()?;
        let n_blocks = tokens.len().div_ceil(KEY_BLOCK);
        let mut is_there = Vec::new();
        for _ in 0..self.store.groups.len() {
            is_there.push(source.take(n_blocks)?);
        }
        self.make_room_for(&is_there, &mut source)?;
        let tables = self.take_blocks(&is_there);
        let text = SavedText { tokens, tables };
        let read = self.read_blocks(&text, &mut source);
        if read.is_ok() {
            self.remember_text(&text.tokens, &text.tables);
        }
        self.give_back_blocks(&text.tables);
        read.map(|()| text.tokens)
    }

    /// Checks that the file ends where its blocks do, and evicts until they fit.
    fn make_room_for(
        &mut self,
        is_there: &[Vec<u8>],
        source: &mut Source<'_>,
    ) -> Result<(), KvFileError> {
        let blocks = self.store.groups.iter().zip(is_there).flat_map(|(group, flags)| {
            let there = flags.iter().enumerate().filter(|(_, flag)| **flag != 0);
            there.map(|(block_idx, _)| group.bytes_of_new(block_idx == 0))
        });
        let n_wanted: usize = blocks.sum();
        if source.n_left != n_wanted as u64 + CHECKSUM_BYTES {
            return Err(source.damaged("it is cut off, or longer than it says"));
        }
        let path = source.path.into();
        self.make_room(|_| n_wanted).map_err(|n_free| KvFileError::Full { path, n_wanted, n_free })
    }

    fn read_blocks(
        &mut self,
        text: &SavedText,
        source: &mut Source<'_>,
    ) -> Result<(), KvFileError> {
        for layer in &mut self.store.layers {
            for &block in text.tables[layer.group_idx].iter().flatten() {
                let [keys, values] = [&mut layer.keys.blocks, &mut layer.values.blocks];
                let keys = keys.get_mut(block).bytes_mut().into_iter();
                for bytes in keys.chain(values.get_mut(block).bytes_mut()) {
                    source.fill(bytes)?;
                }
            }
        }
        source.check_sum()
    }
}

/// A file on its way in: counted, so that nothing is allocated that is not there, and hashed.
struct Source<'a> {
    path: &'a Path,
    input: BufReader<File>,
    hasher: Sha256,
    n_left: u64,
}

impl Source<'_> {
    fn damaged(&self, what: &'static str) -> KvFileError {
        KvFileError::Damaged { path: self.path.into(), what }
    }

    fn take(&mut self, n: usize) -> Result<Vec<u8>, KvFileError> {
        if self.n_left < n as u64 {
            return Err(self.damaged("it is cut off"));
        }
        let mut bytes = vec![0; n];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), KvFileError> {
        let io = |source| KvFileError::Io { path: self.path.into(), source };
        self.input.read_exact(bytes).map_err(io)?;
        self.n_left -= bytes.len() as u64;
        self.hasher.update(&*bytes);
        Ok(())
    }

    fn u32(&mut self) -> Result<u32, KvFileError> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes(bytes.try_into().expect("four bytes")))
    }

    /// Everything up to the tokens; the file must be of this model and shape.
    fn check_head(
        &mut self,
        fingerprint: &Fingerprint,
        shape: &KvShape,
    ) -> Result<(), KvFileError> {
        if self.n_left < MAGIC.len() as u64 || self.take(MAGIC.len())? != MAGIC {
            return Err(KvFileError::NotACache { path: self.path.into() });
        }
        let found = self.u32()?;
        if found != VERSION {
            return Err(KvFileError::Version { path: self.path.into(), found });
        }
        if self.take(fingerprint.len())? != fingerprint {
            return Err(KvFileError::OtherModel { path: self.path.into() });
        }
        let found = self.shape(shape.values)?;
        if found != *shape {
            let path = self.path.into();
            let (expected, found) = (types(shape), types(&found));
            return Err(KvFileError::OtherTypes { path, expected, found });
        }
        Ok(())
    }

    /// `values`: where they are follows from the model.
    fn shape(&mut self, values: ValuePlace) -> Result<KvShape, KvFileError> {
        let [n_kv_heads, head_dim, n_layers] = [self.u32()?, self.u32()?, self.u32()?];
        if n_layers as usize > N_LAYERS_MAX || head_dim as usize > HEAD_DIM_MAX {
            return Err(self.damaged("its numbers are out of range"));
        }
        let mut layers = Vec::new();
        for _ in 0..n_layers {
            let (k_type, v_type) = (self.kv_type()?, self.kv_type()?);
            let window = self.u32()?;
            layers.push(LayerShape { k_type, v_type, window: (window > 0).then_some(window) });
        }
        let (n_kv_heads, head_dim) = (n_kv_heads as usize, head_dim as usize);
        Ok(KvShape { n_kv_heads, head_dim, values, layers })
    }

    fn kv_type(&mut self) -> Result<KvType, KvFileError> {
        let n = self.take(1)?[0];
        let name = self.take(n.into())?;
        let kind = KvType::ALL.into_iter().find(|kind| kind.name().as_bytes() == name);
        kind.ok_or_else(|| self.damaged("it names a type of cache that is not known"))
    }

    fn tokens(&mut self) -> Result<Vec<u32>, KvFileError> {
        let n = self.take(8)?;
        let n = u64::from_le_bytes(n.try_into().expect("eight bytes"));
        if n == 0 || n > self.n_left / 4 {
            return Err(self.damaged("it is cut off"));
        }
        let bytes = self.take(4 * n as usize)?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|&bytes| u32::from_le_bytes(bytes)).collect())
    }

    fn check_sum(&mut self) -> Result<(), KvFileError> {
        let found = self.hasher.clone().finalize();
        if self.take(found.len())? == found[..] {
            Ok(())
        } else {
            Err(self.damaged("its checksum does not match"))
        }
    }
}

fn shape_bytes(shape: &KvShape) -> Vec<u8> {
    let mut bytes = Vec::new();
    for n in [shape.n_kv_heads, shape.head_dim, shape.layers.len()] {
        bytes.extend((n as u32).to_le_bytes());
    }
    for layer in &shape.layers {
        for kind in [layer.k_type, layer.v_type] {
            bytes.push(kind.name().len() as u8);
            bytes.extend(kind.name().as_bytes());
        }
        bytes.extend(layer.window.unwrap_or(0).to_le_bytes());
    }
    bytes
}

/// `f16 keys and q8_0 values`, of the first layer.
fn types(shape: &KvShape) -> String {
    let first = shape
        .layers
        .first()
        .map_or(("no", "no"), |layer| (layer.k_type.name(), layer.v_type.name()));
    format!("{} keys and {} values", first.0, first.1)
}
