//! Block numbers: which are free, which belong to a sequence.

/// A block of `KEY_BLOCK` positions; the same number in the planes of every layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BlockId(pub(crate) u32);

/// Free blocks, the lowest number first.
#[derive(Default)]
pub(crate) struct BlockPool {
    n_blocks: u32,
    free: Vec<BlockId>,
}

impl BlockPool {
    pub(crate) fn n_free(&self) -> usize {
        self.free.len()
    }

    /// Adds fresh blocks.
    pub(crate) fn grow(&mut self, n: usize) {
        let first = self.n_blocks;
        self.n_blocks += n as u32;
        self.free.extend((first..self.n_blocks).map(BlockId));
        self.sort();
    }

    /// Takes `n` blocks; the caller made sure that they are there.
    pub(crate) fn take(&mut self, n: usize) -> Vec<BlockId> {
        assert!(n <= self.free.len());
        let mut blocks = self.free.split_off(self.free.len() - n);
        blocks.reverse();
        blocks
    }

    pub(crate) fn give_back(&mut self, blocks: impl IntoIterator<Item = BlockId>) {
        self.free.extend(blocks);
        self.sort();
    }

    /// Low numbers are taken first, from the end: memory in use stays compact and answers do not
    /// depend on the order in which sequences ended.
    fn sort(&mut self) {
        self.free.sort_unstable_by_key(|block| std::cmp::Reverse(block.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_never_handed_out_twice() {
        let mut pool = BlockPool::default();
        pool.grow(5);
        let a = pool.take(3);
        assert_eq!(a, [BlockId(0), BlockId(1), BlockId(2)]);
        let b = pool.take(2);
        assert_eq!(b, [BlockId(3), BlockId(4)]);
        pool.give_back(a);
        pool.grow(1);
        assert_eq!(pool.n_free(), 4);
        assert_eq!(pool.take(4), [BlockId(0), BlockId(1), BlockId(2), BlockId(5)]);
    }
}
