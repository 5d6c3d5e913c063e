from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from drs_job_log.collect.job_log import (
    creation_time_of,
    extend_log,
    has_invalid_rto,
    read_log,
    rto_minutes_of,
    stalled_items,
    timings,
    to_detail,
    to_item,
)
from drs_job_log.model.events import parse
from drs_job_log.model.progress import combine
from hypothesis import event, given
from hypothesis import strategies as st

from tests.support.envelopes import dumps, job_log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drs_job_log.collect.job_log import JobLog

NOW = datetime(2025, 11, 28, 21, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def job(*statuses: str, **changes: Any) -> Any:
    return {
        "jobID": "drsjob-556c7b1d99221f996",
        "arn": "arn:aws:drs:eu-west-1:111122223333:job/drsjob-556c7b1d99221f996",
        "type": "LAUNCH",
        "initiatedBy": "START_RECOVERY",
        "creationDateTime": "2025-11-28T20:30:00+00:00",
        "endDateTime": "2025-11-28T20:40:00+00:00",
        "status": "COMPLETED",
        "tags": {"ExecutionId": "exec-1"},
        "participatingServers": [
            {"sourceServerID": f"s-{number}", "launchStatus": status} for number, status in enumerate(statuses)
        ],
    } | changes


def log_item(event: str, time: str = "2025-11-28T20:35:00+00:00", **data: Any) -> Any:
    return {"event": event, "logDateTime": time, "eventData": data}


def network(id_: str, **data: str) -> Any:
    return {"sourceNetworkData": {"sourceNetworkID": id_, **data}}


END = log_item("JOB_END", "2025-11-28T20:40:00.026000+00:00")


def read(job: Any, log_items: Sequence[Any], now: datetime) -> JobLog:
    return read_log(job, [to_item(job, log_item) for log_item in log_items], now)


def types(job: Any, *items: Any, now: datetime = NOW) -> list[str]:
    return [item.event_type for item in read(job, items, now).items]


def only_detail(job: Any, *items: Any, names: dict[str, str] | None = None) -> dict[str, Any]:
    (item,) = read(job, items, NOW).items
    return to_detail(item, job, names or {}, {}, "ExecutionId")


@pytest.mark.parametrize(
    ("job_type", "statuses", "logged", "event_type", "outcome", "message"),
    [
        ("LAUNCH", ["LAUNCHED"], [], "JOB_COMPLETED", "SUCCEEDED", "Recovery ended: 1 of 1 server launched"),
        ("LAUNCH", ["LAUNCHED", "FAILED"], [], "JOB_COMPLETED", "PARTIAL", "Recovery ended: 1 of 2 servers launched"),
        ("LAUNCH", ["FAILED", "FAILED"], [], "JOB_FAILED", "FAILED", "Recovery ended: 0 of 2 servers launched"),
        ("LAUNCH", ["PENDING"], [], "JOB_FAILED", "FAILED", "Recovery ended: 0 of 1 server launched"),
        ("LAUNCH", [], [], "JOB_COMPLETED", "SUCCEEDED", "Recovery ended"),
        # Launched, and terminated by a later job before the collector read this job.
        ("LAUNCH", ["TERMINATED"], ["s-0"], "JOB_COMPLETED", "SUCCEEDED", "Recovery ended: 1 of 1 server launched"),
        ("LAUNCH", ["FAILED"], ["s-0"], "JOB_FAILED", "FAILED", "Recovery ended: 0 of 1 server launched"),
        ("TERMINATE", ["TERMINATED"], [], "JOB_COMPLETED", "SUCCEEDED", "Recovery ended: 1 of 1 server terminated"),
        ("TERMINATE", ["LAUNCHED"], [], "JOB_FAILED", "FAILED", "Recovery ended: 0 of 1 server terminated"),
        (
            "CREATE_CONVERTED_SNAPSHOT",
            ["PENDING"],
            [],
            "JOB_COMPLETED",
            "SUCCEEDED",
            "Recovery ended: 1 of 1 server completed",
        ),
        (
            "CREATE_CONVERTED_SNAPSHOT",
            ["FAILED"],
            [],
            "JOB_FAILED",
            "FAILED",
            "Recovery ended: 0 of 1 server completed",
        ),
    ],
)
def test_the_end_of_a_job_has_the_outcome_of_its_servers(
    *, job_type: str, statuses: list[str], logged: list[str], event_type: str, outcome: str, message: str
) -> None:
    ended = job(*statuses, type=job_type)
    launched = [log_item("LAUNCH_END", sourceServerID=server) for server in logged]

    end = read(ended, [*launched, END], NOW).items[-1]

    detail = to_detail(end, ended, {}, {}, "ExecutionId")
    assert (detail["eventType"], detail["outcome"], detail["message"]) == (event_type, outcome, message)
    assert [server["launchStatus"] for server in detail["participatingServers"]] == statuses


@pytest.mark.parametrize(
    ("status", "logged", "added"),
    [
        ("LAUNCHED", ["LAUNCH_START"], ["SERVER_LAUNCHED"]),
        ("LAUNCHED", ["LAUNCH_START", "LAUNCH_END"], []),
        ("FAILED", [], ["SERVER_LAUNCH_FAILED"]),
        ("FAILED", ["SNAPSHOT_START", "SNAPSHOT_END"], ["SERVER_LAUNCH_FAILED"]),
        ("FAILED", ["LAUNCH_START", "LAUNCH_END"], ["SERVER_LAUNCH_FAILED"]),
        ("FAILED", ["CLEANUP_FAIL"], ["SERVER_LAUNCH_FAILED"]),
        ("FAILED", ["SNAPSHOT_FAIL", "CONVERSION_START"], ["SERVER_LAUNCH_FAILED"]),
        ("FAILED", ["SNAPSHOT_FAIL"], []),
        ("FAILED", ["CONVERSION_FAIL"], []),
        ("FAILED", ["LAUNCH_FAILED"], []),
        ("PENDING", [], ["SERVER_LAUNCH_FAILED"]),
        ("IN_PROGRESS", ["LAUNCH_START"], ["SERVER_LAUNCH_FAILED"]),
        ("PENDING", ["SERVER_SKIPPED"], []),
        ("PENDING", ["LAUNCH_END"], []),
        ("TERMINATED", [], []),
    ],
)
def test_a_server_outcome_missing_in_the_log_is_added_at_the_end_of_the_job(
    status: str, logged: list[str], added: list[str]
) -> None:
    items = [log_item(event, f"2025-11-28T20:3{n}:00Z", sourceServerID="s-0") for n, event in enumerate(logged)]

    items_read = read(job(status), [*items, END], NOW).items[len(items) : -1]

    assert [item.event_type for item in items_read] == added
    assert {(item.time, item.source_server_id) for item in items_read} <= {("2025-11-28T20:40:00.000000Z", "s-0")}


def test_no_launch_failure_is_added_to_other_job_types() -> None:
    assert types(job("FAILED", type="TERMINATE"), END) == ["JOB_FAILED"]


def test_the_end_of_a_job_is_delayed_until_its_status_is_final() -> None:
    running = job("IN_PROGRESS", status="STARTED", endDateTime=None)
    launched = log_item("LAUNCH_END", sourceServerID="s-0")
    soon = datetime(2025, 11, 28, 20, 40, 1, tzinfo=UTC)

    assert types(running, launched, END, now=soon) == ["SERVER_LAUNCHED"]
    # If the status does not become final, the log is sent without the outcome of the servers.
    log = read(running, [launched, END], soon + 10 * MINUTE)
    assert [item.event_type for item in log.items] == ["SERVER_LAUNCHED", "JOB_COMPLETED"]
    assert not log.is_complete
    detail = to_detail(log.items[-1], running, {}, {}, "ExecutionId")
    assert "outcome" not in detail
    assert detail["message"] == "Recovery ended"


def test_the_end_of_a_job_without_an_end_time_is_delayed() -> None:
    timeless = job("FAILED", endDateTime=None)
    logged = datetime(2025, 11, 28, 20, 40, 0, 26000, tzinfo=UTC)

    created = datetime(2025, 11, 28, 20, 30, tzinfo=UTC)
    for items, now in (([], created + 9 * MINUTE), ([END], logged + 9 * MINUTE)):
        log = read(timeless, items, now)
        assert (log.items, log.is_complete) == ([], False)
    # Without JOB_END, the newest item is the best known end.
    started = log_item("JOB_START", "2025-11-28T20:31:00+00:00")
    for minutes, ended in ((9, []), (10, ["SERVER_LAUNCH_FAILED", "JOB_FAILED"])):
        assert types(timeless, started, now=created + minutes * MINUTE + MINUTE) == ["JOB_STARTED", *ended]
    log = read(timeless, [END], logged + 10 * MINUTE)
    assert {item.event_type for item in log.items} == {"SERVER_LAUNCH_FAILED", "JOB_FAILED"}
    assert log.is_complete


@pytest.mark.parametrize(
    ("servers", "logged", "outcome"),
    [
        ([], {"s-0": "LAUNCH_FAILED"}, "FAILED"),
        ([], {"s-0": "LAUNCH_END"}, "SUCCEEDED"),
        ([], {"s-0": "LAUNCH_END", "s-1": "LAUNCH_START"}, "PARTIAL"),
        ([{"launchStatus": "FAILED"}], {"s-0": "LAUNCH_FAILED"}, "FAILED"),
        ([{"launchStatus": "LAUNCHED"}], {}, "SUCCEEDED"),
        ([{"sourceServerID": "s-0", "launchStatus": "LAUNCHED"}], {"s-1": "LAUNCH_FAILED"}, "PARTIAL"),
    ],
)
def test_servers_that_only_the_log_contains_count(
    servers: list[dict[str, str]], logged: dict[str, str], outcome: str
) -> None:
    ended = job(participatingServers=servers)
    items = [log_item(event, sourceServerID=server) for server, event in logged.items()]

    end = read(ended, [*items, END], NOW).items[-1]

    assert end.detail["outcome"] == outcome


def test_a_missing_job_end_is_added_after_ten_minutes() -> None:
    ended = datetime(2025, 11, 28, 20, 40, tzinfo=UTC)

    assert types(job("LAUNCHED"), now=ended + 10 * MINUTE - timedelta(seconds=1)) == []
    assert types(job("LAUNCHED"), now=ended + 10 * MINUTE) == ["SERVER_LAUNCHED", "JOB_COMPLETED"]


def test_added_items_have_the_same_key_at_any_time() -> None:
    early = read(job("FAILED"), [END], NOW).items
    late = read(
        job(
            "FAILED",
            participatingServers=[{"sourceServerID": "s-0", "launchStatus": "FAILED", "recoveryInstanceID": "i"}],
        ),
        [END],
        NOW + timedelta(days=1),
    ).items

    assert [item.key for item in early] == [item.key for item in late]
    assert len(early) == 2


@pytest.mark.parametrize(
    "text", ["2025-11-28T20:35:00Z", "2025-11-28T20:35:00.000000+00:00", "2025-11-28T21:35:00+01:00"]
)
def test_the_format_of_the_time_does_not_change_the_key(text: str) -> None:
    running = job("PENDING", status="STARTED")

    items_read = read(running, [log_item("SNAPSHOT_START"), log_item("SNAPSHOT_START", text)], NOW).items

    assert [item.time for item in items_read] == ["2025-11-28T20:35:00.000000Z"]


@pytest.mark.parametrize(
    "other",
    [
        log_item("SNAPSHOT_END", sourceServerID="s-0"),
        log_item("SNAPSHOT_START", sourceServerID="s-1"),
        log_item("SNAPSHOT_START", "2025-11-28T20:35:00.000001Z", sourceServerID="s-0"),
        log_item("SNAPSHOT_START", sourceServerID="s-0", rawError="AuthFailure"),
        log_item("SNAPSHOT_START", sourceServerID="s-0", attemptCount=1),
        log_item("SNAPSHOT_START", sourceServerID="s-0", eventResourceData=network("sn-1")),
    ],
)
def test_items_with_any_difference_are_two_items(other: Any) -> None:
    running = job("PENDING", status="STARTED")

    assert len(types(running, log_item("SNAPSHOT_START", sourceServerID="s-0"), other)) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"attemptCount": 1}, {"attemptCount": 2}),
        ({"eventResourceData": network("sn-1")}, {"eventResourceData": network("sn-2")}),
        ({"eventResourceData": network("sn-1")}, {"eventResourceData": network("sn-1", stackName="a")}),
    ],
)
def test_items_that_differ_in_an_attempt_or_a_resource_are_two_items(one: Any, other: Any) -> None:
    running = job("PENDING", status="STARTED")

    items = read(running, [log_item("LAUNCH_FAILED", **one), log_item("LAUNCH_FAILED", **other)], NOW).items
    assert len(items) == 2
    repeated = [log_item("LAUNCH_FAILED", **one), log_item("LAUNCH_FAILED", **json.loads(json.dumps(one)))]
    assert len(read(running, repeated, NOW).items) == 1


