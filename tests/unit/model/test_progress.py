from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest
from drs_job_log.model.events import parse
from drs_job_log.model.progress import progress_of
from hypothesis import given
from hypothesis import strategies as st

from tests.support import scripts
from tests.support.drills import DRILLS
from tests.support.envelopes import ALICE, dumps, job_log, request
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
NETWORK = "sn-1234567890abcdef0"


def event(event_type: str, minute: float = 0, server: str | None = "s-1", job: str = "drsjob-1", **more: Any) -> Any:
    detail = {
        "jobID": job,
        "eventType": event_type,
        "eventId": f"{event_type} {server}",
        "logDateTime": (START + minute * MINUTE).isoformat(),
        "sourceServerID": server,
    }
    return parse(dumps(job_log(detail | more)))


EVERYTHING = [
    event
    for number, script in enumerate(
        [
            *WAVES,
            scripts.network_recovery(NETWORK, error="ROLLBACK_COMPLETE"),
            scripts.network_recovery(NETWORK, server=SERVERS[0]),
            scripts.converted_snapshot(SERVERS[:2], "PENDING"),
        ]
    )
    for event in events(script, f"drsjob-{number}", created=START + number * timedelta(hours=1))
] + [
    # A retry, a stall, a failed action and two corrections of the end, for servers of the first job.
    event(
        event_type, 20 + place, None if event_type == "JOB_END" else SERVERS[0], "drsjob-0", eventId=str(place), **more
    )
    for place, (event_type, more) in enumerate(
        [
            ("LAUNCH_FAILED", {"error": "no rights", "attempt": 1, "maxAttempts": 3}),
            ("LAUNCH_START", {}),
            ("SERVER_STALLED", {}),
            ("LAUNCH_ACTION_FAILED", {"actionName": "check", "error": "no answer"}),
            ("JOB_END", {"outcome": "FAILED", "revision": 1, "logDateTime": START.isoformat()}),
            ("JOB_END", {"outcome": "SUCCEEDED", "revision": 2, "logDateTime": START.isoformat()}),
            ("JOB_DELETED", {}),
        ]
    )
]


def asked(job: str = "drsjob-1", minute: float = 0, arn: str = ALICE, **response: Any) -> JobLogEvent:
    """Return the request of a job."""
    time = (START + minute * MINUTE).isoformat()
    return parse(
        dumps(request({"jobID": job} | response, userIdentity={"arn": arn}, eventTime=time, eventID=f"asked {arn}"))
    )


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
    named = {
        one.source_server_id
        for one in sample
        if one.source_server_id and "LAUNCH_TEMPLATE" not in one.event_type  # of a server that the job does not launch
    }
    assert named <= {server.source_server_id for server in progress.servers}


@given(st.lists(st.sampled_from(EVERYTHING)))
def test_no_server_of_a_job_that_ended_is_under_way(sample: list[JobLogEvent]) -> None:
    for progress in (
        progress_of([one for one in sample if one.job_id == job]) for job in {one.job_id for one in sample}
    ):
        (job,) = progress.jobs
        assert (job.status == "IN_PROGRESS") == (job.ended_at is None)
        if job.ended_at:
            participants = [*progress.servers, *job.resources]
            assert {one.state for one in participants} & {"PENDING", "SNAPSHOT", "CONVERSION", "LAUNCHING"} == set()
            assert [server.stalled_at for server in progress.servers if server.stalled_at] == []


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
        "completed": 0,
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

    assert states(progress) == {"s-1": "LAUNCHED", "s-2": "FAILED", "s-3": "FAILED", "s-4": "LAUNCHED"}
    assert progress.servers[0].ec2_instance_id == "i-1"
    assert (
        progress.servers[2].error
        == "The job did not launch this server. Its launch status at the end of the job is PENDING."
    )


def test_a_later_wave_can_recover_a_failed_server() -> None:
    first = events(scripts.launch(SERVERS[:1], failing={SERVERS[0]: "no rights"}), "drsjob-1")
    repeated = events(scripts.launch(SERVERS[:1]), "drsjob-2", created=START + timedelta(hours=1))

    assert [(s.state, s.job_id) for s in progress_of(first + repeated[:1]).servers] == [("PENDING", "drsjob-2")]
    assert [(s.state, s.error) for s in progress_of(first + repeated).servers] == [("LAUNCHED", None)]


