"""The files of the viewer. They are the same for every execution and contain no data."""

from __future__ import annotations

import html
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from drs_job_log.api.responses import entity_tag

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drs_job_log.config import SignInSettings

_FOLDER: Final = Path(__file__).parents[1] / "viewer"

# The page of an execution or a job, and the start page. Their relative URLs depend on the path of their route.
_PAGE: Final = "page.html"
_START_PAGE: Final = "start.html"

_CONTENT_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

# The element of a page that contains the settings of the sign-in.
_SIGN_IN_ELEMENT: Final = '<meta name="sign-in" content="{}" />'


class File(NamedTuple):
    """A file of the viewer with its response headers."""

    headers: Mapping[str, str]
    text: str


def read_page(sign_in: SignInSettings | None) -> File:
    """Return the page of an execution or a job. ``sign_in`` is the sign-in of its users."""
    return _read(_PAGE, sign_in)


def read_start_page(sign_in: SignInSettings | None) -> File:
    """Return the start page. ``sign_in`` is the sign-in of its users."""
    return _read(_START_PAGE, sign_in)


def read_file(name: str, sign_in: SignInSettings | None) -> File | None:
    """Return the page if the name is "page", else a file that the page loads. None if there is no such file."""
    if name == "page":
        return read_page(sign_in)
    names = {file.name for file in _FOLDER.iterdir()} - {_PAGE, _START_PAGE}
    return _read(name, sign_in) if name in names else None


@cache
def _read(name: str, sign_in: SignInSettings | None) -> File:
    text = (_FOLDER / name).read_text(encoding="utf-8")
    if sign_in:
        text = text.replace(_SIGN_IN_ELEMENT.format(""), _SIGN_IN_ELEMENT.format(html.escape(sign_in.page)))
    headers = {
        "Content-Type": _CONTENT_TYPES[Path(name).suffix],
        "Content-Security-Policy": _policy(sign_in.origins if sign_in else ()),
        # Browsers must revalidate each request, so that the page and its files always have the same version.
        "Cache-Control": "public, no-cache",
        "ETag": entity_tag(text),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    return File(headers, text)


def _policy(origins: Sequence[str]) -> str:
    """Return the Content-Security-Policy: scripts, styles and requests of the same origin; nothing inline; no frames.

    ``origins`` are other origins to which a page may send requests.
    """
    return "; ".join(
        [
            "default-src 'none'",
            *(f"{kind}-src 'self'" for kind in ("script", "style", "img")),
            " ".join(["connect-src 'self'", *origins]),
            *(f"{directive} 'none'" for directive in ("base-uri", "form-action", "frame-ancestors")),
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    )
