from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support import ministack
from tests.support.ministack import MiniStack

if TYPE_CHECKING:
    import pytest


def test_another_port_is_used_if_a_process_takes_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two instances with the same port would share their resources."""
    with MiniStack() as first:
        taken = int(first.endpoint.rpartition(":")[2])
        ports = iter([taken, ministack._free_port()])
        monkeypatch.setattr(ministack, "_free_port", lambda: next(ports))

        with MiniStack() as second:
            assert second.endpoint != first.endpoint
            second.client("logs").create_log_group(logGroupName="group")
            assert first.client("logs").describe_log_groups()["logGroups"] == []
