#!/bin/sh
# Fetches the test models, an aarch64 emulator and a browser once, then checks everything: format,
# lints, the tree's rules, tests. Needs Rust with rustfmt and clippy; Python 3 with pip, for the models
# and for clients of the server; Node.js with npm, for one more client and for the page.
set -eu
cd "$(dirname "$0")"

if ! command -v cargo >/dev/null; then
    echo "test.sh: cargo not found; install Rust with rustup (https://rustup.rs)" >&2
    exit 1
fi

if ! command -v python3 >/dev/null; then
    echo "test.sh: python3 not found; tests that need a real model skip themselves" >&2
elif ! python3 tests/fetch_models.py; then
    echo "test.sh: not every model could be fetched; tests that need one skip themselves" >&2
fi

if ! tests/setup_aarch64.sh; then
    echo "test.sh: no emulator of aarch64; its kernel tests are skipped" >&2
fi

if ! tests/setup_chromium.sh; then
    echo "test.sh: no browser; tests of the page in one are skipped" >&2
fi

exec cargo run --locked --quiet --package xtask -- check
