"""The parameters of a request: identifiers, query and page token."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from drs_job_log.model.events import InvalidEventError, format_time, parse_time
from drs_job_log.model.json_text import to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drs_job_log.api.execution_log import Position

_DEFAULT_LIMIT: Final = 100
_MAX_LIMIT: Final = 1000

# The limit of a partition key in DynamoDB.
_MAX_ID_BYTES: Final = 2048

# Parameter → kind of the resource that it names.
_KINDS: Final[Mapping[str, Literal["execution", "job"]]] = {"executionId": "execution", "jobId": "job"}


class BadRequestError(ValueError):
    """A parameter is not valid. The message is for the caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The requested page: at most ``limit`` events, at the time ``since`` or later, after the position ``after``."""

    limit: int = _DEFAULT_LIMIT
    since: str = ""
    after: Position = ("", "", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request for the log of an execution or a job. ``resource_kind`` is "execution" or "job"."""

    resource_kind: Literal["execution", "job"]
    resource_id: str
    query: Query


def parse_request(path: Mapping[str, str], query: Mapping[str, str]) -> Request:
    """Return the request with these path parameters and query parameters. Without an ID in the path, the query has it.

    Raises
    ------
    BadRequestError
        If a parameter is not valid, or if the query must have one ID and has none or two.
    """
    ids = {name: value for name, value in (path or query).items() if name in _KINDS}
    if len(ids) != 1:
        raise BadRequestError(
            "Exactly one of the parameters executionId and jobId is necessary: /logs?executionId=… or /logs?jobId=…"
        )
    ((name, value),) = ids.items()
    resource_id = parse_id(name, value)
    return Request(resource_kind=_KINDS[name], resource_id=resource_id, query=parse_query(query, resource_id))


def parse_id(name: str, value: str) -> str:
    """Return the ID of an execution or a job.

    Raises
    ------
    BadRequestError
        If no row can have this ID: it is empty, too long or not valid Unicode.
    """
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise BadRequestError(f"{name} must be valid Unicode text") from None
    if not 0 < size <= _MAX_ID_BYTES:
        raise BadRequestError(f"{name} must be 1 to {_MAX_ID_BYTES} bytes long")
    return value


def parse_query(parameters: Mapping[str, str], resource_id: str) -> Query:
    """Return the query of a request for the log of an execution or a job.

    Raises
    ------
    BadRequestError
        If a parameter is not valid.
    """
    limit = parameters.get("limit", str(_DEFAULT_LIMIT))
    if not re.fullmatch("[0-9]{1,4}", limit) or not 1 <= int(limit) <= _MAX_LIMIT:
        raise BadRequestError(f"limit must be a whole number from 1 to {_MAX_LIMIT}, not {limit!r:.100}")
    try:
        since = format_time(parse_time("since", parameters["since"])) if "since" in parameters else ""
    except InvalidEventError as error:
        raise BadRequestError(f"{error} (encode + as %2B in a URL)") from None
    after = parse_token(parameters["nextToken"], resource_id) if "nextToken" in parameters else ("", "", "")
    return Query(limit=int(limit), since=since, after=after)


def create_token(position: Position, resource_id: str) -> str:
    """Return the page token of a position.

    The digest detects a token that was truncated, changed or created for another log. It is not a secret, because a
    token gives no access to anything that the caller cannot read without it.
    """
    text = to_json(position)
    return base64.urlsafe_b64encode(f"{_digest(text, resource_id)}{text}".encode()).decode().rstrip("=")


def parse_token(token: str, resource_id: str) -> Position:
    """Return the position of a token from ``create_token``.

    Raises
    ------
    BadRequestError
        If ``create_token`` did not create the token for this execution or job.
    """
    try:
        padded = token.encode("ascii") + b"=" * (-len(token) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
        digest, position = text[:16], text[16:]
        if digest != _digest(position, resource_id):
            raise ValueError
        match json.loads(position):
            case [str() as time, str() as job_id, str() as event_id]:
                return time, job_id, event_id
            case _:
                raise ValueError
    except (ValueError, RecursionError):
        raise BadRequestError("nextToken must be an unchanged nextToken from an answer for this log") from None


def _digest(text: str, resource_id: str) -> str:
    return hashlib.sha256(to_json([resource_id, text]).encode()).hexdigest()[:16]
