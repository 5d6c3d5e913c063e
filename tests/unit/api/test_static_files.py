"""The files of the viewer: their versions and their revalidation."""

from __future__ import annotations

import base64
import gzip
import hashlib
from typing import Any

import pytest
from drs_job_log.api import handler as api
from drs_job_log.api import static_files

from tests.support.recovery import CONTEXT

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
