"""Numbers that stand in several files are the same: cores, memory, attempts, time limits, exit codes."""

import json
import re
import unittest

from common import AWS, BATCH, TOP, VARBATCH, module, run
from stack import Filled


def number(path, pattern):
    """The one number that a file names so."""
    found = set(re.findall(pattern, (BATCH / path).read_text(), re.M))
    assert len(found) == 1, f"{path}: {pattern} finds {found}"
    return int(found.pop())


class Scale(unittest.TestCase):
    """The arithmetic of docs/scale.md, from the rates of docs/performance.md and of the program."""

    def setUp(self):
        self.text = (TOP / "docs/scale.md").read_text()
        self.rows = dict(re.findall(r"^\| ([^|]+?) \|(.*)\|$", self.text, re.M))
        performance = (TOP / "docs/performance.md").read_text()
        work = performance[performance.index("**C:"):performance.index("**D:")]
        self.read_mb = float(re.search(r"([\d.]+) MB of input", work).group(1))
        self.cpu_s, self.written_mb = map(float, re.search(r"call, 1 thread \| ([\d.]+) .*\| ([\d.]+) \|", work).groups())

    def result(self, item):
        """The numbers of the last cell of a row: commas are of thousands, a x 10^b one number."""
        last = self.rows[item].split("|")[-1].replace(",", "")
        found = re.findall(r"([\d.]*\d)(?: x 10\^(\d+))?", last)
        return [float(mantissa) * 10 ** int(power or 0) for mantissa, power in found]

    def near(self, said, expected, what):
        self.assertLess(abs(said - expected), 0.05 * expected, f"{what}: {said} is said, {expected} is the result")

    def test_rates(self):
        rate = self.read_mb / self.cpu_s
        said = re.search(r"take ([\d.]+) CPU seconds for ([\d.]+) MB .*?: (\d+) MB/s", self.text)
        for one, expected in zip(said.groups(), [self.cpu_s, self.read_mb, rate]):
            self.near(float(one), expected, "rates")
        source = (TOP / "src/submit/estimate.rs").read_text()
        used = float(re.search(r"GVCF_BYTES_PER_S: f64 = ([\de]+);", source).group(1))
        self.assertIn(f"{used / 1e6:.0f} MB/s is\nused here", self.text)
        self.assertLess(used, rate * 1e6, "the estimate is cautious")
        self.assertIn(f"docs/performance.md has {rate:.0f} MB/s", source)
        price = re.search(r"VCPU_HOUR_USD: f64 = ([\d.]+);", source).group(1)
        self.assertIn(f" x {price} USD (assumed", self.text)

    def test_arithmetic(self):
        genomes, genome_bytes, rate, price = 20e6, 0.5e9, 10e6, 0.04
        all_bytes, part = genomes * genome_bytes, 8 * 2**20
        hours = all_bytes / rate / 3600
        shards = genomes / 100
        starting = shards * 60 * 4 / 3600
        evidence = self.written_mb / self.read_mb
        expected = {
            "shards of the stage ingest": [20_000, genome_bytes * 1000 / 1e9],
            "core-hours": [hours],
            "wall time with 10,000 cores": [hours / 10_000],
            "one shard on 4 cores": [genome_bytes * 1000 / (4 * rate) / 3600],
            "the same with 100 inputs a shard (`--inputs-per-shard 100`)": [genome_bytes * 100 / (4 * rate) / 60],
            "arrays of AWS Batch": [shards / 10_000],
            "start of machines": [starting, starting / hours * 100],
            "cost of cores": [(hours + starting) * price],
            "GET requests, 8 MiB each": [all_bytes / part * 0.4 / 1e6],
            "PUT requests of ingest": [all_bytes * evidence / part, 5, 10, 6, all_bytes * evidence / part * 5 / 1e6],
            "storage of the inputs, one month": [all_bytes / 1e9 * 0.021],
            "the same bytes through a NAT gateway by mistake": [all_bytes / 1e9 * 0.045],
        }
        for item, numbers in expected.items():
            found = self.result(item)
            self.assertGreaterEqual(len(found), len(numbers), item)
            for said, number in zip(found, numbers):
                self.near(said, number, item)
        rows = re.search(r"for a row: ([\d.]+) x 10\^10 rows, 3,000 shards", self.text).group(1)
        self.near(float(rows) * 1e10, 250 * 2**30 / 10, "rows of a call shard")
        self.near(genomes * 4e6 / (250 * 2**30 / 10), 3000, "call shards")


