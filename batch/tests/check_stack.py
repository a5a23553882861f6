"""Values of the CloudFormation template that cfn-lint does not know."""

import email
import json
import re
import unittest

from common import AWS, TOP, run, tool
from stack import Filled, listed, lower_first

FARGATE = {"0.25": {512, 1024, 2048}, "0.5": set(range(1024, 4097, 1024)), "1": set(range(2048, 8193, 1024)),
           "2": set(range(4096, 16385, 1024)), "4": set(range(8192, 30721, 1024)),
           "8": set(range(16384, 61441, 4096)), "16": set(range(32768, 122881, 8192))}
# actions that IAM knows no resources for
WITHOUT_RESOURCE = {"ecr:GetAuthorizationToken", "batch:DescribeJobs", "batch:ListJobs"}


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
                self.assertIn("NetworkConfiguration", job["ContainerProperties"], "a task in a public subnet cannot pull its image")

    def test_arrays(self):
        limits = self.template["Parameters"]["MaxTasks"]
        self.assertEqual((limits["MinValue"], limits["MaxValue"]), (2, 10_000))
        self.assertIn(limits["Default"], range(2, 10_001))

    def test_environments(self):
        for name, environment in self.of_type("AWS::Batch::ComputeEnvironment").items():
            resources = environment["ComputeResources"]
            self.assertEqual(resources.get("MinvCpus", 0), 0, name)
            self.assertIn(resources["Type"], {"SPOT", "FARGATE"})
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

    def test_who_writes_to_the_bucket_may_use_its_key(self):
        for name, statements in self.policies():
            writes = any(s["Effect"] == "Allow" and "s3:PutObject" in listed(s["Action"]) for s in statements)
            if writes:
                everything = [s for other, found in self.policies() if other == name for s in found]
                self.assertTrue(any("kms:GenerateDataKey" in listed(s["Action"]) for s in everything), name)

    def test_bucket(self):
        bucket = self.of_type("AWS::S3::Bucket")["DatasetBucket"]
        rule = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]
        self.assertEqual(rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"], "aws:kms")
        self.assertTrue(rule["BucketKeyEnabled"], "else each object asks for a key")
        block = bucket["PublicAccessBlockConfiguration"]
        self.assertEqual(list(block.values()), [True] * 4)
        self.assertIn("AbortIncompleteMultipartUpload", str(bucket["LifecycleConfiguration"]))
        self.assertEqual(self.resources["DatasetBucket"]["DeletionPolicy"], "Retain")

    def test_sheets(self):
        rule = self.of_type("AWS::Events::Rule")["SheetRule"]
        notify = self.of_type("AWS::S3::Bucket")["DatasetBucket"]["NotificationConfiguration"]
        self.assertTrue(notify["EventBridgeConfiguration"]["EventBridgeEnabled"], "else the rule never hears of a sheet")
        self.assertEqual(rule["EventPattern"]["detail"]["object"]["key"], [{"wildcard": "inbox/*.tsv"}])
        self.assertEqual(rule["EventPattern"]["detail"]["bucket"]["name"], ["DATASET-BUCKET"])
