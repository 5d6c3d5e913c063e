"""Generates the table of known errors in the runbook of failed servers from the entries of the package.

tests/unit/test_known_errors.py fails if the table differs.
"""

from __future__ import annotations

from typing import Final

from drs_job_log.model.known_errors import KNOWN_ERRORS, KnownError

from tests.support.terraform import ROOT

PAGE: Final = ROOT / "docs/runbooks/server-failed.md"
BEGIN: Final = "<!-- BEGIN KNOWN ERRORS -->"
END: Final = "<!-- END KNOWN ERRORS -->"


def render() -> str:
    """Return the table as Markdown, in the order in which the entries are compared with an error."""
    rows = ["| code or part of the error | cause | first step |", "|---|---|---|"]
    return "\n".join([*rows, *(_row(known) for known in KNOWN_ERRORS)])


def updated(page: str) -> str:
    """Return the text of the runbook with a new table.

    Raises
    ------
    ValueError
        If a marker is missing.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page needs the markers {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{render()}\n{END}{after}"


def _row(known: KnownError) -> str:
    texts = ", ".join(f"`{text}`" for text in (*known.codes, *known.phrases))
    return f"| {texts} | {known.hint.cause} [Source]({known.hint.source}) | {known.hint.first_step} |"


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text()))
