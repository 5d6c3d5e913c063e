from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from drs_job_log.model.events import InvalidEventError
from drs_job_log.model.readiness import DrillCheck, ReplicationChange, UndrilledServer, parse_fact
from hypothesis import given
from hypothesis import strategies as st

from tests.support.envelopes import drill_check, dumps, job_log, json_values, replication_change

SOURCES = frozenset({"drs.job-log"})


def parsed(envelope: dict[str, Any]) -> ReplicationChange | DrillCheck | None:
    return parse_fact(dumps(envelope), SOURCES)


@pytest.mark.parametrize(("state", "is_stalled"), [("STALLED", True), ("NOT_STALLED", False)])
def test_a_change_of_the_replication_is_parsed(state: str, is_stalled: bool) -> None:
    assert parsed(replication_change(state)) == ReplicationChange(
        server_id="s-11111111111111111",
        is_stalled=is_stalled,
        time=datetime(2025, 11, 28, 20, 30, 15, tzinfo=UTC),
        account="111122223333",
        region="us-east-1",
        event_id="11111111-2222-3333-4444-555555555555",
    )


@pytest.mark.parametrize("partition", ["aws", "aws-us-gov", "aws-eusc"])
def test_the_server_is_in_the_arn_of_each_partition(partition: str) -> None:
    arn = f"arn:{partition}:drs:eu-west-1:111122223333:source-server/s-0123456789abcdefg"
    change = parsed(replication_change("STALLED", resources=[arn]))

    assert isinstance(change, ReplicationChange)
    assert change.server_id == "s-0123456789abcdefg"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"source": "my.tool"},
            "Replication Stalled Change' event must be aws.drs, not 'my.tool'",
        ),
        (
            {"detail": "STALLED"},
            "Replication Stalled Change' event must be an object, not 'STALLED'",
        ),
        ({"detail": {"state": "PAUSED"}}, "detail.state must be STALLED or NOT_STALLED, not 'PAUSED'"),
        ({"detail": {"state": ["STALLED"]}}, "detail.state must be STALLED or NOT_STALLED"),
        ({"detail": {}}, "detail.state must be STALLED or NOT_STALLED, not None"),
        ({"resources": []}, "must be the ARN of a source server, not None"),
        ({"resources": {"0": "x"}}, "must be the ARN of a source server, not None"),
        ({"resources": [7]}, "must be the ARN of a source server, not 7"),
        ({"resources": ["arn:aws:drs:us-east-1:111122223333:recovery-instance/i-1"]}, "must be the ARN of a source"),
        ({"resources": ["arn:aws:drs:us-east-1:111122223333:source-server/"]}, "must be the ARN of a source server"),
        ({"resources": [f"arn:aws:drs:us-east-1:1:source-server/s-{'1' * 63}"]}, "must be the ARN of a source server"),
        ({"time": "soon"}, "time must be an ISO 8601 time"),
        ({"account": None}, "account must be a non-empty string, not None"),
        ({"region": ""}, "region must be a non-empty string, not ''"),
        ({"id": 7}, "id must be a non-empty string, not 7"),
    ],
)
def test_an_invalid_change_is_rejected_with_its_reason(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidEventError) as error:
        parsed(replication_change("STALLED", **changes))

    assert message in str(error.value)


def test_a_drill_check_is_parsed() -> None:
    servers = [
        {"sourceServerID": "s-1", "sourceServerName": "web", "lastDrillAt": None},
        {"sourceServerID": "s-2", "sourceServerName": None, "lastDrillAt": "2025-01-02T03:04:05.000000Z"},
    ]

    assert parsed(drill_check(servers, omitted=3)) == DrillCheck(
        account="111122223333",
        region="eu-west-1",
        max_days=90,
        checked_at=datetime(2025, 11, 28, 6, 0, tzinfo=UTC),
        server_count=20,
        servers=[
            UndrilledServer(server_id="s-1", name="web", last_drill_at=None),
            UndrilledServer(server_id="s-2", name=None, last_drill_at=datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ],
        omitted=3,
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"servers": None}, "detail.servers must be a list of objects"),
        ({"servers": ["s-1"]}, "detail.servers must be a list of objects"),
        ({"servers": [{"sourceServerID": ""}]}, "detail.servers[].sourceServerID must be a non-empty string"),
        ({"servers": [{"sourceServerID": "s-1", "sourceServerName": 7}]}, "detail.servers[].sourceServerName must be"),
        (
            {"servers": [{"sourceServerID": "s-1", "lastDrillAt": "soon"}]},
            "detail.servers[].lastDrillAt must be an",
        ),
        ({"serverCount": True}, "detail.serverCount must be a whole number of at least 0, not True"),
        ({"omitted": -1}, "detail.omitted must be a whole number of at least 0, not -1"),
        ({"maxDaysWithoutDrill": 1.5}, "detail.maxDaysWithoutDrill must be a whole number of at least 0, not 1.5"),
        ({"checkedAt": None}, "detail.checkedAt must be an ISO 8601 time"),
        ({"account": None}, "detail.account must be a non-empty string"),
        ({"region": None}, "detail.region must be a non-empty string"),
    ],
)
def test_an_invalid_drill_check_is_rejected_with_its_reason(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidEventError) as error:
        parsed(drill_check(**{"servers": [], **changes}))

    assert message in str(error.value)


def test_a_drill_check_of_another_sender_is_rejected() -> None:
    with pytest.raises(InvalidEventError, match=r"'DRS Drill Check' event must be drs\.job-log, not 'my\.tool'"):
        parsed(drill_check([]) | {"source": "my.tool"})


@pytest.mark.parametrize(
    "body",
    [
        "no JSON",
        "[]",
        dumps(job_log({"jobID": "drsjob-1", "message": "DRS Drill Check"})),
        dumps(job_log({"jobID": "drsjob-1", "message": "DRS Source Server Data Replication Stalled Change"})),
        "DRS Drill Check, but no JSON",
        json.dumps(["DRS Drill Check"]),
        "[" * 100_000 + "DRS Drill Check",
    ],
)
def test_another_message_is_no_fact(body: str) -> None:
    assert parse_fact(body, SOURCES) is None


@given(detail=json_values, resources=json_values, time=json_values, state=st.sampled_from(["STALLED", None]))
def test_any_other_value_is_rejected_as_invalid(detail: Any, resources: Any, time: Any, state: str | None) -> None:
    envelope = replication_change("STALLED", resources=resources, time=time)
    envelope["detail"] = detail if state is None else {"state": state}

    with pytest.raises(InvalidEventError):
        parsed(envelope)
