from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from benchmarks import pages
from benchmarks.harness import Figure

FIGURE = Figure(what="w", unit="ms", values=[3, 2, 40], at_most=3, measured="2026-11-27")


def test_the_page_has_the_published_figures() -> None:
    page = pages.PAGE.read_text()

    assert pages.rendered(page, json.loads(pages.MEASURED.read_text())) == page, "run `python -m benchmarks --pages`"


def test_a_figure_is_shown_by_its_median() -> None:
    assert FIGURE.row() == ("w", "3 ms", "2 to 40", "≤ 3 ms", "2026-11-27")
    assert replace(FIGURE, values=[1234.5], at_most=None).row() == ("w", "1,234 ms", "", "", "2026-11-27")


def test_a_missed_target_is_shown() -> None:
    assert replace(FIGURE, at_most=2.99).row()[3] == "≤ 2.99 ms (missed)"


def test_a_record_has_the_whole_figure() -> None:
    assert Figure(**json.loads(json.dumps(asdict(FIGURE)))) == FIGURE


def test_a_page_without_its_markers_is_an_error() -> None:
    with pytest.raises(ValueError, match="markers MACHINE"):
        pages.filled("", {"MACHINE": "text"})
