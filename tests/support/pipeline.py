"""The whole module in this process: the DRS simulator, the collector, ingest, the linker, the API, SNS and the tables.

The time is simulated for DRS and the collector. The other functions use the real time, so a job should end in the past.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError
from drs_job_log.collect.collector import Collector, PassRequest, PassResult
from drs_job_log.collect.event_bus import EventBus
from drs_job_log.collect.plans import EventTimes
from drs_job_log.config import CollectorSettings, Target
from drs_job_log.notify.outbox import due_message

from tests.support.envelopes import dumps, job_log, sqs_records
from tests.support.functions import LambdaContext, cold_start

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drs_job_log.collect.drs_client import DrsClient
    from drs_job_log.table import JobLogTable

    from tests.support.drs import Simulator
    from tests.support.scripts import Script

SETTINGS: Final = CollectorSettings(
    table_name="events",
    event_bus_name="default",
    event_source="drs.job-log",
    collector_sources=frozenset({"drs.job-log"}),
    notices_table_name="notices",
    only_tagged={},
    targets=(Target(),),
    lookback=timedelta(hours=24),
    retention=timedelta(days=30),
    poll_interval=timedelta(seconds=3),
    stalled_after=timedelta(minutes=45),
    rto_minutes=None,
    max_days_without_drill=None,
    drill_instances_hours=None,
    execution_id_tag="ExecutionId",
)


@dataclass
class Pipeline:
    """The module with a simulated time ``now``. ``environment`` is that of ingest, linker and API."""

    simulator: Simulator
    drs: DrsClient
    table: JobLogTable
    environment: dict[str, str] = field(default_factory=dict)
    now: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(hours=3))
    queue: list[str] = field(default_factory=list)
    published: list[dict[str, Any]] = field(default_factory=list)
    timers: list[str] = field(default_factory=list)
    settings: CollectorSettings = SETTINGS

    def __post_init__(self) -> None:
        self.simulator.clock = lambda: self.now
        self.cold_start()

    def cold_start(self) -> None:
        """Start new instances of all functions."""
        self.collector = Collector(
            [self.drs],
            self.table,
            EventBus(self, "default", self.settings.event_source),  # type: ignore[arg-type]
            self.settings,
            EventTimes(self.table._client, os.environ["NOTICES_TABLE"]) if self.settings.reads_plans else None,
        )
        self.ingest, self.linker, self.api = (
            cold_start(function, **self.environment) for function in ("ingest", "linker", "api")
        )
        self.ingest.notifier._outbox._schedule = lambda group, _delay: self.timers.append(due_message(group))

    def put_events(self, Entries: Sequence[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        """Accept events as EventBridge does, and send them to the ingest queue."""
        for entry in Entries:
            self.published.append(json.loads(entry["Detail"]))
            self.queue.append(dumps(job_log(self.published[-1], source=entry["Source"])))
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"} for _ in Entries]}

    def start(self, script: Script, **tags: str) -> str:
        """Start a job and return its ID."""
        return self.simulator.start(script, tags)

    def collect(self, after: timedelta = timedelta()) -> PassResult:
        """Make a pass of the collector, and store its events."""
        self.now += after
        result = self.collector.collect(PassRequest(), self.now)
        # Threads put the events of a pass in any order.
        self.queue.sort(key=lambda body: str(json.loads(body)["detail"]["logDateTime"]))
        self.deliver()
        return result

    def play(self, duration: timedelta, interval: timedelta = timedelta(seconds=30)) -> None:
        """Make passes for a time. The last one is at its end."""
        end = self.now + duration
        while self.now < end:
            assert self.collect(min(interval, end - self.now)).failures == {}

    def send(self, *bodies: str) -> None:
        """Send messages to the ingest queue, and store them."""
        self.queue += bodies
        self.deliver()

    def deliver(self) -> None:
        """Give the messages of the queue to ingest, and a failed message again until it succeeds."""
        for _ in range(5):
            failed: list[str] = []
            while self.queue:
                batch = [self.queue.pop(0) for _ in range(min(10, len(self.queue)))]
                try:
                    answer = self.ingest.lambda_handler(sqs_records(batch), LambdaContext())
                    failed += [batch[int(item["itemIdentifier"][8:])] for item in answer["batchItemFailures"]]
                except BatchProcessingError:
                    failed += batch
            self.queue = failed
            if not failed:
                break
        assert not self.queue

    def send_collected(self) -> None:
        """Let the time of all timers pass."""
        timers, self.timers = self.timers, []
        self.send(*timers)

    def link(self) -> dict[str, int]:
        """Run the linker."""
        result: dict[str, int] = self.linker.lambda_handler({}, LambdaContext())
        return result

    def get(self, kind: str, id_: str) -> dict[str, Any]:
        """Return the API's answer for one of the "executions" or "jobs"."""
        name = "executionId" if kind == "executions" else "jobId"
        request = {
            "routeKey": f"GET /{kind}/{{{name}}}/logs",
            "rawPath": f"/{kind}/{quote(id_, safe='')}/logs",
            "pathParameters": {name: id_},
            "queryStringParameters": {"limit": "1000"},
        }
        answer = self.api.lambda_handler(request, LambdaContext())
        assert answer["statusCode"] == 200, answer
        body: dict[str, Any] = json.loads(answer["body"])
        return body

    def execution(self, id_: str) -> dict[str, Any]:
        """Return the API's answer for an execution."""
        return self.get("executions", id_)

    def job(self, id_: str) -> dict[str, Any]:
        """Return the API's answer for a job."""
        return self.get("jobs", id_)
