"""JSON text in one format, for events, answers and page tokens."""

from __future__ import annotations

import json


def to_json(value: object) -> str:
    """Return compact JSON text in ASCII: one character is one byte, and invalid Unicode is escaped."""
    return json.dumps(value, separators=(",", ":"))
