"""Stalls of the data replication under faults: each is counted and notified once, and so is each end of a stall.

The faults hit the requests for the state of the servers: throttling, lost responses, and invocations that end before or
after a request. The events arrive in any order and repeatedly. test_ingest_faults.py has the faults of the notices.
"""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import boto3
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from drs_job_log.ingest.readiness import Readiness

from tests.support.envelopes import dumps, replication_change
from tests.support.faults import Faults, Killed
from tests.support.readiness import FakeNotifier
from tests.support.scripts import server_id
from tests.unit.conftest import NOTIFICATIONS_TABLE

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SERVERS: Final = 12
START: Final = datetime(2025, 11, 28, 20, 0, tzinfo=UTC)
NOW: Final = START + timedelta(hours=1)

# The states of a server in the order of their times: an end without a stall, two stalls, and a stall without an end.
STATES: Final = ("NOT_STALLED", "STALLED", "NOT_STALLED", "STALLED", "NOT_STALLED", "STALLED")


@pytest.mark.parametrize("seed", range(3))
def test_faults_lose_and_repeat_no_notice(dynamodb: DynamoDBClient, seed: int) -> None:
    faulty = boto3.client("dynamodb")
    faults = Faults({"throttled": 0.3, "lost": 0.1, "killed": 0.15}, chance=random.Random(seed))  # noqa: S311
    faults.at(faulty)
    notifier = FakeNotifier(dynamodb, NOTIFICATIONS_TABLE)
    counted: list[None] = []
    readiness = Readiness(
        notifier,
        faulty,
        NOTIFICATIONS_TABLE,
        collector_sources=frozenset(),
        max_age=timedelta(days=30),
        count_stall=lambda: counted.append(None),
    )
    bodies = [
        dumps(
            replication_change(
                state,
                resources=[f"arn:aws:drs:us-east-1:111122223333:source-server/{server_id(number)}"],
                time=(START + timedelta(minutes=place)).isoformat(),
                id=f"{number}-{place}",
            )
        )
        for number in range(SERVERS)
        for place, state in enumerate(STATES)
    ]
    pending = bodies * 2
    order = random.Random(seed)  # noqa: S311

    while pending:
        order.shuffle(pending)
        body = pending.pop()
        try:
            readiness.handle(body, NOW)
        except (BotoCoreError, ClientError, Killed):
            pending.append(body)

    assert Counter((notice.servers[0].id, notice.label, notice.time) for notice in notifier.sent) == Counter(
        (
            server_id(number),
            "replication stalled" if state == "STALLED" else "replication resumed",
            START + timedelta(minutes=place),
        )
        for number in range(SERVERS)
        for place, state in enumerate(STATES)
        if place
    )
    assert len(counted) == SERVERS * STATES.count("STALLED")
    assert min(faults.happened[fault] for fault in ("throttled", "lost", "killed")) > 5, faults.happened
