from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support import ministack
from tests.support.ministack import MiniStack

if TYPE_CHECKING:
    import pytest


def test_a_port_that_another_process_took_meanwhile_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that share a process would find each other's resources."""
    with MiniStack() as first:
        taken = int(first.endpoint.rpartition(":")[2])
        ports = iter([taken, ministack._free_port()])
        monkeypatch.setattr(ministack, "_free_port", lambda: next(ports))

        with MiniStack() as second:
            assert second.endpoint != first.endpoint
            second.client("logs").create_log_group(logGroupName="group")
            assert first.client("logs").describe_log_groups()["logGroups"] == []
