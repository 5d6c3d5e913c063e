"""The DRS API of one target: jobs, log items and server names."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError, PaginationError

from drs_job_log import config
from drs_job_log.model.events import format_time

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    import mypy_boto3_drs
    from mypy_boto3_drs.type_defs import (
        DescribeJobsRequestFiltersTypeDef,
        JobLogTypeDef,
        JobTypeDef,
        RecoveryInstanceTypeDef,
        SourceServerTypeDef,
    )
    from mypy_boto3_sts import STSClient

    from drs_job_log.config import Target

_MAX_ATTEMPTS: Final = 3

# The items of a page. The default of DRS is not documented. Each pass reads the last page, so it must be small.
_LOG_PAGE_SIZE: Final = 100

# https://docs.aws.amazon.com/drs/latest/APIReference/API_DescribeSourceServersRequestFilters.html
# DescribeRecoveryInstances documents no maximum.
_MAX_SERVER_IDS: Final = 200

# A longer Retry-After is shortened to this time, so that a wrong header cannot disable a target.
_MAX_RETRY_AFTER_SECONDS: Final = 900.0

# A server without a name is looked up again after this time, since DRS can learn the name later.
_UNNAMED_SECONDS: Final = 60.0

# Credentials of a role are renewed this long before they expire, so that they do not expire during an invocation.
_RENEW_BEFORE: Final = timedelta(minutes=5)


class ThrottledError(RuntimeError):
    """DRS asked the client to wait, and this time is not over yet."""


@dataclass(frozen=True, slots=True)
class LogPage:
    """A page of a job's log. ``token`` requests the page again. None: the first page."""

    token: str | None
    items: Sequence[JobLogTypeDef]


