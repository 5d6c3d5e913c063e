"""What collecting costs: calls of the DRS API in a pass over running jobs."""

from __future__ import annotations

import contextlib
import io
import math
import os
import sys
from typing import TYPE_CHECKING, Final

from benchmarks import jobs
from benchmarks.lines import Line
from benchmarks.stage import staged
from benchmarks.table import alone
from tests.support.drs import DrsServer
from tests.support.recovery import CONTEXT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.ministack import MiniStack

JOBS: Final = 20  # all that DRS runs at once
SERVERS: Final = 100  # of each

# Wakes the collector, for one pass.
WAKE: Final = {"detail-type": "DRS Source Server Launch Result"}


def lines(_: MiniStack, *, short: bool) -> Iterator[Line]:
    """The table's line about collecting."""
    number = 2 if short else JOBS
    simulator = jobs.running(number, SERVERS)
    with DrsServer(simulator) as drs:
        os.environ["AWS_ENDPOINT_URL_DRS"] = drs.endpoint
        from drs_job_log import collector  # noqa: PLC0415 (it reads its environment then)

        for _pass in ("the first asks for the servers' names", "all others"):
            before = simulator.calls.total()
            with contextlib.redirect_stdout(io.StringIO()):
                answer = collector.handler(WAKE, CONTEXT)
            assert (answer["passes"], answer["jobs"]) == (1, number), answer
    there = [sum(at <= simulator.clock() for at in simulator.appeared(job)) for job in simulator.jobs]
    pages = sum(math.ceil(items / simulator.page_size) for items in there)
    yield Line(
        what=f"DRS calls of a pass over {number} running jobs of {SERVERS} servers",
        unit="calls",
        ours=[simulator.calls.total() - before],
        floor=[1 + pages],
        floor_is="one for the jobs, one for each page of their logs",
        reach=1,
    )


if __name__ == "__main__":
    sys.exit(alone(__doc__, lines, staged))
