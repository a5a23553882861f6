"""The state machine, run here: what it sends to AWS Batch, and that these jobs make the dataset."""

import json
import os
import re
import tempfile
import unittest
from pathlib import Path

from common import AWS, VARBATCH, manifest, module, run
from stack import Filled, lower_first, template


class Failed(Exception):
    """A task of a state machine that fails."""

    def __init__(self, error, cause=""):
        self.output = {"Error": error, "Cause": cause}


class Machine:
    """Runs a state machine of Tasks, Pass, Choice, Wait, Fail in JSONata; tasks are done by a function."""

    def __init__(self, definition, task):
        self.jsonata, self.states, self.start, self.task = module("jsonata"), definition["States"], definition["StartAt"], task
        self.variables, self.path = {}, []

    def value(self, given, states):
        if isinstance(given, dict):
            return {key: self.value(inner, states) for key, inner in given.items()}
        if isinstance(given, list):
            return [self.value(inner, states) for inner in given]
        if not (isinstance(given, str) and given.startswith("{%")):
            return given
        text = given.removeprefix("{%").removesuffix("%}")
        expression = self.jsonata.Jsonata(text)
        expression.register_lambda("parse", json.loads)
        frame = expression.create_frame()
        for name, bound in {**self.variables, "states": states}.items():
            frame.bind(name, bound)
        found = json.loads(json.dumps(expression.evaluate(None, frame)))
        if found is None:
            raise Failed("States.QueryEvaluationError", f"{text} gives nothing")
        return found

    def assign(self, given, states):
        # all of them see the variables as they were
        self.variables |= {name: self.value(inner, states) for name, inner in given.get("Assign", {}).items()}

    def run(self, given):
        name = self.start
        while True:
            state, states = self.states[name], {"input": given}
            self.path.append(name)
            assert len(self.path) < 200, self.path[-10:]
            if state["Type"] == "Fail":
                raise Failed(self.value(state["Error"], states), self.value(state["Cause"], states))
            if state["Type"] == "Choice":
                fits = (choice["Next"] for choice in state["Choices"] if self.value(choice["Condition"], states))
                name = next(fits, state["Default"])
                continue
            if state["Type"] == "Task":
                try:
                    states["result"] = self.task(state["Resource"], self.value(state["Arguments"], states))
                    self.assign(state, states)
                except Failed as failed:
                    catch, = state["Catch"]
                    assert catch["ErrorEquals"] == ["States.ALL"]
                    self.assign(catch, {**states, "errorOutput": failed.output})
                    name = catch["Next"]
                    continue
            else:
                self.assign(state, states)
            if state.get("End"):
                return self.value(state["Output"], states)
            name = state["Next"]


