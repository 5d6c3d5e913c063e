from __future__ import annotations

import statistics
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from drs_job_log.model.estimate import (
    ExecutionEstimate,
    PlannedWave,
    ServerEstimate,
    ServerTiming,
    estimate,
)
from drs_job_log.model.steps import STEPS
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.support import history

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
PAST = {"snapshot": 10.0, "wait": 52.0, "conversion": 200.0, "launch": 300.0}


def server(step: str | None, elapsed: float = 0, server_id: str = "s-1", **more: Any) -> ServerTiming:
    """Return a server that has been in a step for this time, and took the time of PAST for each step before."""
    before = STEPS[: STEPS.index(step)] if step else ()
    seconds = {name: PAST[name] for name in before}
    defaults = {
        "started_at": NOW - (sum(seconds.values()) + elapsed) * SECOND,
        "seconds": seconds,
        "step": step,
        "step_started_at": NOW - elapsed * SECOND if step else None,
    }
    return ServerTiming(server_id=server_id, **defaults | more)


def launched(seconds: Mapping[str, float], server_id: str = "s-0") -> ServerTiming:
    return server(None, server_id=server_id, seconds=seconds, ended_at=NOW - SECOND)


def estimated(
    *servers: ServerTiming,
    own: Mapping[str, Sequence[Mapping[str, float]]] | None = None,
    ledger: Sequence[Mapping[str, float]] = (),
    planned: Sequence[PlannedWave] = (),
    now: datetime = NOW,
    stalled_after: timedelta = timedelta(minutes=60),
    waiting_until: datetime | None = None,
) -> ExecutionEstimate:
    return estimate(
        servers, own or {}, ledger, planned, now=now, stalled_after=stalled_after, waiting_until=waiting_until
    )


def seconds(found: ServerEstimate) -> float:
    """Return the seconds from now to the expected end."""
    assert found.expected_end
    return (found.expected_end - NOW).total_seconds()


# ---------------------------------------------------------------------------------------------------------------------
# Basis
# ---------------------------------------------------------------------------------------------------------------------


def test_the_own_earlier_steps_are_the_first_basis() -> None:
    found = estimated(
        server("conversion"),
        launched(dict.fromkeys(STEPS, 5000)),
        own={"s-1": [PAST] * 10},
        ledger=[PAST] * 20,
    )

    assert found.servers["s-1"].basis == found.basis == "server"
    assert seconds(found) == pytest.approx(500, rel=0.05)


def test_the_own_basis_is_the_median_of_the_last_ten() -> None:
    launches = [PAST] * 6 + [PAST | {"launch": 3000}] * 4 + [PAST | {"launch": 9000}] * 10

    assert seconds(estimated(server("launch"), own={"s-1": launches})) == pytest.approx(300, rel=0.1)


def test_servers_of_the_execution_are_the_second_basis() -> None:
    others = [launched(PAST | {"launch": 3000}, f"s-0{number}") for number in range(5)]

    found = estimated(server("launch"), *others, ledger=[PAST] * 20)

    assert found.basis == "execution"
    assert seconds(found) == pytest.approx(3000, rel=0.05)


def test_the_ledger_is_the_third_basis() -> None:
    found = estimated(server("conversion"), ledger=[PAST] * 20)

    assert found.basis == "ledger"
    assert seconds(found) == pytest.approx(500, rel=0.05)


@pytest.mark.parametrize(
    "others",
    [
        pytest.param([], id="no history"),
        pytest.param([launched({"snapshot": 1, "wait": 52})], id="no server has finished the step"),
    ],
)
def test_without_any_basis_there_is_no_estimate(others: list[ServerTiming]) -> None:
    found = estimated(server("conversion", 5000), *others)

    assert found.servers == {"s-1": ServerEstimate(is_slow=True)}
    assert (found.expected_end, found.earliest_end, found.latest_end, found.basis) == (None, None, None, None)


def test_the_basis_of_an_execution_is_the_weakest_of_its_servers() -> None:
    servers = [server("launch"), server("launch", server_id="s-2")]

    found = estimated(*servers, own={"s-1": [PAST]}, ledger=[PAST])

    assert {id_: one.basis for id_, one in found.servers.items()} == {"s-1": "server", "s-2": "ledger"}
    assert found.basis == "ledger"


