"""The policies are enough for the work, and no more; submitted jobs fit the definitions."""

import json
import sys
import unittest

from common import AWS, TOP, run
from service import Service
from stack import lower_first


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
