"""The tables of docs/performance.md, from docs/performance.json. benchmarks/cost.py has those of docs/cost.md."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from benchmarks.harness import HEADINGS, ROOT, Figure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MEASURED: Final = ROOT / "docs/performance.json"
PAGE: Final = ROOT / "docs/performance.md"


def write() -> None:
    """Write the tables."""
    PAGE.write_text(rendered(PAGE.read_text(), json.loads(MEASURED.read_text())))


def rendered(page: str, measured: Mapping[str, Any]) -> str:
    """The page with the machine and the figures."""
    machine = measured["machine"]
    processors, python = f"{machine['processors']} shared processors", f"Python {machine['python']}"
    text = ", ".join((processors, f"{machine['memoryGiB']} GiB", machine["system"], python))
    figures = table(HEADINGS, (Figure(**record).row() for record in measured["figures"]))
    return filled(page, {"MACHINE": text, "FIGURES": figures})


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