def test_new_attributes_of_the_drs_api_do_not_change_the_key() -> None:
    running = job("PENDING", status="STARTED")

    newer = log_item("SNAPSHOT_START", maxAttemptsCount=3, somethingThatBotocoreLearns={"a": 1})

    (item,) = read(running, [log_item("SNAPSHOT_START"), newer], NOW).items
    assert item.detail["maxAttemptsCount"] == 3


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("2025-11-28T20:30:15Z", "2025-11-28T20:30:15.500000+00:00"),  # as text, the other way round
        ("2025-11-28T21:30:15+01:00", "2025-11-28T20:30:16Z"),
    ],
)
def test_the_order_of_jobs_does_not_depend_on_the_format_of_their_times(first: str, second: str) -> None:
    earlier, later = (creation_time_of(job(creationDateTime=time)) for time in (first, second))

    assert earlier is not None
    assert later is not None
    assert earlier < later
    assert creation_time_of(job(creationDateTime=None)) is None


def test_an_item_without_a_time_has_the_creation_time_of_its_job() -> None:
    running = job("PENDING", status="STARTED")

    (item,) = read(running, [{"event": "SNAPSHOT_START"}], NOW).items

    assert item.time == "2025-11-28T20:30:00.000000Z"


def test_the_detail_contains_all_known_attributes() -> None:
    running = job("IN_PROGRESS", "PENDING", status="STARTED")
    failed = log_item(
        "LAUNCH_FAILED",
        sourceServerID="s-0",
        conversionServerID="i-c",
        targetInstanceID="i-t",
        rawError="AuthFailure",
        attemptCount=2,
        maxAttemptsCount=3,
        conversionProperties={"forceUefi": True},
    )

    detail = only_detail(running, failed, names={"s-0": "prod-web-01"})

    assert len(detail.pop("eventId")) == 32
    assert detail == {
        "jobID": "drsjob-556c7b1d99221f996",
        "jobType": "LAUNCH",
        "initiatedBy": "START_RECOVERY",
        "account": "111122223333",
        "region": "eu-west-1",
        "eventType": "SERVER_LAUNCH_FAILED",
        "logDateTime": "2025-11-28T20:35:00.000000Z",
        "executionId": "exec-1",
        "isDrill": False,
        "sourceServerID": "s-0",
        "sourceServerName": "prod-web-01",
        "conversionServerID": "i-c",
        "ec2InstanceID": "i-t",
        "error": "AuthFailure",
        "attempt": 2,
        "maxAttempts": 3,
        "conversionProperties": {"forceUefi": True},
        "message": "Server prod-web-01 failed to launch (attempt 2 of 3)",
    }