class DrsClient:
    """The DRS API of one target. Thread-safe after ``connect``.

    botocore repeats a failed request twice. If DRS then asks the client to wait (``Retry-After``), the methods raise
    ThrottledError until that time is over.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._client: mypy_boto3_drs.DrsClient | None = None
        self._expiration: datetime | None = None
        # By kind of operation, so that recovery plans do not delay the jobs.
        self._throttled_until: dict[bool, float] = {}
        self._names: dict[str, str] = {}
        self._unnamed_at: dict[str, float] = {}  # when DRS had no name for a server

    def __str__(self) -> str:
        return f"DRS in {self._target}"

    def connect(self) -> None:
        """Create the boto3 client, or renew it before the credentials of the role expire.

        Raises
        ------
        botocore.exceptions.ClientError
            If the role cannot be assumed.
        """
        if self._client and (self._expiration is None or datetime.now(UTC) < self._expiration - _RENEW_BEFORE):
            return
        self._client = config.client(
            "drs",
            max_attempts=_MAX_ATTEMPTS,
            parameter_validation=False,  # DRS validates requests itself
            region_name=self._target.region,
            **self._assumed_credentials(),
        )

    def _assumed_credentials(self) -> dict[str, Any]:
        """Return the credentials of the target's role as arguments of a client, or an empty dict without a role."""
        if self._target.role_arn is None:
            return {}
        request = {"RoleArn": self._target.role_arn, "RoleSessionName": "drs-job-log-collector"}
        if self._target.external_id:
            request["ExternalId"] = self._target.external_id
        credentials = _sts().assume_role(**request)["Credentials"]  # type: ignore[arg-type]
        self._expiration = credentials["Expiration"]
        return {
            "aws_access_key_id": credentials["AccessKeyId"],
            "aws_secret_access_key": credentials["SecretAccessKey"],
            "aws_session_token": credentials["SessionToken"],
        }

    def jobs(self, *, ids: Sequence[str] = (), since: datetime | None = None) -> list[JobTypeDef]:
        """Return the jobs with these IDs, or created since a time, or all jobs.

        An account in which DRS was never initialized has no jobs.
        """
        filters: DescribeJobsRequestFiltersTypeDef = {}
        if ids:
            filters["jobIDs"] = list(ids)
        if since:
            filters["fromDate"] = format_time(since)
        return self._items_of_account("describe_jobs", filters=filters)

    def source_servers(self) -> list[SourceServerTypeDef]:
        """Return all source servers. An account in which DRS was never initialized has none."""
        return self._items_of_account("describe_source_servers")

    def recovery_instances(self, server_ids: Sequence[str] | None = None) -> list[RecoveryInstanceTypeDef]:
        """Return the recovery instances of servers, by default of all. DRS lists those that it has not deleted.

        https://docs.aws.amazon.com/drs/latest/APIReference/API_DescribeRecoveryInstances.html
        """
        if server_ids is None:
            return self._items_of_account("describe_recovery_instances")
        chunks = (server_ids[start : start + _MAX_SERVER_IDS] for start in range(0, len(server_ids), _MAX_SERVER_IDS))
        return [
            instance
            for chunk in chunks
            for instance in self._items_of_account("describe_recovery_instances", filters={"sourceServerIDs": chunk})
        ]

    def log_pages(self, job_id: str, token: str | None = None) -> Iterator[LogPage]:
        """Yield the pages of a job's log from the page of a token, by default from the first page."""
        start = {} if token is None else {"nextToken": token}
        pages = self._pages("describe_job_log_items", jobID=job_id, maxResults=_LOG_PAGE_SIZE, **start)
        for page in pages:
            yield LogPage(token, page.get("items", []))
            token = page.get("nextToken")

    def plan_executions(self) -> list[Mapping[str, Any]]:
        """Return the executions of all recovery plans, as RecoveryPlanExecutionSummary."""
        return self._items_of_account("list_recovery_plan_executions", "recoveryPlanExecutions")

    def plan_execution(self, arn: str) -> Mapping[str, Any]:
        """Return a RecoveryPlanExecution."""
        answer = self._send("get_recovery_plan_execution", {"recoveryPlanExecutionArn": arn})
        return answer["recoveryPlanExecution"]  # type: ignore[no-any-return]

    def plan_steps(self, arn: str) -> list[Mapping[str, Any]]:
        """Return the steps of an execution, as RecoveryPlanExecutionStepSummary."""
        return self._items(
            "list_recovery_plan_execution_steps", "recoveryPlanExecutionSteps", recoveryPlanExecutionArn=arn
        )

    def plan_step(self, arn: str) -> Mapping[str, Any]:
        """Return a RecoveryPlanExecutionStep."""
        answer = self._send("get_recovery_plan_execution_step", {"recoveryPlanExecutionStepArn": arn})
        return answer["recoveryPlanExecutionStep"]  # type: ignore[no-any-return]

    def plan_name(self, arn: str) -> str | None:
        """Return the name of a recovery plan. None if DRS does not return it: the plan can be deleted."""
        try:
            name: str | None = self._send("get_recovery_plan", {"recoveryPlanArn": arn})["recoveryPlan"].get("name")
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            return None
        return name

    def names(self, ids: Collection[str]) -> dict[str, str]:
        """Return the names of servers by their IDs: the tag Name, else the host name.

        Names are cached. A server without a name is looked up again after ``_UNNAMED_SECONDS``.
        """
        now = time.monotonic()
        unknown = sorted(
            id_
            for id_ in set(ids) - self._names.keys()
            if now - self._unnamed_at.get(id_, -math.inf) > _UNNAMED_SECONDS
        )
        for start in range(0, len(unknown), _MAX_SERVER_IDS):
            chunk = unknown[start : start + _MAX_SERVER_IDS]
            servers = self._items("describe_source_servers", filters={"sourceServerIDs": chunk})
            self._names |= {server["sourceServerID"]: name for server in servers if (name := name_of(server))}
            self._unnamed_at |= dict.fromkeys(set(chunk) - self._names.keys(), now)
        return {id_: self._names[id_] for id_ in ids if id_ in self._names}

    def _items_of_account(self, operation: str, name: str = "items", **request: Any) -> list[Any]:
        """Return the items of an operation. An account in which DRS was never initialized has none."""
        try:
            return self._items(operation, name, **request)
        except ClientError as error:
            if error.response["Error"]["Code"] == "UninitializedAccountException":
                return []
            raise

    def _items(self, operation: str, name: str = "items", **request: Any) -> list[Any]:
        return [item for page in self._pages(operation, **request) for item in page.get(name, [])]

    def _pages(self, operation: str, **request: Any) -> Iterator[Any]:
        """Yield the responses of an operation, one for each page."""
        while True:
            page = self._send(operation, request)
            yield page
            token = page.get("nextToken")
            if not token:
                return
            if token == request.get("nextToken"):
                raise PaginationError(message=f"{self}: {operation} returned the same token twice")
            request["nextToken"] = token

    def _send(self, operation: str, request: Mapping[str, Any]) -> Any:
        is_of_plans = "recovery_plan" in operation
        seconds = self._throttled_until.get(is_of_plans, 0.0) - time.monotonic()
        if seconds > 0:
            raise ThrottledError(f"{self} throttles requests for {seconds:.0f} s")
        try:
            return getattr(self._client, operation)(**request)
        except ClientError as error:
            until = time.monotonic() + _retry_after(error)
            self._throttled_until[is_of_plans] = max(self._throttled_until.get(is_of_plans, 0.0), until)
            raise


def _retry_after(error: ClientError) -> float:
    """Return the seconds in the ``Retry-After`` header of a response. 0 without such a number."""
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    try:
        seconds = float(headers["retry-after"])
    except (KeyError, ValueError):
        return 0.0
    return min(seconds, _MAX_RETRY_AFTER_SECONDS) if seconds > 0 else 0.0


@cache
def _sts() -> STSClient:
    """Return the STS client, which all targets share: a client of their own would double the time of a cold start."""
    client: STSClient = config.client("sts", max_attempts=_MAX_ATTEMPTS)
    return client


def name_of(server: SourceServerTypeDef) -> str | None:
    """Return the name of a server: its tag Name, else its host name."""
    hints = server.get("sourceProperties", {}).get("identificationHints", {})
    return server.get("tags", {}).get("Name") or hints.get("hostname") or None
