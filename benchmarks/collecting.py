"""What collecting costs: calls of the DRS API in a pass over running jobs."""

from __future__ import annotations

import contextlib
import io
import math
import os
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final

from benchmarks.lines import Line
from benchmarks.stage import staged
from benchmarks.table import alone
from tests.support import scripts
from tests.support.drs import DrsServer, Simulator
from tests.support.recovery import CONTEXT
from tests.support.scripts import server_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.ministack import MiniStack

JOBS: Final = 20  # all that DRS runs at once
SERVERS: Final = 100  # of each
AGE: Final = timedelta(minutes=5)

# Wakes the collector, for one pass.
WAKE: Final = {"detail-type": "DRS Source Server Launch Result"}


def lines(_: MiniStack, *, short: bool) -> Iterator[Line]:
    """The table's line about collecting."""
    jobs, now = (2 if short else JOBS), datetime.now(UTC)
    clock = SimpleNamespace(now=now - AGE)
    simulator = Simulator(clock=lambda: clock.now)
    for job in range(jobs):
        simulator.start(scripts.launch([server_id(job * SERVERS + place) for place in range(SERVERS)], seed=job))
    clock.now = now  # and stands still
    with DrsServer(simulator) as drs:
        os.environ["AWS_ENDPOINT_URL_DRS"] = drs.endpoint
        from drs_job_log import collector  # noqa: PLC0415 (it reads its environment then)

        for _pass in ("the first asks for the servers' names", "all others"):
            before = simulator.calls.total()
            with contextlib.redirect_stdout(io.StringIO()):
                answer = collector.handler(WAKE, CONTEXT)
            assert (answer["passes"], answer["jobs"]) == (1, jobs), answer
    pages = sum(
        math.ceil(sum(at <= now for at in simulator.appeared(job)) / simulator.page_size) for job in simulator.jobs
    )
    yield Line(
        what=f"DRS calls of a pass over {jobs} running jobs of {SERVERS} servers",
        unit="calls",
        ours=[simulator.calls.total() - before],
        floor=[1 + pages],
        floor_is="one for the jobs, one for each page of their logs",
        reach=1,
    )


if __name__ == "__main__":
    sys.exit(alone(__doc__, lines, staged))
