"""Generates the README's tables of inputs and outputs between the markers of terraform-docs.

`make docs` writes the tables. tests/unit/test_docs.py fails if they differ from the Terraform files.
"""

from __future__ import annotations

import json
from typing import Any, Final

from tests.support import hcl
from tests.support.terraform import ROOT

README: Final = ROOT / "README.md"
BEGIN: Final = "<!-- BEGIN_TF_DOCS -->"
END: Final = "<!-- END_TF_DOCS -->"


def render() -> str:
    """Return the tables as Markdown."""
    inputs = hcl.blocks("variables.tf", "variable")
    outputs = hcl.blocks("outputs.tf", "output")
    return "\n".join(
        [
            "### Inputs",
            "",
            "| Name | Description | Type | Default |",
            "|------|-------------|------|---------|",
            *(
                f"| `{name}` | {_cell(body['description'])} | {_code(hcl.source_of_type('variables.tf', name))} "
                f"| {_code(_default(body))} |"
                for name, body in sorted(inputs.items())
            ),
            "",
            "### Outputs",
            "",
            "| Name | Description |",
            "|------|-------------|",
            *(f"| `{name}` | {_cell(body['description'])} |" for name, body in sorted(outputs.items())),
        ]
    )


def updated(text: str) -> str:
    """Return the text of the README with new tables."""
    head, tail = _split(text)
    return f"{head}{BEGIN}\n{render()}\n{END}{tail}"


def handwritten(text: str) -> str:
    """Return the text of the README without the generated tables."""
    return "".join(_split(text))


def _split(text: str) -> tuple[str, str]:
    """Return the text before and after the generated part."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return head, tail


def _default(body: dict[str, Any]) -> str:
    return json.dumps(body["default"]) if "default" in body else "required"


def _cell(text: str) -> str:
    return text.strip().replace("|", "\\|").replace("\n", "<br/>")


def _code(text: str) -> str:
    if "\n" not in text:
        return f"`{text}`"
    return "<pre>" + text.replace("\n", "<br/>").replace("|", "\\|") + "</pre>"


if __name__ == "__main__":
    README.write_text(updated(README.read_text()))
