"""The CPU time of other processes."""

from __future__ import annotations

import time


def cpu_seconds(pid: int) -> float:
    """The CPU time of all threads of a process so far.

    Raises
    ------
    OSError
        If the process does not exist.
    """
    return time.clock_gettime((~pid << 3) | 2)  # as clock_getcpuclockid(3) of Linux
