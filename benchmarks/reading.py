"""What reading costs: the API's answer beside a bare query of the same items, and a viewer's poll of a large execution.

The table is on the embedded AWS, a process of its own: what is compared is the processor time of this one. (For a
query of a range, the embedded AWS goes through the whole execution; DynamoDB does not, and bills what it reads.)
"""

from __future__ import annotations

import itertools
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import boto3
from boto3.dynamodb.types import TypeDeserializer

from benchmarks import jobs
from benchmarks.lines import Line, cpu_ms, side_by_side
from benchmarks.stage import TABLE, staged
from benchmarks.table import alone
from tests.support.envelopes import dumps, job_log
from tests.support.recovery import CONTEXT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    from tests.support.ministack import MiniStack


SIZES: Final = (100, 1000, 5000)

_deserialize = TypeDeserializer().deserialize


def lines(_: MiniStack, *, short: bool) -> Iterator[Line]:
    """The table's lines about the API."""
    from drs_job_log import api  # noqa: PLC0415 (it reads its environment then)
    from drs_job_log.logs import Logs  # noqa: PLC0415

    client = boto3.client("dynamodb")
    store = api.logs._store
    smallest, *_, largest = sizes = SIZES[:2] if short else SIZES
    repeats = range(2 if short else 6)

    def cold(execution_id: str) -> None:
        api.logs = Logs(store)
        ask(api.handler, execution_id)

    for size in sizes:
        execution_id = f"exec-running-{size}"
        stored = jobs.store(client, TABLE, execution_id, size, is_running=True)
        ours, floor = side_by_side(
            repeats,
            lambda id_=execution_id: cpu_ms(lambda: cold(id_)),
            lambda id_=execution_id: cpu_ms(lambda: query(client, id_)),
        )
        yield Line(
            what=f"API, {stored:,} events, nothing remembered: processor time of an answer",
            unit="ms",
            ours=ours,
            floor=floor,
            floor_is="the bare query of these items, decoded",
            reach=1.5,
        )

    arriving_at = {size: arriving(f"exec-running-{size}") for size in (largest, smallest)}

    def poll(size: int, figure: Callable[[Callable[[], object]], float]) -> float:
        for _ in range(3):  # since the last poll
            store.put(next(arriving_at[size]), jobs.RETENTION)
        return figure(lambda: ask(api.handler, f"exec-running-{size}", since=minute_ago()))

    read = EventsRead(api.client)
    for unit, figure in (("ms of processor time", cpu_ms), ("events read", read.by)):
        ours, floor = side_by_side(
            repeats, lambda figure=figure: poll(largest, figure), lambda figure=figure: poll(smallest, figure)
        )
        yield Line(
            what=f"a viewer's poll of a running execution of {largest:,} events, three of them new",
            unit=unit,
            ours=ours,
            floor=floor,
            floor_is=f"of one of {smallest:,}",
            reach=3,
        )


class EventsRead:
    """Counts the items that a client's queries read, which is what DynamoDB bills by."""

    def __init__(self, client: DynamoDBClient) -> None:
        self._items = 0
        client.meta.events.register("after-call.dynamodb.Query", self._add)

    def by(self, call: Callable[[], object]) -> float:
        """How many a call reads."""
        self._items = 0
        call()
        return self._items

    def _add(self, parsed: dict[str, Any], **_: object) -> None:
        self._items += parsed["ScannedCount"]


def ask(handler: Callable[..., Any], execution_id: str, **parameters: str) -> None:
    """Ask for a page of an execution's log, as API Gateway does."""
    answer = handler(
        {
            "routeKey": "GET /executions/{executionId}/logs",
            "pathParameters": {"executionId": execution_id},
            "queryStringParameters": parameters,
        },
        CONTEXT,
    )
    assert answer["statusCode"] == 200, answer["body"]


def query(client: Any, execution_id: str) -> list[dict[str, Any]]:
    """What the API reads of the items of an execution, as Python values."""
    from drs_job_log.store import _PROJECTION  # noqa: PLC0415

    pages = client.get_paginator("query").paginate(
        TableName=TABLE,
        IndexName="ExecutionIdIndex",
        KeyConditionExpression="ExecutionId = :id",
        ExpressionAttributeValues={":id": {"S": execution_id}},
        **_PROJECTION,
    )
    return [{n: _deserialize(v) for n, v in item.items()} for page in pages for item in page["Items"]]


def arriving(execution_id: str) -> Iterator[Any]:
    """Events of one of its running jobs, each of which just happened."""
    from drs_job_log.events import parse  # noqa: PLC0415

    for number in itertools.count():
        detail = {
            "jobID": f"drsjob-{execution_id}-0",
            "eventType": "CONVERSION_IN_PROGRESS",
            "eventId": f"arriving-{number}",
            "logDateTime": datetime.now(UTC).isoformat(),
            "executionId": execution_id,
            "sourceServerID": "s-00000000000000000",
        }
        yield parse(dumps(job_log(detail)))


def minute_ago() -> str:
    """Since when a viewer asks."""
    return (datetime.now(UTC) - timedelta(minutes=1)).isoformat().replace("+00:00", "Z")


if __name__ == "__main__":
    sys.exit(alone(__doc__, lines, staged))
