"""The deployed module under load and faults. A proxy between the functions and DynamoDB and SNS injects the faults."""

from __future__ import annotations

import json
import random
import re
import statistics
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from drs_job_log.ingest.checks import check_of

from tests.support import played, scripts
from tests.support.deployment import Deployment, deployed, eventually
from tests.support.profile import scaled
from tests.support.proxy import FaultProxy
from tests.support.scripts import server_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SERVERS = [server_id(number) for number in range(16)]

# Jobs of 100 events, one for each execution.
EXECUTIONS = scaled(100)
EVENTS = 100 * EXECUTIONS

# The defaults are 180 s and 30 s, so that SQS delivers a message for 15 minutes. Here it does so for 3 minutes.
# More tries than the default 5, because invocations of a slow machine time out.
VISIBILITY_SECONDS = 22
TIMEOUT_SECONDS = 20
TRIES = 8

# What ingest logs if a request of a check fails. The check is repeated, or does without the answer.
ERRORS_OF_CHECKS = ("Message not handled", "Executions table not read", "No estimate")


@pytest.fixture(scope="module")
def proxy() -> Iterator[FaultProxy]:
    with FaultProxy() as proxy:
        yield proxy


@pytest.fixture(scope="module")
def deployment(proxy: FaultProxy) -> Iterator[Deployment]:
    endpoints = {f"AWS_ENDPOINT_URL_{service}": proxy.endpoint for service in ("DYNAMODB", "SNS")}
    with deployed(settings=endpoints) as deployment:
        proxy.target = deployment.stack.endpoint
        set_retries(deployment, tries=TRIES, visibility_seconds=VISIBILITY_SECONDS)
        deployment.stack.client("lambda").update_function_configuration(
            FunctionName=deployment.outputs["ingest_function_name"], Timeout=TIMEOUT_SECONDS
        )
        yield deployment


@pytest.fixture(autouse=True)
def _mended(proxy: FaultProxy) -> Iterator[None]:
    """Start each test without faults."""
    yield
    proxy.chances, proxy.down = {}, frozenset()


def set_retries(deployment: Deployment, *, tries: int, visibility_seconds: int) -> None:
    """Set how often SQS delivers a message, and the time between two deliveries."""
    sqs, url = deployment.stack.client("sqs"), deployment.outputs["queue_url"]
    policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]["RedrivePolicy"]
    attributes = {
        "VisibilityTimeout": str(visibility_seconds),
        "RedrivePolicy": json.dumps(json.loads(policy) | {"maxReceiveCount": tries}),
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)


@pytest.fixture(scope="module")
def subscriber(deployment: Deployment) -> str:
    """URL of a queue that is subscribed to the notifications of failures."""
    sqs = deployment.stack.client("sqs")
    url = sqs.create_queue(QueueName="subscriber")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    deployment.stack.client("sns").subscribe(
        TopicArn=deployment.outputs["failure_topic_arn"],
        Protocol="sqs",
        Endpoint=arn,
        Attributes={"FilterPolicy": json.dumps({"kind": ["failed", "resolved"]})},
    )
    return str(url)


def messages(deployment: Deployment, subscriber: str) -> list[dict[str, str]]:
    """Receive and delete the messages of the subscriber. Return their attributes and, as ``text``, their texts."""
    found = [json.loads(body) for body in deployment.take_all(subscriber)]
    return [
        {"text": message["Message"]} | {name: one["Value"] for name, one in message["MessageAttributes"].items()}
        for message in found
    ]


