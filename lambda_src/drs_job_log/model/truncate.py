"""Truncation: a value that exceeds a size limit keeps its structure and loses the ends of its longest texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

# The limits of each text in bytes, tried in this order until the whole value fits.
_TEXT_BYTES: Final = (128 * 1024, 32 * 1024, 8 * 1024, 2 * 1024, 512)


def truncate_to_fit(
    item: dict[str, Any], fits: Callable[[dict[str, Any]], bool], truncatable: Collection[str], marker: str
) -> dict[str, Any]:
    """Return the item if it fits, otherwise a truncated copy.

    Only texts in the values of the ``truncatable`` keys are truncated. The copy has the key ``marker`` with the value
    True. If the item has very many parts, the copy may still not fit: the caller must check it.
    """
    if fits(item):
        return item
    truncated = item
    for max_bytes in _TEXT_BYTES:
        truncated = {
            name: truncate_texts(value, max_bytes) if name in truncatable else value for name, value in item.items()
        } | {marker: True}
        if fits(truncated):
            break
    return truncated


def truncate_texts(value: Any, max_bytes: int) -> Any:
    """Return a JSON value in which each text has at most ``max_bytes`` bytes of UTF-8."""
    match value:
        case str():
            return value.encode(errors="backslashreplace")[:max_bytes].decode(errors="ignore")
        case dict():
            return {key: truncate_texts(part, max_bytes) for key, part in value.items()}
        case list():
            return [truncate_texts(part, max_bytes) for part in value]
        case _:
            return value
