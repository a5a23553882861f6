"""S3 and AWS Batch in memory, behind the policies of batch/aws."""

import fnmatch
import io
import json
import os
import re
import tempfile
import threading
from pathlib import Path
from urllib.parse import parse_qs, unquote

from common import AWS, VARBATCH, module, run
from stack import Filled, listed


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
