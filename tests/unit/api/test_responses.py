"""Responses of the API: entity tags, 304 and gzip."""

from __future__ import annotations

import base64
import gzip
import json
import random
import string
from typing import Any, Final

import pytest
from drs_job_log.api import views
from drs_job_log.api.responses import accepts_gzip, conditional_response, error_response, list_response, log_response
from hypothesis import given
from hypothesis import strategies as st

MAX_LAMBDA_RESPONSE: Final = 6 * 1024 * 1024
GZIP: Final = {"accept-encoding": "gzip, deflate, br"}

TIMES: Final = st.datetimes().map(lambda time: f"{time.isoformat(timespec='microseconds')}Z")
# Also texts that look like the time of the read.
SECONDS: Final = st.none() | st.floats(0, 1e6)
TEXTS: Final = st.text() | TIMES.map(lambda time: f'"readAt":"{time}"') | st.just("readAt")
LISTS: Final = st.lists(st.dictionaries(TEXTS, TEXTS | st.none(), max_size=3), max_size=3)

# Parts of an answer. `readAt` has the same place as in an answer.
PARTS: Final = {
    "executionId": TEXTS,
    "status": st.sampled_from(["IN_PROGRESS", "COMPLETED"]),
    "settled": st.booleans(),
    "statusReason": TEXTS | st.none(),
    "readAt": TIMES,
    "now": TIMES,
    "durationSeconds": SECONDS,
    "logs": LISTS,
    "summary": st.dictionaries(st.sampled_from(["totalServers", "failed"]), st.integers(0, 9)),
    "servers": LISTS,
    "truncated": st.booleans(),
    "nextToken": TEXTS | st.none(),
}
ANSWERS: Final = st.fixed_dictionaries(PARTS)


def tag(answer: dict[str, Any], **request_headers: str) -> str:
    """Return the entity tag of an answer."""
    header: str = log_response(request_headers, answer)["headers"]["ETag"]
    return header


def content(response: dict[str, Any]) -> str:
    """Return the body of a compressed response as a client reads it."""
    assert response["isBase64Encoded"] is True
    assert response["headers"]["Content-Encoding"] == "gzip"
    return gzip.decompress(base64.b64decode(response["body"], validate=True)).decode()


@given(ANSWERS, TIMES, TIMES, SECONDS)
def test_the_time_of_the_request_does_not_change_the_entity_tag(
    answer: dict[str, Any], read_at: str, now: str, duration: float | None
) -> None:
    assert tag(answer | {"readAt": read_at, "now": now, "durationSeconds": duration}) == tag(answer)


@pytest.mark.parametrize(
    ("entry", "is_same"),
    [
        ({"endedAt": None, "durationSeconds": 1.0}, True),
        ({"endedAt": "2025-11-28T20:30:15.000000Z", "durationSeconds": 1.0}, False),
        ({"durationSeconds": 1.0}, False),
    ],
)
def test_the_entity_tag_of_a_list_is_without_growing_durations(entry: dict[str, Any], is_same: bool) -> None:
    answers = [
        {"now": now, "jobs": [entry | {"durationSeconds": seconds}]} for now, seconds in (("a", 1.0), ("b", 2.0))
    ]
    first, second = (list_response({}, answer) for answer in answers)
    other = list_response({}, {"now": "a", "jobs": [{"endedAt": None}]})

    assert (first["headers"]["ETag"] == second["headers"]["ETag"]) is is_same
    assert (first["headers"]["ETag"] == other["headers"]["ETag"]) is is_same
    assert first["body"] != second["body"]
    assert list_response({"if-none-match": first["headers"]["ETag"]}, answers[0])["statusCode"] == 304


@given(ANSWERS, st.data())
def test_each_other_part_of_an_answer_changes_the_entity_tag(answer: dict[str, Any], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(PARTS.keys() - {"readAt", "now", "durationSeconds"})))
    changed = answer | {name: data.draw(PARTS[name])}

    assert (tag(changed) == tag(answer)) == (changed == answer)


@given(ANSWERS)
def test_a_client_with_the_answer_gets_no_content_and_another_client_gets_it(answer: dict[str, Any]) -> None:
    full = log_response({}, answer)
    assert json.loads(full["body"]) == answer

    # The read is a later one.
    later = log_response({"if-none-match": full["headers"]["ETag"]}, answer | {"readAt": "2040-01-01T00:00:00.000000Z"})

    assert later == full | {"statusCode": 304, "body": ""}
    assert log_response({"if-none-match": 'W/"another"'}, answer) == full