def test_a_termination_keeps_the_result_of_the_launch() -> None:
    launched = events(scripts.launch(SERVERS[:2], failing={SERVERS[1]: "no rights"}), "drsjob-1")
    terminated = events(scripts.terminate(SERVERS[:2]), "drsjob-2", created=START + timedelta(hours=1))

    before, after = progress_of(launched), progress_of(launched + terminated)

    assert (after.status, after.outcome, after.summary) == ("PARTIAL", "PARTIAL", before.summary)
    assert states(after) == {SERVERS[0]: "LAUNCHED", SERVERS[1]: "FAILED"}
    assert [server.error for server in after.servers] == [None, "no rights"]
    ended = terminated[-1].timestamp
    assert [server.terminated_at for server in before.servers] == [None, None]
    assert [server.terminated_at for server in after.servers] == [ended, ended]


def test_a_server_that_is_launched_again_is_not_terminated() -> None:
    waves = [scripts.launch(SERVERS[:1]), scripts.terminate(SERVERS[:1]), scripts.launch(SERVERS[:1])]
    parts = [events(wave, f"drsjob-{n}", created=START + n * timedelta(hours=1)) for n, wave in enumerate(waves)]

    (server,) = progress_of(chain.from_iterable(parts)).servers

    assert (server.state, server.job_id, server.terminated_at) == ("LAUNCHED", "drsjob-2", None)


def test_a_running_termination_does_not_reopen_an_execution() -> None:
    launched = events(scripts.launch(SERVERS[:1]), "drsjob-1")
    terminating = events(scripts.terminate(SERVERS[:1]), "drsjob-2", created=START + timedelta(hours=1))[:-1]

    progress = progress_of(launched + terminating)

    assert (progress.status, progress.has_ended, progress.ended_at) == ("COMPLETED", False, None)


@pytest.mark.parametrize(
    "invalid", [{"sourceServerIDs": "s-1"}, {"sourceServerIDs": [1]}, {"jobType": []}, {"isDrill": []}, {"outcome": {}}]
)
@pytest.mark.parametrize("event_type", ["JOB_START", "JOB_END"])
def test_invalid_details_are_ignored(event_type: str, invalid: dict[str, Any]) -> None:
    assert progress_of([event(event_type, server=None, participatingServers=["s-1", {}], **invalid)]).servers == []


def test_a_server_that_failed_and_tries_again_is_under_way() -> None:
    failed = event("LAUNCH_FAILED", 1, error="no capacity", attempt=1, maxAttempts=3)
    again = event("LAUNCH_START", 2)

    assert (only_server(failed).state, only_server(failed, again).state) == ("FAILED", "LAUNCHING")
    assert only_server(failed, again, event("LAUNCH_END", 3)).error is None
    last = event("LAUNCH_FAILED", 3, eventId="3", error="no rights", attempt=3, maxAttempts=3)
    assert only_server(failed, again, last).error == "no rights"


def test_the_error_of_another_event_is_the_error_of_a_failed_server() -> None:
    launched = event("LAUNCH_END", 1, error="AuthFailure")
    end = event("JOB_END", 2, None, participatingServers=[{"sourceServerID": "s-1", "launchStatus": "FAILED"}])

    assert (only_server(launched).state, only_server(launched).error) == ("LAUNCHED", None)
    assert (only_server(launched, end).state, only_server(launched, end).error) == ("FAILED", "AuthFailure")


def test_a_server_is_stalled_until_its_next_event() -> None:
    started, stalled = event("CONVERSION_START", 0), event("SERVER_STALLED", 45)

    assert (only_server(started, stalled).state, only_server(started, stalled).stalled_at) == (
        "CONVERSION",
        START + 45 * MINUTE,
    )
    assert only_server(started, stalled, event("CONVERSION_END", 50)).stalled_at is None
    assert only_server(started, stalled, event("JOB_END", 50, None)).stalled_at is None


def test_failed_actions_do_not_change_the_state_of_a_server() -> None:
    action = event("LAUNCH_ACTION_FAILED", 3, eventId="run", actionName="check", error="no answer")

    server = only_server(event("LAUNCH_END", 1), action, action)

    assert server.state == "LAUNCHED"
    assert [(failed.name, failed.error) for failed in server.failed_actions] == [("check", "no answer")]


# ---------------------------------------------------------------------------------------------------------------------
# Resources
# ---------------------------------------------------------------------------------------------------------------------


def test_a_failed_network_recovery_fails_the_job() -> None:
    (job,) = progress_of(events(scripts.network_recovery(NETWORK, error="ROLLBACK_COMPLETE"), "drsjob-1")).jobs

    (resource,) = job.resources
    assert (job.status, job.outcome) == ("FAILED", "FAILED")
    assert (resource.resource_id, resource.state, resource.error) == (NETWORK, "FAILED", "ROLLBACK_COMPLETE")


