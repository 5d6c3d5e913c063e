"""Lines as the table that is printed, and what a benchmark that runs alone has in common with the others."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks.lines import HEADINGS, Line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

console: Final = Console()
if not console.is_terminal:
    console.width = 160


def alone(
    doc: str | None, lines: Callable[..., Iterable[Line]], stage: Callable[[], AbstractContextManager[Any]]
) -> int:
    """Run a benchmark on its stage; print its lines, and write them where the command line says."""
    options = arguments(doc)
    with stage() as given:
        measured = list(lines(given, short=options.short))
    show(measured)
    write(options.json, lines=[line.record() for line in measured])
    return 0


def arguments(doc: str | None) -> argparse.Namespace:
    """What this process was asked for: ``short`` and, a path or None, ``json``."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="small sizes: shows that it works, proves no figure")
    parser.add_argument("--json", type=Path, help="the file to write what was measured to")
    return parser.parse_args()


def show(lines: Iterable[Line]) -> None:
    """Print the lines."""
    table = Table(*HEADINGS)
    for line in lines:
        table.add_row(*line.row())
    console.print(table)


def write(path: Path | None, **measured: Any) -> None:
    """Write what was measured, if there is a file for it."""
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(measured, indent=2) + "\n")
