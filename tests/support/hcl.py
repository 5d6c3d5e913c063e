"""Reads the HCL files of the module as data."""

from __future__ import annotations

import textwrap
from functools import cache
from typing import Any

import hcl2

from tests.support.terraform import ROOT


@cache
def load(name: str) -> dict[str, Any]:
    """Return a file of the root module: blocks as lists of dicts, texts without quotes."""
    with (ROOT / name).open() as file:
        parsed: dict[str, Any] = plain(hcl2.load(file))
        return parsed


def blocks(name: str, kind: str) -> dict[str, dict[str, Any]]:
    """Return the blocks of a kind, such as variables, by label."""
    return {label: body for block in load(name)[kind] for label, body in block.items()}


def source_of_type(name: str, variable: str) -> str:
    """Return the type of a variable as in the file, with its indentation."""
    text = (ROOT / name).read_text()
    start = text.index("  type ", text.index(f'variable "{variable}" {{'))
    start = text.index("=", start) + 2
    end, depth = start, 0
    while text[end] != "\n" or depth:
        depth += {"(": 1, ")": -1}.get(text[end], 0)
        end += 1
    return text[start:end]


def plain(value: Any) -> Any:
    """Return what python-hcl2 parsed without its marks: blocks and objects as dicts, texts without quotes."""
    match value:
        case dict():
            return {plain(key): plain(part) for key, part in value.items() if key != "__is_block__"}
        case list():
            return [plain(part) for part in value]
        case str() if value.startswith('"<<-'):
            lines = value.strip('"').splitlines()[1:-1]
            return textwrap.dedent("\n".join(lines))
        case str() if value.startswith('"'):
            return value[1:-1].replace('\\"', '"')
        case _:
            return value
