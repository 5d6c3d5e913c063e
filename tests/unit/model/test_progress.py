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
# Any events
# ---------------------------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from(EVERYTHING)), st.randoms())
def test_order_and_repeats_change_nothing(some: list[JobLogEvent], random: Any) -> None:
    again = some + random.choices(some, k=len(some)) if some else []
    random.shuffle(again)

    assert progress_of(again) == progress_of(some)


@given(st.lists(st.sampled_from(EVERYTHING)))
def test_counts_add_up(some: list[JobLogEvent]) -> None:
    progress = progress_of(some)

    total = progress.summary.pop("totalServers")
    assert total == len({server.source_server_id for server in progress.servers})
    assert sum(count for name, count in progress.summary.items() if name != "totalServers") == total
    assert {job.job_id for job in progress.jobs} == {one.job_id for one in some}
    named = {one.source_server_id for one in some if one.source_server_id}
    assert named <= {server.source_server_id for server in progress.servers}


@given(st.data())
def test_a_job_is_told_alike_whatever_other_jobs_there_are(data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(WAVES) - 1))
    others = data.draw(st.lists(st.sampled_from(EVERYTHING)))
    of_job = [one for one in EVERYTHING if one.job_id == f"drsjob-{number}"]

    (alone,) = progress_of(of_job).jobs

    assert alone in progress_of([*others, *of_job]).jobs


@given(st.lists(st.sampled_from(EVERYTHING), min_size=1), st.data())
def test_a_split_over_two_jobs_of_different_servers_is_the_sum_of_both(
    some: list[JobLogEvent], data: st.DataObject
) -> None:
    """Waves of other servers do not touch each other."""
    first = [one for one in some if one.job_id == "drsjob-0"]
    second = [one for one in some if one.job_id == "drsjob-1"]

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
def test_the_newest_event_tells_the_state(event_type: str, state: str) -> None:
    assert only_server(event(event_type)).state == state


def test_at_equal_times_the_more_final_state_counts() -> None:
    assert only_server(event("LAUNCH_END"), event("LAUNCH_FAILED"), event("LAUNCH_START")).state == "FAILED"
    assert only_server(event("LAUNCH_END"), event("LAUNCH_START")).state == "LAUNCHED"


def test_what_comes_later_counts_though_it_is_less_final() -> None:
    server = only_server(event("SNAPSHOT_FAIL", 1, error="no space"), event("USING_PREVIOUS_SNAPSHOT", 2))

    assert (server.state, server.since, server.error) == ("SNAPSHOT", START + 2 * MINUTE, None)


def test_a_failure_is_since_it_was_first_told_with_the_error_that_any_source_told() -> None:
    failed = event("LAUNCH_FAILED", 5, error="no rights")
    launch_result = event("SERVER_LAUNCH_FAILED", 5.1)

    server = only_server(event("LAUNCH_START", 1), failed, launch_result)

    assert (server.state, server.since, server.error) == ("FAILED", START + 5 * MINUTE, "no rights")
    assert only_server(failed, event("LAUNCH_FAILED", 6, error="no rights at all")).error == "no rights at all"


def test_servers_of_the_job_are_there_before_anything_happens_to_them() -> None:
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


def test_names_and_instances_are_the_newest_that_are_known() -> None:
    server = only_server(
        event("LAUNCH_END", 3, ec2InstanceID="i-2"),
        event("LAUNCH_START", 2, sourceServerName="prod-web-01", ec2InstanceID="i-1"),
        event("CONVERSION_END", 1, sourceServerName="web-01"),
    )

    assert (server.server_name, server.ec2_instance_id) == ("prod-web-01", "i-2")


def test_what_drs_says_at_the_end_counts_where_its_event_is_missing() -> None:
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


def test_a_server_is_tried_again_in_a_later_wave() -> None:
    first = events(scripts.launch(SERVERS[:1], failing={SERVERS[0]: "no rights"}), "drsjob-1")
    again = events(scripts.launch(SERVERS[:1]), "drsjob-2", created=START + timedelta(hours=1))

    assert [(s.state, s.job_id) for s in progress_of(first + again[:1]).servers] == [("PENDING", "drsjob-2")]
    assert [(s.state, s.error) for s in progress_of(first + again).servers] == [("LAUNCHED", None)]


def test_a_server_is_launched_until_it_is_terminated() -> None:
    launched = events(scripts.launch(SERVERS[:1]), "drsjob-1")
    terminated = events(scripts.terminate(SERVERS[:1]), "drsjob-2", created=START + timedelta(hours=1))

    assert [server.state for server in progress_of(launched + terminated[:-1]).servers] == ["LAUNCHED"]
    assert [server.state for server in progress_of(launched + terminated).servers] == ["TERMINATED"]


@pytest.mark.parametrize(
    "odd", [{"sourceServerIDs": "s-1"}, {"sourceServerIDs": [1]}, {"jobType": []}, {"isDrill": []}, {"outcome": {}}]
)
@pytest.mark.parametrize("event_type", ["JOB_START", "JOB_END"])
def test_details_of_strangers_harm_nothing(event_type: str, odd: dict[str, Any]) -> None:
    assert progress_of([event(event_type, server=None, participatingServers=["s-1", {}], **odd)]).servers == []


