"""Snakemake, Nextflow and WDL: run where that can be, and the dataset compared with that of `varbatch call`."""

import json
import os
import re
import tempfile
import unittest
from pathlib import Path

from common import BATCH, VARBATCH, manifest, module, run, tool

TASKS = 2


class Workflows(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.root = Path(cls.folder.name)
        run(VARBATCH, "simulate", "-o", cls.root / "made", "--samples", "5", "--length", "5000", "--seed", "3", "--gvcf")
        cls.reference = cls.root / "made/reference.fa"
        cls.inputs = sorted((cls.root / "made/gvcf").glob("*.g.vcf.gz"))
        run(VARBATCH, "call", *cls.inputs, "-f", cls.reference, "-o", cls.root / "whole.ds")
        (cls.root / "bin").mkdir()
        (cls.root / "bin/varbatch").symlink_to(VARBATCH)
        cls.environment = {**os.environ, "PATH": f"{cls.root / 'bin'}:{os.environ['PATH']}", "HOME": str(cls.root)}

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def same(self, dataset):
        self.assertEqual(manifest(dataset), manifest(self.root / "whole.ds"))

    def test_snakemake(self):
        words = [tool("snakemake"), "-s", BATCH / "snakemake/Snakefile", "-j", "2", "-d", self.root / "snakemake", "--config",
                 f"inputs={self.root}/made/gvcf/*.g.vcf.gz", f"reference={self.reference}", f"dataset={self.root}/snakemake.ds", f"tasks={TASKS}"]
        run(*words, env=self.environment)
        self.same(self.root / "snakemake.ds")
        self.assertEqual(len(list((self.root / "snakemake.ds.marks").iterdir())), 2 * TASKS)

    def nextflow_scripts(self):
        """The script of each process."""
        text = (BATCH / "nextflow/main.nf").read_text()
        return dict(re.findall(r'^process (\w+) \{.*?script:\s+"""\n(.*?)"""', text, re.S | re.M))

    def test_nextflow_is_understood(self):
        reftrace = module("reftrace")
        read = reftrace.parse_modules(str(BATCH / "nextflow"))
        self.assertEqual([str(one) for one in read.errors], [])
        found, = read.results
        self.assertEqual([process.name for process in found.processes], ["PLAN", "INGEST", "CALL", "FINALIZE"])
        self.assertEqual(set(self.nextflow_scripts()), {process.name for process in found.processes})
        text = (BATCH / "nextflow/main.nf").read_text()
        settings = (BATCH / "nextflow/nextflow.config").read_text()
        given = re.search(r"^params \{(.*?)^\}", settings, re.S | re.M).group(1)
        self.assertEqual(set(re.findall(r"params\.(\w+)", text)), set(re.findall(r"^\s+(\w+) =", given, re.M)))

    def test_nextflow_commands(self):
        """Its engine cannot be had here: the scripts are filled in and run in the order of the workflow."""
        dataset = self.root / "nextflow.ds"
        sources = " ".join(f"'{path}'" for path in self.inputs) + f" -f '{self.reference}'"
        filled = {"dataset": dataset, "sources": sources, "task.cpus": 2, "tasks": TASKS}
        scripts = self.nextflow_scripts()

        def play(name, **more):
            script = re.sub(r"\$\{([\w.]+)\}", lambda match: str({**filled, **more}[match[1]]), scripts[name])
            run("bash", "-ue", "-c", script, cwd=self.root, env=self.environment)

        play("PLAN")
        filled["sha256"] = json.loads((self.root / "plan.json").read_text())["plan_sha256"]
        for stage in ["INGEST", "CALL"]:
            for index in range(TASKS):
                play(stage, index=index)
        play("FINALIZE")
        self.same(dataset)

    def test_wdl_is_understood(self):
        run(tool("miniwdl"), "check", "--strict", "--suppress", "UnusedDeclaration", BATCH / "wdl/varbatch.wdl")

    def test_wdl_commands(self):
        """Containers cannot be run here: miniwdl fills in the commands, a shell runs them."""
        WDL = module("WDL")
        document = WDL.load(str(BATCH / "wdl/varbatch.wdl"))
        tasks = {task.name: task for task in document.tasks}
        library = WDL.StdLib.Base("1.0")
        dataset = self.root / "wdl.ds"

        def play(name, **given):
            task, values = tasks[name], WDL.Env.Bindings()
            for one in task.available_inputs:
                if one.name in given:
                    kind = WDL.Value.Int if isinstance(given[one.name], int) else WDL.Value.String
                    value = given[one.name]
                    made = WDL.Value.Array(WDL.Type.String(), [WDL.Value.String(x) for x in value]) if isinstance(value, list) else kind(value)
                    values = values.bind(one.name, made)
                elif one.value.type.optional:
                    values = values.bind(one.name, WDL.Value.Null())
            return run("bash", "-c", task.command.eval(values, library).value, cwd=self.root, env=self.environment)

        sha256 = play("plan", inputs=[str(path) for path in self.inputs], dataset=str(dataset), reference=str(self.reference)).strip()
        self.assertRegex(sha256, r"^[0-9a-f]{64}$")
        for stage in ["ingest", "call"]:
            for index in range(TASKS):
                play("work", dataset=str(dataset), sha256=sha256, stage=stage, index=index, tasks=TASKS)
        play("finalize", dataset=str(dataset), sha256=sha256)
        self.same(dataset)
