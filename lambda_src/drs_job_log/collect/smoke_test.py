"""The smoke test: puts a test event on the event bus, and waits until it is in the events table."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from drs_job_log.collect.event_bus import to_text
from drs_job_log.model.events import SMOKE_TEST, event_key, format_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from drs_job_log.collect.event_bus import EventBus
    from drs_job_log.table import JobLogTable

# The job and the execution of the test events.
_ID: Final = "smoke-test"

# Shorter than the default timeout of clients that invoke the function, 60 s.
_MAX_WAIT_SECONDS: Final = 40.0

# Reserved at the end of the invocation, to report the failure.
_SECONDS_TO_FINISH: Final = 3.0

_READ_INTERVAL_SECONDS: Final = 0.5


class SmokeTestError(RuntimeError):
    """The test event is not in the events table."""


def run(bus: EventBus, table: JobLogTable, test_id: str, seconds_left: Callable[[], float]) -> timedelta:
    """Send a test event through the pipeline. Return the time from the request until the event is in the events table.

    ``test_id`` identifies this test. Ingest stores test events for an hour, and they cause no notification.

    Raises
    ------
    SmokeTestError
        If EventBridge rejects the event, or if the table does not contain it in time.
    botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError
        If EventBridge or DynamoDB cannot be reached or refuses a request.
    """
    now = datetime.now(UTC)
    detail = {
        "jobID": _ID,
        "executionId": _ID,
        "eventType": SMOKE_TEST,
        "eventId": test_id,
        "logDateTime": format_time(now),
        "message": "Test of the pipeline. DynamoDB deletes this event.",
    }
    started = time.monotonic()
    if rejected := bus.put([to_text(detail)]):
        raise SmokeTestError(f"EventBridge rejected the test event: {rejected[0]}")
    key = event_key(format_time(now), test_id)
    while key not in table.stored(_ID, frozenset()):
        waited = time.monotonic() - started
        if waited > _MAX_WAIT_SECONDS or seconds_left() < _SECONDS_TO_FINISH:
            raise SmokeTestError(
                f"EventBridge accepted the test event, but it is not in the events table after {waited:.0f} s. "
                "See the runbooks missing-events and denied-requests"
            )
        time.sleep(_READ_INTERVAL_SECONDS)
    return timedelta(seconds=time.monotonic() - started)
