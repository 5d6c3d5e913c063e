from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from drs_job_log.model.events import parse
from drs_job_log.model.progress import progress_of
from hypothesis import given
from hypothesis import strategies as st

from tests.support import scripts
from tests.support.drills import DRILLS
from tests.support.envelopes import dumps, job_log
from tests.support.played import START, events

if TYPE_CHECKING:
    from drs_job_log.model.events import JobLogEvent
    from drs_job_log.model.progress import Progress, ServerProgress

SERVERS = [scripts.server_id(number) for number in range(4)]
MINUTE = timedelta(minutes=1)

WAVES = [
    scripts.launch(SERVERS[:2]),
    scripts.launch(SERVERS[2:], failing={SERVERS[3]: "no rights"}),
    scripts.silent_failure(SERVERS[:1]),
    scripts.cancelled(SERVERS[1:2]),
    scripts.terminate(SERVERS[:2]),
    scripts.launch(SERVERS[:1], stuck=SERVERS[:1]),
]
EVERYTHING = [
    event
    for number, script in enumerate(WAVES)
    for event in events(script, f"drsjob-{number}", created=START + number * timedelta(hours=1))
]


def event(event_type: str, minute: float = 0, server: str | None = "s-1", job: str = "drsjob-1", **more: Any) -> Any:
    detail = {
        "jobID": job,
        "eventType": event_type,
        "eventId": f"{event_type} {server}",
        "logDateTime": (START + minute * MINUTE).isoformat(),
        "sourceServerID": server,
    }
    return parse(dumps(job_log(detail | more)))


def only_server(*of: JobLogEvent) -> ServerProgress:
    (server,) = progress_of(of).servers
    return server


def states(progress: Progress) -> dict[str, str]:
    return {server.source_server_id: server.state for server in progress.servers}


# ---------------------------------------------------------------------------------------------------------------------
# Properties of any events
# ---------------------------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from(EVERYTHING)), st.randoms())
def test_progress_does_not_depend_on_order_or_repeats(sample: list[JobLogEvent], random: Any) -> None:
    repeated = sample + random.choices(sample, k=len(sample)) if sample else []
    random.shuffle(repeated)

    assert progress_of(repeated) == progress_of(sample)


@given(st.lists(st.sampled_from(EVERYTHING)))
def test_the_counts_of_server_states_add_up(sample: list[JobLogEvent]) -> None:
    progress = progress_of(sample)

    total = progress.summary.pop("totalServers")
    assert total == len({server.source_server_id for server in progress.servers})
    assert sum(count for name, count in progress.summary.items() if name != "totalServers") == total
    assert {job.job_id for job in progress.jobs} == {one.job_id for one in sample}
    named = {one.source_server_id for one in sample if one.source_server_id}
    assert named <= {server.source_server_id for server in progress.servers}


@given(st.data())
def test_the_state_of_a_job_does_not_depend_on_other_jobs(data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(WAVES) - 1))
    others = data.draw(st.lists(st.sampled_from(EVERYTHING)))
    of_job = [one for one in EVERYTHING if one.job_id == f"drsjob-{number}"]

    (alone,) = progress_of(of_job).jobs

    assert alone in progress_of([*others, *of_job]).jobs


@given(st.lists(st.sampled_from(EVERYTHING), min_size=1), st.data())
def test_progress_of_two_jobs_is_the_sum_of_both(sample: list[JobLogEvent], data: st.DataObject) -> None:
    """Waves with different servers do not affect each other."""
    first = [one for one in sample if one.job_id == "drsjob-0"]
    second = [one for one in sample if one.job_id == "drsjob-1"]

    both = progress_of(data.draw(st.permutations(first + second)))

    assert list(both.servers) == sorted(
        [*progress_of(first).servers, *progress_of(second).servers], key=lambda server: server.source_server_id
    )
    assert {job.job_id: job for job in both.jobs} == {
        job.job_id: job for part in (first, second) for job in progress_of(part).jobs
    }