def test_a_server_whose_launch_template_is_updated_is_no_server_of_a_network_recovery() -> None:
    progress = progress_of(events(scripts.network_recovery(NETWORK, server="s-1"), "drsjob-1"))

    assert (progress.status, progress.servers) == ("COMPLETED", [])
    assert [resource.state for resource in progress.jobs[0].resources] == ["LAUNCHED"]


def test_an_unknown_event_does_not_add_a_server_to_a_network_recovery() -> None:
    end = event("JOB_END", 2, None, participatingResources=[{"resourceID": NETWORK, "launchStatus": "LAUNCHED"}])

    assert progress_of([event("SOMETHING_NEW", 1), end]).status == "COMPLETED"


@pytest.mark.parametrize("named", [{"resourceID": NETWORK}, {}])
def test_a_failure_fails_the_network_with_or_without_its_name(named: dict[str, str]) -> None:
    start = event("JOB_START", 0, None, jobType="LAUNCH", resourceIDs=[NETWORK])
    failed = event("NETWORK_RECOVERY_FAIL", 1, None, **named)

    (job,) = progress_of([start, failed]).jobs
    assert [resource.state for resource in job.resources] == ["FAILED"]
    # Without any name, the job has failed.
    assert progress_of([event("NETWORK_RECOVERY_FAIL", 1, None), event("JOB_END", 2, None)]).status == "FAILED"


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
        (WAVES[3], "TERMINATED", "TERMINATED", {"TERMINATED"}),
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
        ("JOB_FAILED", [], None, "FAILED"),
        ("JOB_FAILED", ["LAUNCH_END"], None, "COMPLETED"),  # the states of the servers contradict the end
        ("JOB_COMPLETED", ["SNAPSHOT_END", "CONVERSION_FAIL"], "CREATE_CONVERTED_SNAPSHOT", "PARTIAL"),
        ("JOB_COMPLETED", ["SNAPSHOT_END"], "CREATE_CONVERTED_SNAPSHOT", "COMPLETED"),
        ("JOB_COMPLETED", ["CLEANUP_END"], "TERMINATE", "COMPLETED"),
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

    assert (server.state, server.ec2_instance_id) == ("LAUNCHED", scripts.instance_id(SERVERS[0]))


def test_a_cancelled_job_stays_terminated_if_its_end_follows() -> None:
    cancel = event("JOB_CANCEL", 1, None)
    end = event("JOB_END", 2, None, outcome="FAILED")

    (cancelled,) = progress_of([cancel]).jobs
    assert (cancelled.status, cancelled.outcome, cancelled.ended_at) == ("TERMINATED", None, START + MINUTE)
    (ended,) = progress_of([end, cancel]).jobs
    assert (ended.status, ended.outcome, ended.ended_at) == ("TERMINATED", "TERMINATED", START + 2 * MINUTE)


@pytest.mark.parametrize("status", ["PENDING", ""])
def test_a_server_of_a_job_that_launches_nothing_is_completed_at_its_end(status: str) -> None:
    progress = progress_of(events(scripts.converted_snapshot(SERVERS[:1], status), "drsjob-1"))

    assert (progress.status, set(states(progress).values())) == ("COMPLETED", {"COMPLETED"})
    assert progress.summary["completed"] == 1


@pytest.mark.parametrize(("status", "state"), [("", "TERMINATED"), ("PENDING", "FAILED"), ("LAUNCHED", "LAUNCHED")])
def test_a_server_of_a_termination_has_a_final_state_at_its_end(status: str, state: str) -> None:
    script = replace(scripts.terminate(SERVERS[:1]), statuses={SERVERS[0]: status})

    assert set(states(progress_of(events(script, "drsjob-1"))).values()) == {state}


@pytest.mark.parametrize(
    ("late", "status"),
    [
        (event("LAUNCH_FAILED", 20, SERVERS[0], error="no rights"), "PARTIAL"),
        (event("LAUNCH_FAILED", 20, SERVERS[0], error="no rights", jobType="LAUNCH"), "PARTIAL"),
        (event("JOB_END", 20, None, outcome="SUCCEEDED"), "COMPLETED"),
    ],
)
def test_a_later_event_corrects_the_outcome_of_a_job(late: JobLogEvent, status: str) -> None:
    assert progress_of([*events(scripts.launch(SERVERS[:2]), "drsjob-1"), late]).status == status


