"""The expected end of a running execution and of its servers, and the range that contains it in 80 % of the cases.

The functions are pure: the result depends on the arguments only, and not on the order of the servers. An estimate is
the median of 61 scenarios, and its range is their middle 80 %. docs/estimate.md describes the model.

Two properties hold for all inputs. No estimate is in the past. When a step ends, no estimate is later than it would be
at the same time with the step still running.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from math import exp, log, log1p, pi, sqrt
from operator import add, itemgetter
from statistics import median, quantiles
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias
from zlib import crc32

from drs_job_log.model.steps import STEPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

# Seconds of each step of an earlier launch of a server that was LAUNCHED.
PastSteps: TypeAlias = Mapping[str, float]

# On a slow day, all conversions and launches of an execution take longer. The other steps do not.
_DAY_STEPS: Final = frozenset({"conversion", "launch"})

_BASES: Final = (None, "ledger", "execution", "server")  # the weakest first

_OWN_LAUNCHES: Final = 10  # older launches say less about today
_LEDGER_LAUNCHES: Final = 300  # enough for a median; limits the time of a call

# Scale of the logistic distribution of log(duration / typical duration), measured on tests/data/history.json.xz. With
# 0.1, eight of ten durations are between 0.8 and 1.25 times the typical one. All but that of the day are defaults.
_SERVER_SPREAD: Final = 0.09  # of the launches of one server
_LEDGER_SPREAD: Final = 0.3  # of the launches of all servers
_DAY_SPREAD: Final = 0.06  # of all durations of an execution
_PAUSE_SPREAD: Final = 0.5  # of the pauses before a wave: a person confirms it after 2 to 15 minutes
_MIN_SPREAD, _MAX_SPREAD = 0.02, 0.8  # with 1 and more, the mean of the distribution is infinite
_DEFAULT_WEIGHT: Final = 10  # a default counts as much as this number of durations, those of one server

_PAUSE: Final = 40.0  # seconds between waves without earlier pauses: an orchestrator that polls about once a minute

_MIN_SECONDS: Final = 1.0  # of a typical duration: below this, a ratio of durations means nothing
_MAX_SECONDS: Final = 365 * 86_400.0  # of an estimate: keeps it in the range of datetime
_MEDIAN_VARIANCE: Final = pi / 2  # of the median of n values, relative to that of their mean

_MAX_RATIO: Final = 16.0  # of a duration to the typical one, to learn from it: outside all factors of a day

_DAY_STEP: Final = 0.04
_DAYS: Final = [_DAY_STEP * number for number in range(-30, 31)]  # logarithms of the factors: from 0.3 to 3.3

# The number is prime. Multiplication by 1 to 60 then gives 60 orders in which a step can take its scenarios.
_SCENARIOS: Final = 61
_PLACES: Final = tuple((number + 0.5) / _SCENARIOS for number in range(_SCENARIOS))
_ORDERS: Final[Sequence[Callable[[Sequence[float]], Sequence[float]]]] = [
    itemgetter(*(factor * number % _SCENARIOS for number in range(_SCENARIOS))) for factor in range(1, _SCENARIOS)
]
_ONES: Final = (1.0,) * _SCENARIOS
_ZEROS: Final = (0.0,) * _SCENARIOS
_LOW, _MIDDLE, _HIGH = (round(share * (_SCENARIOS - 1)) for share in (0.1, 0.5, 0.9))


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTiming:
    """A server in a wave (one DRS job) of the running execution.

    Attributes
    ----------
    started_at
        When its job was created.
    seconds
        Duration of each finished step.
    step, step_started_at
        The step that it is in. None if it is in none: before its first step, between two steps, or at its end.
    ended_at
        When it became LAUNCHED, FAILED, SKIPPED or TERMINATED. None while it is active.
    """

    server_id: str
    started_at: datetime
    seconds: Mapping[str, float] = field(default_factory=dict)
    step: str | None = None
    step_started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedWave:
    """A wave that has not started.

    Attributes
    ----------
    server_ids
        Empty if not known. The execution then has no estimate.
    pauses
        Seconds between the end of the previous wave and the start of this one in earlier executions, newest first.
    wait_seconds
        The duration of a step of a recovery plan that only waits. It has no servers.
    """

    server_ids: Sequence[str] = ()
    pauses: Sequence[float] = ()
    wait_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerEstimate:
    """When a server or an execution is expected to end.

    Attributes
    ----------
    earliest_end, latest_end
        The range that contains the end in 80 % of the cases.
    basis
        ``server``, ``execution`` or ``ledger``: the weakest basis of the steps that are not finished. None if one of
        them has no basis. There is then no estimate.
    is_slow
        The server is in its step for longer than the p90 of its own last launches, or longer than ``stalled_after``.
        For an execution: one of its servers is slow.
    """

    expected_end: datetime | None = None
    earliest_end: datetime | None = None
    latest_end: datetime | None = None
    basis: str | None = None
    is_slow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionEstimate(ServerEstimate):
    """The estimate of an execution, and of its active servers by their ID."""

    servers: Mapping[str, ServerEstimate] = field(default_factory=dict)


def estimate(
    servers: Iterable[ServerTiming],
    own_history: Mapping[str, Sequence[PastSteps]],
    all_history: Sequence[PastSteps],
    planned: Sequence[PlannedWave],
    *,
    now: datetime,
    stalled_after: timedelta,
    waiting_until: datetime | None = None,
) -> ExecutionEstimate:
    """Estimate the end of an execution.

    Parameters
    ----------
    servers
        The servers of all waves that have started. Entries with the same server and start must be equal.
    own_history
        The earlier launches by server, newest first.
    all_history
        The earlier launches of all servers in the ledger, newest first.
    planned
        The waves that have not started, in their order. Each starts after the end of the previous one.
    waiting_until
        When the running wait of a recovery plan ends. None if no step waits.

    Returns
    -------
    ExecutionEstimate
        Without an end if no server is active, no step waits and no wave is planned, or if a step has no basis.
    """
    by_key = {(one.started_at, one.server_id): one for one in servers}
    timings = [by_key[key] for key in sorted(by_key)]
    ids = {one.server_id for one in timings}.union(*(wave.server_ids for wave in planned))
    own = {id_: own_history[id_][:_OWN_LAUNCHES] for id_ in sorted(ids) if own_history.get(id_)}
    model = _model(timings, own, all_history[:_LEDGER_LAUNCHES], now)

    estimates = {}
    ends = []
    for one in timings:
        if one.ended_at is None:
            end = model.end(one.server_id, *_remaining(one, now))
            is_slow = _is_slow(one, own.get(one.server_id, ()), now, stalled_after)
            estimates[one.server_id] = _estimate(end, now, is_slow=is_slow)
            ends.append(end)
    if waiting_until:
        ends.append(_certain(max(_seconds(now, waiting_until), 0.0)))
    if not ends and not planned:
        return ExecutionEstimate()
    last = max((one.ended_at for one in timings if one.ended_at), default=now)
    whole = model.after(_latest(ends), planned, idle=0.0 if ends else _seconds(last, now))
    found = _estimate(whole, now, is_slow=any(one.is_slow for one in estimates.values()))
    return ExecutionEstimate(
        expected_end=found.expected_end,
        earliest_end=found.earliest_end,
        latest_end=found.latest_end,
        basis=found.basis,
        is_slow=found.is_slow,
        servers=estimates,
    )


class _End(NamedTuple):
    """The basis of an end, and its time in each scenario, in seconds from now. Without a basis, the time is unknown."""

    basis: str | None
    seconds: Sequence[float]


class _Duration(NamedTuple):
    """The distribution of the duration of a step: what it is based on, the median in seconds, and the spread."""

    basis: str
    typical: float
    spread: float


@dataclass(frozen=True, slots=True)
class _Model:
    """The durations of all steps.

    Attributes
    ----------
    own
        By server and step, for the servers with history.
    others
        By step, for the other servers. They contain the day.
    days
        The factor of the day in each scenario, ascending.
    """

    own: Mapping[str, Mapping[str, _Duration]]
    others: Mapping[str, _Duration]
    days: Sequence[float]
    _multipliers: dict[float, list[float]] = field(default_factory=dict)
    _day_powers: dict[float, list[float]] = field(default_factory=dict)

    def end(self, server_id: str, steps: Sequence[str], elapsed: float = 0.0) -> _End:
        """Return the end of these steps. The first of them began ``elapsed`` seconds ago."""
        basis: str | None = _BASES[-1]
        total = [-elapsed] * _SCENARIOS
        for step in steps:
            own = self.own.get(server_id, {}).get(step)
            duration = own or self.others.get(step)
            if duration is None:
                return _End(None, total)
            has_day = own is not None and step in _DAY_STEPS
            scenarios = self._scenarios(f"{server_id} {step}", duration, elapsed, has_day=has_day)
            basis, total, elapsed = _weaker(basis, duration.basis), list(map(add, total, scenarios)), 0.0
        return _End(basis, total)

    def after(self, started: _End, planned: Iterable[PlannedWave], idle: float) -> _End:
        """Return the end of the planned waves, which follow the started ones.

        ``idle`` is the time since all started waves have ended, and 0 before.
        """
        basis, total = started.basis, [seconds - idle for seconds in started.seconds]
        for number, wave in enumerate(planned):
            pause = self._scenarios(f"pause {number}", _pause(wave.pauses[:_OWN_LAUNCHES]), idle)
            if wave.wait_seconds is None:
                longest = _latest([self.end(id_, STEPS) for id_ in wave.server_ids])
                basis = _weaker(basis, longest.basis if wave.server_ids else None)
            else:
                longest = _certain(wave.wait_seconds)
            total, idle = list(map(_sum, total, pause, longest.seconds)), 0.0
        return _End(basis, total)

    def _scenarios(self, key: str, duration: _Duration, elapsed: float, *, has_day: bool = False) -> list[float]:
        """Return the duration in each scenario. It is longer than ``elapsed``.

        The same key always takes the scenarios in the same order. When a step ends, the other steps therefore have the
        same scenarios as before. None of them is later, so that the median and the range are not later either.
        """
        typical, spread = duration.typical, duration.spread
        days = self.days if has_day else _ONES
        digest = crc32(key.encode())
        first, order = digest % _SCENARIOS, _ORDERS[digest // _SCENARIOS % len(_ORDERS)]

        def ordered(values: Sequence[float]) -> Sequence[float]:
            return order((*values[first:], *values[:first]))

        # The share of durations up to t is place(t) = r / (1 + r) with r = (t / typical / day) ** (1 / spread). The
        # duration at a place u of those above the elapsed time e is t with place(t) = place(e) + u * (1 - place(e)).
        if elapsed <= 0:
            if spread not in self._multipliers:
                self._multipliers[spread] = [(u / (1 - u)) ** spread for u in _PLACES]
            multipliers = ordered(self._multipliers[spread])
            return [typical * day * multiplier for day, multiplier in zip(days, multipliers, strict=True)]
        if spread not in self._day_powers:
            self._day_powers[spread] = [day ** (1 / spread) for day in self.days]
        powers = self._day_powers[spread] if has_day else _ONES
        places = ordered(_PLACES)
        if elapsed < typical:  # two forms of the same, because the power of a ratio above 1 can exceed a float
            r = (elapsed / typical) ** (1 / spread)
            return [
                typical * day * ((r / power + u) / (1 - u)) ** spread
                for day, power, u in zip(days, powers, places, strict=True)
            ]
        r = (typical / elapsed) ** (1 / spread)
        return [elapsed * ((1 + r * power * u) / (1 - u)) ** spread for power, u in zip(powers, places, strict=True)]


def _model(
    timings: Sequence[ServerTiming],
    own_history: Mapping[str, Sequence[PastSteps]],
    ledger: Sequence[PastSteps],
    now: datetime,
) -> _Model:
    own: dict[str, dict[str, _Duration]] = {id_: {} for id_ in own_history}
    others = {}
    for step in STEPS:
        common = _of_ledger(_past(ledger, step))
        launches = {id_: past for id_, history in own_history.items() if (past := _past(history, step))}
        for id_, duration in _of_servers(launches, common).items():
            own[id_][step] = duration
        if other := _of_execution(step, timings, common, now):
            others[step] = other
    return _Model(own, others, _days(timings, own, now))


def _of_ledger(past: Sequence[float]) -> _Duration | None:
    """Return the duration of a step of any server."""
    if not past:
        return None
    typical = median(past)
    return _Duration("ledger", typical, _spread(_deviations(past, typical), _LEDGER_SPREAD))


def _of_servers(past: Mapping[str, Sequence[float]], common: _Duration | None) -> dict[str, _Duration]:
    """Return the duration of a step of each server with history. All have the same spread, apart from its uncertainty.

    The servers that look slowest were partly just unlucky, and the slowest decide when a wave ends. Each median is
    therefore moved towards that of all servers: the less, the more launches it has and the more servers differ.
    """
    medians = {id_: median(launches) for id_, launches in past.items()}
    # The median is nearer to its own launches than to later ones: n / (n - 1).
    deviations = [
        deviation * len(launches) / (len(launches) - 1)
        for id_, launches in past.items()
        if len(launches) > 1
        for deviation in _deviations(launches, medians[id_])
    ]
    spread = _spread(deviations, _SERVER_SPREAD)
    weight = _MEDIAN_VARIANCE * (spread / common.spread) ** 2 if common else 0.0
    durations = {}
    for id_, launches in past.items():
        number = len(launches) + weight
        moved = medians[id_] * (common.typical / medians[id_]) ** (weight / number) if common else medians[id_]
        durations[id_] = _Duration("server", moved, _uncertain(spread, number))
    return durations


def _of_execution(
    step: str, timings: Sequence[ServerTiming], common: _Duration | None, now: datetime
) -> _Duration | None:
    """Return the duration of a step of a server without history.

    It is the median of the servers of this execution that have finished the step. The median of the ledger counts as
    one of them. Servers that are in the step for longer than the fastest count too: without them, the first servers
    that finish would make the estimate too early, and a later one could move it.
    """
    finished = [one.seconds[step] for one in timings if step in one.seconds]
    known = [*finished, common.typical] if common else finished
    if not known:
        return None
    fastest = min(known)
    running = [elapsed for one in timings if (elapsed := _elapsed(one, step, now)) is not None and elapsed >= fastest]
    spread = common.spread if common else _LEDGER_SPREAD
    return _Duration("execution" if finished else "ledger", max(median(known + running), _MIN_SECONDS), spread)


def _days(
    timings: Sequence[ServerTiming], own: Mapping[str, Mapping[str, _Duration]], now: datetime
) -> Sequence[float]:
    """Return the factor of the day in each scenario, from the servers with history.

    A finished step says how long it took. A running step says that it takes longer than until now.
    """
    finished: dict[float, list[float]] = defaultdict(list)  # by spread, place / (1 - place) without a factor
    running: dict[float, list[float]] = defaultdict(list)
    finished[_DAY_SPREAD] = [1.0]  # the default: the day is like the others
    for one in timings:
        for step in _DAY_STEPS & own.get(one.server_id, {}).keys():
            _, typical, spread = own[one.server_id][step]
            elapsed = _elapsed(one, step, now)
            seconds = one.seconds.get(step, elapsed)
            if seconds is not None:
                ratio = min(max(seconds, 0.0) / typical, _MAX_RATIO) ** (1 / spread)
                (finished if step in one.seconds else running)[spread].append(ratio)
    likelihoods = []
    for day in _DAYS:
        value = 0.0
        for spread, ratios in finished.items():
            power = exp(-day / spread)
            value -= len(ratios) * day / spread + 2 * sum([log1p(ratio * power) for ratio in ratios])
        for spread, ratios in running.items():
            power = exp(-day / spread)
            value -= sum([log1p(ratio * power) for ratio in ratios])
        likelihoods.append(value)
    highest = max(likelihoods)
    weights = [exp(value - highest) for value in likelihoods]
    total, below, days = sum(weights), 0.0, []
    cells = iter(zip(_DAYS, weights, strict=True))
    day, weight = next(cells)
    for place in _PLACES:
        while below + weight < place * total:
            below += weight
            day, weight = next(cells)
        days.append(exp(day + ((place * total - below) / weight - 0.5) * _DAY_STEP))
    return days


def _pause(past: Sequence[float]) -> _Duration:
    """Return the pause before a wave, from the earlier ones."""
    if not past:
        return _Duration("server", _PAUSE, _PAUSE_SPREAD)
    past = [max(seconds, _MIN_SECONDS) for seconds in past]
    typical = median(past)
    return _Duration("server", typical, _uncertain(_spread(_deviations(past, typical), _PAUSE_SPREAD), len(past)))


def _past(launches: Iterable[PastSteps], step: str) -> list[float]:
    """Return the durations of a step."""
    return [max(launch[step], _MIN_SECONDS) for launch in launches if step in launch]


def _deviations(past: Sequence[float], typical: float) -> list[float]:
    return [abs(log(seconds / typical)) for seconds in past]


def _spread(deviations: Sequence[float], default: float) -> float:
    """Return the scale of a logistic distribution, whose mean absolute deviation is 2 log 2 times its scale."""
    spread = (sum(deviations) / (2 * log(2)) + _DEFAULT_WEIGHT * default) / (len(deviations) + _DEFAULT_WEIGHT)
    return min(max(spread, _MIN_SPREAD), _MAX_SPREAD)


def _uncertain(spread: float, number: float) -> float:
    """Return the spread around a median of this number of values, which is itself uncertain."""
    return min(spread * sqrt(1 + _MEDIAN_VARIANCE / number), _MAX_SPREAD)


def _remaining(one: ServerTiming, now: datetime) -> tuple[Sequence[str], float]:
    """Return the steps of an active server that are not finished, and the seconds since the first of them began."""
    if one.step in STEPS:
        return STEPS[STEPS.index(one.step) :], _elapsed(one, one.step, now) or 0.0
    finished = max((STEPS.index(step) for step in one.seconds if step in STEPS), default=-1)
    return STEPS[finished + 1 :], 0.0


def _elapsed(one: ServerTiming, step: str, now: datetime) -> float | None:
    """Return the seconds since a server began a step that it is in. None if it is not in this step."""
    if one.ended_at or one.step != step or not one.step_started_at:
        return None
    return _seconds(one.step_started_at, now)


def _seconds(start: datetime, end: datetime) -> float:
    """Return the seconds between two times. Clocks can differ: not negative."""
    return max((end - start).total_seconds(), 0.0)


def _is_slow(one: ServerTiming, own: Sequence[PastSteps], now: datetime, stalled_after: timedelta) -> bool:
    if one.step_started_at:
        elapsed = _seconds(one.step_started_at, now)
    else:
        elapsed = _seconds(one.started_at, now) - sum(one.seconds.values())
    limit = stalled_after.total_seconds()
    if one.step and (past := _past(own, one.step)):
        limit = min(limit, quantiles(past, n=10, method="inclusive")[-1] if len(past) > 1 else past[0])
    return elapsed > limit


def _estimate(end: _End, now: datetime, *, is_slow: bool) -> ServerEstimate:
    if end.basis is None:
        return ServerEstimate(is_slow=is_slow)
    seconds = sorted(end.seconds)
    earliest, expected, latest = (
        now + timedelta(seconds=min(max(seconds[place], 0.0), _MAX_SECONDS)) for place in (_LOW, _MIDDLE, _HIGH)
    )
    return ServerEstimate(
        expected_end=expected, earliest_end=earliest, latest_end=latest, basis=end.basis, is_slow=is_slow
    )


def _latest(ends: Sequence[_End]) -> _End:
    """Return the end of all: the latest in each scenario. Without any: now."""
    basis = min((end.basis for end in ends), key=_BASES.index, default=_BASES[-1])
    return _End(basis, list(map(max, _ZEROS, _ZEROS, *(end.seconds for end in ends))))


def _certain(seconds: float) -> _End:
    """Return an end that is the same in each scenario."""
    return _End(_BASES[-1], [seconds] * _SCENARIOS)


def _weaker(*bases: str | None) -> str | None:
    return min(bases, key=_BASES.index)


def _sum(*numbers: float) -> float:
    return sum(numbers)
