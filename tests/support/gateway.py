"""Simulates API Gateway for the API function in this process: an HTTP API as a WSGI application.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

import base64
import json
import re
import threading
import uuid
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import parse_qsl
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

LOGS: Final = ("/executions/{executionId}/logs", "/jobs/{jobId}/logs", "/logs")
HISTORY: Final = (
    "/executions",
    "/executions/{executionId}/comparison",
    "/failures",
    "/jobs",
    "/servers/{sourceServerId}",
)
REPORT: Final = "/executions/{executionId}/report"  # only with the input evidence
VIEWER: Final = ("/", "/executions/{executionId}", "/jobs/{jobId}", "/viewer/{file}")


class Gateway:
    """The HTTP API that invokes a handler.

    Attributes
    ----------
    fault
        If set, the status of responses to requests for data.
    tokens
        If set, requests for data must have one of these bearer tokens.
    asked
        The query parameters of all requests for logs.
    answered
        The statuses of the responses to them.
    """

    def __init__(self, handler: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
        self._handler = handler
        self.fault: HTTPStatus | None = None
        self.tokens: Container[str] | None = None
        self.asked: list[dict[str, str]] = []
        self.answered: list[HTTPStatus] = []

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"].encode("latin-1").decode(errors="replace")
        route, parameters = match_route(path)
        if route in LOGS:
            self.asked.append(dict(parse_qsl(environ.get("QUERY_STRING", ""))))
        if route is None or environ["REQUEST_METHOD"] != "GET":
            answer: Mapping[str, Any] = error(HTTPStatus.NOT_FOUND)
        elif route not in VIEWER and self.fault:
            answer = error(self.fault)
        elif route not in VIEWER and self.tokens is not None and _token(environ) not in self.tokens:
            answer = error(HTTPStatus.UNAUTHORIZED)
        else:
            query: dict[str, str] = {}
            for name, value in parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True):
                query[name] = f"{query[name]},{value}" if name in query else value
            event = {
                "version": "2.0",
                "routeKey": f"GET {route}",
                "rawPath": path,
                "headers": _headers(environ),
                "requestContext": {"requestId": uuid.uuid4().hex},
            }
            given = {"pathParameters": parameters, "queryStringParameters": query}
            answer = self._handler(event | {name: values for name, values in given.items() if values})
        status = HTTPStatus(answer["statusCode"])
        if route in LOGS:
            self.answered.append(status)
        start_response(f"{status.value} {status.phrase}", list(answer["headers"].items()))
        body: str = answer["body"]
        return [base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()]


class GatewayServer:
    """Serves a gateway, or another application, at ``address``, as a context manager."""

    def __init__(self, gateway: WSGIApplication) -> None:
        self._server = make_server("127.0.0.1", 0, gateway, _ThreadingServer, _QuietHandler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _ThreadingServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Print nothing."""


def _headers(environ: WSGIEnvironment) -> dict[str, str]:
    """Return the headers of a request. Payload format 2.0 has their names in lower case."""
    return {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }


def _token(environ: WSGIEnvironment) -> str:
    """Return the bearer token of a request, or an empty text."""
    scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    return token if scheme == "Bearer" else ""


def match_route(path: str) -> tuple[str | None, dict[str, str]]:
    """Return the route of a path, or None, and the path parameters."""
    for route in (*LOGS, *HISTORY, REPORT, *VIEWER):
        if found := re.fullmatch(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", route), path):
            return route, found.groupdict()
    return None, {}


def error(status: HTTPStatus) -> Mapping[str, Any]:
    """Return an error response of API Gateway."""
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps({"message": status.phrase}),
    }
