"""The event bus: events in full batches, with retries of rejected entries."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from drs_job_log.model.json_text import to_json
from drs_job_log.model.truncate import truncate_to_fit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

# EventBridge accepts 256 KB per request. The ingest queue accepts 256 KB per message, including the envelope.
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html
_MAX_REQUEST_BYTES: Final = 250 * 1024
MAX_DETAIL_BYTES: Final = 240 * 1024
_MAX_ENTRIES: Final = 10

# These keys are never truncated, so that the event keeps its identity.
_NEVER_TRUNCATED: Final = frozenset({"jobID", "eventType", "eventId", "logDateTime", "executionId", "sourceServerID"})

_PUT_ATTEMPTS: Final = 4
_BACK_OFF_SECONDS: Final = 0.2


class EventBus:
    """Puts events with one source and one detail-type on a bus. Thread-safe."""

    def __init__(self, client: EventBridgeClient, name: str, source: str, detail_type: str = "DRS Job Log") -> None:
        self._client = client
        self._name = name
        self._source = source
        self._detail_type = detail_type

    def put(self, batch: Sequence[str]) -> dict[int, str]:
        """Put a batch of details (see ``batches``). Return the reason for each rejection by the place in the batch.

        Raises
        ------
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError
            If EventBridge cannot be reached or refuses the request. An earlier attempt may have put some of the events.
        """
        pending = dict(enumerate(batch))
        for attempt in range(_PUT_ATTEMPTS):
            if attempt:
                time.sleep(_BACK_OFF_SECONDS * 2**attempt * random.uniform(0.5, 1))  # noqa: S311
            answer = self._client.put_events(Entries=[self._entry(detail) for detail in pending.values()])
            rejected = {
                place: entry.get("ErrorMessage") or entry["ErrorCode"]
                for place, entry in zip(pending, answer["Entries"], strict=True)
                if "ErrorCode" in entry
            }
            pending = {place: pending[place] for place in rejected}
            if not pending:
                break
        return rejected

    def _entry(self, detail: str) -> PutEventsRequestEntryTypeDef:
        return {
            "EventBusName": self._name,
            "Source": self._source,
            "DetailType": self._detail_type,
            "Detail": detail,
        }


def to_text(detail: Mapping[str, Any]) -> str:
    """Return the JSON text of a detail. A detail that is too large is truncated and has ``truncated`` set to true."""
    text = to_json(detail)
    if len(text) <= MAX_DETAIL_BYTES:
        return text
    truncated = truncate_to_fit(dict(detail), _fits_bus, detail.keys() - _NEVER_TRUNCATED, "truncated")
    if not _fits_bus(truncated):  # too many parts: drop the nested values
        truncated = {name: value for name, value in truncated.items() if not isinstance(value, dict | list)}
    return to_json(truncated)


class HasText(Protocol):
    """An object with the text of a detail (see ``to_text``)."""

    @property
    def text(self) -> str: ...


AnyEntry = TypeVar("AnyEntry", bound=HasText)


def batches(entries: Iterable[AnyEntry]) -> Iterator[list[AnyEntry]]:
    """Yield the entries in their order, in batches that are as full as one request allows."""
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


def _fits_bus(detail: dict[str, Any]) -> bool:
    return len(to_json(detail)) <= MAX_DETAIL_BYTES
