"""The files of the viewer. They are the same for every execution and contain no data."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parents[1] / "viewer"
_PAGE: Final = "page.html"

_CONTENT_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

# Only scripts, styles and requests of the same origin; nothing inline; no frames.
_CONTENT_SECURITY_POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        *(f"{kind}-src 'self'" for kind in ("script", "style", "img", "connect")),
        *(f"{directive} 'none'" for directive in ("base-uri", "form-action", "frame-ancestors")),
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
)


def read_page() -> tuple[dict[str, str], str]:
    """Return the headers and the text of the page."""
    return _read(_PAGE)


def read_file(name: str) -> tuple[dict[str, str], str] | None:
    """Return the headers and the text of a file that the page loads, or None if there is no such file."""
    names = {file.name for file in _FOLDER.iterdir()} - {_PAGE}
    return _read(name) if name in names else None


@cache
def _read(name: str) -> tuple[dict[str, str], str]:
    file = _FOLDER / name
    headers = {
        "Content-Type": _CONTENT_TYPES[file.suffix],
        "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
        # Browsers must revalidate each request, so that the page and its files always have the same version.
        "Cache-Control": "no-cache",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    return headers, file.read_text(encoding="utf-8")
