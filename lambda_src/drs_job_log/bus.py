"""The event bus: "DRS Job Log" events, in full batches, tried again where EventBridge fails some."""

from __future__ import annotations

import json
import random
import time
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from drs_job_log.fitting import fitted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

# EventBridge takes 256 KB a request, all entries together; the queue behind it takes 256 KB a message, with the
# envelope that EventBridge adds. https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html
_MAX_REQUEST_BYTES: Final = 250 * 1024
_MAX_DETAIL_BYTES: Final = 240 * 1024
_MAX_ENTRIES: Final = 10

# Which fact it is stays whole.
_IDENTIFYING: Final = frozenset({"jobID", "eventType", "eventId", "logDateTime", "executionId", "sourceServerID"})

_ATTEMPTS: Final = 4
_BACK_OFF_SECONDS: Final = 0.2


class EventBus:
    """Puts details of events on a bus, signed with a source. May be used from several threads."""

    def __init__(self, client: EventBridgeClient, name: str, source: str) -> None:
        self._client = client
        self._name = name
        self._source = source

    def put(self, batch: Sequence[str]) -> dict[int, str]:
        """Put the events of a batch (see ``batches``): why each that EventBridge went on failing failed, by its place.

        Raises
        ------
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError
            Where EventBridge cannot be reached or refuses the request. Some events may have been taken before.
        """
        left = dict(enumerate(batch))
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(_BACK_OFF_SECONDS * 2**attempt * random.uniform(0.5, 1))  # noqa: S311
            answer = self._client.put_events(Entries=[self._entry(detail) for detail in left.values()])
            failed = {
                place: entry.get("ErrorMessage") or entry["ErrorCode"]
                for place, entry in zip(left, answer["Entries"], strict=True)
                if "ErrorCode" in entry
            }
            left = {place: left[place] for place in failed}
            if not left:
                break
        return failed

    def _entry(self, detail: str) -> PutEventsRequestEntryTypeDef:
        return {
            "EventBusName": self._name,
            "Source": self._source,
            "DetailType": "DRS Job Log",
            "Detail": detail,
        }


def to_text(detail: Mapping[str, Any]) -> str:
    """The detail as JSON. One too large for the bus has its longest texts cut, and ``truncated`` set."""
    cut = fitted(dict(detail), _fits, detail.keys() - _IDENTIFYING, "truncated")
    if not _fits(cut):  # so many parts that cutting each does not help: then without them
        cut = {name: value for name, value in cut.items() if not isinstance(value, dict | list)}
    return _dumps(cut)


class HasText(Protocol):
    """Whatever carries the text of a detail (see ``to_text``)."""

    @property
    def text(self) -> str: ...


AnyEntry = TypeVar("AnyEntry", bound=HasText)


def batches(entries: Iterable[AnyEntry]) -> Iterator[list[AnyEntry]]:
    """The entries in their order, in batches as full as one request may be."""
    batch: list[AnyEntry] = []
    size = 0
    for entry in entries:
        if batch and (len(batch) == _MAX_ENTRIES or size + len(entry.text) > _MAX_REQUEST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += len(entry.text)
    if batch:
        yield batch


def _fits(detail: dict[str, Any]) -> bool:
    return len(_dumps(detail)) <= _MAX_DETAIL_BYTES


def _dumps(detail: dict[str, Any]) -> str:
    # In ASCII: whatever DRS's texts hold, no part of the way can stumble over it. A letter is a byte then.
    return json.dumps(detail, separators=(",", ":"))
