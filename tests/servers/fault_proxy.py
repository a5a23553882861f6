"""A proxy in front of an S3 server that breaks some requests, for tests.

usage: fault_proxy.py HOST:PORT MODE RATE SEED
Prints its port and ends when standard input is closed. GET /__counts answers with the numbers of requests, of faults, of
keys given out, and of bytes in answers to GET, as JSON.

Modes: none; 503, 429, 500 (not passed on); 409 (of creates, not passed on); reset-before (connection reset, not passed on);
lost-reply (passed on, then reset); 503-after (passed on, then 503); hang (no answer for 30 s); truncated (half of the body of a GET); change (the object of the first GET with
If-Match is replaced before that is passed on); no-delete (removing is forbidden); skewed (refused because of the time of the signature); expiring (GET /__credentials, as the service of a
container, gives keys that live RATE seconds; a request that is signed with an older one is refused).
"""

import http.client
import json
import random
import socket
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

upstream, mode, rate, seed = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
dice = random.Random(seed)
lock = threading.Lock()
issued = {}  # when each key was given out, by its identifier
counts = {"requests": 0, "faults": 0, "get": 0, "get_bytes": 0}
NOT_PASSED = {"connection", "keep-alive", "transfer-encoding", "content-length", "te", "upgrade"}


class Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def log_message(self, *args):
        pass

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except (ConnectionError, socket.timeout):
            self.close_connection = True

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.wfile.flush()
        self.connection.close()
        # the handler must not touch what is closed
        self.wfile = open("/dev/null", "wb")
        self.rfile = open("/dev/null", "rb")

    def answer(self, status, headers, body, sent=None):
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in NOT_PASSED:
                self.send_header(name, value)
        length = dict((name.lower(), value) for name, value in headers).get("content-length")
        head = self.command == "HEAD"
        if status != 204:
            self.send_header("Content-Length", length if head and length else str(len(body)))
        self.end_headers()
        if not head:
            self.wfile.write(body if sent is None else body[:sent])
        self.wfile.flush()

    def fault(self, status, code):
        body = f"<Error><Code>{code}</Code><Message>made by the fault proxy</Message></Error>".encode()
        self.answer(status, [("Content-Type", "application/xml")], body)

    def pass_on(self, body):
        host, port = upstream.split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        connection.request(self.command, self.path, body=body, headers=headers)
        response = connection.getresponse()
        answer = (response.status, response.getheaders(), response.read())
        connection.close()
        return answer

    def credentials(self):
        with lock:
            key = f"KEY{len(issued)}"
            issued[key] = time.monotonic()
        until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + rate))
        given = {"AccessKeyId": key, "SecretAccessKey": "secret", "Token": "token", "Expiration": until}
        self.answer(200, [("Content-Type", "application/json")], json.dumps(given).encode())

    def has_expired(self):
        """Whether the key of the signature, "... Credential=KEY/20260101/...", is too old."""
        key = self.headers.get("Authorization", "").partition("Credential=")[2].partition("/")[0]
        return time.monotonic() - issued.get(key, 0) > rate

    def change(self):
        with lock:
            first, counts["faults"] = counts["faults"] == 0, counts["faults"] + 1
        if first:
            connection = http.client.HTTPConnection(*upstream.split(":"), timeout=60)
            headers = {name: self.headers[name] for name in ("Authorization", "x-amz-date") if self.headers.get(name)}
            connection.request("GET", self.path, headers=headers)
            old = connection.getresponse().read()
            connection.request("PUT", self.path, body=old + b"\n", headers=headers)
            connection.getresponse().read()

    def serve(self):
        if self.path == "/__counts":
            with lock:
                text = json.dumps(counts | {"keys": len(issued)}).encode()
            return self.answer(200, [], text)
        if self.path == "/__credentials":
            return self.credentials()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        creates = self.headers.get("If-None-Match") is not None
        writes = self.command in ("PUT", "POST", "DELETE")
        removes = self.command == "DELETE" or self.path.partition("?")[2].startswith("delete")
        fits = {"none": False, "expiring": False, "409": creates, "no-delete": removes, "503-after": writes, "truncated": self.command == "GET"}.get(mode, True)
        with lock:
            counts["requests"] += 1
            broken = fits and dice.random() < rate
            counts["faults"] += broken
        if broken and mode in ("503", "429", "500"):
            return self.fault(int(mode), {"503": "SlowDown", "429": "TooManyRequests", "500": "InternalError"}[mode])
        if broken and mode == "skewed":
            return self.fault(403, "RequestTimeTooSkewed")
        if broken and mode == "no-delete":
            return self.fault(403, "AccessDenied")
        if mode == "expiring" and self.has_expired():
            with lock:
                counts["faults"] += 1
            return self.fault(400, "ExpiredToken")
        if broken and mode == "409":
            return self.fault(409, "ConditionalRequestConflict")
        if broken and mode == "reset-before":
            return self.reset()
        if broken and mode == "hang":
            time.sleep(30)
            return self.reset()
        if mode == "change" and self.headers.get("If-Match"):
            self.change()
        status, headers, answer = self.pass_on(body)
        if self.command == "GET":
            with lock:
                counts["get"] += 1
                counts["get_bytes"] += len(answer)
        if broken and mode == "lost-reply":
            return self.reset()
        if broken and mode == "503-after":
            return self.fault(503, "SlowDown")
        if broken and mode == "truncated" and len(answer) > 1:
            self.answer(status, headers, answer, sent=len(answer) // 2)
            return self.reset()
        self.answer(status, headers, answer)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = serve


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


server = Server(("127.0.0.1", 0), Proxy)
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