START = log_item("JOB_START", "2025-11-28T20:30:00.500000+00:00")


def durations_by_type(job: Any, *items: Any) -> dict[str, float]:
    """Return the seconds of each step by the type of the event that ends it, at most one event per type."""
    log = read(job, items, NOW)
    types = {item.key: item.event_type for item in log.items}
    return {
        types[key]: detail["durationSeconds"]
        for key, detail in timings(job, log, log.items).items()
        if "durationSeconds" in detail
    }


def test_the_ends_of_steps_and_jobs_have_durations() -> None:
    steps = [
        log_item("SNAPSHOT_START", "2025-11-28T20:31:00+00:00", sourceServerID="s-0"),
        log_item("SNAPSHOT_END", "2025-11-28T20:31:00.250000+00:00", sourceServerID="s-0"),
        log_item("CONVERSION_START", "2025-11-28T20:31:30+00:00", sourceServerID="s-1"),  # of another server
        log_item("CONVERSION_START", "2025-11-28T20:32:00+00:00", sourceServerID="s-0"),
        log_item("CONVERSION_FAIL", "2025-11-28T20:33:00+00:00", sourceServerID="s-0"),
        log_item("CONVERSION_START", "2025-11-28T20:34:00+00:00", sourceServerID="s-0"),  # the second attempt
        log_item("CONVERSION_END", "2025-11-28T20:37:00+00:00", sourceServerID="s-0"),
        log_item("LAUNCH_START", "2025-11-28T20:37:00+00:00", sourceServerID="s-0"),
        log_item("LAUNCH_END", "2025-11-28T20:39:30+00:00", sourceServerID="s-0"),
    ]

    assert durations_by_type(job("LAUNCHED", "LAUNCHED"), START, *steps, END) == {
        "SNAPSHOT_COMPLETED": 0.25,
        "CONVERSION_COMPLETED": 180,
        "SERVER_LAUNCHED": 150,
        "JOB_COMPLETED": 600.026,
    }


