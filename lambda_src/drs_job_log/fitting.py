"""What is too large for its place keeps its shape and loses the ends of its longest texts.

Pure: knows no AWS client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

# To how many bytes each text is cut in turn, until all fits.
_TEXT_BYTES: Final = (128 * 1024, 32 * 1024, 8 * 1024, 2 * 1024, 512)


def fitted(
    item: dict[str, Any], fits: Callable[[dict[str, Any]], bool], cuttable: Collection[str], mark: str
) -> dict[str, Any]:
    """The item, or where it does not fit a copy with the texts in its ``cuttable`` values cut, and ``mark`` set.

    The copy may still not fit where it has a great many parts: the caller sees to that.
    """
    if fits(item):
        return item
    cut = item
    for most in _TEXT_BYTES:
        cut = {name: _cut(value, most) if name in cuttable else value for name, value in item.items()} | {mark: True}
        if fits(cut):
            break
    return cut


def _cut(value: Any, most: int) -> Any:
    match value:
        case str():
            return value.encode(errors="backslashreplace")[:most].decode(errors="ignore")
        case dict():
            return {key: _cut(part, most) for key, part in value.items()}
        case list():
            return [_cut(part, most) for part in value]
        case _:
            return value
