"""Which IDs the HTTP API finds in a path."""

from __future__ import annotations


def is_usable_in_path(id_: str) -> bool:
    """Whether a path of the API can contain an ID, percent-encoded.

    API Gateway decodes the path before it matches the routes, and browsers remove the segments "." and "..".
    """
    return "/" not in id_ and id_ not in {"", ".", ".."}