def test_the_final_event_of_a_server_has_its_steps() -> None:
    steps = [
        log_item("SNAPSHOT_START", "2025-11-28T20:31:00+00:00", sourceServerID="s-0"),
        log_item("SNAPSHOT_END", "2025-11-28T20:31:00.250000+00:00", sourceServerID="s-0"),
        log_item("CONVERSION_START", "2025-11-28T20:31:52+00:00", sourceServerID="s-0"),
        log_item("CONVERSION_END", "2025-11-28T20:34:52+00:00", sourceServerID="s-0"),
        log_item("LAUNCH_START", "2025-11-28T20:34:53+00:00", sourceServerID="s-0"),
        log_item("LAUNCH_FAILED", "2025-11-28T20:36:00+00:00", sourceServerID="s-0"),
    ]
    ended = job("FAILED", "FAILED")
    log = read(ended, [START, *steps, END], NOW)

    found = [
        (item.event_type, item.source_server_id, detail["stepSeconds"])
        for item in log.items
        if "stepSeconds" in (detail := to_detail(item, ended, {}, timings(ended, log, log.items), "ExecutionId"))
    ]

    assert found == [
        ("SERVER_LAUNCH_FAILED", "s-0", {"snapshot": 0.2, "wait": 51.8, "conversion": 180.0, "launch": 67.0})
    ]


