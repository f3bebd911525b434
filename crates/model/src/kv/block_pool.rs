//! Block numbers: which are free, and how many hold each.

/// A block of `KEY_BLOCK` positions; the same number in every layer of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BlockId(pub(crate) u32);

/// Counts the holders of blocks: sequences, and the prefix tree.
#[derive(Default)]
pub(crate) struct BlockPool {
    /// By number.
    n_holders: Vec<u32>,
    free: Vec<BlockId>,
}

impl BlockPool {
    /// A block with one holder. Low numbers are taken first.
    pub(crate) fn take(&mut self) -> BlockId {
        if self.free.is_empty() {
            self.free.push(BlockId(self.n_holders.len() as u32));
            self.n_holders.push(0);
        }
        let block = self.free.pop().expect("one was just added");
        self.n_holders[block.0 as usize] = 1;
        block
    }

    /// One more holder.
    pub(crate) fn hold(&mut self, block: BlockId) {
        assert!(self.n_holders(block) > 0, "a free block has no content");
        self.n_holders[block.0 as usize] += 1;
    }

    /// One holder fewer; whether that was the last.
    #[must_use]
    pub(crate) fn give_back(&mut self, block: BlockId) -> bool {
        assert!(self.n_holders(block) > 0, "a block is given back once by each holder");
        self.n_holders[block.0 as usize] -= 1;
        let is_free = self.n_holders(block) == 0;
        if is_free {
            let at = self.free.partition_point(|free| free.0 > block.0);
            self.free.insert(at, block);
        }
        is_free
    }

    pub(crate) fn n_holders(&self, block: BlockId) -> u32 {
        self.n_holders[block.0 as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_free_when_nobody_holds_it() {
        let mut pool = BlockPool::default();
        let [a, b, c] = [pool.take(), pool.take(), pool.take()];
        assert_eq!([a, b, c], [BlockId(0), BlockId(1), BlockId(2)]);
        pool.hold(a);
        assert!(!pool.give_back(a));
        assert_eq!(pool.n_holders(a), 1);
        assert!(pool.give_back(b));
        assert!(pool.give_back(a));
        assert_eq!((pool.take(), pool.take(), pool.take()), (a, b, BlockId(3)));
        assert!(pool.give_back(c));
    }

    #[test]
    #[should_panic(expected = "given back once")]
    fn giving_back_twice_is_a_bug() {
        let mut pool = BlockPool::default();
        let block = pool.take();
        let _ = pool.give_back(block);
        let _ = pool.give_back(block);
    }
}
