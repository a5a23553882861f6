"""deploy.sh and cancel.sh with a stand-in for the AWS command line."""

import json
import os
import sys
import tempfile
import unittest
from pathlib import Path

from common import AWS, module, run

# A program `aws` for the scripts: notes how it is called, answers from a file, and does --query as the real one does.
STAND_IN = '''#!{python}
import json, os, sys
import jmespath
words = sys.argv[1:]
said = dict(zip(words[2::2], words[3::2])) if len(words) % 2 == 0 else {{}}
with open(os.environ["CALLS"], "a") as calls:
    calls.write(json.dumps(words) + "\\n")
answers = json.load(open(os.environ["ANSWERS"]))
key = " ".join(words[:3] if words[1] == "wait" else words[:2])
answer = answers.get(key + " " + said.get("--job-status", ""), answers.get(key, {{}}))
if answer == "fails":
    sys.exit(255)
if "--query" in words:
    answer = jmespath.search(said["--query"], answer)
    print("None" if answer is None else "\\t".join(answer) if isinstance(answer, list) and all(isinstance(x, str) for x in answer) else answer)
'''


class Scripts(unittest.TestCase):
    def setUp(self):
        module("jmespath")
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.root = Path(holder.name)
        (self.root / "aws").write_text(STAND_IN.format(python=sys.executable))
        (self.root / "aws").chmod(0o755)

    def script(self, name, *words, answers, code=0):
        (self.root / "answers").write_text(json.dumps(answers))
        (self.root / "calls").write_text("")
        variables = {**os.environ, "PATH": f"{self.root}:{os.environ['PATH']}", "CALLS": str(self.root / "calls"),
                     "ANSWERS": str(self.root / "answers")}
        out = run("bash", AWS / name, *words, code=code, env=variables)
        return out, [json.loads(line) for line in (self.root / "calls").read_text().splitlines()]

    def test_cancel(self):
        plan = "ab" * 32
        job = lambda number, name: {"jobId": number, "jobName": name}
        out, calls = self.script("cancel.sh", "spot", plan, answers={
            "batch list-jobs": {"jobSummaryList": []},
            "batch list-jobs PENDING": {"jobSummaryList": [job("3", "varbatch-abababababab-finalize"), job("9", "varbatch-cdcdcdcdcdcd-call")]},
            "batch list-jobs RUNNING": {"jobSummaryList": [job("1", "varbatch-abababababab-ingest")]}})
        ended = [call[call.index("--job-id") + 1] for call in calls if call[1] == "terminate-job"]
        self.assertEqual((ended, out.split()), (["3", "1"], ["3", "1"]))
        self.script("cancel.sh", "spot", answers={}, code=2)
        self.script("cancel.sh", "spot", "ab", answers={}, code=2)

    @staticmethod
    def parameters(calls):
        made, = (call for call in calls if call[1] == "create-change-set")
        return made, json.loads(made[made.index("--parameters") + 1])

    def test_deploy_makes_a_stack(self):
        out, calls = self.script("deploy.sh", "stack", "VpcId=vpc-1", "SubnetIds=subnet-1,subnet-2", 'InputPrefix=a "b" \\c',
                                 answers={"cloudformation describe-stacks": "fails"})
        made, given = self.parameters(calls)
        self.assertEqual(made[made.index("--change-set-type") + 1], "CREATE")
        self.assertEqual(given, [{"ParameterKey": "VpcId", "ParameterValue": "vpc-1"},
                                 {"ParameterKey": "SubnetIds", "ParameterValue": "subnet-1,subnet-2"},
                                 {"ParameterKey": "InputPrefix", "ParameterValue": 'a "b" \\c'}])
        self.assertFalse([call for call in calls if call[1] == "execute-change-set"], "not without --yes")
        self.assertIn("execute-change-set", out)

    def test_deploy_changes_a_stack(self):
        old = [{"ParameterKey": key} for key in ["VpcId", "Image", "NoLongerThere"]]
        stack = {"Stacks": [{"StackStatus": "UPDATE_COMPLETE", "Parameters": old, "Outputs": []}]}
        _, calls = self.script("deploy.sh", "stack", "--yes", "Image=new", answers={"cloudformation describe-stacks": stack})
        made, given = self.parameters(calls)
        self.assertEqual(made[made.index("--change-set-type") + 1], "UPDATE")
        self.assertEqual(given, [{"ParameterKey": "Image", "ParameterValue": "new"}, {"ParameterKey": "VpcId", "UsePreviousValue": True}])
        done = [call[1] for call in calls]
        self.assertEqual(done.count("execute-change-set"), 1)
        self.assertIn(["cloudformation", "wait", "stack-update-complete", "--stack-name", "stack"], calls)

    def test_deploy_of_nothing_new_and_of_an_error(self):
        stack = {"Stacks": [{"StackStatus": "UPDATE_COMPLETE", "Parameters": []}]}
        for reason, code in [("The submitted information didn't contain changes.", 0), ("Template error", 1)]:
            _, calls = self.script("deploy.sh", "stack", "--yes", code=code, answers={
                "cloudformation describe-stacks": stack, "cloudformation wait change-set-create-complete": "fails",
                "cloudformation describe-change-set": {"StatusReason": reason}})
            self.assertEqual([call[1] for call in calls][-1], "delete-change-set")
        self.script("deploy.sh", "stack", "wrong", answers={}, code=2)