def test_the_events_of_a_job_state_its_creation_and_objective() -> None:
    tagged = job("LAUNCHED", tags={"RtoMinutes": "90"})
    log = read(tagged, [START, log_item("LAUNCH_END", sourceServerID="s-0"), END], NOW)
    details = [to_detail(item, tagged, {}, {}, "ExecutionId") for item in log.items]

    assert [(detail.get("createdAt"), detail.get("rtoMinutes")) for detail in details] == [
        ("2025-11-28T20:30:00.000000Z", 90),
        (None, None),
        ("2025-11-28T20:30:00.000000Z", 90),
    ]


def test_a_job_whose_creation_drs_does_not_state_was_created_with_its_first_item() -> None:
    undated = job("LAUNCHED", creationDateTime=None)
    log = read(undated, [START, log_item("LAUNCH_END", sourceServerID="s-0"), END], NOW)
    timing = timings(undated, log, log.items)
    details = [to_detail(item, undated, {}, timing, "ExecutionId") for item in log.items]

    assert [detail.get("createdAt") for detail in details] == [
        "2025-11-28T20:30:00.500000Z",
        None,
        "2025-11-28T20:30:00.500000Z",
    ]


@pytest.mark.parametrize("text", ["", "0", "43201", "1.5", "-1", " 60", "1h", "٣"])
def test_an_invalid_objective_is_ignored(text: str) -> None:
    assert rto_minutes_of(job(tags={"RtoMinutes": text})) is None
    assert has_invalid_rto(job(tags={"RtoMinutes": text}))
    assert not has_invalid_rto(job())
    assert not has_invalid_rto(job(tags={"RtoMinutes": "43200"}))


