"""A proxy that injects faults between deployed functions and the embedded AWS."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

from tests.support.faults import THROTTLED

if TYPE_CHECKING:
    from collections.abc import Mapping


ACCESS_DENIED: Final = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>AccessDenied</Code><Message>as the test wants it</Message></Error>"""

# Shorter than the timeout of the client of S3.
MEETING_SECONDS: Final = 20


class FaultProxy:
    """Forwards requests to ``target``, as a context manager. Injects faults by ``chances`` and ``down``.

    ``chances`` are the probabilities of "throttled" and of "lost" (the service handles the request, the proxy closes
    the connection without a response). ``down`` contains the services that fail: "dynamodb", "s3", "sns". S3 then
    denies writes, as with a bucket policy, which the embedded AWS does not enforce.

    ``meeting``: the next writes to S3 wait for each other, so that as many as its parties happen at the same time.
    """

    def __init__(self) -> None:
        self.target = ""
        self.chances: Mapping[str, float] = {}
        self.down: frozenset[str] = frozenset()
        self.meeting: threading.Barrier | None = None
        self.happened: Counter[str] = Counter()
        self.chance = random.Random(1)  # noqa: S311
        self._http = _Server(self)
        self.endpoint = f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def fault(self, service: str) -> str | None:
        """Return the fault of the next request to a service, or None."""
        if service in self.down or not self.target:
            return "down"
        dice = self.chance.random()
        for fault, chance in self.chances.items() if service == "dynamodb" else ():
            if dice < chance:
                return fault
            dice -= chance
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, proxy: FaultProxy) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.proxy = proxy


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        proxy = self.server.proxy
        body = self._body()
        service = "dynamodb" if self.headers.get("X-Amz-Target", "").startswith("DynamoDB") else "sns"
        fault = proxy.fault(service)
        if fault:
            proxy.happened[f"{service} {fault}"] += 1
        match fault:
            case "down":
                self._close()
                return
            case "throttled":
                self._send(400, {}, json.dumps({"__type": THROTTLED, "message": "as the test wants it"}).encode())
                return
        answer = self._forward(body)
        if fault == "lost":
            self._close()
            return
        self._send(*answer)

    def do_PUT(self) -> None:
        """Write an object of S3."""
        body = self._body()
        if self.server.proxy.fault("s3"):
            self.server.proxy.happened["s3 denied"] += 1
            self._send(403, {"Content-Type": "application/xml"}, ACCESS_DENIED)
            return
        if meeting := self.server.proxy.meeting:
            with contextlib.suppress(threading.BrokenBarrierError):
                meeting.wait(MEETING_SECONDS)
                self.server.proxy.meeting = None
                self.server.proxy.happened["s3 met"] += 1
        self._send(*self._forward(body))

    def do_GET(self) -> None:
        """Read an object of S3."""
        self._send(*self._forward(b""))

    def do_HEAD(self) -> None:
        """Read what S3 states about an object."""
        self._send(*self._forward(b""))

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _forward(self, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        """Send the request to the target. Return the status, the headers and the content of the answer."""
        proxy = self.server.proxy
        headers = {name: value for name, value in self.headers.items() if name != "Expect"}  # the proxy has the body
        # A connection of its own, because the server can close one that is idle at any time.
        with contextlib.closing(http.client.HTTPConnection(urlsplit(proxy.target).netloc, timeout=60)) as upstream:
            upstream.request(self.command, self.path, body or None, headers)
            answer = upstream.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()

    def _close(self) -> None:
        """Close the connection without a response."""
        self.close_connection = True

    def _send(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in {"content-length", "transfer-encoding", "connection", "date", "server"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Print nothing."""
