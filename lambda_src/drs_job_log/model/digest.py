"""Digests that identify a text, for example in a key of a table."""

from __future__ import annotations

import hashlib


def digest(text: str) -> str:
    """Return the first 32 hexadecimal digits of the SHA-256 digest of a text, which can have lone surrogates."""
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:32]
