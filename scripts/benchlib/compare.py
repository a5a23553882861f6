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


def both_sides(options, work, sides, folder, found):
    """The programs of BASE and of HEAD, for each number of threads."""
    form, calls = cohorts.form_of(work, found), cohorts.WORKS[work].calls
    every = {}
    for side, program in sides.items():
        to = os.path.join(folder, side)
        os.makedirs(to, exist_ok=True)
        made = [programs.ours(program, to, found[form], form, calls, n) for n in sorted({1, options.threads})]
        every[side] = [one._replace(name=f"{side}, {programs.said(one.threads)}") for one in made]
    return every["base"], every["head"]


def confirmed(measure_once):
    """Measures again what looks like a regression: of many figures some look so by chance. All tables, what both found."""
    tries = [measure_once()]
    if any(row[-1] for row in tries[0]):
        tries.append(measure_once())
    slower = [{row[:2] for row in rows if row[-1]} for rows in tries]
    return tries, set.intersection(*slower)


def one_work(options, work, sides, folder):
    """Measures both sides on one work and prints the tables; what is slower."""
    cohort = cohorts.of(work, options)
    found = cohorts.sources(sides["head"], cohort, [work], folder)
    base, head = both_sides(options, work, sides, folder, found)
    for one in base + head:
        measure.from_nothing(one)
    same = agree.files_of(base[0].writes[0]) == agree.files_of(head[0].writes[0])
    pairs = [(programs.said(one.threads), one.name, other.name) for one, other in zip(base, head)]
    tries, slower = confirmed(lambda: judged(in_turns(base, head, options.runs), pairs))
    print(f"Work {work} ({cohort.name}), {options.runs} runs in turn; the datasets {'are the same' if same else 'differ'}.\n")
    for at, rows in enumerate(tries):
        if at:
            print("Again:\n")
        shown = [
            [what, FIGURES[key], f"{base:.2f}", f"{head:.2f}", str(ratio), "slower or larger" if worse else ""]
            for what, key, base, head, ratio, worse in rows
        ]
        print(tables.markdown(["threads", "<figure", "base", "head", "head / base", "<"], shown) + "\n", flush=True)
    return [f"{work}, {what}, {FIGURES[key]}" for what, key in sorted(slower)]


def run(options, folder):
    """Compares on each work; exit code 1 with a regression."""
    sides = {side: program_of(getattr(options, side), folder, options.target) for side in ("base", "head")}
    slower = [one for work in options.work for one in one_work(options, work, sides, folder)]
    if not slower:
        print("No regression.")
        return 0
    print(f"Regression, found twice: {'; '.join(slower)}.")
    print(f"That is: the median of the ratios is over {figures.REGRESSION}, and the middle halves of the runs do not overlap.")
    return 1
