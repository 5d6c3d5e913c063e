"""The door of the HTTP API: an execution's log, or a job's, a page at a time, with the progress of all of it; and the
viewer's page.

API Gateway has routed and authorized a request before it comes here. Every error has API Gateway's own shape,
``{"message": …}``, whoever answers it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from drs_job_log.events import InvalidEventError, format_time, parse_time
from drs_job_log.executions import history_from
from drs_job_log.fitting import fitted
from drs_job_log.logs import Logs
from drs_job_log.pages import read_file, read_page
from drs_job_log.store import JobLogStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from drs_job_log.events import JobLogEvent
    from drs_job_log.logs import Log, Position
    from drs_job_log.progress import Progress

_DEFAULT_LIMIT: Final = 100
_MAX_LIMIT: Final = 1000

# Of a key of the table, as every stored id is.
_MAX_ID_BYTES: Final = 2048

# Lambda answers with 6 MB at most, the body written as a JSON text once more, which can double it.
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_MAX_LOGS_BYTES: Final = 1536 * 1024
_MAX_SERVERS_BYTES: Final = 768 * 1024

# The pages of one answer need not each be read as a whole.
_WHOLE_WITHIN: Final = timedelta(seconds=10)

_HEADERS: Final = {"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

logger = Logger()
client = boto3.client(
    "dynamodb", config=Config(connect_timeout=1, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 3})
)
logs = Logs(JobLogStore(client, os.environ["JOB_LOG_EVENTS_TABLE"]))
history = history_from(os.environ, lambda: client)


class BadRequestError(ValueError):
    """The request is wrong: it says what is, in words for the caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which of a log's events to answer: at most ``limit``, none before ``since``, only those after a position."""

    limit: int = _DEFAULT_LIMIT
    since: str = ""
    after: Position = ("", "", "")


