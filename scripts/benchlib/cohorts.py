"""The works that are measured and the simulated data that they need."""

import json
import os
import shutil
import subprocess
from typing import NamedTuple


class Cohort(NamedTuple):
    """What is simulated: calls of many samples, or with a length one gVCF per sample."""

    samples: int
    sites: int = 0
    length: int = 0
    fields: str = "gt"
    plain: bool = False
    seed: int = 1
    input: str = ""

    @property
    def name(self):
        if self.input:
            return "input"
        if self.length:
            return f"joint-{self.samples}x{self.length}"
        return f"{self.samples}x{self.sites}-{self.fields}{'-plain' if self.plain else ''}"


class Work(NamedTuple):
    """One thing to do with a cohort."""

    cohort: str
    says: str
    form: str = "vcf"
    calls: str = "carriers"


COHORTS = {
    "A": Cohort(samples=2500, sites=30_000),
    "B": Cohort(samples=500, sites=30_000, fields="full"),
    "C": Cohort(samples=100, length=2_000_000),
    "D": Cohort(samples=2500, sites=200_000, plain=True),
}
WORKS = {
    "A": Work("A", "2,500 samples x 30,000 records, GT only"),
    "B": Work("B", "500 samples x 30,000 records, GT:AD:DP:GQ:PL"),
    "B-all": Work("B", "B with every call kept", calls="all"),
    "A-bcf": Work("A", "A as BCF", form="bcf"),
    "B-bcf": Work("B", "B as BCF", form="bcf"),
    "C": Work("C", "joint calling of 100 gVCFs, 2 Mb", form="gvcf"),
    "D": Work("D", "2,500 samples x 200,000 records, plain text (2 GB)", form="plain"),
}


def of(work, options):
    """The cohort of a work, at the size that was asked for."""
    cohort = COHORTS[WORKS[work].cohort]
    if options.input and not cohort.length:
        return Cohort(samples=0, input=os.path.abspath(options.input))
    size = {"samples": options.samples or cohort.samples, "seed": options.seed}
    if cohort.length:
        return cohort._replace(**size, length=options.length or cohort.length)
    return cohort._replace(**size, sites=options.sites or cohort.sites)


def is_full_size(work, cohort):
    """Whether the bars, which are for one size and seed, speak of this cohort."""
    return cohort == COHORTS[WORKS[work].cohort]


def command(varbatch, cohort, folder):
    made = [varbatch, "simulate", "-o", folder, "--samples", str(cohort.samples)]
    if cohort.length:
        made += ["--length", str(cohort.length), "--gvcf"]
    else:
        made += ["--sites", str(cohort.sites), "--common", "--format-fields", cohort.fields]
    return made + (["--plain"] if cohort.plain else []) + ["--no-truth", "--seed", str(cohort.seed)]


def simulate(varbatch, cohort, folder):
    """Makes the cohort below the folder, unless the same command made it there before; where its files are."""
    if cohort.input:
        return cohort.input
    made = os.path.join(folder, f"cohort-{cohort.name}")
    wanted = command(os.path.basename(varbatch), cohort, "cohort")
    mark = os.path.join(made, "made-by.json")
    if not os.path.exists(mark):
        subprocess.run([*command(varbatch, cohort, made), "--force"], check=True)
        with open(mark, "w") as file:
            json.dump(wanted, file)
    with open(mark) as file:
        before = json.load(file)
    if before[1:] != wanted[1:]:
        raise SystemExit(f"error: {made} was made by other settings: {' '.join(before)}\nhint: choose another --folder")
    return os.path.join(made, "gvcf" if cohort.length else "cohort.vcf" if cohort.plain else "cohort.vcf.gz")


def sources(varbatch, cohort, works, folder):
    """Path of the data in each form that the works read."""
    path = simulate(varbatch, cohort, folder)
    forms = {WORKS[work].form for work in works}
    if cohort.length:
        return {"gvcf": path}
    found = {"plain" if path.endswith(".vcf") else "vcf": path}
    if "bcf" in forms:
        if not shutil.which("bcftools"):
            raise SystemExit("error: bcftools, which makes the BCF, is not installed\nhint: scripts/setup test, or other works")
        found["bcf"] = os.path.join(folder, f"{cohort.name}.bcf")
        if not os.path.exists(found["bcf"]):
            part = found["bcf"] + ".part"
            subprocess.run(["bcftools", "view", "-Ob", "-o", part, path], check=True)
            os.replace(part, found["bcf"])
    return found


def form_of(work, found):
    """The form that a work reads, or the one there is: `--input` may be plain text."""
    form = WORKS[work].form
    return form if form in found else next(iter(found))


def gvcfs(folder):
    """The gVCFs in a folder, by name."""
    return sorted(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".gz"))


def size_bytes(path):
    """Bytes of a file or of all files below a folder."""
    if os.path.isfile(path):
        return os.path.getsize(path)
    found = (os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names)
    return sum(os.path.getsize(name) for name in found)
