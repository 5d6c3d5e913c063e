#!/usr/bin/env python3
"""Verify the report of an execution: compare each file of its folder with the SHA-256 value in summary.json.

Usage: verify_evidence.py FOLDER [--summary-sha256 HEX] [--previous FILE]

FOLDER is a copy of the folder of an execution in the bucket of evidence. summary.json cannot contain its own SHA-256
value, which is in the events table of the module: compare it with --summary-sha256. For a revision after the first one,
--previous is summary.json of the revision before. Prints a line for each file. The exit status is 0 if all are as they
were written, 1 if a file is changed, missing or unknown, and 2 if the folder cannot be read.

Needs Python 3.11 or later, and nothing else.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import sys
import zlib
from pathlib import Path
from typing import Any, NamedTuple

SUMMARY = "summary.json"
LOG = "log.ndjson.gz"


class Finding(NamedTuple):
    """What was found about a file. ``problem`` is None if the file is as it was written."""

    name: str
    problem: str | None


def main(arguments: list[str] | None = None) -> int:
    """Verify a folder. Return the exit status."""
    parser = argparse.ArgumentParser(description="Verify the report of an execution.")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="copy of the folder of an execution")
    parser.add_argument("--summary-sha256", metavar="HEX", help="SHA-256 value of summary.json in the events table")
    parser.add_argument("--previous", type=Path, metavar="FILE", help="summary.json of the revision before")
    options = parser.parse_args(arguments)
    try:
        findings = verify(options.folder, options.summary_sha256, options.previous)
        digest = sha256_of(options.folder / SUMMARY)
    except OSError as error:
        print(f"cannot read {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    for name, problem in findings:
        print(f"{'FAILED' if problem else 'ok':6}  {name}{f': {problem}' if problem else ''}")
    print(f"\nSHA-256 of {SUMMARY}: {digest}")
    if not options.summary_sha256:
        print("Compare it with the events table, or repeat the command with --summary-sha256.")
    return 1 if any(problem for _, problem in findings) else 0


def verify(folder: Path, summary_sha256: str | None = None, previous: Path | None = None) -> list[Finding]:
    """Return a finding for each file of a folder, and for each file that is missing.

    Raises
    ------
    OSError
        If the folder, summary.json or the previous summary cannot be read.
    """
    text = (folder / SUMMARY).read_bytes()
    try:
        summary = json.loads(text)
        files: dict[str, Any] = dict(summary["files"])
        expected = {name: (str(file["sha256"]), int(file["bytes"])) for name, file in files.items()}
        event_count, supersedes = int(summary["eventCount"]), summary["supersedes"]
    except (ValueError, KeyError, TypeError) as error:
        return [Finding(SUMMARY, f"it is not a summary of a report: {error!r}")]
    findings = [Finding(SUMMARY, problem_of_summary(text, summary_sha256, supersedes, previous))]
    for name, (sha256, size) in sorted(expected.items()):
        findings.append(Finding(name, problem_of_file(folder / name, sha256, size)))
    if LOG in expected and (problem := problem_of_log(folder / LOG, event_count)):
        findings.append(Finding(LOG, problem))
    unknown = {path.name for path in folder.iterdir()} - expected.keys() - {SUMMARY}
    return findings + [Finding(name, "it is not a file of the report") for name in sorted(unknown)]


def problem_of_summary(text: bytes, expected: str | None, supersedes: str | None, previous: Path | None) -> str | None:
    """Return the problem of summary.json, or None."""
    if expected and hashlib.sha256(text).hexdigest() != expected.strip().lower():
        return "its SHA-256 value is another one"
    if previous is not None and sha256_of(previous) != supersedes:
        return f"it does not replace {previous}, but the summary with the SHA-256 value {supersedes}"
    return None


def problem_of_file(path: Path, sha256: str, size: int) -> str | None:
    """Return the problem of a file, or None."""
    if not path.is_file():
        return "it is missing"
    if path.stat().st_size != size:
        return f"it has {path.stat().st_size} bytes instead of {size}"
    return None if sha256_of(path) == sha256 else "its SHA-256 value is another one"


def problem_of_log(path: Path, event_count: int) -> str | None:
    """Return the problem of the content of the log, or None. Nothing, if the file is missing."""
    if not path.is_file():
        return None
    try:
        with gzip.open(path) as file:
            count = sum(1 for _ in file)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        return f"it cannot be decompressed: {error}"
    return None if count == event_count else f"it has {count} events instead of {event_count}"


def sha256_of(path: Path) -> str:
    """Return the SHA-256 value of a file as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    sys.exit(main())
