"""Checks of the files for AWS: lint, what lint does not know, and their use against servers in memory. No AWS account.

usage: python3 batch/tests/check_aws.py VARBATCH
A check whose tool is absent says so; with VARBATCH_REQUIRE_ALL it fails.
"""

import fnmatch
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path
from urllib.parse import parse_qs, unquote

BATCH = Path(__file__).resolve().parent.parent
TOP = BATCH.parent
AWS = BATCH / "aws"
VARBATCH = None
# tools that were said to be absent
SAID = set()
# vCPU: MiB that Fargate takes (AWS Batch user guide, job definition parameters)
FARGATE = {"0.25": {512, 1024, 2048}, "0.5": set(range(1024, 4097, 1024)), "1": set(range(2048, 8193, 1024)),
           "2": set(range(4096, 16385, 1024)), "4": set(range(8192, 30721, 1024)),
           "8": set(range(16384, 61441, 4096)), "16": set(range(32768, 122881, 8192))}
# actions that IAM knows no resources for
WITHOUT_RESOURCE = {"ecr:GetAuthorizationToken", "batch:DescribeJobs", "batch:ListJobs"}
# what the template is filled with here; policies/*.json have the same words
FILL = {"AWS::Partition": "aws", "AWS::Region": "REGION", "AWS::AccountId": "ACCOUNT", "AWS::URLSuffix": "amazonaws.com",
        "DatasetBucket": "DATASET-BUCKET", "DatasetBucket.Arn": "arn:aws:s3:::DATASET-BUCKET", "InputBucket": "INPUT-BUCKET",
        "InputPrefix": "INPUT-PREFIX", "KmsKeyArn": "KEY-ARN", "SpotQueue": "SPOT-QUEUE-ARN", "FargateQueue": "FARGATE-QUEUE-ARN",
        "WorkDefinition": "WORK-DEFINITION-ARN", "FinalizeDefinition": "FINALIZE-DEFINITION-ARN", "LogGroup": "LOG-GROUP",
        "Image": "REGISTRY/varbatch@sha256:DIGEST", "JobRole.Arn": "arn:aws:iam::ACCOUNT:role/JOB-ROLE",
        "ExecutionRole.Arn": "arn:aws:iam::ACCOUNT:role/EXECUTION-ROLE"}


def missing(what):
    if os.environ.get("VARBATCH_REQUIRE_ALL"):
        raise AssertionError(f"{what} is not installed")
    if what not in SAID:
        SAID.add(what)
        print(f"SKIPPED: {what} is not installed", file=sys.stderr)
    raise unittest.SkipTest(what)


def tool(name):
    """A program beside this Python, of the Node packages, or on the path."""
    for place in [Path(sys.executable).parent, TOP / "target/test-node/node_modules/.bin"]:
        if (place / name).exists():
            return str(place / name)
    return shutil.which(name) or missing(name)


def module(name):
    if importlib.util.find_spec(name) is None:
        missing(f"the Python package {name}")
    return importlib.import_module(name)


