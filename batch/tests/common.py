"""What the checks share: where things are, tools, runs of programs.

A check whose tool is absent says so; with VARBATCH_REQUIRE_ALL it fails.
"""

import importlib
import os
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

BATCH = Path(__file__).resolve().parent.parent
TOP = BATCH.parent
AWS = BATCH / "aws"
VARBATCH = Path(os.environ.get("VARBATCH", TOP / "target/release/varbatch")).resolve()
NODE = Path(os.environ.get("VARBATCH_NODE", TOP / "target/test-node")) / "node_modules"
# tools that were said to be absent
SAID = set()


def missing(what):
    if os.environ.get("VARBATCH_REQUIRE_ALL"):
        raise AssertionError(f"{what} is not installed")
    if what not in SAID:
        SAID.add(what)
        print(f"SKIPPED: {what} is not installed", file=sys.stderr)
    raise unittest.SkipTest(what)


def tool(name):
    """A program beside this Python, of the Node packages, or on the path."""
    for place in [Path(sys.executable).parent, NODE / ".bin"]:
        if (place / name).exists():
            return str(place / name)
    return shutil.which(name) or missing(name)


def module(name):
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        missing(f"the Python package {name}")


def run(*words, code=0, **more):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **more)
    assert done.returncode == code, f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def manifest(dataset):
    return (Path(dataset) / "_manifest.json").read_bytes()
