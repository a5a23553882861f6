"""The programs that are run for a work: ours, and those it stands beside, each with its best settings."""

import os
import shutil
import subprocess
from typing import NamedTuple

from . import cohorts


class Program(NamedTuple):
    """A command, what it writes, and what a ratio needs to know. `threads` is 0 for a floor, which has no setting."""

    name: str
    command: list
    writes: list
    form: str
    threads: int
    ours: bool = False
    calls: str = ""

    @property
    def installed(self):
        return os.path.exists(self.command[0]) or shutil.which(self.command[0]) is not None


def said(threads):
    return "1 thread" if threads == 1 else f"{threads} threads"


def titled(what, form, threads=0):
    """A program's name: `varbatch call of BCF, 2 threads`."""
    return what + (" of BCF" if form == "bcf" else "") + (f", {said(threads)}" if threads else "")


def ours(varbatch, folder, source, form, calls, threads):
    dataset = os.path.join(folder, f"ds-{form}-{calls}-{threads}")
    what = "varbatch call" + (" --calls all" if calls == "all" else "")
    command = [varbatch, "call"]
    if form == "gvcf":
        command += [*cohorts.gvcfs(source), "-f", os.path.join(os.path.dirname(source), "reference.fa")]
    else:
        command += [source] + (["--calls", "all"] if calls == "all" else [])
    command += ["-o", dataset, "--threads", str(threads)]
    return Program(titled(what, form, threads), command, [dataset], form, threads, ours=True, calls=calls)


def floor(source, form):
    """What only reads the file: nothing that has to look at all of it can be faster."""
    if form == "plain":
        return Program("cat (read only)", ["cat", source], [], form, 0)
    if form == "gvcf":
        # One shell for all files: starting it once is in the number.
        command = ["sh", "-c", 'for file; do bgzip -dc "$file" || exit; done', "sh", *cohorts.gvcfs(source)]
        return Program("bgzip -dc (inflate only)", command, [], form, 0)
    name = "bgzip -dc of BCF (inflate only)" if form == "bcf" else "bgzip -dc (inflate only)"
    return Program(name, ["bgzip", "-dc", source], [], form, 0)


def plink2(folder, source, form, threads):
    out = os.path.join(folder, f"plink2-{form}-{threads}")
    command = ["plink2", "--bcf" if form == "bcf" else "--vcf", source, "--make-pgen", "--allow-extra-chr"]
    command += ["--threads", str(threads), "--out", out]
    written = [f"{out}.{end}" for end in ("pgen", "pvar", "psam")]
    return Program(titled("plink2 --make-pgen", form, threads), command, written, form, threads)


def bcftools(folder, source, form, threads):
    out = os.path.join(folder, f"bcftools-{form}-{threads}.bcf")
    # --threads of bcftools counts those beside the main one.
    extra = ["--threads", str(threads - 1)] if threads > 1 else []
    command = ["bcftools", "view", "-Ob", *extra, "-o", out, source]
    return Program(titled("bcftools view -Ob", form, threads), command, [out], form, threads)


def merge(folder, source):
    out = os.path.join(folder, "merge.bcf")
    reference = os.path.join(os.path.dirname(source), "reference.fa")
    command = ["bcftools", "merge", "-g", reference, "--no-index", "-Ob", "-o", out, *cohorts.gvcfs(source)]
    return Program("bcftools merge -g, 1 thread", command, [out], "gvcf", 1)


def of_work(varbatch, work, found, folder, threads):
    """The programs of one work, ours first."""
    wanted = cohorts.WORKS[work]
    form = cohorts.form_of(work, found)
    source = found[form]
    mine = sorted({1, min(2, threads), threads})
    theirs = [1, threads] if threads > 1 else [1]
    if form == "bcf":
        # What it is compared with: the same from the VCF.
        text = "vcf" if "vcf" in found else "plain"
        yield from (ours(varbatch, folder, found[text], text, wanted.calls, n) for n in mine)
    yield from (ours(varbatch, folder, source, form, wanted.calls, n) for n in mine)
    yield floor(source, form)
    if form == "gvcf":
        if len(cohorts.gvcfs(source)) <= 50:
            yield merge(folder, source)
        return
    if wanted.calls == "carriers":
        yield from (plink2(folder, source, form, n) for n in theirs)
    yield from (bcftools(folder, source, form, n) for n in theirs)


def of_works(varbatch, works, found, folder, threads):
    """The programs of several works of one cohort, each once; ours first."""
    every = {}
    for work in works:
        for program in of_work(varbatch, work, found, folder, threads):
            every.setdefault(program.name, program)
    return sorted(every.values(), key=lambda program: not program.ours)


def version(program):
    text = subprocess.run([program, "--version"], capture_output=True, text=True)
    return (text.stdout or text.stderr).splitlines()[0].strip()


def versions(varbatch):
    every = {name: version(name) for name in ("bcftools", "plink2", "bgzip") if shutil.which(name)}
    return {"varbatch": version(varbatch), **every}
