"""The daily check: which source servers of each target had no drill in time, and which drill instances are left."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Logger

from drs_job_log.collect.collector import NotPutError, OutOfTimeError
from drs_job_log.collect.drs_client import name_of
from drs_job_log.collect.event_bus import MAX_DETAIL_BYTES
from drs_job_log.errors import collect_errors, reason_of
from drs_job_log.model.digest import digest
from drs_job_log.model.events import InvalidEventError, format_time, parse_time
from drs_job_log.model.json_text import to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from mypy_boto3_drs.type_defs import SourceServerTypeDef
    from mypy_boto3_dynamodb import DynamoDBClient

    from drs_job_log.collect.drill_instances import DrillInstanceCheck
    from drs_job_log.collect.drs_client import DrsClient
    from drs_job_log.collect.event_bus import EventBus
    from drs_job_log.config import Target
    from drs_job_log.ledger import Ledger, ServerLaunch

# The newest launches of a server that the check reads. A server whose last successful drill is older than so many
# failed drills and recoveries is reported.
_LAUNCHES: Final = 50

_READERS: Final = 10

# Reserved at the end of an invocation, to record the targets that are done.
_SECONDS_TO_FINISH: Final = 2.0

# The key of the item in the notifications table, and the time for which it is kept.
_KEY: Final[Mapping[str, Any]] = {"id": {"S": "drill-check"}}
_LIFETIME: Final = timedelta(days=2)

logger = Logger(child=True)


class DrillCheckError(RuntimeError):
    """The check of some targets failed. The message lists the targets and reasons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The account and the Region of a target."""

    account: str
    region: str

    def __str__(self) -> str:
        return f"{self.account} {self.region}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedServer:
    """A source server.

    Attributes
    ----------
    last_drill_at
        When its last successful drill was, as far as it is known.
    added_at
        When it was added to DRS. None if DRS does not state it.
    """

    id: str
    name: str | None
    last_drill_at: datetime | None
    added_at: datetime | None


@dataclass(slots=True)
class DrillCheckResult:
    """The number of targets that were checked, of their servers, of those without a successful drill in time, and of
    drill instances that are left.
    """

    targets: int = 0
    servers: int = 0
    overdue: int = 0
    instances: int = 0
    failures: dict[str, str] = field(default_factory=dict)


class DrillCheck:
    """Checks the targets, and puts the events of each target and day on the bus.

    The notifications table has one item with the targets that are done on a day. A further run on this day checks only
    the others, so that runs repeat what failed.
    """

    def __init__(
        self,
        targets: Sequence[tuple[Target, DrsClient]],
        *,
        ledger: Ledger,
        bus: EventBus,
        dynamodb: DynamoDBClient,
        notices_table_name: str,
        max_days: int | None,
        instances: DrillInstanceCheck | None,
    ) -> None:
        """``max_days``: None does not check the servers. ``instances``: None does not check the drill instances."""
        self._targets = targets
        self._ledger = ledger
        self._bus = bus
        self._dynamodb = dynamodb
        self._notices_table_name = notices_table_name
        self._max_days = max_days
        self._instances = instances

    def run(self, own: Place, now: datetime, seconds_left: Callable[[], float]) -> DrillCheckResult:
        """Check the targets that are not done today. ``own``: the account and Region of the function.

        A target that fails does not stop the others: it is in ``failures``, with its reason.

        Raises
        ------
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError
            If the notifications table cannot be reached or refuses a request. It is safe to repeat the check.
        """
        done = self._done(now)
        pending = {
            place_of(target, own): drs for target, drs in self._targets if str(place_of(target, own)) not in done
        }
        result = DrillCheckResult()
        threads = ThreadPoolExecutor(_READERS)
        try:
            checks = {threads.submit(self._check, drs, place, now): place for place, drs in pending.items()}
            for check in as_completed(checks, timeout=max(0.0, seconds_left() - _SECONDS_TO_FINISH)):
                place = checks.pop(check)
                with collect_errors(result.failures, str(place), "Drill check failed"):
                    servers, overdue, instances = check.result()
                    result.targets, result.servers = result.targets + 1, result.servers + servers
                    result.overdue += overdue
                    result.instances += instances
                    done.add(str(place))
        except TimeoutError:
            late = OutOfTimeError("the invocation has no time left. The next run checks this target")
            result.failures |= {str(place): reason_of(late) for place in checks.values()}
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
        if result.targets:
            self._record(done, now)
        return result

    def _check(self, drs: DrsClient, place: Place, now: datetime) -> tuple[int, int, int]:
        """Check a target. Return the numbers of all servers, of overdue ones, and of drill instances that are left."""
        drs.connect()
        servers, overdue = (0, 0) if self._max_days is None else self._check_servers(drs, place, now, self._max_days)
        return servers, overdue, self._instances.check(drs, now) if self._instances else 0

    def _check_servers(self, drs: DrsClient, place: Place, now: datetime, max_days: int) -> tuple[int, int]:
        """Put the event about the servers on the bus. Return the numbers of all servers and of overdue ones.

        Servers without replication also count, because they cannot be recovered.
        """
        listed = drs.source_servers()
        # Most servers are not overdue by what DRS lists. Only the others are looked up in the ledger.
        unclear = {
            server["sourceServerID"]: server for server in listed if is_overdue(checked(server, ()), max_days, now)
        }
        launches = self._ledger.launches_of_servers(unclear, _LAUNCHES)
        servers = [checked(server, launches[id_]) for id_, server in unclear.items()]
        overdue = [server for server in servers if is_overdue(server, max_days, now)]
        if rejected := self._bus.put([to_json(event_detail(place, max_days, now, len(listed), overdue))]):
            raise NotPutError(f"EventBridge rejected the event: {rejected[0]}")
        return len(listed), len(overdue)

    def _done(self, now: datetime) -> set[str]:
        answer = self._dynamodb.get_item(TableName=self._notices_table_name, Key=_KEY, ConsistentRead=True)
        item = answer.get("Item", {})
        return set(item["targets"]["SS"]) if item.get("day") == {"S": f"{now:%Y-%m-%d}"} else set()

    def _record(self, done: AbstractSet[str], now: datetime) -> None:
        self._dynamodb.put_item(
            TableName=self._notices_table_name,
            Item={
                **_KEY,
                "day": {"S": f"{now:%Y-%m-%d}"},
                "targets": {"SS": sorted(done)},
                "expiration": {"N": str(int((now + _LIFETIME).timestamp()))},
            },
        )


def place_of(target: Target, own: Place) -> Place:
    """Return the account and the Region of a target. ``own``: those of the function."""
    account = target.role_arn.split(":")[4] if target.role_arn else own.account
    return Place(account=account, region=target.region or own.region)


def is_overdue(server: CheckedServer, max_days: int, now: datetime) -> bool:
    """Whether a server had no successful drill for so many days, and was not added to DRS since then."""
    since = server.last_drill_at or server.added_at
    return since is None or now - since > timedelta(days=max_days)


def checked(server: SourceServerTypeDef, launches: Iterable[ServerLaunch]) -> CheckedServer:
    """Return a server with its last successful drill, from what DRS lists and from its launches in the ledger.

    Both are necessary: DRS states the last launch only, which can be a recovery, and the ledger begins with the
    installation of the module.
    """
    times = [*drills_in_ledger(launches), *drills_in_drs(server)]
    return CheckedServer(
        id=server["sourceServerID"],
        name=name_of(server),
        last_drill_at=max(times, default=None),
        added_at=_time(server.get("lifeCycle", {}).get("addedToServiceDateTime")),
    )


def drills_in_ledger(launches: Iterable[ServerLaunch]) -> list[datetime]:
    """Return when the successful drills among the launches of a server ended."""
    return [
        launch.server.ended_at
        for launch in launches
        if launch.is_drill is True and launch.server.state == "LAUNCHED" and launch.server.ended_at
    ]


def drills_in_drs(server: SourceServerTypeDef) -> list[datetime]:
    """Return when the last launch of a server was requested, if it was a successful drill. Else an empty list.

    The status of a launch whose instance was terminated is TERMINATED. ``lastLaunchResult`` then states whether it had
    succeeded. https://docs.aws.amazon.com/drs/latest/APIReference/API_LifeCycleLastLaunch.html
    """
    launch = server.get("lifeCycle", {}).get("lastLaunch", {})
    initiated = launch.get("initiated", {})
    status = launch.get("status")
    has_succeeded = status == "LAUNCHED" or (status == "TERMINATED" and server.get("lastLaunchResult") == "SUCCEEDED")
    time = _time(initiated.get("apiCallDateTime"))
    return [time] if time and has_succeeded and initiated.get("type") == "DRILL" else []


def event_detail(
    place: Place, max_days: int, now: datetime, server_count: int, overdue: Iterable[CheckedServer]
) -> dict[str, Any]:
    """Return the detail of the "DRS Drill Check" event of a target.

    The servers without any drill come first, then those with the oldest one. ``omitted`` is the number of servers that
    do not fit into an event. The ``eventId`` is the same for each event of a target and day.
    """
    detail: dict[str, Any] = {
        "eventId": digest(f"drill-check {place} {now:%Y-%m-%d}"),
        "account": place.account,
        "region": place.region,
        "maxDaysWithoutDrill": max_days,
        "checkedAt": format_time(now),
        "serverCount": server_count,
    }
    in_order = sorted(
        overdue, key=lambda server: (format_time(server.last_drill_at) if server.last_drill_at else "", server.id)
    )
    entries = [
        {
            "sourceServerID": server.id,
            "sourceServerName": server.name,
            "lastDrillAt": format_time(server.last_drill_at) if server.last_drill_at else None,
        }
        for server in in_order
    ]
    kept: list[dict[str, str | None]] = []
    size = len(to_json({**detail, "servers": [], "omitted": len(entries)}))
    for entry in entries:
        size += len(to_json(entry)) + 1  # and a comma
        if size > MAX_DETAIL_BYTES:
            break
        kept.append(entry)
    omitted = len(entries) - len(kept)
    return {**detail, "servers": kept} | ({"omitted": omitted} if omitted else {})


def _time(value: object) -> datetime | None:
    try:
        return parse_time("time", value)
    except InvalidEventError:
        return None
