"""The accuracy of the estimate on 200 simulated drills. Each is estimated from the drills before it.

The figures do not depend on the machine and its load.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from benchmarks.harness import Figure, number
from tests.support import history

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HEADINGS: Final = ("moments", "median error", "p90 error", "end in the range")

FROM_FIRST_LAUNCH: Final = "from the first launch to the end, all drills"
WITH_HISTORY: Final = "the same, two earlier drills of the plan at least"

_TENTHS: Final = [f"{part} to {part + 10} % of the duration" for part in range(0, 100, 10)]

_MOMENTS: Final = 10
_AT_MOST: Final = 10.0  # the target for the median error, in percent of the duration


def estimate(*, short: bool) -> Iterator[Figure]:
    """The errors in percent of the duration, and the percentage of the ends that are in the range."""
    results: dict[str, list[tuple[float, bool]]] = {name: [] for name in (*_TENTHS, FROM_FIRST_LAUNCH, WITH_HISTORY)}
    for drill in history.drills()[:: 20 if short else 1]:
        start, end = drill.start, drill.ends[-1]
        later = [FROM_FIRST_LAUNCH, WITH_HISTORY] if drill.earlier >= 2 else [FROM_FIRST_LAUNCH]
        moments = [
            *((start + (part + 0.5) / len(_TENTHS) * (end - start), [name]) for part, name in enumerate(_TENTHS)),
            *((now, later) for now in drill.moments(_MOMENTS)),
        ]
        for now, names in moments:
            found = drill.estimate(now)
            if found.expected_end and found.earliest_end and found.latest_end:
                error = 100 * abs((found.expected_end - end).total_seconds()) / drill.seconds
                for name in names:
                    results[name].append((error, found.earliest_end <= end <= found.latest_end))
    for name, result in results.items():
        errors = [error for error, _ in result]
        values = (
            statistics.median(errors),
            statistics.quantiles(errors, n=10)[-1],
            100 * statistics.mean(is_in_range for _, is_in_range in result),
        )
        for heading, value in zip(HEADINGS[1:], values, strict=True):
            at_most = _AT_MOST if (name, heading) == (FROM_FIRST_LAUNCH, HEADINGS[1]) else None
            yield Figure(what=f"{name}: {heading}", unit="%", values=[round(value, 2)], at_most=at_most)


def rows(figures: Sequence[Figure]) -> list[tuple[str, ...]]:
    """One row for each part of the drills."""
    cells: dict[str, list[str]] = defaultdict(list)
    for figure in figures:
        cells[figure.what.rpartition(": ")[0]].append(f"{number(statistics.median(figure.values))} %")
    return [(name, *texts) for name, texts in cells.items()]
