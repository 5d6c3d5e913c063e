from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from drs_job_log.collect.event_bus import EventBus, batches, to_text
from drs_job_log.model.events import parse
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.envelopes import dumps, job_log

IDENTITY = {"jobID": "drsjob-1", "eventType": "LAUNCH_FAILED", "eventId": "1", "logDateTime": "2025-11-28T20:30:15Z"}


@dataclass
class Entry:
    text: str


class FakeEventBridge:
    """EventBridge that fails the entries with these indexes, for each request."""

    def __init__(self, *failing: set[int]) -> None:
        self.failing = list(failing)
        self.requests: list[list[dict[str, Any]]] = []

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        failing = self.failing.pop(0) if self.failing else set()
        self.requests.append(Entries)
        return {
            "Entries": [
                {"ErrorCode": "InternalFailure"} if index in failing else {"EventId": "1"}
                for index in range(len(Entries))
            ]
        }


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []
    monkeypatch.setattr("drs_job_log.collect.event_bus.time.sleep", waits.append)
    return waits


def test_an_event_has_bus_source_and_detail_type() -> None:
    bridge = FakeEventBridge()

    assert EventBus(bridge, "recovery", "drs.job-log").put(['{"jobID": "1"}']) == {}  # type: ignore[arg-type]

    assert bridge.requests == [
        [
            {
                "EventBusName": "recovery",
                "Source": "drs.job-log",
                "DetailType": "DRS Job Log",
                "Detail": '{"jobID": "1"}',
            }
        ]
    ]


def test_failed_entries_are_retried_with_increasing_waits(waits: list[float]) -> None:
    bridge = FakeEventBridge({0, 2}, {1})

    assert EventBus(bridge, "default", "s").put(["a", "b", "c"]) == {}  # type: ignore[arg-type]

    assert [[entry["Detail"] for entry in entries] for entries in bridge.requests] == [
        ["a", "b", "c"],
        ["a", "c"],
        ["c"],
    ]
    assert 0.2 <= waits[0] <= 0.4 <= waits[1] <= 0.8
    assert len(waits) == 2


def test_permanently_failed_entries_are_returned_by_index() -> None:
    bridge = FakeEventBridge({1, 2}, {0, 1}, {0, 1}, {0, 1})

    failed = EventBus(bridge, "default", "s").put(["a", "b", "c"])  # type: ignore[arg-type]

    assert failed == {1: "InternalFailure", 2: "InternalFailure"}
    assert len(bridge.requests) == 4


@settings(deadline=None)
@given(st.lists(st.integers(1, 240 * 1024).map("x".__mul__), max_size=60))
def test_batches_are_in_order_full_and_within_the_limits(texts: list[str]) -> None:
    batched = [[entry.text for entry in batch] for batch in batches(map(Entry, texts))]

    assert [text for batch in batched for text in batch] == texts
    assert all(1 <= len(batch) <= 10 and len("".join(batch)) <= 250 * 1024 for batch in batched)
    for batch, following in pairwise(batched):
        assert len(batch) == 10 or len("".join(batch)) + len(following[0]) > 250 * 1024


@pytest.mark.slow
@given(
    st.dictionaries(
        st.sampled_from(["error", "message", "conversionProperties", "sourceServerName"]),
        st.one_of(
            st.tuples(st.text(st.characters(exclude_categories=()), max_size=5), st.integers(0, 70_000)).map(
                lambda parts: parts[0] * parts[1]
            ),
            st.integers(0, 20_000).map(lambda count: {str(number): ["x" * 20] for number in range(count)}),
        ),
    )
)
@settings(deadline=None)
def test_a_truncated_event_fits_and_keeps_its_key(extra: dict[str, Any]) -> None:
    detail = IDENTITY | extra

    text = to_text(detail)

    assert len(text.encode()) <= 240 * 1024
    event = parse(dumps(job_log(json.loads(text))))
    assert event.key == parse(dumps(job_log(IDENTITY))).key
    truncated = json.loads(text)
    assert truncated == detail or truncated["truncated"] is True


def test_an_event_with_too_many_parts_keeps_only_its_important_attributes() -> None:
    text = to_text(IDENTITY | {"error": "AuthFailure", "volumes": {str(number): "x" * 20 for number in range(20_000)}})

    assert json.loads(text) == IDENTITY | {"error": "AuthFailure", "truncated": True}


def test_only_the_longest_texts_are_truncated() -> None:
    detail = IDENTITY | {"error": "e" * 300_000, "message": "m" * 1000, "volumes": {"vol-1": ["v" * 1000]}}

    truncated = json.loads(to_text(detail))

    assert truncated.pop("error") == "e" * 131072
    assert truncated.pop("truncated") is True
    assert truncated == {key: value for key, value in detail.items() if key != "error"}
