"""Notices for the tests, and the messages in docs/notifications.md.

``python -m tests.support.notices`` writes the messages of the demo's two waves into the page.
"""

from __future__ import annotations

import json
import textwrap
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from drs_job_log.config import NotificationSettings
from drs_job_log.model.estimate import ExecutionEstimate
from drs_job_log.model.events import JOB_ENDS, parse
from drs_job_log.model.progress import job_state_of, progress_of
from drs_job_log.model.rpo import Rpo, rpo_of_progress
from drs_job_log.model.rto import Rto, rto_of_progress
from drs_job_log.model.summary import summary_of
from drs_job_log.notify.event_notices import notice_of_end, notice_of_report
from drs_job_log.notify.executions import Recovery, settled_notice, started_notice
from drs_job_log.notify.message import to_publish
from drs_job_log.notify.notice import KINDS, Notice, NoticeServer
from drs_job_log.notify.texts import one_line
from hypothesis import strategies as st

from tests.support import played
from tests.support.demo import EXECUTION, NAMES, SCRIPTS
from tests.support.envelopes import dumps, job_log
from tests.support.terraform import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drs_job_log.model.events import JobLogEvent

PAGE: Final = ROOT / "docs/notifications.md"
SCHEMA: Final = ROOT / "docs/notification.schema.json"
CHAT_SCHEMA: Final = ROOT / "tests/data/amazon_q_custom_notification.schema.json"

SETTINGS: Final = NotificationSettings(
    name="drs-job-log",
    table_name="drs-job-log-notices",
    topic_arn="arn:aws:sns:eu-west-1:111122223333:drs-job-log-failures",
    kinds=frozenset(KINDS),
    queue_url="https://sqs.eu-west-1.amazonaws.com/111122223333/drs-job-log-ingest",
    event_bus_name="default",
    event_source="drs.job-log",
    viewer_url="https://recovery.example.com",
    runbook_url="docs/runbooks/server-failed.md",
)
ERROR: Final = "An error occurred (UnauthorizedOperation) when calling the DeleteVolume operation"
TIME: Final = datetime(2025, 11, 28, 20, 51, 30, tzinfo=UTC)

_JOBS: Final = ("drsjob-1111111111111111a", "drsjob-2222222222222222b")
_REQUESTED_BY: Final = "arn:aws:sts::111122223333:assumed-role/RecoveryOperator/jane"
# Wave 2 starts after the orchestrator has started wave 1.
_WAVE_DELAY: Final = timedelta(seconds=5)

# Of the two servers of each wave, after the creation of the job. The objective is 15 minutes.
_RECOVERY_POINTS: Final = (timedelta(minutes=-7), timedelta(minutes=-22))

_SERVERS: Final = (
    NoticeServer(id="s-1111111111111111a", name="prod-web-01", state="FAILED", error="InsufficientInstanceCapacity"),
    NoticeServer(id="s-2222222222222222b", name="prod-web-02", state="FAILED", error="InsufficientInstanceCapacity"),
    NoticeServer(id="s-3333333333333333c", name="prod-db-01", state="SKIPPED"),
    NoticeServer(id="s-4444444444444444d", name="prod-db-02", state="ACTION_FAILED", detail="validate"),
)
_EXECUTION: Final[dict[str, Any]] = {
    "execution_id": "exec-1",
    "job_ids": _JOBS,
    "initiated_by": "START_DRILL",
    "is_drill": True,
    "account": "111122223333",
    "region": "eu-west-1",
    "requested_by": _REQUESTED_BY,
}
_EVENT: Final[dict[str, Any]] = {
    "execution_id": "exec-1",
    "job_id": _JOBS[0],
    "initiated_by": "START_DRILL",
    "is_drill": True,
    "account": "111122223333",
    "region": "eu-west-1",
    "event_type": "SERVER_LAUNCH_FAILED",
    "event_id": "e-1",
    "source": "drs.job-log",
    "servers": [replace(_SERVERS[0], state=None, error=None)],
}
_ENDED: Final[dict[str, Any]] = {
    "outcome": "PARTIAL",
    "counts": {"totalServers": 20, "launched": 18, "failed": 2, "skipped": 0},
    "servers": _SERVERS,
    "started_at": TIME - timedelta(minutes=43, seconds=20),
    "duration_seconds": 2600.0,
}
_RTO: Final = Rto(target_minutes=60, actual_seconds=2580.5, result="MET")
_RPO: Final = Rpo(target_minutes=15, seconds=1320.5, result="MISSED", servers_over=2)

