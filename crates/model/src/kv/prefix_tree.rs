//! Cached beginnings of texts: a tree over token ids, a block of keys and values at each node.
//!
//! Texts that begin alike share the nodes of what is equal, so a document is computed once for all
//! questions about it, and a chat for all its turns (RadixAttention, Zheng et al. 2023).

use kernels::KEY_BLOCK;

use super::block_pool::BlockId;
use super::block_store::BlockStore;
use super::policy::KvPolicy;

pub(super) struct PrefixTree {
    /// By number.
    nodes: Vec<Option<Node>>,
    /// Where texts of a policy begin: nodes that hold nothing. Keys depend on what was forgotten
    /// before them, so that texts share them only under the same policy.
    roots: Vec<(KvPolicy, NodeId)>,
    /// Counts uses.
    clock: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeId(usize);

/// One block of a text. Only a leaf may be shorter than `KEY_BLOCK`.
struct Node {
    tokens: Vec<u32>,
    /// By group of layers. `None`: dropped as behind the window.
    blocks: Vec<Option<BlockId>>,
    /// `None` of a root.
    parent: Option<NodeId>,
    children: Vec<NodeId>,
    last_used: u64,
    /// Whether a text that was remembered ended here.
    is_end: bool,
}

/// The longest cached beginning of a text.
pub(super) struct Found {
    /// One a block; the last may hold more than was found.
    pub(super) path: Vec<NodeId>,
    pub(super) n_tokens: usize,
    /// Whether cached texts go on from here, in another way.
    pub(super) goes_on: bool,
}

/// Ends along a path whose windows are kept: of the last prompt and of its answer. A next turn
/// branches off at one of them.
const N_ENDS_KEPT: usize = 2;

impl PrefixTree {
    pub(super) fn new() -> Self {
        Self { nodes: Vec::new(), roots: Vec::new(), clock: 0 }
    }

    fn root(&self, policy: KvPolicy) -> Option<NodeId> {
        let found = self.roots.iter().find(|(of_policy, _)| *of_policy == policy);
        found.map(|&(_, root)| root)
    }

    fn root_or_new(&mut self, policy: KvPolicy) -> NodeId {
        if let Some(root) = self.root(policy) {
            return root;
        }
        let root = self.place(Node {
            tokens: Vec::new(),
            blocks: Vec::new(),
            parent: None,
            children: Vec::new(),
            last_used: 0,
            is_end: false,
        });
        self.roots.push((policy, root));
        root
    }

    fn place(&mut self, node: Node) -> NodeId {
        let slot = self.nodes.iter().position(Option::is_none).unwrap_or(self.nodes.len());
        if slot == self.nodes.len() {
            self.nodes.push(None);
        }
        self.nodes[slot] = Some(node);
        NodeId(slot)
    }

    fn node(&self, id: NodeId) -> &Node {
        self.nodes[id.0].as_ref().expect("ids name nodes that are there")
    }

    fn node_mut(&mut self, id: NodeId) -> &mut Node {
        self.nodes[id.0].as_mut().expect("ids name nodes that are there")
    }

    /// By group of layers.
    pub(super) fn blocks(&self, id: NodeId) -> &[Option<BlockId>] {
        &self.node(id).blocks
    }

    /// The longest beginning of `tokens` that is cached.
    pub(super) fn find(&self, tokens: &[u32], policy: KvPolicy) -> Found {
        let mut found = Found { path: Vec::new(), n_tokens: 0, goes_on: false };
        let Some(mut at) = self.root(policy) else { return found };
        loop {
            let Some((child, n_common)) = self.best_child(at, &tokens[found.n_tokens..]) else {
                found.goes_on = !self.node(at).children.is_empty();
                return found;
            };
            found.n_tokens += n_common;
            found.path.push(child);
            if n_common < KEY_BLOCK {
                found.goes_on = n_common < self.node(child).tokens.len();
                return found;
            }
            at = child;
        }
    }

    /// Counts a path as used.
    pub(super) fn touch(&mut self, path: &[NodeId]) {
        self.clock += 1;
        for &node in path {
            self.node_mut(node).last_used = self.clock;
        }
    }