@logger.inject_lambda_context
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Answer a request of payload format 2.0.

    What fails otherwise is raised: API Gateway answers 500 ``{"message": "Internal Server Error"}``, and Lambda's
    Errors metric tells.
    """
    (kind, given), *_ = event["pathParameters"].items()
    match event["routeKey"]:
        case "GET /executions/{executionId}" | "GET /jobs/{jobId}":
            return respond(200, *read_page())
        case "GET /viewer/{file}":
            file = read_file(given)
            return respond(200, *file) if file else answer_json(404, {"message": "Not Found"})
    try:
        subject = read_id(kind, given)
        query = read_query(event.get("queryStringParameters") or {}, subject)
    except BadRequestError as error:
        return answer_json(400, {"message": str(error)})
    answer = execution_answer if kind == "executionId" else job_answer
    return answer_log(answer(subject, query, datetime.now(UTC)))


def execution_answer(execution_id: str, query: Query, now: datetime) -> dict[str, Any]:
    """The log and the progress of an execution: NO_EVENTS where there is none of that id."""
    log = logs.of_execution(execution_id, now)
    status, settled = _standing(execution_id, log.progress, now)
    if settled and now - log.whole_at >= _WHOLE_WITHIN:  # nobody asks again: this answer is of all that there is
        del log  # lest there be two of them
        log = logs.of_execution(execution_id, now, _WHOLE_WITHIN)
        status, settled = _standing(execution_id, log.progress, now)
    return {"executionId": execution_id, "status": status, "settled": settled} | _body(log, query, execution_id)


def _standing(execution_id: str, progress: Progress, now: datetime) -> tuple[str, bool]:
    """The status of an execution, and whether it is settled.

    Between two waves all jobs known so far have ended: the platform knows whether another will come; else time tells.
    """
    if history and progress.jobs:
        try:
            is_over = history.is_over(execution_id)
        except (BotoCoreError, ClientError):  # the log is worth answering without it
            logger.exception("Execution history not read", execution_id=execution_id)
            return progress.status, False
        if is_over is not None:
            return (progress.status, progress.is_complete(now)) if is_over else ("IN_PROGRESS", False)
    return progress.status, progress.is_quiet(now)


def job_answer(job_id: str, query: Query, now: datetime) -> dict[str, Any]:
    """The log and the progress of a job; nothing comes after its end."""
    log = logs.of_job(job_id, now)
    return {
        "jobId": job_id,
        "executionId": max(log.execution_ids, default=None),
        "status": log.progress.status,
        "settled": log.progress.is_complete(now) or log.progress.is_quiet(now),
    } | _body(log, query, job_id)


def _body(log: Log, query: Query, subject: str) -> dict[str, Any]:
    """What executions and jobs have in common. The log is a page; all else is of the whole."""
    rest = log.after(query.after, query.since)
    page: list[dict[str, Any]] = []
    size = 0
    for _, event in rest[: query.limit]:
        entry = _entry(event)
        size += len(_dumps(entry))
        if page and size > _MAX_LOGS_BYTES:
            break
        page.append(entry)
    is_last = len(page) == len(rest)
    return {
        "logs": page,
        "summary": log.progress.summary,
        "servers": _servers(log.progress),
        "jobs": [
            {
                "jobId": job.job_id,
                "status": job.status,
                "isDrill": job.is_drill,
                "startedAt": format_time(job.started_at),
                "endedAt": format_time(job.ended_at) if job.ended_at else None,
            }
            for job in log.progress.jobs
        ],
        "nextToken": None if is_last else write_token(rest[len(page) - 1][0], subject),
    }


def _entry(event: JobLogEvent) -> dict[str, Any]:
    return {
        "eventId": event.event_id,
        "timestamp": format_time(event.timestamp),
        "eventType": event.event_type,
        "jobId": event.job_id,
        "sourceServerId": event.source_server_id,
        "serverName": event.source_server_name,
        "ec2InstanceId": event.ec2_instance_id,
        "message": event.message,
        "error": event.error,
    }


def _servers(progress: Progress) -> list[dict[str, Any]]:
    return [
        {
            "sourceServerId": server.source_server_id,
            "serverName": server.server_name,
            "state": server.state,
            "ec2InstanceId": server.ec2_instance_id,
            "jobId": server.job_id,
            "since": format_time(server.since),
            "error": server.error,
        }
        for server in progress.servers
    ]


def read_id(name: str, value: str) -> str:
    """The id of an execution or a job.

    Raises
    ------
    BadRequestError
        Where no such id can be stored.
    """
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise BadRequestError(f"{name} must be text that has a UTF-8 form") from None
    if not 0 < size <= _MAX_ID_BYTES:
        raise BadRequestError(f"{name} must be 1 to {_MAX_ID_BYTES} bytes long")
    return value


def read_query(parameters: Mapping[str, str], subject: str) -> Query:
    """The query of a request for the log of an execution or a job.

    Raises
    ------
    BadRequestError
        Where a parameter is wrong.
    """
    limit = parameters.get("limit", str(_DEFAULT_LIMIT))
    if not re.fullmatch("[0-9]{1,4}", limit) or not 1 <= int(limit) <= _MAX_LIMIT:
        raise BadRequestError(f"limit must be a whole number from 1 to {_MAX_LIMIT}, not {limit!r:.100}")
    query = {"limit": int(limit)}
    try:
        since = format_time(parse_time("since", parameters["since"])) if "since" in parameters else ""
    except InvalidEventError as error:
        raise BadRequestError(f"{error} (a + in an address is written %2B)") from None
    after = read_token(parameters["nextToken"], subject) if "nextToken" in parameters else ("", "", "")
    return Query(**query, since=since, after=after)


def write_token(position: Position, subject: str) -> str:
    """The token of a page's last event.

    The digest tells a token that was cut, mistyped or is of another log. It is no secret: a token grants nothing that
    the caller of this log does not have.
    """
    text = _dumps(position)
    return base64.urlsafe_b64encode(f"{_digest(text, subject)}{text}".encode()).decode().rstrip("=")


def read_token(token: str, subject: str) -> Position:
    """The position that ``write_token`` wrote for this execution or job.

    Raises
    ------
    BadRequestError
        Where it did not.
    """
    try:
        padded = token.encode("ascii") + b"=" * (-len(token) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
        digest, position = text[:16], text[16:]
        if digest != _digest(position, subject):
            raise ValueError
        match json.loads(position):
            case [str() as time, str() as job_id, str() as event_id]:
                return time, job_id, event_id
            case _:
                raise ValueError
    except (ValueError, RecursionError):
        raise BadRequestError("nextToken must be one that an answer of this log gave, whole and unchanged") from None


def _digest(text: str, subject: str) -> str:
    return hashlib.sha256(_dumps([subject, text]).encode()).hexdigest()[:16]


def answer_log(body: Mapping[str, Any]) -> dict[str, Any]:
    """An answer that Lambda takes: where it is too long, the servers' texts are cut. The log has them in full."""
    answer = answer_json(200, body)
    if len(answer["body"]) <= _MAX_LOGS_BYTES + _MAX_SERVERS_BYTES:
        return answer
    servers = {"servers": body["servers"]}
    fits = fitted(servers, lambda item: len(_dumps(item)) <= _MAX_SERVERS_BYTES, servers, "cut")
    return answer_json(200, {**body, "servers": fits["servers"]})


def answer_json(status: int, body: Mapping[str, Any]) -> dict[str, Any]:
    """An answer in JSON, as ``respond``."""
    return respond(status, _HEADERS, _dumps(body))


def respond(status: int, headers: Mapping[str, str], body: str) -> dict[str, Any]:
    """An answer of payload format 2.0."""
    return {"statusCode": status, "headers": headers, "body": body}


def _dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
