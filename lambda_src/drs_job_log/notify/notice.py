"""A notice: one fact that people are notified of, independent of the format of the message."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from drs_job_log.model.events import format_time, parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from drs_job_log.model.rpo import Rpo
    from drs_job_log.model.rto import Rto

# The kinds of notices, as in the input ``notifications.kinds``.
Kind = Literal[
    "started",
    "job_ended",
    "settled",
    "failed",
    "resolved",
    "stalled",
    "slow",
    "at_risk",
    "action_failed",
    "plan_failed",
    "drill_instances",
    "replication_stalled",
    "not_drilled",
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeServer:
    """A server or a network of a notice.

    Attributes
    ----------
    type
        Server or Network.
    state
        Its state, for example FAILED, or ACTION_FAILED: it launched, and a post-launch action failed. RPO_MISSED:
        it launched, and its data is older than the objective. None if the notice is not about states.
    error
        The error text of DRS, if the server failed and DRS stated one.
    detail
        Further information, for example "no successful drill".
    """

    id: str | None
    name: str | None = None
    type: Literal["Server", "Network"] = "Server"
    state: str | None = None
    error: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One fact.

    Attributes
    ----------
    kind, label
        The kind, and what it means here in words, for example "failed (final)".
    summary
        One sentence without its period.
    time
        When the fact became true.
    notice_id
        Identifies the fact. A repetition has the same ID.
    execution_id, job_id, job_ids
        The execution, the job of a fact about one job, and the LAUNCH jobs of a fact about an execution.
    event_type, event_id, source
        The event of a fact about one event.
    outcome
        COMPLETED, PARTIAL, FAILED or TERMINATED, if an execution or a job ended. MISSED or AT_RISK for "at_risk".
    previous_outcome, revision
        Of a correction: the outcome that was notified before, and its number. A first notice has the revision 0.
    requested_by
        Who requested the job or the execution. None if it is not known.
    error
        The error text of DRS. It can have several lines.
    is_error_expected
        Whether the notice has an error, so that it says that it is not known yet if there is none.
    counts
        The number of servers by state, with the keys of the API's summary, for example ``launched``.
    servers
        The servers that the notice names.
    """

    kind: Kind
    label: str
    summary: str
    time: datetime
    notice_id: str
    execution_id: str | None = None
    job_id: str | None = None
    job_ids: Sequence[str] = ()
    initiated_by: str | None = None
    is_drill: bool | None = None
    account: str | None = None
    region: str | None = None
    event_type: str | None = None
    event_id: str | None = None
    source: str | None = None
    outcome: str | None = None
    previous_outcome: str | None = None
    revision: int = 0
    requested_by: str | None = None
    error: str | None = None
    is_error_expected: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)
    servers: Sequence[NoticeServer] = ()
    started_at: datetime | None = None
    duration_seconds: float | None = None
    expected_end: datetime | None = None
    latest_end: datetime | None = None
    rto: Rto | None = None
    rpo: Rpo | None = None


def values_of(notice: Notice) -> dict[str, Any]:
    """Return the values of a notice about no job as JSON values, which ``notice_from`` reads."""
    return asdict(notice) | {"time": format_time(notice.time)}


def notice_from(values: Mapping[str, Any]) -> Notice:
    """Return the notice of ``values_of``."""
    servers = [NoticeServer(**server) for server in values["servers"]]
    return Notice(**{**values, "time": parse_time("time", values["time"]), "servers": servers})
