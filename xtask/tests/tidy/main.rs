//! The rules of the tree that a machine can check, one test a rule: `cargo test -p xtask`.
//!
//! A message says `file:line: what is wrong; what to do`. The rules are data at the top of each
//! file; what they read:
//!
//! - Rust sources through [`source`], which tells code from comments, strings and tests.
//! - `ratchet.txt` beside `Cargo.toml`: excess that is tolerated and may only shrink.
//! - ARCHITECTURE.md. The first code block is the layout: two spaces a level, a folder ends in `/`,
//!   the rest of a line describes it. It names the folders of the root, the crates, and what lies
//!   directly in each `src/`. The table that starts with `| id |` has one invariant a row,
//!   `| K1 | text | test |`, where the test is the name of a function in backticks, or
//!   `compiled: file.rs` where the compiler is the test. The paragraph that starts with
//!   `Dependencies point down only:` has the arrows between crates, `a -> b -> c, d`.
//! - README.md, where a row that starts with "| `lookback name" describes a command.

#![forbid(unsafe_code)]

mod architecture;
mod boundaries;
mod crates;
mod limits;
mod links;
mod model;
mod shapes;
mod source;
mod tree;
mod words;

/// Fails with every problem, one a line.
fn report(problems: Vec<String>) {
    assert!(problems.is_empty(), "{} problems\n{}\n", problems.len(), problems.join("\n"));
}
