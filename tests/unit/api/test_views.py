"""The size of responses."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from drs_job_log.api import views
from drs_job_log.api.execution_log import EventLog
from drs_job_log.api.parameters import Query, parse_token
from drs_job_log.api.progress_entries import progress_entries
from drs_job_log.api.responses import log_response
from drs_job_log.api.views import ViewOptions, execution_view
from drs_job_log.link.status import Status
from drs_job_log.model.events import parse
from drs_job_log.model.json_text import to_json
from drs_job_log.model.known_errors import UNKNOWN_CAUSE, UNKNOWN_FIRST_STEP, WITHOUT_ERROR, hint_of
from drs_job_log.model.progress import FailedAction, JobProgress, Progress, ResourceProgress, ServerProgress
from hypothesis import given
from hypothesis import strategies as st

from tests.support import played, scripts
from tests.support.envelopes import dumps, job_log

if TYPE_CHECKING:
    from collections.abc import Iterable

    from drs_job_log.model.events import JobLogEvent

NOW = datetime.now(UTC)
OPTIONS = ViewOptions(now=NOW)
MAX_LAMBDA_RESPONSE = 6 * 1024 * 1024


def log_of(events: Iterable[JobLogEvent]) -> EventLog:
    """Return a log that was read in full."""
    log = EventLog(NOW)
    log.add(events)
    log.full_read_at = NOW
    return log


@pytest.mark.slow
def test_pages_fit_into_a_lambda_response_and_contain_each_event_once() -> None:
    """The longest error texts that DRS allows, with characters that JSON escapes twice."""
    servers = [scripts.server_id(number) for number in range(60)]
    script = scripts.launch(servers, failing=dict.fromkeys(servers, '"' * 65_536))
    events = played.events(script, "drsjob-1", created=NOW - timedelta(hours=1))
    log = log_of(events)

    seen: list[str] = []
    pages = 0
    query = Query(limit=1000)
    while True:
        response = log_response({}, execution_view("exec-1", Status("FAILED", True), log, query, OPTIONS))
        assert len(json.dumps(response)) < MAX_LAMBDA_RESPONSE
        body = json.loads(response["body"])
        seen += [entry["eventId"] for entry in body["logs"]]
        pages += 1
        if body["nextToken"] is None:
            break
        query = Query(limit=1000, after=parse_token(body["nextToken"], "exec-1"))

    assert len(seen) == len(set(seen)) == len(events)
    assert pages > 3
    assert {server["state"] for server in body["servers"]} == {"FAILED"}
    assert body["truncated"] is True
    assert all(len(server["error"]) < 65_536 for server in body["servers"])


@pytest.mark.slow
def test_the_progress_fits_into_a_lambda_response_and_keeps_each_text_in_part() -> None:
    """Long errors of servers, of their post-launch actions, and of networks, in the response with the largest page."""
    error = '"' * 65_536
    servers = [scripts.server_id(number) for number in range(200)]
    networks = [f"sn-{number:017x}" for number in range(20)]
    created = NOW - timedelta(hours=1)
    job = {
        "jobID": "drsjob-1",
        "type": "LAUNCH",
        "creationDateTime": created.isoformat(),
        "endDateTime": (created + timedelta(minutes=10)).isoformat(),
        "status": "COMPLETED",
        "participatingServers": [
            {
                "sourceServerID": server,
                "launchStatus": "LAUNCHED",
                "launchActionsStatus": {
                    "runs": [
                        {"status": "FAILED", "runId": f"run-{number}", "failureReason": "no agent " * 200}
                        for number in range(10)
                    ]
                },
            }
            for server in servers
        ],
        "participatingResources": [
            {"launchStatus": "FAILED", "participatingResourceID": {"sourceNetworkID": network}} for network in networks
        ],
    }
    items = [
        {
            "event": "NETWORK_RECOVERY_FAIL",
            "logDateTime": created.isoformat(),
            "eventData": {"eventResourceData": {"sourceNetworkData": {"sourceNetworkID": network}}, "rawError": error},
        }
        for network in networks
    ]
    log = log_of(played.events_of(job, items, now=NOW))

    response = log_response({}, execution_view("exec-1", Status("PARTIAL", True), log, Query(limit=1000), OPTIONS))

    assert len(json.dumps(response)) < MAX_LAMBDA_RESPONSE
    body = json.loads(response["body"])
    assert body["truncated"] is True
    actions = [action["error"] for server in body["servers"] for action in server["failedActions"]]
    assert len(actions) == 2000
    assert all(text.startswith("no agent") for text in actions)
    errors = [resource["error"] for resource in body["jobs"][0]["resources"]]
    assert len(errors) == 20
    assert all(0 < len(text) < len(error) for text in errors)
    assert error in {entry["error"] for entry in body["logs"]}


# ---------------------------------------------------------------------------------------------------------------------
# Lists
# ---------------------------------------------------------------------------------------------------------------------

STATES = ("PENDING", "SNAPSHOT", "CONVERSION", "LAUNCHING", "SKIPPED", "COMPLETED", "LAUNCHED", "FAILED", "TERMINATED")
MIN_PROGRESS_BYTES = views._MAX_BODY_BYTES - views._MAX_LOGS_BYTES

texts = st.builds(
    lambda text, count: text * count, st.sampled_from(["x", '"', "é", "\x01", "🚒"]), st.integers(0, 70_000)
)


def server(number: int, state: str, **more: Any) -> ServerProgress:
    facts: dict[str, Any] = dict.fromkeys(("server_name", "ec2_instance_id", "error", "stalled_at", "terminated_at"))
    facts |= {"source_server_id": scripts.server_id(number), "state": state, "job_id": "drsjob-1", "since": NOW}
    return ServerProgress(**facts | {"failed_actions": []} | more)


def job(number: int, status: str, resources: list[ResourceProgress] | None = None) -> JobProgress:
    facts: dict[str, Any] = dict.fromkeys(("job_type", "initiated_by", "outcome", "is_drill", "ended_at"))
    facts |= {"job_id": f"drsjob-{number:017x}", "status": status, "started_at": NOW, "resources": resources or []}
    return JobProgress(**facts)


def network(number: int, state: str, error: str | None = None) -> ResourceProgress:
    return ResourceProgress(resource_id=f"sn-{number:017x}", state=state, since=NOW, error=error)


@st.composite
def progresses(draw: st.DrawFn) -> Progress:
    """Draw a progress with up to 10,000 servers, jobs, failed actions and networks, and with texts of any size."""
    counts = st.one_of(st.integers(0, 5), st.integers(0, 10_000))
    error, states = draw(texts), draw(st.lists(st.sampled_from(STATES), min_size=1, max_size=9))
    actions = [FailedAction(name=error, error="failed")] * draw(counts)
    networks = [network(number, states[-1], error) for number in range(draw(counts))]
    return Progress(
        servers=[
            server(number, states[number % len(states)], error=error, failed_actions=[] if number else actions)
            for number in range(draw(counts))
        ],
        jobs=[job(number, "PARTIAL", [] if number else networks) for number in range(draw(counts))],
    )


@pytest.mark.slow
@given(progresses(), st.integers(MIN_PROGRESS_BYTES, views._MAX_BODY_BYTES))
def test_any_progress_is_within_the_limit(progress: Progress, max_bytes: int) -> None:
    entries = progress_entries(progress, max_bytes)

    # The lists have a comma or a bracket for each entry, and the names of the keys.
    assert len(to_json(entries)) <= max_bytes + 100
    complete = len(entries["servers"]) == len(progress.servers) and len(entries["jobs"]) == len(progress.jobs)
    assert complete or entries["truncated"]
    assert entries["servers"] or entries["jobs"] or not (progress.servers or progress.jobs)
    one = progress_entries(Progress([server(1, "FAILED")], [job(1, "FAILED")]), MIN_PROGRESS_BYTES)
    for name in ("servers", "jobs"):
        assert all(entry.keys() == one[name][0].keys() for entry in entries[name])


def test_the_largest_number_of_servers_within_the_limits_of_the_module_is_complete() -> None:
    """20 jobs with 200 servers each, in an answer with the largest page."""
    servers = [server(number, "LAUNCHED", server_name=f"server-{number}") for number in range(4000)]

    entries = progress_entries(
        Progress(servers, [job(number, "COMPLETED") for number in range(20)]), MIN_PROGRESS_BYTES
    )

    assert (len(entries["servers"]), len(entries["jobs"]), entries["truncated"]) == (4000, 20, False)


def test_a_large_answer_has_the_most_important_servers_and_jobs() -> None:
    """The lists keep their order."""
    servers = [server(number, "LAUNCHED") for number in range(20_000)]
    important = {
        3: server(3, "FAILED"),
        50: server(50, "LAUNCHED", failed_actions=[FailedAction(name="a", error="b")]),
        10_000: server(10_000, "CONVERSION", stalled_at=NOW),
        19_000: server(19_000, "PENDING"),
        19_999: server(19_999, "FAILED"),
    }
    for number, one in important.items():
        servers[number] = one
    statuses = {40_000: "FAILED", 49_000: "IN_PROGRESS", 49_999: "PARTIAL"}
    jobs = [job(number, statuses.get(number, "COMPLETED")) for number in range(30_000, 50_000)]

    entries = progress_entries(Progress(servers, jobs), MIN_PROGRESS_BYTES)

    shown = [entry["sourceServerId"] for entry in entries["servers"]]
    assert shown == sorted(shown)
    assert {scripts.server_id(number) for number in important} <= set(shown)
    ids = [entry["jobId"] for entry in entries["jobs"]]
    assert ids == sorted(ids)
    assert {f"drsjob-{number:017x}" for number in statuses} <= set(ids)
    assert entries["truncated"]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("error", [None, " ", "AccessDenied", "no rights"])
def test_each_failed_server_and_network_has_a_hint(state: str, error: str | None) -> None:
    progress = Progress([server(1, state, error=error)], [job(1, "PARTIAL", [network(1, state, error)])])

    entries = progress_entries(progress, MIN_PROGRESS_BYTES)

    hint = entries["servers"][0]["hint"]
    assert entries["jobs"][0]["resources"][0]["hint"] == hint
    if state != "FAILED":
        assert hint is None
    elif error == "no rights":
        assert hint == {"isKnown": False, "cause": UNKNOWN_CAUSE, "firstStep": UNKNOWN_FIRST_STEP, "source": None}
    else:
        known = hint_of(error) or WITHOUT_ERROR
        assert hint == {"isKnown": True, "cause": known.cause, "firstStep": known.first_step, "source": known.source}


def test_a_truncated_error_keeps_its_hint() -> None:
    """The code is in the part of the error that the answer does not have."""
    error = f"{'é' * 2000} Error Code: UnauthorizedOperation; {'é' * 10_000}"
    servers = [server(number, "FAILED", error=error) for number in range(200)]

    entries = progress_entries(Progress(servers, []), MIN_PROGRESS_BYTES)

    hint = hint_of("UnauthorizedOperation")
    assert hint
    assert entries["truncated"]
    assert len(entries["servers"]) == 200
    for entry in entries["servers"]:
        assert "Error Code" not in entry["error"]
        assert (entry["hint"]["cause"], entry["hint"]["source"]) == (hint.cause, hint.source)


@pytest.mark.parametrize(("states", "kept"), [(["FAILED"], "FAILED"), (["LAUNCHING"], "LAUNCHING"), ([], "LAUNCHED")])
def test_servers_precede_less_important_ones(states: list[str], kept: str) -> None:
    """Each state has enough servers to fill the answer."""
    servers = [server(number, state) for number, state in enumerate(["LAUNCHED", "SKIPPED", *states] * 10_000)]

    entries = progress_entries(Progress(servers, []), MIN_PROGRESS_BYTES)

    assert {entry["state"] for entry in entries["servers"]} <= ({kept} if states else {"LAUNCHED", "SKIPPED"})


@pytest.mark.slow
def test_the_lists_of_an_entry_keep_the_failed_parts() -> None:
    networks = [
        network(number, "FAILED" if number % 1000 == 999 else "LAUNCHED", "x" * 5000) for number in range(10_000)
    ]

    (entry,) = progress_entries(Progress([], [job(1, "PARTIAL", networks)]), MIN_PROGRESS_BYTES)["jobs"]

    assert len(entry["resources"]) == 100
    assert sum(resource["state"] == "FAILED" for resource in entry["resources"]) == 10
    ids = [resource["resourceId"] for resource in entry["resources"]]
    assert ids == sorted(ids)


@pytest.mark.slow
def test_an_answer_with_40618_servers_fits_and_its_summary_counts_all_of_them() -> None:
    """An earlier version stored such an event."""
    names = [scripts.server_id(number) for number in range(40_618)]
    start = {"jobID": "drsjob-1", "eventType": "JOB_START", "eventId": "1", "executionId": "exec-1"}
    event = parse(dumps(job_log(start)))
    log = log_of([replace(event, detail={**event.detail, "sourceServerIDs": names})])

    response = log_response({}, execution_view("exec-1", Status("IN_PROGRESS", False), log, Query(limit=1000), OPTIONS))

    assert len(json.dumps(response)) < MAX_LAMBDA_RESPONSE
    body = json.loads(response["body"])
    assert body["summary"]["totalServers"] == body["summary"]["pending"] == 40_618
    assert 4000 < len(body["servers"]) < 40_618
    assert body["truncated"] is True


def test_the_largest_event_fits_into_an_answer_with_the_largest_progress() -> None:
    """A row has at most 400 KB, and JSON has six characters for a control character."""
    event = {"jobID": "drsjob-1", "eventType": "LAUNCH_FAILED", "eventId": "1", "sourceServerID": "s-1"}
    log = log_of([parse(dumps(job_log(event | {"error": "\x01" * 400_000})))])
    assert log.progress
    log._progress = Progress([server(number, "FAILED", error='"' * 500) for number in range(10_000)], [])

    response = log_response({}, execution_view("exec-1", Status("FAILED", False), log, Query(), OPTIONS))

    assert len(json.dumps(response)) < MAX_LAMBDA_RESPONSE
    assert len(json.loads(response["body"])["logs"]) == 1
