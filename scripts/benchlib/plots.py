"""Plots as SVG, written by hand: bars of CPU seconds, and curves of threads against speed.

Colours are those of Okabe and Ito, which the colour-blind tell apart; every bar and curve also has its name beside it.
A viewer that knows the reader's choice of dark or light gets the matching colours.
"""

import math
import os
from html import escape

from . import cohorts, figures, programs, record

SIZE = 13
# A letter is at most so wide, on average, in the fonts that `sans-serif` may be.
LETTER = 0.62 * SIZE
LINE = 24
MARGIN = 16
WIDTH = 900

STYLE = """
text { font: 13px sans-serif; fill: #222 } .title { font-weight: bold } .small { fill: #555 } .paper { fill: #fff }
.ours { fill: #0072b2 } .plink2 { fill: #e69f00 } .bcftools { fill: #009e73 } .floor { fill: #8c8c8c }
.range { stroke: #222; stroke-width: 1.5 } .grid { stroke: #ddd } .ideal { stroke: #777; stroke-dasharray: 5 4; fill: none }
.c0 { stroke: #0072b2 } .c1 { stroke: #d55e00 } .c2 { stroke: #009e73 } .c3 { stroke: #cc79a7 } .c4 { stroke: #777 }
.curve { stroke-width: 2.5; fill: none } .dot { fill: #fff; stroke-width: 2.5 } .lead { stroke: #999 }
@media (prefers-color-scheme: dark) {
text { fill: #e6e6e6 } .small { fill: #b0b0b0 } .paper { fill: #161b22 }
.ours { fill: #56b4e9 } .range { stroke: #e6e6e6 } .grid { stroke: #333a44 } .ideal { stroke: #999 }
.c0 { stroke: #56b4e9 } .c4 { stroke: #aaa } .dot { fill: #161b22 }
}
"""


