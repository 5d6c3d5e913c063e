from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from drs_job_log.collect.job_log import read_log, to_item
from drs_job_log.collect.tracker import JobTracker

if TYPE_CHECKING:
    from mypy_boto3_drs.type_defs import JobTypeDef

NOW = datetime(2026, 11, 23, 20, 30, tzinfo=UTC)
POLL_INTERVAL = timedelta(seconds=3)

JOB: JobTypeDef = {
    "jobID": "drsjob-556c7b1d99221f996",
    "type": "LAUNCH",
    "status": "COMPLETED",
    "participatingServers": [{"sourceServerID": "s-1", "launchStatus": "LAUNCHED"}],
}


def ago(**duration: float) -> datetime:
    return NOW - timedelta(**duration)


def test_an_event_is_sent_unless_it_is_stored_or_was_sent_within_five_minutes() -> None:
    tracker = JobTracker(stored={"stored"}, emitted={"recent": ago(minutes=4.9), "old": ago(minutes=5)})

    assert tracker.unsent(("stored", "recent", "old", "new"), NOW) == ["old", "new"]


@pytest.mark.parametrize(
    ("tracker", "expected"),
    [
        (JobTracker(), True),  # never read: another instance may have sent all events
        (JobTracker(read_at=ago(seconds=13)), False),
        (JobTracker(read_at=ago(seconds=13.1)), True),  # a gap between two polls
        (JobTracker(read_at=ago(seconds=3), emitted={"key": ago(minutes=6)}), True),
    ],
)
def test_the_table_is_read_if_it_may_contain_more_than_the_tracker(tracker: JobTracker, *, expected: bool) -> None:
    assert tracker.needs_reconcile("key", NOW, POLL_INTERVAL) is expected


@pytest.mark.parametrize(
    ("tracker", "has_unsent", "is_settled"),
    [
        (JobTracker(job=JOB), False, False),
        (JobTracker(job=JOB, keys=frozenset({"a"}), stored={"a"}), False, False),
        (JobTracker(job=JOB, keys=frozenset({"a"}), is_running=False, emitted={"a": NOW}), False, False),
        (JobTracker(job=JOB, keys=frozenset({"a"}), is_running=False, emitted={"a": ago(minutes=6)}), True, False),
        (JobTracker(job=JOB, keys=frozenset({"a"}), is_running=False, stored={"a", "b"}), False, True),
    ],
)
def test_a_job_is_settled_if_all_final_events_are_stored(
    tracker: JobTracker, *, has_unsent: bool, is_settled: bool
) -> None:
    assert tracker.has_unsent(NOW) is has_unsent
    tracker.settle()
    assert (tracker.settled is not None) is is_settled


def test_a_settled_job_keeps_no_keys() -> None:
    tracker = JobTracker(
        job=JOB,
        read_at=NOW,
        stored={"a", "b"},
        emitted={"a": NOW},
        details={"b": {"eventType": "JOB_END"}},
        keys=frozenset({"a", "b"}),
        is_running=False,
    )
    tracker.settle()

    assert not tracker.stored | tracker.emitted.keys() | tracker.details.keys() | tracker.resent
    assert tracker.keys == frozenset()
    assert tracker.job is not None
    assert "participatingServers" not in tracker.job
    assert not tracker.is_active(NOW)
    changed: JobTypeDef = {**JOB, "participatingServers": [{"sourceServerID": "s-1", "launchStatus": "TERMINATED"}]}
    assert [tracker.should_read(job, NOW) for job in (JOB, changed)] == [False, True]


@pytest.mark.parametrize(
    ("idle", "is_active", "read_after"),
    [
        (timedelta(minutes=59), True, timedelta(0)),
        (timedelta(minutes=60), False, timedelta(seconds=50)),
        (timedelta(hours=23.9), False, timedelta(seconds=50)),
        (timedelta(hours=24), False, timedelta(hours=1)),
    ],
)
def test_a_job_without_a_new_item_is_read_less_often(
    idle: timedelta, *, is_active: bool, read_after: timedelta
) -> None:
    running: JobTypeDef = {**JOB, "status": "STARTED"}
    item = to_item(running, {"event": "SNAPSHOT_START", "logDateTime": (NOW - idle).isoformat()})
    tracker = JobTracker(job=running, log=read_log(running, [item], NOW), read_at=NOW)
    second = timedelta(seconds=1)

    assert tracker.is_active(NOW) is is_active
    assert tracker.should_read(running, NOW + read_after)
    assert not read_after or not tracker.should_read(running, NOW + read_after - second)
    assert tracker.should_read(JOB, NOW + second)  # DRS reports that the job ended


@pytest.mark.parametrize("is_running", [False, True])
def test_a_job_whose_events_were_not_put_on_the_bus_is_active(*, is_running: bool) -> None:
    keys = frozenset({"a", "b"})
    tracker = JobTracker(
        job=JOB, read_at=NOW, created_at=ago(days=2), keys=keys, is_running=is_running, emitted={"a": NOW}
    )

    assert (tracker.is_active(NOW), tracker.should_read(JOB, NOW)) == (True, True)
    tracker.emitted["b"] = NOW
    assert (tracker.is_active(NOW), tracker.should_read(JOB, NOW)) == (False, False)


def test_a_job_whose_log_was_never_read_is_not_active_for_ever() -> None:
    assert JobTracker(created_at=ago(minutes=59)).is_active(NOW)
    unreadable = JobTracker(created_at=ago(minutes=60))
    assert not unreadable.is_active(NOW)
    assert unreadable.should_read(JOB, NOW)  # about once a minute, when it is listed