def test_the_end_of_a_large_job_with_long_errors_fits_on_the_bus() -> None:
    failed = [log_item("LAUNCH_FAILED", sourceServerID=f"s-{number}", rawError="x" * 2000) for number in range(200)]
    log = read(job(*["FAILED"] * 200), [START, *failed, END], NOW)

    servers = log.items[-1].detail["participatingServers"]

    assert len(json.dumps(servers)) < 160 * 1024
    assert {server["error"] for server in servers} == {"x" * 200}
    assert {server["state"] for server in servers} == {"FAILED"}


def test_a_step_with_unknown_times_has_no_duration() -> None:
    launching = log_item("LAUNCH_START", "2025-11-28T20:31:00+00:00", sourceServerID="s-0")
    # The launch is known only from the final launchStatus, so its time is unknown.
    assert durations_by_type(job("LAUNCHED"), START, launching, END) == {"JOB_COMPLETED": 600.026}
    without_beginning = log_item("LAUNCH_END", "2025-11-28T20:39:30+00:00", sourceServerID="s-0")
    assert durations_by_type(job("LAUNCHED", creationDateTime=None), without_beginning, END) == {}
    assert durations_by_type(job("TERMINATED", type="TERMINATE"), START, END) == {}


def test_servers_are_counted_by_their_state() -> None:
    running = job(*["PENDING"] * 5, status="STARTED")
    steps = [
        log_item("SNAPSHOT_START", sourceServerID="s-1"),
        log_item("CONVERSION_START", sourceServerID="s-2"),
        log_item("LAUNCH_START", "2025-11-28T20:36:00+00:00", sourceServerID="s-2"),
        log_item("CONVERSION_FAIL", sourceServerID="s-3"),
        log_item("LAUNCH_END", sourceServerID="s-4"),
        log_item("CLEANUP_START", sourceServerID="s-0"),
    ]

    counts = read(running, steps, NOW).state.summary

    assert counts == {"pending": 1, "converting": 1, "launching": 1, "failed": 1, "launched": 1}


def test_servers_of_a_cancelled_launch_are_terminated() -> None:
    steps = [log_item("CONVERSION_START", sourceServerID="s-0"), log_item("JOB_CANCEL", "2025-11-28T20:36:00+00:00")]
    cancelled = job("PENDING", "PENDING", status="STARTED")

    assert read(cancelled, steps, NOW).state.summary == {"terminated": 2}


def test_a_job_and_item_without_optional_attributes_have_a_detail() -> None:
    bare: Any = {"jobID": "drsjob-1"}

    detail = only_detail(bare, {"logDateTime": "2025-11-28T20:35:00Z"})

    del detail["eventId"]
    assert detail == {
        "jobID": "drsjob-1",
        "eventType": "UNKNOWN",
        "logDateTime": "2025-11-28T20:35:00.000000Z",
        "message": "Unknown",
    }


@pytest.mark.parametrize(
    ("event", "initiated_by", "message"),
    [
        ("JOB_START", "START_DRILL", "Drill of 2 servers started"),
        ("JOB_START", "FAILBACK", "Failback of 2 servers started"),
        ("JOB_START", "DIAGNOSTIC", "Job of 2 servers started"),
        ("JOB_CANCEL", "START_RECOVERY", "Recovery cancelled"),
        ("LAUNCH_START", "START_DRILL", "Launching server prod-web-01"),
        ("UPDATE_LAUNCH_TEMPLATE_START", "START_DRILL", "Updating the launch template of server prod-web-01"),
        ("SOMETHING_NEW", "START_DRILL", "Something new: server prod-web-01"),
    ],
)
def test_messages_are_readable_sentences(event: str, initiated_by: str, message: str) -> None:
    running = job("PENDING", "PENDING", status="STARTED", initiatedBy=initiated_by)
    data = {} if event.startswith("JOB") else {"sourceServerID": "s-0"}

    assert only_detail(running, log_item(event, **data), names={"s-0": "prod-web-01"})["message"] == message


