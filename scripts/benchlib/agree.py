"""Checks, before anything is timed, that the programs wrote the same thing.

Each check returns a sentence that says what was compared; a difference ends the benchmark with exit code 1.
"""

import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
from itertools import takewhile, zip_longest
from typing import NamedTuple

from . import cohorts

GENOTYPES_COMPARED = 100_000_000
MERGED_BP = 100_000


class Difference(Exception):
    """Two outputs that do not agree."""


class Counts(NamedTuple):
    """Of one alternate allele. None: the program does not say."""

    pos: int
    alt_index: int
    ac: int
    an: int
    n_hom_ref: int
    n_het: int
    n_hom_alt: int
    n_missing: int


def lines(*commands):
    """The lines that the last of some piped commands prints; a command that fails ends the benchmark."""
    with tempfile.TemporaryFile() as errors:
        running = []
        for command in commands:
            before = running[-1].stdout if running else subprocess.DEVNULL
            running.append(subprocess.Popen(command, stdin=before, stdout=subprocess.PIPE, stderr=errors))
            if len(running) > 1:
                before.close()
        try:
            for line in running[-1].stdout:
                yield line.decode().rstrip("\n")
        except GeneratorExit:
            for child in running:
                child.kill()
                child.wait()
            running[-1].stdout.close()
            return
        running[-1].stdout.close()
        if any(child.wait() for child in running):
            errors.seek(0)
            sys.exit(f"error: {' '.join(commands[-1])[:500]}\n{errors.read().decode(errors='replace')}")


def run(command):
    for _ in lines(command):
        pass


def counts_of_dataset(varbatch, dataset):
    columns = "site_id, alt_index, ac, an, n_hom_ref, n_het, n_hom_alt, n_missing"
    sql = f"SELECT {columns} FROM variants ORDER BY site_id, alt_index"
    rows = lines([varbatch, "query", dataset, sql, "--format", "tsv"])
    next(rows)
    for row in rows:
        site_id, *rest = (int(value) for value in row.split("\t"))
        yield Counts(site_id >> 16 & 0xFFFFFFFF, *rest)


def alleles_of_gcount(line):
    """Counts of each allele of one line of `plink2 --geno-counts`: POS and the columns of `GCOUNT` below."""
    pos, hom_ref, het, two_alts, missing = line
    hets = [int(value) for value in het.split(",")]
    pairs = [int(value) for value in two_alts.split(",")]
    # All genotypes of two ALT in the order 1/1, 1/2, 2/2, 1/3, ...
    names = [(a, b) for b in range(len(hets)) for a in range(b + 1)]
    called = int(hom_ref) + sum(hets) + sum(pairs)
    for allele, with_ref in enumerate(hets):
        n_hom_alt = sum(n for name, n in zip(names, pairs) if name == (allele, allele))
        n_het = with_ref + sum(n for (a, b), n in zip(names, pairs) if a != b and allele in (a, b))
        rest = called - n_het - n_hom_alt
        yield Counts(int(pos), allele + 1, n_het + 2 * n_hom_alt, 2 * called, rest, n_het, n_hom_alt, int(missing))


def counts_of_plink2(prefix):
    command = ["plink2", "--pfile", prefix, "--allow-extra-chr", "--threads", "1", "--out", prefix, "--geno-counts"]
    run([*command, "cols=pos,homref,refalt,altxy,missing"])
    with open(f"{prefix}.gcount") as file:
        heads = file.readline().lstrip("#").split()
        wanted = ["POS", "HOM_REF_CT", "HET_REF_ALT_CTS", "TWO_ALT_GENO_CTS", "MISSING_CT"]
        columns = [heads.index(name) for name in wanted]
        for line in file:
            cells = line.split()
            yield from alleles_of_gcount([cells[column] for column in columns])
    os.remove(f"{prefix}.gcount")