# ---------------------------------------------------------------------------------------------------------------------
# Jobs and executions
# ---------------------------------------------------------------------------------------------------------------------


def test_without_events_there_is_nothing() -> None:
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
def test_a_job_is_what_its_servers_came_to(
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
def test_an_end_without_an_outcome_is_what_the_servers_are(
    end: str, servers: list[str], job_type: str | None, status: str
) -> None:
    told = [event(name, 1, f"s-{number}") for number, name in enumerate(servers)]

    (job,) = progress_of([*told, event(end, 2, None, jobType=job_type)]).jobs

    assert job.status == status


def test_what_is_logged_of_a_server_after_a_cancel_does_not_bring_it_back() -> None:
    end = event("JOB_END", 3, None, outcome="FAILED")
    progress = progress_of(
        [event("CONVERSION_START", 1), event("JOB_CANCEL", 2, None), event("CONVERSION_END", 2.01), end]
    )

    assert (progress.status, states(progress)) == ("TERMINATED", {"s-1": "TERMINATED"})


def test_a_cancel_leaves_what_is_launched() -> None:
    progress = progress_of([event("LAUNCH_END", 1), event("JOB_CANCEL", 2, None)])

    assert states(progress) == {"s-1": "LAUNCHED"}


def test_a_cancelled_termination_terminates_nothing() -> None:
    job: dict[str, Any] = {"job": "drsjob-2", "jobType": "TERMINATE"}
    start = event("JOB_START", 2, None, sourceServerIDs=["s-1"], **job)

    progress = progress_of([event("LAUNCH_END", 1), start, event("JOB_CANCEL", 3, None, **job)])

    assert states(progress) == {"s-1": "LAUNCHED"}


def test_a_jobs_start_and_its_cancel_stand_outside_what_is_of_the_same_moment() -> None:
    start = event("JOB_START", 1, None, sourceServerIDs=["s-1", "s-2"], eventId="z")
    launched = event("LAUNCH_END", 1, eventId="m")
    cancel = event("JOB_CANCEL", 1, None, eventId="a")

    assert states(progress_of([cancel, launched, start])) == {"s-1": "LAUNCHED", "s-2": "TERMINATED"}


def test_a_server_is_as_its_job_with_the_newest_change_tells_not_the_one_that_began_last() -> None:
    earlier = [event("JOB_START", 0, None, job="drsjob-1"), event("LAUNCH_END", 9, job="drsjob-1")]
    later = [event("JOB_START", 1, None, job="drsjob-2"), event("SNAPSHOT_START", 2, job="drsjob-2")]

    assert only_server(*earlier, *later).job_id == "drsjob-1"


def test_jobs_stand_in_the_order_of_their_starts() -> None:
    progress = progress_of([event("JOB_START", 2, None, job="drsjob-a"), event("JOB_START", 1, None, job="drsjob-b")])

    assert [job.job_id for job in progress.jobs] == ["drsjob-b", "drsjob-a"]


def test_an_instance_is_known_after_it_was_terminated_too() -> None:
    launched = events(scripts.launch(SERVERS[:1]), "drsjob-1")
    terminated = events(scripts.terminate(SERVERS[:1]), "drsjob-2", created=START + timedelta(hours=1))

    server = only_server(*launched, *terminated)

    assert (server.state, server.ec2_instance_id) == ("TERMINATED", scripts.instance_id(SERVERS[0]))


def test_a_cancelled_job_stays_terminated_though_its_end_follows() -> None:
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
def test_an_execution_is_what_its_jobs_agree_on(waves: list[scripts.Script], status: str) -> None:
    both = [one for number, wave in enumerate(waves) for one in events(wave, f"drsjob-{number}")]

    assert progress_of(both).status == status


def test_an_execution_is_quiet_fifteen_minutes_after_its_last_job() -> None:
    progress = progress_of([event("JOB_END", 0, None, "drsjob-1"), event("JOB_END", 5, None, "drsjob-2")])

    assert not progress.is_idle(START + 19.9 * MINUTE)
    assert progress.is_idle(START + 20 * MINUTE)
    assert not progress_of([event("JOB_END", 0, None), event("JOB_START", 1, None, "drsjob-2")]).is_idle(
        START + 99 * MINUTE
    )


@pytest.mark.parametrize("number", [0, 1])
def test_the_real_drills_fold_to_what_drs_itself_reported(number: int) -> None:
    reported = json.loads(DRILLS.read_text())["drills"][number]["job"]

    progress = progress_of(events(scripts.drill(number), reported["jobID"]))

    assert states(progress) == {
        server["sourceServerID"]: server["launchStatus"] for server in reported["participatingServers"]
    }
    (job,) = progress.jobs
    assert (job.status, job.is_drill) == ("COMPLETED", True)
    assert all(server.ec2_instance_id for server in progress.servers)
