"""JSON text in one format, for events, answers and page tokens."""

from __future__ import annotations

import json
from typing import Final

# Created once: json.dumps creates an encoder for each call with separators.
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))


def to_json(value: object) -> str:
    """Return compact JSON text in ASCII: one character is one byte, and invalid Unicode is escaped."""
    return _ENCODER.encode(value)
