"""Decides which notification an event needs. Pure functions of the events of a participant: a server or a network.

"Other events" are the stored events of the same participant in the same job, in any order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Literal

from drs_job_log.model.digest import digest
from drs_job_log.model.events import FAILURES, JobLogEvent, time_of_key
from drs_job_log.model.progress import job_state_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

# What a notification says about an event.
Label = Literal["failed", "failed (final)", "error", "resolved", "post-launch action failed", "stalled"]

# Event types that end a failure: the server launched, or the network was deployed.
LAUNCHES: Final = frozenset({"SERVER_LAUNCHED", "DEPLOY_NETWORK_CONFIGURATION_END", "UPDATE_NETWORK_CONFIGURATION_END"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A failure as a notification reports it.

    Attributes
    ----------
    event
        The event, with details from other events.
    is_final
        Whether DRS makes no further attempt.
    is_error_known
        Whether the error is that of this failure. If not, it is the best that other events have.
    """

    event: JobLogEvent
    is_final: bool
    is_error_known: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Notified:
    """What the first notification of a participant reported. ``error`` is a digest. It is kept in the claim.

    ``is_sent`` is False if the participant had already launched again, so that no notification was sent.
    """

    key: str
    error: str | None
    is_error_known: bool
    is_final: bool
    is_sent: bool

    @property
    def time(self) -> datetime:
        """When the failure happened."""
        return time_of_key(self.key)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that ``notified_of`` reads."""
        return {
            "event": self.key,
            "error": self.error,
            "isErrorKnown": self.is_error_known,
            "isFinal": self.is_final,
            "isSent": self.is_sent,
        }


def notified_of(result: object) -> Notified | None:
    """Return what a claim says. None for a claim of an earlier version, which has the ID of the message."""
    if not isinstance(result, dict):
        return None
    return Notified(
        key=result["event"],
        error=result["error"],
        is_error_known=result["isErrorKnown"],
        is_final=result["isFinal"],
        is_sent=result["isSent"],
    )


def notified_by(failure: Failure, *, is_sent: bool) -> Notified:
    """Return what the first notification says about a failure."""
    return Notified(
        key=failure.event.key,
        error=error_digest(failure.event.error),
        is_error_known=failure.is_error_known,
        is_final=failure.is_final,
        is_sent=is_sent,
    )


def participant_of(event: JobLogEvent) -> str:
    """Return the ID of the server or the network of an event. If it names none, the event stands for itself."""
    return event.source_server_id or event.resource_id or event.event_id


def relevant(event: JobLogEvent, others: Collection[JobLogEvent]) -> Sequence[JobLogEvent]:
    """Return the events that matter for the notification of an event: none of another sender if the event has none."""
    return [other for other in others if event.is_foreign or not other.is_foreign]


def failure_of(event: JobLogEvent, others: Collection[JobLogEvent]) -> Failure:
    """Return the failure that an event reports, with details from other events.

    If the event has no error, the newest final failure since the last launch has it. A launch result of DRS has none.
    """
    newest_first = _newest_first(event, others)
    launched_at = max(
        (one.timestamp for one in newest_first if _is_launch(one) and _is_before(one, event)), default=None
    )
    own_error = event.error or _first(
        one.error
        for one in newest_first
        if one.event_type in FAILURES and _is_final(one.detail) and (not launched_at or one.timestamp > launched_at)
    )
    error = (
        own_error
        or _first(one.error for one in newest_first if one.event_type in FAILURES)
        or _first(one.error for one in newest_first if one.event_type != "LAUNCH_ACTION_FAILED")
    )
    return Failure(
        event=replace(described(event, others), error=error),
        is_final=_is_final(event.detail),
        is_error_known=own_error is not None,
    )


def described(event: JobLogEvent, others: Collection[JobLogEvent]) -> JobLogEvent:
    """Return the event with the name, execution and kind of job from other events. A launch result has none of them."""
    newest_first = _newest_first(event, others)
    initiated_by = _first(one.detail.get("initiatedBy") for one in (event, *newest_first))
    return replace(
        event,
        source_server_name=event.source_server_name or _first(one.source_server_name for one in newest_first),
        execution_id=event.execution_id or _first(one.execution_id for one in newest_first),
        detail={**event.detail, "initiatedBy": initiated_by} if initiated_by else event.detail,
    )


def launch_of(event: JobLogEvent, others: Collection[JobLogEvent]) -> JobLogEvent | None:
    """Return the newest launch of the participant. None if it did not launch, or failed or is under way since."""
    job = job_state_of(event.job_id, [event, *others])
    id_ = participant_of(event)
    participant = job.servers.get(id_) or job.resources.get(id_)
    if participant is None or participant.state != "LAUNCHED":
        return None
    newest = max((one for one in (event, *others) if one.event_type in LAUNCHES), key=_order, default=None)
    return newest if newest and _is_launch(newest) else None


def turn(event: JobLogEvent, others: Collection[JobLogEvent], notified: Notified) -> int:
    """Return how often the participant failed again after a launch, from the notified failure up to this event.

    Each turn has its own notifications. Events that arrive late do not change the turns of a usual job.
    """
    turns = [
        one.event_type in FAILURES
        for one in sorted(
            {one.key: one for one in (event, *others) if one.timestamp > notified.time}.values(), key=_order
        )
        if (one.event_type in FAILURES or _is_launch(one)) and _order(one) <= _order(event)
    ]
    return sum(is_failure and not was_failure for was_failure, is_failure in pairwise([True, *turns]))


def follow_up(failure: Failure, notified: Notified, *, failed_again: bool) -> Label | None:
    """Return the notification that a failure needs after the first one. None: it says nothing new.

    ``failed_again``: the participant launched between the two failures.
    """
    event, error = failure.event, error_digest(failure.event.error)
    if failed_again:
        return "failed"
    if not notified.is_sent:
        return None
    is_final_now = failure.is_final and event.timestamp > notified.time
    if is_final_now and not notified.is_final:
        return "failed (final)"
    if not failure.is_error_known or error == notified.error:
        return None
    if not notified.is_error_known:
        return "error"
    return "failed (final)" if is_final_now else None


def error_digest(error: str | None) -> str | None:
    """Return the digest of an error text. None without an error."""
    return digest(error) if error else None


def _is_final(detail: Mapping[str, Any]) -> bool:
    """Whether DRS makes no further attempt. An event without attempts is final."""
    match detail.get("attempt"), detail.get("maxAttempts"):
        case (int() | Decimal()) as attempt, (int() | Decimal()) as attempts:
            return attempt >= attempts
    return True


def _is_launch(event: JobLogEvent) -> bool:
    """Whether the participant launched. LAUNCH_END with an error is none: a failure follows, or came before it."""
    return event.event_type in LAUNCHES and not event.error


def _is_before(event: JobLogEvent, other: JobLogEvent) -> bool:
    return _order(event) < _order(other)


def _order(event: JobLogEvent) -> tuple[datetime, bool]:
    """Return the sort key. Of two events with the same time, a failure is the later one, as in ``model.progress``."""
    return event.timestamp, event.event_type in FAILURES


def _newest_first(event: JobLogEvent, others: Collection[JobLogEvent]) -> Sequence[JobLogEvent]:
    return sorted((one for one in others if one.key != event.key), key=_order, reverse=True)


def _first(values: Iterable[object]) -> str | None:
    """Return the first text. Senders can put any JSON value into a detail."""
    return next((value for value in values if value and isinstance(value, str)), None)