# ---------------------------------------------------------------------------------------------------------------------
# Servers
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event_type", "state"),
    [
        ("CLEANUP_START", "PENDING"),
        ("SNAPSHOT_START", "SNAPSHOT"),
        ("SNAPSHOT_END", "SNAPSHOT"),
        ("USING_PREVIOUS_SNAPSHOT", "SNAPSHOT"),
        ("CONVERSION_START", "CONVERSION"),
        ("CONVERSION_IN_PROGRESS", "CONVERSION"),
        ("CONVERSION_END", "CONVERSION"),
        ("LAUNCH_START", "LAUNCHING"),
        ("LAUNCH_END", "LAUNCHED"),
        ("SNAPSHOT_FAIL", "FAILED"),
        ("CONVERSION_FAIL", "FAILED"),
        ("LAUNCH_FAILED", "FAILED"),
        ("SERVER_SKIPPED", "SKIPPED"),
        ("SOMETHING_NEW", "PENDING"),
    ],
)
def test_the_newest_event_sets_the_state_of_a_server(event_type: str, state: str) -> None:
    assert only_server(event(event_type)).state == state


def test_the_more_final_state_applies_at_equal_times() -> None:
    assert only_server(event("LAUNCH_END"), event("LAUNCH_FAILED"), event("LAUNCH_START")).state == "FAILED"
    assert only_server(event("LAUNCH_END"), event("LAUNCH_START")).state == "LAUNCHED"


def test_a_later_event_applies_even_if_it_is_less_final() -> None:
    server = only_server(event("SNAPSHOT_FAIL", 1, error="no space"), event("USING_PREVIOUS_SNAPSHOT", 2))

    assert (server.state, server.since, server.error) == ("SNAPSHOT", START + 2 * MINUTE, None)


def test_a_failure_has_its_first_time_and_the_error_of_any_event() -> None:
    failed = event("LAUNCH_FAILED", 5, error="no rights")
    launch_result = event("SERVER_LAUNCH_FAILED", 5.1)

    server = only_server(event("LAUNCH_START", 1), failed, launch_result)

    assert (server.state, server.since, server.error) == ("FAILED", START + 5 * MINUTE, "no rights")
    assert only_server(failed, event("LAUNCH_FAILED", 6, error="no rights at all")).error == "no rights at all"


def test_servers_of_a_job_are_pending_before_their_first_event() -> None:
    progress = progress_of([event("JOB_START", server=None, sourceServerIDs=["s-1", "s-2"]), event("LAUNCH_END", 1)])

    assert states(progress) == {"s-1": "LAUNCHED", "s-2": "PENDING"}
    assert progress.summary == {
        "totalServers": 2,
        "pending": 1,
        "converting": 0,
        "launching": 0,
        "skipped": 0,
        "launched": 1,
        "failed": 0,
        "terminated": 0,
    }


def test_the_newest_name_and_instance_of_a_server_apply() -> None:
    server = only_server(
        event("LAUNCH_END", 3, ec2InstanceID="i-2"),
        event("LAUNCH_START", 2, sourceServerName="prod-web-01", ec2InstanceID="i-1"),
        event("CONVERSION_END", 1, sourceServerName="web-01"),
    )

    assert (server.server_name, server.ec2_instance_id) == ("prod-web-01", "i-2")


def test_the_final_launch_status_applies_if_the_event_is_missing() -> None:
    end = event(
        "JOB_END",
        9,
        None,
        jobType="LAUNCH",
        participatingServers=[
            {"sourceServerID": "s-1", "launchStatus": "LAUNCHED", "recoveryInstanceID": "i-1"},
            {"sourceServerID": "s-2", "launchStatus": "FAILED"},
            {"sourceServerID": "s-3", "launchStatus": "PENDING"},
            {"sourceServerID": "s-4", "launchStatus": "TERMINATED"},
        ],
    )
    progress = progress_of([end, event("LAUNCH_END", 5, "s-4")])

    assert states(progress) == {"s-1": "LAUNCHED", "s-2": "FAILED", "s-3": "PENDING", "s-4": "LAUNCHED"}
    assert progress.servers[0].ec2_instance_id == "i-1"


def test_a_later_wave_can_recover_a_failed_server() -> None:
    first = events(scripts.launch(SERVERS[:1], failing={SERVERS[0]: "no rights"}), "drsjob-1")
    repeated = events(scripts.launch(SERVERS[:1]), "drsjob-2", created=START + timedelta(hours=1))

    assert [(s.state, s.job_id) for s in progress_of(first + repeated[:1]).servers] == [("PENDING", "drsjob-2")]
    assert [(s.state, s.error) for s in progress_of(first + repeated).servers] == [("LAUNCHED", None)]