def test_a_running_server_that_is_slower_than_the_finished_ones_counts() -> None:
    slow = [server("launch", 900, f"s-{number}") for number in range(2, 8)]

    found = estimated(server("launch"), *slow, launched(PAST))

    assert seconds(found.servers["s-1"]) == pytest.approx(900, rel=0.05)


# ---------------------------------------------------------------------------------------------------------------------
# Steps, days and waves
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "elapsed", "expected"),
    [
        ("snapshot", 0, 562),
        ("wait", 0, 552),  # the wait counts: 52 s
        ("wait", 26, 526),
        ("conversion", 100, 400),
        ("launch", 200, 100),
    ],
)
def test_the_remaining_steps_are_estimated(step: str, elapsed: float, expected: float) -> None:
    found = estimated(server(step, elapsed), own={"s-1": [PAST] * 10})

    assert seconds(found) == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize(
    ("finished", "expected"),
    [((), 562), (("snapshot", "wait"), 500), (("snapshot", "wait", "conversion"), 300), (STEPS, 0)],
)
def test_a_server_between_two_steps_has_the_steps_after_the_last_one(finished: Sequence[str], expected: float) -> None:
    between = server(None, seconds={step: PAST[step] for step in finished})

    assert seconds(estimated(between, own={"s-1": [PAST] * 10})) == pytest.approx(expected, rel=0.05)


def test_on_a_slow_day_the_other_servers_are_expected_later() -> None:
    """The conversions of twenty servers took twice as long as in all earlier drills."""
    ids = [f"s-{number}" for number in range(20)]
    steps = {"snapshot": 10, "wait": 52, "conversion": 400}
    servers = [server("launch", 0, id_, seconds=steps) for id_ in ids]
    own = {id_: [PAST] * 10 for id_ in ids}

    usual = estimated(*(server("launch", 0, id_) for id_ in ids), own=own)
    slow = estimated(*servers, own=own)

    assert seconds(slow) == pytest.approx(2 * seconds(usual), rel=0.1)


def test_the_end_of_many_servers_is_later_than_that_of_one() -> None:
    own = {f"s-{number}": [PAST | {"launch": launch} for launch in (240, 300, 360)] for number in range(20)}
    many = estimated(*(server("launch", 0, id_) for id_ in own), own=own)

    assert seconds(many) > 1.15 * max(seconds(one) for one in many.servers.values())


@pytest.mark.parametrize(
    ("pauses", "pause"),
    [pytest.param([600.0] * 10, 600, id="earlier pauses"), pytest.param([], 40, id="no earlier pause")],
)
def test_planned_waves_follow_after_their_pauses(pauses: list[float], pause: float) -> None:
    own = {id_: [PAST] * 10 for id_ in ("s-1", "s-2")}
    planned = [PlannedWave(server_ids=["s-2"], pauses=pauses)]

    assert seconds(estimated(server("launch"), own=own, planned=planned)) == pytest.approx(300 + pause + 562, rel=0.06)


def test_a_pause_that_has_begun_is_shorter() -> None:
    own = {id_: [PAST] * 10 for id_ in ("s-1", "s-2")}
    planned = [PlannedWave(server_ids=["s-2"], pauses=[600.0] * 10)]
    ended = server(None, seconds=PAST, ended_at=NOW - 200 * SECOND)

    assert seconds(estimated(ended, own=own, planned=planned)) == pytest.approx(400 + 562, rel=0.1)


def test_a_wait_step_takes_the_time_that_it_states() -> None:
    own = {id_: [PAST] * 10 for id_ in ("s-1", "s-2")}
    planned = [PlannedWave(wait_seconds=1200), PlannedWave(server_ids=["s-2"])]

    found = estimated(server("launch"), own=own, planned=planned)

    assert seconds(found) == pytest.approx(300 + 40 + 1200 + 40 + 562, rel=0.06)
    assert found.basis == "server"


