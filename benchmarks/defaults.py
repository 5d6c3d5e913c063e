"""Defaults of the module. tests/unit/test_cost.py compares them with the Terraform code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

MEMORY_MB: Final[Mapping[str, int]] = {"api": 1024, "collector": 256, "ingest": 512, "linker": 256}
POLL_SECONDS: Final = 3  # collector.poll_interval_seconds
