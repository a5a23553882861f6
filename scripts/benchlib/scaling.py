"""Threads against throughput, with the memory bandwidth of the machine measured in the same turns."""

import os
import statistics
import subprocess
import sys

from . import cohorts, figures, measure, plots, programs, record, tables

COPY_S = 1.0
# Two of these do not fit into a cache.
COPY_BYTES = 128 * 2**20


def copy_gb_s(processes):
    """Bytes that so many processes read and write in a second, in GB."""
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "copying.py")
    command = [sys.executable, script, str(COPY_S), str(COPY_BYTES)]
    pipe = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    children = [subprocess.Popen(command, **pipe) for _ in range(processes)]
    for child in children:
        child.stdout.readline()
    for child in children:
        child.stdin.write("\n")
        child.stdin.flush()
    # The clock is one for all processes: the time is from the first that began to the last that ended.
    begins, ends, copied = zip(*(map(float, child.communicate()[0].split()) for child in children))
    return sum(copied) / (max(ends) - min(begins)) / 1e9


def measured(each, counts, runs):
    """Runs of each number of threads, and the rates of copying."""
    timed = {n: [] for n in counts}
    copied = {n: [] for n in counts}
    for turn in range(runs):
        for n in counts:
            timed[n].append(measure.from_nothing(each[n]))
            copied[n].append(copy_gb_s(n))
        print(f"turn {turn + 1} of {runs} done", file=sys.stderr)
    return timed, copied


def points(timed, copied, records, input_bytes):
    """One line of the table for each number of threads, as numbers."""
    first = min(timed)
    one_wall = figures.median(timed[first], "wall_s") * first
    one_copy = statistics.median(copied[first]) / first
    found = []
    for n, runs in timed.items():
        wall, copy = figures.median(runs, "wall_s"), statistics.median(copied[n])
        found.append({
            "threads": n, "wall_s": wall, "cpu_s": figures.median(runs, "cpu_s"),
            "records_s": records / wall, "input_mb_s": input_bytes / 1e6 / wall,
            "speed_up": one_wall / wall, "efficiency": one_wall / wall / n,
            "peak_mib": figures.median(runs, "peak_mib"), "copy_gb_s": copy, "copy_speed_up": copy / one_copy,
        })
    return found


def table(found, cores):
    rows = []
    for point in found:
        n = point["threads"]
        rows.append([
            f"{n}{' (more than cores)' if n > cores else ''}", f"{point['wall_s']:.2f}", f"{point['cpu_s']:.2f}",
            f"{point['records_s']:,.0f}", f"{point['input_mb_s']:.1f}", f"{point['speed_up']:.2f}",
            f"{100 * point['efficiency']:.0f} %", f"{point['peak_mib']:.0f}",
            f"{point['copy_gb_s']:.1f}", f"{point['copy_speed_up']:.2f}",
        ])
    heads = ["threads", "wall s", "CPU s", "records/s", "input MB/s", "speed-up", "efficiency", "peak MiB"]
    return tables.markdown([*heads, "copy GB/s", "copy speed-up"], rows)


def run(options, work, folder):
    """Measures one work with each number of threads, prints the table and writes the record."""
    counts = sorted(set(options.scaling))
    cohort = cohorts.of(work, options)
    found = cohorts.sources(options.varbatch, cohort, [work], folder)
    form, calls = cohorts.form_of(work, found), cohorts.WORKS[work].calls
    each = {n: programs.ours(options.varbatch, folder, found[form], form, calls, n) for n in counts}
    about = record.machine()
    measure.from_nothing(each[counts[0]])
    timed, copied = measured(each, counts, options.runs)
    accounting = measure.accounting(each[counts[0]].writes[0])[1]
    line = points(timed, copied, accounting["records_read"], cohorts.size_bytes(found[form]))
    text = "\n".join([
        f"Work {work}, `varbatch call` with more and more threads; {accounting['records_read']} records, "
        f"{cohorts.size_bytes(found[form]) / 1e6:.2f} MB of input.",
        f"{record.in_words(about)}; medians of {options.runs} runs. Copy: so many processes copying memory; bytes read and "
        "written.",
        "", table(line, about["cores"]),
    ])
    print(text + "\n")
    everything = {
        "commit": record.commit(), "settings": record.settings(options), "work": work, "machine": about,
        "programs": programs.versions(options.varbatch), "points": line,
        "runs": {str(n): runs for n, runs in timed.items()}, "copy_gb_s": {str(n): rates for n, rates in copied.items()},
    }
    if options.no_record:
        return
    to = record.write(options.record, about, f"scaling-{work}-{cohort.name}", everything, text)
    plots.save(os.path.join(to, "scaling.svg"), plots.scaling([(f"work {work}", line)], record.in_words(about)))
    print(f"recorded in {os.path.relpath(to)}", file=sys.stderr)
