"""Size of the load tests, from the environment variable ``TEST_PROFILE``.

``full``: 10,000 events a test, as ``.ci/run`` sets it. ``short``, the default: a fifth of that. Both profiles inject
the same kinds of faults at the same rates, and assert that each kind occurred.
"""

from __future__ import annotations

import os
from typing import Final

_DIVISORS: Final = {"full": 1, "short": 5}

PROFILE: Final = os.environ.get("TEST_PROFILE", "short")
if PROFILE not in _DIVISORS:
    raise ValueError(f"TEST_PROFILE must be one of {', '.join(_DIVISORS)}, not {PROFILE!r}")

DIVISOR: Final = _DIVISORS[PROFILE]


def scaled(number: int) -> int:
    """Return a number of the full profile for the current profile, rounded down."""
    return number // DIVISOR