def test_a_server_is_launched_until_it_is_terminated() -> None:
    launched = events(scripts.launch(SERVERS[:1]), "drsjob-1")
    terminated = events(scripts.terminate(SERVERS[:1]), "drsjob-2", created=START + timedelta(hours=1))

    assert [server.state for server in progress_of(launched + terminated[:-1]).servers] == ["LAUNCHED"]
    assert [server.state for server in progress_of(launched + terminated).servers] == ["TERMINATED"]


@pytest.mark.parametrize(
    "invalid", [{"sourceServerIDs": "s-1"}, {"sourceServerIDs": [1]}, {"jobType": []}, {"isDrill": []}, {"outcome": {}}]
)
@pytest.mark.parametrize("event_type", ["JOB_START", "JOB_END"])
def test_invalid_details_are_ignored(event_type: str, invalid: dict[str, Any]) -> None:
    assert progress_of([event(event_type, server=None, participatingServers=["s-1", {}], **invalid)]).servers == []


# ---------------------------------------------------------------------------------------------------------------------
# Jobs and executions
# ---------------------------------------------------------------------------------------------------------------------


def test_progress_without_events_is_empty() -> None:
    progress = progress_of([])

    assert (progress.status, progress.has_ended, progress.is_idle(START)) == ("NO_EVENTS", False, False)


@pytest.mark.parametrize(
    ("script", "status", "outcome", "state"),
    [
        (WAVES[0], "COMPLETED", "COMPLETED", {"LAUNCHED"}),
        (WAVES[1], "PARTIAL", "PARTIAL", {"LAUNCHED", "FAILED"}),
        (WAVES[2], "FAILED", "FAILED", {"FAILED"}),
        (WAVES[3], "TERMINATED", "FAILED", {"TERMINATED"}),
        (WAVES[4], "COMPLETED", "COMPLETED", {"TERMINATED"}),
        (WAVES[5], "IN_PROGRESS", None, {"CONVERSION"}),
    ],
)
def test_the_status_of_a_job_is_derived_from_its_servers(
    script: scripts.Script, status: str, outcome: str | None, state: set[str]
) -> None:
    progress = progress_of(events(script, "drsjob-1"))

    (job,) = progress.jobs
    assert (job.status, job.outcome, progress.status) == (status, outcome, status)
    assert set(states(progress).values()) == state
    assert progress.has_ended is (outcome is not None)


@pytest.mark.parametrize(
    ("end", "servers", "job_type", "status"),
    [
        ("JOB_COMPLETED", [], None, "COMPLETED"),
        ("JOB_COMPLETED", ["LAUNCH_END", "LAUNCH_END"], None, "COMPLETED"),
        ("JOB_COMPLETED", ["LAUNCH_END", "LAUNCH_START"], None, "PARTIAL"),
        ("JOB_COMPLETED", ["LAUNCH_FAILED", "SERVER_SKIPPED"], "LAUNCH", "FAILED"),
        ("JOB_FAILED", ["LAUNCH_END"], None, "FAILED"),
        ("JOB_COMPLETED", ["SNAPSHOT_END", "CONVERSION_FAIL"], "CREATE_CONVERTED_SNAPSHOT", "PARTIAL"),
        ("JOB_COMPLETED", ["SNAPSHOT_END"], "CREATE_CONVERTED_SNAPSHOT", "COMPLETED"),
        ("JOB_COMPLETED", ["CLEANUP_END"], "TERMINATE", "FAILED"),
    ],
)
def test_the_status_is_derived_from_the_servers_if_the_end_has_no_outcome(
    end: str, servers: list[str], job_type: str | None, status: str
) -> None:
    logged = [event(name, 1, f"s-{number}") for number, name in enumerate(servers)]

    (job,) = progress_of([*logged, event(end, 2, None, jobType=job_type)]).jobs

    assert job.status == status


def test_a_server_stays_terminated_if_events_follow_the_cancellation() -> None:
    end = event("JOB_END", 3, None, outcome="FAILED")
    progress = progress_of(
        [event("CONVERSION_START", 1), event("JOB_CANCEL", 2, None), event("CONVERSION_END", 2.01), end]
    )

    assert (progress.status, states(progress)) == ("TERMINATED", {"s-1": "TERMINATED"})


def test_a_cancellation_does_not_change_launched_servers() -> None:
    progress = progress_of([event("LAUNCH_END", 1), event("JOB_CANCEL", 2, None)])

    assert states(progress) == {"s-1": "LAUNCHED"}


