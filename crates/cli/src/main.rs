//! The binary `lookback`.
fn main() {}
