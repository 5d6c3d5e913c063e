"""The rows of the tables in Athena: the objects of the files, in the form that the JSON SerDe of Hive reads.

Its columns have lower-case names, and a column that is text cannot have an object.
https://docs.aws.amazon.com/athena/latest/ug/hive-json-serde.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drs_job_log.model.json_text import to_json

if TYPE_CHECKING:
    from collections.abc import Mapping


def table_row(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with lower-case keys, also in its objects and lists."""
    return {name.lower(): _lower(part) for name, part in value.items()}


def event_row(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of an event: its detail is JSON text, and "timestamp", a reserved word, is ``eventtime``."""
    row = {name.lower(): part for name, part in event.items() if name not in {"EventData", "Timestamp"}}
    return row | {"eventtime": event["Timestamp"], "eventdata": to_json(event.get("EventData", {}))}


def _lower(value: Any) -> Any:
    match value:
        case dict():
            return table_row(value)
        case list():
            return [_lower(part) for part in value]
    return value
