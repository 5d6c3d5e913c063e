"""The check of drills, against the DRS simulator and the ledger."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from drs_job_log.collect import handler as collector
from drs_job_log.collect.drill_check import (
    CheckedServer,
    DrillCheck,
    DrillCheckError,
    DrillCheckResult,
    Place,
    checked,
    drills_in_drs,
    event_detail,
    place_of,
)
from drs_job_log.collect.drs_client import DrsClient
from drs_job_log.config import Target
from drs_job_log.ledger import Ledger
from drs_job_log.model.events import format_time
from drs_job_log.model.json_text import to_json
from drs_job_log.model.readiness import DrillCheck as ParsedCheck
from drs_job_log.model.readiness import parse_fact

from tests.support import played, scripts
from tests.support.drs import ApiError, DrsServer, Simulator
from tests.support.envelopes import dumps, job_log
from tests.support.functions import LambdaContext, cold_start
from tests.support.scripts import server_id
from tests.support.tables import rows
from tests.unit.conftest import NOTIFICATIONS_TABLE, TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from drs_job_log.table import JobLogTable
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = datetime(2025, 11, 28, 6, 0, tzinfo=UTC)
OWN = Place(account="111122223333", region="us-east-1")
ONE, TWO, THREE, FOUR = (server_id(number) for number in (1, 2, 3, 4))


def ago(days: float) -> str:
    """Return a time in the format of the DRS model."""
    return (NOW - timedelta(days=days)).isoformat(timespec="seconds").replace("+00:00", "Z")


def last_launch(days: float, type_: str = "DRILL", status: str = "LAUNCHED") -> dict[str, Any]:
    return {"initiated": {"apiCallDateTime": ago(days), "type": type_}, "status": status}


def server(days_in_drs: float = 1000, **launch: Any) -> dict[str, Any]:
    cycle: dict[str, Any] = {"addedToServiceDateTime": ago(days_in_drs)}
    return {"lifeCycle": cycle | ({"lastLaunch": last_launch(**launch)} if launch else {})}


@dataclass
class Bus:
    """A bus. ``rejections``: how many of the next events it rejects."""

    rejections: int = 0
    sent: list[dict[str, Any]] = field(default_factory=list)

    def put(self, batch: Sequence[str]) -> dict[int, str]:
        (text,) = batch
        if self.rejections:
            self.rejections -= 1
            return {0: "throttled"}
        self.sent.append(json.loads(text))
        return {}


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    simulator = Simulator(page_size=3)
    with DrsServer(simulator) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", running.endpoint)
        yield simulator


@dataclass
class Check:
    dynamodb: DynamoDBClient
    bus: Bus = field(default_factory=Bus)
    targets: tuple[Target, ...] = (Target(),)

    def run(self, now: datetime = NOW, seconds_left: float = 60.0) -> DrillCheckResult:
        check = DrillCheck(
            [(target, DrsClient(target)) for target in self.targets],
            ledger=Ledger(self.dynamodb, TABLE),
            bus=self.bus,  # type: ignore[arg-type]
            dynamodb=self.dynamodb,
            notices_table_name=NOTIFICATIONS_TABLE,
            max_days=90,
            instances=None,
        )
        return check.run(OWN, now, lambda: seconds_left)

    def overdue(self) -> dict[str, str | None]:
        """Run the check. Return the last drill of each server in the event, by the server."""
        self.run()
        return {entry["sourceServerID"]: entry["lastDrillAt"] for entry in self.bus.sent[-1]["servers"]}


def store(table: JobLogTable, job_id: str, servers: Sequence[str], days: float, **script: Any) -> None:
    """Store the events of a job that was created some days ago."""
    for event in played.events(
        scripts.launch(servers, **script), job_id, created=NOW - timedelta(days=days), execution_id="exec-1"
    ):
        table.put(event, timedelta(days=4000))


def test_servers_without_a_drill_in_time_are_reported(
    simulator: Simulator, table: JobLogTable, dynamodb: DynamoDBClient
) -> None:
    simulator.names = {server_id(number): f"web-{number}" for number in range(8)}
    simulator.details = {server_id(number): server() for number in range(8)}
    store(table, "drsjob-recent", [ONE, TWO], days=30)
    store(table, "drsjob-old", [THREE], days=100)
    store(table, "drsjob-recovery", [FOUR], days=1, drill=False)
    simulator.details[server_id(5)] = server(days=89)
    simulator.details[server_id(6)] = server(days=91)

    check = Check(dynamodb)
    result = check.run()

    assert (result.targets, result.servers, result.overdue, result.failures) == (1, 8, 5, {})
    (detail,) = check.bus.sent
    entries = {entry["sourceServerID"]: entry for entry in detail.pop("servers")}
    assert detail == {
        "eventId": detail["eventId"],
        "account": "111122223333",
        "region": "us-east-1",
        "maxDaysWithoutDrill": 90,
        "checkedAt": "2025-11-28T06:00:00.000000Z",
        "serverCount": 8,
    }
    assert {id_: entry["lastDrillAt"] for id_, entry in entries.items()} == {
        server_id(0): None,
        FOUR: None,  # a recovery is no drill
        server_id(7): None,
        THREE: entries[THREE]["lastDrillAt"],
        server_id(6): "2025-08-29T06:00:00.000000Z",
    }
    assert entries[THREE]["lastDrillAt"].startswith("2025-08-20")
    assert entries[THREE]["sourceServerName"] == "web-3"


@pytest.mark.parametrize(("days", "is_reported"), [(89.9, False), (90.1, True)])
def test_the_ledger_and_drs_decide_by_the_last_drill(
    simulator: Simulator, table: JobLogTable, dynamodb: DynamoDBClient, days: float, is_reported: bool
) -> None:
    """The last launch that DRS knows is a recovery, or the drill was before the installation."""
    simulator.names = {ONE: "web", TWO: "db"}
    simulator.details = {ONE: server(days=1, type_="RECOVERY"), TWO: server(days=days)}
    store(table, "drsjob-1", [ONE], days=days)
    store(table, "drsjob-2", [ONE], days=2, drill=True, failing={ONE: "denied"})
    store(table, "drsjob-3", [ONE], days=1, drill=False)

    reported = Check(dynamodb).overdue()

    # A launch is known by its end in the ledger, some minutes after its request.
    assert reported.keys() == ({ONE, TWO} if is_reported else set())


@pytest.mark.parametrize(
    ("launch", "result", "counts"),
    [
        ({"status": "LAUNCHED"}, None, True),
        ({"status": "TERMINATED"}, "SUCCEEDED", True),
        ({"status": "TERMINATED"}, "FAILED", False),
        ({"status": "TERMINATED"}, None, False),
        ({"status": "FAILED"}, "SUCCEEDED", False),
        ({"status": "PENDING"}, None, False),
        ({"status": "IN_PROGRESS"}, None, False),
        ({"type_": "RECOVERY"}, "SUCCEEDED", False),
    ],
)
def test_only_a_successful_drill_counts(launch: dict[str, Any], result: str | None, counts: bool) -> None:
    listed: Any = server(days=3, **launch) | ({"lastLaunchResult": result} if result else {})

    assert drills_in_drs(listed) == [NOW - timedelta(days=3)] * counts


@pytest.mark.parametrize(
    "cycle",
    [
        {},
        {"lastLaunch": {}},
        {"lastLaunch": {"status": "LAUNCHED"}},
        {"lastLaunch": {"status": "LAUNCHED", "initiated": {"type": "DRILL"}}},
        {"lastLaunch": {"status": "LAUNCHED", "initiated": {"type": "DRILL", "apiCallDateTime": "soon"}}},
    ],
)
def test_a_launch_with_missing_facts_does_not_count(cycle: Any) -> None:
    assert checked({"sourceServerID": ONE, "lifeCycle": cycle}, []) == CheckedServer(
        id=ONE, name=None, last_drill_at=None, added_at=None
    )


def test_a_new_server_has_time_until_its_first_drill(simulator: Simulator, dynamodb: DynamoDBClient) -> None:
    simulator.names = {ONE: "new", TWO: "old", THREE: "unknown"}
    simulator.details = {ONE: server(89), TWO: server(91)}

    assert Check(dynamodb).overdue().keys() == {TWO, THREE}


@pytest.mark.parametrize("state", ["DISCONNECTED", "STOPPED", "STALLED"])
def test_a_server_without_replication_counts(simulator: Simulator, dynamodb: DynamoDBClient, state: str) -> None:
    simulator.names = {ONE: "web"}
    simulator.details = {
        ONE: server() | {"dataReplicationInfo": {"dataReplicationState": state}, "stagingArea": {"status": "EXTENDED"}}
    }

    assert Check(dynamodb).overdue() == {ONE: None}


def test_a_target_without_servers_has_an_event_too(simulator: Simulator, dynamodb: DynamoDBClient) -> None:
    simulator.fail("DescribeSourceServers", ApiError("UninitializedAccountException"))
    check = Check(dynamodb)

    assert check.overdue() == {}
    assert check.bus.sent[0]["serverCount"] == 0


def test_each_target_has_one_event_a_day(simulator: Simulator, dynamodb: DynamoDBClient) -> None:
    simulator.names = {ONE: "web"}
    check = Check(dynamodb, targets=(Target(), Target("eu-west-1")))

    for hours in (0, 0.01, 6, 12, 24):
        check.run(NOW + timedelta(hours=hours))

    sent = sorted((detail["checkedAt"][:10], detail["region"]) for detail in check.bus.sent)
    assert sent == [(day, region) for day in ("2025-11-28", "2025-11-29") for region in ("eu-west-1", "us-east-1")]
    assert len({detail["eventId"] for detail in check.bus.sent}) == 4
    assert simulator.calls == {"DescribeSourceServers": 4}
    (item,) = rows(dynamodb, NOTIFICATIONS_TABLE)
    assert (item["id"], item["day"]) == ("drill-check", "2025-11-29")
    assert item["targets"] == {"111122223333 us-east-1", "111122223333 eu-west-1"}
    assert int(item["expiration"]) == int((NOW + timedelta(days=3)).timestamp())


def test_the_id_of_an_event_depends_on_the_target_and_the_day() -> None:
    details = [event_detail(OWN, 90, NOW + timedelta(hours=hours), 2, []) for hours in (0, 5, 24)]
    others = event_detail(Place(account="111122223333", region="eu-west-1"), 90, NOW, 2, [])

    ids = [detail["eventId"] for detail in (*details, others)]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_a_target_that_fails_does_not_stop_the_others_and_is_repeated(
    simulator: Simulator, dynamodb: DynamoDBClient
) -> None:
    simulator.fail("DescribeSourceServers in eu-west-1", ApiError("AccessDeniedException", "no", status=403))
    check = Check(dynamodb, targets=(Target("eu-west-1"), Target()))

    first = check.run()
    second = check.run()

    assert first.targets == 1
    assert list(first.failures) == ["111122223333 eu-west-1"]
    assert "AccessDeniedException" in first.failures["111122223333 eu-west-1"]
    assert (second.targets, second.failures) == (1, {})
    assert [detail["region"] for detail in check.bus.sent] == ["us-east-1", "eu-west-1"]


def test_a_rejected_event_is_sent_again_by_the_next_run(simulator: Simulator, dynamodb: DynamoDBClient) -> None:
    assert simulator
    check = Check(dynamodb, Bus(rejections=1))

    assert check.run().failures == {"111122223333 us-east-1": "NotPutError: EventBridge rejected the event: throttled"}
    assert check.bus.sent == []
    assert check.run().failures == {}
    assert len(check.bus.sent) == 1


def test_without_time_a_target_is_a_failure(simulator: Simulator, dynamodb: DynamoDBClient) -> None:
    assert simulator
    check = Check(dynamodb)

    result = check.run(seconds_left=0.0)

    assert result.failures["111122223333 us-east-1"].startswith("OutOfTimeError: the invocation has no time left")
    assert check.run().failures == {}


@pytest.mark.parametrize(
    ("target", "place"),
    [
        (Target(), "111122223333 us-east-1"),
        (Target("eu-west-1"), "111122223333 eu-west-1"),
        (Target(None, "arn:aws:iam::444455556666:role/path/reader"), "444455556666 us-east-1"),
        (Target("eu-west-1", "arn:aws-us-gov:iam::444455556666:role/reader", "id"), "444455556666 eu-west-1"),
    ],
)
def test_the_account_and_the_region_of_a_target(target: Target, place: str) -> None:
    assert str(place_of(target, OWN)) == place


def test_a_list_that_does_not_fit_is_cut_after_the_servers_without_a_drill() -> None:
    drilled = [
        CheckedServer(id=f"s-{n:017}", name="\u00e9" * 256, last_drill_at=NOW - timedelta(days=1000 - n), added_at=None)
        for n in range(300)
    ]
    never = CheckedServer(id="s-never", name=None, last_drill_at=None, added_at=None)

    detail = event_detail(OWN, 90, NOW, 301, [*reversed(drilled), never])

    assert 240_000 < len(to_json(detail)) <= 240 * 1024
    kept = [entry["sourceServerID"] for entry in detail["servers"]]
    assert kept == ["s-never", *(one.id for one in drilled[: len(kept) - 1])]
    assert detail["omitted"] == 301 - len(kept) > 0
    check = parse_fact(dumps(job_log(detail, **{"detail-type": "DRS Drill Check"})), frozenset({"drs.job-log"}))
    assert isinstance(check, ParsedCheck)
    assert (len(check.servers), check.omitted) == (len(kept), detail["omitted"])


# ---------------------------------------------------------------------------------------------------------------------
# Lambda function
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
def test_the_function_checks_the_drills(
    simulator: Simulator,
    dynamodb: DynamoDBClient,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    simulator.names = {ONE: "web"}
    cold_start("collector", MAX_DAYS_WITHOUT_DRILL="30")
    entries: list[Any] = []

    class Events:
        def put_events(self, **request: Any) -> dict[str, Any]:
            entries.extend(request["Entries"])
            return {"Entries": [{}]}

    monkeypatch.setattr(collector, "dynamodb", dynamodb)
    monkeypatch.setattr(collector, "events", Events())

    assert collector.lambda_handler({"drillCheck": True}, LambdaContext()) == {
        "targets": 1,
        "servers": 1,
        "notDrilled": 1,
        "drillInstances": 0,
    }
    assert simulator.calls == {"DescribeSourceServers": 1}
    (entry,) = entries
    assert (entry["Source"], entry["DetailType"]) == ("drs.job-log", "DRS Drill Check")
    detail = json.loads(entry["Detail"])
    assert (detail["account"], detail["region"], detail["maxDaysWithoutDrill"]) == ("111122223333", "us-east-1", 30)
    assert detail["servers"] == [{"sourceServerID": ONE, "sourceServerName": "web", "lastDrillAt": None}]
    assert detail["checkedAt"] <= format_time(datetime.now(UTC))

    simulator.fail("DescribeSourceServers", ApiError("AccessDeniedException", "no", status=403))
    dynamodb.delete_item(TableName=NOTIFICATIONS_TABLE, Key={"id": {"S": "drill-check"}})
    with pytest.raises(DrillCheckError, match="111122223333 us-east-1: AccessDeniedException: An error"):
        collector.lambda_handler({"drillCheck": True}, LambdaContext())
    (emitted,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    assert emitted["CollectorFailures"] == [1.0]


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
def test_the_function_does_not_check_drills_without_the_input() -> None:
    cold_start("collector")

    with pytest.raises(ValueError, match=r"readiness\.max_days_without_drill or readiness\.drill_instances_hours"):
        collector.lambda_handler({"drillCheck": True}, LambdaContext())
