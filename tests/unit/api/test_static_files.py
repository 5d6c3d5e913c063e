"""The files of the viewer: their versions and their revalidation."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from drs_job_log.api import handler as api
from drs_job_log.api import static_files
from drs_job_log.config import SignInSettings

from tests.support.recovery import CONTEXT

if TYPE_CHECKING:
    from collections.abc import Callable

    from drs_job_log.api.static_files import File

FILES = [file.name for file in static_files._FOLDER.iterdir() if file.suffix != ".html"]


def get(name: str, **headers: str) -> dict[str, Any]:
    """Request a file of the viewer as API Gateway does, with payload format 2.0."""
    event: dict[str, Any] = {"routeKey": "GET /viewer/{file}", "pathParameters": {"file": name}, "headers": headers}
    return api.lambda_handler(event, CONTEXT)


@pytest.mark.parametrize("name", ["page", *FILES])
def test_the_entity_tag_of_a_file_is_a_digest_of_its_content(name: str) -> None:
    answer = get(name)

    assert answer["statusCode"] == 200
    assert answer["headers"]["ETag"] == f'W/"{hashlib.sha256(answer["body"].encode()).hexdigest()[:32]}"'
    assert answer["headers"]["Cache-Control"] == "public, no-cache"


@pytest.mark.parametrize("route", ["GET /executions/{executionId}", "GET /jobs/{jobId}"])
def test_the_page_of_a_log_is_the_page_of_the_viewer(route: str) -> None:
    name = route.partition("{")[2].rstrip("}")
    event = {"routeKey": route, "pathParameters": {name: "x"}, "headers": {}}

    assert api.lambda_handler(event, CONTEXT) == get("page")


def test_the_start_page_is_another_page_with_the_same_headers() -> None:
    answer = api.lambda_handler({"routeKey": "GET /", "headers": {}}, CONTEXT)

    assert "viewer/start.js" in answer["body"]
    assert answer["statusCode"] == 200
    assert answer["headers"] | {"ETag": ""} == get("page")["headers"] | {"ETag": ""}


@pytest.mark.parametrize(
    "name", ["page.html", "start.html", "start", "handler.py", "..", "../api/handler.py", "", "PAGE"]
)
def test_other_files_are_not_found(name: str) -> None:
    assert get(name)["statusCode"] == 404
    assert get(name, **{"if-none-match": "*"})["statusCode"] == 404


def test_a_file_is_compressed_if_the_client_accepts_it() -> None:
    full = get("drs-job-log.js")

    compressed = get("drs-job-log.js", **{"accept-encoding": "gzip"})

    assert gzip.decompress(base64.b64decode(compressed["body"])).decode() == full["body"]
    assert compressed["headers"] == full["headers"] | {"Content-Encoding": "gzip"}


@pytest.mark.parametrize("header", ["{tag}", "W/{tag}", '"a", {tag}', '"a",W/{tag},"b"', "*", " * "])
def test_a_client_with_the_current_version_gets_no_content(header: str) -> None:
    full = get("page")

    answer = get("page", **{"if-none-match": header.format(tag=full["headers"]["ETag"].removeprefix("W/"))})

    # With the headers of the full answer: a cache stores them.
    assert answer == full | {"statusCode": 304, "body": ""}


@pytest.mark.parametrize("header", ["", '"a"', "{bare}", 'W/"{bare}x"', '"*"', '"', '"a, {bare}"'])
def test_a_client_with_another_version_gets_the_content(header: str) -> None:
    full = get("page")

    assert get("page", **{"if-none-match": header.format(bare=full["headers"]["ETag"].strip('W/"'))}) == full


SIGN_IN = SignInSettings(
    page='{"authority": "https://login.example.com", "scope": "\\"><script>"}',
    origins=("https://login.example.com", "https://sts.example.com"),
)


@pytest.mark.parametrize("read", [static_files.read_page, static_files.read_start_page])
def test_a_page_has_the_settings_of_the_sign_in_as_text(read: Callable[[SignInSettings | None], File]) -> None:
    _, text = read(SIGN_IN)
    _, without = read(None)

    (content,) = re.findall(r'<meta name="sign-in" content="([^"]*)" />', text)
    assert html.unescape(content) == SIGN_IN.page
    assert "<script>" not in text
    assert text.replace(content, "") == without
    assert '<meta name="sign-in" content="" />' in without


def test_the_policy_of_a_page_allows_requests_to_the_identity_provider() -> None:
    def policy(sign_in: SignInSettings | None) -> list[str]:
        return static_files.read_page(sign_in).headers["Content-Security-Policy"].split("; ")

    with_sign_in, without = policy(SIGN_IN), policy(None)

    allowed = "connect-src 'self' https://login.example.com https://sts.example.com"
    assert [one for one in with_sign_in if one not in without] == [allowed]
    assert [one for one in without if one not in with_sign_in] == ["connect-src 'self'"]


@pytest.mark.parametrize(
    ("route", "path"),
    [("GET /", {}), ("GET /jobs/{jobId}", {"jobId": "x"}), ("GET /viewer/{file}", {"file": "page"})],
)
def test_all_pages_have_the_configured_sign_in(
    route: str, path: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "settings", replace(api.settings, sign_in=SIGN_IN))

    answer = api.lambda_handler({"routeKey": route, "pathParameters": path, "headers": {}}, CONTEXT)

    assert "https://login.example.com" in answer["body"]
    assert "https://sts.example.com" in answer["headers"]["Content-Security-Policy"]
