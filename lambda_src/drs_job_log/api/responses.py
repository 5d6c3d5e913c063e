"""Responses in API Gateway's payload format 2.0: entity tags, 304, and gzip."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from typing import TYPE_CHECKING, Any, Final

from drs_job_log.model.json_text import to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

# The answers are evidence of a recovery, so no cache stores them. Clients send If-None-Match themselves.
_JSON_HEADERS: Final = {
    "Content-Type": "application/json",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}

# Smaller bodies fit into one network packet or two.
_MIN_GZIP_BYTES: Final = 1024

# Level 9 takes four times as long and saves 7 % of the size. Level 1 takes a third of the time, but adds 20 % to it.
_GZIP_LEVEL: Final = 6

# An entity tag without the prefix of weak ones. If-None-Match compares weak and strong ones alike.
_OPAQUE_TAG: Final = re.compile('"[^"]*"')

_ZERO_WEIGHT: Final = re.compile(r"q=0(\.0*)?", re.IGNORECASE)


def entity_tag(content: str) -> str:
    """Return the entity tag of a content. It is weak, because the body can be compressed or not."""
    return f'W/"{hashlib.sha256(content.encode()).hexdigest()[:32]}"'


def error_response(status: int, message: str, retry_after: int | None = None) -> dict[str, Any]:
    """Return an error in the shape of API Gateway's own errors. ``retry_after``: when to try again, in seconds."""
    return message_response(status, message, retry_after)


def message_response(status: int, message: str, retry_after: int | None = None) -> dict[str, Any]:
    """Return a response that has only a message. ``retry_after``: when to send the request again, in seconds."""
    headers = _JSON_HEADERS if retry_after is None else {**_JSON_HEADERS, "Retry-After": str(retry_after)}
    return _response(status, headers, to_json({"message": message}))


def json_response(status: int, answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return a response without an entity tag, for an answer that each request changes."""
    return _response(status, _JSON_HEADERS, to_json(answer))


def log_response(request_headers: Mapping[str, str], answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the response with the log of an execution or a job (see ``conditional_response``).

    ``readAt``, ``now`` and ``durationSeconds`` are the only parts of the answer that are not parts of its version: each
    request can change them.
    """
    text = version = to_json(answer)
    for name in ("readAt", "now", "durationSeconds"):
        if name in answer:  # quotation marks in values are escaped, and these names are the first ones in the answer
            version = version.replace(f'"{name}":{to_json(answer[name])}', "", 1)
    return conditional_response(request_headers, _JSON_HEADERS | {"ETag": entity_tag(version)}, text)


def list_response(request_headers: Mapping[str, str], answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the response with another answer (see ``conditional_response``).

    ``now``, and the durations of what has not ended, are not parts of its version.
    """
    version = entity_tag(to_json(_without_clock(answer)))
    return conditional_response(request_headers, _JSON_HEADERS | {"ETag": version}, to_json(answer))


def _without_clock(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_clock(part) for part in value]
    if not isinstance(value, dict):
        return value
    growing = {"now", "durationSeconds"} if value.get("endedAt", "") is None else {"now"}
    return {name: _without_clock(part) for name, part in value.items() if name not in growing}


def conditional_response(request_headers: Mapping[str, str], headers: Mapping[str, str], body: str) -> dict[str, Any]:
    """Return 304 if the client has the version in ``headers["ETag"]``, else 200 with the body.

    The body is compressed if the client accepts gzip and the body is not small. ``request_headers`` have names in lower
    case, as API Gateway sends them.
    """
    headers = {**headers, "Vary": "Accept-Encoding"}
    if _has_version(request_headers.get("if-none-match", ""), headers["ETag"]):
        # Caches take the headers of a 304. API Gateway adds another Content-Type if there is none.
        return _response(304, headers, "")
    content = body.encode()
    if len(content) < _MIN_GZIP_BYTES or not accepts_gzip(request_headers.get("accept-encoding", "")):
        return _response(200, headers, body)
    # API Gateway decodes base64. A compressed answer is never larger than one without gzip, whose JSON Lambda escapes.
    compressed = base64.b64encode(gzip.compress(content, _GZIP_LEVEL, mtime=0)).decode()
    return _response(200, headers | {"Content-Encoding": "gzip"}, compressed) | {"isBase64Encoded": True}


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an ``Accept-Encoding`` header allows gzip. An empty text is no header."""
    weights = {}
    for part in accept_encoding.split(","):
        coding, _, weight = part.partition(";")
        weights[coding.strip().lower()] = weight.strip()
    return not _ZERO_WEIGHT.fullmatch(weights.get("gzip", weights.get("*", "q=0")))


def _has_version(if_none_match: str, tag: str) -> bool:
    """Whether an ``If-None-Match`` header has the entity tag. An empty text is no header."""
    return if_none_match.strip() == "*" or tag.removeprefix("W/") in _OPAQUE_TAG.findall(if_none_match)


def _response(status: int, headers: Mapping[str, str], body: str) -> dict[str, Any]:
    return {"statusCode": status, "headers": headers, "body": body}
