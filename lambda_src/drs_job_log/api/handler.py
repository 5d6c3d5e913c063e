"""The Lambda handler of the HTTP API: logs with their progress, the history, and the files of the viewer.

API Gateway routes and authorizes a request before it invokes the function.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from drs_job_log import config
from drs_job_log.api.comparison import comparison_view
from drs_job_log.api.execution_log import EventLogCache
from drs_job_log.api.failures import failures_view
from drs_job_log.api.history import History
from drs_job_log.api.lists import executions_view, jobs_view
from drs_job_log.api.parameters import BadRequestError, NotFoundError, parse_id, parse_list_query, parse_request
from drs_job_log.api.report import PENDING, RETRY_SECONDS, Reports, refusal_of, report_link
from drs_job_log.api.responses import (
    conditional_response,
    error_response,
    json_response,
    list_response,
    log_response,
    message_response,
)
from drs_job_log.api.servers import server_view
from drs_job_log.api.static_files import read_file, read_page, read_start_page
from drs_job_log.api.views import ViewOptions, execution_view, job_view
from drs_job_log.estimates import Estimator
from drs_job_log.ledger import Ledger
from drs_job_log.link.executions_table import ExecutionsTable
from drs_job_log.link.status import TableAnswer, ask, status_of
from drs_job_log.table import JobLogTable, keep_items_as_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_dynamodb import DynamoDBClient

    from drs_job_log.api.execution_log import EventLog
    from drs_job_log.api.parameters import Query
    from drs_job_log.api.static_files import File
    from drs_job_log.link.status import Status

# Clients stop polling after a settled answer, so it must come from a full read that is at most this old. The pages of
# one answer can share a full read.
_FINAL_READ_MAX_AGE: Final = timedelta(seconds=10)

# The parameters of the lists in addition to limit and nextToken.
_LIST_FILTERS: Final = ("status", "isDrill", "from", "to", "server")

_MISSING_INDEX: Final = (
    "The ledger is not available yet: DynamoDB still creates its indexes after an update of the module. Try again later"
)
_INDEX_RETRY_SECONDS: Final = 60

logger = Logger()
settings = config.api_settings()
dynamodb: DynamoDBClient = config.client("dynamodb", connect_timeout=1, read_timeout=3)
keep_items_as_json(dynamodb)
logs = EventLogCache(JobLogTable(dynamodb, settings.table_name))
ledger = Ledger(dynamodb, settings.table_name)
estimator = Estimator(ledger, settings.stalled_after)
executions_table = ExecutionsTable.from_settings(settings.executions_table, lambda: dynamodb)
reports = Reports(dynamodb, settings.table_name, settings.reports) if settings.reports else None


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Return the response for a request in payload format 2.0.

    Other errors are raised: API Gateway then returns 500 ``{"message": "Internal Server Error"}``, and Lambda's Errors
    metric counts them.
    """
    headers, path = event.get("headers") or {}, event.get("pathParameters") or {}
    match event["routeKey"]:
        case "GET /":
            return _file_response(headers, read_start_page(settings.sign_in))
        case "GET /executions/{executionId}" | "GET /jobs/{jobId}":
            return _file_response(headers, read_page(settings.sign_in))
        case "GET /viewer/{file}":
            return _file_response(headers, read_file(path["file"], settings.sign_in))
    try:
        if event["routeKey"] == REPORT_ROUTE:
            return _answer_with_report(event, path)
        answer = _answer_from_history if event["routeKey"] in HISTORY_ROUTES else _answer_from_log
        return answer(event, headers, path, event.get("queryStringParameters") or {})
    except (BadRequestError, NotFoundError) as error:
        return error_response(400 if isinstance(error, BadRequestError) else 404, str(error))


def _answer_from_log(
    event: Mapping[str, Any], headers: Mapping[str, str], path: Mapping[str, str], query: Mapping[str, str]
) -> dict[str, Any]:
    """Return the response to a request for a log."""
    request = parse_request(path, query)
    id_ = request.resource_id
    # API Gateway does not escape the path, so the access log does not have it.
    logger.info(
        "Log requested", api_request_id=_request_id(event), resource_kind=request.resource_kind, resource_id=id_
    )
    now = _now()
    if request.resource_kind == "execution":
        return log_response(headers, get_execution(id_, request.query, now))
    log = logs.of_job(id_, now)
    options = _options(f"job {id_}", log, now)
    return log_response(headers, job_view(id_, log, request.query, options))


def _answer_from_history(
    event: Mapping[str, Any], headers: Mapping[str, str], path: Mapping[str, str], query: Mapping[str, str]
) -> dict[str, Any]:
    """Return the response to a request for executions, jobs, servers or failures."""
    route = event["routeKey"]
    logger.info("History requested", api_request_id=_request_id(event), route=route, parameters={**query, **path})
    try:
        return list_response(headers, HISTORY_ROUTES[route](path, query, _now()))
    except ClientError as error:
        if not _is_missing_index(error):
            raise
        logger.exception("Index missing")
        return error_response(503, _MISSING_INDEX, retry_after=_INDEX_RETRY_SECONDS)


