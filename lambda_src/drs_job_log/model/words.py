"""Facts in words for people: times, durations, and texts without characters that a reader cannot see."""

from __future__ import annotations

import re
from datetime import UTC
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

# Characters that a reader cannot see, and those that change the direction of a text. A line feed and a tab are none of
# them. The ranges are listed, because the categories of characters differ between the versions of Python.
INVISIBLE: Final = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"  # soft hyphen, joiners, fillers, marks
    "\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"  # separators, embeddings, isolates, annotations
    "\ufe00-\ufe0f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"  # selectors, formats, tags
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\U0001fffe\U0001ffff\U0010fffe\U0010ffff"  # surrogates, noncharacters
    "]"
)

_LINE_BREAK: Final = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")


def second_words(time: datetime) -> str:
    """Return a time to the second, for example "2025-11-28 20:51:30 UTC"."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def exact_duration_words(seconds: float) -> str:
    """Return a duration to the second: "40 s", "12 min 3 s", "1 h 0 min 5 s" or "1 d 2 h 0 min 0 s", rounded down.

    A duration is at least 0 s.
    """
    minutes, rest = divmod(max(int(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = {"d": days, "h": hours, "min": minutes, "s": rest}
    largest = next((place for place, number in enumerate(parts.values()) if number), len(parts) - 1)
    return " ".join(f"{number} {unit}" for unit, number in list(parts.items())[largest:])


def with_line_feeds(text: str) -> str:
    """Return a text in which each line break is a line feed."""
    return _LINE_BREAK.sub("\n", text)


def code_point(character: str) -> str:
    """Return the code of a character, as the viewer shows a character of ``INVISIBLE``: "<U+202E>"."""
    return f"<U+{ord(character):04X}>"


def visible(text: str) -> str:
    """Return a text in which each character that a reader cannot see is its code. Nothing of the text is lost."""
    return INVISIBLE.sub(lambda match: code_point(match[0]), text)
