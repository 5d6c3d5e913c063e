"""The Lambda handler of the HTTP API: logs with their progress, and the files of the viewer.

API Gateway routes and authorizes a request before it invokes the function.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from drs_job_log import config
from drs_job_log.api.execution_log import EventLogCache
from drs_job_log.api.parameters import BadRequestError, parse_request
from drs_job_log.api.responses import conditional_response, error_response, log_response
from drs_job_log.api.static_files import read_file, read_page
from drs_job_log.api.views import execution_view, job_view
from drs_job_log.link.executions_table import ExecutionsTable, ExecutionsTableError
from drs_job_log.table import JobLogTable, keep_items_as_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_dynamodb import DynamoDBClient

    from drs_job_log.api.execution_log import EventLog
    from drs_job_log.api.parameters import Query
    from drs_job_log.api.static_files import File
    from drs_job_log.model.progress import Progress

# Clients stop polling after a settled answer, so it must come from a full read that is at most this old. The pages of
# one answer can share a full read.
_FINAL_READ_MAX_AGE: Final = timedelta(seconds=10)

# Orchestrators sometimes never end an execution. If its last job ended this long ago, the log decides.
_MAX_TIME_TO_FINISH: Final = timedelta(days=1)

logger = Logger()
settings = config.api_settings()
dynamodb: DynamoDBClient = config.client("dynamodb", connect_timeout=1, read_timeout=3)
keep_items_as_json(dynamodb)
logs = EventLogCache(JobLogTable(dynamodb, settings.table_name))
executions_table = ExecutionsTable.from_settings(settings.executions_table, lambda: dynamodb)


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Return the response for a request in payload format 2.0.

    Other errors are raised: API Gateway then returns 500 ``{"message": "Internal Server Error"}``, and Lambda's Errors
    metric counts them.
    """
    path, query = event.get("pathParameters") or {}, event.get("queryStringParameters") or {}
    headers = event.get("headers") or {}
    match event["routeKey"]:
        case "GET /executions/{executionId}" | "GET /jobs/{jobId}":
            return _file_response(headers, read_page())
        case "GET /viewer/{file}":
            return _file_response(headers, read_file(path["file"]))
    try:
        request = parse_request(path, query)
    except BadRequestError as error:
        return error_response(400, str(error))
    id_ = request.resource_id
    # API Gateway does not escape the path, so the access log does not have it.
    api_request_id = event.get("requestContext", {}).get("requestId")
    logger.info("Log requested", api_request_id=api_request_id, resource_kind=request.resource_kind, resource_id=id_)
    now = datetime.now(UTC)
    if request.resource_kind == "execution":
        return log_response(headers, get_execution(id_, request.query, now))
    return log_response(headers, job_view(id_, logs.of_job(id_, now), request.query))


def _file_response(request_headers: Mapping[str, str], file: File | None) -> dict[str, Any]:
    """Return the response with a file (see ``conditional_response``), or 404 if there is no file."""
    return conditional_response(request_headers, *file) if file else error_response(404, "Not Found")


def get_execution(execution_id: str, query: Query, now: datetime) -> dict[str, Any]:
    """Return the log and the progress of an execution."""
    log = logs.of_execution(execution_id, now)
    status = _execution_status(execution_id, log.progress, now)
    if status.settled and log.unread is None and not _is_final(log, now):
        log = logs.of_execution(execution_id, now, _FINAL_READ_MAX_AGE)
        status = _execution_status(execution_id, log.progress, now)
    settled = status.settled and log.unread is None
    return execution_view(execution_id, status.word, settled, log, query, status.reason)


def _is_final(log: EventLog, now: datetime) -> bool:
    """Whether the last full read is new. Of a log that is read in several requests, whether it began late enough."""
    if log.is_read_in_parts and log.full_read_at:
        return log.progress.is_complete(log.full_read_at)
    return log.was_read_in_full(now, _FINAL_READ_MAX_AGE)


class _Status(NamedTuple):
    """The status of an execution, whether it is settled, and why it is not the one in the executions table."""

    word: str
    settled: bool
    reason: str | None = None


def _execution_status(execution_id: str, progress: Progress, now: datetime) -> _Status:
    """Return the status of an execution.

    Between two waves, all known jobs have ended. The executions table states whether a further wave follows. Without
    it, the time since the last job's end decides.
    """
    of_log = _Status(progress.status, progress.is_idle(now))
    if not executions_table or not progress.jobs:
        return of_log
    try:
        is_over = executions_table.is_over(execution_id)
    except ExecutionsTableError as error:  # the executions table logged it
        return of_log._replace(reason=f"The executions table is not usable: {error}")
    except (BotoCoreError, ClientError):  # the log is useful without the state in the table
        logger.exception("Executions table not read", execution_id=execution_id)
        return _Status(progress.status, False, "The executions table cannot be read at the moment.")
    if is_over is None:
        return of_log
    return _Status(progress.status, progress.is_complete(now)) if is_over else _status_while_running(progress, now)


def _status_while_running(progress: Progress, now: datetime) -> _Status:
    """Return the status of an execution that runs, as the executions table says."""
    if progress.decided_at is None or now - progress.decided_at <= _MAX_TIME_TO_FINISH:
        return _Status("IN_PROGRESS", False)
    return _Status(
        progress.status,
        progress.is_complete(now) or progress.is_idle(now),
        "The executions table says that the execution runs, but its last job ended more than a day ago. "
        "The status is that of the jobs.",
    )
