"""Generates the tables of inputs and outputs in the README of the module, its submodules and its examples.

The tables are between the markers of terraform-docs and equal its output with .terraform-docs.yml. You can run either
`make docs` or terraform-docs. tests/unit/test_docs.py fails if the tables differ from the Terraform files.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tests.support import hcl
from tests.support.terraform import ROOT

if TYPE_CHECKING:
    from pathlib import Path

README: Final = ROOT / "README.md"
BEGIN: Final = "<!-- BEGIN_TF_DOCS -->"
END: Final = "<!-- END_TF_DOCS -->"


def readmes() -> list[Path]:
    """Return the README of each folder with Terraform files that users read."""
    folders = {file.parent for pattern in ("modules/*/*.tf", "examples/*/*.tf") for file in ROOT.glob(pattern)}
    return [README, *sorted(folder / "README.md" for folder in folders)]


def render(folder: Path) -> str:
    """Return the tables of a module as Markdown."""
    inputs, outputs = _blocks(folder, "variable"), _blocks(folder, "output")
    return "\n".join(
        [
            "### Inputs",
            "",
            *_table(
                ["Name", "Description", "Type", "Default"],
                [
                    [name, _cell(body["description"]), _code(_type(folder, name)), _default(body)]
                    for name, body in sorted(inputs.items())
                ],
                "No inputs.",
            ),
            "",
            "### Outputs",
            "",
            *_table(
                ["Name", "Description"],
                [[name, _cell(body["description"])] for name, body in sorted(outputs.items())],
                "No outputs.",
            ),
        ]
    )


def updated(readme: Path) -> str:
    """Return the text of a README with new tables."""
    head, tail = _split(readme.read_text())
    return f"{head}{BEGIN}\n{render(readme.parent)}\n{END}{tail}"


def handwritten(text: str) -> str:
    """Return the text of a README without the generated tables."""
    return "".join(_split(text))


def _split(text: str) -> tuple[str, str]:
    """Return the text before and after the generated part."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return head, tail


def _blocks(folder: Path, kind: str) -> dict[str, dict[str, Any]]:
    file = folder / f"{kind}s.tf"
    return hcl.blocks(_name(file), kind) if file.exists() else {}


def _type(folder: Path, variable: str) -> str:
    return hcl.source_of_type(_name(folder / "variables.tf"), variable)


def _name(file: Path) -> str:
    return str(file.relative_to(ROOT))


def _table(head: list[str], rows: list[list[str]], empty: str) -> list[str]:
    if not rows:
        return [empty]
    return [f"| {' | '.join(cells)} |" for cells in (head, ["-" * len(name) for name in head], *rows)]


def _default(body: dict[str, Any]) -> str:
    return _code(json.dumps(body["default"], indent=2, ensure_ascii=False)) if "default" in body else "n/a"


def _cell(text: str) -> str:
    """Return a description for a cell. "|" is escaped outside of code."""
    parts = text.strip().split("`")
    parts[::2] = [part.replace("|", "\\|") for part in parts[::2]]
    return "`".join(parts).replace("\n", "<br/>")


def _code(text: str) -> str:
    return f"<pre>{text}</pre>".replace("\n", "<br/>") if "\n" in text else f"`{text}`"


if __name__ == "__main__":
    for file in readmes():
        file.write_text(updated(file))
