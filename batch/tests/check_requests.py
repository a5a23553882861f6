"""The requests of `varbatch submit --to aws-batch`: their shape and their signature are those of botocore."""

import json
import os
import subprocess
import threading
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer

from common import VARBATCH, module, run
from service import Service

ACCESS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}


def wrong_enums(shape, value, where=""):
    """Values that a shape with an enum does not list: botocore's validator leaves them to the service."""
    if shape.type_name == "structure":
        return [found for key, inner in value.items() for found in wrong_enums(shape.members[key], inner, f"{where}.{key}")]
    if shape.type_name == "list":
        return [found for inner in value for found in wrong_enums(shape.member, inner, f"{where}[]")]
    known = getattr(shape, "enum", [])
    return [f"{where} is {value}, expected one of {known}"] if known and value not in known else []


class Batch(BaseHTTPRequestHandler):
    """Notes the requests, and gives every job a number, after some answers of another kind."""

    requests = []
    # status and name of the error; None: no answer, but the job is there
    before = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.before:
            first = self.before.pop(0)
            if first is None:
                self.requests.append((self.path, dict(self.headers), body))
                self.close_connection = True
                return
            status, kind = first
            text = b'{"message": "Too Many Requests"}'
            self.send_response(status)
            self.send_header("x-amzn-ErrorType", kind)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
            return
        self.requests.append((self.path, dict(self.headers), body))
        answer = json.dumps({"jobId": str(len(self.requests)), "jobName": json.loads(body)["jobName"]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


class Requests(Service):
    def setUp(self):
        super().setUp()
        sheet, reference = self.inputs(70)
        self.dataset = "s3://datasets/cohort.ds"
        self.varbatch("submitter", "plan", "--inputs", sheet, "-f", reference, "-o", self.dataset)
        self.words = ["submit", self.dataset, "--to", "aws-batch", "--queue", "spot", "--job-definition", "work:1", "--tasks", "2"]

    def model(self):
        boto3 = module("boto3")
        return boto3.client("batch", region_name="us-east-1").meta.service_model.operation_model("SubmitJob")

    def test_shapes(self):
        from botocore.validate import ParamValidator

        shape = self.model().input_shape
        for more in [[], ["--task-timeout", "600", "--attempts", "9", "--share-identifier", "lab", "--finalize-queue", "fargate"]]:
            printed = self.varbatch("submitter", *self.words, *more, "--dry-run")
            bodies = [json.loads(text) for text in printed.split("POST /v1/submitjob\n") if text.strip()]
            self.assertEqual(len(bodies), 3)
            self.assertEqual([body["jobQueue"] for body in bodies], ["spot", "spot", "fargate" if more else "spot"])
            for body in bodies:
                # required members, unknown members, types, least lengths
                report = ParamValidator().validate(body, shape)
                self.assertFalse(report.has_errors(), report.generate_report())
                self.assertEqual(wrong_enums(shape, body), [])

    def queue(self, **more):
        """A Batch of our own, and the environment for it."""
        server = HTTPServer(("127.0.0.1", 0), Batch)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        Batch.requests.clear()
        url = f"http://127.0.0.1:{server.server_port}"
        return url, {**os.environ, **ACCESS, "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": self.endpoint,
                     "AWS_ENDPOINT_URL_BATCH": url, "AWS_ALLOW_HTTP": "true", **more}

    def test_a_busy_service_is_asked_again(self):
        _, environment = self.queue()
        Batch.before[:] = [(429, "TooManyRequestsException"), (400, "ThrottlingException"), (503, "")]
        printed = run(VARBATCH, *self.words, env=environment)
        self.assertEqual(len(printed.splitlines()), 3)
        self.assertEqual(len(Batch.requests), 3, "no job twice")
        self.assertEqual(Batch.before, [])

    def test_a_service_that_stays_busy_or_says_nothing(self):
        _, environment = self.queue(VARBATCH_S3_RETRY_SECONDS="1")
        Batch.before[:] = [(429, "TooManyRequestsException")] * 50
        done = subprocess.run([str(VARBATCH), *self.words], env=environment, capture_output=True, text=True)
        self.assertEqual((done.returncode, Batch.requests, done.stdout), (75, [], ""), done.stderr)
        # a job that may be there is not sent a second time: the user is told to look
        Batch.before[:] = [None]
        done = subprocess.run([str(VARBATCH), *self.words], env=environment, capture_output=True, text=True)
        self.assertEqual((done.returncode, len(Batch.requests)), (75, 1), done.stderr)
        self.assertIn("the job may be there", done.stderr)
        # an error that stays one
        Batch.before[:] = [(400, "ClientException")]
        run(VARBATCH, *self.words, code=2, env=environment)

    def test_signatures(self):
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        for token in [None, "AQoDYXdzEPT//////////wEXAMPLE=="]:
            url, environment = self.queue(**({"AWS_SESSION_TOKEN": token} if token else {}))
            run(VARBATCH, *self.words, env=environment)
            self.assertEqual(len(Batch.requests), 3)
            for path, headers, body in Batch.requests:
                headers = {name.lower(): value for name, value in headers.items()}
                scope, signed, signature = (part.split("=", 1)[1] for part in headers["authorization"].split(", "))
                names = signed.split(";")
                self.assertLessEqual({"host", "x-amz-date"} | ({"x-amz-security-token"} if token else set()), set(names))
                self.assertEqual(path, self.model().http["requestUri"])
                request = AWSRequest("POST", url + path, data=body, headers={name: headers[name] for name in names})
                request.context["timestamp"] = headers["x-amz-date"]
                theirs = SigV4Auth(Credentials(ACCESS["AWS_ACCESS_KEY_ID"], ACCESS["AWS_SECRET_ACCESS_KEY"], token), "batch", "us-east-1")
                # where the digest of the body is a header, botocore signs the header: it has to be that of the body
                self.assertEqual(theirs.payload(request), headers["x-amz-content-sha256"])
                text = theirs.string_to_sign(request, theirs.canonical_request(request))
                self.assertEqual(theirs.signature(text, request), signature)
                self.assertTrue(scope.endswith(theirs.scope(request)), scope)
