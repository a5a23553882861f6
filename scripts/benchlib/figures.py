"""What follows from the runs: ratios with their range, the bars, and whether a change made something slower."""

import statistics
from typing import NamedTuple

REGRESSION = 1.05


class Ratio(NamedTuple):
    """Median, lowest and highest of the ratios of the turns."""

    median: float
    low: float
    high: float

    def __str__(self):
        return f"{self.median:.2f} ({self.low:.2f}-{self.high:.2f})"


def ratio(ours, theirs, key):
    """Ratio turn by turn, so that what slows the machine for a while slows both sides of one ratio."""
    turns = [mine[key] / max(other[key], 1e-9) for mine, other in zip(ours, theirs)]
    return Ratio(statistics.median(turns), min(turns), max(turns))


def median(runs, key):
    return statistics.median(run[key] for run in runs)


def middle_half(values):
    """First and third quartile."""
    if len(values) < 2:
        return values[0], values[0]
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, third


def is_regression(base, head):
    """Whether HEAD takes more than BASE: values of the runs, in turns.

    The median of the ratios is over 1.05, and the middle halves of the runs do not overlap.
    """
    turns = statistics.median(mine / max(other, 1e-9) for mine, other in zip(head, base))
    return turns > REGRESSION and middle_half(head)[0] > middle_half(base)[1]


class Bar(NamedTuple):
    """A promise: of a work, a figure of `ours`, divided by that of `theirs` where there is one, and its limit."""

    work: str
    says: str
    key: str
    ours: str
    theirs: str
    limit: float
    aim: float = 0
    at_least: bool = False


CALL = "varbatch call, 1 thread"
CALL_2 = "varbatch call, 2 threads"
CALL_BCF = "varbatch call of BCF, 1 thread"
CALL_ALL = "varbatch call --calls all, 1 thread"
PLINK2 = "plink2 --make-pgen, 1 thread"
BCFTOOLS = "bcftools view -Ob, 1 thread"
INFLATE = "bgzip -dc (inflate only)"
PEAK_LIMIT_MB = 300

BARS = [
    Bar("A", "CPU / plink2 --make-pgen", "cpu_s", CALL, PLINK2, 0.8, aim=0.4),
    Bar("A", "CPU / bgzip -dc", "cpu_s", CALL, INFLATE, 6, aim=3),
    Bar("A", "output bytes / bcftools view -Ob", "output", CALL, BCFTOOLS, 1.0, aim=0.8),
    Bar("B", "CPU / plink2 --make-pgen", "cpu_s", CALL, PLINK2, 0.8),
    Bar("B-all", "CPU / bcftools view -Ob", "cpu_s", CALL_ALL, BCFTOOLS, 0.5),
    Bar("A-bcf", "CPU / the same from VCF.gz", "cpu_s", CALL_BCF, CALL, 0.7),
    Bar("B-bcf", "CPU / the same from VCF.gz", "cpu_s", CALL_BCF, CALL, 0.7),
    Bar("C", "CPU / bgzip -dc of all inputs", "cpu_s", CALL, INFLATE, 4.5),
    *[Bar(work, "wall of 1 thread / 2 threads", "wall_s", CALL, CALL_2, 1.85, at_least=True) for work in "ABCD"],
    *[Bar(work, "peak MB, 2 threads", "peak_mib", CALL_2, "", PEAK_LIMIT_MB) for work in "AD"],
]


def measured_for(bar, runs, outputs):
    """The figure of a bar, or None where a program it needs did not run."""
    if bar.ours not in runs or (bar.theirs and bar.theirs not in runs):
        return None
    if bar.key == "output":
        return outputs[bar.ours] / outputs[bar.theirs]
    if not bar.theirs:
        return median(runs[bar.ours], bar.key) * 2**20 / 1e6
    return ratio(runs[bar.ours], runs[bar.theirs], bar.key).median


def is_met(bar, measured):
    return measured >= bar.limit if bar.at_least else measured <= bar.limit


def against_bars(works, runs, outputs):
    """Each bar of the works as (bar, measured, met); without those that were not measured."""
    found = [(bar, measured_for(bar, runs, outputs)) for bar in BARS if bar.work in works]
    return [(bar, value, is_met(bar, value)) for bar, value in found if value is not None]


class Beside(NamedTuple):
    """One of our programs beside one of the others."""

    ours: str
    theirs: str
    cpu: Ratio
    wall: Ratio
    output: float


def beside(programs, runs, outputs):
    """Ours against each other program that read the same file with as many threads; floors stand beside one thread."""
    pairs = []
    for mine in (program for program in programs if program.ours):
        for other in (program for program in programs if not program.ours and program.form == mine.form):
            if (other.threads or 1) != mine.threads or mine.name not in runs or other.name not in runs:
                continue
            cpu, wall = (ratio(runs[mine.name], runs[other.name], key) for key in ("cpu_s", "wall_s"))
            size = outputs[mine.name] / outputs[other.name] if outputs[other.name] else None
            pairs.append(Beside(mine.name, other.name, cpu, wall, size))
    return pairs
