"""How thorough the tests are, from the environment variable ``TEST_PROFILE``.

``check``: few Hypothesis examples, for ``make check``. ``short``, the default: half of the examples, and 2,000 events
in each load test. ``full``: 10,000 events in each load test, as the weekly run of CI sets it. ``short`` and ``full``
inject the same kinds of faults at the same rates, and assert that each kind occurred.
"""

from __future__ import annotations

import os
from typing import Final

_DIVISORS: Final = {"check": 5, "short": 5, "full": 1}
_EXAMPLES: Final = {"check": 10, "short": 50, "full": 100}

PROFILE: Final = os.environ.get("TEST_PROFILE", "short")
if PROFILE not in _DIVISORS:
    raise ValueError(f"TEST_PROFILE must be one of {', '.join(_DIVISORS)}, not {PROFILE!r}")

DIVISOR: Final = _DIVISORS[PROFILE]
EXAMPLES: Final = _EXAMPLES[PROFILE]


def scaled(number: int) -> int:
    """Return a number of the full profile for the current profile, rounded down."""
    return number // DIVISOR