    /// The child that has the most tokens in common with `rest`.
    fn best_child(&self, at: NodeId, rest: &[u32]) -> Option<(NodeId, usize)> {
        let n_common = |&child: &NodeId| {
            let pairs = self.node(child).tokens.iter().zip(rest);
            (child, pairs.take_while(|(a, b)| a == b).count())
        };
        let children = self.node(at).children.iter().map(n_common);
        children.max_by_key(|&(_, n)| n).filter(|&(_, n)| n > 0)
    }

    /// Holds the blocks of a text, where equal ones are not held already.
    ///
    /// # Shapes
    /// - `tables`: by group of layers, `[n_blocks]`
    pub(super) fn insert(
        &mut self,
        (tokens, policy): (&[u32], KvPolicy),
        tables: &[Vec<Option<BlockId>>],
        store: &mut BlockStore,
    ) {
        self.clock += 1;
        if tokens.is_empty() {
            return;
        }
        let mut path = vec![self.root_or_new(policy)];
        for (block_idx, tokens) in tokens.chunks(KEY_BLOCK).enumerate() {
            let at = path[block_idx];
            let blocks: Vec<_> = tables.iter().map(|table| table[block_idx]).collect();
            let begins = |child: &&NodeId| self.node(**child).tokens.starts_with(tokens);
            let known = self.node(at).children.iter().find(begins).copied();
            let node = match known {
                Some(node) => {
                    // One that is longer wants keys that this text's last block does not have.
                    if self.node(node).tokens.len() == tokens.len() {
                        self.fill(node, &blocks, store);
                    }
                    node
                }
                None => self.add(at, tokens, blocks, store),
            };
            self.node_mut(node).last_used = self.clock;
            path.push(node);
        }
        self.node_mut(path[path.len() - 1]).is_end = true;
        self.drop_old_windows(&path[1..], policy, store);
    }

    /// A new child. One that it begins with is a leaf, and replaced.
    fn add(
        &mut self,
        parent: NodeId,
        tokens: &[u32],
        blocks: Vec<Option<BlockId>>,
        store: &mut BlockStore,
    ) -> NodeId {
        hold(&blocks, store);
        let is_beginning = |child: &&NodeId| tokens.starts_with(&self.node(**child).tokens);
        let shorter = self.node(parent).children.iter().find(is_beginning).copied();
        let is_end = shorter.is_some_and(|shorter| self.node(shorter).is_end);
        let node = Node {
            tokens: tokens.to_vec(),
            blocks,
            parent: Some(parent),
            children: Vec::new(),
            last_used: self.clock,
            is_end,
        };
        let node = self.place(node);
        self.node_mut(parent).children.push(node);
        // Not before, or the root might seem unused.
        shorter.into_iter().for_each(|shorter| self.remove(shorter, store));
        node
    }

    /// Windows that were dropped and are here again.
    fn fill(&mut self, node: NodeId, blocks: &[Option<BlockId>], store: &mut BlockStore) {
        let missing = |(group_idx, (held, new)): (usize, (&Option<_>, &Option<_>))| {
            (held.is_none() && new.is_some()).then_some(group_idx)
        };
        let pairs = self.node(node).blocks.iter().zip(blocks).enumerate();
        let missing: Vec<usize> = pairs.filter_map(missing).collect();
        for group_idx in missing {
            self.node_mut(node).blocks[group_idx] = blocks[group_idx];
            blocks[group_idx].into_iter().for_each(|block| store.hold(group_idx, block));
        }
    }

    /// Along a path without other branches, windowed layers keep what its last ends need.
    fn drop_old_windows(&mut self, path: &[NodeId], policy: KvPolicy, store: &mut BlockStore) {
        let is_branch = |&node: &NodeId| self.node(node).children.len() > 1;
        let first = path.iter().rposition(is_branch).map_or(0, |branch| branch + 1);
        let ends = (first..path.len()).filter(|&i| self.node(path[i]).is_end);
        let ends: Vec<usize> = ends.rev().take(N_ENDS_KEPT).collect();
        for (i, &node) in path.iter().enumerate().skip(first) {
            self.node_mut(node).is_end = ends.contains(&i);
            for group_idx in 0..store.groups.len() {
                let group = &store.groups[group_idx];
                let needs = |&end: &usize| {
                    i <= end && group.kept_blocks(policy, (end + 1) * KEY_BLOCK).contains(i)
                };
                if group.is_windowed(policy) && !ends.iter().any(needs) {
                    self.drop_block(node, group_idx, store);
                }
            }
        }
    }

