"""The steps of a server from the times of its events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from drs_job_log.model.steps import current_step, step_seconds

START = datetime(2025, 11, 28, 20, 30, tzinfo=UTC)


def times(**seconds: float) -> dict[str, datetime]:
    return {event_type: START + timedelta(seconds=after) for event_type, after in seconds.items()}


def test_the_wait_is_between_the_snapshot_and_the_conversion() -> None:
    of_launched = times(
        SNAPSHOT_STARTED=0,
        SNAPSHOT_COMPLETED=0.25,
        CONVERSION_STARTED=52.25,
        CONVERSION_COMPLETED=227,
        SERVER_LAUNCHING=228,
        SERVER_LAUNCHED=506.04,
    )

    assert step_seconds(of_launched) == {"snapshot": 0.2, "wait": 52.0, "conversion": 174.8, "launch": 278.0}


def test_a_failed_step_ends_with_the_failure_and_a_repeated_one_with_its_newest_event() -> None:
    assert step_seconds(times(SNAPSHOT_STARTED=0, SNAPSHOT_FAILED=30)) == {"snapshot": 30}
    assert step_seconds(times(CONVERSION_STARTED=100, CONVERSION_FAILED=60, CONVERSION_COMPLETED=160)) == {
        "conversion": 60
    }
    assert step_seconds(times(CONVERSION_STARTED=100, CONVERSION_FAILED=60)) == {}


@pytest.mark.parametrize(
    ("events", "step"),
    [
        (times(), None),
        (times(SNAPSHOT_STARTED=5), ("snapshot", 5)),
        (times(SNAPSHOT_STARTED=5, SNAPSHOT_COMPLETED=6), ("wait", 6)),
        (times(SNAPSHOT_STARTED=5, SNAPSHOT_COMPLETED=5), ("wait", 5)),
        (times(SNAPSHOT_COMPLETED=5, CONVERSION_STARTED=5), ("conversion", 5)),
        (times(CONVERSION_STARTED=5, CONVERSION_COMPLETED=9), ("launch", 9)),
        (times(CONVERSION_COMPLETED=9, SERVER_LAUNCHING=9), ("launch", 9)),
        (times(SNAPSHOT_STARTED=5, SNAPSHOT_FAILED=9), None),
    ],
)
def test_the_step_of_an_active_server(events: dict[str, datetime], step: tuple[str, float] | None) -> None:
    assert current_step(events) == (step and (step[0], START + timedelta(seconds=step[1])))