# A notice of each kind with the values that the kind has.
_KINDS: Final[dict[str, dict[str, Any]]] = {
    "started": _EXECUTION | {"label": "started", "counts": {"totalServers": 20, "pending": 20}, "started_at": TIME},
    "job_ended": _EVENT | _ENDED | {"label": "job ended", "event_type": "JOB_COMPLETED"},
    "settled": _EXECUTION
    | _ENDED
    | {"label": "settled", "rto": _RTO, "rpo": _RPO, "previous_outcome": "COMPLETED", "revision": 1},
    "failed": _EVENT | {"label": "failed (final)", "error": "first line\nsecond line", "is_error_expected": True},
    "resolved": _EVENT | {"label": "resolved", "event_type": "SERVER_LAUNCHED"},
    "stalled": _EVENT | {"label": "stalled", "event_type": "SERVER_STALLED"},
    "slow": _EVENT | {"label": "slow"},
    "at_risk": _EXECUTION
    | {
        "label": "at risk",
        "outcome": "AT_RISK",
        "expected_end": TIME + timedelta(minutes=30),
        "latest_end": TIME + timedelta(minutes=44),
        "rto": Rto(target_minutes=60, actual_seconds=None, result="AT_RISK"),
    },
    "action_failed": _EVENT | {"label": "post-launch action failed", "error": "service not found"},
    "plan_failed": _EXECUTION
    | {"label": "recovery plan step failed", "job_ids": (), "event_type": "PLAN_STEP_FAILED", "error": "no capacity"},
    "drill_instances": _EVENT | {"label": "drill instances left", "event_type": "DRILL_INSTANCES_LEFT"},
    "replication_stalled": {
        "label": "replication stalled",
        "account": "111122223333",
        "region": "eu-west-1",
        "servers": [_SERVERS[0]],
    },
    "not_drilled": {
        "label": "not drilled",
        "account": "111122223333",
        "region": "eu-west-1",
        "servers": [replace(one, detail="no successful drill", state=None, error=None) for one in _SERVERS],
    },
}


def notice_of(kind: str, **changes: Any) -> Notice:
    """Return a notice of a kind, with changed values."""
    values = {"kind": kind, "summary": f"A notice of the kind {kind}", "time": TIME, "notice_id": f"{kind}-1"}
    return Notice(**(values | _KINDS[kind] | changes))


def failure(**changes: Any) -> JobLogEvent:
    """Return the event of a server that failed to launch a minute ago, with a changed detail."""
    detail = {
        "jobID": "drsjob-1",
        "eventType": "LAUNCH_FAILED",
        "eventId": "e-1",
        "logDateTime": (datetime.now(UTC) - timedelta(minutes=1)).isoformat(),
        "executionId": "exec/1",
        "sourceServerID": "s-1",
        "sourceServerName": "prod-web-01",
        "isDrill": True,
        "message": "Server prod-web-01 failed to launch",
        "error": ERROR,
        "account": "111122223333",
        "region": "eu-west-1",
    }
    return parse(dumps(job_log(detail | changes)))


_ANY_TEXT: Final = st.text(st.characters(exclude_categories=()))


@st.composite
def hostile_notices(draw: st.DrawFn) -> list[Notice]:
    """Draw one to three notices with any texts: also lone surrogates, control characters and formats of a chat."""
    texts = _ANY_TEXT | st.sampled_from(["<!channel>", "*a*", "\ud800", "\uffff", "\n\n", "&<>" * 900, "e" * 2100])
    maybe = st.none() | texts
    names = ("execution_id", "job_id", "initiated_by", "account", "region", "event_type", "event_id", "source")
    names += ("outcome", "previous_outcome", "requested_by", "error")
    server = st.builds(NoticeServer, id=maybe, name=maybe, state=maybe, error=maybe, detail=maybe)
    notice = st.builds(
        notice_of,
        st.sampled_from(KINDS),
        label=st.just("failed") | texts.filter(lambda text: one_line(text) != ""),
        summary=texts,
        notice_id=texts,
        job_ids=st.lists(texts, max_size=2),
        is_drill=st.none() | st.booleans(),
        servers=st.lists(server, max_size=3),
        **dict.fromkeys(names, maybe),
    )
    return draw(st.lists(notice, min_size=1, max_size=3))


def part(message: dict[str, Any], protocol: str) -> Any:
    """Return what the subscribers of a protocol get: a text, or the value of the JSON text."""
    parts = json.loads(message["Message"])
    assert all(isinstance(text, str) for text in parts.values())
    text = parts.get(protocol, parts["default"])
    return text if protocol in {"email", "sms"} else json.loads(text)


# ---------------------------------------------------------------------------------------------------------------------
# The demo
# ---------------------------------------------------------------------------------------------------------------------


