"""The DRS API: jobs, log items and server names of one account and Region."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from drs_job_log.events import format_time

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from mypy_boto3_drs import DrsClient
    from mypy_boto3_drs.type_defs import (
        DescribeJobsRequestFiltersTypeDef,
        JobLogTypeDef,
        JobTypeDef,
        SourceServerTypeDef,
    )

_ATTEMPTS: Final = 3
_CONFIG: Final = Config(
    connect_timeout=2,
    read_timeout=5,
    retries={"mode": "adaptive", "total_max_attempts": _ATTEMPTS},
    max_pool_connections=10,
)

# A wait that DRS asks for is waited up to this; for a longer one, the account and Region are left alone so long.
_LONGEST_WAIT_SECONDS: Final = 2.0

# https://docs.aws.amazon.com/drs/latest/APIReference/API_DescribeSourceServersRequestFilters.html
_MAX_SERVER_IDS: Final = 200

# A role's credentials are renewed before they expire in the middle of an invocation.
_RENEWAL: Final = timedelta(minutes=5)

# boto3's default session is not made for several threads.
_making_clients: Final = threading.Lock()


class ThrottledError(RuntimeError):
    """DRS asked to be left alone for a while that is not over."""


@dataclass(frozen=True, slots=True)
class Target:
    """An account and Region to collect from: no role is this account, no Region is this one."""

    region: str | None = None
    role_arn: str | None = None
    external_id: str | None = None

    def __str__(self) -> str:
        return " as ".join(filter(None, (self.region or "this Region", self.role_arn)))


def read_targets(text: str) -> tuple[Target, ...]:
    """Targets from a JSON list of ``{"region", "roleArn", "externalId"}``; none is this account and Region.

    Raises
    ------
    ValueError
        Where it is no such list.
    """
    names = {"region": "region", "roleArn": "role_arn", "externalId": "external_id"}
    try:
        targets = [Target(**{names[key]: value for key, value in given.items()}) for given in json.loads(text)]
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise ValueError(
            f'DRS_TARGETS must be a JSON list of {{"region", "roleArn", "externalId"}}, not {text!r:.200}'
        ) from error
    return tuple(targets) or (Target(),)


class Drs:
    """DRS of one target. Its methods may be called from several threads."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._client: DrsClient | None = None
        self._expiration: datetime | None = None
        self._left_alone_until = 0.0
        self._names: dict[str, str | None] = {}

    def __str__(self) -> str:
        return f"DRS in {self._target}"

    def connect(self) -> None:
        """Make the client, and again before the role's credentials expire.

        Raises
        ------
        botocore.exceptions.ClientError
            Where the role cannot be assumed.
        """
        if self._client and (self._expiration is None or datetime.now(UTC) < self._expiration - _RENEWAL):
            return
        credentials = self._assumed_credentials()
        with _making_clients:
            client: DrsClient = boto3.client("drs", region_name=self._target.region, config=_CONFIG, **credentials)
        # botocore knows no Retry-After. (Its stubs know no handler that answers.)
        client.meta.events.register_first("needs-retry.drs", self._honour_retry_after)  # type: ignore[arg-type]
        self._client = client

    def _assumed_credentials(self) -> dict[str, Any]:
        """Credentials of the target's role, as arguments of a client; none where it has no role."""
        if self._target.role_arn is None:
            return {}
        request = {"RoleArn": self._target.role_arn, "RoleSessionName": "drs-job-log-collector"}
        if self._target.external_id:
            request["ExternalId"] = self._target.external_id
        with _making_clients:
            sts = boto3.client("sts", config=_CONFIG)
        credentials = sts.assume_role(**request)["Credentials"]  # type: ignore[arg-type]
        self._expiration = credentials["Expiration"]
        return {
            "aws_access_key_id": credentials["AccessKeyId"],
            "aws_secret_access_key": credentials["SecretAccessKey"],
            "aws_session_token": credentials["SessionToken"],
        }

    def jobs(self, *, ids: Sequence[str] = (), since: datetime | None = None) -> list[JobTypeDef]:
        """Jobs with these ids, or those created since; neither: all. An account where DRS was never set up has none."""
        filters: DescribeJobsRequestFiltersTypeDef = {}
        if ids:
            filters["jobIDs"] = list(ids)
        if since:
            filters["fromDate"] = format_time(since)
        try:
            return self._all("describe_jobs", filters=filters)
        except ClientError as error:
            if error.response["Error"]["Code"] == "UninitializedAccountException":
                return []
            raise

    def log(self, job_id: str) -> list[JobLogTypeDef]:
        """The whole log of a job."""
        return self._all("describe_job_log_items", jobID=job_id)

    def names(self, ids: Collection[str]) -> dict[str, str]:
        """Names of source servers by their ids: the tag Name, else the host's name. Asked for once."""
        unknown = sorted(set(ids) - self._names.keys())
        for start in range(0, len(unknown), _MAX_SERVER_IDS):
            some = unknown[start : start + _MAX_SERVER_IDS]
            servers = self._all("describe_source_servers", filters={"sourceServerIDs": some})
            self._names |= dict.fromkeys(some) | {server["sourceServerID"]: _name(server) for server in servers}
        return {id_: name for id_ in ids if (name := self._names.get(id_))}

    def _all(self, operation: Any, **request: Any) -> list[Any]:
        """The items of every page."""
        self._check_left_alone()
        assert self._client is not None
        pages = self._client.get_paginator(operation).paginate(**request)
        return [item for page in pages for item in page["items"]]

    def _check_left_alone(self) -> None:
        seconds = self._left_alone_until - time.monotonic()
        if seconds > 0:
            raise ThrottledError(f"{self} asked to be left alone for {seconds:.0f} s")

    def _honour_retry_after(self, response: tuple[Any, Any] | None, attempts: int, **_: Any) -> float | None:
        """Answer botocore's question whether to try again: after so many seconds, or as it thinks.

        Raises
        ------
        ThrottledError
            Where DRS wants to be left alone for long.
        """
        try:
            seconds = float(response[0].headers["Retry-After"]) if response else None
        except (KeyError, ValueError):
            return None
        if seconds is None or response is None or response[0].status_code < 400:
            return None
        if seconds > _LONGEST_WAIT_SECONDS:
            self._left_alone_until = time.monotonic() + seconds
            self._check_left_alone()
        return seconds if attempts < _ATTEMPTS else None


def _name(server: SourceServerTypeDef) -> str | None:
    hints = server.get("sourceProperties", {}).get("identificationHints", {})
    return server.get("tags", {}).get("Name") or hints.get("hostname")
