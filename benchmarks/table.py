"""Lines as the table that is printed, and what a benchmark that runs alone has in common with the others."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table

from benchmarks.lines import HEADINGS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.lines import Line

console: Final = Console()


def is_short(doc: str | None) -> bool:
    """Whether this process was asked for the short run, which shows that all works and proves no figure."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="small sizes: shows that it works, proves no figure")
    short: bool = parser.parse_args().short
    return short


def show(lines: Iterable[Line]) -> int:
    """Print the lines once all are there; the exit status is 1 where a reach is not met."""
    measured = list(lines)
    table = Table(*HEADINGS)
    for line in measured:
        table.add_row(*line.row())
    console.print(table)
    return int(not all(line.is_met for line in measured))
