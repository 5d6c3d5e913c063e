"""The state of a job that the collector keeps between passes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

# If the table does not contain an event this long after it was put on the bus, the event is sent again.
RESEND_AFTER: Final = timedelta(minutes=5)

# If this instance did not read a job for a poll interval plus this time, another instance may have sent its events.
_POLL_GAP: Final = timedelta(seconds=10)


@dataclass(slots=True)
class JobTracker:
    """The state of a job in the collector. Keys are ``EventKey`` values.

    Attributes
    ----------
    stored
        Keys that the table contained when it was last read.
    emitted
        Keys that were put on the bus, with the time.
    resent
        Keys that were put on the bus again because the table did not contain them in time.
    final_keys
        All keys of the job, once no further item is expected.
    stalled
        Servers that were already counted as stalled.
    execution_id
        The execution ID in the job's tag. Without the tag, the job ID.
    servers
        The number of servers by state when the log was last read.
    read_at
        When this instance last read the log.
    """

    stored: set[str] = field(default_factory=set)
    emitted: dict[str, datetime] = field(default_factory=dict)
    resent: set[str] = field(default_factory=set)
    final_keys: frozenset[str] | None = None
    stalled: set[str] = field(default_factory=set)
    execution_id: str = ""
    servers: Counter[str] = field(default_factory=Counter)
    read_at: datetime | None = None

    def should_send(self, key: str, now: datetime) -> bool:
        """Whether the event is not stored and was not put on the bus recently."""
        return key not in self.stored and not (key in self.emitted and now - self.emitted[key] < RESEND_AFTER)

    def needs_reconcile(self, key: str, now: datetime, poll_interval: timedelta) -> bool:
        """Whether the table may contain an event that ``stored`` lacks.

        This instance sent it earlier, or another instance may have sent it.
        """
        return key in self.emitted or self.read_at is None or now - self.read_at > poll_interval + _POLL_GAP

    @property
    def all_stored(self) -> bool:
        """Whether no further item is expected and the table contains all events."""
        return self.final_keys is not None and self.final_keys <= self.stored

    def all_sent(self, now: datetime) -> bool:
        """Whether no further item is expected and ``should_send`` is False for all events."""
        return self.final_keys is not None and not any(self.should_send(key, now) for key in self.final_keys)
