"""The task scripts of schedulers, run with the schedulers' variables, give the dataset of `varbatch call`."""

import json
import os
import re
import tempfile
import unittest
from pathlib import Path

from common import BATCH, TOP, VARBATCH, manifest, module, run


class Examples(unittest.TestCase):
    """The examples do what `varbatch call` does."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.root = Path(cls.folder.name)
        run(VARBATCH, "simulate", "-o", cls.root / "made", "--samples", "70", "--length", "20000", "--seed", "2", "--gvcf")
        cls.inputs = sorted((cls.root / "made/gvcf").glob("*.g.vcf.gz"))
        cls.settings = ["-f", cls.root / "made/reference.fa", "--shard-size", "20000"]
        run(VARBATCH, "call", *cls.inputs, *cls.settings, "-o", cls.root / "whole.ds")
        (cls.root / "bin").mkdir()
        (cls.root / "bin/varbatch").symlink_to(VARBATCH)
        cls.path = f"{cls.root / 'bin'}:{os.environ['PATH']}"

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def same(self, dataset):
        self.assertEqual(manifest(dataset), manifest(self.root / "whole.ds"))

    def tasks(self, script, variables_of):
        """Runs a script for three tasks and both stages, then finalizes."""
        dataset = self.root / (script.parent.name + ".ds")
        run(VARBATCH, "plan", *self.inputs, *self.settings, "-o", dataset)
        for stage in ["ingest", "call"]:
            for index in range(3):
                variables = {**os.environ, "PATH": self.path, **variables_of(index, dataset, stage)}
                run("sh", script, dataset, stage, env=variables)
        run(VARBATCH, "finalize", dataset)
        self.same(dataset)

    def test_slurm(self):
        self.tasks(BATCH / "slurm/array.sbatch", lambda i, *_: {
            "SLURM_ARRAY_TASK_ID": str(i), "SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_MAX": "2",
            "SLURM_ARRAY_TASK_STEP": "1", "SLURM_ARRAY_TASK_COUNT": "3"})

    def test_lsf(self):
        self.tasks(BATCH / "lsf/array.bsub", lambda i, *_: {
            "LSB_JOBINDEX": str(i + 1), "LSB_JOBINDEX_END": "3", "LSB_JOBINDEX_STEP": "1", "LSB_JOBID": "7"})

    def test_sge(self):
        self.tasks(BATCH / "sge/array.sge", lambda i, *_: {
            "SGE_TASK_ID": str(i + 1), "SGE_TASK_FIRST": "1", "SGE_TASK_LAST": "3", "SGE_TASK_STEPSIZE": "1"})

    def test_pbs(self):
        self.tasks(BATCH / "pbs/array.pbs", lambda i, dataset, stage: {
            "PBS_ARRAY_INDEX": str(i), "VARBATCH_TASK_COUNT": "3", "DATASET": str(dataset), "STAGE": stage})

    def test_kubernetes(self):
        """The example is what submit prints, but for names and numbers; what it prints makes the dataset."""
        yaml = module("yaml")

        examples = list(yaml.safe_load_all((BATCH / "kubernetes/job.yaml").read_text()))
        dataset = self.root / "submitted.ds"
        plan = json.loads(run(VARBATCH, "plan", *self.inputs, *self.settings, "-o", dataset, "--format", "json"))
        words = ["submit", dataset, "--to", "kubernetes", "--image", "IMAGE", "--service-account", "varbatch", "--tasks", "2", "--dry-run"]
        printed = json.loads(run(VARBATCH, *words))["items"]
        self.assertEqual(len(printed), len(examples))
        for example, job in zip(examples, printed):
            spec, theirs = example["spec"], job["spec"]
            self.assertEqual(set(example["metadata"]), set(job["metadata"]))
            self.assertEqual(set(spec), set(theirs))
            self.assertEqual(spec["podFailurePolicy"], theirs["podFailurePolicy"])
            pod, their_pod = spec["template"]["spec"], theirs["template"]["spec"]
            self.assertEqual({**pod, "containers": None}, {**their_pod, "containers": None})
            container, their_container = pod["containers"][0], their_pod["containers"][0]
            self.assertEqual(set(container), set(their_container) - {"env"})
            fill = {"DATASET": str(dataset), "SHA256": plan["plan_sha256"]}
            arguments = [fill.get(word, word) for word in container["args"]]
            if "completions" in spec:
                self.assertEqual(arguments[-1], str(spec["completions"]))
                arguments[-1] = str(theirs["completions"])
            self.assertEqual(arguments, their_container["args"])

        def pods(job, *codes):
            """All indexes once; their exit codes."""
            completions = job["spec"].get("completions")
            for index in range(completions or 1):
                variables = {"JOB_COMPLETION_INDEX": str(index)} if completions else {}
                yield run(VARBATCH, *job["spec"]["template"]["spec"]["containers"][0]["args"], code=codes[min(index, len(codes) - 1)],
                          env={**os.environ, **variables})

        # all start at once: those of the second stage and the one that publishes have to wait, and are started again
        ingest, call, publish = printed
        list(pods(call, 75))
        list(pods(publish, 3))
        for job in printed:
            list(pods(job, 0))
        self.same(dataset)

    def test_schedulers_of_the_readme_are_those_of_the_program(self):
        source = (TOP / "src/exec/scheduler.rs").read_text()
        said = (TOP / "docs/array-jobs.md").read_text()
        for name in set(re.findall(r'"((?:AWS_BATCH|LSB|SGE|PBS|JOB_COMPLETION|BATCH_TASK|VARBATCH)_[A-Z_]*(?:INDEX|COUNT|SIZE|NODES|ID|IDX|LAST|ARRAYID))"', source)):
            if not name.endswith(("JOB_ID", "JOBID")):
                self.assertIn(name, said)
        for name in re.findall(r'"([A-Z_]+)"', re.search(r"pub fn cores.*?\n}", source, re.S).group()):
            self.assertIn(name, said)
