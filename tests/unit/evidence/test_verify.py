"""The script that verifies the folder of a report: any change of a file is found."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import boto3
import pytest
from drs_job_log.evidence.records import Records
from drs_job_log.table import JobLogTable
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from tests.support import tables
from tests.support.terraform import ROOT
from tests.unit.conftest import TABLE
from tests.unit.evidence.conftest import EXECUTION, FILES, NOW, ONE, STARTED, TWO, Store, launched

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT: Final = ROOT / "examples/verify_evidence.py"
_spec = importlib.util.spec_from_file_location("verify_evidence", SCRIPT)
assert _spec
assert _spec.loader
script: Any = importlib.util.module_from_spec(_spec)
sys.modules["verify_evidence"] = script
_spec.loader.exec_module(script)


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    """Two revisions of a report: their files by name, and the SHA-256 values of their summaries in the events table."""
    with mock_aws():
        dynamodb = boto3.client("dynamodb")
        tables.create_events(dynamodb, TABLE)
        store, found = Store(dynamodb, JobLogTable(dynamodb, TABLE)), {}
        for revision, (server, job) in enumerate([(ONE, "drsjob-1"), (TWO, "drsjob-2")], 1):
            store.happen(launched(server, job_id=job, created=STARTED))
            store.writer().write(EXECUTION, NOW)
            record = Records(dynamodb, TABLE).newest("exec-1")
            assert record is not None
            found[f"files {revision}"] = {name: store.read(name) for name in FILES}
            found[f"sha256 {revision}"] = record.files["summary.json"]["sha256"]
        return found


@pytest.fixture
def folder(written: dict[str, Any], tmp_path: Path) -> Path:
    """The folder of the first revision."""
    return save(written["files 1"], tmp_path / "exec-1")


def save(files: dict[str, bytes], folder: Path) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def problems(folder: Path, *arguments: Any) -> dict[str, str]:
    return {name: problem for name, problem in script.verify(folder, *arguments) if problem}


def test_the_written_folder_verifies(folder: Path, written: dict[str, Any]) -> None:
    findings = script.verify(folder, written["sha256 1"])

    assert sorted(findings) == sorted((name, None) for name in FILES)


@given(data=st.data())
def test_any_changed_byte_is_found(
    written: dict[str, Any], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    files = dict(written["files 1"])
    name = data.draw(st.sampled_from(FILES))
    place = data.draw(st.integers(0, len(files[name]) - 1))
    change = data.draw(st.sampled_from(["changed", "removed", "added"]))
    content = bytearray(files[name])
    match change:
        case "changed":
            content[place] ^= data.draw(st.integers(1, 255))
        case "removed":
            del content[place]
        case "added":
            content.insert(place, data.draw(st.integers(0, 255)))
    folder = save(files | {name: bytes(content)}, tmp_path_factory.mktemp("evidence") / "exec-1")

    assert name in problems(folder, written["sha256 1"])


@pytest.mark.parametrize("name", [name for name in FILES if name != "summary.json"])
def test_a_missing_file_is_found(folder: Path, name: str) -> None:
    (folder / name).unlink()

    assert problems(folder) == {name: "it is missing"}


def test_exchanged_files_are_found(folder: Path, written: dict[str, Any]) -> None:
    (folder / "servers.ndjson.gz").write_bytes(written["files 1"]["log.ndjson.gz"])
    (folder / "log.ndjson.gz").write_bytes(written["files 2"]["log.ndjson.gz"])

    assert problems(folder).keys() == {"servers.ndjson.gz", "log.ndjson.gz"}


def test_an_additional_file_is_found(folder: Path) -> None:
    (folder / "report.pdf").write_text("not of the module")

    assert problems(folder) == {"report.pdf": "it is not a file of the report"}


def test_a_log_with_fewer_events_than_the_summary_states_is_found(folder: Path) -> None:
    """A writer of false evidence can compute new SHA-256 values, but must then change the number of events too."""
    summary = json.loads((folder / "summary.json").read_text())
    summary["eventCount"] += 1
    (folder / "summary.json").write_text(json.dumps(summary))

    count = summary["eventCount"]
    assert problems(folder) == {"log.ndjson.gz": f"it has {count - 1} events instead of {count}"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": {"report.html": 1}}'])
def test_a_summary_that_is_none_is_found(folder: Path, text: str) -> None:
    (folder / "summary.json").write_text(text)

    assert problems(folder).keys() == {"summary.json"}


def test_a_revision_names_the_one_before(written: dict[str, Any], folder: Path, tmp_path: Path) -> None:
    second = save(written["files 2"], tmp_path / "exec-1-second")

    assert problems(second, written["sha256 2"], folder / "summary.json") == {}
    assert "does not replace" in problems(second, None, second / "summary.json")["summary.json"]
    assert problems(second, written["sha256 1"]) == {"summary.json": "its SHA-256 value is another one"}


def test_the_command_prints_each_file_and_its_exit_status_tells_the_result(
    folder: Path, written: dict[str, Any]
) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, check=False)

    good = run(str(folder))
    (folder / "report.html").write_bytes(b" " + written["files 1"]["report.html"][1:])
    bad, missing, usage = run(str(folder), "--summary-sha256", written["sha256 1"]), run(f"{folder}-none"), run()

    assert [one.returncode for one in (good, bad, missing, usage)] == [0, 1, 2, 2]
    assert [line.split() for line in good.stdout.splitlines()[:4]] == [
        ["ok", name] for name in sorted(FILES, key=lambda name: (name != "summary.json", name))
    ]
    assert written["sha256 1"] in good.stdout
    assert "FAILED  report.html: its SHA-256 value is another one" in bad.stdout
    assert "cannot read" in missing.stderr
