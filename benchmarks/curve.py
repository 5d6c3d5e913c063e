"""Time and cost of each function by its memory, from which the defaults of the memory are chosen."""

from __future__ import annotations

import itertools
import statistics
from typing import TYPE_CHECKING, Final

from benchmarks import harness, local
from benchmarks.defaults import MEMORY_MB, POLL_SECONDS
from benchmarks.function_start.sitecustomize import MB_OF_A_CORE
from benchmarks.harness import number
from tests.support.drs import DrsServer
from tests.support.envelopes import sqs_records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from benchmarks.harness import Figure, Stage, Took

SIZES_MB: Final = (128, 256, 512, 1024, MB_OF_A_CORE)
HEADINGS: Final = ("invocation", *(f"{size} MB" for size in SIZES_MB))

# Each text begins with its function.
BATCH: Final = "ingest: a batch of 10 new events"
WARM: Final = "collector: a warm pass, 20 running jobs × 100 servers"
LINKS: Final = "linker: a run with 100 unlinked events"
ANSWER: Final = "api: an answer of 1,000 events, nothing cached"
POLL: Final = "api: a viewer's poll of 1,000 events"


def curve(stage: Stage, *, short: bool) -> Iterator[Figure]:
    """One invocation of each function at each memory size. A function starts with a full core."""
    sizes = (1024,) if short else SIZES_MB
    repeats = range(1 if short else 5)
    stage.store(None, 100)
    stage.store("exec-curve", 100 if short else 1000, is_running=True)
    batches = (sqs_records(harness.bodies(f"drsjob-curve-{number}", 2)[:10]) for number in itertools.count())
    request = local.request("exec-curve")

    def run(name: str, *invocations: tuple[str, Callable[[harness.Function], Sequence[Took]]]) -> Iterator[Figure]:
        with stage.function(name, memory_mb=MB_OF_A_CORE, AWS_ENDPOINT_URL_DRS=drs.endpoint) as function:
            for what, invoke in invocations:
                invoke(function)  # connects, and fills caches
                for size in sizes:
                    function.limit(size)
                    yield harness.timed(f"{what}, {size} MB", invoke(function))
                function.limit(MB_OF_A_CORE)

    with DrsServer() as drs:
        yield from run("ingest", (BATCH, lambda ingest: [ingest(next(batches)) for _ in repeats]))
        yield from run("linker", (LINKS, lambda linker: [linker({}) for _ in repeats]))
        yield from run(
            "api",
            (ANSWER, lambda api: [local.answered(api(request, is_cache_empty=True)) for _ in repeats]),
            (POLL, lambda api: [local.answered(api(request)) for _ in repeats]),
        )
        # The last one, because its jobs run.
        drs.simulator = harness.running(*((2, 10) if short else (20, 100)), is_standing=False)
        yield from run("collector", (WARM, lambda collector: collector({}, passes=2 if short else 4).passes[1:]))


def rows(figures: Sequence[Figure], prices: Mapping[str, float]) -> list[tuple[str, ...]]:
    """Milliseconds, and dollars per million invocations: one row for each invocation, with the default in bold."""
    cells: dict[str, list[str]] = {}
    for figure in figures:
        what, _, size = figure.what.removesuffix(" MB").rpartition(", ")
        milliseconds = statistics.median(figure.values)
        text = f"{number(milliseconds)} ms, ${dollars_of_a_million(what, milliseconds, int(size), prices):.2f}"
        is_default = MEMORY_MB[what.partition(":")[0]] == int(size)
        cells.setdefault(what, []).append(f"**{text}**" if is_default else text)
    return [(what, *texts) for what, texts in cells.items()]


def dollars_of_a_million(what: str, milliseconds: float, size_mb: int, prices: Mapping[str, float]) -> float:
    """The cost of a million invocations. A pass is billed for the time until the next one, and is no request."""
    seconds, requests = milliseconds / 1000, 1
    if what == WARM:
        seconds, requests = max(seconds, POLL_SECONDS), 0
    return 1e6 * (seconds * size_mb / 1024 * prices["lambda_gb_second"] + requests * prices["lambda_request"])