@pytest.mark.parametrize(("left", "then"), [(300, 300), (-5, 0)])
def test_a_wait_that_has_begun_ends_when_it_states(left: int, then: int) -> None:
    own = {id_: [PAST] * 10 for id_ in ("s-1", "s-2")}
    ended = server(None, seconds=PAST, ended_at=NOW - 1000 * SECOND)
    until = NOW + left * SECOND

    last = estimated(ended, own=own, waiting_until=until)
    followed = estimated(ended, own=own, waiting_until=until, planned=[PlannedWave(server_ids=["s-2"])])

    assert (last.earliest_end, last.latest_end) == (NOW + then * SECOND,) * 2
    assert seconds(followed) == pytest.approx(then + 40 + 562, rel=0.06)


def test_without_the_servers_of_a_planned_wave_there_is_no_estimate_of_the_execution() -> None:
    found = estimated(server("launch"), own={"s-1": [PAST]}, planned=[PlannedWave()])

    assert (found.expected_end, found.basis) == (None, None)
    assert found.servers["s-1"].basis == "server"


@pytest.mark.parametrize("servers", [[], [launched(PAST)]], ids=["no server", "all servers have ended"])
def test_if_nothing_remains_there_is_no_estimate(servers: list[ServerTiming]) -> None:
    assert estimated(*servers, own={"s-0": [PAST]}) == ExecutionEstimate()


def test_the_range_is_narrower_with_more_history() -> None:
    servers = [server("launch"), server("launch", server_id="s-2")]

    found = estimated(*servers, own={"s-1": [PAST], "s-2": [PAST] * 10}).servers

    width = {
        id_: one.latest_end - one.earliest_end for id_, one in found.items() if one.latest_end and one.earliest_end
    }
    assert width["s-1"] > 1.3 * width["s-2"]


# ---------------------------------------------------------------------------------------------------------------------
# Slow servers
# ---------------------------------------------------------------------------------------------------------------------

TEN = [PAST | {"launch": 300.0 + 10 * number} for number in range(10)]  # p90: 381 s


@pytest.mark.parametrize(
    ("one", "own", "is_slow"),
    [
        pytest.param(server("launch", 380), TEN, False, id="up to the own p90"),
        pytest.param(server("launch", 382), TEN, True, id="over the own p90"),
        pytest.param(server("launch", 382), [*TEN, *[PAST | {"launch": 9000}] * 9], True, id="p90 of the last ten"),
        pytest.param(server("launch", 301), [PAST], True, id="one earlier launch"),
        pytest.param(server("launch", 1800), [], False, id="no history: up to the limit"),
        pytest.param(server("launch", 1801), [], True, id="no history: over the limit"),
        pytest.param(server("launch", 1801), [PAST | {"launch": 9000}], True, id="the limit is below the own p90"),
        pytest.param(server(None, started_at=NOW - 1801 * SECOND), [PAST], True, id="no step has begun"),
        pytest.param(replace(launched(PAST, "s-1"), started_at=NOW - timedelta(days=1)), [PAST], False, id="ended"),
    ],
)
def test_slow_servers(one: ServerTiming, own: list[dict[str, float]], is_slow: bool) -> None:
    found = estimated(one, own={"s-1": own}, stalled_after=timedelta(minutes=30))

    assert found.is_slow is is_slow
    assert [id_ for id_, server in found.servers.items() if server.is_slow] == (["s-1"] if is_slow else [])


# ---------------------------------------------------------------------------------------------------------------------
# Properties
# ---------------------------------------------------------------------------------------------------------------------

DURATIONS = st.one_of(st.floats(0, 5000), st.floats(0, 1e7), st.sampled_from([0.0, 0.2, 52.0]))
IDS = st.sampled_from([f"s-{number}" for number in range(6)])
LAUNCHES = st.lists(st.dictionaries(st.sampled_from(STEPS), DURATIONS), max_size=12)
PLANNED = st.lists(
    st.builds(PlannedWave, server_ids=st.lists(IDS, max_size=3), pauses=st.lists(DURATIONS, max_size=3)), max_size=2
)


