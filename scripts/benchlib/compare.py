"""`scripts/bench compare BASE HEAD`: two revisions, or two programs, on the same data."""

import os
import shutil
import subprocess
import sys

from . import agree, cohorts, figures, measure, programs, record, tables

FIGURES = {"cpu_s": "CPU s", "wall_s": "wall s", "peak_mib": "peak MiB", "output": "output MB"}


def git(*arguments):
    done = subprocess.run(["git", "-C", record.HERE, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"error: git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


def build(revision, folder, target):
    """Builds a revision in a worktree of its own; a copy of the program."""
    sha = git("rev-parse", "--verify", f"{revision}^{{commit}}")
    built = os.path.join(folder, f"varbatch-{sha[:12]}")
    if os.path.exists(built):
        return built
    tree = os.path.join(folder, f"tree-{sha[:12]}")
    git("worktree", "add", "--detach", "--force", tree, sha)
    try:
        environment = {**os.environ, "CARGO_TARGET_DIR": target}
        subprocess.run(["cargo", "build", "--release", "--bin", "varbatch"], cwd=tree, env=environment, check=True)
        shutil.copy2(os.path.join(target, "release", "varbatch"), built)
    except subprocess.CalledProcessError as error:
        sys.exit(f"error: {revision} does not build: exit {error.returncode}")
    finally:
        git("worktree", "remove", "--force", tree)
    return built


def program_of(name, folder, target):
    """The program to run: a file as it is, a revision built."""
    if os.path.isfile(name):
        return os.path.abspath(name)
    return build(name, folder, os.path.abspath(target))


def judged(runs, pairs):
    """Per thread count and figure: name, figure, medians of both, ratio, regression or not."""
    rows = []
    for what, base, head in pairs:
        for key in FIGURES:
            regression = figures.is_regression([run[key] for run in runs[base]], [run[key] for run in runs[head]])
            middle = [figures.median(runs[side], key) for side in (base, head)]
            rows.append((what, key, *middle, figures.ratio(runs[head], runs[base], key), regression))
    return rows


def in_turns(base, head, runs):
    """Like measure.in_turns, with the bytes that were written as one more figure; who begins changes every turn."""
    found = {}
    for turn in range(runs):
        for pair in zip(base, head):
            for side in pair if turn % 2 == 0 else reversed(pair):
                run = measure.from_nothing(side)
                run["output"] = sum(cohorts.size_bytes(path) for path in side.writes) / 1e6
                found.setdefault(side.name, []).append(run)
        print(f"turn {turn + 1} of {runs} done", file=sys.stderr)
    return found


def one_work(options, work, sides, folder):
    """Measures both sides on one work; whether there is a regression."""
    cohort = cohorts.of(work, options)
    found = cohorts.sources(sides["head"], cohort, [work], folder)
    form, calls = cohorts.form_of(work, found), cohorts.WORKS[work].calls
    threads = sorted({1, options.threads})
    every = {}
    for side, program in sides.items():
        to = os.path.join(folder, side)
        os.makedirs(to, exist_ok=True)
        made = [programs.ours(program, to, found[form], form, calls, n) for n in threads]
        every[side] = [one._replace(name=f"{side}, {programs.said(one.threads)}") for one in made]
    for one in every["base"] + every["head"]:
        measure.from_nothing(one)
    runs = in_turns(every["base"], every["head"], options.runs)
    pairs = [(programs.said(base.threads), base.name, head.name) for base, head in zip(every["base"], every["head"])]
    rows = judged(runs, pairs)
    shown = [
        [what, FIGURES[key], f"{base:.2f}", f"{head:.2f}", str(ratio), "REGRESSION" if slower else ""]
        for what, key, base, head, ratio, slower in rows
    ]
    same = agree.files_of(every["base"][0].writes[0]) == agree.files_of(every["head"][0].writes[0])
    print(f"Work {work} ({cohort.name}), {options.runs} runs in turn; the datasets {'are the same' if same else 'differ'}.\n")
    print(tables.markdown(["threads", "<figure", "base", "head", "head / base", "<"], shown) + "\n", flush=True)
    return any(row[-1] for row in rows)


def run(options, folder):
    """Compares on each work; exit code 1 with a regression."""
    sides = {"base": program_of(options.base, folder, options.target), "head": program_of(options.head, folder, options.target)}
    slower = [work for work in options.work if one_work(options, work, sides, folder)]
    if slower:
        print(f"Regression: {', '.join(slower)}. The median of the ratios is over {figures.REGRESSION}, and the middle halves")
        print("of the runs do not overlap.")
        return 1
    print("No regression.")
    return 0
