"""Verifies the reports of executions that the module wrote: that no file was changed, removed or added.

    python3 verify_evidence.py FOLDER
    python3 verify_evidence.py FOLDER --summary-sha256 HEX
    python3 verify_evidence.py FOLDER --previous summary-1.json --previous summary-2.json

It needs Python 3.11 or later and nothing else. It reads only these files and sends nothing. FOLDER has report.html,
servers.ndjson.gz, log.ndjson.gz and summary.json of one execution, for example as `aws s3 sync` downloads it.

summary.json states the SHA-256 and the size of the other files. Nothing in the folder states its own SHA-256: somebody
who changes all files can make a summary.json that agrees with them. Compare its SHA-256, which the script prints, with
the one in the events table. The table keeps it for ``evidence.retention_days`` after the report was written:

    aws dynamodb query --table-name NAME-events --key-condition-expression 'JobId = :id' \
      --expression-attribute-values '{":id": {"S": "evidence#EXECUTION"}}' \
      --query 'Items[].[EventKey.S, Files.M."summary.json".M.sha256.S]' --output text

A later revision states the SHA-256 of the summary.json that it supersedes. ``--previous`` checks this, for one or more
earlier versions of summary.json in any order.

The exit status is 0 if everything agrees, 1 if a check failed, and 2 for a wrong call or a file that cannot be read.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import re
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

SUMMARY: Final = "summary.json"
LOG: Final = "log.ndjson.gz"
FILES: Final = ("report.html", "servers.ndjson.gz", LOG)

# The format that the script knows. A new key does not change it.
_MAJOR_VERSION: Final = "1"

_BLOCK_BYTES: Final = 1024 * 1024
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known about one subject, mostly a file. All texts are ASCII, so that a terminal shows what is there.

    Attributes
    ----------
    subject
        The name of the file.
    text
        What agrees, or what is wrong.
    is_ok
        Whether the check passed.
    """

    subject: str
    text: str
    is_ok: bool = True


class CheckError(Exception):
    """A file is not what it must be. The text says why."""


def verify(folder: Path, *, sha256: str | None = None, previous: Sequence[Path] = ()) -> Iterator[Finding]:
    """Yield one finding for each file of a folder, each unexpected file, and each previous version.

    ``sha256``: the digest that summary.json must have, as 64 lower-case hexadecimal digits. ``previous``: earlier
    versions of summary.json.

    Raises
    ------
    OSError
        If the folder or a file cannot be read.
    """
    present = {path.name: path for path in sorted(folder.iterdir())}
    try:
        path = _require_file(present.get(SUMMARY))
        yield _digest_finding(sha256_of(path), sha256)
        summary = read_summary(path)
    except CheckError as error:
        yield Finding(SUMMARY, str(error), is_ok=False)
        return
    yield Finding(SUMMARY, f"{summary['id']!a}, revision {summary['revision']}, status {summary['status']!a}")
    for name, stated in summary["files"].items():
        try:
            yield Finding(name, _check(present.get(name), stated, summary["eventCount"]))
        except CheckError as error:
            yield Finding(name, str(error), is_ok=False)
    for name in present:
        if name != SUMMARY and name not in summary["files"]:
            yield Finding(ascii(name), "summary.json does not name this file", is_ok=False)
    yield from _chain(summary, previous)


def read_summary(path: Path) -> dict[str, Any]:
    """Return a summary.json whose keys that the script uses have the documented types.

    Raises
    ------
    CheckError
        If it has another shape.
    OSError
        If the file cannot be read.
    """
    try:
        summary = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise CheckError("not valid JSON") from error
    match summary:
        case {
            "version": str() as version,
            "id": str(),
            "status": str(),
            "revision": int(),
            "eventCount": int(),
            "files": dict() as files,
            "supersedes": str() | None,
        }:
            pass
        case _:
            raise CheckError("not a summary of the module")
    if version.partition(".")[0] != _MAJOR_VERSION:
        raise CheckError(f"has the version {version!a}, which this script does not know")
    if (summary["revision"] == 1) != (summary["supersedes"] is None):
        raise CheckError("a revision supersedes another one, except the first")
    if unknown := [name for name, stated in files.items() if not _is_entry(name, stated)]:
        raise CheckError(f"does not state the SHA-256 and the size of {unknown[0]!a}")
    if missing := [name for name in FILES if name not in files]:
        raise CheckError(f"does not name {missing[0]}")
    return dict(summary)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits. It reads a block at a time."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def count_lines(path: Path) -> int:
    """Return the number of lines of a compressed file. It reads a block at a time.

    Raises
    ------
    gzip.BadGzipFile, EOFError, zlib.error
        If the file cannot be decompressed.
    """
    count, last = 0, b"\n"
    with gzip.open(path) as file:
        while block := file.read(_BLOCK_BYTES):
            count, last = count + block.count(b"\n"), block[-1:]
    return count + (last != b"\n")


