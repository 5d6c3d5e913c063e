"""Every documented shell command runs, or its page says why the tests do not run it."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.documented import Block, Shell, documented_deployment, pages, read_blocks
from tests.support.terraform import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCKS: Final = [block for page in pages() for block in read_blocks(page)]

# Commands that other tests or CI run, by what runs them: a file and a text in it.
RUN_ELSEWHERE: Final = {
    "make test": (".ci/run", "make test"),
    "make check": (".ci/run", "make check"),
    "make demo": ("tests/support/demo.py", "def main"),
    "make bench": ("tests/benchmarks/test_benchmarks.py", "benchmarks"),
    ".venv/bin/python -m benchmarks": ("tests/benchmarks/test_benchmarks.py", "benchmarks"),
}


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    with documented_deployment() as (_, shell):
        yield shell


@pytest.mark.parametrize("block", [block for block in BLOCKS if not block.reason], ids=str)
def test_a_documented_command_runs(block: Block, shell: Shell) -> None:
    result = shell.run(block)

    assert result.returncode == 0, f"{block.page}:{block.line}\n{block.code}\n{result.stdout}"
