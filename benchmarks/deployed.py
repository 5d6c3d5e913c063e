"""What is measured of the module applied from examples/local on the embedded AWS: one apply for all of it.

.venv/bin/python -m benchmarks.deployed [--short]
"""

from __future__ import annotations

import sys
from itertools import chain
from typing import TYPE_CHECKING

from benchmarks import latency, throughput
from benchmarks.table import alone
from tests.support.deployment import deployed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.lines import Line
    from tests.support.deployment import Deployment


def lines(deployment: Deployment, *, short: bool) -> Iterator[Line]:
    """The latency first: what the embedded AWS has seen much, it answers more slowly."""
    return chain(latency.lines(deployment, short=short), throughput.lines(deployment, short=short))


if __name__ == "__main__":
    sys.exit(alone(__doc__, lines, deployed))
