"""The size of items and the write units that DynamoDB bills for them, in the table and in its indexes."""

from __future__ import annotations

import base64
import math
from typing import TYPE_CHECKING, Any

from tests.support import tables

if TYPE_CHECKING:
    from collections.abc import Mapping


def write_units(row: Mapping[str, Any]) -> int:
    """The write units to store a row: those of the table and of each index that contains it."""
    return math.ceil(item_bytes(row) / 1024) + sum(math.ceil(size / 1024) for size in _index_bytes(row).values())


def ledger_bytes(row: Mapping[str, Any]) -> int:
    """The bytes of a row of the ledger in the table and in its indexes. 0 for another row."""
    if not {"LedgerKey", "LedgerServerId"} & row.keys():
        return 0
    return sum(size + 100 for size in (item_bytes(row), *_index_bytes(row).values()))  # 100: overhead of an item


def _index_bytes(row: Mapping[str, Any]) -> dict[str, int]:
    """The size of a row in each index that contains it."""
    sizes = {}
    table = tables.events("")
    keys = {key["AttributeName"] for key in table["KeySchema"]}
    for index in table["GlobalSecondaryIndexes"]:
        own = {key["AttributeName"] for key in index["KeySchema"]}
        projection = index["Projection"]
        if own <= row.keys():
            names = {*keys, *own, *projection.get("NonKeyAttributes", ())}
            is_whole = projection["ProjectionType"] == "ALL"
            sizes[index["IndexName"]] = item_bytes(row if is_whole else {n: row[n] for n in names & row.keys()})
    return sizes


def item_bytes(item: Mapping[str, Any]) -> int:
    """The size of an item in DynamoDB's JSON, in bytes.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    ((kind, part),) = value.items()
    match kind:
        case "S":
            return len(part.encode())
        case "N":
            return math.ceil(len(part.strip("-").replace(".", "").strip("0")) / 2) + 1
        case "M":
            return 3 + item_bytes(part) + len(part)
        case "B":
            return len(part if isinstance(part, bytes) else base64.b64decode(part))
        case "L":
            return 3 + sum(1 + _value_bytes(one) for one in part)
        case _:
            return 1
