"""Real jobs, as the queue and the table have them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from boto3.dynamodb.types import TypeSerializer

from tests.support import played, scripts
from tests.support.drs import Simulator
from tests.support.envelopes import dumps, job_log
from tests.support.scripts import server_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drs_job_log.events import JobLogEvent
    from mypy_boto3_dynamodb import DynamoDBClient

RETENTION: Final = timedelta(days=30)
LAG: Final = timedelta(seconds=2)  # from an event to its row
AGE: Final = timedelta(minutes=8)  # of running jobs
SERVERS: Final = 50  # of a job, at the most

_EVENTS_OF_A_SERVER: Final = len(scripts.LAUNCH)

_serialize = TypeSerializer().serialize


def script(events: int, first: int = 0, *, is_running: bool = False) -> scripts.Script:
    """A job of at least so many events, two of them its own where it has ended; one server never where it runs."""
    servers = [server_id(first + place) for place in range(-(-events // _EVENTS_OF_A_SERVER))]
    return scripts.launch(servers, stuck=servers[:1] if is_running else (), seed=first)


def bodies(job_id: str, events: int, *, created: datetime | None = None) -> list[str]:
    """So many messages of a job, each an event that just happened."""
    details = played.details(script(events), job_id, created=created or datetime.now(UTC))
    return [dumps(job_log(detail)) for detail in details[:events]]


def items(messages: Sequence[str]) -> list[dict[str, Any]]:
    """What ingest stores of these messages, as DynamoDB's API takes it."""
    from drs_job_log.events import parse  # noqa: PLC0415 (which no other use of this file needs)

    return [_item(parse(body)) for body in messages]


def running(number: int, servers: int) -> Simulator:
    """DRS with so many jobs that began some minutes ago, most of whose log is there; its clock stands still now."""
    now = datetime.now(UTC)
    clock = iter([now - AGE] * number)  # each job asks once, when it begins
    simulator = Simulator(clock=lambda: next(clock, now))
    for job in range(number):
        simulator.start(scripts.launch([server_id(job * servers + place) for place in range(servers)], seed=job))
    return simulator


def store(client: DynamoDBClient, table: str, execution_id: str | None, least: int, *, is_running: bool = False) -> int:
    """Have at least so many events of an execution, or of none, in the table as if in time; return how many."""
    number = stored = 0
    while stored < least:
        part = script(min(SERVERS * _EVENTS_OF_A_SERVER, least - stored), number * SERVERS, is_running=is_running)
        job_id = f"drsjob-{execution_id}-{number}"
        created = datetime.now(UTC) - timedelta(minutes=20)
        events = played.events(part, job_id, created=created, execution_id=execution_id)
        for start in range(0, len(events), 25):  # the most that a request takes
            puts: Any = [{"PutRequest": {"Item": _item(event)}} for event in events[start : start + 25]]
            client.batch_write_item(RequestItems={table: puts})
        stored += len(events)
        number += 1
    return stored


def _item(event: JobLogEvent) -> dict[str, Any]:
    from drs_job_log.store import to_item  # noqa: PLC0415

    item = to_item(event, ingested_at=event.timestamp + LAG, retention=RETENTION)
    return {name: _serialize(value) for name, value in item.items()}
