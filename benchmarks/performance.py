"""The tables of docs/performance.md, between their markers, from docs/performance.json.

.venv/bin/python -m benchmarks.performance
"""

from __future__ import annotations

import json
import re
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.lines import HEADINGS, Line, figure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ROOT: Final = Path(__file__).resolve().parents[1]
MEASURED: Final = ROOT / "docs/performance.json"
PAGE: Final = ROOT / "docs/performance.md"


def main() -> int:
    """Write the page's tables anew."""
    PAGE.write_text(rendered(PAGE.read_text(), json.loads(MEASURED.read_text())))
    return 0


def rendered(page: str, measured: Mapping[str, Any]) -> str:
    """The page with the tables of what was measured."""
    machine = measured["machine"]
    parts = {
        "MACHINE": (
            f"{machine['date']}, {machine['processors']} shared processors, {machine['memoryGiB']} GiB, "
            f"{machine['system']}, Python {machine['python']}; {measured['minutes']} minutes."
        ),
        "LINES": _table(HEADINGS, (Line.read(record).row() for record in measured["lines"])),
        "NAIVE": _table(
            ("executions", "build", "ms an event", *measured["naive"][0]["units"]),
            (
                (
                    f"{cost['executions']:,}",
                    cost["build"],
                    figure(statistics.median(cost["ms"])),
                    *map(figure, cost["units"].values()),
                )
                for cost in measured["naive"]
            ),
        ),
    }
    for name, text in parts.items():
        pattern = rf"(<!-- BEGIN {name} -->\n).*(<!-- END {name} -->)"
        page = re.sub(pattern, lambda found, text=text: f"{found[1]}{text}\n{found[2]}", page, flags=re.DOTALL)
    return page


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