    fn drop_block(&mut self, node: NodeId, group_idx: usize, store: &mut BlockStore) {
        if let Some(block) = self.node_mut(node).blocks[group_idx].take() {
            store.give_back(group_idx, block);
        }
    }

    /// Removes a leaf.
    fn remove(&mut self, node: NodeId, store: &mut BlockStore) {
        let removed = self.nodes[node.0].take().expect("a node is removed once");
        assert!(removed.children.is_empty());
        if let Some(parent) = removed.parent {
            self.node_mut(parent).children.retain(|&child| child != node);
            self.drop_unused_root(parent);
        }
        for (group_idx, block) in removed.blocks.into_iter().enumerate() {
            block.into_iter().for_each(|block| store.give_back(group_idx, block));
        }
    }

    fn drop_unused_root(&mut self, node: NodeId) {
        let Node { parent, children, .. } = self.node(node);
        if parent.is_none() && children.is_empty() {
            self.roots.retain(|&(_, root)| root != node);
            self.nodes[node.0] = None;
        }
    }

    /// Lets go of something, the least recently used first, and what frees memory before what does
    /// not; whether there was anything.
    pub(super) fn evict(&mut self, store: &mut BlockStore) -> bool {
        let is_leaf = |node: &Node| node.children.is_empty();
        let frees = |node: &Node, store: &BlockStore| node.evictable_bytes(store) > 0;
        if let Some(leaf) = self.oldest(|node| is_leaf(node) && frees(node, store)) {
            self.remove(leaf, store);
        } else if let Some(node) = self.oldest(|node| frees(node, store)) {
            // Sequences use what follows, but not the windows that they have left behind.
            self.drop_unshared(node, store);
        } else if let Some(leaf) = self.oldest(is_leaf) {
            // Whoever shares it goes on alone, and need not copy what it writes to.
            self.remove(leaf, store);
        } else {
            return false;
        }
        true
    }

    /// The least recently used node of a kind.
    fn oldest(&self, is_wanted: impl Fn(&Node) -> bool) -> Option<NodeId> {
        let nodes = self.nodes.iter().enumerate();
        let wanted = nodes.filter_map(|(i, node)| {
            let node = node.as_ref().filter(|node| node.parent.is_some() && is_wanted(node))?;
            Some((node.last_used, NodeId(i)))
        });
        wanted.min_by_key(|&(last_used, _)| last_used).map(|(_, node)| node)
    }

    fn drop_unshared(&mut self, node: NodeId, store: &mut BlockStore) {
        for group_idx in 0..store.groups.len() {
            let held_here = |&block: &BlockId| store.groups[group_idx].n_holders(block) == 1;
            if self.node(node).blocks[group_idx].as_ref().is_some_and(held_here) {
                self.drop_block(node, group_idx, store);
            }
        }
    }

    /// Bytes of blocks that only the tree holds.
    pub(super) fn evictable_bytes(&self, store: &BlockStore) -> usize {
        self.nodes.iter().flatten().map(|node| node.evictable_bytes(store)).sum()
    }
}

impl Node {
    fn evictable_bytes(&self, store: &BlockStore) -> usize {
        let blocks = self.blocks.iter().enumerate();
        let bytes = blocks.filter_map(|(group_idx, block)| {
            let (group, block) = (&store.groups[group_idx], (*block)?);
            (group.n_holders(block) == 1).then(|| group.bytes_of(block))
        });
        bytes.sum()
    }
}

fn hold(blocks: &[Option<BlockId>], store: &mut BlockStore) {
    for (group_idx, block) in blocks.iter().enumerate() {
        block.iter().for_each(|&block| store.hold(group_idx, block));
    }
}
