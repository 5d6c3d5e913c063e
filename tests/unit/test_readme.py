from __future__ import annotations

from tests.support import hcl, readme


def test_the_tables_of_the_readme_are_in_step_with_the_code() -> None:
    text = readme.README.read_text()

    assert readme.updated(text) == text, "run `make docs`"


def test_the_tables_hold_every_input_and_output() -> None:
    tables = readme.render()

    for name in hcl.blocks("variables.tf", "variable"):
        assert f"| `{name}` |" in tables
    for name in hcl.blocks("outputs.tf", "output"):
        assert f"| `{name}` |" in tables
    assert "visibility_timeout_seconds = optional(number)" in tables
