"""The tables of docs/performance.md, from docs/performance.json. benchmarks/cost.py has those of docs/cost.md."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from benchmarks import curve, estimate, viewing
from benchmarks.defaults import MEMORY_MB
from benchmarks.harness import OTHERS, ROOT, TIMES, Figure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MEASURED: Final = ROOT / "docs/performance.json"
PAGE: Final = ROOT / "docs/performance.md"


def write(prices: Mapping[str, float]) -> None:
    """Write the tables."""
    PAGE.write_text(rendered(PAGE.read_text(), json.loads(MEASURED.read_text()), prices))


def rendered(page: str, measured: Mapping[str, Any], prices: Mapping[str, float]) -> str:
    """The page with the machine and the figures. ``prices`` are dollars of one unit."""
    machine = measured["machine"]
    processors, python = f"{machine['processors']} shared processors", f"Python {machine['python']}"
    text = ", ".join((processors, f"{machine['memoryGiB']} GiB", machine["system"], python))
    memory = ", ".join(f"{name} {size} MB" for name, size in MEMORY_MB.items())
    figures = {name: [Figure(**record) for record in records] for name, records in measured["figures"].items()}
    own_tables = {curve.curve.__name__, estimate.estimate.__name__, viewing.viewing.__name__}
    others = [figure for name, of_one in figures.items() if name not in own_tables for figure in of_one]
    return filled(
        page,
        {
            "MACHINE": "\n".join((f"- {text}", f"- Memory: {memory}", f"- Shares: {machine['shares']}")),
            "TIMES": table(TIMES, (figure.row() for figure in others if figure.is_time)),
            "FIGURES": table(OTHERS, (figure.row() for figure in others if not figure.is_time)),
            "CURVE": table(curve.HEADINGS, curve.rows(figures.get(curve.curve.__name__, []), prices), numbers=True),
            "ESTIMATE": table(
                estimate.HEADINGS, estimate.rows(figures.get(estimate.estimate.__name__, [])), numbers=True
            ),
            "VIEWING": table(OTHERS, viewing.rows(figures.get(viewing.viewing.__name__, []))),
        },
    )


def filled(page: str, parts: Mapping[str, str]) -> str:
    """The page with these texts between their markers.

    Raises
    ------
    ValueError
        If a marker is missing.
    """
    for name, text in parts.items():
        pattern = rf"(<!-- BEGIN {name} -->\n).*?(<!-- END {name} -->)"
        page, number = re.subn(pattern, lambda found, text=text: f"{found[1]}{text}\n{found[2]}", page, flags=re.DOTALL)
        if number != 1:
            raise ValueError(f"the page needs one pair of markers {name}")
    return page


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: bool = False) -> str:
    """A Markdown table. ``numbers`` aligns all columns but the first to the right."""
    rule = ["---", *(["---:" if numbers else "---"] * (len(headings) - 1))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (headings, rule, *rows))
