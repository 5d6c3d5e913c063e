"""The parameters of a request: identifiers, query and page token."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from drs_job_log.model.events import InvalidEventError, format_time, ledger_key, parse_time
from drs_job_log.model.json_text import to_json

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from drs_job_log.api.execution_log import Position

_DEFAULT_LIMIT: Final = 100
_MAX_LIMIT: Final = 1000
_DEFAULT_LIST_LIMIT: Final = 50
_MAX_LIST_LIMIT: Final = 100

# The statuses of an execution or a job in the ledger.
STATUSES: Final = ("IN_PROGRESS", "COMPLETED", "PARTIAL", "FAILED", "TERMINATED")

# The default period of a list of what runs. Jobs of DRS take hours at most.
_RUNNING_PERIOD: Final = timedelta(days=7)

# How far the creation of a job can be in the future: clocks differ.
_CLOCK_TOLERANCE: Final = timedelta(days=1)

# The limit of a partition key in DynamoDB.
_MAX_ID_BYTES: Final = 2048

# Parameter → kind of the resource that it names.
_KINDS: Final[Mapping[str, Literal["execution", "job"]]] = {"executionId": "execution", "jobId": "job"}


class BadRequestError(ValueError):
    """A parameter is not valid. The message is for the caller."""


class NotFoundError(LookupError):
    """The requested object does not exist. The message is for the caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The requested page: at most ``limit`` events, at the time ``since`` or later, after the position ``after``."""

    limit: int = _DEFAULT_LIMIT
    since: str = ""
    after: Position = ("", "", "")


class ListPosition(NamedTuple):
    """The position of an entry in a list: when its job was created or its launch ended, and the ID of this job."""

    time: datetime
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """The requested page of a list.

    Attributes
    ----------
    earliest, latest
        The limits of the creation of the first job.
    status, is_drill, server_id
        The filters. None: any.
    list_id
        Identifies the list, see ``parse_list_query``.
    after
        The position of the last entry of the page before. None: the first page.
    """

    limit: int
    earliest: datetime
    latest: datetime
    status: str | None
    is_drill: bool | None
    server_id: str | None
    list_id: str
    after: ListPosition | None


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
    limit = _limit(parameters, _DEFAULT_LIMIT, _MAX_LIMIT)
    since = _time("since", parameters)
    after = parse_token(parameters["nextToken"], resource_id) if "nextToken" in parameters else ("", "", "")
    return Query(limit=limit, since=format_time(since) if since else "", after=after)


def parse_list_query(
    route: str, parameters: Mapping[str, str], now: datetime, history: timedelta, filters: Collection[str] = ()
) -> ListQuery:
    """Return the query of a request for a list. ``history``: how long the ledger is kept.

    ``route`` and the parameters except ``limit`` identify the list: a page token is valid for it only. ``filters``: the
    parameters that the route has in addition to ``limit`` and ``nextToken``. Others are ignored.

    Raises
    ------
    BadRequestError
        If a parameter is not valid.
    """
    given = {name: parameters[name] for name in filters if name in parameters}
    status, is_drill, server_id = (given.get(name) for name in ("status", "isDrill", "server"))
    if status is not None and status not in STATUSES:
        raise BadRequestError(f"status must be {', '.join(STATUSES[:-1])} or {STATUSES[-1]}, not {status!r:.100}")
    if is_drill not in {None, "true", "false"}:
        raise BadRequestError(f"isDrill must be true or false, not {is_drill!r:.100}")
    if server_id is not None:
        parse_id("server", server_id)
    earliest, latest = _time("from", given), _time("to", given)
    if earliest and latest and earliest > latest:
        raise BadRequestError("from must not be later than to")
    list_id = to_json([route, given])
    # What runs now is found at once. Without this, the whole ledger would be searched for jobs that hardly exist.
    default = min(history, _RUNNING_PERIOD) if status == "IN_PROGRESS" else history
    return ListQuery(
        limit=_limit(parameters, _DEFAULT_LIST_LIMIT, _MAX_LIST_LIMIT),
        # The ledger has no older jobs. Clocks differ, so it can have newer ones.
        earliest=max(earliest or now - default, now - history),
        latest=min(latest or now + _CLOCK_TOLERANCE, now + _CLOCK_TOLERANCE),
        status=status,
        is_drill=None if is_drill is None else is_drill == "true",
        server_id=server_id,
        list_id=list_id,
        after=parse_list_token(parameters["nextToken"], list_id) if "nextToken" in parameters else None,
    )


def _limit(parameters: Mapping[str, str], default: int, maximum: int) -> int:
    limit = parameters.get("limit", str(default))
    if not re.fullmatch("[0-9]{1,4}", limit) or not 1 <= int(limit) <= maximum:
        raise BadRequestError(f"limit must be a whole number from 1 to {maximum}, not {limit!r:.100}")
    return int(limit)


def _time(name: str, parameters: Mapping[str, str]) -> datetime | None:
    if name not in parameters:
        return None
    try:
        return parse_time(name, parameters[name])
    except InvalidEventError as error:
        raise BadRequestError(f"{error} (encode + as %2B in a URL)") from None


def create_list_token(time: datetime, id_: str, list_id: str) -> str:
    """Return the page token of a position in a list: a time, and the ID of the entry there."""
    return _encode_token((format_time(time), id_), list_id)


def parse_list_token(token: str, list_id: str) -> ListPosition:
    """Return the position of a token from ``create_list_token``.

    Raises
    ------
    BadRequestError
        If ``create_list_token`` did not create the token for this list.
    """
    try:
        match _decode_token(token, list_id):
            case [str() as time, str() as id_] if ledger_key(time, id_):
                return ListPosition(parse_time("time", time), id_)
            case _:
                raise ValueError
    except (ValueError, RecursionError):
        raise BadRequestError(
            "nextToken must be an unchanged nextToken from an answer for the same request, which can have another limit"
        ) from None


def create_token(position: Position, resource_id: str) -> str:
    """Return the page token of a position.

    The digest detects a token that was truncated, changed or created for another log. It is not a secret, because a
    token gives no access to anything that the caller cannot read without it.
    """
    return _encode_token(position, resource_id)


def _encode_token(position: Sequence[str], resource_id: str) -> str:
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
        match _decode_token(token, resource_id):
            case [str() as time, str() as job_id, str() as event_id]:
                return time, job_id, event_id
            case _:
                raise ValueError
    except (ValueError, RecursionError):
        raise BadRequestError("nextToken must be an unchanged nextToken from an answer for this log") from None


def _decode_token(token: str, resource_id: str) -> Any:
    """Return the position in a token. Raise ValueError or RecursionError if it is not a token for this resource."""
    padded = token.encode("ascii") + b"=" * (-len(token) % 4)
    text = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    digest, position = text[:16], text[16:]
    if digest != _digest(position, resource_id):
        raise ValueError
    return json.loads(position)


def _digest(text: str, resource_id: str) -> str:
    return hashlib.sha256(to_json([resource_id, text]).encode()).hexdigest()[:16]
