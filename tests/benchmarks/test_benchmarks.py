"""Each benchmark runs and returns its figures. The figures of the short mode prove nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks import curve, estimate
from benchmarks.__main__ import NAMES
from tests.support.terraform import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCAL = tuple(name for name in NAMES if name != "deployed")
GROUPS = {
    "deployed": ("deployed",),
    "local": LOCAL,
}
FIGURES = {
    "deployed": (
        "DRS item to API answer, p50",
        "DRS item to API answer, p99",
        "CPU use of the embedded AWS",
        "100 events put at once, all stored",
    ),
    "local": (
        *(f"cold start to the first answer: {name}" for name in ("collector", "ingest", "linker", "api")),
        *(f"peak memory of {name}" for name in ("collector", "ingest", "linker", "api")),
        "cold pass",
        "first pass of a minute",
        "warm pass",
        "DRS calls of a warm pass",
        "a batch of 10 events in ingest",
        "DynamoDB requests per new event",
        "write units per event",
        "API answer, 100 events, nothing cached",
        "viewer's poll",
        *(f"{what}, 1024 MB" for what in (curve.BATCH, curve.WARM, curve.LINKS, curve.ANSWER, curve.POLL)),
        "size of the package",
        estimate.FROM_FIRST_LAUNCH,
        "first view",
        "slowest step of scrolling",
        "time to store an event",
    ),
}


@pytest.fixture(scope="module")
def processes() -> Iterator[dict[str, subprocess.Popen[str]]]:
    """Both groups at the same time, because most of them wait for the embedded AWS most of the time."""
    running = {
        name: subprocess.Popen(
            [sys.executable, "-m", "benchmarks", "--short", *names],
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for name, names in GROUPS.items()
    }
    yield running
    for process in running.values():  # if a test failed or was not selected
        process.send_signal(signal.SIGINT)  # stops the embedded AWS and removes the control groups
        process.wait()


@pytest.mark.parametrize("name", GROUPS)
def test_a_benchmark_returns_its_figures(name: str, processes: dict[str, subprocess.Popen[str]]) -> None:
    output, _ = processes[name].communicate(timeout=600)

    assert processes[name].returncode == 0, output
    for what in FIGURES[name]:
        assert what in output, output
