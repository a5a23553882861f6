"""Runs commands and takes their CPU, wall and peak memory."""

import json
import os
import shutil
import subprocess
import sys
import time

from .cohorts import size_bytes


def once(command):
    """Runs a command with its output thrown away; its own CPU, wall and peak memory.

    The kernel counts the memory of this process, from which the command was started, as the least peak: about 16 MiB.
    """
    begin = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - begin
    child.stderr.close()
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"error: {' '.join(command)[:500]}: exit {child.returncode}\n{errors.decode(errors='replace')}")
    return {"cpu_s": usage.ru_utime + usage.ru_stime, "wall_s": wall, "peak_mib": usage.ru_maxrss / 1024}


def remove(path):
    if os.path.isdir(path):
        shutil.rmtree(path)
    elif os.path.exists(path):
        os.remove(path)


def from_nothing(program):
    """Runs a program whose former output is removed first."""
    for path in program.writes:
        remove(path)
    return once(program.command)


def in_turns(programs, runs):
    """Runs each program so many times, the programs taking turns: a slow minute of the machine hits all of them."""
    measured, outputs = {}, {}
    for turn in range(runs):
        for program in programs:
            measured.setdefault(program.name, []).append(from_nothing(program))
            written = sum(size_bytes(path) for path in program.writes)
            outputs[program.name] = written if program.writes else None
        print(f"turn {turn + 1} of {runs} done", file=sys.stderr)
    return measured, outputs


def accounting(dataset):
    """Number of samples and what the manifest counts."""
    with open(os.path.join(dataset, "_manifest.json")) as text:
        manifest = json.load(text)
    counted = {key: value for key, value in manifest["accounting"].items() if key != "rejections"}
    return manifest["n_samples"], counted
