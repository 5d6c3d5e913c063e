"""Ingest in simulated time: events arrive, timers end, and checks report facts about executions."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
from drs_job_log.ingest.checks import check_of

from tests.unit.conftest import RETENTION

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta
    from types import ModuleType

    from drs_job_log.model.events import JobLogEvent

    from tests.unit.conftest import Subscriber


@dataclass
class CheckedIngest:
    """The function ``ingest``, its topic and its bus. ``now`` is the simulated time.

    ``copies``: how often SQS delivers each timer.
    """

    ingest: ModuleType
    subscriber: Subscriber
    now: datetime
    copies: int = 1
    timers: list[tuple[datetime, str]] = field(default_factory=list)
    waiting: list[JobLogEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ingest.checks._schedule = self._start_timer

    def _start_timer(self, message: str, delay: timedelta) -> None:
        self.timers += [(self.now + delay, message)] * self.copies

    def play(self, events: Iterable[JobLogEvent]) -> None:
        """Let each event arrive at its time."""
        self.waiting = sorted([*self.waiting, *events], key=lambda event: event.timestamp)

    def receive(self, event: JobLogEvent) -> None:
        """Store an event, and do what follows from it for executions."""
        self.ingest.table.put(event, RETENTION)
        self.ingest.checks.begin(event)

    def run(self, end: datetime | None = None) -> None:
        """Let the time pass until ``end``, or until no event and no timer is left."""
        while self.waiting or self.timers:
            self.timers.sort(key=lambda timer: timer[0])
            event_at = self.waiting[0].timestamp if self.waiting else None
            timer_at = self.timers[0][0] if self.timers else None
            next_at = min(time for time in (event_at, timer_at) if time)
            if end and next_at > end:
                break
            self.now = max(self.now, next_at)
            if event_at == next_at:
                self.receive(self.waiting.pop(0))
            else:
                check = check_of(self.timers.pop(0)[1])
                assert check
                self.ingest.checks.make(check, self.now)
        self.now = max(self.now, end or self.now)

    def notices(self) -> list[dict[str, Any]]:
        """Return and forget the notices of executions that were sent, as documents."""
        return [notice for message in self.subscriber.take() for notice in message["Document"]["notices"]]

    def labels(self) -> list[str]:
        """Return and forget the labels of the notices that were sent."""
        return [notice["label"] for notice in self.notices()]


class Bus:
    """A rule on the default bus that sends the events about executions to a queue."""

    def __init__(self) -> None:
        sqs, events = boto3.client("sqs"), boto3.client("events")
        self._url = sqs.create_queue(QueueName="bus")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        pattern = {"source": ["drs.job-log"], "detail-type": [{"prefix": "DRS Execution"}]}
        events.put_rule(Name="executions", EventPattern=json.dumps(pattern))
        events.put_targets(Rule="executions", Targets=[{"Id": "queue", "Arn": arn}])

    def take(self) -> list[dict[str, Any]]:
        """Return and forget the events, in order."""
        sqs = boto3.client("sqs")
        found = []
        while messages := sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return found
