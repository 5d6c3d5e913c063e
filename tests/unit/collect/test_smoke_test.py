from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from drs_job_log.collect import smoke_test
from drs_job_log.model.events import parse

from tests.support.envelopes import dumps, job_log

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet


@dataclass
class Pipeline:
    """A bus, and a table that contains the event after some reads."""

    reads: int = 3
    rejection: str | None = None
    sent: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0

    def put(self, batch: Sequence[str]) -> dict[int, str]:
        self.sent += map(json.loads, batch)
        return {0: self.rejection} if self.rejection else {}

    def stored(self, job_id: str, _collector_sources: AbstractSet[str]) -> dict[str, dict[str, Any]]:
        assert job_id == "smoke-test"
        self.reads -= 1
        keys = [parse(dumps(job_log(detail))).key for detail in self.sent] if self.reads <= 0 else []
        return {key: {} for key in ["2025-11-28T20:30:15.000000Z#earlier", *keys]}

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def run(self, monkeypatch: pytest.MonkeyPatch, timeout: float = 63) -> float:
        monkeypatch.setattr(smoke_test.time, "sleep", self.sleep)
        monkeypatch.setattr(smoke_test.time, "monotonic", lambda: self.seconds)
        return smoke_test.run(
            self,  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            "request-1",
            lambda: timeout - self.seconds,
        ).total_seconds()


def test_the_smoke_test_waits_until_its_event_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = Pipeline(reads=3)

    assert pipeline.run(monkeypatch) == 1.0
    (detail,) = pipeline.sent
    event = parse(dumps(job_log(detail)))
    assert (event.job_id, event.event_type, event.execution_id) == ("smoke-test", "SMOKE_TEST", "smoke-test")
    assert event.event_id == "request-1"
    assert abs((datetime.now(UTC) - event.timestamp).total_seconds()) < 60


@pytest.mark.parametrize(("timeout", "waited"), [(63, "40 s"), (36, "34 s")])
def test_the_smoke_test_fails_if_the_event_is_not_stored(
    monkeypatch: pytest.MonkeyPatch, timeout: float, waited: str
) -> None:
    with pytest.raises(smoke_test.SmokeTestError, match=f"not in the events table after {waited}"):
        Pipeline(reads=1000).run(monkeypatch, timeout)


def test_the_smoke_test_fails_if_eventbridge_rejects_the_event(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(smoke_test.SmokeTestError, match="InternalFailure"):
        Pipeline(rejection="InternalFailure").run(monkeypatch)