def text(x, y, words, kind="", anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def line(x1, y1, x2, y2, kind):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def width_of(words):
    return LETTER * len(words)


def picture(height, title, parts):
    """The whole file; `title` is read aloud by programs for the blind."""
    size = f'viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" height="{height:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    paper = f'<rect width="{WIDTH}" height="{height:.0f}" class="paper"/>'
    return "\n".join([head, f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>", paper, *parts, "</svg>", ""])


def save(path, svg):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(svg)


class Row:
    """One bar: a program's CPU seconds."""

    def __init__(self, name, runs, ours):
        self.name = name
        cpu = [run["cpu_s"] for run in runs]
        self.middle, self.low, self.high = figures.median(runs, "cpu_s"), min(cpu), max(cpu)
        self.label = f"{self.middle:.2f} s"
        if ours is not runs:
            self.label += f" (varbatch: {figures.ratio(ours, runs, 'cpu_s').median:.2f}x this)"
        first = name.split()[0]
        self.kind = {"varbatch": "ours", "plink2": "plink2", "bcftools": "bcftools"}.get(first, "floor")


def shown_programs(work):
    """The names that the programs of a work have, without their threads."""
    wanted = cohorts.WORKS[work]
    mine = "varbatch call" + (" --calls all" if wanted.calls == "all" else "")
    floor = {"plain": "cat (read only)", "bcf": "bgzip -dc of BCF (inflate only)"}.get(wanted.form, "bgzip -dc (inflate only)")
    others = [programs.titled("bcftools view -Ob", wanted.form)]
    if wanted.calls == "carriers":
        others.insert(0, programs.titled("plink2 --make-pgen", wanted.form))
    return [programs.titled(mine, wanted.form), floor, *others]


def rows_of(work, runs):
    """The bars of a work: each program with the fewest threads it ran with."""
    found = []
    for name in shown_programs(work):
        with_threads = [full for full in runs if full == name or full.startswith(name + ", ")]
        if with_threads:
            found.append(min(with_threads, key=lambda full: int(full.split(", ")[-1].split()[0]) if ", " in full else 0))
    if not found or not found[0].startswith("varbatch"):
        return []
    return [Row(name, runs[name], runs[found[0]]) for name in found]


def bars(groups, caption):
    """Groups of bars below each other; every group, a title and rows, has its own scale from 0."""
    every = [row for _, rows in groups for row in rows]
    left = MARGIN + max(width_of(row.name) for row in every) + 8
    length = WIDTH - left - MARGIN - max(width_of(row.label) for row in every) - 16
    parts, y = [], MARGIN + SIZE
    for title, rows in groups:
        parts.append(text(MARGIN, y, title, "title"))
        scale = length / max(row.high for row in rows)
        y += 10
        for row in rows:
            middle = y + LINE / 2
            parts.append(text(left - 8, middle + SIZE / 3, row.name, anchor="end"))
            long = max(1, row.middle * scale)
            parts.append(f'<rect x="{left:.1f}" y="{y + 3:.1f}" width="{long:.1f}" height="{LINE - 6}" class="{row.kind}"/>')
            parts.append(line(left + row.low * scale, middle, left + row.high * scale, middle, "range"))
            parts.append(text(left + row.high * scale + 8, middle + SIZE / 3, row.label))
            y += LINE
        y += LINE + 4
    parts.append(text(MARGIN, y, caption, "small"))
    return picture(y + MARGIN, "CPU seconds of each program", parts)


def apart(wanted, least):
    """Moves heights, sorted, down until each is at least so far below the one before."""
    placed = []
    for y in wanted:
        placed.append(max(y, placed[-1] + least) if placed else y)
    return placed


def scaling(curves, caption):
    """Curves of (name, points): how many times faster than one thread, on scales that double."""
    copy = [(point["threads"], point["copy_speed_up"]) for point in curves[0][1]]
    named = [(name, [(point["threads"], point["speed_up"]) for point in points]) for name, points in curves]
    named.append(("copying memory", copy))
    most = max(n for _, points in named for n, _ in points)
    top = max(most, max(y for _, points in named for _, y in points))
    right = max(width_of(f"{name}: {points[-1][1]:.2f}x") for name, points in named) + 40
    box = (MARGIN + 70, MARGIN + 40, WIDTH - MARGIN - right, 440)
    across = lambda n: box[0] + 12 + (box[2] - box[0] - 24) * math.log2(n) / max(1, math.log2(most))
    lowest = min(1, min(y for _, points in named for _, y in points))
    up = lambda y: box[3] - 12 - (box[3] - box[1] - 24) * math.log2(y / lowest) / max(1, math.log2(top / lowest))
    parts = [text(MARGIN, MARGIN + SIZE, "Times faster than 1 thread", "title")]
    for power in range(math.ceil(math.log2(lowest)), math.floor(math.log2(top)) + 1):
        parts.append(line(box[0], up(2**power), box[2], up(2**power), "grid"))
        parts.append(text(box[0] - 8, up(2**power) + SIZE / 3, f"{2**power:g}", anchor="end"))
    for n in sorted({n for _, points in named for n, _ in points}):
        parts.append(line(across(n), box[1], across(n), box[3], "grid"))
        parts.append(text(across(n), box[3] + 20, str(n), anchor="middle"))
    parts.append(text((box[0] + box[2]) / 2, box[3] + 42, "threads", anchor="middle"))
    parts.append(line(across(1), up(1), across(most), up(most), "ideal"))
    ends = [("ideal", "ideal", up(most))]
    for at, (name, points) in enumerate(named):
        colour = "c4" if name == "copying memory" else f"c{at % 4}"
        path = " ".join(f"{across(n):.1f},{up(y):.1f}" for n, y in points)
        parts.append(f'<polyline points="{path}" class="curve {colour}"/>')
        parts += [f'<circle cx="{across(n):.1f}" cy="{up(y):.1f}" r="4.5" class="dot {colour}"/>' for n, y in points]
        ends.append((f"{name}: {points[-1][1]:.2f}x", colour, up(points[-1][1])))
    ends.sort(key=lambda end: end[2])
    for (name, colour, y), placed in zip(ends, apart([end[2] for end in ends], SIZE + 6)):
        parts.append(line(across(most) + 8, y, box[2] + 14, placed, colour if colour == "ideal" else f"curve {colour}"))
        parts.append(text(box[2] + 20, placed + SIZE / 3, name))
    parts.append(text(MARGIN, box[3] + 70, caption, "small"))
    return picture(box[3] + 70 + MARGIN, "Threads against speed", parts)


def caption_of(days, about):
    """When and on what the records were made."""
    return f"{record.in_words(about)}; {' to '.join(sorted({min(days), max(days)}))}."


def regenerate(records, folder):
    """Draws docs/plots/ from the newest records; the paths."""
    newest = record.newest(records)
    groups, days, about, drawn = [], [], None, []
    for work, wanted in cohorts.WORKS.items():
        day, runs = newest.get(cohorts.COHORTS[wanted.cohort].name, (None, None))
        rows = rows_of(work, runs["runs"]) if runs else []
        if rows:
            groups.append((f"{work}: {wanted.says}", rows))
            days.append(day[:10])
            about = runs["machine"]
    if groups:
        note = "CPU seconds (user + system), one thread; medians, the line is the range. "
        drawn.append(os.path.join(folder, "cpu.svg"))
        save(drawn[-1], bars(groups, note + caption_of(days, about)))
    names = [f"scaling-{work}-{cohorts.COHORTS[wanted.cohort].name}" for work, wanted in cohorts.WORKS.items()]
    lines = [newest[name] for name in names if name in newest]
    if lines:
        curves = [(f"work {found['work']}", found["points"]) for _, found in lines]
        drawn.append(os.path.join(folder, "scaling.svg"))
        save(drawn[-1], scaling(curves, caption_of([day[:10] for day, _ in lines], lines[-1][1]["machine"])))
    return drawn
