from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, astuple, replace
from datetime import UTC, datetime, timedelta

import pytest

from benchmarks import cost, curve, estimate, harness, pages
from benchmarks.clock import cpu_seconds
from benchmarks.harness import Figure

FIGURE = Figure(
    what="w", unit="ms", values=[3, 2, 40], full_core=[1, 2, 9], emulator=[5], at_most=3, measured="2026-11-27"
)
PRICES = cost.of_one(cost.read()[1])


def test_the_page_has_the_published_figures() -> None:
    page = pages.PAGE.read_text()

    assert pages.rendered(page, json.loads(pages.MEASURED.read_text()), PRICES) == page, (
        "run `python -m benchmarks --pages`"
    )


def test_a_figure_is_shown_by_its_median() -> None:
    assert FIGURE.row() == ("w", "3 ms", "2 to 40", "2 ms", "5 ms", "≤ 3 ms", "2026-11-27")
    of_one = replace(FIGURE, values=[1234.5], full_core=(), emulator=(), at_most=None)
    assert of_one.row() == ("w", "1,234 ms", "", "", "", "", "2026-11-27")


def test_only_a_time_has_cells_for_the_full_core_and_the_emulator() -> None:
    assert replace(FIGURE, unit="MB").row() == ("w", "3 MB", "2 to 40", "≤ 3 MB", "2026-11-27")


def test_a_missed_target_is_shown() -> None:
    assert replace(FIGURE, at_most=2.99).row()[5] == "≤ 2.99 ms (missed)"


def test_the_curve_has_time_and_cost_by_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curve, "MEMORY_MB", {"api": 256})
    figures = [replace(FIGURE, what=f"{curve.POLL}, {size} MB", values=[1000]) for size in (128, 256)]

    # 1,000,000 s with 1/8 and 1/4 GB at $0.0000133334, and $0.20 for the requests.
    assert curve.rows(figures, PRICES) == [(curve.POLL, "1,000 ms, $1.87", "**1,000 ms, $3.53**")]


def test_the_estimate_has_its_errors_and_coverage_by_part_of_the_drill() -> None:
    part = estimate.FROM_FIRST_LAUNCH
    figures = [
        replace(FIGURE, what=f"{part}: {heading}", values=[value])
        for heading, value in zip(estimate.HEADINGS[1:], (4.96, 15.1, 80), strict=True)
    ]

    assert estimate.rows(figures) == [(part, "4.96 %", "15.1 %", "80 %")]


def test_the_published_estimate_meets_its_target() -> None:
    figures = json.loads(pages.MEASURED.read_text())["figures"][estimate.estimate.__name__]
    targets = [Figure(**one) for one in figures if one["at_most"] is not None]

    assert [one.what for one in targets] == [f"{estimate.FROM_FIRST_LAUNCH}: median error"]
    assert all(one.values[0] <= 10 for one in targets)


def test_a_pass_is_billed_until_the_next_one() -> None:
    assert curve.dollars_of_a_million(curve.WARM, 10, 1024, PRICES) == pytest.approx(3 * 13.3334)
    assert curve.dollars_of_a_million(curve.WARM, 4000, 1024, PRICES) == pytest.approx(4 * 13.3334)


def test_a_record_has_the_whole_figure() -> None:
    assert Figure(**json.loads(json.dumps(asdict(FIGURE)))) == FIGURE


def test_a_page_without_its_markers_is_an_error() -> None:
    with pytest.raises(ValueError, match="markers MACHINE"):
        pages.filled("", {"MACHINE": "text"})


TIMES = [(0, 2), (0, 0.256), (1, 1.5)]  # 2 s, of which the function used 256 ms of CPU time and the emulators 500 ms


@pytest.mark.parametrize(
    ("memory_mb", "has_quota", "share_ms"),
    [
        pytest.param(None, False, 2000, id="full core"),
        pytest.param(256, False, 1769, id="without a quota: CPU time / share"),
        pytest.param(512, True, 1500, id="under a quota: without the emulators"),
        pytest.param(256, True, 1769, id="the emulators work at the same time as the function"),
    ],
)
def test_the_time_at_the_share(memory_mb: int | None, has_quota: bool, share_ms: float) -> None:
    took = harness.took(TIMES, memory_mb, has_quota=has_quota)

    assert astuple(took) == pytest.approx((2000, 256, 500, share_ms))


def test_the_cpu_time_of_a_process_includes_its_threads() -> None:
    began = time.process_time()
    measured = cpu_seconds(os.getpid())

    assert began <= measured <= time.process_time()


@pytest.mark.parametrize("servers", [100, 200])
def test_running_jobs_log_about_36_items_in_three_seconds(servers: int) -> None:
    simulator = harness.running(20, servers, is_standing=False)
    now = datetime.now(UTC)

    times = [time for job in simulator.jobs for time in simulator.appeared(job)]
    new = sum(now < time <= now + timedelta(minutes=2) for time in times)

    assert 30 < new / 40 < 42
    assert min(simulator.appeared(job)[-1] for job in simulator.jobs) > now + timedelta(minutes=2)


def test_standing_jobs_log_no_items() -> None:
    simulator = harness.running(2, 10)
    (first, second) = (simulator.clock() for _ in range(2))

    assert first == second
