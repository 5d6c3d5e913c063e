"""Run the benchmarks, or some of them by name.

    make bench

The results go to .cache/bench.json. With ``--docs`` they go into docs/performance.json, and the tables of
docs/performance.md and docs/cost.md are written from it. ``--pages`` only writes these tables. Run the benchmarks on an
idle machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks import cost, counts, curve, deployed, estimate, evidence, local, pages, quota, viewing
from benchmarks.harness import OTHERS, ROOT, TIMES, Figure, Stage, embedded_aws
from tests.support.terraform import CACHE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Each gets tables of its own. The embedded AWS slows down as it holds more, so the large tables come last.
LOCAL: Final = {
    scenario.__name__: scenario
    for scenario in (
        local.coldstart,
        local.storing,
        local.reading,
        local.listing,
        local.passes,
        curve.curve,
        local.memory,
        local.growth,
    )
}
NAMES: Final = ("deployed", "estimate", "viewing", "evidence", "counts", *LOCAL)

console: Final = Console()
if not console.is_terminal:
    console.width = 160


def main() -> int:
    """Run, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], metavar="name", help=f"{', '.join(NAMES)}; or all")
    parser.add_argument("--short", action="store_true", help="small loads: proves that all benchmarks run, no figure")
    parser.add_argument("--docs", action="store_true", help="update docs/performance.json and the pages")
    parser.add_argument("--pages", action="store_true", help="only write the tables of the pages")
    options = parser.parse_args()
    if not options.pages:
        path = pages.MEASURED if options.docs else CACHE / "bench.json"
        began = time.monotonic()
        result = run(options.names or NAMES, short=options.short)
        figures = [Figure(**figure) for of_one in result["figures"].values() for figure in of_one]
        for headings, is_time in ((TIMES, True), (OTHERS, False)):
            table = Table(*headings[:-1])
            for figure in figures:
                if figure.is_time is is_time:
                    table.add_row(*figure.row()[:-1])
            console.print(table)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(merged(result) if options.docs else result, indent=2, ensure_ascii=False) + "\n")
        console.print(f"{(time.monotonic() - began) / 60:.1f} minutes; written to {path.relative_to(ROOT)}")
    if options.docs or options.pages:
        pages.write(cost.of_one(json.loads(cost.PRICES.read_text())))
        cost.write()
    return 0


def run(names: Sequence[str], *, short: bool) -> dict[str, Any]:
    """The machine, the figures by benchmark, and the counts."""
    figures: dict[str, list[Figure]] = {}
    counted: dict[str, float] = {}
    with quota.groups() as groups:
        if "deployed" in names:
            figures["deployed"] = shown(deployed.figures(groups, short=short))
        if "estimate" in names:
            figures["estimate"] = shown(estimate.estimate(short=short))
        if "viewing" in names:
            figures["viewing"] = shown(viewing.viewing(short=short))
        if "evidence" in names:
            counted |= evidence.counted(short=short)
        if set(names) - {"deployed", "estimate", "viewing", "evidence"}:
            with embedded_aws() as stack:
                if "counts" in names:
                    counted |= counts.counted(Stage.make(stack, groups), short=short)
                for name, scenario in LOCAL.items():
                    if name in names:
                        figures[name] = shown(scenario(Stage.make(stack, groups), short=short))
    return {
        "machine": machine() | {"shares": groups.method},
        "figures": {name: [asdict(figure) for figure in of_one] for name, of_one in figures.items()},
        "counts": counted,
    }


def shown(figures: Iterable[Figure]) -> list[Figure]:
    """All figures. Each is printed when it is measured, because a later one can fail."""
    measured = []
    for figure in figures:
        console.print(f"{figure.what}: {figure.row()[1]}")
        measured.append(figure)
    return measured


def merged(result: dict[str, Any]) -> dict[str, Any]:
    """The published results, with these instead of those of the same benchmarks."""
    published = json.loads(pages.MEASURED.read_text())
    depends_on_machine = result["counts"] or result["figures"].keys() - {"estimate"}
    return {
        "machine": result["machine"] if depends_on_machine else published["machine"],
        "figures": published["figures"] | result["figures"],
        "counts": published["counts"] | result["counts"],
    }


def machine() -> dict[str, Any]:
    """The machine of the figures."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processors": len(os.sched_getaffinity(0)),
        "memoryGiB": round(memory),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    sys.exit(main())
