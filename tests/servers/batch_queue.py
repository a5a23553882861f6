"""AWS Batch in a moto server, for tests.

usage: batch_queue.py ENDPOINT setup   makes a compute environment, a queue and two job definitions
       batch_queue.py ENDPOINT jobs    prints all jobs as JSON, as the service describes them
"""

import json
import sys
import urllib.request

import boto3

endpoint, what = sys.argv[1:]
access = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1", "endpoint_url": endpoint}
batch = boto3.client("batch", **access)
if what == "setup":
    # jobs are only noted
    body = json.dumps({"batch": {"use_docker": False}}).encode()
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/moto-api/config", body, {"Content-Type": "application/json"}))
    iam, ec2 = boto3.client("iam", **access), boto3.client("ec2", **access)
    role = iam.create_role(RoleName="batch", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    subnet = ec2.describe_subnets()["Subnets"][0]
    groups = [group["GroupId"] for group in ec2.describe_security_groups()["SecurityGroups"]][:1]
    environment = batch.create_compute_environment(
        computeEnvironmentName="fargate", type="MANAGED", serviceRole=role,
        computeResources={"type": "FARGATE_SPOT", "maxvCpus": 16, "subnets": [subnet["SubnetId"]], "securityGroupIds": groups})
    batch.create_job_queue(jobQueueName="spot", state="ENABLED", priority=1, computeEnvironmentOrder=[
        {"order": 1, "computeEnvironment": environment["computeEnvironmentArn"]}])
    for name in ["work", "finalize"]:
        batch.register_job_definition(jobDefinitionName=name, type="container", containerProperties={
            "image": "varbatch", "command": ["--help"],
            "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "2048"}]})
else:
    found = []
    for status in ["SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED"]:
        found += [job["jobId"] for job in batch.list_jobs(jobQueue="spot", jobStatus=status)["jobSummaryList"]]
    jobs = batch.describe_jobs(jobs=[job for job in found if ":" not in job])["jobs"] if found else []
    print(json.dumps(jobs, default=str))
