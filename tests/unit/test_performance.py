from __future__ import annotations

import json
from dataclasses import replace

import pytest

from benchmarks import performance
from benchmarks.lines import Line, side_by_side

LINE = Line(what="w", unit="ms", ours=[3, 2, 40], floor=[2, 2, 10], floor_is="f", reach=1.5)


def test_the_page_is_in_step_with_what_was_measured() -> None:
    page, measured = performance.PAGE.read_text(), json.loads(performance.MEASURED.read_text())

    assert performance.rendered(page, measured) == page, "run `make docs`"
    assert all(record["what"] in page for record in measured["lines"])


def test_a_ratio_is_of_what_was_measured_side_by_side() -> None:
    assert LINE.ratios == [1.5, 1.0, 4.0]
    assert LINE.row() == ("w", "3 ms", "2 ms: f", "1.50 (1.00 … 4.00)", "≤ 1.5 ×", "yes")


@pytest.mark.parametrize(
    ("line", "is_met"),
    [
        (LINE, True),
        (replace(LINE, reach=1.4), False),
        (replace(LINE, kind="ratio at least"), True),
        (replace(LINE, kind="ratio at least", reach=1.6), False),
        (replace(LINE, kind="value at most", reach=3), True),
        (replace(LINE, kind="value at most", reach=2.9), False),
    ],
)
def test_a_reach_is_of_the_median(line: Line, is_met: bool) -> None:
    assert line.is_met == is_met
    assert Line.read(json.loads(json.dumps(line.record()))) == line


def test_both_are_measured_in_turn_after_a_round_to_warm_up() -> None:
    called: list[str] = []

    def call(name: str) -> float:
        called.append(name)
        return len(called)

    assert side_by_side(range(2), lambda: call("ours"), lambda: call("floor")) == ([3, 5], [4, 6])
    assert called == ["ours", "floor"] * 3
