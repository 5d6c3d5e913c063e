"""The 200 simulated drills of tests/data/history.json.xz: what was known at each moment of a drill.

The file is a list of drills, the oldest first: `plan`, `execution`, `start` and `waves`. A wave has `offset`, the
seconds from the start of the drill to that of its job, and `servers`. A server is a list: source server ID, seconds of
snapshot, wait, conversion and launch, and outcome. A step that was not reached is null, and the last step of a failed
server ends with the failure.
"""

from __future__ import annotations

import json
import lzma
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from drs_job_log.model.estimate import ExecutionEstimate, PlannedWave, ServerTiming, estimate
from drs_job_log.model.steps import STEPS

from tests.support.terraform import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from drs_job_log.model.estimate import PastSteps

HISTORY: Final = ROOT / "tests/data/history.json.xz"

_OWN_LAUNCHES: Final = 10
_LEDGER_LAUNCHES: Final = 300
_STALLED_AFTER: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Run:
    """A server in a wave. ``seconds`` are those of the steps that it reached."""

    server_id: str
    seconds: Sequence[float]
    is_launched: bool

    def timing(self, started: datetime, now: datetime) -> ServerTiming:
        """Return what is known at a time after the start of its job."""
        starts = [started + timedelta(seconds=sum(self.seconds[:number])) for number in range(len(self.seconds) + 1)]
        finished = sum(start <= now for start in starts[1:])
        succeeded = finished if self.is_launched else min(finished, len(self.seconds) - 1)
        has_ended = finished == len(self.seconds)
        return ServerTiming(
            server_id=self.server_id,
            started_at=started,
            seconds=dict(zip(STEPS, self.seconds[:succeeded], strict=False)),
            step=None if has_ended else STEPS[finished],
            step_started_at=None if has_ended else starts[finished],
            ended_at=starts[-1] if has_ended else None,
        )


@dataclass(frozen=True, slots=True)
class Drill:
    """A drill with the history before it.

    Attributes
    ----------
    waves
        The start of each wave, and its servers.
    earlier
        The number of earlier drills of the same plan.
    own, ledger, pauses
        The earlier launches by server and of all servers, and the earlier pauses before each wave; newest first.
    """

    start: datetime
    waves: Sequence[tuple[datetime, Sequence[Run]]]
    earlier: int
    own: Mapping[str, Sequence[PastSteps]]
    ledger: Sequence[PastSteps]
    pauses: Sequence[Sequence[float]]

    @property
    def ends(self) -> list[datetime]:
        """The end of each wave."""
        return [start + timedelta(seconds=max(sum(run.seconds) for run in runs)) for start, runs in self.waves]

    @property
    def seconds(self) -> float:
        """The duration."""
        return (self.ends[-1] - self.start).total_seconds()

    @property
    def first_launch(self) -> datetime:
        """When the first server was in the launch step."""
        return min(
            start + timedelta(seconds=sum(run.seconds[:-1]))
            for start, runs in self.waves
            for run in runs
            if len(run.seconds) == len(STEPS)
        )

    def moments(self, number: int) -> Iterator[datetime]:
        """Return times at equal distances from the first launch on, without the end."""
        remaining = self.ends[-1] - self.first_launch
        return (self.first_launch + part / number * remaining for part in range(number))

    def estimate(self, now: datetime) -> ExecutionEstimate:
        """Return the estimate at this time."""
        return estimate(
            [run.timing(start, now) for start, runs in self.waves if start <= now for run in runs],
            self.own,
            self.ledger,
            [
                PlannedWave(server_ids=[run.server_id for run in runs], pauses=pauses)
                for (start, runs), pauses in zip(self.waves, self.pauses, strict=True)
                if start > now
            ],
            now=now,
            stalled_after=_STALLED_AFTER,
        )


def drills() -> list[Drill]:
    """Return all drills, the oldest first."""
    own: dict[str, list[PastSteps]] = defaultdict(list)
    ledger: list[PastSteps] = []
    pauses: dict[tuple[str, int], list[float]] = defaultdict(list)
    earlier: Counter[str] = Counter()
    found = []
    for record in json.loads(lzma.decompress(HISTORY.read_bytes())):
        plan, start = record["plan"], datetime.fromisoformat(record["start"])
        waves = [
            (start + timedelta(seconds=wave["offset"]), [_run(*server) for server in wave["servers"]])
            for wave in record["waves"]
        ]
        runs = [run for _, servers in waves for run in servers]
        drill = Drill(
            start,
            waves,
            earlier[plan],
            {run.server_id: own[run.server_id][:_OWN_LAUNCHES] for run in runs},
            ledger[:_LEDGER_LAUNCHES],
            [pauses[plan, number][:_OWN_LAUNCHES] for number in range(len(waves))],
        )
        found.append(drill)
        earlier[plan] += 1
        for number, (end, (next_start, _)) in enumerate(zip(drill.ends, waves[1:], strict=False), 1):
            pauses[plan, number].insert(0, (next_start - end).total_seconds())
        for run in runs:
            if run.is_launched:
                steps = dict(zip(STEPS, run.seconds, strict=True))
                own[run.server_id].insert(0, steps)
                ledger.insert(0, steps)
    return found


def _run(server_id: str, *steps: Any) -> Run:
    *seconds, outcome = steps
    return Run(server_id, [one for one in seconds if one is not None], outcome == "LAUNCHED")
