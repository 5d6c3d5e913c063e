"""Facts about the readiness for a recovery: changes of the data replication of servers, and checks of their drills."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from drs_job_log.model.events import AWS_SOURCE, InvalidEventError, format_time, parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

# https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-drs.html
REPLICATION_CHANGE: Final = "DRS Source Server Data Replication Stalled Change"

# The event of the collector with the servers that had no successful drill in time.
DRILL_CHECK: Final = "DRS Drill Check"

# https://docs.aws.amazon.com/drs/latest/userguide/monitoring-event-bridge-sample.html
_IS_STALLED: Final[Mapping[object, bool]] = {"STALLED": True, "NOT_STALLED": False}

# The ID in the ARN of a source server is "s-" and 17 letters and digits. The limit is for a key of DynamoDB.
# https://docs.aws.amazon.com/drs/latest/APIReference/API_SourceServer.html
_SERVER_ARN: Final = re.compile(r"arn:[^:]+:drs:[^:]*:[^:]*:source-server/([0-9A-Za-z-]{1,64})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicationChange:
    """The data replication of a source server stalled, or it is no longer stalled.

    Attributes
    ----------
    time
        When it happened: an aware time in UTC, in whole seconds.
    event_id
        The ID of the EventBridge event.
    """

    server_id: str
    is_stalled: bool
    time: datetime
    account: str
    region: str
    event_id: str

    @property
    def server_key(self) -> str:
        """Identifies the server. IDs of servers are unique in an account and Region."""
        return f"{self.account} {self.region} {self.server_id}"

    @property
    def key(self) -> str:
        """Identifies the change. A repeated event has the same key."""
        return f"{self.server_key} {'STALLED' if self.is_stalled else 'NOT_STALLED'} {format_time(self.time)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UndrilledServer:
    """A server without a successful drill in time. ``last_drill_at``: None if no successful drill is known."""

    server_id: str
    name: str | None
    last_drill_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillCheck:
    """The check of the drills of an account and Region.

    Attributes
    ----------
    max_days
        The input ``readiness.max_days_without_drill``.
    checked_at
        When the check was made: an aware time in UTC.
    server_count
        The number of all source servers.
    servers, omitted
        The servers without a successful drill in time, and the number of those that the event does not contain.
    """

    account: str
    region: str
    max_days: int
    checked_at: datetime
    server_count: int
    servers: Sequence[UndrilledServer]
    omitted: int = 0

    @property
    def key(self) -> str:
        """Identifies the check: there is one a day for an account and Region."""
        return f"{self.account} {self.region} {self.checked_at:%Y-%m-%d}"


def parse_fact(body: str, collector_sources: AbstractSet[str]) -> ReplicationChange | DrillCheck | None:
    """Parse the JSON text of an EventBridge event with one of the two facts. None: the text is another message.

    ``collector_sources`` are the sources of the collector's events, now and before.

    Raises
    ------
    InvalidEventError
        If the detail-type is one of a fact, and the source or a value is not valid.
    """
    # Almost all messages are events of jobs. Parsing each of them twice would cost CPU time.
    if REPLICATION_CHANGE not in body and DRILL_CHECK not in body:
        return None
    try:
        envelope = json.loads(body)
    except (ValueError, RecursionError):
        return None  # the parser of job events reports it
    if not isinstance(envelope, dict) or envelope.get("detail-type") not in {REPLICATION_CHANGE, DRILL_CHECK}:
        return None
    detail = envelope.get("detail")
    if not isinstance(detail, dict):
        raise InvalidEventError(f"detail of a '{envelope['detail-type']}' event must be an object, not {detail!r:.100}")
    sources = {AWS_SOURCE} if envelope["detail-type"] == REPLICATION_CHANGE else collector_sources
    if envelope.get("source") not in sources:
        raise InvalidEventError(
            f"source of a '{envelope['detail-type']}' event must be {' or '.join(sorted(sources))}, "
            f"not {envelope.get('source')!r:.100}"
        )
    if envelope["detail-type"] == REPLICATION_CHANGE:
        return _replication_change(envelope, detail)
    return _drill_check(detail)


def _replication_change(envelope: Mapping[str, Any], detail: Mapping[str, Any]) -> ReplicationChange:
    resources = envelope.get("resources")
    arn = resources[0] if isinstance(resources, list) and resources else None
    match = _SERVER_ARN.fullmatch(arn) if isinstance(arn, str) else None
    if match is None:
        raise InvalidEventError(f"resources[0] must be the ARN of a source server, not {arn!r:.100}")
    state = detail.get("state")
    if not isinstance(state, str) or state not in _IS_STALLED:
        raise InvalidEventError(f"detail.state must be STALLED or NOT_STALLED, not {state!r:.100}")
    return ReplicationChange(
        server_id=match[1],
        is_stalled=_IS_STALLED[state],
        time=parse_time("time", envelope.get("time")),
        account=_text("account", envelope.get("account")),
        region=_text("region", envelope.get("region")),
        event_id=_text("id", envelope.get("id")),
    )


def _drill_check(detail: Mapping[str, Any]) -> DrillCheck:
    servers = detail.get("servers")
    if not isinstance(servers, list) or not all(isinstance(server, dict) for server in servers):
        raise InvalidEventError(f"detail.servers must be a list of objects, not {servers!r:.100}")
    return DrillCheck(
        account=_text("detail.account", detail.get("account")),
        region=_text("detail.region", detail.get("region")),
        max_days=_count("detail.maxDaysWithoutDrill", detail.get("maxDaysWithoutDrill")),
        checked_at=parse_time("detail.checkedAt", detail.get("checkedAt")),
        server_count=_count("detail.serverCount", detail.get("serverCount")),
        servers=[_undrilled_server(server) for server in servers],
        omitted=_count("detail.omitted", detail.get("omitted", 0)),
    )


def _undrilled_server(server: Mapping[str, Any]) -> UndrilledServer:
    name, last = server.get("sourceServerName"), server.get("lastDrillAt")
    return UndrilledServer(
        server_id=_text("detail.servers[].sourceServerID", server.get("sourceServerID")),
        name=None if name is None else _text("detail.servers[].sourceServerName", name),
        last_drill_at=None if last is None else parse_time("detail.servers[].lastDrillAt", last),
    )


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidEventError(f"{name} must be a non-empty string, not {value!r:.100}")
    return value


def _count(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidEventError(f"{name} must be a whole number of at least 0, not {value!r:.100}")
    return value
