"""Real jobs, as the queue and the table have them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from boto3.dynamodb.types import TypeSerializer

from tests.support import played, scripts
from tests.support.envelopes import dumps, job_log
from tests.support.scripts import server_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drs_job_log.store import JobLogStore

RETENTION: Final = timedelta(days=30)
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
    from drs_job_log.store import to_item  # noqa: PLC0415

    stored = [to_item(parse(body), ingested_at=datetime.now(UTC), retention=RETENTION) for body in messages]
    return [{name: _serialize(value) for name, value in item.items()} for item in stored]


def store(table: JobLogStore, execution_id: str, least: int, *, is_running: bool = False) -> int:
    """Store jobs until the execution has at least so many events; return how many it has."""
    number = stored = 0
    with ThreadPoolExecutor(8) as threads:
        while stored < least:
            part = min(SERVERS * _EVENTS_OF_A_SERVER, least - stored)
            events = played.events(
                script(part, number * SERVERS, is_running=is_running),
                f"drsjob-{execution_id}-{number}",
                created=datetime.now(UTC) - timedelta(minutes=20),
                execution_id=execution_id,
            )
            stored += sum(threads.map(lambda event: table.put(event, RETENTION), events))
            number += 1
    return stored
