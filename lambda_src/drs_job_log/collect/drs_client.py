"""The DRS API of one target: jobs, log items and server names."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from drs_job_log import config
from drs_job_log.model.events import format_time

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import mypy_boto3_drs
    from mypy_boto3_drs.type_defs import (
        DescribeJobsRequestFiltersTypeDef,
        JobLogTypeDef,
        JobTypeDef,
        SourceServerTypeDef,
    )
    from mypy_boto3_sts import STSClient

    from drs_job_log.config import Target

_MAX_ATTEMPTS: Final = 3

# The longest Retry-After that the client waits for. After a longer one, requests fail until that time is over.
_MAX_WAIT_SECONDS: Final = 2.0

# https://docs.aws.amazon.com/drs/latest/APIReference/API_DescribeSourceServersRequestFilters.html
_MAX_SERVER_IDS: Final = 200

# A server without a name is looked up again after this time, since DRS can learn the name later.
_UNNAMED_SECONDS: Final = 60.0

# Credentials of a role are renewed this long before they expire, so that they do not expire during an invocation.
_RENEW_BEFORE: Final = timedelta(minutes=5)


class ThrottledError(RuntimeError):
    """DRS asked the client to wait, and this time is not over yet."""


class DrsClient:
    """The DRS API of one target. Thread-safe after ``connect``."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._client: mypy_boto3_drs.DrsClient | None = None
        self._expiration: datetime | None = None
        self._throttled_until = 0.0
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
        credentials = self._assumed_credentials()
        client: mypy_boto3_drs.DrsClient = config.client(
            "drs",
            retry_mode="adaptive",
            max_attempts=_MAX_ATTEMPTS,
            region_name=self._target.region,
            **credentials,
        )
        # botocore ignores Retry-After. The type stubs do not allow handlers that return a value.
        client.meta.events.register_first("needs-retry.drs", self._honor_retry_after)  # type: ignore[arg-type]
        self._client = client

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
        try:
            return self._read_pages("describe_jobs", filters=filters)
        except ClientError as error:
            if error.response["Error"]["Code"] == "UninitializedAccountException":
                return []
            raise

    def log(self, job_id: str) -> list[JobLogTypeDef]:
        """Return the whole log of a job."""
        return self._read_pages("describe_job_log_items", jobID=job_id)

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
            servers = self._read_pages("describe_source_servers", filters={"sourceServerIDs": chunk})
            self._names |= {server["sourceServerID"]: name for server in servers if (name := _name(server))}
            self._unnamed_at |= dict.fromkeys(set(chunk) - self._names.keys(), now)
        return {id_: self._names[id_] for id_ in ids if id_ in self._names}

    def _read_pages(self, operation: Any, **request: Any) -> list[Any]:
        """Return the items of all pages."""
        self._check_throttling()
        assert self._client is not None
        pages = self._client.get_paginator(operation).paginate(**request)
        return [item for page in pages for item in page["items"]]

    def _check_throttling(self) -> None:
        seconds = self._throttled_until - time.monotonic()
        if seconds > 0:
            raise ThrottledError(f"{self} throttles requests for {seconds:.0f} s")

    def _honor_retry_after(self, response: tuple[Any, Any] | None, attempts: int, **_: Any) -> float | None:
        """Return the seconds to wait before the next attempt, or None for botocore's own decision.

        Raises
        ------
        ThrottledError
            If ``Retry-After`` is longer than ``_MAX_WAIT_SECONDS``.
        """
        try:
            seconds = float(response[0].headers["Retry-After"]) if response else None
        except (KeyError, ValueError):
            return None
        if seconds is None or response is None or response[0].status_code < 400:
            return None
        if seconds > _MAX_WAIT_SECONDS:
            self._throttled_until = time.monotonic() + seconds
            self._check_throttling()
        return seconds if attempts < _MAX_ATTEMPTS else None


@cache
def _sts() -> STSClient:
    """Return the STS client, which all targets share: a client of their own would double the time of a cold start."""
    client: STSClient = config.client("sts", retry_mode="adaptive", max_attempts=_MAX_ATTEMPTS)
    return client


def _name(server: SourceServerTypeDef) -> str | None:
    hints = server.get("sourceProperties", {}).get("identificationHints", {})
    return server.get("tags", {}).get("Name") or hints.get("hostname")