def run(*words, code=0, **more):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **more)
    assert done.returncode == code, f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def template():
    """The template, its short functions as in the long form: {"Ref": x}, {"GetAtt": "a.b"}, ..."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    def short(loader, suffix, node):
        kinds = {yaml.ScalarNode: loader.construct_scalar, yaml.SequenceNode: loader.construct_sequence,
                 yaml.MappingNode: loader.construct_mapping}
        deep = {} if isinstance(node, yaml.ScalarNode) else {"deep": True}
        return {suffix: kinds[type(node)](node, **deep)}

    Loader.add_multi_constructor("!", short)
    return yaml.load((AWS / "template.yaml").read_text(), Loader)


def filled(value, defaults):
    """A value of the template, filled in; conditions are taken as true."""
    look = lambda name: str(FILL.get(name, defaults.get(name, name)))
    if isinstance(value, list):
        return [filled(one, defaults) for one in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        (key, inner), = value.items()
        if key in ("Ref", "GetAtt"):
            found = look(inner)
            return int(found) if key == "Ref" and found.isdigit() else found
        if key == "Sub":
            return re.sub(r"\$\{([^}]+)\}", lambda match: look(match[1]), inner)
        if key == "If":
            return filled(inner[1], defaults)
    return {key: filled(inner, defaults) for key, inner in value.items()}


def listed(value):
    return value if isinstance(value, list) else [value]


def lower_first(value):
    """Keys as the services' APIs write them, but for those of maps that the user fills."""
    if isinstance(value, list):
        return [lower_first(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {key[0].lower() + key[1:]: inner if key in ("Options", "Tags") else lower_first(inner) for key, inner in value.items()}


class Filled(unittest.TestCase):
    def setUp(self):
        module("yaml")
        self.template = template()
        self.defaults = {name: found.get("Default", name) for name, found in self.template["Parameters"].items()}
        self.resources = filled(self.template["Resources"], self.defaults)

    def of_type(self, kind):
        return {name: found["Properties"] for name, found in self.resources.items() if found["Type"] == kind}

    def policies(self):
        """All that is granted: name, statements."""
        for name, role in self.of_type("AWS::IAM::Role").items():
            for policy in role.get("Policies", []):
                yield name, policy["PolicyDocument"]["Statement"]
        for name, policy in self.of_type("AWS::IAM::ManagedPolicy").items():
            yield name, policy["PolicyDocument"]["Statement"]


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


class Values(Filled):
    """What cfn-lint does not know."""

    def rules_of_submit(self):
        source = (TOP / "src/submit/aws_batch.rs").read_text()
        rules = re.search(r"fn retry_rules\(\) -> Value \{\s*json!\((\[.*?\])\)", source, re.S).group(1)
        return json.loads(re.sub(r",(\s*\])", r"\1", rules))

    def test_retry(self):
        expected = self.rules_of_submit()
        self.assertEqual(expected[-1], {"onReason": "*", "action": "EXIT"}, "the service retries what no rule names")
        self.assertLessEqual(len(expected), 5)
        for name, job in self.of_type("AWS::Batch::JobDefinition").items():
            self.assertEqual(lower_first(job["RetryStrategy"]["EvaluateOnExit"]), expected, name)
            self.assertIn(job["RetryStrategy"]["Attempts"], range(1, 11), name)
            self.assertGreaterEqual(job["Timeout"]["AttemptDurationSeconds"], 60, name)

    def test_job_definition_is_that_of_the_template(self):
        of_template = lower_first(self.of_type("AWS::Batch::JobDefinition")["WorkDefinition"])
        alone = json.loads((AWS / "job-definition.json").read_text())
        self.assertEqual(alone.pop("jobDefinitionName"), "varbatch-work")
        self.assertEqual(alone, of_template)

    def test_fargate(self):
        for name, job in self.of_type("AWS::Batch::JobDefinition").items():
            needs = {need["Type"]: need["Value"] for need in job["ContainerProperties"]["ResourceRequirements"]}
            if job["PlatformCapabilities"] == ["FARGATE"]:
                self.assertIn(int(needs["MEMORY"]), FARGATE[needs["VCPU"]], name)
                self.assertIn(job["ContainerProperties"]["EphemeralStorage"]["SizeInGiB"], range(21, 201), name)
                self.assertIn("RuntimePlatform", job["ContainerProperties"], name)
                self.assertNotIn("LinuxParameters", job["ContainerProperties"], name)

    def test_arrays(self):
        limits = self.template["Parameters"]["MaxTasks"]
        self.assertEqual((limits["MinValue"], limits["MaxValue"]), (2, 10_000))
        self.assertIn(limits["Default"], range(2, 10_001))

    def test_environments(self):
        for name, environment in self.of_type("AWS::Batch::ComputeEnvironment").items():
            resources = environment["ComputeResources"]
            self.assertEqual(resources.get("MinvCpus", 0), 0, name)
            self.assertIn(resources["Type"], {"SPOT", "FARGATE_SPOT"})
            if resources["Type"] == "SPOT":
                self.assertEqual(resources["AllocationStrategy"], "SPOT_PRICE_CAPACITY_OPTIMIZED")
        choice = self.template["Resources"]["SpotEnvironment"]["Properties"]["ComputeResources"]["InstanceTypes"]["If"]
        for families, arm in [(choice[1], True), (choice[2], False)]:
            self.assertGreaterEqual(len(families), 6, "one family is soon used up")
            for family in families:
                self.assertEqual(bool(re.fullmatch(r"[a-z]+\d+g[a-z]*", family)), arm, f"{family}: the other architecture")

    def test_queues(self):
        environments = self.of_type("AWS::Batch::ComputeEnvironment")
        for name, queue in self.of_type("AWS::Batch::JobQueue").items():
            of_queue = [entry["ComputeEnvironment"] for entry in queue["ComputeEnvironmentOrder"]]
            kinds = {environments[one]["ComputeResources"]["Type"].startswith("FARGATE") for one in of_queue}
            self.assertEqual(len(kinds), 1, f"{name} mixes platforms")
            self.assertGreaterEqual(len(queue["JobStateTimeLimitActions"]), 2, "jobs that fit no machine wait for ever")
            for action in queue["JobStateTimeLimitActions"]:
                self.assertIn(action["MaxTimeSeconds"], range(600, 86_401))

    def test_machines(self):
        launch = self.of_type("AWS::EC2::LaunchTemplate")["LaunchTemplate"]["LaunchTemplateData"]
        self.assertEqual(launch["MetadataOptions"]["HttpTokens"], "required")
        self.assertEqual(launch["MetadataOptions"]["HttpPutResponseHopLimit"], 1, "containers must not get the machine's rights")
        self.assertTrue(launch["BlockDeviceMappings"][0]["Ebs"]["Encrypted"])
        text = launch["UserData"]["Fn::Base64"]
        import email

        parts = email.message_from_string(text).get_payload()
        self.assertEqual([part.get_content_type() for part in parts], ["text/x-shellscript"], "the service takes MIME parts only")
        script = parts[0].get_payload()
        stop = int(re.search(r"ECS_CONTAINER_STOP_TIMEOUT=(\d+)s", script).group(1))
        self.assertIn(stop, range(30, 120), "a machine is taken back 120 s after the warning")
        run(tool("shellcheck"), "-", input=script)

    def test_least_privilege(self):
        seen = 0
        for name, statements in self.policies():
            for statement in statements:
                seen += 1
                actions = set(listed(statement["Action"]))
                for action in actions:
                    self.assertNotIn("*", action, f"{name}: {statement}")
                self.assertFalse({"iam:PassRole", "s3:PutBucketPolicy", "s3:DeleteBucket", "s3:PutObjectAcl"} & actions, name)
                if "*" in listed(statement["Resource"]):
                    self.assertLessEqual(actions, WITHOUT_RESOURCE, f"{name}: {statement}")
                if "s3:DeleteObject" in actions and statement["Effect"] == "Allow":
                    for resource in listed(statement["Resource"]):
                        self.assertRegex(resource, r"_(attempts|failures)/\*$", name)
                if "s3:PutObject" in actions and statement["Effect"] == "Allow":
                    self.assertNotIn("INPUT-BUCKET", str(statement["Resource"]), name)
        self.assertGreaterEqual(seen, 15)
        for name, role in self.of_type("AWS::IAM::Role").items():
            for trusted in role["AssumeRolePolicyDocument"]["Statement"]:
                self.assertEqual(set(trusted["Principal"]), {"Service"}, name)

    def test_policies_alone_are_those_of_the_template(self):
        granted = {}
        for name, statements in self.policies():
            granted.setdefault(name, []).extend(s for s in statements if "KEY-ARN" not in str(s))
        for file, name in [("worker", "JobRole"), ("submitter", "SubmitterPolicy")]:
            alone = json.loads((AWS / f"policies/{file}.json").read_text())
            self.assertEqual(alone["Statement"], granted[name], file)
        reader = json.loads((AWS / "policies/reader.json").read_text())
        self.assertEqual({s["Action"] for s in reader["Statement"]}, {"s3:GetObject", "s3:ListBucket"})

    def test_bucket(self):
        bucket = self.of_type("AWS::S3::Bucket")["DatasetBucket"]
        rule = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]
        self.assertEqual(rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"], "aws:kms")
        self.assertTrue(rule["BucketKeyEnabled"], "else each object asks for a key")
        block = bucket["PublicAccessBlockConfiguration"]
        self.assertEqual(list(block.values()), [True] * 4)
        self.assertIn("AbortIncompleteMultipartUpload", str(bucket["LifecycleConfiguration"]))
        self.assertEqual(self.resources["DatasetBucket"]["DeletionPolicy"], "Retain")

    def test_nothing_goes_through_a_nat(self):
        endpoint = self.of_type("AWS::EC2::VPCEndpoint")["S3Endpoint"]
        self.assertEqual(endpoint["VpcEndpointType"], "Gateway")

    def test_log_ends(self):
        self.assertIn(self.of_type("AWS::Logs::LogGroup")["LogGroup"]["RetentionInDays"], range(1, 366))

    def test_sheets(self):
        rule = self.of_type("AWS::Events::Rule")["SheetRule"]
        notify = self.of_type("AWS::S3::Bucket")["DatasetBucket"]["NotificationConfiguration"]
        self.assertTrue(notify["EventBridgeConfiguration"]["EventBridgeEnabled"], "else the rule never hears of a sheet")
        self.assertEqual(rule["EventPattern"]["detail"]["object"]["key"], [{"wildcard": "inbox/*.tsv"}])
        self.assertEqual(rule["EventPattern"]["detail"]["bucket"]["name"], ["DATASET-BUCKET"])

    def test_outputs(self):
        outputs = self.template["Outputs"]
        for name in ["Bucket", "Queue", "JobDefinition", "JobRoleArn", "SubmitterPolicyArn", "StateMachineArn"]:
            self.assertIn(name, outputs)


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
            manifests = [(root / name / "_manifest.json").read_bytes() for name in ["made.ds", "whole.ds"]]
            self.assertEqual(*manifests)


class Rights:
    """Says for a request whether the policies let it through. Knows the few conditions that are used here."""

    def __init__(self, of_bucket):
        self.of_bucket, self.policies = of_bucket, {}

    @staticmethod
    def of_request(method, path, query, headers):
        """Action, resource, values of condition keys."""
        bucket, _, key = unquote(path).lstrip("/").partition("/")
        context = {"aws:SecureTransport": "true"}
        if not key:
            return "s3:ListBucket", f"arn:aws:s3:::{bucket}", {**context, "s3:prefix": query.get("prefix", [""])[0]}
        resource = f"arn:aws:s3:::{bucket}/{key}"
        if method in ("GET", "HEAD"):
            return "s3:GetObject", resource, context
        if method == "DELETE":
            return "s3:AbortMultipartUpload" if "uploadId" in query else "s3:DeleteObject", resource, context
        creates = "uploads" not in query and "partNumber" not in query
        context["s3:ObjectCreationOperation"] = str(creates).lower()
        if headers.get("if-none-match"):
            context["s3:if-none-match"] = headers["if-none-match"]
        return "s3:PutObject", resource, context

    @staticmethod
    def fits(statement, action, resource, context):
        like = fnmatch.fnmatchcase
        if not any(like(action, one) for one in listed(statement["Action"])):
            return False
        if not any(like(resource, one) for one in listed(statement["Resource"])):
            return False
        for operator, keys in statement.get("Condition", {}).items():
            for key, wanted in keys.items():
                found = context.get(key)
                holds = {"Bool": lambda: found == wanted, "StringLike": lambda: found is not None and like(found, wanted),
                         "Null": lambda: (found is None) == (wanted == "true")}[operator]()
                if not holds:
                    return False
        return True

    def allow(self, who, request):
        mine = self.policies[who]
        if mine is None:
            return True
        fitting = [one["Effect"] for one in mine + self.of_bucket if self.fits(one, *request)]
        return "Allow" in fitting and "Deny" not in fitting


class Service(Filled):
    """S3 and Batch in memory, behind the policies. The access key says who asks: worker, submitter, reader, owner."""

    def setUp(self):
        super().setUp()
        module("moto")
        module("boto3")
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import WSGIRequestHandler, make_server
        from werkzeug.wrappers import Response

        names = [("DATASET-BUCKET", "datasets"), ("INPUT-BUCKET", "genomes"), ("INPUT-PREFIX", "cohort/")]

        def named(statements):
            text = json.dumps(statements)
            for word, name in names:
                text = text.replace(word, name)
            return json.loads(text)

        of_bucket = self.of_type("AWS::S3::BucketPolicy")["DatasetBucketPolicy"]["PolicyDocument"]["Statement"]
        self.rights = Rights(named(of_bucket))
        self.rights.policies = {"owner": None} | {
            who: named(json.loads((AWS / f"policies/{who}.json").read_text())["Statement"]) for who in ["worker", "submitter", "reader"]}
        self.refused, self.sent = [], []
        inner = DomainDispatcherApplication(create_backend_app)

        def application(environ, start):
            authorization = environ.get("HTTP_AUTHORIZATION", "")
            signed = re.search(r"Credential=(\w+)/\w+/[\w-]+/(\w+)/", authorization)
            if signed and signed[2] in ("s3", "batch") and signed[1] in self.rights.policies:
                headers = {"if-none-match": environ.get("HTTP_IF_NONE_MATCH")}
                query = parse_qs(environ["QUERY_STRING"], keep_blank_values=True)
                if signed[2] == "s3":
                    request = Rights.of_request(environ["REQUEST_METHOD"], environ["PATH_INFO"], query, headers)
                else:
                    # the only one that varbatch sends
                    action = {"/v1/submitjob": "batch:SubmitJob"}.get(environ["PATH_INFO"], environ["PATH_INFO"])
                    request = action, "arn:aws:batch:REGION:ACCOUNT:job/1", {}
                if request[0] == "batch:SubmitJob":
                    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
                    environ["wsgi.input"] = io.BytesIO(body)
                    self.sent.append(json.loads(body))
                if not self.rights.allow(signed[1], request):
                    self.refused.append((signed[1], *request))
                    text = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
                    return Response(text, 403, mimetype="application/xml")(environ, start)
            return inner(environ, start)

        class Quiet(WSGIRequestHandler):
            protocol_version = "HTTP/1.1"

            def log(self, *_):
                pass

        self.server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet)
        thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        thread.start()
        self.addCleanup(self.server.shutdown)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        import urllib.request

        urllib.request.urlopen(urllib.request.Request(f"{self.endpoint}/moto-api/reset", b""))
        self.s3 = self.client("s3")
        for bucket in ["datasets", "genomes"]:
            self.s3.create_bucket(Bucket=bucket)
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.root = Path(holder.name)

    def client(self, service, who="owner"):
        import boto3
        from botocore.config import Config

        return boto3.client(service, endpoint_url=self.endpoint, region_name="us-east-1", aws_access_key_id=who,
                            aws_secret_access_key="x", config=Config(retries={"max_attempts": 1}))

    def environment(self, who, **more):
        return {**os.environ, "AWS_ENDPOINT_URL": self.endpoint, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": who,
                "AWS_SECRET_ACCESS_KEY": "x", "AWS_ALLOW_HTTP": "true", **more}

    def varbatch(self, who, *words, code=0, **more):
        return run(VARBATCH, *words, code=code, env=self.environment(who, **more))

    def inputs(self, samples):
        """gVCFs in a bucket; the sheet and the reference."""
        run(VARBATCH, "simulate", "-o", self.root / "made", "--samples", samples, "--length", "3000", "--seed", "6", "--gvcf")
        sheet = ""
        for path in sorted((self.root / "made").rglob("*")):
            if path.is_file():
                self.s3.upload_file(str(path), "genomes", f"cohort/{path.name}")
                sheet += f"s3://genomes/cohort/{path.name}\n" if path.name.endswith(".g.vcf.gz") else ""
        self.s3.put_object(Bucket="genomes", Key="cohort/sheet.tsv", Body=sheet.encode())
        return "s3://genomes/cohort/sheet.tsv", "s3://genomes/cohort/reference.fa"


class Policies(Service):
    """The rights are enough, and no more than that."""

    def test_each_can_do_its_work(self):
        sheet, reference = self.inputs(70)
        for dataset in ["s3://datasets/cohort.ds", "s3://datasets/some/where/cohort.ds"]:
            self.refused.clear()
            self.varbatch("submitter", "plan", "--inputs", sheet, "-f", reference, "-o", dataset)
            for stage in ["ingest", "call"]:
                for index in range(2):
                    array = {"AWS_BATCH_JOB_ARRAY_INDEX": str(index), "AWS_BATCH_JOB_ARRAY_SIZE": "2"}
                    self.varbatch("worker", "work", dataset, "--stage", stage, **array)
            self.varbatch("submitter", "status", dataset, code=3)
            self.varbatch("worker", "finalize", dataset)
            self.varbatch("worker", "finalize", dataset)
            self.varbatch("reader", "status", dataset)
            self.varbatch("reader", "verify", dataset)
            self.assertEqual(self.refused, [])
        # a task that plans, as in the state machine
        self.varbatch("worker", "plan", "--inputs", sheet, "-f", reference, "-o", "s3://datasets/again.ds")
        self.assertEqual(self.refused, [])
        left = [one["Key"] for one in self.s3.list_objects_v2(Bucket="datasets", Prefix="cohort.ds/")["Contents"]]
        self.assertFalse([key for key in left if "_attempts" in key or "_failures" in key], "notes are removed")

    def test_others_cannot(self):
        sheet, reference = self.inputs(3)
        self.varbatch("reader", "plan", "--inputs", sheet, "-f", reference, "-o", "s3://datasets/c.ds", code=77)
        self.varbatch("submitter", "plan", "--inputs", sheet, "-f", reference, "-o", "s3://datasets/c.ds")
        self.varbatch("submitter", "work", "s3://datasets/c.ds", "--stage", "ingest", code=77)
        self.varbatch("worker", "work", "s3://datasets/c.ds")

    def test_single_requests(self):
        from botocore.exceptions import ClientError

        put = lambda who, key, bucket="datasets", **more: self.client("s3", who).put_object(Bucket=bucket, Key=key, Body=b"x", **more)
        remove = lambda who, key: self.client("s3", who).delete_object(Bucket="datasets", Key=key)
        for key in ["c.ds/variants/part-0.parquet", "c.ds/_attempts/1.json", "inbox/old.tsv"]:
            self.s3.put_object(Bucket="datasets", Key=key, Body=b"x")
        put("worker", "c.ds/variants/part-1.parquet")
        put("worker", "c.ds/_commits/call/1.json", IfNoneMatch="*")
        put("submitter", "inbox/cohort.tsv")
        remove("worker", "c.ds/_attempts/1.json")
        for request in [
            lambda: put("worker", "c.ds/_commits/call/2.json"),
            lambda: put("worker", "_commits/call/2.json"),
            lambda: put("worker", "c.ds/_plan/plan.json"),
            lambda: put("worker", "deep/er/c.ds/_manifest.json"),
            lambda: put("worker", "inbox/mine.tsv"),
            lambda: put("worker", "cohort/x.vcf.gz", bucket="genomes"),
            lambda: remove("worker", "inbox/old.tsv"),
            lambda: remove("worker", "c.ds/variants/part-0.parquet"),
            lambda: remove("worker", "c.ds/_commits/call/1.json"),
            lambda: put("submitter", "c.ds/variants/part-2.parquet"),
            lambda: put("reader", "c.ds/variants/part-2.parquet"),
            lambda: self.client("s3", "worker").get_object(Bucket="genomes", Key="private/x.vcf.gz"),
            lambda: self.client("s3", "worker").list_objects_v2(Bucket="genomes", Prefix="private/"),
        ]:
            with self.assertRaises(ClientError) as refused:
                request()
            self.assertEqual(refused.exception.response["ResponseMetadata"]["HTTPStatusCode"], 403)


class Submit(Service):
    """`varbatch submit` and the definitions of these files, with a Batch that notes jobs."""

    def setUp(self):
        super().setUp()
        script = TOP / "tests/servers/batch_queue.py"
        run(sys.executable, script, self.endpoint, "setup")
        self.jobs = lambda: json.loads(run(sys.executable, script, self.endpoint, "jobs"))
        self.batch = self.client("batch")

    def test_definitions_are_taken(self):
        alone = json.loads((AWS / "job-definition.json").read_text())
        self.batch.register_job_definition(**alone)
        for name, job in self.of_type("AWS::Batch::JobDefinition").items():
            self.batch.register_job_definition(jobDefinitionName=name, **lower_first(job))
        found = self.batch.describe_job_definitions(jobDefinitionName="varbatch-work")["jobDefinitions"][0]
        self.assertEqual(found["retryStrategy"]["attempts"], 5)
        self.assertEqual(found["timeout"], {"attemptDurationSeconds": 43200})

    def test_jobs(self):
        alone = json.loads((AWS / "job-definition.json").read_text())
        definition = self.batch.register_job_definition(**alone)["jobDefinitionArn"]
        sheet, reference = self.inputs(200)
        dataset = "s3://datasets/cohort.ds"
        plan = json.loads(self.varbatch("submitter", "plan", "--inputs", sheet, "-f", reference, "-o", dataset, "--format", "json"))
        words = ["submit", dataset, "--to", "aws-batch", "--queue", "spot", "--job-definition", "varbatch-work", "--tasks", "3"]
        printed = self.varbatch("submitter", *words, "--dry-run")
        bodies = [json.loads(text) for text in printed.split("POST /v1/submitjob\n") if text.strip()]
        self.assertEqual(self.jobs(), [], "a dry run submits nothing")
        for body in bodies:
            self.assertEqual(body["retryStrategy"], alone["retryStrategy"], "submit and job-definition.json differ")
        self.varbatch("reader", *words, code=77)
        self.assertEqual(self.jobs(), [])
        self.sent.clear()

        lines = [line.split("\t") for line in self.varbatch("submitter", *words).splitlines()]
        jobs = {job["jobId"]: job for job in self.jobs()}
        # the server keeps no retry rules of a job: what was sent has them
        without = lambda body: {key: value for key, value in body.items() if key != "dependsOn"}
        self.assertEqual([without(body) for body in self.sent], [without(body) for body in bodies])
        self.assertEqual([name for name, _ in lines], [f"varbatch-{plan['plan_sha256'][:12]}-{stage}" for stage in ["ingest", "call", "finalize"]])
        before = []
        for (name, number), body in zip(lines, bodies):
            job = jobs[number]
            self.assertEqual((job["jobName"], job["jobDefinition"]), (name, definition))
            self.assertEqual([one["jobId"] for one in job.get("dependsOn", [])], before)
            self.assertEqual(job["container"]["command"], body["containerOverrides"]["command"])
            self.assertEqual(job.get("arrayProperties", {}).get("size"), body.get("arrayProperties", {}).get("size"))
            before = [number]
        self.assertEqual(jobs[lines[0][1]]["arrayProperties"]["size"], 3)
        self.assertIsNone(jobs[lines[2][1]].get("arrayProperties", {}).get("size"))


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


if __name__ == "__main__":
    VARBATCH = Path(sys.argv.pop(1)).resolve()
    unittest.main()
