"""Golden values that a restructuring must not change.

Event IDs identify rows that users have already stored. The clients' timeouts and retries decide whether a batch fits
into the functions' timeouts. Each test goes through the real handler and its real clients.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import botocore.client
import pytest
from botocore.validate import ParamValidationDecorator
from drs_job_log.collect import drs_client
from drs_job_log.collect.job_log import read_log, to_item

from tests.support import drills, scripts
from tests.support.drs import DrsServer, Simulator
from tests.support.envelopes import dumps, job_log, sqs_records
from tests.support.executions import create
from tests.support.functions import LambdaContext, cold_start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

# The events table's sort keys of the 28 items in tests/data/drs_drills.json. Never change them: a row that is stored
# under another key is a second event.
EVENT_KEYS = {
    "drsjob-556c7b1d99221f996": [
        "2022-12-07T19:15:39.204086Z#8a3e5feadc4989257046ffd15ddf6c39",
        "2022-12-07T19:15:39.607944Z#d08c9a1ff1c5a9422a7bbc256d3e1bbe",
        "2022-12-07T19:15:39.633464Z#71610d45d3fb8d65fda44902b45a9013",
        "2022-12-07T19:15:39.798428Z#74f47e399dd2e6de45d6a164d2a4f1e4",
        "2022-12-07T19:15:39.824430Z#12b276cd6fb07bd2c740fdcdea40b2ba",
        "2022-12-07T19:16:31.766867Z#cf80e26f7660334b9535f489186fe1bb",
        "2022-12-07T19:16:31.793139Z#2b422494cac1391a178594237423d1ac",
        "2022-12-07T19:19:49.280886Z#958b8a3d9ab9769be6f8143850dec6da",
        "2022-12-07T19:19:49.342500Z#0d3c3beed00ddd5bdf92a275418b11d0",
        "2022-12-07T19:19:49.854316Z#6f66254042aac2ca7a151fdfde3ccf45",
        "2022-12-07T19:19:50.043925Z#3330b75f1c6706aaae443d3f3ab17a2f",
        "2022-12-07T19:24:27.973064Z#3ad29f9e213fedba5ec4c61dbb66c104",
        "2022-12-07T19:24:29.374504Z#de9d7c379f108402422cb6734e688f84",
        "2022-12-07T19:24:32.181827Z#bfabbec0628ef4eafaede202203f0f3d",
    ],
    "drsjob-541cee6300c363be5": [
        "2022-12-07T19:25:59.907241Z#e2189a6169db23e26b89950163504eff",
        "2022-12-07T19:26:00.311494Z#cbc1f200914c0f06a6a7031fe95a446a",
        "2022-12-07T19:26:00.339092Z#699aa9c16b54da47df3d79557525a07e",
        "2022-12-07T19:26:00.491687Z#1bfd70d78b7a17daac307cf9e265fda5",
        "2022-12-07T19:26:00.518402Z#7e1a5c8647df174c64bf9dcc177c804c",
        "2022-12-07T19:26:51.696289Z#f79fabaac7d0c5b3a8837dddc561f7e1",
        "2022-12-07T19:26:51.724869Z#6794788aaac5f465ac6f211f238f0cc4",
        "2022-12-07T19:29:46.395286Z#25d44fbe4309caffd7a181421fbc1379",
        "2022-12-07T19:29:46.455429Z#0e27c3b2d609ea4050073cdeddc995dc",
        "2022-12-07T19:29:46.873346Z#65492ab124c090dfc1908516ca869369",
        "2022-12-07T19:29:47.082882Z#c9eaae4feb40fc81645068e1b255a6fb",
        "2022-12-07T19:34:56.742403Z#7ddc92bdf44594a8afe312b3a700faac",
        "2022-12-07T19:34:56.794507Z#d4fc34080d40059c134c2f8639dc6d1f",
        "2022-12-07T19:34:58.923222Z#ebb1f0acc127a0616d7bbfbca567cd11",
    ],
}

EXECUTIONS_TABLE = {"EXECUTION_HISTORY_TABLE": "history"}


def message(**detail: Any) -> dict[str, Any]:
    """A batch with one "DRS Job Log" event."""
    return sqs_records([dumps(job_log({"jobID": "drsjob-1", "eventType": "JOB_START", "eventId": "1"} | detail))])


# ---------------------------------------------------------------------------------------------------------------------
# Event IDs
# ---------------------------------------------------------------------------------------------------------------------


def test_event_keys_of_the_real_drills() -> None:
    keys: dict[str, list[str]] = {}
    for drill in json.loads(drills.DRILLS.read_text())["drills"]:
        items = [to_item(drill["job"], log_item) for log_item in drill["items"]]
        log = read_log(drill["job"], items, datetime(2026, 1, 1, tzinfo=UTC))
        keys[drill["job"]["jobID"]] = [item.key for item in log.items]

    assert keys == EVENT_KEYS
    assert sum(map(len, keys.values())) == 28


# ---------------------------------------------------------------------------------------------------------------------
# Clients
# ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Return a list of all created clients.

    Each entry contains: service, connect and read timeout, retry mode, attempts, parameter validation, connections.
    """
    created: list[tuple[Any, ...]] = []
    create = botocore.client.ClientCreator.create_client

    def record(self: Any, service_name: str, *args: Any, **kwargs: Any) -> Any:
        client = create(self, service_name, *args, **kwargs)
        config = client.meta.config
        created.append(
            (
                service_name,
                config.connect_timeout,
                config.read_timeout,
                config.retries.get("mode"),
                config.retries.get("total_max_attempts"),
                isinstance(client._serializer, ParamValidationDecorator),
                config.max_pool_connections,
            )
        )
        return client

    monkeypatch.setattr(botocore.client.ClientCreator, "create_client", record)
    return created


