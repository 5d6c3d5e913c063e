"""The CPU share of a Lambda function: a function with M MB of memory has M/1769 of a core.

Where the machine allows it, each function process is in a control group (cgroup) with a CPU quota of this share. The
processes join their groups themselves when they start: see ``function_start/sitecustomize.py``.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.function_start import sitecustomize
from benchmarks.function_start.sitecustomize import MB_OF_A_CORE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT: Final = Path("/sys/fs/cgroup")


def share(memory_mb: int) -> float:
    """The cores of a function. Python uses one core at most, so more are not counted."""
    return min(1.0, memory_mb / MB_OF_A_CORE)


@dataclass(frozen=True, slots=True)
class Groups:
    """The control groups of function processes, one for each process.

    Attributes
    ----------
    folder
        The folder of the groups. None: the machine allows no quota, and the processes have full cores.
    version
        The version of cgroup, "1" or "2", or "".
    """

    folder: Path | None = None
    version: str = ""

    @property
    def method(self) -> str:
        """How times at the share are measured, for readers."""
        return f"CPU quota of cgroup v{self.version}" if self.folder else "CPU time divided by the share"

    def environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        """The environment of a process whose functions get a quota: its own, or those of its child processes.

        A process is a function if its environment has ``AWS_LAMBDA_FUNCTION_MEMORY_SIZE``.
        """
        if not self.folder:
            return dict(environment)
        path = [str(Path(sitecustomize.__file__).parent), environment.get("PYTHONPATH", "")]
        return {
            **environment,
            "PYTHONPATH": os.pathsep.join(filter(None, path)),
            "CPU_QUOTA_FOLDER": str(self.folder),
            "CPU_QUOTA_CGROUP_VERSION": self.version,
        }

    def limit(self, pid: int, memory_mb: int) -> None:
        """Change the quota of a process."""
        if self.folder:
            sitecustomize.limit(str(self.folder / f"{pid}"), self.version, memory_mb)

    def contains(self, pid: int) -> bool:
        """Whether the process is in its group."""
        if not self.folder:
            return False
        try:
            return str(pid) in (self.folder / f"{pid}/cgroup.procs").read_text().split()
        except FileNotFoundError:
            return False

    def joined(self) -> int:
        """The number of processes that joined a group so far."""
        return len([*filter(Path.is_dir, self.folder.iterdir())]) if self.folder else 0

    def throttled(self, pid: int) -> int:
        """The number of periods in which the process used its whole quota."""
        assert self.folder
        lines = (self.folder / f"{pid}/cpu.stat").read_text().splitlines()
        return int(dict(line.split() for line in lines)["nr_throttled"])


@contextlib.contextmanager
def groups(root: Path = ROOT) -> Iterator[Groups]:
    """Groups that are deleted at the end. All processes in them must have ended then."""
    made = _make(root)
    try:
        yield made
    finally:
        if made.folder:
            for group in [*filter(Path.is_dir, made.folder.iterdir()), made.folder]:
                _remove(group)


def _make(root: Path) -> Groups:
    """The groups, with a folder if the machine has the controller of the CPU and this process may use it."""
    name = f"drs-job-log-{secrets.token_hex(4)}"
    with contextlib.suppress(OSError):
        if (root / "cpu").is_dir():
            (root / "cpu" / name).mkdir()
            return Groups(root / "cpu" / name, "1")
        if "cpu" in (root / "cgroup.controllers").read_text().split():
            (root / "cgroup.subtree_control").write_text("+cpu")
            (root / name).mkdir()
            (root / name / "cgroup.subtree_control").write_text("+cpu")
            return Groups(root / name, "2")
    return Groups()


def _remove(group: Path) -> None:
    """Remove a group. The kernel needs some time after the last process has ended."""
    for _ in range(50):
        try:
            return group.rmdir()
        except OSError:
            time.sleep(0.1)
    return group.rmdir()
