"""The script that verifies a downloaded report, on a folder that the function wrote."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import tempfile
import tracemalloc
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from tests.support import tables
from tests.support.evidence import FILES, load_script, run_script
from tests.unit.conftest import TABLE, JobLogTable
from tests.unit.evidence.test_writer import EXECUTION, NOW, ONE, STARTED, TWO, Store, launched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

verify_evidence = load_script()


@pytest.fixture(scope="module")
def revisions() -> list[dict[str, bytes]]:
    """The files of the three revisions of a report, as the function writes them."""
    found = []
    with mock_aws():
        dynamodb = boto3.client("dynamodb")
        tables.create_events(dynamodb, TABLE)
        store = Store(dynamodb, JobLogTable(dynamodb, TABLE))
        for number in range(3):
            created = STARTED + timedelta(minutes=30 * number)
            store.happen(launched(ONE, TWO, job_id=f"drsjob-{number}", created=created, failing={TWO: "no capacity"}))
            assert store.writer().write(EXECUTION, NOW) == "WRITTEN"
            found.append({name: store.read(name) for name in FILES})
    return found


@pytest.fixture
def files(revisions: list[dict[str, bytes]]) -> dict[str, bytes]:
    """The files of the first revision."""
    return dict(revisions[0])


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextlib.contextmanager
def folder_of(files: Mapping[str, bytes]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        yield Path(folder)


def verify(files: Mapping[str, bytes], *options: object) -> tuple[int, str]:
    """Return the exit status and the output for a folder with these files."""
    output = io.StringIO()
    with folder_of(files) as folder, contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        return verify_evidence.main([str(folder), *map(str, options)]), output.getvalue()


def failures(output: str) -> list[str]:
    """Return the subjects of the failed checks."""
    return [line.split()[1] for line in output.splitlines() if line.startswith("  FAILED")]


def changed_summary(files: Mapping[str, bytes], /, **changes: Any) -> dict[str, bytes]:
    return {**files, "summary.json": json.dumps(json.loads(files["summary.json"]) | changes).encode()}


def with_file(files: Mapping[str, bytes], name: str, content: bytes) -> dict[str, bytes]:
    """Return the files with another content of one of them, and a summary that agrees with it."""
    stated = json.loads(files["summary.json"])["files"] | {name: {"sha256": sha256(content), "bytes": len(content)}}
    return changed_summary({**files, name: content}, files=stated)


def test_a_report_of_the_function_verifies(revisions: list[dict[str, bytes]]) -> None:
    for number, files in enumerate(revisions, 1):
        with folder_of(files) as folder:
            result = run_script(folder, "--summary-sha256", sha256(files["summary.json"]).upper())

        assert (result.returncode, failures(result.stdout)) == (0, []), result.stdout
        for name in FILES:
            assert f"  ok      {name}" in result.stdout
        assert f"'exec-1', revision {number}, status 'PARTIAL'" in result.stdout
        assert f"{json.loads(files['summary.json'])['eventCount']} lines" in result.stdout


def test_without_a_digest_the_output_has_it_for_a_comparison(files: dict[str, bytes]) -> None:
    status, output = verify(files)

    assert status == 0
    assert f"SHA-256 {sha256(files['summary.json'])}, not compared" in output


@given(data=st.data(), name=st.sampled_from(FILES), kind=st.sampled_from(["changed", "removed", "added"]))
def test_each_changed_removed_and_added_byte_is_found(
    revisions: list[dict[str, bytes]], data: st.DataObject, name: str, kind: str
) -> None:
    files = revisions[0]
    content = files[name]
    at = data.draw(st.integers(0, len(content) - (kind != "added")))
    match kind:
        case "changed":
            new = content[:at] + bytes([content[at] ^ data.draw(st.integers(1, 255))]) + content[at + 1 :]
        case "removed":
            new = content[:at] + content[at + 1 :]
        case _:
            new = content[:at] + bytes([data.draw(st.integers(0, 255))]) + content[at:]

    status, output = verify({**files, name: new}, "--summary-sha256", sha256(files["summary.json"]))

    assert status == 1
    # A changed summary.json can also state another digest of a file.
    assert name in failures(output)
    assert name == "summary.json" or failures(output) == [name]


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_found(files: dict[str, bytes], name: str) -> None:
    del files[name]

    status, output = verify(files)

    assert (status, failures(output)) == (1, [name])
    assert "missing" in output


def test_swapped_files_are_found(files: dict[str, bytes]) -> None:
    one, two = "log.ndjson.gz", "servers.ndjson.gz"

    status, output = verify({**files, one: files[two], two: files[one]})

    assert (status, sorted(failures(output))) == (1, [one, two])


@pytest.mark.parametrize("name", ["log (1).ndjson.gz", ".hidden", "\x1b[2J"])
def test_a_further_file_is_found(files: dict[str, bytes], name: str) -> None:
    status, output = verify({**files, name: b""})

    assert status == 1
    assert "summary.json does not name this file" in output
    assert "\x1b" not in output


@pytest.mark.parametrize("name", FILES[:3])
@pytest.mark.parametrize("wrong", [{"bytes": 1}, {"sha256": "0" * 64}])
def test_the_size_and_the_digest_are_compared(files: dict[str, bytes], name: str, wrong: dict[str, Any]) -> None:
    stated = json.loads(files["summary.json"])["files"]

    status, output = verify(changed_summary(files, files=stated | {name: stated[name] | wrong}))

    assert (status, failures(output)) == (1, [name])


def test_files_of_another_revision_are_found(revisions: list[dict[str, bytes]]) -> None:
    status, output = verify({**revisions[1], "report.html": revisions[0]["report.html"]})

    assert (status, failures(output)) == (1, ["report.html"])


def test_a_summary_that_was_changed_with_its_files_needs_the_digest(files: dict[str, bytes]) -> None:
    forged = with_file(files, "report.html", files["report.html"].replace(b"PARTIAL", b"COMPLETED"))

    assert verify(forged)[0] == 0
    status, output = verify(forged, "--summary-sha256", sha256(files["summary.json"]))
    assert (status, failures(output)) == (1, ["summary.json"])


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines[:-1],
        lambda lines: [*lines, lines[-1]],
        lambda lines: [*lines, b"{}"],  # without a line feed
    ],
)
def test_the_number_of_events_is_compared(
    files: dict[str, bytes], change: Callable[[list[bytes]], list[bytes]]
) -> None:
    lines = gzip.decompress(files["log.ndjson.gz"]).splitlines(keepends=True)

    status, output = verify(with_file(files, "log.ndjson.gz", gzip.compress(b"".join(change(lines)))))

    assert (status, failures(output)) == (1, ["log.ndjson.gz"])
    assert f"but eventCount is {len(lines)}" in output


@pytest.mark.parametrize("name", ["log.ndjson.gz", "servers.ndjson.gz"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-9],
        lambda content: b"plain" + content,
        lambda content: content[:30] + b"\0" * 9 + content[39:],
    ],
)
def test_files_that_cannot_be_decompressed_are_found(
    files: dict[str, bytes], name: str, damage: Callable[[bytes], bytes]
) -> None:
    status, output = verify(with_file(files, name, damage(files[name])))

    assert (status, failures(output)) == (1, [name])
    assert "cannot be decompressed" in output


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b"[" * 100_000, b"\xff"],
)
def test_a_summary_of_another_shape_is_found(files: dict[str, bytes], content: bytes) -> None:
    status, output = verify({**files, "summary.json": content})

    assert (status, failures(output)) == (1, ["summary.json"])


@pytest.mark.parametrize(
    "changes",
    [
        {"version": "2.0"},
        {"files": {}},
        {"files": {"report.html": {"sha256": "", "bytes": 0}}},
        {"supersedes": "0" * 64},
        {"revision": 2},
        {"eventCount": "1"},
    ],
)
def test_a_summary_with_other_values_is_found(files: dict[str, bytes], changes: dict[str, Any]) -> None:
    status, output = verify(changed_summary(files, **changes))

    assert (status, failures(output)) == (1, ["summary.json"])


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "summary.json", "a/b", ".."])
def test_a_summary_cannot_name_a_file_outside_the_folder(files: dict[str, bytes], name: str) -> None:
    stated = json.loads(files["summary.json"])["files"] | {name: {"sha256": "0" * 64, "bytes": 0}}

    status, output = verify(changed_summary(files, files=stated))

    assert (status, failures(output)) == (1, ["summary.json"])


@pytest.mark.parametrize("name", FILES)
def test_a_link_is_not_a_file_of_the_report(files: dict[str, bytes], name: str, tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(files[name])
    with folder_of(files) as folder:
        (folder / name).unlink()
        (folder / name).symlink_to(tmp_path / "target")

        result = run_script(folder)

    assert (result.returncode, failures(result.stdout)) == (1, [name])


def test_earlier_revisions_are_followed_in_any_order(revisions: list[dict[str, bytes]], tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.json" for number in (1, 2, 3)]
    for path, files in zip(paths, revisions, strict=True):
        path.write_bytes(files["summary.json"])
    one, two, three = paths

    def previous(files: Mapping[str, bytes], *given: Path) -> tuple[int, str]:
        return verify(files, *(option for path in given for option in ("--previous", path)))

    status, output = previous(revisions[2], one, two)
    assert (status, "superseded by revision 2" in output, "superseded by revision 3" in output) == (0, True, True)
    assert "see --previous" not in output
    status, output = previous(revisions[2], two)
    assert (status, "revision 2 supersedes" in output) == (0, True)
    assert "see --previous" in previous(revisions[2])[1]
    for files, given_paths in (
        (revisions[2], [one]),  # without the one between
        (revisions[2], [one, two, three]),
        (revisions[0], [two]),
    ):
        status, output = previous(files, *given_paths)
        assert (status, "no revision supersedes this file" in output) == (1, True)
    two.write_bytes(revisions[1]["summary.json"].replace(b"PARTIAL", b"FAILED!"))
    assert previous(revisions[2], one, two)[0] == 1


def test_a_revision_of_another_execution_is_found(revisions: list[dict[str, bytes]], tmp_path: Path) -> None:
    other = changed_summary(revisions[0], id="exec-2")["summary.json"]
    (tmp_path / "other.json").write_bytes(other)

    status, output = verify(
        changed_summary(revisions[1], supersedes=sha256(other)), "--previous", tmp_path / "other.json"
    )

    assert (status, "another execution or revision" in output) == (1, True)


def test_several_folders_have_one_exit_status(revisions: list[dict[str, bytes]]) -> None:
    with folder_of(revisions[0]) as good, folder_of({**revisions[1], "report.html": b""}) as bad:
        assert run_script(good, good).returncode == 0
        result = run_script(good, bad)
        assert (result.returncode, failures(result.stdout)) == (1, ["report.html"])
        assert run_script(good, bad / "nothing").returncode == 2
        assert run_script(good, good, "--summary-sha256", "0" * 64).returncode == 2


@pytest.mark.parametrize(
    "arguments",
    [[], ["--unknown", "."], [".", "--summary-sha256", "abc"], ["missing"], [__file__], [".", "--previous"]],
)
def test_a_wrong_call_is_no_failed_check(arguments: list[str]) -> None:
    result = run_script(*arguments)

    assert result.returncode == 2
    assert "Traceback" not in result.stdout


def test_memory_does_not_depend_on_the_size(files: dict[str, bytes]) -> None:
    """A line of 64 MB without a line feed, which a reader of lines would hold."""
    large = with_file(files, "log.ndjson.gz", gzip.compress(b"x" * 2**26, 1))
    tracemalloc.start()
    try:
        status, output = verify(large)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (status, "1 lines" in output) == (1, True)
    assert peak < 2**24