@pytest.mark.parametrize(
    "script",
    [
        *WAVES[:5],
        scripts.network_recovery(NETWORK, error="ROLLBACK_COMPLETE"),
        scripts.converted_snapshot(SERVERS[:1], "PENDING"),
        replace(scripts.launch(SERVERS[:1]), statuses={SERVERS[0]: ""}),
    ],
)
def test_the_end_of_a_job_is_sufficient_for_its_outcome(script: scripts.Script) -> None:
    """Other events may still be in the queue when the end is stored and decides the status of an execution."""
    *_, end = everything = events(script, "drsjob-1")

    alone, complete = progress_of([end]), progress_of(everything)

    assert (alone.outcome, alone.status, states(alone)) == (complete.outcome, complete.status, states(complete))


def test_the_newest_revision_of_an_end_applies() -> None:
    def end(revision: int | None, status: str) -> JobLogEvent:
        listed = [{"sourceServerID": "s-1", "launchStatus": status}]
        more = {} if revision is None else {"revision": revision}
        return event("JOB_END", 9, None, eventId=f"{9 - (revision or 0)}", participatingServers=listed, **more)

    ends = [end(None, "FAILED"), end(1, "LAUNCHED"), end(2, "FAILED")]

    assert [progress_of(ends[:count]).status for count in (1, 2, 3)] == ["FAILED", "COMPLETED", "FAILED"]


def test_only_an_end_has_a_revision() -> None:
    """Other senders can put any key into a detail."""
    server = only_server(event("LAUNCH_START", 1, revision=5), event("LAUNCH_END", 2))

    assert server.state == "LAUNCHED"


def test_a_deleted_job_has_ended() -> None:
    progress = progress_of([event("CONVERSION_START", 1), event("JOB_DELETED", 1, None)])

    assert (progress.status, progress.has_ended, states(progress)) == ("FAILED", True, {"s-1": "FAILED"})


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


# ---------------------------------------------------------------------------------------------------------------------
# Requests
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(len(WAVES) + 3))
@pytest.mark.parametrize("minute", [-0.1, 0.5, 90])
def test_a_request_adds_only_who_requested_the_job(number: int, minute: float) -> None:
    """Also if its time is after that of the other events, and if it contradicts them."""
    job_id = f"drsjob-{number}"
    others = [event for event in EVERYTHING if event.job_id == job_id]
    late = asked(job_id, number * 60 + minute, type="TERMINATE", initiatedBy="TERMINATE_RECOVERY_INSTANCES")

    before, after = progress_of(others), progress_of([*others, late])

    (job,) = before.jobs
    # Only what the collector does not state is that of the request.
    added = {"account": "111122223333", "region": "us-east-1", "requested_by": ALICE}
    assert after.jobs == [replace(job, **added)]
    assert after.servers == before.servers


def test_a_job_of_which_only_the_request_is_known_runs_without_servers() -> None:
    progress = progress_of([asked()])

    (job,) = progress.jobs
    assert (job.status, job.job_type, job.initiated_by, job.is_drill) == ("IN_PROGRESS", "LAUNCH", "START_DRILL", True)
    assert (job.started_at, job.created_at, job.ended_at, job.requested_by) == (START, None, None, ALICE)
    assert (progress.servers, progress.has_ended, progress.is_idle(START + timedelta(days=1))) == ([], False, False)


def test_a_requested_cleanup_does_not_decide_the_status_of_its_execution() -> None:
    wave = events(WAVES[0], "drsjob-1")
    cleanup = asked("drsjob-2", 600, type="TERMINATE", initiatedBy="TERMINATE_RECOVERY_INSTANCES")

    assert progress_of([*wave, cleanup]).status == "COMPLETED"


def test_the_first_request_counts() -> None:
    requests = [asked(minute=2, arn="second"), asked(minute=1, arn="first"), asked(minute=1, arn="first")]

    (job,) = progress_of([*requests, event("JOB_START", 3, None)]).jobs

    assert (job.requested_by, job.started_at) == ("first", START + 3 * MINUTE)


@pytest.mark.parametrize("source", ["drs.job-log", "my.tool"])
def test_another_sender_cannot_state_who_requested_a_job(source: str) -> None:
    forged = {"jobID": "drsjob-1", "eventType": "JOB_REQUESTED", "eventId": "1", "requestedBy": "mallory"}

    (job,) = progress_of([parse(dumps(job_log(forged, source=source)))]).jobs

    assert job.requested_by is None


def test_a_request_does_not_make_a_job_one_of_the_collector() -> None:
    """The events of another sender decide a job that the collector does not read."""
    foreign = parse(
        dumps(job_log({"jobID": "drsjob-1", "eventType": "LAUNCH_FAILED", "sourceServerID": "s-1"}, source="my.tool"))
    )

    assert [server.state for server in progress_of([asked(), foreign]).servers] == ["FAILED"]
