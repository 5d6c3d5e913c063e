from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks import quota

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Uses more CPU time than a quota of 128 MB allows in a period, then waits for the end of the input.
BUSY = "import sys; sum(range(5_000_000)); print(flush=True); sys.stdin.read()"


@pytest.fixture(params=["1", "2"])
def version(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A version of cgroup, with a folder as its root. As the kernel, rmdir also removes the files of a group."""
    if request.param == "1":
        (tmp_path / "cpu").mkdir()
    else:
        (tmp_path / "cgroup.controllers").write_text("cpuset cpu io\n")
    monkeypatch.setattr(Path, "rmdir", shutil.rmtree)
    return str(request.param)


def run(environment: Mapping[str, str]) -> int:
    """Run a process that does nothing, and return its ID."""
    process = subprocess.Popen([sys.executable, "-c", "pass"], env={**environment})
    assert process.wait() == 0
    return process.pid


def test_a_function_joins_a_group_with_the_quota_of_its_memory(version: str, tmp_path: Path) -> None:
    with quota.groups(tmp_path) as groups:
        pid = run(groups.environment({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256"}))

        assert groups.folder
        files = {file.name: file.read_text() for file in (groups.folder / f"{pid}").iterdir()}
        limits = {
            "1": {"cpu.cfs_period_us": "20000", "cpu.cfs_quota_us": "2894"},
            "2": {"cpu.max": "2894 20000"},
        }
        assert files == limits[version] | {"cgroup.procs": str(pid)}
        assert groups.contains(pid)
        assert groups.method == f"CPU quota of cgroup v{version}"


@pytest.mark.usefixtures("version")
def test_a_process_that_is_no_function_joins_no_group(tmp_path: Path) -> None:
    with quota.groups(tmp_path) as groups:
        assert not groups.contains(run(groups.environment({})))


def test_the_quota_of_a_process_can_change(version: str, tmp_path: Path) -> None:
    with quota.groups(tmp_path) as groups:
        pid = run(groups.environment({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256"}))
        groups.limit(pid, 3538)

        assert groups.folder
        file = {"1": "cpu.cfs_quota_us", "2": "cpu.max"}[version]
        assert (groups.folder / f"{pid}" / file).read_text().split()[0] == "40000"


@pytest.mark.usefixtures("version")
def test_the_groups_are_removed_after_a_failure(tmp_path: Path) -> None:
    def fail() -> None:
        with quota.groups(tmp_path) as groups:
            run(groups.environment({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256"}))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    assert not list(tmp_path.rglob("drs-job-log-*"))


def test_the_other_controllers_are_no_reason_for_a_quota(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpuset io\n")

    with quota.groups(tmp_path) as groups:
        assert groups == quota.Groups()


def test_without_cgroups_a_process_has_a_full_core(tmp_path: Path) -> None:
    with quota.groups(tmp_path) as groups:
        pid = run(groups.environment({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256"}))
        groups.limit(pid, 512)

        assert not groups.contains(pid)
        assert groups.method == "CPU time divided by the share"


@pytest.fixture
def real() -> Iterator[quota.Groups]:
    """The groups of this machine."""
    with quota.groups() as groups:
        if not groups.folder:
            pytest.skip("this machine allows no CPU quota")
        yield groups


def test_the_kernel_throttles_a_function(real: quota.Groups) -> None:
    environment = real.environment({**os.environ, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128"})
    with subprocess.Popen(
        [sys.executable, "-c", BUSY], env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdout.readline()
        assert real.contains(process.pid)
        assert real.throttled(process.pid) > 0
        process.stdin.close()


def test_the_share_is_one_core_at_most() -> None:
    assert quota.share(1769) == quota.share(3538) == 1
    assert quota.share(256) == pytest.approx(0.1447, abs=1e-4)
