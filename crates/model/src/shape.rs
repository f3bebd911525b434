//! Views with named axes: nobody writes an axis number (M3).

use std::ops::Range;

/// `[n_tokens, dim]`: one vector per token.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    data: &'a [f32],
    dim: usize,
}

/// `[n_tokens, n_heads, head_dim]`: ask for a token and a head.
#[derive(Clone, Copy)]
pub struct Heads<'a> {
    data: &'a [f32],
    n_heads: usize,
    head_dim: usize,
}

impl<'a> Rows<'a> {
    pub fn new(data: &'a [f32], dim: usize) -> Self {
        assert!(data.len().is_multiple_of(dim));
        Self { data, dim }
    }

    pub fn n_tokens(&self) -> usize {
        self.data.len() / self.dim
    }

    pub fn row(&self, token_idx: usize) -> &'a [f32] {
        &self.data[token_idx * self.dim..][..self.dim]
    }

    /// Some of the rows.
    pub fn part(&self, tokens: Range<usize>) -> Self {
        Self { data: &self.data[tokens.start * self.dim..tokens.end * self.dim], ..*self }
    }

    /// All rows, one after the other.
    pub fn data(&self) -> &'a [f32] {
        self.data
    }
}

impl<'a> Heads<'a> {
    pub fn new(data: &'a [f32], n_heads: usize, head_dim: usize) -> Self {
        assert!(data.len().is_multiple_of(n_heads * head_dim));
        Self { data, n_heads, head_dim }
    }

    pub fn n_tokens(&self) -> usize {
        self.data.len() / (self.n_heads * self.head_dim)
    }

    pub fn n_heads(&self) -> usize {
        self.n_heads
    }

    pub fn head_dim(&self) -> usize {
        self.head_dim
    }

    /// All heads of a token: `[n_heads, head_dim]`.
    pub fn token(&self, token_idx: usize) -> &'a [f32] {
        let width = self.n_heads * self.head_dim;
        &self.data[token_idx * width..][..width]
    }

    pub fn head(&self, token_idx: usize, head_idx: usize) -> &'a [f32] {
        assert!(head_idx < self.n_heads);
        &self.data[(token_idx * self.n_heads + head_idx) * self.head_dim..][..self.head_dim]
    }
}
