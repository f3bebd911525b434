//! GGUF bytes put together by hand, so that any field can be wrong.

/// A file of which every field can be replaced. `None` stands for the right value.
#[derive(Clone)]
pub(crate) struct RawGguf {
    pub(crate) magic: [u8; 4],
    pub(crate) version: u32,
    pub(crate) n_tensors: Option<u64>,
    pub(crate) n_entries: Option<u64>,
    /// Encoded by [`entry`].
    pub(crate) entries: Vec<Vec<u8>>,
    pub(crate) tensors: Vec<RawTensor>,
    pub(crate) n_data: usize,
}

#[derive(Clone)]
pub(crate) struct RawTensor {
    pub(crate) name: Vec<u8>,
    pub(crate) name_len: Option<u64>,
    pub(crate) n_dims: Option<u32>,
    /// Innermost first, as in the file.
    pub(crate) dims: Vec<u64>,
    pub(crate) type_id: u32,
    pub(crate) offset: u64,
}

pub(crate) const F32: u32 = 0;
pub(crate) const Q4_0: u32 = 2;

/// A valid file: one entry, `a` F32 `[8]` and `b` Q4_0 `[2, 32]`.
pub(crate) fn valid() -> RawGguf {
    let tensor = |name: &str, dims: &[u64], type_id, offset| RawTensor {
        name: name.into(),
        name_len: None,
        n_dims: None,
        dims: dims.into(),
        type_id,
        offset,
    };
    RawGguf {
        magic: *b"GGUF",
        version: 3,
        n_tensors: None,
        n_entries: None,
        entries: vec![entry("general.name", 8, &string(b"tiny"))],
        tensors: vec![tensor("a", &[8], F32, 0), tensor("b", &[32, 2], Q4_0, 32)],
        n_data: 32 + 36,
    }
}

pub(crate) fn entry(key: &str, type_id: u32, payload: &[u8]) -> Vec<u8> {
    [&string(key.as_bytes()), &type_id.to_le_bytes()[..], payload].concat()
}

pub(crate) fn string(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u64).to_le_bytes(), bytes].concat()
}

pub(crate) fn array(element_id: u32, n: u64, elements: &[u8]) -> Vec<u8> {
    [&element_id.to_le_bytes()[..], &n.to_le_bytes(), elements].concat()
}

impl RawGguf {
    pub(crate) fn header(&self) -> Vec<u8> {
        let mut bytes = self.magic.to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(self.n_tensors.unwrap_or(self.tensors.len() as u64).to_le_bytes());
        bytes.extend(self.n_entries.unwrap_or(self.entries.len() as u64).to_le_bytes());
        bytes.extend(self.entries.concat());
        for tensor in &self.tensors {
            let name_len = tensor.name_len.unwrap_or(tensor.name.len() as u64);
            bytes.extend(name_len.to_le_bytes());
            bytes.extend(&tensor.name);
            bytes.extend(tensor.n_dims.unwrap_or(tensor.dims.len() as u32).to_le_bytes());
            tensor.dims.iter().for_each(|n| bytes.extend(n.to_le_bytes()));
            bytes.extend(tensor.type_id.to_le_bytes());
            bytes.extend(tensor.offset.to_le_bytes());
        }
        bytes
    }

    /// Header, padding to 32, and data that counts up.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.header();
        bytes.resize(bytes.len().next_multiple_of(32), 0);
        bytes.extend((0..self.n_data).map(|i| i as u8));
        bytes
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(crate) fn with_entry(self, key: &str, type_id: u32, payload: &[u8]) -> Self {
        self.with(|file| file.entries.push(entry(key, type_id, payload)))
    }
}
