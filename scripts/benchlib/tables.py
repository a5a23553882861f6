"""Markdown tables."""

from . import figures


def markdown(heads, rows):
    """A table; columns after the first are right-aligned unless their head begins with `<`."""
    align = ["---"] + ["---" if head.startswith("<") else "---:" for head in heads[1:]]
    lines = ["| " + " | ".join(head.lstrip("<") for head in heads) + " |", "|" + "|".join(align) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def in_range(values):
    """`2.00 (1.88-2.34)`: median and range."""
    middle = figures.statistics.median(values)
    return f"{middle:.2f} ({min(values):.2f}-{max(values):.2f})"


def of_programs(runs, outputs):
    rows = []
    for name, measured in runs.items():
        size = "" if outputs[name] is None else f"{outputs[name] / 1e6:.2f}"
        cpu = in_range([run["cpu_s"] for run in measured])
        wall, peak = (figures.median(measured, key) for key in ("wall_s", "peak_mib"))
        rows.append([name, cpu, f"{wall:.2f}", f"{peak:.0f}", size])
    return markdown(["program", "CPU s", "wall s", "peak MiB", "output MB"], rows)


def of_ratios(pairs):
    size = lambda pair: f"{pair.output:.2f}" if pair.output else ""
    rows = [[pair.ours, pair.theirs, str(pair.cpu), str(pair.wall), size(pair)] for pair in pairs]
    return markdown(["ours", "<divided by", "CPU", "wall", "output"], rows)


def of_bars(judged):
    rows = []
    for bar, value, met in judged:
        aim = f" (aim {bar.aim:g})" if bar.aim else ""
        limit = f"{'>=' if bar.at_least else '<='} {bar.limit:g}{aim}"
        shown = f"{value:.0f}" if bar.key == "peak_mib" else f"{value:.2f}"
        rows.append([bar.work, bar.says, shown, limit, "yes" if met else "no"])
    return markdown(["work", "<what", "measured", "<bar", "<met?"], rows)
