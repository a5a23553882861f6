"""Linters and schemas over all files of batch/."""

import json
import os
import re
import unittest

from common import AWS, BATCH, NODE, TOP, missing, module, run, tool


class Lint(unittest.TestCase):
    def test_template(self):
        run(tool("cfn-lint"), AWS / "template.yaml")
        self.assertLess((AWS / "template.yaml").stat().st_size, 51_200, "larger ones must be uploaded to a bucket first")

    def test_dockerfile(self):
        run(tool("hadolint"), BATCH / "Dockerfile")

    def test_scripts(self):
        scripts = sorted(AWS.glob("*.sh")) + sorted((BATCH / "tests").glob("*.sh"))
        self.assertGreaterEqual(len(scripts), 3)
        run(tool("shellcheck"), *scripts)
        for script in AWS.glob("*.sh"):
            self.assertTrue(os.access(script, os.X_OK), script)

    def test_state_machine(self):
        # it ends with 0 where it cannot read the file
        said = run(tool("asl-validator"), "--json-path", AWS / "state-machine.asl.json")
        self.assertIn("is valid", said)

    def test_pipelines(self):
        yaml = module("yaml")
        workflow = yaml.safe_load((BATCH / "ci/github-actions.yml").read_text())
        jobs = workflow["jobs"]
        self.assertEqual(workflow["permissions"], {"contents": "read"}, "more is given to single jobs")
        self.assertEqual(set(jobs["test"]), set(jobs["test"]) - {"permissions"}, "changes of strangers get no rights")
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