class Numbers(Filled):
    def setUp(self):
        super().setUp()
        help_text = run(VARBATCH, "submit", "--help")
        default = lambda flag: re.search(rf"{flag} .*?\[default: (\w+)\]", help_text, re.S).group(1)
        self.cpus, self.attempts = int(default("--cpus")), int(default("--attempts"))
        self.gib = int(default("--task-memory").removesuffix("G"))
        yaml = module("yaml")
        self.kubernetes = list(yaml.safe_load_all((BATCH / "kubernetes/job.yaml").read_text()))
        self.gcp = json.loads((BATCH / "gcp/job.json").read_text())["taskGroups"][0]["taskSpec"]
        self.work = self.of_type("AWS::Batch::JobDefinition")["WorkDefinition"]

    def test_cores_and_memory(self):
        needs = {need["Type"]: int(need["Value"]) for need in self.work["ContainerProperties"]["ResourceRequirements"]}
        pod = self.kubernetes[0]["spec"]["template"]["spec"]["containers"][0]["resources"]
        said = {
            "aws/template.yaml": (needs["VCPU"], needs["MEMORY"] // 1024),
            "kubernetes/job.yaml": (int(pod["requests"]["cpu"]), int(pod["limits"]["memory"].removesuffix("Gi"))),
            "gcp/job.json": (int(self.gcp["computeResource"]["cpuMilli"]) // 1000, int(self.gcp["computeResource"]["memoryMib"]) // 1024),
            "slurm": (number("slurm/array.sbatch", r"--cpus-per-task=(\d+)"), number("slurm/array.sbatch", r"--mem=(\d+)G")),
            "pbs": (number("pbs/array.pbs", r"ncpus=(\d+)"), number("pbs/array.pbs", r"mem=(\d+)gb")),
            "wdl": (number("wdl/varbatch.wdl", r"cpu: (\d+)"), number("wdl/varbatch.wdl", r'memory: "(\d+) GB"')),
            "snakemake": (number("snakemake/Snakefile", r"threads: (\d+)"), number("snakemake/Snakefile", r"mem_mb=(\d+)") // 1024),
            "nextflow": (number("nextflow/nextflow.config", r"^        cpus = (\d+)"), number("nextflow/nextflow.config", r"memory = '(\d+) GB'")),
            "sge": (number("sge/array.sge", r"-pe smp (\d+)"), self.gib),
            "lsf": (number("lsf/array.bsub", r"-n (\d+)"), self.gib),
        }
        for name, found in said.items():
            self.assertEqual(found, (self.cpus, self.gib), name)

    def test_threads(self):
        """Where a container sees more cores than it was given, it is told how many."""
        pods = [job["spec"]["template"]["spec"]["containers"][0]["args"] for job in self.kubernetes[:2]]
        said = {
            "template": {one["Value"] for one in self.work["ContainerProperties"]["Environment"] if one["Name"] == "VARBATCH_THREADS"},
            "kubernetes": {pod[pod.index("--threads") + 1] for pod in pods},
            "gcp": {self.gcp["environment"]["variables"]["VARBATCH_THREADS"]},
            "wdl": {str(number("wdl/varbatch.wdl", r"--threads (\d+)"))},
        }
        for name, found in said.items():
            self.assertEqual(found, {str(self.cpus)}, name)
        for path in ["snakemake/Snakefile", "nextflow/main.nf"]:
            text = (BATCH / path).read_text()
            self.assertEqual(len(re.findall(r"varbatch work", text)), len(re.findall(r"--threads [{$]", text)), path)

    def test_attempts(self):
        # attempts count the first one, retries do not
        said = {
            "aws/template.yaml": {job["RetryStrategy"]["Attempts"] for job in self.of_type("AWS::Batch::JobDefinition").values()},
            "nextflow": {number("nextflow/nextflow.config", r"maxRetries = (\d+)") + 1},
            "snakemake": {number("snakemake/Snakefile", r"retries: (\d+)") + 1},
            "gcp": {self.gcp["maxRetryCount"] + 1},
            "wdl": {number("wdl/varbatch.wdl", r"maxRetries: (\d+)") + 1},
        }
        for name, found in said.items():
            self.assertEqual(found, {self.attempts}, name)
        printed = (TOP / "src/submit/kubernetes.rs").read_text()
        of_index = int(re.search(r"ATTEMPTS_OF_AN_INDEX: u64 = (\d+)", printed).group(1))
        self.assertEqual({job["spec"].get("backoffLimitPerIndex", job["spec"].get("backoffLimit")) for job in self.kubernetes}, {of_index})

    def test_time_limits(self):
        seconds = self.template["Parameters"]["TaskSeconds"]["Default"]
        alone = json.loads((AWS / "job-definition.json").read_text())["timeout"]["attemptDurationSeconds"]
        hours = number("nextflow/nextflow.config", r"time = '(\d+)h'")
        self.assertEqual((alone, hours * 3600, self.gcp["maxRunDuration"]), (seconds, seconds, f"{seconds}s"))

    def test_time_to_stop(self):
        seconds = {job["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] for job in self.kubernetes}
        self.assertEqual(seconds, {number("slurm/array.sbatch", r"TERM@(\d+)")})

    def test_exit_codes(self):
        """What is given up for good are codes that the README says not to try again; 75 is tried again everywhere."""
        rows = re.findall(r"^\| ([\d, ]+) \| [^|]* \| ([^|]*) \|$", (BATCH / "README.md").read_text(), re.M)
        never = {int(code) for codes, again in rows if again.startswith("no") for code in codes.split(",")}
        self.assertIn("75", [codes for codes, again in rows if again == "yes"])
        for job in self.kubernetes:
            *_, ends = job["spec"]["podFailurePolicy"]["rules"]
            self.assertLessEqual(set(ends["onExitCodes"]["values"]), never)
        ignored = self.kubernetes[0]["spec"]["podFailurePolicy"]["rules"][1]["onExitCodes"]["values"]
        again, ends = (set(policy["actionCondition"]["exitCodes"]) for policy in self.gcp["lifecyclePolicies"])
        self.assertLessEqual(ends, never)
        self.assertEqual((ignored, 75 in again), ([75], True))
        self.assertIn("task.exitStatus in [75,", (BATCH / "nextflow/nextflow.config").read_text())
