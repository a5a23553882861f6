"""An S3 server in memory (moto) for tests: prints its port and ends when standard input is closed.

With the argument `signed` it checks signatures, and prints a key and its secret behind the port.
"""

import logging
import os
import sys

signed = sys.argv[1:] == ["signed"]
if signed:
    # the first requests are taken without a check: those that make the user
    os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "3"

import boto3  # noqa: E402
from moto.server import ThreadedMotoServer  # noqa: E402

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
port = server.get_host_and_port()[1]
told = [str(port)]
if signed:
    anyone = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
    iam = boto3.client("iam", endpoint_url=f"http://127.0.0.1:{port}", **anyone)
    iam.create_user(UserName="tester")
    policy = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'
    iam.put_user_policy(UserName="tester", PolicyName="all", PolicyDocument=policy)
    key = iam.create_access_key(UserName="tester")["AccessKey"]
    told += [key["AccessKeyId"], key["SecretAccessKey"]]
    mine = {"aws_access_key_id": told[1], "aws_secret_access_key": told[2], "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", **mine).create_bucket(Bucket="signed")
print(*told, flush=True)
sys.stdin.read()
server.stop()
