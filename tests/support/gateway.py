"""What API Gateway does for the api function, in this process: an HTTP API as a WSGI application.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from wsgiref.types import StartResponse, WSGIEnvironment

ROUTES: Final = ("/executions/{executionId}/logs", "/jobs/{jobId}/logs")


class Gateway:
    """The HTTP API before a handler; every request is authorized."""

    def __init__(self, handler: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
        self._handler = handler

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"].encode("latin-1").decode(errors="replace")
        parameters = matched(path)
        if parameters is None or environ["REQUEST_METHOD"] != "GET":
            answer: Mapping[str, Any] = error(HTTPStatus.NOT_FOUND)
        else:
            query: dict[str, str] = {}
            for name, value in parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True):
                query[name] = f"{query[name]},{value}" if name in query else value
            event = {"version": "2.0", "rawPath": path, "pathParameters": parameters}
            answer = self._handler(event | ({"queryStringParameters": query} if query else {}))
        status = HTTPStatus(answer["statusCode"])
        start_response(f"{status.value} {status.phrase}", list(answer["headers"].items()))
        return [answer["body"].encode()]


def matched(path: str) -> dict[str, str] | None:
    """The path parameters of the route that a path is of; None where it is of none."""
    for route in ROUTES:
        if found := re.fullmatch(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", route), path):
            return found.groupdict()
    return None


def error(status: HTTPStatus) -> Mapping[str, Any]:
    """What API Gateway itself answers."""
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps({"message": status.phrase}),
    }
