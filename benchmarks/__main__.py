"""All benchmarks, one after the other, each in a process of its own; then one table of all lines.

    make bench

What was measured goes to .cache/bench.json or, with ``--docs``, into docs/performance.json, from which
docs/performance.md and docs/cost.md are made. A line that misses its reach is no failure here: docs/performance.md
says why it does.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks import cost, performance
from benchmarks.growth import Cost, show_naive
from benchmarks.lines import Line
from benchmarks.table import console, show, write
from tests.support.terraform import CACHE

# The longest first: whoever waits sees most of it done early.
BENCHMARKS: Final = ("deployed", "growth", "coldstart", "storing", "reading", "collecting", "memory", "counts")


def main() -> int:
    """Measure, print and write; the exit status is 1 where a benchmark failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="small sizes: shows that all work, proves no figure")
    parser.add_argument("--docs", action="store_true", help="make the pages of docs/ anew")
    options = parser.parse_args()

    began = time.monotonic()
    measured: dict[str, Any] = {"machine": machine(), "lines": [], "naive": [], "counts": {}}
    for number, name in enumerate(BENCHMARKS, 1):
        console.rule(f"{number} of {len(BENCHMARKS)}: {name}", align="left")
        part = run(name, *(["--short"] if options.short else []))
        measured["lines"] += part.get("lines", [])
        measured["naive"] += part.get("naive", [])
        measured["counts"] |= part.get("counts", {})
    measured["minutes"] = round((time.monotonic() - began) / 60, 1)

    console.rule("all of it", align="left")
    show(Line.read(record) for record in measured["lines"])
    show_naive([Cost(**cost) for cost in measured["naive"]])
    path = performance.MEASURED if options.docs else CACHE / "bench.json"
    write(path, **measured)
    if options.docs:
        performance.main()
        cost.main()
    console.print(f"{measured['minutes']} minutes; written to {path.relative_to(performance.ROOT)}")
    return 0


def run(name: str, *options: str) -> dict[str, Any]:
    """What a benchmark measured.

    Raises
    ------
    subprocess.CalledProcessError
        Where it failed; it has said why.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "measured.json"
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}", "--json", str(path), *options], check=True)
        measured: dict[str, Any] = json.loads(path.read_text())
        return measured


def machine() -> dict[str, Any]:
    """What the figures were taken on, and when."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "processors": len(os.sched_getaffinity(0)),
        "memoryGiB": round(memory),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    sys.exit(main())
