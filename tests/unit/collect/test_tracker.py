from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from drs_job_log.collect.tracker import JobTracker

NOW = datetime(2026, 11, 23, 20, 30, tzinfo=UTC)
POLL_INTERVAL = timedelta(seconds=3)


def ago(**duration: float) -> datetime:
    return NOW - timedelta(**duration)


def test_an_event_is_sent_unless_it_is_stored_or_was_sent_within_five_minutes() -> None:
    tracker = JobTracker(stored={"stored"}, emitted={"recent": ago(minutes=4.9), "old": ago(minutes=5)})

    assert {key: tracker.should_send(key, NOW) for key in ("stored", "recent", "old", "new")} == {
        "stored": False,
        "recent": False,
        "old": True,
        "new": True,
    }


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
    ("tracker", "all_sent", "all_stored"),
    [
        (JobTracker(), False, False),
        (JobTracker(final_keys=frozenset({"a"})), False, False),
        (JobTracker(final_keys=frozenset({"a"}), emitted={"a": NOW}), True, False),
        (JobTracker(final_keys=frozenset({"a"}), emitted={"a": ago(minutes=6)}), False, False),
        (JobTracker(final_keys=frozenset({"a"}), stored={"a", "b"}), True, True),
    ],
)
def test_a_job_is_finished_if_all_final_events_are_sent_and_stored(
    tracker: JobTracker, *, all_sent: bool, all_stored: bool
) -> None:
    assert (tracker.all_sent(NOW), tracker.all_stored) == (all_sent, all_stored)
