"""The steps of a server's launch, and their durations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from drs_job_log.model.events import SERVER_FAILURES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

# Step → the event types that begin and end it. DRS logs nothing in "wait", the time between the snapshot and the
# conversion: 52 s in the published logs of two real drills.
_STEPS: Final[Mapping[str, tuple[str, frozenset[str]]]] = {
    "snapshot": ("SNAPSHOT_STARTED", frozenset({"SNAPSHOT_COMPLETED", "SNAPSHOT_FAILED"})),
    "wait": ("SNAPSHOT_COMPLETED", frozenset({"CONVERSION_STARTED"})),
    "conversion": ("CONVERSION_STARTED", frozenset({"CONVERSION_COMPLETED", "CONVERSION_FAILED"})),
    "launch": ("SERVER_LAUNCHING", frozenset({"SERVER_LAUNCHED", "SERVER_LAUNCH_FAILED"})),
}

# The steps in their order.
STEPS: Final = tuple(_STEPS)

# Of two events with the same time, the one of the later step is the newer one.
_ORDER: Final[Mapping[str, int]] = {
    event_type: place
    for step, (start, ends) in enumerate(_STEPS.values())
    for place, events in ((2 * step, (start,)), (2 * step + 1, ends))
    for event_type in events
}

# Event types that begin or end a step.
STEP_EVENTS: Final = frozenset(_STEPS[step][0] for step in STEPS).union(*(ends for _, ends in _STEPS.values()))

# Event types after which a server normally has no further event. A failed server can have: DRS repeats some steps.
FINAL_SERVER_EVENTS: Final = SERVER_FAILURES | {"SERVER_LAUNCHED", "SERVER_SKIPPED"}


def step_seconds(times: Mapping[str, datetime]) -> dict[str, float]:
    """Return the duration of each step that has ended, in seconds with one digit. A failed step ends with the failure.

    ``times``: the time of the newest event of each event type (``STEP_EVENTS``) of one server in one job.
    """
    seconds = {}
    for step, (start, ends) in _STEPS.items():
        end = max((times[event_type] for event_type in ends if event_type in times), default=None)
        if start in times and end and end >= times[start]:
            seconds[step] = round((end - times[start]).total_seconds(), 1)
    return seconds


def current_step(times: Mapping[str, datetime]) -> tuple[str, datetime] | None:
    """Return the step of an active server, and when it began. None before the first step, and after a failed one.

    Between the conversion and the launch, it is the launch. ``times``: see ``step_seconds``.
    """
    if not times:
        return None
    newest = max(times, key=lambda event_type: (times[event_type], _ORDER[event_type]))
    if newest == "CONVERSION_COMPLETED":
        return "launch", times[newest]
    return next(((step, times[newest]) for step, (start, _) in _STEPS.items() if start == newest), None)
