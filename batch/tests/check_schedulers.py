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
        yaml = module("yaml")

        work, publish = yaml.safe_load_all((BATCH / "kubernetes/job.yaml").read_text())
        dataset = self.root / "submitted.ds"
        run(VARBATCH, "plan", *self.inputs, *self.settings, "-o", dataset)
        words = ["submit", dataset, "--to", "kubernetes", "--image", "IMAGE", "--service-account", "varbatch", "--dry-run"]
        printed = json.loads(run(VARBATCH, *words))["items"]
        # the example is what submit prints, but for names and numbers
        for example, job in zip([work, publish], printed):
            spec, theirs = example["spec"], job["spec"]
            self.assertEqual(set(spec), set(theirs))
            self.assertEqual(spec["podFailurePolicy"], theirs["podFailurePolicy"])
            pod, their_pod = spec["template"]["spec"], theirs["template"]["spec"]
            self.assertEqual({**pod, "containers": None}, {**their_pod, "containers": None})
            self.assertEqual(len(pod["containers"][0]["args"]), len(their_pod["containers"][0]["args"]))
        self.assertEqual(work["spec"]["completions"],
                         int(work["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"]))

    def test_schedulers_of_the_readme_are_those_of_the_program(self):
        source = (TOP / "src/exec/scheduler.rs").read_text()
        said = (TOP / "docs/array-jobs.md").read_text()
        for name in set(re.findall(r'"((?:AWS_BATCH|LSB|SGE|PBS|JOB_COMPLETION|BATCH_TASK|VARBATCH)_[A-Z_]*(?:INDEX|COUNT|SIZE|NODES|ID|IDX|LAST|ARRAYID))"', source)):
            if not name.endswith(("JOB_ID", "JOBID")):
                self.assertIn(name, said)