def details(execution: str, job: str, failing: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return 100 events of an execution that started an hour ago."""
    script = scripts.launch(SERVERS, failing=dict.fromkeys(failing, "no rights"), cleaned=SERVERS[:1])
    created = datetime.now(UTC) - timedelta(hours=1)
    found = played.details(script, job, created=created, execution_id=execution)
    assert len(found) == 100
    return found


def put(deployment: Deployment, events: Sequence[dict[str, Any]]) -> None:
    """Put the events on the bus with several threads."""
    parts = [events[start : start + 250] for start in range(0, len(events), 250)]
    with ThreadPoolExecutor(8) as senders:
        list(senders.map(deployment.put_events, parts))


def test_many_executions_of_a_hundred_events_at_once(deployment: Deployment, count: Callable[..., None]) -> None:
    events = [event for number in range(EXECUTIONS) for event in details(f"exec-{number}", f"job-{number}")]
    random.Random(1).shuffle(events)  # noqa: S311
    for event in events:
        event["logDateTime"] = None  # the time of the event is the time of the put
    lines_before = len(deployment.metrics())

    began = time.monotonic()
    put(deployment, events)
    eventually(lambda: deployment.stored() == EVENTS, seconds=240)
    seconds = time.monotonic() - began

    eventually(lambda: deployment.waiting() == 0, seconds=600)
    expected = Counter((event["jobID"], event["eventId"]) for event in events)
    rows = [row for number in range(EXECUTIONS) for row in deployment.rows(f"job-{number}")]
    assert Counter((row["JobId"], row["EventId"]) for row in rows) == expected
    assert {row["ExecutionId"] for row in rows} == {f"exec-{number}" for number in range(EXECUTIONS)}
    assert deployment.take_all(deployment.outputs["processing_dlq_url"]) == []
    lines = deployment.metrics()[lines_before:]
    stored, repeated = (sum(sum(line.get(name, [])) for line in lines) for name in ("EventsStored", "EventsRepeated"))
    # On a slow machine, a request or an invocation can time out. Its events are then delivered and counted again.
    assert stored <= EVENTS <= stored + repeated
    # So can a request of a check of an execution, which concerns no event.
    errors = [line for line in deployment.stack.log.read_text().splitlines() if '"level":"ERROR"' in line]
    assert repeated or [line for line in errors if not any(error in line for error in ERRORS_OF_CHECKS)] == []
    # EventBridge times have whole seconds, so that rounding adds up to one second.
    lags = [value for line in lines for value in line.get("EventLag", [])]
    half, most = statistics.median(lags), statistics.quantiles(lags, n=100)[-1]
    figures = {"stored": EVENTS, "seconds": round(seconds), "ms_lag_p50": round(half), "ms_lag_p99": round(most)}
    count(f"{EXECUTIONS} executions of 100 events at once", **figures)


def test_many_events_while_dynamodb_and_sns_fail(
    deployment: Deployment, proxy: FaultProxy, subscriber: str, count: Callable[..., None]
) -> None:
    """DynamoDB throttles requests and loses responses, then SNS fails, then both. 1 % of the events are invalid."""
    before = deployment.stored()
    failing = {f"bad-{number}": [SERVERS[number % 16], SERVERS[(number + 1) % 16]] for number in range(EXECUTIONS)}
    events = [event for job, servers in failing.items() for event in details(f"exec-{job}", job, servers)]
    invalid = [events[number] | {"logDateTime": "soon", "number": number} for number in range(EXECUTIONS)]
    everything = events + invalid
    random.Random(2).shuffle(everything)  # noqa: S311

    proxy.chances = {"throttled": 0.3, "lost": 0.02}
    put(deployment, everything[: scaled(6000)])
    proxy.down = frozenset({"sns"})  # alone: without DynamoDB, the function does not get as far as SNS
    put(deployment, everything[scaled(6000) : scaled(7000)])
    eventually(lambda: proxy.happened["sns down"] > 0, seconds=60)  # ingest can lag behind the puts
    proxy.down = frozenset({"dynamodb", "sns"})
    with ThreadPoolExecutor(1) as background:
        background.submit(put, deployment, everything[scaled(7000) :])
        time.sleep(1.5 * VISIBILITY_SECONDS)  # shorter than the retries of a message, however slow the puts are
        proxy.down = frozenset()

    expected_notices = {(job, server) for job, servers in failing.items() for server in servers}
    dead: list[dict[str, Any]] = []
    notified: Counter[tuple[str, str]] = Counter()

    def is_complete() -> bool:
        """Not an empty queue: the checks of so many executions go on."""
        bodies = deployment.take_all(deployment.outputs["processing_dlq_url"])
        dead.extend(json.loads(body)["detail"] for body in bodies if not check_of(body))
        for message in messages(deployment, subscriber):
            notified[message["jobId"], message["sourceServerId"]] += 1
        return deployment.stored() == before + EVENTS and len(dead) >= EXECUTIONS and set(notified) >= expected_notices

    eventually(is_complete, seconds=600)
    rows = [row for job in failing for row in deployment.rows(job)]
    expected = Counter((event["jobID"], event["eventId"]) for event in events)
    assert Counter((row["JobId"], row["EventId"]) for row in rows) == expected
    assert sorted(event["number"] for event in dead) == list(range(EXECUTIONS))
    assert set(notified) == expected_notices
    assert proxy.happened["dynamodb throttled"] > scaled(1000)
    assert proxy.happened["dynamodb lost"] > scaled(50)
    assert proxy.happened["dynamodb down"] > scaled(500)
    assert proxy.happened["sns down"] > 0
    figures = {"stored": EVENTS, "dead": EXECUTIONS, "notices": notified.total()}
    count("DynamoDB and SNS fail", **figures | proxy.happened)


def test_a_redrive_after_an_outage_empties_the_dlq_and_completes_the_rows(
    deployment: Deployment, proxy: FaultProxy, subscriber: str
) -> None:
    events = details("exec-redriven", "redriven", SERVERS[:1])
    set_retries(deployment, tries=5, visibility_seconds=5)
    proxy.down = frozenset({"dynamodb"})
    put(deployment, events)
    dlq = deployment.outputs["processing_dlq_url"]

    # Checks of the executions of other tests can be there too.
    eventually(lambda: deployment.waiting(dlq) >= 100, seconds=600)
    assert deployment.rows("redriven") == []
    proxy.down = frozenset()
    # SQS would deliver a message again while a slow invocation handles it, and move it to the DLQ after five times.
    set_retries(deployment, tries=TRIES, visibility_seconds=VISIBILITY_SECONDS)

    def is_redriven() -> bool:
        """Move all messages, also those that arrive later. The embedded AWS has no StartMessageMoveTask."""
        moved = deployment.take_all(dlq)
        deployment.send(*moved)
        return not moved and len(deployment.rows("redriven")) == 100

    eventually(is_redriven, seconds=600)
    told: list[str] = []

    def is_told() -> bool:
        # A retry of an earlier test can repeat one of its messages.
        told.extend(message["jobId"] for message in messages(deployment, subscriber))
        return "redriven" in told

    eventually(is_told, seconds=600)
    assert told.count("redriven") == 1


def test_many_failures_of_a_job_are_one_message(deployment: Deployment, subscriber: str) -> None:
    script = scripts.launch(SERVERS, failing=dict.fromkeys(SERVERS, "no rights"))
    created = datetime.now(UTC) - timedelta(minutes=40)
    put(deployment, played.details(script, "collected", created=created, execution_id="exec-collected"))
    told: list[set[str]] = []

    def is_complete() -> bool:
        found = [one["text"] for one in messages(deployment, subscriber) if one["jobId"] == "collected"]
        told.extend(set(re.findall(r"s-[0-9a-f]{17}", text)) for text in found)
        return len(set().union(*told)) == len(SERVERS)

    eventually(is_complete)
    # An invocation of a slow machine can time out after it sent a list. The next one sends these servers again.
    lists = {frozenset(servers) for servers in told if not any(servers < other for other in told)}
    assert sorted(server for servers in lists for server in servers) == sorted(SERVERS)
    # On a slow machine, the failures arrive over more than 15 seconds, so that there are several lists.
    assert [len(servers) for servers in told[:3]] == [1, 1, 1]
    assert 4 <= len(lists) <= 6


def test_a_stalled_server_is_counted(deployment: Deployment) -> None:
    job = deployment.drs.start(scripts.launch(SERVERS[:2], stuck=SERVERS[:1]))
    deployment.drs.jobs[job].began -= timedelta(hours=2)

    # An invocation makes one pass, because the job has no item of the last hour. A job that is this old when it appears
    # is found by the listing of the look-back period, once a minute.
    eventually(lambda: deployment.collect()["Payload"]["jobs"] == 1)

    eventually(lambda: any("ServersStalled" in line for line in deployment.metrics()), seconds=120)


def test_alarms_and_graphs_of_custom_metrics_use_metrics_that_the_functions_send(deployment: Deployment) -> None:
    """The functions logged these metrics in the previous tests.

    The embedded AWS does not turn logs into metrics, and it does not evaluate alarms as AWS does.
    tests/terraform/test_observability.py compares AWS's own metrics with the dimensions that AWS documents.
    """
    cloudwatch = deployment.stack.client("cloudwatch")
    alarms = [
        (alarm["Namespace"], alarm["MetricName"], *[(d["Name"], d["Value"]) for d in alarm["Dimensions"]])
        for page in cloudwatch.get_paginator("describe_alarms").paginate(AlarmTypes=["MetricAlarm"])
        for alarm in page["MetricAlarms"]
        if alarm["Namespace"] == "DRSJobLog"
    ]
    body = cloudwatch.get_dashboard(DashboardName="drs-job-log-us-east-1")["DashboardBody"]
    lines = [
        (line[0], line[1], (line[2], line[3]))
        for widget in json.loads(body)["widgets"]
        for line in widget["properties"].get("metrics", [])
        if line[0] == "DRSJobLog"
    ]

    assert len(set(alarms)) == 8
    assert len(set(lines)) >= 17
    never_sent: set[str] = set()

    def are_sent() -> bool:
        # The log of the embedded AWS does not contain the output of invocations by the schedule, and two functions that
        # print at the same moment can share a line.
        deployment.collect()
        deployment.stack.client("lambda").invoke(FunctionName=deployment.outputs["linker_function_name"], Payload="{}")
        sent = {
            (directive["Namespace"], metric["Name"], *[(name, line[name]) for name in dimensions])
            for line in deployment.metrics()
            for directive in line["_aws"]["CloudWatchMetrics"]
            for dimensions in directive["Dimensions"]
            for metric in directive["Metrics"]
        }
        nonlocal never_sent
        never_sent = {metric for _, metric, *_ in {*alarms, *lines} - sent}
        # The executions table of this deployment is usable, no data replication stalled, and there is no recovery plan.
        return never_sent <= {"ExecutionsTableRejected", "PlanFailures", "ReplicationStalls"}

    eventually(are_sent)
    assert never_sent == {"ExecutionsTableRejected", "PlanFailures", "ReplicationStalls"}
