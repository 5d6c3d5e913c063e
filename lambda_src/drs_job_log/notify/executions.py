"""Notices about executions: started, continued, settled, at risk, slow servers. Each fact is reported once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from drs_job_log.model.digest import digest
from drs_job_log.model.json_text import to_json
from drs_job_log.model.progress import SUMMARY_KEYS
from drs_job_log.model.rpo import is_over, rpo_of_server
from drs_job_log.notify.claims import Claim
from drs_job_log.notify.notice import Notice, NoticeServer
from drs_job_log.notify.publisher import AT_RISK, CONTINUED, SETTLED, STARTED
from drs_job_log.notify.texts import duration_words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from drs_job_log.model.estimate import ExecutionEstimate
    from drs_job_log.model.progress import JobProgress, Progress, ServerProgress
    from drs_job_log.model.rpo import Rpo
    from drs_job_log.model.rto import Rto
    from drs_job_log.notify.claims import Claims
    from drs_job_log.notify.notice import Kind
    from drs_job_log.notify.publisher import Publisher

# A start is no news after this time, and an end whose start was not reported after this one: after an outage, or in a
# new installation.
_MAX_START_AGE: Final = timedelta(hours=1)
_MAX_END_AGE: Final = timedelta(days=1)

# The states of the servers that a notice of the end names.
_NAMED_STATES: Final = ("FAILED", "TERMINATED", "SKIPPED")

# Outcome → what the sentence says.
_OUTCOMES: Final[Mapping[str, str]] = {
    "COMPLETED": "succeeded",
    "PARTIAL": "did not launch all servers",
    "FAILED": "failed",
    "TERMINATED": "was cancelled",
}

_IS_SETTLED, _IS_CONTINUED = "SETTLED", "CONTINUED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """An execution at a time, or a job without an execution.

    Attributes
    ----------
    execution_id
        None for a job without an execution.
    progress
        The progress of all its jobs.
    jobs
        Its LAUNCH jobs, the oldest first. There is at least one.
    event_count
        The number of its events that were read. Of two reads, the one with more events is the newer one.
    status
        Its status, as in the answer of the API.
    is_settled
        Whether no further event is expected, as in the answer of the API.
    now
        When the events were read.
    """

    execution_id: str | None
    progress: Progress
    jobs: Sequence[JobProgress]
    event_count: int
    status: str
    is_settled: bool
    estimate: ExecutionEstimate
    rto: Rto | None
    rpo: Rpo | None
    now: datetime

    @property
    def key(self) -> str:
        """Identifies it in claims."""
        return f"execution {self.execution_id}" if self.execution_id else _job_key(self.jobs[0].job_id)

    @property
    def job_keys(self) -> Sequence[str]:
        """The keys that its jobs had before they had the execution. A job without an execution has no others."""
        return [_job_key(job.job_id) for job in self.jobs] if self.execution_id else ()

    @property
    def name(self) -> str:
        """Its name at the start of a sentence."""
        plan = self.progress.plan
        if plan and plan.name:
            return f"Recovery plan {plan.name} ({self.execution_id})"
        return f"Execution {self.execution_id}" if self.execution_id else f"Job {self.jobs[0].job_id}"

    @property
    def started_at(self) -> datetime:
        """When its first job started."""
        return min(job.created_at or job.started_at for job in self.jobs)

    @property
    def ended_at(self) -> datetime | None:
        """When its last LAUNCH job ended. None while one runs."""
        ends = [job.ended_at for job in self.jobs]
        return None if None in ends else max(end for end in ends if end)

    @property
    def is_running(self) -> bool:
        """Whether it has not ended, also between two waves."""
        return self.status == "IN_PROGRESS"

    @property
    def servers(self) -> Sequence[ServerProgress]:
        """The servers that its LAUNCH jobs launch."""
        launches = {job.job_id for job in self.jobs}
        return [server for server in self.progress.servers if server.job_id in launches]

    @property
    def states(self) -> Mapping[str, str]:
        """The state of each server and network by its ID."""
        return {server.source_server_id: server.state for server in self.servers} | {
            resource.resource_id: resource.state for job in self.jobs for resource in job.resources
        }


class ExecutionNotifier:
    """Reports the facts about an execution: a notice for people, and an event on the bus. Thread-safe.

    A claim of each fact contains what was reported, so that the fact is reported once, although checks are repeated,
    overlap, and read an index that lags. A series of claims has the ends of an execution: of each end, it contains the
    jobs, so that a further wave corrects it.

    All methods raise the errors of ``Claims.once``, and those of ``Publisher``. It is safe to repeat them.
    """

    def __init__(self, claims: Claims, publisher: Publisher) -> None:
        self._claims = claims
        self._publisher = publisher

    def is_started(self, recovery: Recovery) -> bool:
        """Whether the start was reported, or does not need to be."""
        claim = self._claims.get(["started", recovery.key])
        return claim is not None and claim.is_complete

    def started(self, recovery: Recovery) -> None:
        """Report the start, unless it is no news or that of one of its jobs was reported before it had an execution."""

        def report() -> bool:
            is_news = recovery.now - recovery.started_at <= _MAX_START_AGE
            if not (is_news or recovery.is_running) or self._has_reported_start_of_job(recovery):
                return False
            self._report(started_notice(recovery), STARTED)
            return True

        self._claims.once(["started", recovery.key], report)

    def _has_reported_start(self, recovery: Recovery) -> bool:
        claim = self._claims.get(["started", recovery.key])
        return bool(claim and claim.result) or self._has_reported_start_of_job(recovery)

    def _has_reported_start_of_job(self, recovery: Recovery) -> bool:
        claims = (self._claims.get(["started", key]) for key in recovery.job_keys)
        return any(claim is not None and claim.result for claim in claims)

    def continued(self, recovery: Recovery) -> None:
        """Report that a further wave started although the end was reported."""
        self._report_next_end(recovery, partial(_continuation, recovery))

    def settled(self, recovery: Recovery) -> None:
        """Report the end. Report it again if a later wave or a later fact changed it."""
        age = recovery.now - (recovery.ended_at or recovery.now)
        is_news = age <= _MAX_END_AGE or self._has_reported_start(recovery)
        self._report_next_end(recovery, partial(_settlement, recovery, is_news=is_news))

    def _report_next_end(
        self, recovery: Recovery, next_end: Callable[[Sequence[Mapping[str, Any]]], _End | None]
    ) -> None:
        """Report what follows the reported ends. Decide again if another invocation reports an end in the meantime."""
        series = ["ends", recovery.key]
        while end := next_end(ends := self._claims.results(series)):
            result = self._claims.once([*series, str(len(ends))], partial(self._report_end, end))
            if not isinstance(result, Claim):
                return

    def _report_end(self, end: _End) -> Mapping[str, Any]:
        if end.notice:
            self._report(end.notice, end.detail_type)
        return end.fact

    def at_risk(self, recovery: Recovery) -> bool:
        """Report that the objective is at risk or missed. Return whether more can be reported about it."""
        if recovery.rto is None or not recovery.is_running:
            return False
        result = recovery.rto.result
        if result in {"AT_RISK", "MISSED"} and not self._has_reported_for_job(recovery, _rto_label(result)):
            self._report(rto_notice(recovery, recovery.rto), AT_RISK)
        return result != "MISSED"

    def _has_reported_for_job(self, recovery: Recovery, label: str) -> bool:
        """Whether a fact was reported for one of its jobs, when it had no execution."""
        return any(self._claims.get([_notice_id(key, label), "notice"]) for key in recovery.job_keys)

    def slow(self, recovery: Recovery) -> bool:
        """Report the servers that became slow since the last report. Return False if the kind is not selected."""
        if not self._publisher.selects("slow"):
            return False
        slow = {server_id for server_id, server in recovery.estimate.servers.items() if server.is_slow}
        if not slow:
            return True
        series = ["slow", recovery.key]
        reports = self._claims.results(series)
        of_jobs = (servers for key in recovery.job_keys for servers in self._claims.results(["slow", key]))
        new = slow.difference(*reports, *of_jobs)

        def report() -> list[str]:
            self._report(slow_notice(recovery, new), None)
            return sorted(new)

        if new:
            self._claims.once([*series, str(len(reports))], report)
        return True

    def _report(self, notice: Notice, detail_type: str | None) -> None:
        """Publish a notice and put its event. If one of them fails, the other one is sent and not repeated later."""
        failure: Exception | None = None
        try:
            self._claims.once([notice.notice_id, "notice"], lambda: self._publisher.publish([notice]))
        except Exception as error:
            failure = error
        if detail_type:
            self._claims.once([notice.notice_id, "event"], lambda: self._publisher.put_event(detail_type, notice))
        if failure:
            raise failure


@dataclass(frozen=True, slots=True)
class _End:
    """What to report about the end of an execution, and what its claim contains. No notice: it is no news."""

    fact: Mapping[str, Any]
    notice: Notice | None
    detail_type: str


def _continuation(recovery: Recovery, ends: Sequence[Mapping[str, Any]]) -> _End | None:
    """Return the report that an execution continues. None if its end was not reported with fewer jobs."""
    if not ends or ends[-1]["state"] != _IS_SETTLED or not ends[-1]["isSent"]:
        return None
    new = sorted({job.job_id for job in recovery.jobs} - set(ends[-1]["jobs"]))
    if not new:
        return None
    fact = {"state": _IS_CONTINUED, "events": recovery.event_count, "outcome": None, "isSent": True}
    return _End(fact, continued_notice(recovery, new, ends[-1]["outcome"], len(ends)), CONTINUED)


def _settlement(recovery: Recovery, ends: Sequence[Mapping[str, Any]], *, is_news: bool) -> _End | None:
    """Return the report that an execution ended. None if this end was reported before, or a newer one."""
    outcome = recovery.progress.outcome or recovery.status
    jobs = [job.job_id for job in recovery.jobs]
    actions = [[server.source_server_id, len(server.failed_actions)] for server in recovery.servers]
    content = digest(to_json([outcome, sorted(recovery.states.items()), actions, sorted(jobs)]))
    # An index can lag: an older state of the execution has fewer events. After "continued", the same ones can state an
    # end.
    is_settled = bool(ends) and ends[-1]["state"] == _IS_SETTLED
    if ends and (ends[-1].get("digest") == content or recovery.event_count < ends[-1]["events"] + is_settled):
        return None
    fact = {
        "state": _IS_SETTLED,
        "events": recovery.event_count,
        "outcome": outcome,
        "digest": content,
        "jobs": jobs,
        "isSent": is_news,
    }
    previous = next((end["outcome"] for end in reversed(ends) if end["state"] == _IS_SETTLED), None)
    return _End(fact, settled_notice(recovery, outcome, previous, len(ends)) if is_news else None, SETTLED)


def started_notice(recovery: Recovery) -> Notice:
    """Return the notice that an execution started."""
    plan = recovery.progress.plan
    count = len(plan.servers) if plan else len(recovery.servers)
    servers = "1 server" if count == 1 else f"{count} servers"
    what = f"{recovery.name} started" + (f" with {servers}" if count else "")
    return _notice(recovery, "started", "started", what, recovery.started_at, None)


def continued_notice(recovery: Recovery, new: Sequence[str], previous: str | None, revision: int) -> Notice:
    """Return the notice that an execution continues with new jobs after its end was reported."""
    jobs = [job for job in recovery.jobs if job.job_id in new]
    what = f"Correction: {recovery.name} has not ended. {_jobs_text(new)} started after its end was reported"
    time = max(job.created_at or job.started_at for job in jobs)
    return _notice(
        recovery, "settled", "continued", what, time, None, previous=previous, revision=revision, subject=new
    )


def settled_notice(recovery: Recovery, outcome: str, previous: str | None, revision: int) -> Notice:
    """Return the notice that an execution ended. ``previous``: the outcome that was reported before."""
    what = f"{recovery.name} {_OUTCOMES.get(outcome, f'ended with the status {outcome}')}"
    if revision:
        what = f"Correction: {what}"
    time = recovery.ended_at or recovery.now
    named = [
        NoticeServer(
            id=server.source_server_id,
            name=server.server_name,
            state=_named_state(server),
            error=server.error,
            detail="; ".join(filter(None, (_failed_actions(server), _recovery_point(server, recovery.rpo)))) or None,
        )
        for server in recovery.servers
        if server.state in _NAMED_STATES or server.failed_actions or _recovery_point(server, recovery.rpo)
    ]
    named += [
        NoticeServer(id=resource.resource_id, type="Network", state=resource.state, error=resource.error)
        for job in recovery.jobs
        for resource in job.resources
        if resource.state in _NAMED_STATES
    ]
    label = "settled" if not revision else "settled (corrected)"
    return _notice(
        recovery,
        "settled",
        label,
        what,
        time,
        outcome,
        previous=previous,
        revision=revision,
        servers=named,
        subject=[digest(to_json(sorted(recovery.states.items())))],
    )


def rto_notice(recovery: Recovery, rto: Rto) -> Notice:
    """Return the notice that the objective of a running execution is at risk or missed."""
    is_missed = rto.result == "MISSED"
    verb = "exceeds" if is_missed else "is expected to exceed"
    active = [
        NoticeServer(id=server.source_server_id, name=server.server_name, state=server.state)
        for server in recovery.servers
        if server.state not in {"LAUNCHED", "SKIPPED"}
    ]
    return _notice(
        recovery,
        "at_risk",
        _rto_label(rto.result),
        f"{recovery.name} {verb} its recovery time objective of {rto.target_minutes} minutes",
        recovery.started_at + timedelta(minutes=rto.target_minutes) if is_missed else recovery.now,
        rto.result,
        servers=active,
    )


def slow_notice(recovery: Recovery, slow: set[str]) -> Notice:
    """Return the notice that servers take longer than in their earlier launches."""
    servers = [
        NoticeServer(id=server.source_server_id, name=server.server_name, state=server.state)
        for server in recovery.servers
        if server.source_server_id in slow
    ]
    count = len(servers)
    what = f"{recovery.name}: {count} server{'s take' if count != 1 else ' takes'} longer than in earlier launches"
    return _notice(recovery, "slow", "slow", what, recovery.now, None, servers=servers, subject=sorted(slow))


def _notice(  # noqa: PLR0917
    recovery: Recovery,
    kind: Kind,
    label: str,
    summary: str,
    time: datetime,
    outcome: str | None,
    *,
    previous: str | None = None,
    revision: int = 0,
    servers: Sequence[NoticeServer] = (),
    subject: Sequence[str] = (),
) -> Notice:
    """``subject``: what distinguishes the fact from others of the same label."""
    first = recovery.jobs[0]
    is_end = kind == "settled" and label != "continued"
    end = recovery.ended_at if is_end else recovery.now
    counts = Counter(SUMMARY_KEYS[state] for state in recovery.states.values())
    counts["totalServers"] = len(recovery.states)
    return Notice(
        kind=kind,
        label=label,
        summary=summary,
        time=time,
        notice_id=_notice_id(recovery.key, label, revision, *subject),
        execution_id=recovery.execution_id,
        job_id=None if recovery.execution_id else first.job_id,
        job_ids=[job.job_id for job in recovery.jobs],
        initiated_by=first.initiated_by,
        is_drill=first.is_drill,
        account=_common([job.account for job in recovery.jobs]),
        region=_common([job.region for job in recovery.jobs]),
        outcome=outcome,
        previous_outcome=previous,
        revision=revision,
        requested_by=next((job.requested_by for job in recovery.jobs if job.requested_by), None),
        counts=dict(counts),
        servers=servers,
        started_at=recovery.started_at,
        duration_seconds=(end - recovery.started_at).total_seconds() if end and kind != "started" else None,
        expected_end=None if is_end else recovery.estimate.expected_end,
        latest_end=None if is_end else recovery.estimate.latest_end,
        rto=recovery.rto,
        rpo=recovery.rpo if is_end else None,
    )


def _notice_id(key: str, label: str, revision: int = 0, *subject: str) -> str:
    return digest(to_json([key, label, revision, *subject]))


def _rto_label(result: str | None) -> str:
    return "objective missed" if result == "MISSED" else "objective at risk"


def _failed_actions(server: ServerProgress) -> str | None:
    names = ", ".join(action.name or "without a name" for action in server.failed_actions)
    return f"failed post-launch actions: {names}" if names else None


def _named_state(server: ServerProgress) -> str:
    """Return why a notice of the end names a server."""
    if server.state != "LAUNCHED":
        return server.state
    return "ACTION_FAILED" if server.failed_actions else "RPO_MISSED"


def _recovery_point(server: ServerProgress, rpo: Rpo | None) -> str | None:
    """Return how old the data of a launched server was, if it was older than the objective."""
    seconds = rpo_of_server(server)
    if server.state != "LAUNCHED" or rpo is None or seconds is None or not is_over(seconds, rpo.target_minutes):
        return None
    return f"recovery point {duration_words(seconds)} before the job"


def _jobs_text(job_ids: Sequence[str]) -> str:
    return f"Job {job_ids[0]}" if len(job_ids) == 1 else f"{len(job_ids)} jobs"


def _common(values: Sequence[str | None]) -> str | None:
    """Return the value that all jobs have. None if they have several."""
    found = {value for value in values if value}
    return found.pop() if len(found) == 1 else None


def _job_key(job_id: str) -> str:
    return f"job {job_id}"
