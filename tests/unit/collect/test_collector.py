"""The collector against the DRS simulator, a bus that fails, a queue that repeats, and a table."""

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
from drs_job_log.collect.collector import Collector, PassRequest, PassResult
from drs_job_log.collect.drs_client import DrsClient
from drs_job_log.collect.event_bus import EventBus
from drs_job_log.config import CollectorSettings, Target
from drs_job_log.model.events import format_time, parse
from drs_job_log.table import to_item
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import scripts
from tests.support.drs import ApiError, DrsServer, Simulator
from tests.support.envelopes import dumps, job_log
from tests.support.scripts import STORED_AS, Script, Step, server_id
from tests.unit.conftest import RETENTION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from drs_job_log.model.events import JobLogEvent

START = datetime(2026, 11, 23, 20, 30, 15, 123456, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
SETTINGS = CollectorSettings(
    table_name="events",
    event_bus_name="default",
    event_source="drs.job-log",
    targets=(Target(),),
    lookback=timedelta(hours=24),
    retention=timedelta(days=30),
    poll_interval=3 * SECOND,
    stalled_after=45 * MINUTE,
    execution_id_tag="ExecutionId",
)


class Crash(BaseException):
    """The function is killed."""


class Table:
    """As JobLogTable has it, in this process (what it does on DynamoDB, test_store.py proves)."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, dict[str, Any]]] = {}
        self.queries = 0

    def put(self, event: JobLogEvent, retention: timedelta) -> bool:
        item = to_item(event, ingested_at=START, retention=retention)
        return self.items.setdefault(event.job_id, {}).setdefault(event.key, item) is item

    def keys(self, job_id: str) -> set[str]:
        self.queries += 1
        return set(self.items.get(job_id, {}))


@dataclass
class World:
    """Everything around a collector: DRS, the bus with what is on its way, the table, and time."""

    simulator: Simulator
    drs: list[DrsClient]
    table: Table = field(default_factory=Table)
    now: datetime = START
    queue: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    puts: list[list[dict[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.simulator.clock = lambda: self.now
        self.collector = self.cold()

    def cold(self) -> Collector:
        """A new start of the function."""
        bus = EventBus(self, "default", "drs.job-log")  # type: ignore[arg-type]
        return Collector(self.drs, self.table, bus, SETTINGS)  # type: ignore[arg-type]

    def put_events(self, Entries: Sequence[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        """EventBridge, with the next fault: a crash before or after, entries failed, the request refused."""
        assert 0 < len(Entries) <= 10
        assert sum(len(json.dumps(entry)) for entry in Entries) <= 256 * 1024 + 50 * len(Entries)
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "crash before":
            raise Crash
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
        if fault == "crash after":
            raise Crash
        return {"FailedEntryCount": sum("ErrorCode" in answer for answer in answers), "Entries": answers}

    def collect(self, request: PassRequest = PassRequest()) -> PassResult:  # noqa: B008
        return self.collector.collect(request, self.now)

    def deliver(self, messages: Sequence[str] | None = None) -> None:
        """Store what is in the queue, as ingest does."""
        for message in self.queue if messages is None else messages:
            self.table.put(parse(message), RETENTION)
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
        return World(server.simulator, [drs])

    return make


# ---------------------------------------------------------------------------------------------------------------------
# Any script, any interleaving
# ---------------------------------------------------------------------------------------------------------------------

# What may become of a server: its items, its launchStatus at the end, and what the collector has to add.
STEPS = ["SNAPSHOT_START", "SNAPSHOT_END", "CONVERSION_START", "CONVERSION_END", "LAUNCH_START"]
FATES: list[tuple[list[str], str, str | None]] = [
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
    (["SOMETHING_NEW"], "PENDING", None),
]


@dataclass(frozen=True)
class Case:
    """A script and what has to be stored of it."""

    script: Script
    added: frozenset[tuple[str, str]]
    end: str | None


@st.composite
def cases(draw: st.DrawFn) -> Case:
    times = st.floats(0, 300, allow_nan=False).map(lambda seconds: timedelta(seconds=round(seconds, 3)))
    steps: list[Step] = []
    statuses: dict[str, str] = {}
    added = set()
    for number in range(draw(st.integers(1, 4))):
        events, status, addition = draw(st.sampled_from(FATES))
        server = server_id(number)
        statuses[server] = status
        if addition:
            added.add((addition, server))
        moments = sorted(draw(st.lists(times, min_size=len(events), max_size=len(events))))
        steps += [Step(after, event, {"sourceServerID": server}) for after, event in zip(moments, events, strict=True)]
    if draw(st.booleans()):
        steps.append(Step(draw(times), "JOB_CANCEL"))
    script = scripts.in_order(
        Script(servers=list(statuses), steps=steps, end=300 * SECOND + draw(times), statuses=statuses)
    )
    if draw(st.booleans()):
        script = scripts.without_job_end(script)
    end = "JOB_COMPLETED" if "LAUNCHED" in statuses.values() else "JOB_FAILED"
    return Case(script, frozenset(added), end)


def expected(world: World, job_id: str, case: Case) -> set[tuple[str, str, str | None]]:
    """The rows that a case has to end in: time, type, server."""
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
    st.sampled_from(["cold", "deliver some", "deliver all"]),
    st.sampled_from(["crash before", "crash after", "half failed", "all failed", "refused"]),
    st.sampled_from(["DescribeJobs", "DescribeJobLogItems", "DescribeSourceServers"]),
)


@given(
    cases=st.lists(cases(), min_size=1, max_size=2),
    actions=st.lists(ACTIONS, max_size=25),
    page_size=st.integers(1, 9),
    fractions=st.booleans(),
    offset=st.integers(-300, 300),
    seed=st.integers(0, 1000),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_happens_the_rows_are_the_scripts_and_a_further_pass_emits_nothing(
    *,
    make_world: Callable[..., World],
    monkeypatch: pytest.MonkeyPatch,
    cases: list[Case],
    actions: list[str | timedelta],
    page_size: int,
    fractions: bool,
    offset: int,
    seed: int,
) -> None:
    monkeypatch.setattr("drs_job_log.collect.event_bus.time.sleep", lambda _: None)
    chance = random.Random(seed)  # noqa: S311
    world = make_world(page_size=page_size, fractions=fractions, offset=offset * SECOND)
    jobs = {world.simulator.start(case.script): case for case in cases}

    for action in actions:
        match action:
            case "collect":
                try:
                    world.collect()
                except Crash:
                    world.collector = world.cold()
            case timedelta():
                world.now += action
            case "cold":
                world.collector = world.cold()
            case "deliver some":  # in any order, some again later
                world.deliver(chance.sample(world.queue, chance.randint(0, len(world.queue))))
            case "deliver all":
                world.deliver()
            case "DescribeJobs" | "DescribeJobLogItems" | "DescribeSourceServers":
                world.simulator.fail(action, ApiError("AccessDeniedException", status=403))
            case fault:
                world.faults.append(fault)

    # In the end all is well again, for long enough.
    world.faults.clear()
    world.simulator.mend()
    for wait in (11 * MINUTE, 11 * MINUTE, 6 * MINUTE):
        world.now += wait
        assert world.collect().failures == {}
        world.deliver()

    for job_id, case in jobs.items():
        stored = [(row["Timestamp"], row["EventType"], row.get("SourceServerId")) for row in world.rows(job_id)]
        assert Counter(stored) == Counter(expected(world, job_id, case))
    before = world.emitted
    world.now += 6 * MINUTE
    world.collect()
    world.collector = world.cold()
    world.collect()
    assert world.emitted == before


# ---------------------------------------------------------------------------------------------------------------------
# What it finds
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0, 1])
def test_a_real_drill_is_told_as_drs_logged_it(make_world: Callable[..., World], number: int) -> None:
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


def test_the_item_behind_the_jobs_end_is_not_missed(make_world: Callable[..., World]) -> None:
    world = make_world()
    script = scripts.silent_failure([server_id(1)])
    job_id = world.simulator.start(script)
    assert script.end
    world.now += script.end + scripts.TAIL / 2

    assert world.collect().running_jobs  # COMPLETED, but not the whole log
    world.now += 3 * SECOND
    assert not world.collect().running_jobs

    world.deliver()
    assert [row["EventType"] for row in world.rows(job_id)] == [
        *("JOB_STARTED", "SNAPSHOT_STARTED", "SNAPSHOT_COMPLETED", "SERVER_LAUNCH_FAILED", "JOB_FAILED")
    ]
    failed = world.rows(job_id)[3]
    assert failed["Message"] == f"Server {server_id(1)} failed to launch"
    assert failed["EventData"]["state"] == "FAILED"


def test_an_outage_of_hours_ends_with_the_same_rows(make_world: Callable[..., World]) -> None:
    world = make_world()
    job_id = world.simulator.start(scripts.launch([server_id(number) for number in range(50)]))
    world.now += timedelta(hours=20)

    assert world.collect().emitted == 302
    world.deliver()

    assert len(world.rows(job_id)) == 302


def test_a_job_that_began_before_the_look_back_and_still_runs_is_collected_cold_and_warm(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    job_id = world.simulator.start(scripts.launch([server_id(1), server_id(2)], stuck=[server_id(2)]))
    world.now += timedelta(hours=30)
    for _ in range(2):
        other = world.simulator.start(scripts.drill(0))
        world.simulator.jobs[other].began -= timedelta(hours=31)

    assert world.collect().emitted == 10
    world.now += 3 * SECOND
    steps = [*world.simulator.jobs[job_id].script.steps, Step(world.now - START, "SOMETHING_NEW")]
    world.simulator.jobs[job_id].script = dataclasses.replace(world.simulator.jobs[job_id].script, steps=steps)

    assert world.collect().emitted == 1


@pytest.mark.parametrize("mishap", ["none", "log unreadable", "events lost"])
def test_the_end_of_a_job_older_than_the_look_back_is_not_missed(make_world: Callable[..., World], mishap: str) -> None:
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

    if mishap == "log unreadable":
        world.simulator.fail(f"DescribeJobLogItems {job_id}", ApiError("AccessDeniedException", status=403))
    world.collect()  # COMPLETED, and JOB_END is yet to come
    world.now += 3 * SECOND
    world.collect()
    if mishap == "events lost":
        world.queue.clear()
    for _ in range(3):
        world.deliver()
        world.now += 6 * MINUTE
        world.collect()

    assert [row["EventType"] for row in world.rows(job_id)][-2:] == ["SERVER_LAUNCH_FAILED", "JOB_COMPLETED"]
    world.simulator.calls.clear()
    world.collect()
    assert world.simulator.calls == {"DescribeJobs": 1}  # and then it is forgotten


def test_what_is_older_than_the_retention_is_not_told_again(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.simulator.start(scripts.launch([server_id(1)], stuck=[server_id(1)]))
    world.now += timedelta(days=31)

    assert world.collect().emitted == 0


def test_a_job_that_two_pages_list_is_one_job(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world()
    world.simulator.start(scripts.drill(0))
    world.now += 15 * MINUTE
    jobs = world.drs[0].jobs
    monkeypatch.setattr(world.drs[0], "jobs", lambda **asked: jobs(**asked) * 2)

    assert world.collect().emitted == 14


def test_an_error_text_as_long_as_drs_allows_reaches_the_table(make_world: Callable[..., World]) -> None:
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
# What it costs
# ---------------------------------------------------------------------------------------------------------------------


def test_a_pass_costs_one_describe_jobs_and_the_pages_of_each_running_log(make_world: Callable[..., World]) -> None:
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

    # Cold: all is new, and the servers have no known names yet.
    assert cost() == {"DescribeJobs": 1, "DescribeJobLogItems": 40, "DescribeSourceServers": 20, "Query": 20}
    world.deliver()
    world.now += 3 * SECOND
    assert cost() == {"DescribeJobs": 1, "DescribeJobLogItems": 40, "Query": 0}
    # Cold, with nothing new: the names are remembered by the clients, which this test keeps.
    world.collector = world.cold()
    assert cost() == {"DescribeJobs": 1, "DescribeJobLogItems": 40, "Query": 20}


def test_a_job_that_is_over_and_stored_costs_nothing(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.simulator.start(scripts.drill(0))
    world.now += 15 * MINUTE
    world.collect()
    world.deliver()
    world.now += 6 * MINUTE
    world.collect()  # sees it stored

    world.simulator.calls.clear()
    world.table.queries = 0
    for _ in range(100):
        world.now += 6 * MINUTE
        world.collect()

    assert (world.simulator.calls, world.table.queries) == ({"DescribeJobs": 100}, 0)


def test_what_was_emitted_and_is_not_stored_is_emitted_again_after_minutes_and_not_before(
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


def test_batches_are_full(make_world: Callable[..., World]) -> None:
    world = make_world()
    for first in range(0, 60, 3):
        world.simulator.start(scripts.launch([server_id(number) for number in range(first, first + 3)]))
    world.now += 30 * MINUTE

    world.collect()

    assert sorted(map(len, world.puts)) == [10] * 40


# ---------------------------------------------------------------------------------------------------------------------
# What fails, fails alone
# ---------------------------------------------------------------------------------------------------------------------


def test_a_job_that_fails_leaves_the_others_and_is_named(make_world: Callable[..., World]) -> None:
    world = make_world()
    bad, good = world.simulator.start(scripts.drill(0)), world.simulator.start(scripts.drill(1))
    world.now += 15 * MINUTE
    world.simulator.fail(f"DescribeJobLogItems {bad}", ApiError("ResourceNotFoundException", status=404))

    first = world.collect()
    again = world.collect()

    assert (first.emitted, again.emitted) == (14, 14)
    assert list(first.failures) == [f"{bad} in DRS in this Region"]
    assert "ResourceNotFoundException" in first.failures[f"{bad} in DRS in this Region"]
    assert again.failures == {}
    world.deliver()
    assert len(world.rows(good)) == len(world.rows(bad)) == 14


def test_servers_without_names_are_told_all_the_same(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.simulator.start(scripts.drill(0))
    world.now += 15 * MINUTE
    world.simulator.fail("DescribeSourceServers", ApiError("AccessDeniedException", status=403))

    done = world.collect()

    assert done.emitted == 14
    assert "AccessDeniedException" in next(iter(done.failures.values()))


def test_entries_that_eventbridge_fails_are_put_again_and_in_the_end_left_to_the_next_pass(
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


def test_what_there_is_no_time_for_the_next_pass_does(make_world: Callable[..., World]) -> None:
    world = make_world()
    for _ in range(5):
        world.simulator.start(scripts.drill(0))
    world.now += 15 * MINUTE
    left = itertools.chain([60.0] * 6, itertools.repeat(0.0))

    first = world.collector.collect(PassRequest(), world.now, lambda: next(left))
    then = world.collect()

    assert "OutOfTimeError" in str(first.failures)
    assert first.emitted + then.emitted == 5 * 14
    assert then.failures == {}


def test_a_log_that_hangs_does_not_hold_back_what_was_read(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world()
    hanging, good = world.simulator.start(scripts.drill(0)), world.simulator.start(scripts.drill(1))
    world.now += 15 * MINUTE
    release = threading.Event()
    log = world.drs[0].log

    def slow_log(job_id: str) -> list[Any]:
        if job_id == hanging:
            release.wait(30)
        return log(job_id)

    monkeypatch.setattr(world.drs[0], "log", slow_log)
    ends = time.monotonic() + 4  # of which three are for writing

    done = world.collector.collect(PassRequest(), world.now, lambda: ends - time.monotonic())
    release.set()

    assert list(done.failures) == [f"{hanging} in DRS in this Region"]
    assert "the operation took too long" in done.failures[f"{hanging} in DRS in this Region"]
    world.deliver()
    assert len(world.rows(good)) == 14


def test_what_is_put_and_never_stored_is_a_failure_until_it_is(make_world: Callable[..., World]) -> None:
    """A rule that somebody switched off: the bus takes all, and nothing comes of it."""
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


def test_what_was_never_stored_is_given_up_when_the_table_would_not_keep_it_any_more(
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


def test_a_pass_tells_how_far_the_servers_of_running_jobs_are(make_world: Callable[..., World]) -> None:
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
    assert world.collect().servers == done.servers  # as DRS said last
    world.now += timedelta(hours=1)
    done = world.collect()
    assert (done.running_jobs, done.running_executions, done.servers) == (0, 0, {})


def test_a_target_that_cannot_be_asked_leaves_the_other_and_keeps_being_asked_while_its_job_runs(
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
    world.collect()  # the other instance sends the items of these minutes
    world.deliver()
    before = world.emitted

    world.collector = paused
    world.collect()

    assert world.emitted == before


def test_work_that_no_time_is_left_for_is_cancelled(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world()
    for _ in range(30):
        world.simulator.start(scripts.drill(0))
    world.now += 15 * MINUTE
    release, read = threading.Event(), []
    log = world.drs[0].log

    def slow_log(job_id: str) -> list[Any]:
        read.append(job_id)
        release.wait(30)
        return log(job_id)

    monkeypatch.setattr(world.drs[0], "log", slow_log)
    ends = time.monotonic() + 3.5

    done = world.collector.collect(PassRequest(), world.now, lambda: max(3.1, ends - time.monotonic()))
    release.set()
    world.collector._readers.shutdown(wait=True)

    assert len(done.failures) == 30
    assert len(read) == 10  # one for each thread; the others were cancelled


# ---------------------------------------------------------------------------------------------------------------------
# Servers that stand still
# ---------------------------------------------------------------------------------------------------------------------


def test_a_server_that_stands_still_is_counted_once(make_world: Callable[..., World]) -> None:
    world = make_world()
    servers = [server_id(number) for number in range(3)]
    world.simulator.start(scripts.launch(servers, stuck=servers[:2]))

    stalled = []
    for _ in range(60):
        world.now += MINUTE
        stalled.append(world.collect().stalled)

    assert sum(stalled) == 2
    # The last item is the start of the conversion, in the first minute.
    assert set(stalled[:45]) == {0}
    assert sum(stalled[45:47]) == 2


# ---------------------------------------------------------------------------------------------------------------------
# By hand
# ---------------------------------------------------------------------------------------------------------------------


def test_by_hand_what_is_remembered_does_not_count(make_world: Callable[..., World]) -> None:
    world = make_world()
    job_id = world.simulator.start(scripts.drill(0))
    world.now += 15 * MINUTE
    world.collect()
    world.deliver()
    world.now += 6 * MINUTE
    world.collect()  # all stored, and settled
    del world.table.items[job_id][world.rows(job_id)[3]["EventKey"]]  # a row is lost

    assert world.collect().emitted == 0
    assert world.collect(PassRequest(job_ids=(job_id,))).emitted == 1


def test_jobs_asked_for_by_hand_are_read_again_whatever_their_age(make_world: Callable[..., World]) -> None:
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
