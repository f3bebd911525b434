//! Shared, immutable bytes: a range of a mapped file or of memory.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use memmap2::Mmap;

/// A cheap handle on bytes that nobody can change. The file or buffer behind it lives as long as
/// the last handle. No alignment is promised: read bytes, do not cast.
#[derive(Clone)]
pub struct Bytes {
    region: Arc<Region>,
    range: Range<usize>,
}

enum Region {
    Owned(Vec<u8>),
    Mapped(Mmap),
}

impl Bytes {
    pub(crate) fn mapped(map: Mmap) -> Self {
        let range = 0..map.len();
        Self { region: Arc::new(Region::Mapped(map)), range }
    }

    /// A handle on part of these bytes; `range` counts from their start and lies inside them.
    pub fn slice(&self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end);
        assert!(range.end <= self.range.len());
        let start = self.range.start;
        Self { region: self.region.clone(), range: start + range.start..start + range.end }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let region: &[u8] = match &*self.region {
            Region::Owned(bytes) => bytes,
            Region::Mapped(map) => map,
        };
        &region[self.range.clone()]
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        let range = 0..bytes.len();
        Self { region: Arc::new(Region::Owned(bytes)), range }
    }
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Bytes {}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes({})", self.len())
    }
}