@pytest.mark.usefixtures("dynamodb")
def test_clients_of_ingest(clients: list[tuple[Any, ...]]) -> None:
    topic = boto3.client("sns").create_topic(Name="failures")["TopicArn"]
    clients.clear()
    module = cold_start("ingest", FAILURE_TOPIC_ARN=topic, **EXECUTIONS_TABLE)

    now = datetime.now(UTC).isoformat()
    failed = message(eventType="LAUNCH_FAILED", sourceServerID="s-1", executionId="e", logDateTime=now)
    assert module.lambda_handler(failed, LambdaContext()) == {"batchItemFailures": []}

    assert clients == [
        ("dynamodb", 2, 3, "legacy", 3, False, 10),
        ("dynamodb", 1, 2, "standard", 2, True, 10),
        ("sns", 1, 2, "standard", 2, True, 10),
    ]


def test_clients_of_the_collector(
    dynamodb: DynamoDBClient, clients: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert dynamodb
    clients.clear()
    drs_client._sts.cache_clear()
    with DrsServer(Simulator()) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", server.endpoint)
        target = {"region": "eu-west-1", "roleArn": "arn:aws:iam::111122223333:role/r"}
        cold_start("collector", DRS_TARGETS=json.dumps([target])).lambda_handler({}, LambdaContext())

    assert clients == [
        ("dynamodb", 2, 5, "standard", 3, True, 10),
        ("events", 2, 5, "standard", 3, False, 10),
        ("sts", 2, 5, "standard", 3, True, 10),
        ("drs", 2, 5, "standard", 3, False, 10),
    ]


def test_clients_of_the_linker(clients: list[tuple[Any, ...]], dynamodb: DynamoDBClient) -> None:
    create(dynamodb, "ExecutionId")
    clients.clear()
    cold_start("linker", **EXECUTIONS_TABLE).lambda_handler({}, LambdaContext())

    assert clients == [("dynamodb", 2, 5, "standard", 3, True, 10)]


@pytest.mark.usefixtures("dynamodb")
def test_clients_of_the_api(clients: list[tuple[Any, ...]]) -> None:
    clients.clear()
    request = {"routeKey": "GET /jobs/{jobId}/logs", "pathParameters": {"jobId": "drsjob-1"}}
    assert cold_start("api", **EXECUTIONS_TABLE).lambda_handler(request, LambdaContext())["statusCode"] == 200

    assert clients == [("dynamodb", 1, 3, "standard", 3, True, 10)]


# ---------------------------------------------------------------------------------------------------------------------
# Retention
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [1, 30, 400])
def test_ingest_writes_a_ttl_of_the_retention_after_the_event(dynamodb: DynamoDBClient, days: int) -> None:
    happened = (datetime.now(UTC) - timedelta(hours=20)).replace(microsecond=900_000)

    cold_start("ingest", RETENTION_DAYS=str(days), HISTORY_DAYS=str(days)).lambda_handler(
        message(logDateTime=happened.isoformat()), LambdaContext()
    )

    (row,) = dynamodb.scan(TableName="drs-job-log-events")["Items"]
    assert row["TTL"]["N"] == str(int((happened + timedelta(days=days)).timestamp()))


@pytest.fixture
def simulator(dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """A DRS API for the collector."""
    assert dynamodb
    with DrsServer(Simulator()) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", server.endpoint)
        yield server.simulator


@pytest.mark.parametrize(("days", "emitted"), [("2", 14), ("1", 0)])
def test_the_collector_sends_what_is_younger_than_the_retention(simulator: Simulator, days: str, emitted: int) -> None:
    job_id = simulator.start(scripts.drill(0))
    simulator.jobs[job_id].began -= timedelta(hours=36)

    answer = cold_start("collector", RETENTION_DAYS=days).lambda_handler({"jobIds": [job_id]}, LambdaContext())

    assert answer == {"passes": 1, "jobs": 1, "emitted": emitted}


# ---------------------------------------------------------------------------------------------------------------------
# Claims of notifications
# ---------------------------------------------------------------------------------------------------------------------


def test_the_claim_of_a_notification_has_the_same_id(dynamodb: DynamoDBClient) -> None:
    """With another ID, a failure that was already notified would be notified again."""
    now = datetime.now(UTC).isoformat()
    failed = message(eventType="LAUNCH_FAILED", sourceServerID="s-1", logDateTime=now)

    cold_start("ingest").lambda_handler(failed, LambdaContext())

    (claim,) = dynamodb.scan(TableName="drs-job-log-notices")["Items"]
    assert claim["id"]["S"] == "failure#76b1df99bc7bab7cd4b5734b071e5caad44fe6dc619bb745d663b0d5978d7bff"
