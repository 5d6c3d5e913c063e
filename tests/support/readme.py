"""The README's tables of inputs and outputs, between terraform-docs' own markers.

`make docs` writes them; tests/unit/test_readme.py fails where they are out of step with the code.
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
    """The tables, in Markdown."""
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
    """The README's text with its tables made anew."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{render()}\n{END}{tail}"


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
