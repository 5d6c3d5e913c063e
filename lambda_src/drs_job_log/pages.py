"""The viewer: its page, the same for every execution and job, and the files that it loads. None holds any data."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).with_name("viewer")
_PAGE: Final = "page.html"

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

# Scripts, styles and requests of this origin only, nothing inline, and in no frame of anybody's.
_POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        *(f"{kind}-src 'self'" for kind in ("script", "style", "img", "connect")),
        *(f"{what} 'none'" for what in ("base-uri", "form-action", "frame-ancestors")),
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
)


def read_page() -> tuple[dict[str, str], str]:
    """The page: its headers and its text."""
    return _read(_PAGE)


def read_file(name: str) -> tuple[dict[str, str], str] | None:
    """A file that the page loads, as ``read_page``; None where there is none of that name."""
    names = {file.name for file in _FOLDER.iterdir()} - {_PAGE}
    return _read(name) if name in names else None


@cache
def _read(name: str) -> tuple[dict[str, str], str]:
    file = _FOLDER / name
    headers = {
        "Content-Type": _TYPES[file.suffix],
        "Content-Security-Policy": _POLICY,
        # Asked for anew each time: page and files are always of the same version.
        "Cache-Control": "no-cache",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    return headers, file.read_text(encoding="utf-8")
