"""That each benchmark runs. What it measures in its short mode proves nothing, and nothing is asked of it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks.__main__ import BENCHMARKS
from tests.support.terraform import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_runs(name: str, tmp_path: Path) -> None:
    path = tmp_path / "measured.json"

    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", "--short", "--json", str(path)],
        cwd=ROOT,
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )

    assert done.returncode == 0, done.stdout
    measured = json.loads(path.read_text())
    assert measured.get("counts") or measured["lines"]


def test_the_viewers_benchmark_runs() -> None:
    subprocess.run(
        [sys.executable, "-m", "benchmarks.viewer", "--events", "200", "--servers", "10", "--runs", "1"],
        cwd=ROOT,
        check=True,
    )
