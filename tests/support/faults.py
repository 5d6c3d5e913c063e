"""Injects faults between a function and AWS, and simulates the ingest queue with its retries."""

from __future__ import annotations

import contextlib
import io
import json
import random
import threading
import time
from bisect import insort
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError
from botocore.awsrequest import AWSResponse
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from moto.core.models import botocore_stubber

from tests.support.envelopes import sqs_records
from tests.support.profile import DIVISOR

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from botocore.awsrequest import AWSPreparedRequest

TRIES: Final = 5  # maxReceiveCount in queues.tf
VISIBILITY_TIMEOUT: Final = 180.0
# Ten batches are in work at a time, so one ends every 0.05 s. The short profile has fewer batches in the same time, so
# that an outage covers the same share of the load.
SECONDS_OF_A_BATCH: Final = 0.05 * DIVISOR

THROTTLED: Final = "ProvisionedThroughputExceededException"


class Killed(BaseException):
    """Ends the function during an invocation."""


class EventsTable:
    """The events table, with the requests of ingest only. Faster than moto, which sorts all rows for a query.

    The unit tests prove on moto, and the end-to-end tests on MiniStack, that DynamoDB handles requests in this way.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows: dict[tuple[str, str], dict[str, Any]] = {}
        self._of_job: defaultdict[str, list[tuple[str, dict[str, Any]]]] = defaultdict(list)
        self._of_execution: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self._lock = threading.Lock()
        self._moto = threading.Lock()

    def __call__(self, event_name: str, request: AWSPreparedRequest) -> AWSResponse | None:
        """Answer a request for this table. Pass all others to moto."""
        asked = json.loads(request.body or b"{}") if event_name.startswith("before-send.dynamodb.") else {}
        if asked.get("TableName") != self.name:
            with self._moto:  # moto checks a condition and writes the item in two steps; DynamoDB does both in one
                other: AWSResponse | None = botocore_stubber(event_name, request)
            return other
        match event_name.rpartition(".")[2]:
            case "PutItem":
                assert asked["ConditionExpression"] == "attribute_not_exists(JobId)"
                key = asked["Item"]["JobId"]["S"], asked["Item"]["EventKey"]["S"]
                with self._lock:
                    if self.rows.setdefault(key, asked["Item"]) is not asked["Item"]:
                        return answer(request, 400, {"__type": "ConditionalCheckFailedException"})
                    insort(self._of_job[key[0]], (key[1], asked["Item"]), key=itemgetter(0))
                    if "ExecutionId" in asked["Item"]:
                        self._of_execution[asked["Item"]["ExecutionId"]["S"]].append(asked["Item"])
                return answer(request, 200, {})
            case "Query" if asked["KeyConditionExpression"] == "JobId = :id":
                assert asked["ConsistentRead"]
                job = asked["ExpressionAttributeValues"][":id"]
                with self._lock:
                    items = [row for _, row in self._of_job[job["S"]]]
                return answer(request, 200, {"Items": items, "Count": len(items)})
            case "Query" if asked.get("IndexName") == "ExecutionIdIndex":
                assert asked["FilterExpression"] == "JobId <> :job"
                execution, job = (asked["ExpressionAttributeValues"][name] for name in (":id", ":job"))
                with self._lock:
                    items = [row for row in self._of_execution[execution["S"]] if row["JobId"] != job]
                return answer(request, 200, {"Items": items, "Count": len(items)})
            case "Query":
                assert asked["KeyConditionExpression"] == "JobId = :job AND EventKey >= :since"
                assert (
                    asked["FilterExpression"]
                    == "SourceServerId = :participant OR #EventData.#resourceID = :participant"
                )
                assert asked["ConsistentRead"]
                job, since, participant = (
                    asked["ExpressionAttributeValues"][name] for name in (":job", ":since", ":participant")
                )
                with self._lock:
                    rows = [row for key, row in self._of_job[job["S"]] if key >= since["S"]]
                items = [
                    row
                    for row in rows
                    if participant in (row.get("SourceServerId"), row["EventData"]["M"].get("resourceID"))
                ]
                return answer(request, 200, {"Items": items, "Count": len(items)})
        raise AssertionError(event_name)


@dataclass
class Faults:
    """Faults of one service. ``answer`` handles the requests without a fault.

    ``chances`` are the probabilities of each request. ``outage`` is the period without responses. "lost": the service
    handles the request, but the response is lost. "killed": the function ends, before or after the request is handled.
    """

    chances: dict[str, float] = field(default_factory=dict)
    outage: tuple[float, float] | None = None
    clock: Callable[[], float] = lambda: 0.0
    answer: Callable[[str, AWSPreparedRequest], AWSResponse | None] = botocore_stubber
    happened: Counter[str] = field(default_factory=Counter)
    chance: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311

    def at(self, client: Any) -> None:
        """Inject the faults into the requests of a client."""
        service = client.meta.service_model.service_name
        client.meta.events.unregister("before-send", botocore_stubber)  # otherwise, moto also handles each request
        client.meta.events.register(f"before-send.{service}", self._before_send)

    def _before_send(self, event_name: str, request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
        if self.outage and self.outage[0] <= self.clock() < self.outage[1]:
            return self._happen("down", event_name, request)
        dice = self.chance.random()
        for fault, chance in self.chances.items():
            if dice < chance:
                return self._happen(fault, event_name, request)
            dice -= chance
        return self.answer(event_name, request)

    def _happen(self, fault: str, event_name: str, request: AWSPreparedRequest) -> AWSResponse:
        self.happened[fault] += 1
        match fault:
            case "throttled":
                return answer(request, 400, {"__type": THROTTLED, "message": "as the test wants it"})
            case "down":
                raise EndpointConnectionError(endpoint_url=request.url)
            case "lost":
                self.answer(event_name, request)
                raise ReadTimeoutError(endpoint_url=request.url)
            case "killed":
                if self.chance.random() < 0.5:
                    self.answer(event_name, request)
                raise Killed
        raise AssertionError(fault)


def answer(request: AWSPreparedRequest, status: int, body: dict[str, Any]) -> AWSResponse:
    """Return the response to a request."""
    return AWSResponse(request.url, status, {}, _Raw(json.dumps(body).encode()))


class _Raw(io.BytesIO):
    """Body of a response."""

    def stream(self, **_: Any) -> Any:
        yield self.read()


@dataclass
class Message:
    body: str
    tries: int = 0


class Queue:
    """The ingest queue as Lambda reads it, in simulated time: only batches and visibility timeouts take time.

    Batches are random. A failed message is retried after the visibility timeout. After five tries, it goes to the
    dead-letter queue.
    """

    def __init__(
        self, handler: Callable[..., Any], context: Any, cold_start: Callable[[], None], seed: int = 1
    ) -> None:
        self._handler = handler
        self._context = context
        self._cold_start = cold_start
        self._chance = random.Random(seed)  # noqa: S311
        self.dead: list[str] = []
        self.now = 0.0
        self.metrics: Counter[str] = Counter()
        self.killed = 0
        self._delayed: list[str] = []

    def send_delayed(self, body: str) -> None:
        """Accept a delayed message, which is delivered in the next round."""
        self._delayed.append(body)

    def drain(self, bodies: Sequence[str]) -> None:
        """Invoke the function until the queue is empty."""
        messages = [Message(body) for body in bodies]
        while messages:
            self._chance.shuffle(messages)
            failed: list[Message] = []
            while messages:
                batch = [messages.pop() for _ in range(min(len(messages), self._chance.randint(5, 10)))]
                failed += [batch[index] for index in self._invoke(batch)]
                self.now += SECONDS_OF_A_BATCH
            for message in failed:
                message.tries += 1
            self.dead += [message.body for message in failed if message.tries == TRIES]
            messages = [message for message in failed if message.tries < TRIES]
            delayed, self._delayed = self._delayed, []
            messages += [Message(body) for body in delayed]
            self.now += VISIBILITY_TIMEOUT
            if messages:
                time.sleep(
                    2 * self._context.get_remaining_time_in_millis() / 1000
                )  # until the time of a killed invocation is over

    def _invoke(self, batch: Sequence[Message]) -> list[int]:
        """Invoke the function with a batch. Return the indexes of the failed messages."""
        printed = io.StringIO()
        answer = None
        with contextlib.redirect_stdout(printed):
            try:
                answer = self._handler(sqs_records([message.body for message in batch]), self._context)
            except BatchProcessingError:
                pass
            except Killed:
                self.killed += 1
                self._cold_start()  # waits for the threads of the invocation, which print metrics
        for line in printed.getvalue().splitlines():
            self.metrics += Counter(
                {name: sum(values) for name, values in json.loads(line).items() if isinstance(values, list)}
            )
        if answer is None:
            return list(range(len(batch)))
        return [int(failure["itemIdentifier"].removeprefix("message-")) for failure in answer["batchItemFailures"]]
