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
