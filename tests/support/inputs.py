"""The inputs of a module with the attributes of objects, and the values that a configuration sets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import hcl2

from tests.support import hcl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# The value of an input that has no default.
REQUIRED: Final = object()


def inputs(file: str) -> dict[str, Any]:
    """Return the default of each input of a file by its path, such as ``collector.targets[*].region``."""
    found: dict[str, Any] = {}
    for name, body in hcl.blocks(file, "variable").items():
        found[name] = body.get("default", REQUIRED)
        found |= _attributes(re.sub(r"#.*", "", hcl.source_of_type(file, name)), name)
    return found


def _attributes(type_: str, path: str) -> dict[str, Any]:
    """Return the default of each attribute of the objects in a type."""
    outer = type_.partition("(")[0]
    if outer in {"list", "set", "map"}:
        return _attributes(_inner(type_), f"{path}[*]")
    found: dict[str, Any] = {}
    if outer == "object":
        for line in filter(str.strip, _split(_inner(type_).strip()[1:-1], "\n,")):
            name, _, attribute = (part.strip() for part in line.partition("="))
            own = f"{path}.{name}"
            found[own] = REQUIRED
            if attribute.startswith("optional("):
                attribute, *default = (part.strip() for part in _split(_inner(attribute), ","))
                found[own] = hcl.plain(hcl2.loads(f"x = {default[0]}\n")["x"]) if default else None
            found |= _attributes(attribute, own)
    return found


def _inner(call: str) -> str:
    return call[call.index("(") + 1 : call.rindex(")")]


def _split(text: str, separators: str) -> Iterator[str]:
    """Yield the parts of a text between the separators that are not in brackets."""
    part, depth = "", 0
    for character in text:
        depth += {"(": 1, "{": 1, "[": 1, ")": -1, "}": -1, "]": -1}.get(character, 0)
        if character in separators and depth == 0:
            yield part
            part = ""
        else:
            part += character
    yield part


def values(module: Mapping[str, Any], names: set[str]) -> Iterator[tuple[str, Any]]:
    """Yield the path and the value of each of these inputs that a module block sets, and of its attributes."""
    for name in names & set(module):
        yield from _values(module[name], name)


def _values(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, value
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _values(part, f"{path}.{name}")
    elif isinstance(value, list):
        for part in value:
            yield from _values(part, f"{path}[*]")


def variables_of(file: Path) -> dict[str, Any]:
    """Return the values in a .tfvars file."""
    with file.open() as text:
        found: dict[str, Any] = hcl.plain(hcl2.load(text))
    return found