def test_a_cancelled_termination_terminates_nothing() -> None:
    job: dict[str, Any] = {"job": "drsjob-2", "jobType": "TERMINATE"}
    start = event("JOB_START", 2, None, sourceServerIDs=["s-1"], **job)

    progress = progress_of([event("LAUNCH_END", 1), start, event("JOB_CANCEL", 3, None, **job)])

    assert states(progress) == {"s-1": "LAUNCHED"}


def test_start_and_cancellation_enclose_other_events_of_the_same_time() -> None:
    start = event("JOB_START", 1, None, sourceServerIDs=["s-1", "s-2"], eventId="z")
    launched = event("LAUNCH_END", 1, eventId="m")
    cancel = event("JOB_CANCEL", 1, None, eventId="a")

    assert states(progress_of([cancel, launched, start])) == {"s-1": "LAUNCHED", "s-2": "TERMINATED"}


def test_the_job_with_the_newest_event_sets_the_state_of_a_server() -> None:
    earlier = [event("JOB_START", 0, None, job="drsjob-1"), event("LAUNCH_END", 9, job="drsjob-1")]
    later = [event("JOB_START", 1, None, job="drsjob-2"), event("SNAPSHOT_START", 2, job="drsjob-2")]

    assert only_server(*earlier, *later).job_id == "drsjob-1"


def test_jobs_are_sorted_by_start() -> None:
    progress = progress_of([event("JOB_START", 2, None, job="drsjob-a"), event("JOB_START", 1, None, job="drsjob-b")])

    assert [job.job_id for job in progress.jobs] == ["drsjob-b", "drsjob-a"]


def test_the_instance_is_known_after_its_termination() -> None:
    launched = events(scripts.launch(SERVERS[:1]), "drsjob-1")
    terminated = events(scripts.terminate(SERVERS[:1]), "drsjob-2", created=START + timedelta(hours=1))

    server = only_server(*launched, *terminated)

    assert (server.state, server.ec2_instance_id) == ("TERMINATED", scripts.instance_id(SERVERS[0]))


def test_a_cancelled_job_stays_terminated_if_its_end_follows() -> None:
    cancel = event("JOB_CANCEL", 1, None)
    end = event("JOB_END", 2, None, outcome="FAILED")

    (cancelled,) = progress_of([cancel]).jobs
    assert (cancelled.status, cancelled.outcome, cancelled.ended_at) == ("TERMINATED", None, START + MINUTE)
    (ended,) = progress_of([end, cancel]).jobs
    assert (ended.status, ended.outcome, ended.ended_at) == ("TERMINATED", "FAILED", START + 2 * MINUTE)


@pytest.mark.parametrize(
    ("waves", "status"),
    [
        ([WAVES[0], WAVES[0]], "COMPLETED"),
        ([WAVES[0], WAVES[1]], "PARTIAL"),
        ([WAVES[0], WAVES[2]], "PARTIAL"),
        ([WAVES[2], WAVES[2]], "FAILED"),
        ([WAVES[3], WAVES[3]], "TERMINATED"),
        ([WAVES[0], WAVES[5]], "IN_PROGRESS"),
    ],
)
def test_the_status_of_an_execution_is_derived_from_its_jobs(waves: list[scripts.Script], status: str) -> None:
    both = [one for number, wave in enumerate(waves) for one in events(wave, f"drsjob-{number}")]

    assert progress_of(both).status == status


def test_an_execution_is_idle_fifteen_minutes_after_its_last_job() -> None:
    progress = progress_of([event("JOB_END", 0, None, "drsjob-1"), event("JOB_END", 5, None, "drsjob-2")])

    assert not progress.is_idle(START + 19.9 * MINUTE)
    assert progress.is_idle(START + 20 * MINUTE)
    assert not progress_of([event("JOB_END", 0, None), event("JOB_START", 1, None, "drsjob-2")]).is_idle(
        START + 99 * MINUTE
    )


@pytest.mark.parametrize("number", [0, 1])
def test_progress_of_the_real_drills_matches_the_launch_status_of_drs(number: int) -> None:
    reported = json.loads(DRILLS.read_text())["drills"][number]["job"]

    progress = progress_of(events(scripts.drill(number), reported["jobID"]))

    assert states(progress) == {
        server["sourceServerID"]: server["launchStatus"] for server in reported["participatingServers"]
    }
    (job,) = progress.jobs
    assert (job.status, job.is_drill) == ("COMPLETED", True)
    assert all(server.ec2_instance_id for server in progress.servers)