def test_only_a_server_with_remaining_steps_can_stall() -> None:
    running = job("PENDING", "PENDING", "PENDING", "LAUNCHED", "PENDING", status="STARTED")
    log = read(
        running,
        [
            log_item("CONVERSION_START", "2025-11-28T20:00:00Z", sourceServerID="s-0"),
            log_item("CONVERSION_START", "2025-11-28T20:30:00Z", sourceServerID="s-1"),
            log_item("CONVERSION_FAIL", "2025-11-28T20:00:00Z", sourceServerID="s-2"),
            log_item("LAUNCH_END", "2025-11-28T20:00:00Z", sourceServerID="s-3"),
        ],
        NOW,
    )

    def stalled(now: datetime, **changes: str) -> dict[str | None, str]:
        return {item.source_server_id: item.time for item in stalled_items(running | changes, log, 45 * MINUTE, now)}

    assert stalled(NOW) == {"s-0": "2025-11-28T20:45:00.000000Z"}
    # s-4 has no item, so its time starts at the creation of the job.
    assert set(stalled(NOW + 16 * MINUTE)) == {"s-0", "s-1", "s-4"}
    assert stalled(NOW, status="COMPLETED") == {}


@given(
    st.dictionaries(
        st.sampled_from(["sourceServerID", "rawError", "targetInstanceID", "conversionServerID"]), st.text(), max_size=4
    ),
    st.sampled_from(["LAUNCH_FAILED", "JOB_START", "SOMETHING_NEW"]),
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
)
def test_the_stored_event_has_the_key_of_its_item(data: dict[str, str], event: str, time: datetime) -> None:
    running = job("PENDING", status="STARTED")
    (item,) = read(running, [log_item(event, time.isoformat(), **data)], NOW).items

    assert parse(dumps(job_log(to_detail(item, running, {}, {}, "ExecutionId")))).key == item.key


RUNNING_EVENTS = ["SNAPSHOT_START", "SNAPSHOT_FAIL", "CONVERSION_START", "LAUNCH_START", "LAUNCH_FAILED", "LAUNCH_END"]


@given(
    items=st.lists(
        st.tuples(st.integers(0, 40), st.sampled_from([*RUNNING_EVENTS, "JOB_START", "JOB_CANCEL", "SOMETHING_NEW"])),
        max_size=12,
    ),
    reads=st.lists(st.integers(0, 12), max_size=4),
    in_order=st.booleans(),
)
def test_a_log_that_is_extended_is_the_log_that_is_read_as_a_whole(
    *, items: list[tuple[int, str]], reads: list[int], in_order: bool
) -> None:
    running = job("PENDING", "PENDING", "PENDING", status="STARTED", endDateTime=None)
    converted = [
        to_item(running, log_item(event, f"2025-11-28T20:35:{second:02}+00:00", sourceServerID=f"s-{place % 3}"))
        for place, (second, event) in enumerate(sorted(items) if in_order else items)
    ]
    extended = 0

    log = read_log(running, [], NOW)
    for end in [*sorted(min(end, len(converted)) for end in reads), len(converted)]:
        longer = extend_log(log, converted[:end])
        extended += longer is not None
        log = longer or read_log(running, converted[:end], NOW)

    whole = read_log(running, converted, NOW)
    assert (log.items, log.is_complete) == (whole.items, whole.is_complete)
    assert combine([log.state]) == combine([whole.state])
    event(f"extended {min(extended, 2)} times or more")


def test_a_log_with_new_items_at_its_end_is_extended() -> None:
    running = job("PENDING", status="STARTED", endDateTime=None)
    events = [("JOB_START", 0), ("SNAPSHOT_START", 1), ("SNAPSHOT_END", 2), ("CONVERSION_START", 3)]
    items = [
        to_item(running, log_item(event, f"2025-11-28T20:35:0{second}+00:00", sourceServerID="s-0"))
        for event, second in events
    ]

    log = extend_log(read_log(running, items[:2], NOW), items)

    assert log is not None
    assert log.state.summary == {"converting": 1}
    assert extend_log(log, [items[0], items[2], items[1], items[3]]) is None  # the order of known items changed
    assert extend_log(log, [*items, items[1]]) is None  # an item again