def _answer_with_report(event: Mapping[str, Any], path: Mapping[str, str]) -> dict[str, Any]:
    """Return the response to a request for the report of an execution."""
    execution_id = parse_id("executionId", path["executionId"])
    logger.info("Report requested", api_request_id=_request_id(event), resource_id=execution_id)
    if reports is None or settings.reports is None:
        raise NotFoundError("Not Found")
    now = _now()
    # A report whose execution has newer events is better than none. Its next revision follows when these have settled.
    if links := reports.links(execution_id, now):
        return json_response(200, links)
    log, status, _ = _read_execution(execution_id, now)
    if refusal := refusal_of(execution_id, log.progress, status, now, settings.reports.lookback):
        return error_response(*refusal)
    reports.request(execution_id)
    return message_response(202, PENDING, RETRY_SECONDS)


def _now() -> datetime:
    return datetime.now(UTC)


def _request_id(event: Mapping[str, Any]) -> str | None:
    request_id: str | None = event.get("requestContext", {}).get("requestId")
    return request_id


def _file_response(request_headers: Mapping[str, str], file: File | None) -> dict[str, Any]:
    """Return the response with a file (see ``conditional_response``), or 404 if there is no file."""
    return conditional_response(request_headers, *file) if file else error_response(404, "Not Found")


def _is_missing_index(error: ClientError) -> bool:
    """Whether a query failed because its index does not exist yet, or DynamoDB still fills it."""
    details = error.response["Error"]
    return details["Code"] == "ValidationException" and "index" in details.get("Message", "")


def get_execution(execution_id: str, query: Query, now: datetime) -> dict[str, Any]:
    """Return the log and the progress of an execution."""
    log, status, answer = _read_execution(execution_id, now)
    planned_waves = answer.planned_waves if status.word == "IN_PROGRESS" else None
    options = _options(f"execution {execution_id}", log, now, planned_waves)
    link = report_link(execution_id, is_settled=status.settled, has_reports=reports is not None)
    return execution_view(execution_id, status, log, query, options, answer.planned_waves) | link


def _read_execution(execution_id: str, now: datetime) -> tuple[EventLog, Status, TableAnswer]:
    """Return the log of an execution, its status, and what the executions table says about it."""
    log = logs.of_execution(execution_id, now)
    answer = ask(executions_table, execution_id) if log.progress.jobs else TableAnswer()
    status = status_of(log.progress, answer, now)
    if status.settled and log.unread is None and not _is_final(log, now):
        log = logs.of_execution(execution_id, now, _FINAL_READ_MAX_AGE)
        answer = ask(executions_table, execution_id)
        status = status_of(log.progress, answer, now)
    return log, status._replace(settled=status.settled and log.unread is None), answer


def _options(key: str, log: EventLog, now: datetime, planned_waves: int | None = None) -> ViewOptions:
    estimate = estimator.estimate(key, log.job_states, now, planned_waves)
    return ViewOptions(now=now, rto_minutes=settings.rto_minutes, rpo_minutes=settings.rpo_minutes, estimate=estimate)


def _is_final(log: EventLog, now: datetime) -> bool:
    """Whether the last full read is new. Of a log that is read in several requests, whether it began late enough."""
    if log.is_read_in_parts and log.full_read_at:
        return log.progress.is_complete(log.full_read_at)
    return log.was_read_in_full(now, _FINAL_READ_MAX_AGE)


def _history(now: datetime) -> History:
    return History(ledger, logs, executions_table, settings.rto_minutes, settings.rpo_minutes, now)


def _executions(_: Mapping[str, str], query: Mapping[str, str], now: datetime) -> dict[str, Any]:
    parsed = parse_list_query("executions", query, now, settings.history, _LIST_FILTERS)
    return executions_view(_history(now), parsed)


def _jobs(_: Mapping[str, str], query: Mapping[str, str], now: datetime) -> dict[str, Any]:
    return jobs_view(_history(now), parse_list_query("jobs", query, now, settings.history, _LIST_FILTERS))


def _server(path: Mapping[str, str], query: Mapping[str, str], now: datetime) -> dict[str, Any]:
    server_id = parse_id("sourceServerId", path["sourceServerId"])
    parsed = parse_list_query(f"servers/{server_id}", query, now, settings.history)
    return server_view(_history(now), server_id, parsed)


def _failures(_: Mapping[str, str], query: Mapping[str, str], now: datetime) -> dict[str, Any]:
    return failures_view(_history(now), parse_list_query("failures", query, now, settings.history, ("from", "to")))


def _comparison(path: Mapping[str, str], query: Mapping[str, str], now: datetime) -> dict[str, Any]:
    execution_id = parse_id("executionId", path["executionId"])
    other_id = parse_id("with", query["with"]) if "with" in query else None
    return comparison_view(_history(now), execution_id, other_id)


REPORT_ROUTE: Final = "GET /executions/{executionId}/report"

# Route → the function that answers. Logs have routes of their own, and need no index of the ledger.
HISTORY_ROUTES: Final[Mapping[str, Callable[[Mapping[str, str], Mapping[str, str], datetime], dict[str, Any]]]] = {
    "GET /executions": _executions,
    "GET /executions/{executionId}/comparison": _comparison,
    "GET /failures": _failures,
    "GET /jobs": _jobs,
    "GET /servers/{sourceServerId}": _server,
}