class StateMachine(Filled):
    """The state machine sends what it should, and what it sends makes a dataset."""

    def definition(self, **fill):
        text = (AWS / "state-machine.asl.json").read_text()
        machine = self.of_type("AWS::StepFunctions::StateMachine")["StateMachine"]
        substitutions = {**machine["DefinitionSubstitutions"], "Reference": "", **fill}
        self.assertEqual(set(re.findall(r"\$\{(\w+)\}", text)), set(machine["DefinitionSubstitutions"]))
        return json.loads(re.sub(r"\$\{(\w+)\}", lambda match: str(substitutions[match[1]]), text))

    def play(self, plan, given=None, late=0, fails=None, **fill):
        """Runs it with a plan that a job prints to the log; the requests that it sends to AWS Batch."""
        boto3 = module("boto3")
        from botocore.validate import ParamValidator

        shape = boto3.client("batch", region_name="us-east-1").meta.service_model.operation_model("SubmitJob").input_shape
        sent, looks = [], []

        def task(resource, arguments):
            if resource.endswith("getLogEvents"):
                looks.append(arguments["LogStreamName"])
                messages = ["a warning"] + ([json.dumps(plan)] if len(looks) > late else [])
                return {"Events": [{"Message": message} for message in messages]}
            self.assertEqual(resource, "arn:aws:states:::batch:submitJob.sync")
            report = ParamValidator().validate(lower_first(arguments), shape)
            self.assertFalse(report.has_errors(), report.generate_report())
            size = arguments.get("ArrayProperties", {}).get("Size")
            self.assertTrue(size is None or size in range(2, 10_001), size)
            sent.append(arguments)
            if fails and arguments["JobName"].endswith(fails):
                raise Failed("States.TaskFailed", "exit code 65")
            return {"Container": {"LogStreamName": "varbatch/default/1"}}

        machine = Machine(self.definition(**fill), task)
        failed = output = None
        try:
            output = machine.run(given or {"sheet": "s3://in/sheet.tsv", "dataset": "s3://out/c.ds"})
        except Failed as error:
            failed = error.output
        return sent, output, failed

    @staticmethod
    def plan(shards, stages):
        return {"dataset": "s3://out/c.ds", "plan_sha256": "ab" * 32, "shards": shards, "stages": stages}

    def test_template_has_the_same(self):
        inside = template()["Resources"]["StateMachine"]["Properties"]["Definition"]
        self.assertEqual(inside, json.loads((AWS / "state-machine.asl.json").read_text()))

    def test_gvcfs(self):
        sent, output, failed = self.play(self.plan(37, ["ingest", "call"]))
        self.assertIsNone(failed)
        self.assertEqual([one["JobName"] for one in sent],
                         ["varbatch-plan"] + [f"varbatch-abababababab-{stage}" for stage in ["ingest", "call", "finalize"]])
        self.assertEqual([one.get("ArrayProperties") for one in sent], [None, {"Size": 37}, {"Size": 37}, None])
        self.assertEqual([one["JobQueue"] for one in sent],
                         ["FARGATE-QUEUE-ARN", "SPOT-QUEUE-ARN", "SPOT-QUEUE-ARN", "FARGATE-QUEUE-ARN"])
        self.assertEqual(output["plan_sha256"], "ab" * 32)

    def test_cohort_vcf_has_one_stage(self):
        sent, _, failed = self.play(self.plan(3, ["call"]))
        self.assertIsNone(failed)
        self.assertEqual([one["JobName"].rsplit("-", 1)[1] for one in sent], ["plan", "call", "finalize"])

    def test_sizes(self):
        for shards, given, size in [(1, {}, 2), (2, {}, 2), (999, {}, 999), (20_000, {}, 1000), (20_000, {"max_tasks": 50_000}, 10_000)]:
            sent, _, failed = self.play(self.plan(shards, ["call"]), {"sheet": "s3://in/s.tsv", "dataset": "s3://out/c.ds", **given})
            self.assertIsNone(failed)
            self.assertEqual(sent[1]["ArrayProperties"]["Size"], size)

    def test_event_of_a_sheet(self):
        event = {"detail": {"bucket": {"name": "drop"}, "object": {"key": "inbox/cohort 7.v2.tsv"}}}
        sent, output, failed = self.play(self.plan(3, ["call"]), event, Reference="s3://in/GRCh38.fa")
        self.assertIsNone(failed)
        self.assertEqual(sent[0]["ContainerOverrides"]["Command"], [
            "plan", "--inputs", "s3://drop/inbox/cohort 7.v2.tsv", "-o", "s3://DATASET-BUCKET/datasets/cohort 7.v2.ds",
            "--format", "json", "-f", "s3://in/GRCh38.fa"])
        self.assertEqual(output["dataset"], "s3://DATASET-BUCKET/datasets/cohort 7.v2.ds")

    def test_log_that_is_late_or_silent(self):
        sent, _, failed = self.play(self.plan(3, ["call"]), late=4)
        self.assertEqual((len(sent), failed), (3, None))
        sent, _, failed = self.play(self.plan(3, ["call"]), late=1000)
        self.assertEqual((len(sent), failed["Error"]), (1, "PlanIsNotInLog"))

    def test_a_stage_that_fails_ends_it(self):
        for stage, n_sent in [("plan", 1), ("ingest", 2), ("call", 3), ("finalize", 4)]:
            sent, _, failed = self.play(self.plan(3, ["ingest", "call"]), fails=stage)
            self.assertEqual((len(sent), failed["Error"]), (n_sent, "States.TaskFailed"))
            self.assertIn("varbatch status s3://out/c.ds", failed["Cause"])
            self.assertIn("exit code 65", failed["Cause"])

    def test_throttling_is_tried_again(self):
        for name, state in self.definition()["States"].items():
            if state["Type"] == "Task":
                retry, = state["Retry"]
                self.assertGreaterEqual(retry["MaxAttempts"], 5, name)
                self.assertEqual(retry["JitterStrategy"], "FULL", name)

    def test_jobs_make_the_dataset(self):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            run(VARBATCH, "simulate", "-o", root / "made", "--samples", "70", "--length", "20000", "--seed", "2", "--gvcf")
            gvcfs = sorted((root / "made/gvcf").glob("*.g.vcf.gz"))
            reference = str(root / "made/reference.fa")
            (root / "cohort.tsv").write_text("".join(f"{gvcf}\n" for gvcf in gvcfs))
            run(VARBATCH, "call", *gvcfs, "-f", reference, "-o", root / "whole.ds")
            log = []

            def task(resource, arguments):
                if resource.endswith("getLogEvents"):
                    return {"Events": [{"Message": line} for line in log]}
                size = arguments.get("ArrayProperties", {}).get("Size")
                for index in range(size or 1):
                    variables = {"AWS_BATCH_JOB_ARRAY_INDEX": str(index), "AWS_BATCH_JOB_ARRAY_SIZE": str(size)} if size else {}
                    out = run(VARBATCH, *arguments["ContainerOverrides"]["Command"], env={**os.environ, **variables})
                    log.extend(out.splitlines())
                return {"Container": {"LogStreamName": "stream"}}

            machine = Machine(self.definition(Reference=reference), task)
            machine.run({"sheet": str(root / "cohort.tsv"), "dataset": str(root / "made.ds")})
            self.assertEqual(manifest(root / "made.ds"), manifest(root / "whole.ds"))
