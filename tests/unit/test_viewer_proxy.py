"""The signing proxy of docs/viewer.md, started with the documented command. A local server replaces the API."""

from __future__ import annotations

import gzip
import http.client
import socket
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.support.gateway import GatewayServer
from tests.support.viewer_proxy import proxied

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIEnvironment

KEY, SECRET, TOKEN = "AKIDEXAMPLE", "a secret", "a token"
PAGE: Final = "<p>Grüße</p>".encode()


class Upstream:
    """Records each request, and answers with ``status``, ``content`` and the headers of the viewer's page."""

    def __init__(self) -> None:
        self.status = HTTPStatus.OK
        self.content = PAGE
        self.requests: list[WSGIEnvironment] = []

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self.requests.append(environ)
        headers = [
            *(("Content-Type", "text/html; charset=utf-8"), ("Content-Security-Policy", "default-src 'none'")),
            *(("Cache-Control", "no-cache"), ("Access-Control-Allow-Origin", "*"), ("Set-Cookie", "a=b")),
            *(("ETag", 'W/"1"'), ("Vary", "Accept-Encoding")),
        ]
        if self.content != PAGE:
            headers.append(("Content-Encoding", "gzip"))
        start_response(f"{self.status.value} {self.status.phrase}", headers)
        return [self.content]


@pytest.fixture(scope="module")
def api() -> Upstream:
    return Upstream()


@pytest.fixture
def upstream(api: Upstream) -> Upstream:
    api.status = HTTPStatus.OK
    api.content = PAGE
    api.requests.clear()
    return api


@pytest.fixture(scope="module")
def address(api: Upstream) -> Iterator[str]:
    with GatewayServer(api) as server:
        yield server.address


CREDENTIALS: Final = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": TOKEN}


@pytest.fixture(scope="module")
def port(address: str) -> Iterator[int]:
    with proxied(address, **CREDENTIALS) as port:
        yield port


def ask(
    port: int, *hosts: str, method: str = "GET", target: str = "/executions/exec-1", **headers: str
) -> http.client.HTTPResponse:
    """Send a request with these Host headers and others, and return the answer with its body in ``content``."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    for host in hosts:
        connection.putheader("Host", host)
    connection.putheader("Authorization", "Bearer of the browser")
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    answer.content = answer.read()  # type: ignore[attr-defined]
    connection.close()
    return answer


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "LOCALHOST"])
def test_an_answer_is_passed_on_with_its_content_headers(port: int, upstream: Upstream, name: str) -> None:
    upstream.status = HTTPStatus.NOT_FOUND

    answer: Any = ask(port, f"{name}:{port}")

    assert (answer.status, answer.content) == (404, PAGE)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert (answer.headers["ETag"], answer.headers["Vary"]) == ('W/"1"', "Accept-Encoding")
    # Another origin must not read the answer.
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "Set-Cookie" not in answer.headers


def test_a_compressed_answer_is_passed_on_as_it_is(port: int, upstream: Upstream) -> None:
    upstream.content = gzip.compress(PAGE)

    answer: Any = ask(port, f"localhost:{port}", Accept_Encoding="gzip, br")

    assert (answer.content, answer.headers["Content-Encoding"]) == (upstream.content, "gzip")
    assert upstream.requests[0]["HTTP_ACCEPT_ENCODING"] == "gzip, br"


def test_the_version_of_the_browser_is_passed_on(port: int, upstream: Upstream) -> None:
    upstream.status, upstream.content = HTTPStatus.NOT_MODIFIED, b""

    answer: Any = ask(port, f"localhost:{port}", If_None_Match='W/"1"', Cookie="a=b")

    assert (answer.status, answer.content, answer.headers["ETag"]) == (304, b"", 'W/"1"')
    assert "Content-Length" not in answer.headers  # it would be that of the content
    assert upstream.requests[0]["HTTP_IF_NONE_MATCH"] == 'W/"1"'
    assert "HTTP_COOKIE" not in upstream.requests[0]


@pytest.mark.parametrize(
    "hosts",
    [
        ["evil.example.com"],
        ["evil.example.com:PORT"],
        ["localhost:PORT.evil.example.com"],
        ["localhost.evil.example.com:PORT"],
        ["localhost"],
        ["localhost:80"],
        ["localhost:PORT", "evil.example.com"],
        [""],
        [],
    ],
)
def test_a_request_for_another_host_is_refused(port: int, upstream: Upstream, hosts: list[str]) -> None:
    answer = ask(port, *(host.replace("PORT", str(port)) for host in hosts))

    assert answer.status == 403
    assert upstream.requests == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD", "CONNECT"])
def test_only_get_is_forwarded(port: int, upstream: Upstream, method: str) -> None:
    assert ask(port, f"localhost:{port}", method=method).status == 501
    assert upstream.requests == []


def test_a_request_for_another_server_is_refused(port: int, upstream: Upstream) -> None:
    assert ask(port, f"localhost:{port}", target="http://evil.example.com/").status == 400
    assert upstream.requests == []


@pytest.mark.parametrize("target", ["/executions/exec-1/logs?since=2&a=%20b", "/jobs/a%20b%2Fc/logs", "/logs?jobId=1"])
def test_a_request_has_the_signature_of_the_user(port: int, upstream: Upstream, address: str, target: str) -> None:
    assert ask(port, f"localhost:{port}", target=target).status == 200

    (received,) = upstream.requests
    assert received["HTTP_X_AMZ_SECURITY_TOKEN"] == TOKEN
    expected = AWSRequest("GET", address + target, headers={"Host": received["HTTP_HOST"]})
    signer = SigV4Auth(Credentials(KEY, SECRET, TOKEN), "execute-api", "us-east-1")
    expected.context["timestamp"] = received["HTTP_X_AMZ_DATE"]
    expected.headers["X-Amz-Date"] = received["HTTP_X_AMZ_DATE"]
    expected.headers["X-Amz-Security-Token"] = TOKEN
    signature = signer.signature(signer.string_to_sign(expected, signer.canonical_request(expected)), expected)
    assert received["HTTP_AUTHORIZATION"].startswith(f"AWS4-HMAC-SHA256 Credential={KEY}/")
    assert received["HTTP_AUTHORIZATION"].endswith(f"Signature={signature}")


def test_it_listens_on_the_loopback_address_only(port: int) -> None:
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {"127.0.0.1"}

    for address in others | {"127.0.0.2"}:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address, port), timeout=5)


def test_without_credentials_or_api_the_answer_says_why(address: str) -> None:
    with proxied(address) as port:
        answer: Any = ask(port, f"localhost:{port}")
        assert (answer.status, b"Unable to locate credentials" in answer.content) == (502, True)
    with proxied("http://127.0.0.1:9", **CREDENTIALS) as port:
        answer = ask(port, f"localhost:{port}")
        assert (answer.status, b"Could not connect" in answer.content) == (502, True)
