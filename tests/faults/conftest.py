"""The in-process AWS of the unit tests, without waits between retries."""

from __future__ import annotations

import logging
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from tests.unit.conftest import dynamodb, subscriber, table

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["dynamodb", "subscriber", "table"]


@pytest.fixture(autouse=True)
def _no_retry_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the waits between retries of clients and of the bus."""
    no_time = SimpleNamespace(sleep=lambda _: None, monotonic=time.monotonic)
    monkeypatch.setattr("botocore.endpoint.time", no_time)
    monkeypatch.setattr("drs_job_log.collect.event_bus.time", no_time)


@pytest.fixture(autouse=True)
def _no_logs() -> Iterator[None]:
    """Disable the logs of thousands of injected failures."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)