def test_an_answer_is_not_stored_in_caches() -> None:
    headers = log_response({}, {"readAt": "2025-11-28T20:30:15.000000Z"})["headers"]

    assert (headers["Cache-Control"], headers["Vary"]) == ("no-store", "Accept-Encoding")
    assert headers["ETag"].startswith('W/"')  # the same for both encodings
    assert error_response(404, "Not Found")["headers"]["Cache-Control"] == "no-store"


@given(st.text(min_size=2000), st.booleans())
def test_a_client_that_accepts_gzip_gets_the_same_content(body: str, accepts: bool) -> None:
    headers = {"ETag": 'W/"1"', "Content-Type": "text/plain"}

    response = conditional_response(GZIP if accepts else {}, headers, body)

    if accepts:
        assert content(response) == body
        assert response["headers"] == headers | {"Vary": "Accept-Encoding", "Content-Encoding": "gzip"}
    else:
        assert response == {"statusCode": 200, "headers": headers | {"Vary": "Accept-Encoding"}, "body": body}


@pytest.mark.parametrize(("size", "is_compressed"), [(0, False), (1023, False), (1024, True)])
def test_a_small_body_is_not_compressed(size: int, is_compressed: bool) -> None:
    response = conditional_response(GZIP, {"ETag": 'W/"1"'}, "x" * size)

    assert response.get("isBase64Encoded", False) is is_compressed
    assert ("Content-Encoding" in response["headers"]) is is_compressed


def test_a_client_with_the_answer_gets_no_compressed_content() -> None:
    answer = {"readAt": "2025-11-28T20:30:15.000000Z", "logs": ["x"] * 2000}

    response = log_response(GZIP | {"if-none-match": tag(answer, **GZIP)}, answer)

    assert (response["statusCode"], response["body"]) == (304, "")
    assert "isBase64Encoded" not in response
    assert "Content-Encoding" not in response["headers"]


@pytest.mark.parametrize(
    "header",
    [
        *("gzip", "GZIP", "deflate, gzip", "gzip, deflate, br, zstd", "br;q=1.0, gzip;q=0.8, *;q=0.1"),
        *("gzip;q=0.001", "gzip ; q=1", "gzip;q=1.000", "*", "identity;q=0, *", "br,,gzip", "gzip;q=0.5, *;q=0"),
    ],
)
def test_gzip_is_accepted(header: str) -> None:
    assert accepts_gzip(header)


@pytest.mark.parametrize(
    "header",
    [
        *("", "identity", "br, deflate", "gzip;q=0", "gzip;q=0.000", "gzip; q=0", "GZIP;Q=0.0", "*;q=0"),
        *("gzip;q=0, *", "notgzip", "gzip2", "br;x=gzip", "identity;q=1, *;q=0"),
    ],
)
def test_gzip_is_not_accepted(header: str) -> None:
    assert not accepts_gzip(header)


def test_the_largest_compressed_answer_fits_into_a_lambda_response() -> None:
    """Random text is the worst case of gzip."""
    generator = random.Random(1)  # noqa: S311
    letters = string.ascii_letters + string.digits + string.punctuation
    body = "".join(generator.choices(letters, k=views._MAX_BODY_BYTES))

    response = conditional_response(GZIP, {"ETag": 'W/"1"'}, body)

    assert content(response) == body
    # The worst case of base64 and gzip, with blocks that are stored without compression.
    assert len(response["body"]) <= (views._MAX_BODY_BYTES * 1.001 + 100) * 4 / 3 < MAX_LAMBDA_RESPONSE * 0.9


def test_compression_makes_a_typical_answer_ten_times_smaller() -> None:
    servers = [
        {"sourceServerId": f"s-{number:017x}", "serverName": f"prod-{number}", "state": "LAUNCHED", "error": None}
        for number in range(700)
    ]
    answer = {"readAt": "2025-11-28T20:30:15.000000Z", "servers": servers}

    assert len(log_response(GZIP, answer)["body"]) * 10 < len(log_response({}, answer)["body"])