@st.composite
def timings(draw: st.DrawFn) -> ServerTiming:
    step = draw(st.sampled_from([None, *STEPS]))
    finished = draw(st.integers(0, 4)) if step is None else STEPS.index(step)
    elapsed = draw(st.one_of(DURATIONS, st.floats(-60, 0)))  # clocks can differ
    return ServerTiming(
        server_id=draw(IDS),
        started_at=NOW - draw(DURATIONS) * SECOND,
        seconds={name: draw(DURATIONS) for name in STEPS[:finished]},
        step=step,
        step_started_at=NOW - elapsed * SECOND if step else None,
        ended_at=NOW - elapsed * SECOND if step is None and draw(st.booleans()) else None,
    )


INPUTS = st.fixed_dictionaries(
    {
        "servers": st.lists(timings(), max_size=8, unique_by=lambda one: one.server_id),
        "own": st.dictionaries(IDS, LAUNCHES),
        "ledger": LAUNCHES,
        "planned": PLANNED,
    }
)


def of(inputs: Mapping[str, Any]) -> ExecutionEstimate:
    return estimated(*inputs["servers"], own=inputs["own"], ledger=inputs["ledger"], planned=inputs["planned"])


def each(found: ExecutionEstimate) -> dict[str, ServerEstimate]:
    return {"execution": found, **found.servers}


@given(INPUTS)
def test_an_estimate_is_never_in_the_past(inputs: Mapping[str, Any]) -> None:
    for one in each(of(inputs)).values():
        if one.basis:
            assert one.earliest_end
            assert one.expected_end
            assert one.latest_end
            assert NOW <= one.earliest_end <= one.expected_end <= one.latest_end
        else:
            assert (one.earliest_end, one.expected_end, one.latest_end) == (None, None, None)


@given(INPUTS, st.data())
def test_no_estimate_moves_later_when_a_step_ends(inputs: Mapping[str, Any], data: st.DataObject) -> None:
    running = [one for one in inputs["servers"] if one.step]
    assume(running)
    one = data.draw(st.sampled_from(running))
    elapsed = max((NOW - one.step_started_at).total_seconds(), 0.0)
    following = STEPS[STEPS.index(one.step) + 1 :]
    step = data.draw(st.sampled_from([None, following[0]])) if following else None
    ended = replace(
        one,
        seconds={**one.seconds, one.step: elapsed},
        step=step,
        step_started_at=NOW if step else None,
        ended_at=None if following else data.draw(st.sampled_from([None, NOW])),
    )
    before = each(of(inputs))
    after = each(of({**inputs, "servers": [ended if other is one else other for other in inputs["servers"]]}))

    for name in before.keys() & after.keys():
        if before[name].basis and (name != "execution" or after[name].basis or inputs["planned"]):
            for field in ("earliest_end", "expected_end", "latest_end"):
                assert getattr(after[name], field) <= getattr(before[name], field) + SECOND / 1000, (name, field)


@given(INPUTS, st.randoms())
def test_the_order_and_repetition_of_the_servers_do_not_matter(inputs: Mapping[str, Any], random: Any) -> None:
    servers = [*inputs["servers"], *inputs["servers"][:2]]
    random.shuffle(servers)

    assert of({**inputs, "servers": servers}) == of(inputs)


# ---------------------------------------------------------------------------------------------------------------------
# Accuracy
# ---------------------------------------------------------------------------------------------------------------------


def test_the_accuracy_on_200_drills() -> None:
    """From the moment the first server launches. docs/performance.md has all figures."""
    errors, hits = [], []
    for drill in history.drills():
        for now in drill.moments(5):
            found = drill.estimate(now)
            if found.expected_end and found.earliest_end and found.latest_end:
                errors.append(abs((found.expected_end - drill.ends[-1]).total_seconds()) / drill.seconds)
                hits.append(found.earliest_end <= drill.ends[-1] <= found.latest_end)

    assert len(errors) > 0.99 * 200 * 5
    assert statistics.median(errors) <= 0.10
    assert statistics.quantiles(errors, n=10)[-1] <= 0.20
    assert 0.75 <= statistics.mean(hits) <= 0.90
