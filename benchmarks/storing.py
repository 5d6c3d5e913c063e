"""What storing costs: processor time, waiting, requests and units of ingest, beside bare ``put_item``.

The table is on the embedded AWS, a process of its own, whose time is not counted as processor time.
"""

from __future__ import annotations

import contextlib
import io
import sys
import time
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.awsrequest import AWSResponse

from benchmarks import jobs
from benchmarks.counts import item_bytes
from benchmarks.lines import Line, cpu_ms, side_by_side, wall_ms
from benchmarks.stage import TABLE, staged
from benchmarks.table import alone
from tests.support.envelopes import sqs_records
from tests.support.recovery import CONTEXT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient

    from tests.support.ministack import MiniStack

BATCH: Final = 10
INJECTED_SECONDS: Final = 0.01
KILOBYTE: Final = 1024


def lines(_: MiniStack, *, short: bool) -> Iterator[Line]:
    """The table's lines about storing."""
    from drs_job_log import ingest  # noqa: PLC0415 (it reads its environment then)

    bare = boto3.client("dynamodb")
    ids = (f"drsjob-stored-{number}" for number in count())
    repeats = range(3 if short else 60)

    def ours(figure: Callable[[Callable[[], object]], float]) -> float:
        bodies = jobs.bodies(next(ids), BATCH)
        return figure(lambda: handle(ingest.handler, bodies))

    def floor(figure: Callable[[Callable[[], object]], float], number: int) -> float:
        items = jobs.items(jobs.bodies(next(ids), number))
        return figure(lambda: put(bare, items))

    our_figures, floor_figures = side_by_side(repeats, lambda: ours(cpu_ms), lambda: floor(cpu_ms, BATCH))
    yield Line(
        what=f"storing a batch of {BATCH}: processor time of ingest",
        unit="ms",
        ours=our_figures,
        floor=floor_figures,
        floor_is="a bare loop of put_item",
        reach=1.3,
    )

    with slow(ingest.client), slow(bare):
        our_figures, floor_figures = side_by_side(repeats, lambda: ours(wall_ms), lambda: floor(wall_ms, 1))
    yield Line(
        what=f"a batch of {BATCH} where each call of the store takes 10 ms more",
        unit="ms",
        ours=our_figures,
        floor=floor_figures,
        floor_is="one such call",
        reach=2,
    )

    bodies = jobs.bodies(next(ids), 122)  # a whole job of 20 servers
    batches = [bodies[start : start + BATCH] for start in range(0, len(bodies), BATCH)]
    for what in ("stored", "repeated"):
        with counted(ingest.client) as requests:
            for batch in batches:
                handle(ingest.handler, batch)
        yield Line(
            what=f"DynamoDB requests for each event {what}",
            unit="requests",
            ours=[len(requests) / len(bodies)],
            floor=[1],
            floor_is="one each",
            reach=1,
            kind="value at most",
        )

    (item,) = jobs.items(jobs.bodies(next(ids), 1))
    item["Message"]["S"] += "x" * (KILOBYTE - item_bytes(item))
    assert item_bytes(item) == KILOBYTE
    answer = bare.put_item(TableName=TABLE, Item=item, ReturnConsumedCapacity="INDEXES")
    yield Line(
        what="write units of a linked event of 1 KB",
        unit="units",
        ours=[answer["ConsumedCapacity"]["CapacityUnits"]],
        floor=[2],
        floor_is="table and index",
        reach=2,
        kind="value at most",
    )


def handle(handler: Callable[..., Any], bodies: Sequence[str]) -> None:
    """Hand a batch to ingest, whose metrics nobody is to see here."""
    with contextlib.redirect_stdout(io.StringIO()):
        assert handler(sqs_records(list(bodies)), CONTEXT) == {"batchItemFailures": []}


def put(client: DynamoDBClient, items: Sequence[dict[str, Any]]) -> None:
    """The least that stores them."""
    for item in items:
        client.put_item(TableName=TABLE, Item=item)


@contextlib.contextmanager
def slow(client: DynamoDBClient) -> Iterator[None]:
    """A store that answers each call after 10 ms, all at the same time, and does nothing."""

    def answer(request: Any, **_: object) -> AWSResponse:
        time.sleep(INJECTED_SECONDS)
        raw: Any = io.BytesIO(b"{}")
        raw.stream = lambda **_: [b"{}"]
        return AWSResponse(request.url, 200, {}, raw)

    client.meta.events.register_first("before-send.dynamodb", answer)
    yield
    client.meta.events.unregister("before-send.dynamodb", answer)


@contextlib.contextmanager
def counted(client: DynamoDBClient) -> Iterator[list[str]]:
    """The names of a client's requests, those that it sent again included."""
    requests: list[str] = []

    def note(event_name: str, **_: object) -> None:
        requests.append(event_name)

    client.meta.events.register("before-send.dynamodb", note)
    yield requests
    client.meta.events.unregister("before-send.dynamodb", note)


if __name__ == "__main__":
    sys.exit(alone(__doc__, lines, staged))
