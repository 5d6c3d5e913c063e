"""Gives the process of a Lambda function the CPU quota of the memory of the function.

Python runs a module of this name at its start, before the program, if its folder is in PYTHONPATH. The process then
joins a control group (cgroup) of its own. The module does nothing in a process that is not a function. It imports only
``os``, because its time counts as a part of the start of the function.
"""

from __future__ import annotations

import os

MB_OF_A_CORE = 1769  # https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
PERIOD = 20_000  # microseconds


def limit(group: str, version: str, memory_mb: int) -> None:
    """Set the quota of a group (a folder) in cgroup ``version`` 1 or 2.

    Raises
    ------
    OSError
        If the group does not exist, or the process has no permission.
    """
    quota = PERIOD * memory_mb // MB_OF_A_CORE
    if version == "2":
        _write(group, "cpu.max", f"{quota} {PERIOD}")
    else:
        _write(group, "cpu.cfs_period_us", str(PERIOD))
        _write(group, "cpu.cfs_quota_us", str(quota))


def join(folder: str, version: str, memory_mb: int) -> None:
    """Create a group with the name of the process ID, and move this process to it.

    Raises
    ------
    OSError
        If the process has no permission.
    """
    group = f"{folder}/{os.getpid()}"
    os.makedirs(group, exist_ok=True)  # noqa: PTH103 (pathlib is a slow import)
    limit(group, version, memory_mb)
    _write(group, "cgroup.procs", str(os.getpid()))


def _write(group: str, file: str, value: str) -> None:
    with open(f"{group}/{file}", "w") as opened:  # noqa: PTH123
        opened.write(value)


if "AWS_LAMBDA_FUNCTION_MEMORY_SIZE" in os.environ and "CPU_QUOTA_FOLDER" in os.environ:
    join(
        os.environ["CPU_QUOTA_FOLDER"],
        os.environ["CPU_QUOTA_CGROUP_VERSION"],
        int(os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]),
    )
