"""The collector with the DRS simulator, a bus that fails, a queue that delivers twice, and a table."""

from __future__ import annotations

import dataclasses
import itertools
import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ReadTimeoutError
from drs_job_log.collect import job_log as collected
from drs_job_log.collect.collector import Collector, PassRequest, PassResult, executions_over_rto
from drs_job_log.collect.drs_client import DrsClient, LogPage
from drs_job_log.collect.event_bus import EventBus
from drs_job_log.collect.tracker import JobTracker
from drs_job_log.config import Target
from drs_job_log.model.events import format_time, parse, parse_time
from drs_job_log.model.progress import progress_of
from drs_job_log.table import to_item, with_servers
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support import scripts
from tests.support.drs import ApiError, DrsServer, Simulator
from tests.support.envelopes import dumps, job_log
from tests.support.pipeline import SETTINGS
from tests.support.scripts import STORED_AS, Script, Step, server_id
from tests.unit.conftest import RETENTION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from drs_job_log.collect.job_log import JobLog
    from drs_job_log.model.events import JobLogEvent

START = datetime(2026, 11, 23, 20, 30, 15, 123456, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


class KilledError(BaseException):
    """The function is killed."""


class Table:
    """JobLogTable in memory. tests/unit/test_table.py tests it on DynamoDB."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, dict[str, Any]]] = {}
        self.queries = 0

    def put(self, event: JobLogEvent, retention: timedelta) -> bool:
        item = to_item(event, ingested_at=START, retention=retention)
        return self.items.setdefault(event.job_id, {}).setdefault(event.key, item) is item

    def stored(self, job_id: str, collector_sources: AbstractSet[str]) -> dict[str, dict[str, Any]]:
        self.queries += 1
        items = self.items.get(job_id, {})
        return {
            key: with_servers(item["EventData"], {"Servers": {"B": item["Servers"]}} if "Servers" in item else {})
            if item["Source"] in collector_sources
            else {}
            for key, item in items.items()
        }


@dataclass
class World:
    """The environment of a collector: DRS, the event bus with its pending messages, the table and the time."""

    simulator: Simulator
    drs: list[DrsClient]
    table: Table = field(default_factory=Table)
    now: datetime = START
    queue: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    puts: list[list[dict[str, Any]]] = field(default_factory=list)
    events: list[JobLogEvent] = field(default_factory=list)  # the stored ones

    def __post_init__(self) -> None:
        self.simulator.clock = lambda: self.now
        self.collector = self.cold()
        self.other_instance = self.cold()

    def cold(self) -> Collector:
        """Return a new collector, as after a cold start."""
        bus = EventBus(self, "default", "drs.job-log")  # type: ignore[arg-type]
        return Collector(self.drs, self.table, bus, SETTINGS)  # type: ignore[arg-type]

    def put_events(self, Entries: Sequence[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        """Simulate EventBridge, with the next fault: killed before or after, entries failed, or request refused."""
        assert 0 < len(Entries) <= 10
        assert sum(len(json.dumps(entry)) for entry in Entries) <= 256 * 1024 + 50 * len(Entries)
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "killed before":
            raise KilledError
        if fault == "refused":
            raise ConnectionError
        answers: list[dict[str, str]] = []
        for number, entry in enumerate(Entries):
            if fault == "all failed" or (fault == "half failed" and number % 2):
                answers.append({"ErrorCode": "ThrottlingException", "ErrorMessage": "Rate exceeded"})
            else:
                self.queue.append(dumps(job_log(json.loads(entry["Detail"]), source=entry["Source"])))
                answers.append({"EventId": "1"})
        self.puts.append(list(Entries))
        if fault == "killed after":
            raise KilledError
        return {"FailedEntryCount": sum("ErrorCode" in answer for answer in answers), "Entries": answers}

    def collect(self, request: PassRequest = PassRequest()) -> PassResult:  # noqa: B008
        return self.collector.collect(request, self.now)

    def deliver(self, messages: Sequence[str] | None = None) -> None:
        """Store the messages, by default all pending ones, as ingest does."""
        for message in self.queue if messages is None else messages:
            event = parse(message)
            if self.table.put(event, RETENTION):
                self.events.append(event)
        if messages is None:
            self.queue.clear()

    def rows(self, job_id: str) -> list[dict[str, Any]]:
        items = self.table.items.get(job_id, {})
        return [items[key] for key in sorted(items)]

    @property
    def emitted(self) -> int:
        return sum(len(entries) for entries in self.puts)


@pytest.fixture(scope="module")
def server() -> Iterator[DrsServer]:
    with DrsServer() as server:
        yield server


@pytest.fixture(scope="module")
def drs(server: DrsServer) -> Iterator[DrsClient]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_DRS", server.endpoint)
        drs = DrsClient(Target())
        drs.connect()
        yield drs


@pytest.fixture
def make_world(server: DrsServer, drs: DrsClient) -> Callable[..., World]:
    def make(**simulator: Any) -> World:
        server.simulator = Simulator(**simulator)
        drs._names.clear()
        drs._unnamed_at.clear()
        return World(server.simulator, [drs])

    return make


# ---------------------------------------------------------------------------------------------------------------------
# Any script and any order of actions and faults
# ---------------------------------------------------------------------------------------------------------------------

# Possible outcomes of a server: its items, its final launchStatus, and the event that the collector must add.
STEPS = ["SNAPSHOT_START", "SNAPSHOT_END", "CONVERSION_START", "CONVERSION_END", "LAUNCH_START"]
OUTCOMES: list[tuple[list[str], str, str | None]] = [
    ([*STEPS, "LAUNCH_END"], "LAUNCHED", None),
    (["CLEANUP_START", "CLEANUP_END", *STEPS, "LAUNCH_END"], "LAUNCHED", None),
    ([*STEPS, "LAUNCH_FAILED"], "FAILED", None),
    ([*STEPS[:3], "CONVERSION_FAIL"], "FAILED", None),
    (["SNAPSHOT_START", "SNAPSHOT_FAIL"], "FAILED", None),
    (
        ["SNAPSHOT_START", "SNAPSHOT_FAIL", "USING_PREVIOUS_SNAPSHOT", "CONVERSION_START"],
        "FAILED",
        "SERVER_LAUNCH_FAILED",
    ),
    (STEPS, "LAUNCHED", "SERVER_LAUNCHED"),
    (STEPS[:2], "FAILED", "SERVER_LAUNCH_FAILED"),
    ([], "FAILED", "SERVER_LAUNCH_FAILED"),
    (["SERVER_SKIPPED"], "PENDING", None),
    (["SOMETHING_NEW"], "PENDING", "SERVER_LAUNCH_FAILED"),
    # Attempt 1 of 3 fails.
    ([*STEPS, "LAUNCH_FAILED", "LAUNCH_START", "LAUNCH_END"], "LAUNCHED", None),
    ([*STEPS, "LAUNCH_FAILED", "LAUNCH_START", "LAUNCH_FAILED"], "FAILED", None),
    ([*STEPS, "LAUNCH_FAILED", "LAUNCH_START"], "FAILED", "SERVER_LAUNCH_FAILED"),
    # DRS states no launchStatus.
    ([*STEPS, "LAUNCH_END"], "", None),
    (STEPS[:4], "", "SERVER_LAUNCH_FAILED"),
]


@dataclass(frozen=True)
class Case:
    """A script, the events that the collector must add, and the type of its last event."""

    script: Script
    added: frozenset[tuple[str, str]]
    end: str | None


@st.composite
def cases(draw: st.DrawFn) -> Case:
    times = st.floats(0, 300, allow_nan=False).map(lambda seconds: timedelta(seconds=round(seconds, 3)))
    steps: list[Step] = []
    statuses: dict[str, str] = {}
    added = set()
    has_launched = False
    for number in range(draw(st.integers(1, 4))):
        events, status, addition = draw(st.sampled_from(OUTCOMES))
        server = server_id(number)
        statuses[server] = status
        if addition:
            added.add((addition, server))
        has_launched |= status == "LAUNCHED" or (status == "" and "LAUNCH_END" in events)
        times_of_server = sorted(draw(st.lists(times, min_size=len(events), max_size=len(events))))
        # The log can show an item late, also after the end of the job.
        late = draw(st.sampled_from([timedelta(), SECOND, 20 * SECOND, *[400 * SECOND] * (len(events) > 1)]))
        steps += [
            # Items of a server have different times, also without fractions.
            Step(
                after + place * SECOND,
                event,
                {"sourceServerID": server},
                timedelta() if place else late,
            )
            for place, (after, event) in enumerate(zip(times_of_server, events, strict=True))
        ]
    is_cancelled = draw(st.booleans())
    if is_cancelled:
        steps.append(Step(draw(times), "JOB_CANCEL"))
    listed = draw(st.dictionaries(st.sampled_from(sorted(statuses)), times))  # DRS can name servers late
    end_time = 310 * SECOND + draw(times)  # after the last item
    script = scripts.in_order(
        Script(servers=list(statuses), steps=steps, end=end_time, statuses=statuses, listed=listed)
    )
    if draw(st.booleans()):
        script = scripts.without_job_end(script)
    end = "JOB_COMPLETED" if has_launched else "JOB_FAILED"
    if is_cancelled:  # no server is under way any more
        end = "JOB_TERMINATED"
        added -= {(event_type, server) for event_type, server in added if statuses[server] in {"PENDING", ""}}
    return Case(script, frozenset(added), end)


def expected(world: World, job_id: str, case: Case) -> set[tuple[str, str, str | None]]:
    """Return the expected rows of a case: time, type, server."""
    log = world.simulator.whole_log(job_id)
    found = {
        (
            format_time(datetime.fromisoformat(item["logDateTime"])),
            str(case.end if item["event"] == "JOB_END" else STORED_AS.get(item["event"], item["event"])),
            item["eventData"].get("sourceServerID"),
        )
        for item in log
    }
    assert case.script.end
    job = world.simulator.jobs[job_id]
    ended = format_time(datetime.fromisoformat(world.simulator._date(job, case.script.end)))
    found |= {(ended, event_type, server) for event_type, server in case.added}
    if "JOB_END" not in {item["event"] for item in log}:
        found.add((ended, str(case.end), None))
    return found


ACTIONS = st.one_of(
    st.just("collect"),
    st.just("collect"),
    st.floats(0, 120).map(lambda seconds: timedelta(seconds=seconds)),
    st.sampled_from(["cold", "other instance", "deliver some", "deliver all"]),
    st.sampled_from(["killed before", "killed after", "half failed", "all failed", "refused"]),
    st.sampled_from(["DescribeJobs", "DescribeJobLogItems", "DescribeSourceServers", "DescribeRecoveryInstances"]),
)


@example(
    cases=[Case(scripts.launch([server_id(0)]), frozenset(), "JOB_COMPLETED")],
    actions=[MINUTE, "collect", 3 * MINUTE, 3 * MINUTE, "collect"],  # events are sent twice and not delivered
    page_size=5,
    token_seconds=0,
    fractions=True,
    offset=0,
    seed=0,
)
@given(
    cases=st.lists(cases(), min_size=1, max_size=2),
    actions=st.lists(ACTIONS, max_size=25),
    page_size=st.integers(1, 9) | st.integers(10, 100),
    token_seconds=st.sampled_from([0, 30, 1e6]),
    fractions=st.booleans(),
    offset=st.integers(-300, 300),
    seed=st.integers(0, 1000),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_each_item_is_stored_once_under_any_faults_and_then_nothing_is_sent(
    *,
    make_world: Callable[..., World],
    monkeypatch: pytest.MonkeyPatch,
    cases: list[Case],
    actions: list[str | timedelta],
    page_size: int,
    token_seconds: float,
    fractions: bool,
    offset: int,
    seed: int,
) -> None:
    monkeypatch.setattr("drs_job_log.collect.event_bus.time.sleep", lambda _: None)
    chance = random.Random(seed)  # noqa: S311
    lifetime = timedelta(seconds=token_seconds)
    world = make_world(page_size=page_size, token_lifetime=lifetime, fractions=fractions, offset=offset * SECOND)
    jobs = {world.simulator.start(case.script): case for case in cases}

    for action in actions:
        match action:
            case "collect":
                try:
                    world.collect()
                except KilledError:
                    world.collector = world.cold()
            case timedelta():
                world.now += action
            case "cold":
                world.collector = world.cold()
            case "other instance":  # instances take turns, and each keeps its state
                world.collector, world.other_instance = world.other_instance, world.collector
            case "deliver some":  # in any order, and some of them again later
                world.deliver(chance.sample(world.queue, chance.randint(0, len(world.queue))))
            case "deliver all":
                world.deliver()
            case "DescribeJobs" | "DescribeJobLogItems" | "DescribeSourceServers" | "DescribeRecoveryInstances":
                # A denied DescribeRecoveryInstances would not hold the end of a job.
                code = "ValidationException" if action == "DescribeRecoveryInstances" else "AccessDeniedException"
                world.simulator.fail(action, ApiError(code, status=403))
            case fault:
                world.faults.append(fault)

    # Without faults, all events are stored in time.
    world.faults.clear()
    world.simulator.clear_faults()
    world.deliver()
    for wait in (11 * MINUTE, 11 * MINUTE, 6 * MINUTE):
        world.now += wait
        assert world.collect().failures == {}
        world.deliver()

    for job_id, case in jobs.items():
        rows = world.rows(job_id)
        corrected = [row for row in rows if "revision" in row["EventData"]]  # after a late item
        assert sorted(row["EventData"]["revision"] for row in corrected) == list(range(1, len(corrected) + 1))
        added = [row for row in rows if row["EventType"] == "SERVERS_ADDED"]
        stored = [
            (row["Timestamp"], row["EventType"], row.get("SourceServerId"))
            for row in rows
            if row not in corrected and row not in added
        ]
        states = progress_of(event for event in world.events if event.job_id == job_id)
        assert {server.source_server_id for server in states.servers} == set(case.script.servers)
        assert Counter(stored) == Counter(expected(world, job_id, case))
    before = world.emitted
    world.now += 6 * MINUTE
    world.collect()
    world.collector = world.cold()
    world.collect()
    assert world.emitted == before


# ---------------------------------------------------------------------------------------------------------------------
# Jobs and log items
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0, 1])
def test_a_real_drill_is_stored_as_drs_logged_it(make_world: Callable[..., World], number: int) -> None:
    script = scripts.drill(number)
    world = make_world(names={script.servers[0]: "prod-web-01"})
    job_id = world.simulator.start(script, {"ExecutionId": "exec-1"})

    while not world.simulator.is_over(job_id):
        world.now += 3 * SECOND
        world.collect()
        world.deliver()
    assert not world.collect().running_jobs

    log = world.simulator.whole_log(job_id)
    stored = world.rows(job_id)
    assert len(stored) == len(log) == 14
    assert [(row["Timestamp"], row["EventType"], row.get("SourceServerId")) for row in stored] == [
        (
            format_time(datetime.fromisoformat(item["logDateTime"])),
            STORED_AS.get(item["event"], "JOB_COMPLETED"),
            item["eventData"].get("sourceServerID"),
        )
        for item in log
    ]
    assert {row["ExecutionId"] for row in stored} == {"exec-1"}
    assert stored[0]["EventData"]["sourceServerIDs"] == list(script.servers)
    assert stored[-1]["EventData"]["outcome"] == "SUCCEEDED"
    launched = {row["SourceServerId"]: row for row in stored if row["EventType"] == "SERVER_LAUNCHED"}
    assert launched[script.servers[0]]["SourceServerName"] == "prod-web-01"
    assert launched[script.servers[0]]["Message"] == "Server prod-web-01 launched"
    assert launched[script.servers[0]]["Ec2InstanceId"].startswith("i-0")


def test_the_last_item_after_the_end_of_the_job_is_collected(make_world: Callable[..., World]) -> None:
    world = make_world()
    script = scripts.silent_failure([server_id(1)])
    job_id = world.simulator.start(script)
    assert script.end
    world.now += script.end + scripts.TAIL / 2

    assert world.collect().running_jobs  # COMPLETED, but JOB_END is missing
    world.now += 3 * SECOND
    assert not world.collect().running_jobs

    world.deliver()
    assert [row["EventType"] for row in world.rows(job_id)] == [
        *("JOB_STARTED", "SNAPSHOT_STARTED", "SNAPSHOT_COMPLETED", "SERVER_LAUNCH_FAILED", "JOB_FAILED")
    ]
    failed = world.rows(job_id)[3]
    assert failed["Message"] == f"Server {server_id(1)} failed to launch"
    assert failed["EventData"]["state"] == "FAILED"


def test_all_items_are_stored_after_an_outage_of_hours(make_world: Callable[..., World]) -> None:
    world = make_world()
    job_id = world.simulator.start(scripts.launch([server_id(number) for number in range(50)]))
    world.now += timedelta(hours=20)

    assert world.collect().emitted == 302
    world.deliver()

    assert len(world.rows(job_id)) == 302


def test_a_running_job_older_than_the_lookback_is_collected(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    job_id = world.simulator.start(scripts.launch([server_id(1), server_id(2)], stuck=[server_id(2)]))
    world.now += timedelta(hours=30)
    for _ in range(2):
        other = world.simulator.start(scripts.drill(0))
        world.simulator.jobs[other].began -= timedelta(hours=31)

    assert world.collect().emitted == 11  # with SERVER_STALLED
    world.deliver()
    world.now += timedelta(hours=1)
    steps = [*world.simulator.jobs[job_id].script.steps, Step(world.now - START, "SOMETHING_NEW")]
    world.simulator.jobs[job_id].script = dataclasses.replace(world.simulator.jobs[job_id].script, steps=steps)

    assert world.collect().emitted == 1


@pytest.mark.parametrize("fault", ["none", "log unreadable", "events lost"])
def test_the_end_of_a_job_older_than_the_lookback_is_collected(make_world: Callable[..., World], fault: str) -> None:
    world = make_world()
    job_id = world.simulator.start(scripts.launch([server_id(1), server_id(2)], stuck=[server_id(2)]))
    world.now += timedelta(hours=30)
    world.collect()
    world.deliver()
    job = world.simulator.jobs[job_id]
    end = world.now - START
    steps = [*job.script.steps, Step(end + scripts.TAIL, "JOB_END")]
    statuses = {server_id(1): "LAUNCHED", server_id(2): "FAILED"}
    job.script = dataclasses.replace(job.script, steps=steps, end=end, statuses=statuses)

    if fault == "log unreadable":
        world.simulator.fail(f"DescribeJobLogItems {job_id}", ApiError("AccessDeniedException", status=403))
    world.now += MINUTE
    world.collect()
    world.now += 3 * SECOND
    world.collect()
    if fault == "events lost":
        world.queue.clear()
    for _ in range(3):
        world.deliver()
        world.now += 6 * MINUTE
        world.collect()

    assert [row["EventType"] for row in world.rows(job_id)][-2:] == ["SERVER_LAUNCH_FAILED", "JOB_COMPLETED"]
    world.simulator.calls.clear()
    world.now += MINUTE
    world.collect()
    assert world.simulator.calls == {"DescribeJobs": 2}  # the job is listed by its ID, and its log is not read
    world.now += timedelta(hours=24)
    world.collect()
    world.simulator.calls.clear()
    world.now += MINUTE
    world.collect()
    assert world.simulator.calls == {"DescribeJobs": 1}  # the job is no longer tracked


def test_items_older_than_the_retention_are_not_sent(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.simulator.start(scripts.launch([server_id(1)], stuck=[server_id(1)]))
    world.now += timedelta(days=31)

    assert world.collect().emitted == 0


def test_a_job_on_two_pages_is_collected_once(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world()
    world.simulator.start(scripts.drill(0))
    world.now += 15 * MINUTE
    jobs = world.drs[0].jobs
    monkeypatch.setattr(world.drs[0], "jobs", lambda **asked: jobs(**asked) * 2)

    assert world.collect().emitted == 14


def test_the_longest_error_text_of_drs_is_stored(make_world: Callable[..., World]) -> None:
    world = make_world()
    errors = {server_id(1): "e" * 65536, server_id(2): "\x00" * 65536, server_id(3): "é" * 65536}
    job_id = world.simulator.start(scripts.launch(list(errors), failing=errors))
    world.now += 20 * MINUTE

    assert world.collect().failures == {}
    world.deliver()

    failed = {row["SourceServerId"]: row for row in world.rows(job_id) if row["EventType"] == "SERVER_LAUNCH_FAILED"}
    assert failed[server_id(1)]["Error"] == errors[server_id(1)]
    assert "Truncated" not in failed[server_id(1)]
    for server in (server_id(2), server_id(3)):
        assert errors[server].startswith(failed[server]["Error"])
        assert len(failed[server]["Error"]) > 8000
        assert failed[server]["Truncated"] is True


# ---------------------------------------------------------------------------------------------------------------------
# Costs
# ---------------------------------------------------------------------------------------------------------------------


def test_a_pass_calls_describe_jobs_once_and_reads_the_last_page_of_each_running_log(
    make_world: Callable[..., World],
) -> None:
    world = make_world(page_size=50)
    for first in range(0, 200, 10):
        servers = [server_id(number) for number in range(first, first + 10)]
        world.simulator.start(scripts.launch(servers, stuck=servers[:1]))
    world.now += 30 * MINUTE  # 1 + 9 x 6 + 3 items: two pages

    def cost() -> dict[str, int]:
        world.simulator.calls.clear()
        world.table.queries = 0
        world.collect()
        return {**world.simulator.calls, "Query": world.table.queries}

    # Cold start: all events are new, and no server names are cached.
    assert cost() == {"DescribeJobs": 1, "DescribeJobLogItems": 40, "DescribeSourceServers": 20, "Query": 20}
    world.deliver()
    later = Counter[str]()
    for _ in range(20):
        world.now += 3 * SECOND
        done = cost()
        assert done["DescribeJobLogItems"] < 40  # the whole logs are not all read in the same pass
        later += Counter(done)
    # Each log is read whole once in this minute.
    assert later == {"DescribeJobs": 20, "DescribeJobLogItems": 20 * 20 + 20}
    # Cold start without new events. The clients, which this test keeps, cache the names.
    world.collector = world.cold()
    assert cost() == {"DescribeJobs": 1, "DescribeJobLogItems": 40, "Query": 20}


def test_a_finished_and_stored_job_costs_no_calls(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.simulator.start(scripts.drill(0))
    world.now += 15 * MINUTE
    world.collect()
    world.deliver()
    world.now += 6 * MINUTE
    world.collect()  # all events are stored

    world.simulator.calls.clear()
    world.table.queries = 0
    for _ in range(100):
        world.now += 6 * MINUTE
        world.collect()

    assert (world.simulator.calls, world.table.queries) == ({"DescribeJobs": 100}, 0)
    assert [tracker.listed for tracker in world.collector._trackers[world.drs[0]].values()] == [None]


def test_a_changed_job_whose_events_are_stored_is_compared_with_the_table(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drs_job_log.collect.event_bus.time.sleep", lambda _: None)
    world = make_world()
    job_id = world.simulator.start(scripts.launch([server_id(1), server_id(2)]))
    world.now += 15 * MINUTE
    world.collect()
    world.deliver()
    world.now += 6 * MINUTE
    assert world.collect().emitted == 0
    job = world.simulator.jobs[job_id]
    job.script = dataclasses.replace(job.script, statuses={server_id(1): "LAUNCHED", server_id(2): "FAILED"})

    world.faults = ["all failed"] * 4
    world.now += MINUTE
    assert world.collect().emitted == 0
    world.now += 3 * SECOND
    world.collect()
    world.deliver()

    assert [row["EventType"] for row in world.rows(job_id)][-3:] == ["SERVER_LAUNCH_FAILED"] + ["JOB_COMPLETED"] * 2
    assert world.emitted - 4 * 2 == len(world.rows(job_id)) == 16  # without the rejected attempts


def test_a_running_job_is_listed_once_a_minute_after_its_first_minutes(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world()
    world.simulator.start(scripts.launch([server_id(1)], stuck=[server_id(1)]))
    listed: list[datetime] = []
    describe = world.simulator._described

    def described(filters: Any, region: str) -> list[dict[str, Any]]:
        answer = describe(filters, region)
        listed.extend([world.now] * len(answer))
        return answer

    monkeypatch.setattr(world.simulator, "_described", described)
    world.now += 3 * MINUTE
    for _ in range(200):  # ten minutes
        assert world.collect().failures == {}
        world.deliver()
        world.now += 3 * SECOND

    assert len(listed) == 12
    assert max(later - earlier for earlier, later in itertools.pairwise(listed)) <= MINUTE


def test_a_new_job_is_found_in_the_next_pass_also_if_the_clock_of_drs_is_behind(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    world.simulator.start(scripts.launch([server_id(1)], stuck=[server_id(1)]))
    world.now += 10 * MINUTE
    world.collect()  # lists all jobs
    world.now += 3 * SECOND
    world.collect()
    world.simulator.offset = -MINUTE

    new = world.simulator.start(scripts.launch([server_id(2)]))
    world.now += 3 * SECOND
    world.collect()
    world.deliver()

    assert [row["EventType"] for row in world.rows(new)][:1] == ["JOB_STARTED"]


@pytest.mark.slow
def test_the_end_of_a_job_is_sent_in_the_first_pass_after_it(make_world: Callable[..., World]) -> None:
    """Passes between two listings of all jobs do not list a running job. JOB_END in its log has it listed at once."""
    script = scripts.launch([server_id(1), server_id(2)])
    for offset in range(0, 60, 7):  # of the listings of all jobs
        world = make_world()
        job_id = world.simulator.start(script)
        world.now += offset * SECOND
        while world.now < START + script.duration:  # JOB_END is the last item
            assert world.collect().failures == {}
            world.deliver()
            world.now += 3 * SECOND
        world.collect()
        world.deliver()
        assert world.rows(job_id)[-1]["EventType"] == "JOB_COMPLETED"


def test_a_deleted_job_is_no_failure_and_ends_a_minute_after_the_deletion(make_world: Callable[..., World]) -> None:
    world = make_world()
    script = scripts.launch([server_id(1), server_id(2)])
    job_id = world.simulator.start(dataclasses.replace(script, deleted=310 * SECOND))
    for _ in range(125):  # to 372 s after the start
        world.now += 3 * SECOND
        assert world.collect().failures == {}
        world.deliver()

    assert "JOB_DELETED" in {row["EventType"] for row in world.rows(job_id)}


def test_a_job_that_is_missing_once_continues(make_world: Callable[..., World]) -> None:
    world = make_world()
    script = scripts.launch([server_id(1), server_id(2)])
    job = world.simulator.jobs[world.simulator.start(script)]
    world.now += 5 * MINUTE
    world.collect()
    world.now += 3 * SECOND
    job.script = dataclasses.replace(script, deleted=timedelta(0))
    assert world.collect().failures == {}
    job.script = dataclasses.replace(script, steps=[*script.steps[:2], Step(303 * SECOND, "NEW"), *script.steps[2:]])
    world.now += 3 * SECOND

    assert world.collect().emitted == 1


def test_a_log_that_does_not_exist_is_a_failure_if_the_job_exists(make_world: Callable[..., World]) -> None:
    world = make_world()
    job_id = world.simulator.start(scripts.launch([server_id(1)], stuck=[server_id(1)]))
    world.collect()
    world.now += 3 * SECOND
    world.simulator.fail(f"DescribeJobLogItems {job_id}", *[ApiError("ResourceNotFoundException", status=404)] * 10)

    assert list(world.collect().failures) == [f"{job_id} in DRS in this Region"]


def test_an_ended_job_is_listed_and_read_once_in_each_pass(make_world: Callable[..., World]) -> None:
    world = make_world()
    script = scripts.silent_failure([server_id(1)])
    world.simulator.start(dataclasses.replace(script, end=None))  # JOB_END, but the status is not COMPLETED
    world.now += 5 * MINUTE
    world.collect()
    world.simulator.calls.clear()
    for _ in range(10):
        world.now += 3 * SECOND
        world.collect()

    assert world.simulator.calls["DescribeJobLogItems"] == 10


def test_a_launch_status_is_listed_before_an_outcome_is_derived_from_it(make_world: Callable[..., World]) -> None:
    """30 s after the end of a job, a server that is not launched has failed. Another job runs."""
    world = make_world()
    world.simulator.start(scripts.launch([server_id(9)], stuck=[server_id(9)]))
    script = scripts.silent_failure([server_id(1)])
    assert script.end
    ended_after = 10 * MINUTE
    steps = [
        dataclasses.replace(step, after=ended_after + (step.after - script.end)) if step.event == "JOB_END" else step
        for step in script.steps
    ]
    late = [(ended_after + 28 * SECOND, server_id(1), "LAUNCHED")]
    job_id = world.simulator.start(
        dataclasses.replace(
            script, steps=steps, end=ended_after, statuses={server_id(1): "PENDING"}, late_statuses=late
        )
    )
    while world.now < START + ended_after + MINUTE:
        assert world.collect().failures == {}
        world.deliver()
        world.now += 3 * SECOND

    assert "SERVER_LAUNCH_FAILED" not in {row["EventType"] for row in world.rows(job_id)}
    assert "SERVER_LAUNCHED" in {row["EventType"] for row in world.rows(job_id)}


def test_a_launch_status_is_listed_before_a_stall_is_derived_from_it(make_world: Callable[..., World]) -> None:
    world = make_world()
    script = scripts.launch([server_id(1)], stuck=[server_id(1)])
    stalled_after = script.duration + 45 * MINUTE
    for offset in range(0, 60, 7):  # at any time since the last listing of all jobs
        late = [(stalled_after - SECOND, server_id(1), "LAUNCHED")]
        job_id = world.simulator.start(dataclasses.replace(script, late_statuses=late))
        began = world.now
        world.now = began + stalled_after - MINUTE + offset * SECOND
        while world.now < began + stalled_after + 2 * MINUTE:
            world.collect()
            world.deliver()
            world.now += 3 * SECOND
        assert "SERVER_STALLED" not in {row["EventType"] for row in world.rows(job_id)}


def test_a_job_whose_log_could_not_be_read_is_read_with_its_newest_listing(make_world: Callable[..., World]) -> None:
    """The job ended without JOB_END, so only its listing tells the end. The grace period is over."""
    world = make_world()
    script = scripts.silent_failure([server_id(1)])
    steps = [step for step in script.steps if step.event != "JOB_END"]
    job_id = world.simulator.start(dataclasses.replace(script, steps=steps))
    world.collect()
    world.now += 11 * MINUTE
    world.simulator.fail(f"DescribeJobLogItems {job_id}", ApiError("AccessDeniedException", status=403))
    assert world.collect().failures
    world.now += 3 * SECOND

    assert world.collect().failures == {}
    world.deliver()
    assert "JOB_FAILED" in {row["EventType"] for row in world.rows(job_id)}


def test_jobs_are_listed_after_the_clock_was_set_back(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.collect()
    world.now -= timedelta(hours=2)
    world.simulator.start(scripts.drill(0))
    world.now += MINUTE / 2

    assert world.collect().emitted


def test_an_unstored_event_is_sent_again_after_five_minutes(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    world.simulator.start(scripts.drill(0))
    world.now += 15 * MINUTE

    emitted = []
    for _ in range(101):
        emitted.append(world.collect().emitted)
        world.now += 3 * SECOND

    assert emitted == [14, *[0] * 99, 14]


def test_events_of_several_jobs_share_full_batches(make_world: Callable[..., World]) -> None:
    world = make_world()
    for first in range(0, 60, 3):
        world.simulator.start(scripts.launch([server_id(number) for number in range(first, first + 3)]))
    world.now += 30 * MINUTE

    world.collect()

    assert sorted(map(len, world.puts)) == [10] * 40


# ---------------------------------------------------------------------------------------------------------------------
# Failures
# ---------------------------------------------------------------------------------------------------------------------


def test_a_failed_job_is_reported_and_does_not_affect_other_jobs(make_world: Callable[..., World]) -> None:
    world = make_world()
    bad, good = world.simulator.start(scripts.drill(0)), world.simulator.start(scripts.drill(1))
    world.now += 15 * MINUTE
    world.simulator.fail(f"DescribeJobLogItems {bad}", ApiError("ResourceNotFoundException", status=404))

    first = world.collect()
    second = world.collect()

    assert (first.emitted, second.emitted) == (14, 14)
    assert list(first.failures) == [f"{bad} in DRS in this Region"]
    assert "ResourceNotFoundException" in first.failures[f"{bad} in DRS in this Region"]
    assert second.failures == {}
    world.deliver()
    assert len(world.rows(good)) == len(world.rows(bad)) == 14


def test_events_are_sent_without_server_names_if_they_are_unreadable(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.simulator.start(scripts.drill(0))
    world.now += 15 * MINUTE
    world.simulator.fail("DescribeSourceServers", ApiError("AccessDeniedException", status=403))

    done = world.collect()

    assert done.emitted == 14
    assert "AccessDeniedException" in next(iter(done.failures.values()))


def test_failed_entries_are_retried_and_then_left_to_the_next_pass(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drs_job_log.collect.event_bus.time.sleep", lambda _: None)
    world = make_world()
    job_id = world.simulator.start(scripts.drill(0))
    world.now += 15 * MINUTE
    world.faults = ["half failed", "all failed", "all failed", "all failed"]

    done = world.collect()

    assert "EventBridge rejected" in next(iter(done.failures.values()))
    assert "Rate exceeded" in next(iter(done.failures.values()))
    assert world.collect().failures == {}
    world.deliver()
    assert len(world.rows(job_id)) == 14


def test_the_next_pass_collects_the_jobs_for_which_no_time_was_left(make_world: Callable[..., World]) -> None:
    world = make_world()
    for _ in range(5):
        world.simulator.start(scripts.drill(0))
    world.now += 15 * MINUTE
    left = itertools.chain([60.0] * 6, itertools.repeat(0.0))

    first = world.collector.collect(PassRequest(), world.now, lambda: next(left))
    then = world.collect()

    assert first.failures == {}
    assert first.emitted + then.emitted == 5 * 14
    assert then.failures == {}


def test_a_blocked_log_does_not_delay_other_jobs(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world()
    blocked, good = world.simulator.start(scripts.drill(0)), world.simulator.start(scripts.drill(1))
    world.now += 15 * MINUTE
    release = threading.Event()
    pages = world.drs[0].log_pages

    def slow_pages(job_id: str, token: str | None = None) -> Iterator[LogPage]:
        if job_id == blocked:
            release.wait(30)
        return pages(job_id, token)

    monkeypatch.setattr(world.drs[0], "log_pages", slow_pages)
    ends = time.monotonic() + 4  # three of the four seconds are reserved for writing

    done = world.collector.collect(PassRequest(), world.now, lambda: ends - time.monotonic())
    release.set()

    assert done.failures == {}
    assert (done.emitted, done.active_jobs) == (14, 1)
    world.deliver()
    assert len(world.rows(good)) == 14


def test_time_that_runs_out_again_is_a_failure(make_world: Callable[..., World]) -> None:
    world = make_world()
    job_id = world.simulator.start(scripts.drill(0))

    passes = [world.collector.collect(PassRequest(), world.now, lambda left=left: left) for left in (0.0, 60.0, 0.0)]
    assert [done.failures for done in passes] == [{}] * 3
    again = world.collector.collect(PassRequest(), world.now, lambda: 0.0)
    assert list(again.failures) == ["DRS in this Region"]
    assert again.failures["DRS in this Region"].startswith("OutOfTimeError: ")  # the runbooks name it

    manual = world.cold().collect(PassRequest(job_ids=[job_id]), world.now, lambda: 0.0)
    assert list(manual.failures) == ["DRS in this Region", job_id]


def test_events_that_are_sent_and_not_stored_are_a_failure_until_they_are_stored(
    make_world: Callable[..., World],
) -> None:
    """If the EventBridge rule is disabled, the bus accepts the events, but no event is stored."""
    world = make_world()
    job_id = world.simulator.start(scripts.drill(0))
    world.now += timedelta(hours=1)
    assert world.collect().emitted == 14

    failures = []
    for _ in range(15):
        world.now += MINUTE
        failures.append(world.collect().failures)
    assert [bool(failed) for failed in failures] == [False] * 5 + [True] * 10
    assert "14 events were put on the bus twice" in failures[-1][f"events of {job_id} in DRS in this Region"]

    world.deliver()
    world.now += MINUTE
    assert world.collect().failures == {}
    assert len(world.rows(job_id)) == 14


def test_a_failure_of_a_job_is_reported_until_its_log_is_read_again(make_world: Callable[..., World]) -> None:
    """Another job is active. The passes between two listings of the look-back period do not read the idle job."""
    world = make_world()
    idle = world.simulator.start(scripts.launch([server_id(1)], stuck=[server_id(1)]))
    world.now += timedelta(hours=3)
    world.collect()
    world.deliver()
    world.simulator.start(scripts.launch([server_id(2)], stuck=[server_id(2)]))

    failures = []
    for _ in range(60):
        world.now += 3 * SECOND
        world.simulator.clear_faults()
        world.simulator.fail(f"DescribeJobLogItems {idle}", ApiError("AccessDeniedException", status=403))
        failures.append(list(world.collect().failures))
    assert failures.index([f"{idle} in DRS in this Region"]) < 20
    assert all(failures[20:])

    world.simulator.clear_faults()
    for _ in range(20):
        world.now += 3 * SECOND
        done = world.collect()
    assert done.failures == {}


def test_an_idle_job_is_read_about_once_a_minute_while_another_job_is_active(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.simulator.start(scripts.launch([server_id(1)], stuck=[server_id(1)]))
    world.now += timedelta(hours=3)
    world.collect()
    world.deliver()
    active = world.simulator.start(scripts.launch([server_id(2)], stuck=[server_id(2)]))
    world.collect()

    world.simulator.calls.clear()
    for _ in range(200):
        world.now += 3 * SECOND
        world.collect()
        world.deliver()

    assert world.simulator.jobs[active].script.end is None
    assert 200 + 9 <= world.simulator.calls["DescribeJobLogItems"] <= 200 + 13


@pytest.mark.parametrize("hours", [2, 30])
def test_a_rejected_event_of_an_idle_job_is_sent_in_the_next_pass(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    monkeypatch.setattr("drs_job_log.collect.event_bus.time.sleep", lambda _: None)
    world = make_world()
    world.simulator.start(scripts.launch([server_id(1), server_id(2)], stuck=[server_id(2)]))
    world.now += timedelta(hours=hours)
    world.faults = ["all failed"] * 8
    world.collect()

    emitted = []
    for _ in range(3):
        world.now += 3 * SECOND
        emitted.append(world.collect().emitted)

    assert emitted == [11, 0, 0]  # with SERVER_STALLED


def test_unstored_events_are_no_failure_after_the_retention(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    world.simulator.start(scripts.drill(0))
    world.now += timedelta(hours=1)
    world.collect()
    for _ in range(2):
        world.now += 6 * MINUTE
        failures = world.collect().failures
    assert failures

    world.now += SETTINGS.retention
    assert world.collect().failures == {}


def test_an_account_without_drs_has_no_jobs(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.simulator.fail("DescribeJobs", ApiError("UninitializedAccountException"))

    done = world.collect()

    assert (done.jobs, done.running_jobs, done.failures) == (0, 0, {})


def test_a_pass_counts_the_servers_of_running_jobs_by_state(make_world: Callable[..., World]) -> None:
    world = make_world()
    for tags in ({"ExecutionId": "exec-1"}, {"ExecutionId": "exec-1"}, {}, {}):
        world.simulator.start(scripts.launch([server_id(1), server_id(2)]), tags)
    world.now += timedelta(seconds=100)
    over = world.simulator.start(scripts.terminate([server_id(3)]))
    world.simulator.jobs[over].began -= timedelta(hours=1)

    done = world.collect()

    assert (done.jobs, done.running_jobs, done.running_executions) == (5, 4, 3)
    assert done.servers == {"converting": 8}
    world.simulator.fail("DescribeJobs", ApiError("AccessDeniedException", status=403))
    assert world.collect().servers == done.servers  # from the last successful pass
    world.now += timedelta(hours=1)
    done = world.collect()
    assert (done.running_jobs, done.running_executions, done.servers) == (0, 0, {})


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [(8, 0), (10, 1), (15, 0)],  # the objectives are 9 minutes, and all servers are launched after 14 minutes
)
def test_a_pass_counts_the_executions_that_exceed_their_objective(
    make_world: Callable[..., World], minutes: int, expected: int
) -> None:
    world = make_world()
    two = [server_id(1), server_id(2)]
    world.simulator.start(scripts.launch(two), {"ExecutionId": "exec-1", "RtoMinutes": "9"})
    world.simulator.start(scripts.launch(two), {"RtoMinutes": "600"})
    world.simulator.start(scripts.launch(two), {"RtoMinutes": "soon"})
    world.simulator.start(scripts.launch(two), {})
    world.collect()
    world.now += timedelta(minutes=minutes)

    result = world.collect()

    assert result.executions_over_rto == expected
    assert result.invalid_rto_tags == (1 if minutes < 15 else 0)


def test_the_objective_of_an_execution_begins_with_its_first_job() -> None:
    created = START

    def job(minute: int, **changes: Any) -> JobTracker:
        tracker = JobTracker(job={"jobID": "drsjob-1", "type": "LAUNCH"}, execution_id="exec-1", rto_minutes=60)
        tracker.created_at = created + timedelta(minutes=minute)
        for name, value in changes.items():
            setattr(tracker, name, value)
        return tracker

    running = played_log(scripts.launch([server_id(1)], stuck=[server_id(1)]))
    first, second = job(0, is_running=False), job(50, log=running)

    untagged = job(50, log=running, rto_minutes=None)

    def exceeded(*jobs: JobTracker, minutes: int, rto_minutes: int | None = None) -> int:
        return executions_over_rto(jobs, rto_minutes, created + timedelta(minutes=minutes))

    assert exceeded(first, second, minutes=60) == 0
    assert exceeded(first, second, minutes=61) == 1
    assert exceeded(second, minutes=61) == 0
    assert exceeded(first, job(50, is_running=False, log=running), minutes=61) == 0
    assert exceeded(first, untagged, minutes=61) == 1
    assert exceeded(first, untagged, minutes=59, rto_minutes=30) == 0  # a tag overrides the objective of the module
    assert exceeded(untagged, minutes=61) == 0
    assert exceeded(untagged, minutes=61, rto_minutes=10) == 1


def played_log(script: Script) -> JobLog:
    """Return the log of a running job."""
    running: Any = {"jobID": "drsjob-1", "type": "LAUNCH", "creationDateTime": START.isoformat(), "status": "STARTED"}
    items = [
        collected.to_item(
            running,
            {"event": step.event, "logDateTime": (START + step.after).isoformat(), "eventData": step.data},  # type: ignore[typeddict-item]
        )
        for step in script.steps
    ]
    return collected.read_log(running, items, START + timedelta(hours=1))


def test_an_invalid_objective_is_logged_once(
    make_world: Callable[..., World], caplog: pytest.LogCaptureFixture
) -> None:
    world = make_world()
    world.simulator.start(scripts.launch([server_id(1)]), {"RtoMinutes": "1.5"})
    for _ in range(3):
        world.collect()
        world.deliver()
        world.now += timedelta(seconds=3)

    lines = [record for record in caplog.records if "RtoMinutes" in record.message]
    assert [(line.message, line.__dict__["value"]) for line in lines] == [
        ("Tag RtoMinutes ignored: it must be a whole number of minutes from 1 to 43200", "1.5")
    ]
    assert "rtoMinutes" not in world.rows(world.events[0].job_id)[0]["EventData"]


def test_an_unreadable_target_does_not_affect_other_targets(
    make_world: Callable[..., World], server: DrsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", server.endpoint)
    world = make_world()
    world.drs = [DrsClient(Target("eu-west-1")), DrsClient(Target("eu-central-1"))]
    world.collector = world.cold()
    here = world.simulator.start(scripts.drill(0), region="eu-west-1")
    there = world.simulator.start(scripts.drill(1), region="eu-central-1")
    world.now += MINUTE
    world.collect()
    world.now += 5 * MINUTE
    world.simulator.fail("DescribeJobs in eu-central-1", ApiError("AccessDeniedException", status=403))

    done = world.collect()
    world.deliver()

    assert list(done.failures) == ["DRS in eu-central-1"]
    assert done.running_jobs
    assert len(world.rows(here)) > len(world.rows(there)) > 0
    assert {row["EventData"]["region"] for row in world.rows(here)} == {"eu-west-1"}
    assert {row["EventData"]["region"] for row in world.rows(there)} == {"eu-central-1"}
    assert {row["EventData"]["account"] for row in world.rows(here)} == {"111122223333"}


def test_after_a_gap_between_polls_the_events_of_another_instance_are_not_sent_again(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    world.simulator.start(scripts.drill(0))
    world.now += MINUTE
    world.collect()
    world.deliver()
    paused, world.collector = world.collector, world.cold()
    world.now += 5 * MINUTE
    world.collect()  # the other instance sends the items of the five minutes
    world.deliver()
    before = world.emitted

    world.collector = paused
    world.collect()

    assert world.emitted == before


def test_reads_are_cancelled_if_no_time_is_left(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world()
    for _ in range(30):
        world.simulator.start(scripts.drill(0))
    world.now += 15 * MINUTE
    release, read = threading.Event(), []
    pages = world.drs[0].log_pages

    def slow_pages(job_id: str, token: str | None = None) -> Iterator[LogPage]:
        read.append(job_id)
        release.wait(30)
        return pages(job_id, token)

    monkeypatch.setattr(world.drs[0], "log_pages", slow_pages)
    ends = time.monotonic() + 3.5

    done = world.collector.collect(PassRequest(), world.now, lambda: max(3.1, ends - time.monotonic()))
    release.set()
    world.collector._readers.shutdown(wait=True)

    assert (done.failures, done.active_jobs) == ({}, 30)
    assert len(read) == 10  # one per thread, the others were cancelled


# ---------------------------------------------------------------------------------------------------------------------
# Stalled servers
# ---------------------------------------------------------------------------------------------------------------------


def test_each_stall_is_one_event_whoever_detects_it(make_world: Callable[..., World]) -> None:
    """A pass may be cut off after it found the stall, and every instance of the function finds it."""
    world = make_world()
    servers = [server_id(number) for number in range(3)]
    job_id = world.simulator.start(scripts.launch(servers, stuck=servers[:2]))
    world.now += 46 * MINUTE
    world.collector.collect(PassRequest(), world.now, lambda: 0.0)  # no time is left
    assert world.emitted == 0

    for minute in range(20):
        world.now += MINUTE
        world.collect()
        if minute % 3:
            world.deliver()
        if minute % 4 == 0:
            world.collector = world.cold()
    world.deliver()

    stalls = [row for row in world.rows(job_id) if row["EventType"] == "SERVER_STALLED"]
    assert {row["SourceServerId"] for row in stalls} == set(servers[:2])
    assert len(stalls) == 2
    # 45 minutes after the start of the conversion, their last item.
    started = {row["SourceServerId"]: row for row in world.rows(job_id) if row["EventType"] == "CONVERSION_STARTED"}
    for row in stalls:
        assert (
            parse_time("", row["Timestamp"]) - parse_time("", started[row["SourceServerId"]]["Timestamp"])
            == 45 * MINUTE
        )


def test_a_server_that_continues_can_stall_again(make_world: Callable[..., World]) -> None:
    world = make_world()
    job_id = world.simulator.start(scripts.launch([server_id(1)], stuck=[server_id(1)]))
    world.now += 50 * MINUTE
    world.collect()
    job = world.simulator.jobs[job_id]
    more = Step(world.now - START, "CONVERSION_END", {"sourceServerID": server_id(1)})
    job.script = dataclasses.replace(job.script, steps=[*job.script.steps, more])
    for _ in range(50):
        world.now += MINUTE
        world.collect()
        world.deliver()

    assert [row["EventType"] for row in world.rows(job_id)].count("SERVER_STALLED") == 2


# ---------------------------------------------------------------------------------------------------------------------
# Manual requests
# ---------------------------------------------------------------------------------------------------------------------


def test_a_manual_request_ignores_the_state_of_earlier_passes(make_world: Callable[..., World]) -> None:
    world = make_world()
    job_id = world.simulator.start(scripts.drill(0))
    world.now += 15 * MINUTE
    world.collect()
    world.deliver()
    world.now += 6 * MINUTE
    world.collect()  # all events are stored
    del world.table.items[job_id][world.rows(job_id)[3]["EventKey"]]  # a row is lost

    assert world.collect().emitted == 0
    assert world.collect(PassRequest(job_ids=(job_id,))).emitted == 1


def test_requested_jobs_are_collected_at_any_age(make_world: Callable[..., World]) -> None:
    world = make_world()
    job_id, other = world.simulator.start(scripts.drill(0)), world.simulator.start(scripts.drill(1))
    world.now += timedelta(days=10)
    world.collect()
    assert world.emitted == 0

    done = world.collect(PassRequest(job_ids=(job_id, "drsjob-00000000000000000")))

    assert (done.jobs, done.emitted) == (1, 14)
    assert done.failures == {"drsjob-00000000000000000": "no configured account and Region has this job"}
    world.deliver()
    del world.table.items[job_id][world.rows(job_id)[3]["EventKey"]]  # a row is lost
    assert world.collect(PassRequest(job_ids=(job_id,))).emitted == 1
    assert world.collect(PassRequest(since=START - SECOND)).emitted == 15
    world.deliver()
    assert (len(world.rows(job_id)), len(world.rows(other))) == (14, 14)


class HangingTarget:
    """A target whose requests take longer than the pass, or that has no jobs."""

    def __init__(self, name: str, *, hangs: bool, clock: list[float]) -> None:
        self.name, self.hangs, self.clock, self.reads = name, hangs, clock, 0

    def __str__(self) -> str:
        return self.name

    def connect(self) -> None:
        """Do nothing."""

    def jobs(self, **_: Any) -> list[Any]:
        if self.hangs:
            self.clock[0] -= 2  # 20 s in one of ten threads
            raise ReadTimeoutError(endpoint_url=self.name)
        self.reads += 1
        return []


def test_targets_that_do_not_answer_do_not_delay_the_others() -> None:
    """The first pass does not know which targets hang, and runs out of time. The next one reads the others first."""
    clock = [60.0]
    targets = [HangingTarget(f"target {n}", hangs=n < 40, clock=clock) for n in range(80)]
    collector = Collector(targets, Table(), None, SETTINGS)  # type: ignore[arg-type]

    for _ in range(10):
        clock[0] = 60.0
        collector.collect(PassRequest(), START, lambda: clock[0])

    assert all(target.reads >= 5 for target in targets if not target.hangs)


class FixedTarget:
    """A target with three launches of a server, at times in two formats of DRS, and a cleanup job before the third."""

    def connect(self) -> None:
        """Do nothing."""

    def jobs(self, **_: Any) -> list[dict[str, Any]]:
        server = {"participatingServers": [{"sourceServerID": server_id(1)}]}
        times = {
            "first": "2026-11-23T20:00:15Z",
            "second": "2026-11-23T20:00:15.500000+00:00",
            "third": "2026-11-23T20:15:15Z",
        }
        ended = {"status": "COMPLETED", "endDateTime": "2026-11-23T20:20:15Z"}
        launches = [
            server | ended | {"jobID": id_, "type": "LAUNCH", "creationDateTime": at} for id_, at in times.items()
        ]
        cleanup = {"jobID": "cleanup", "type": "TERMINATE", "creationDateTime": "2026-11-23T20:10:15Z"}
        return [*launches, server | ended | cleanup]

    def log_pages(self, *_: Any) -> list[LogPage]:
        return [LogPage(None, [])]

    def names(self, _: Any) -> dict[str, str]:
        return {}


def test_a_cleanup_job_belongs_to_the_newest_launch_whatever_the_format_of_its_time() -> None:
    sent: list[dict[str, Any]] = []

    class Bus:
        def put(self, batch: Sequence[str]) -> dict[int, str]:
            sent.extend(map(json.loads, batch))
            return {}

    Collector([FixedTarget()], Table(), Bus(), SETTINGS).collect(PassRequest(), START)  # type: ignore[arg-type, list-item]

    assert [detail["launchJobIDs"] for detail in sent if detail["jobID"] == "cleanup"] == [["second"]]