def _is_entry(name: str, stated: object) -> bool:
    """Whether an entry of ``files`` names a file in the folder itself, and states its digest and its size."""
    match stated:
        case {"sha256": str() as sha256, "bytes": int()}:
            return bool(_NAME.fullmatch(name) and _SHA256.fullmatch(sha256))
    return False


def _digest_finding(actual: str, given: str | None) -> Finding:
    if given is None:
        return Finding(SUMMARY, f"SHA-256 {actual}, not compared (see --summary-sha256)")
    if given == actual:
        return Finding(SUMMARY, f"SHA-256 {actual}, as given")
    return Finding(SUMMARY, f"SHA-256 {actual} instead of {given}", is_ok=False)


def _require_file(path: Path | None) -> Path:
    """Return the path of a file. A link could name a file outside the folder."""
    if path is None:
        raise CheckError("missing")
    if path.is_symlink() or not path.is_file():
        raise CheckError("not a regular file")
    return path


def _check(path: Path | None, stated: Mapping[str, Any], event_count: int) -> str:
    """Compare a file with what summary.json states about it. Return what agrees. Raises CheckError."""
    path = _require_file(path)
    size = path.stat().st_size
    if size != stated["bytes"]:
        raise CheckError(f"{size} bytes instead of {stated['bytes']}")
    if (actual := sha256_of(path)) != stated["sha256"]:
        raise CheckError(f"SHA-256 {actual} instead of {stated['sha256']}")
    if path.suffix != ".gz":
        return f"{size} bytes"
    try:
        lines = count_lines(path)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise CheckError(f"cannot be decompressed: {str(error)!a}") from error
    if path.name == LOG and lines != event_count:
        raise CheckError(f"{lines} lines, but eventCount is {event_count}")
    return f"{size} bytes, {lines} lines"


def _chain(summary: Mapping[str, Any], previous: Sequence[Path]) -> Iterator[Finding]:
    """Follow ``supersedes`` from a summary through the previous ones. Yield a finding for each, newest first."""
    left = {sha256_of(path): path for path in previous}
    newer = summary
    while newer["supersedes"] in left:
        path = left.pop(newer["supersedes"])
        try:
            older = read_summary(path)
        except CheckError as error:
            yield Finding(ascii(str(path)), str(error), is_ok=False)
            return
        is_next = (older["id"], older["revision"]) == (newer["id"], newer["revision"] - 1)
        text = f"revision {older['revision']}, superseded by revision {newer['revision']}"
        yield Finding(ascii(str(path)), text if is_next else f"another execution or revision: {text}", is_ok=is_next)
        newer = older
    for path in left.values():
        yield Finding(ascii(str(path)), "no revision supersedes this file", is_ok=False)
    if newer["supersedes"]:
        text = f"revision {newer['revision']} supersedes {newer['supersedes']!a}. Not compared (see --previous)"
        yield Finding(SUMMARY, text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify the folders of the command line. Return the exit status."""
    parser = argparse.ArgumentParser(description="Verify the reports of executions.", allow_abbrev=False)
    parser.add_argument("folders", metavar="FOLDER", nargs="+", type=Path, help="the folder of an execution")
    parser.add_argument("--summary-sha256", metavar="HEX", type=_digest, help="the SHA-256 that summary.json must have")
    parser.add_argument(
        "--previous", metavar="FILE", type=Path, action="append", default=[], help="an earlier version of summary.json"
    )
    options = parser.parse_args(arguments)
    if len(options.folders) > 1 and (options.summary_sha256 or options.previous):
        parser.error("--summary-sha256 and --previous need exactly one FOLDER")
    statuses = [
        _print(folder, verify(folder, sha256=options.summary_sha256, previous=options.previous))
        for folder in options.folders
    ]
    return max(statuses)


def _print(folder: Path, findings: Iterable[Finding]) -> int:
    """Print the findings of a folder. Return its exit status."""
    print(ascii(str(folder))[1:-1])
    failed = 0
    try:
        for finding in findings:
            failed += not finding.is_ok
            print(f"  {'ok    ' if finding.is_ok else 'FAILED'}  {finding.subject:17}  {finding.text}", flush=True)
    except OSError as error:
        print(f"  Not verified: {str(error)!a}", file=sys.stderr)
        return 2
    print(f"  Failed checks: {failed}" if failed else "  Verified: the files are as summary.json states")
    return 1 if failed else 0


def _digest(text: str) -> str:
    digest = text.strip().lower()
    if not _SHA256.fullmatch(digest):
        raise argparse.ArgumentTypeError("not 64 hexadecimal digits")
    return digest


if __name__ == "__main__":
    sys.exit(main())