def counts_of_bcf(path, n_samples):
    tagged = ["bcftools", "+fill-tags", path, "-Ou", "--", "-t", "AN,AC,AC_Het,AC_Hom,NS"]
    shown = ["bcftools", "query", "-f", r"%POS\t%AN\t%NS\t%AC\t%AC_Het\t%AC_Hom\n"]
    for line in lines(tagged, shown):
        pos, an, with_data, *alleles = line.split("\t")
        for at, (ac, het, hom) in enumerate(zip(*(cell.split(",") for cell in alleles))):
            n_missing = n_samples - int(with_data)
            yield Counts(int(pos), at + 1, int(ac), int(an), None, int(het), int(hom) // 2, n_missing)


def counts_of(program, n_samples):
    """What another program's output says, and the names of the counts it has."""
    out = program.writes[0]
    if program.command[0] == "plink2":
        return counts_of_plink2(out.removesuffix(".pgen")), "AC, AN, n_hom_ref, n_het, n_hom_alt, n_missing"
    return counts_of_bcf(out, n_samples), "AC, AN, n_het, n_hom_alt, n_missing"


def same_counts(ours, theirs, who):
    """Compares two streams of counts, in what both have; the number of alleles."""
    alleles = 0
    for mine, other in zip_longest(ours, theirs):
        if mine is None or other is None:
            raise Difference(f"varbatch and {who}: one has more alleles, after {alleles}: {mine or other}")
        for name, ours_is, theirs_is in zip(Counts._fields, mine, other):
            if theirs_is is not None and ours_is != theirs_is:
                where = f"POS {mine.pos}, allele {mine.alt_index}"
                raise Difference(f"varbatch and {who} at {where}: {name} {ours_is} and {theirs_is}")
        alleles += 1
    return alleles


def query(path, fields):
    cell = ":".join(f"%{field}" for field in fields)
    return lines(["bcftools", "query", "-f", rf"%CHROM\t%POS\t%REF\t%ALT[\t{cell}]\n", path])


def cells_of(line):
    return line.split("\t", 4)


def same_genotypes(varbatch, dataset, source, fields, n_samples, folder):
    """Compares an export with the input, up to a number of genotypes of the first contig; what was compared."""
    first = next(query(source, ["GT"]), None)
    if first is None:
        return "the input has no records"
    contig = first.split("\t", 1)[0]
    wanted = max(1, GENOTYPES_COMPARED // max(1, n_samples))
    sql = f"SELECT site_id FROM variants WHERE contig = '{contig}' ORDER BY site_id"
    sites = lines([varbatch, "query", dataset, sql, "--format", "tsv"])
    next(sites)
    last, seen = 0, 0
    for site in sites:
        last, seen = int(site) >> 16 & 0xFFFFFFFF, seen + 1
        if seen == wanted:
            break
    sites.close()
    out = os.path.join(folder, "again.bcf")
    run([varbatch, "export", dataset, "-o", out, "-r", f"{contig}:1-{last}"])
    inside = lambda line: cells_of(line)[0] == contig and int(cells_of(line)[1]) <= last
    records = 0
    for mine, other in zip_longest(query(out, fields), takewhile(inside, query(source, fields))):
        if mine != other:
            raise Difference(f"the export and the input differ: {where_different(mine, other)}")
        records += 1
    for end in ("", ".csi"):
        os.remove(out + end)
    return f"{':'.join(fields)} of {records} records"


def where_different(mine, other):
    """The place and the first value that two lines do not share."""
    if mine is None or other is None:
        here = " ".join(cells_of(mine or other)[:4])
        return f"only {'the export' if other is None else 'the input'} has {here}"
    for at, (ours, theirs) in enumerate(zip_longest(mine.split("\t"), other.split("\t"))):
        if ours != theirs:
            sample = f"sample {at - 3}" if at > 3 else ("contig", "POS", "REF", "ALT")[at]
            return f"{' '.join(cells_of(other)[:4])}: {sample}: {ours} and {theirs}"
    return ""


def files_of(dataset):
    with open(os.path.join(dataset, "_manifest.json")) as file:
        return json.load(file)["files"]


def same_bytes(one, other):
    """Compares all files of two datasets by the checksums in their manifests."""
    for mine, theirs in zip_longest(files_of(one), files_of(other)):
        if mine != theirs:
            raise Difference(f"the datasets differ with the number of threads: {(mine or theirs)['path']}")


def trimmed(pos, ref, alt):
    """The shortest way to write an allele where it stands."""
    while len(ref) > 1 and len(alt) > 1 and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    while len(ref) > 1 and len(alt) > 1 and ref[0] == alt[0]:
        pos, ref, alt = pos + 1, ref[1:], alt[1:]
    return pos, ref, alt


def alleles_of(command):
    found = set()
    for line in lines(command, ["bcftools", "query", "-f", r"%POS\t%REF\t%ALT\n"]):
        pos, ref, alts = line.split("\t")
        found.update(trimmed(int(pos), ref, alt) for alt in alts.split(",") if alt not in ("*", ".", "<NON_REF>"))
    return found


def heads_of(gvcfs, folder):
    """The beginning of each gVCF as plain text; the paths and the contig."""
    paths, contig = [], None
    for path in gvcfs:
        paths.append(os.path.join(folder, os.path.basename(path).removesuffix(".gz")))
        with gzip.open(path, "rb") as read, open(paths[-1], "wb") as write:
            for line in read:
                if not line.startswith(b"#"):
                    contig = contig or line.split(b"\t", 1)[0].decode()
                    if int(line.split(b"\t", 2)[1]) > MERGED_BP:
                        break
                write.write(line)
    return paths, contig


def same_sites(varbatch, dataset, source, folder):
    """Whether `bcftools merge -g` has every allele that was called, at the beginning of the first contig."""
    part = os.path.join(folder, "merged")
    os.makedirs(part, exist_ok=True)
    paths, contig = heads_of(cohorts.gvcfs(source), part)
    out = os.path.join(part, "again.bcf")
    run([varbatch, "export", dataset, "-o", out, "-r", f"{contig}:1-{MERGED_BP - 1000}"])
    called = alleles_of(["bcftools", "view", "-Ou", out])
    reference = os.path.join(os.path.dirname(source), "reference.fa")
    if len(paths) > 1:
        merged = alleles_of(["bcftools", "merge", "-g", reference, "--no-index", "-Ou", *paths])
    else:
        merged = alleles_of(["bcftools", "view", "-Ou", *paths])
    shutil.rmtree(part)
    if called - merged:
        raise Difference(f"bcftools merge -g has no allele {min(called - merged)} (POS, REF, ALT), which varbatch calls")
    region = f"the first {MERGED_BP // 1000 - 1} kb"
    return f"the {len(called)} alleles called in {region} are among the {len(merged)} of bcftools merge -g"


def fields_of(program, source):
    """What the export has to give back: of a dataset with every call, all fields that simulated data can have."""
    first = next(lines(["bcftools", "query", "-f", r"%FORMAT\n", source]), "")
    every = first.split("\t")[0].split(":")
    return every if program.calls == "all" and set(every) <= {"GT", "AD", "DP", "GQ", "PL"} else ["GT"]


def check(varbatch, programs, found, n_samples, folder):
    """Compares what the programs have just written; one sentence for each comparison."""
    said = []
    mine = [program for program in programs if program.ours]
    for program in (program for program in mine if program.threads == 1):
        dataset, what = program.writes[0], program.name.removesuffix(", 1 thread")
        run([varbatch, "verify", dataset])
        said.append(f"{what}: varbatch verify finds the dataset complete and consistent")
        for again in mine:
            if again.threads > 1 and (again.form, again.calls) == (program.form, program.calls):
                same_bytes(dataset, again.writes[0])
                said.append(f"{what}: the same bytes with {again.threads} threads")
        if program.form == "gvcf":
            if shutil.which("bcftools"):
                said.append(f"{what}: {same_sites(varbatch, dataset, found['gvcf'], folder)}")
            continue
        for other in first_of_each(programs, program.form):
            theirs, named = counts_of(other, n_samples)
            alleles = same_counts(counts_of_dataset(varbatch, dataset), theirs, other.name)
            said.append(f"{what}: {named} of {alleles} alleles as in the output of {other.name}")
        if shutil.which("bcftools"):
            source = found[program.form]
            again = same_genotypes(varbatch, dataset, source, fields_of(program, source), n_samples, folder)
            said.append(f"{what}: varbatch export gives back {again} of the input")
    return said


def first_of_each(programs, form):
    """Of each other program that read this form and was run, the one with the fewest threads."""
    found = {}
    for other in programs:
        if not other.ours and other.threads and other.form == form and other.installed:
            found.setdefault(other.command[0], other)
    return found.values()