def demo_notices() -> list[Notice]:
    """Return the notices of the demo's two waves, in the order in which they become true."""
    waves = [
        _named(
            played.events(
                replace(script, recovery_points=dict(zip(script.servers, _RECOVERY_POINTS, strict=True))),
                job_id,
                created=played.START + place * _WAVE_DELAY,
                execution_id=EXECUTION,
            )
        )
        for place, (script, job_id) in enumerate(zip(SCRIPTS, _JOBS, strict=True))
    ]
    everything = [event for wave in waves for event in wave]
    failures = [notice_of_report(event, "failed") for event in everything if event.event_type == "SERVER_LAUNCH_FAILED"]
    ends = [notice_of_end(event) for event in everything if event.event_type in JOB_ENDS]
    started = started_notice(_recovery([event for event in waves[0] if event.event_type == "JOB_STARTED"]))
    whole = _recovery(everything)
    settled = settled_notice(whole, whole.status, None, 0)
    return sorted([started, *failures, *ends, settled], key=lambda notice: notice.time)


def _named(events: Sequence[JobLogEvent]) -> list[JobLogEvent]:
    """Return events as the collector sends them, with the names of the servers and the account."""
    account = {"account": "111122223333", "region": "eu-west-1"}
    named = []
    for event in events:
        id_ = event.source_server_id
        name = NAMES[id_] if id_ else None
        message = event.message.replace(id_, name) if event.message and id_ and name else event.message
        detail = {**event.detail, **account}
        if "participatingServers" in detail:
            detail["participatingServers"] = [
                server | {"sourceServerName": NAMES[server["sourceServerID"]]}
                for server in detail["participatingServers"]
            ]
        named.append(replace(event, source_server_name=name, message=message, detail=detail))
    return named


def _recovery(events: Sequence[JobLogEvent]) -> Recovery:
    """Return the demo's execution after these events, with an objective of an hour."""
    progress = progress_of(events)
    jobs = [replace(job, requested_by=_REQUESTED_BY) for job in progress.jobs]
    states = (job_state_of(job.job_id, [one for one in events if one.job_id == job.job_id]) for job in jobs)
    now = max(event.timestamp for event in events)
    is_running = progress.status == "IN_PROGRESS"
    summaries = [summary_of(state, EXECUTION) for state in states]
    return Recovery(
        execution_id=EXECUTION,
        progress=progress,
        jobs=jobs,
        event_count=len(events),
        status=progress.status,
        is_settled=not is_running,
        estimate=ExecutionEstimate(),
        rto=rto_of_progress(progress, summaries, 60, now, None, is_running=is_running),
        rpo=rpo_of_progress(progress, summaries, 15, is_running=is_running),
        now=now,
    )


# ---------------------------------------------------------------------------------------------------------------------
# The page
# ---------------------------------------------------------------------------------------------------------------------


def updated(text: str) -> str:
    """Return the page with the generated messages between its markers."""
    notices = demo_notices()
    messages = [to_publish([notice], SETTINGS, notice.time) for notice in notices]
    failed = next(message for message, notice in zip(messages, notices, strict=True) if notice.kind == "failed")
    thread = "\n\n".join(_chat(part(message, "https")) for message in messages)
    for name, generated in (
        ("email", "\n\n".join(_email(message) for message in messages)),
        ("chat", _block("text", f"Thread: {part(messages[0], 'https')['metadata']['summary']}\n\n{thread}")),
        ("chat-json", _block("json", json.dumps(part(failed, "https"), indent=2, ensure_ascii=False))),
        ("document", _block("json", json.dumps(part(messages[-1], "sqs"), indent=2, ensure_ascii=False))),
    ):
        start, end = f"<!-- BEGIN GENERATED {name} -->", f"<!-- END GENERATED {name} -->"
        before, found, rest = text.partition(f"{start}\n")
        assert found, f"the page has no marker {start}"
        _, found, after = rest.partition(end)
        assert found, f"the page has no marker {end}"
        text = f"{before}{start}\n{generated}\n{end}{after}"
    return text


def _block(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```"


def _email(message: dict[str, Any]) -> str:
    return _block("text", f"Subject: {message['Subject']}\n\n{part(message, 'email')}")


def _chat(notification: dict[str, Any]) -> str:
    """Return a custom notification as a chat client shows it: title, description, steps, keywords."""
    content = notification["content"]
    steps = [f"  - {step}" for step in content["nextSteps"]]
    description = content["description"].replace("*", "").splitlines()
    lines = [content["title"], "", *description, *(["Next steps:", *steps] if steps else [])]
    return textwrap.indent("\n".join([*lines, f"[{'] ['.join(content['keywords'])}]"]), "  ")


def main() -> None:
    """Write the generated messages into the page."""
    PAGE.write_text(updated(PAGE.read_text()))


if __name__ == "__main__":
    main()
