"""Writes the report of an execution: reads its events once, writes its files, and refers to them in the table."""

from __future__ import annotations

import gzip
import io
import json
import re
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote

from drs_job_log.evidence.bucket import digest_of
from drs_job_log.evidence.content import Recovery, recovery_summary, server_lines
from drs_job_log.evidence.report import report
from drs_job_log.evidence.tables import event_row, table_row
from drs_job_log.evidence_records import Record
from drs_job_log.link.status import Status, TableAnswer, ask, status_of
from drs_job_log.model.digest import digest
from drs_job_log.model.progress import combine, job_state_of
from drs_job_log.table import event_of, stored_facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from drs_job_log.config import EvidenceSettings
    from drs_job_log.evidence.bucket import Bucket
    from drs_job_log.evidence_records import Records
    from drs_job_log.link.executions_table import ExecutionsTable
    from drs_job_log.model.events import JobLogEvent
    from drs_job_log.table import JobLogTable

Result = Literal["WRITTEN", "UNCHANGED"]

REPORT, SERVERS, LOG, SUMMARY = "report.html", "servers.ndjson.gz", "log.ndjson.gz", "summary.json"

# The keys of summary.json that do not depend on the facts. The report follows from the others.
_REVISION_KEYS: Final = frozenset({"revision", "supersedes"})

# A key of S3 has at most 1,024 bytes. A longer name of a folder is shortened and gets a digest.
_MAX_NAME: Final = 200

_HIDDEN: Final = re.compile("^[_.]")


class NotSettledError(Exception):
    """The execution has not settled, or has no events. A later event reports its end."""


class UnknownStatusError(Exception):
    """The executions table cannot be read, so that the execution may continue. A retry is safe."""


@dataclass(frozen=True, slots=True)
class Subject:
    """An execution, or a job without one. One of the two is set."""

    execution_id: str | None = None
    job_id: str | None = None

    @property
    def id(self) -> str:
        """The ID of the execution or of the job."""
        return self.execution_id or self.job_id or ""


class ReportWriter:
    """Writes reports. It needs space for the files of one report in the temporary folder."""

    def __init__(
        self,
        *,
        table: JobLogTable,
        executions_table: ExecutionsTable | None,
        bucket: Bucket,
        records: Records,
        settings: EvidenceSettings,
    ) -> None:
        self._table = table
        self._executions_table = executions_table
        self._bucket = bucket
        self._records = records
        self._settings = settings

    def write(self, subject: Subject, now: datetime) -> Result:
        """Write the report of an execution, or a new revision of it if its facts changed.

        Raises
        ------
        NotSettledError
            If the execution has not settled, or has no events.
        UnknownStatusError
            If the executions table cannot be read. A retry is safe.
        ConflictError
            If another invocation writes the report at the same time. A retry is safe.
        UnversionedBucketError
            If the bucket has no versioning. Nothing is written.
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError
            If DynamoDB or S3 cannot be reached or refuses a request. A retry is safe.
        """
        with TemporaryFile() as log, TemporaryFile() as servers, TemporaryFile() as page:
            recovery = self._read(subject, log, now)
            _write_lines(servers, server_lines(recovery))
            summary = recovery_summary(
                recovery, now, rto_minutes=self._settings.rto_minutes, rpo_minutes=self._settings.rpo_minutes
            )
            record = self._records.newest(recovery.id)
            folder = self._folder(recovery, record)
            files = {SERVERS: digest_of(servers).entry, LOG: digest_of(log).entry}
            known = self._bucket.read(folder + SUMMARY)
            if known and not _is_newer({**summary, "files": files}, json.loads(known)):
                self._put_record(recovery.id, folder, known, now)
                return "UNCHANGED"
            self._bucket.check_versioning()
            summary |= _revision(known, record)
            _write_text(page, report(summary, read_lines(servers), read_lines(log)))
            summary["files"] = {REPORT: digest_of(page).entry, **files}
            text = _line(summary)
            # The summary is the last file. Without it, a retry writes the others again, unless they have the content.
            for name, file in ((LOG, log), (SERVERS, servers), (REPORT, page)):
                self._bucket.write(folder + name, file, now, is_locked=True)
            if self._settings.has_tables:
                self._write_tables(folder, summary, servers, log, now)
            self._bucket.write(folder + SUMMARY, io.BytesIO(text), now, is_locked=True)
            self._put_record(recovery.id, folder, text, now)
            return "WRITTEN"

    def _read(self, subject: Subject, log: IO[bytes], now: datetime) -> Recovery:
        """Read the events once: write them to ``log``, and return what they state."""
        by_job: dict[str, list[JobLogEvent]] = {}
        details: dict[str, Any] = {}
        last: datetime | None = None
        count = 0

        def lines() -> Iterator[Mapping[str, Any]]:
            nonlocal count, last
            for item in self._table.items_of(subject.execution_id, subject.job_id):
                event = event_of(item, details)
                by_job.setdefault(event.job_id, []).append(event)
                count, last = count + 1, max(last or event.timestamp, event.timestamp)
                yield stored_facts(item)

        _write_lines(log, lines())
        states = {id_: job_state_of(id_, events) for id_, events in by_job.items()}
        progress = combine(states.values())
        if last is None or not (progress.jobs or progress.plan):
            raise NotSettledError(f"{subject.id} has no events")
        answer = ask(self._executions_table, subject.execution_id) if subject.execution_id else TableAnswer()
        if answer.is_failed:
            raise UnknownStatusError(f"the executions table cannot be read, so that {subject.id} may continue")
        status = (
            status_of(progress, answer, now)
            if subject.execution_id
            else Status(progress.status, progress.is_complete(now) or progress.is_idle(now))
        )
        if not status.settled or status.word == "IN_PROGRESS":
            raise NotSettledError(f"{subject.id} has not settled")
        return Recovery(
            execution_id=subject.execution_id,
            states=states,
            progress=progress,
            status=status,
            event_count=count,
            last_event_at=last,
        )

    def _folder(self, recovery: Recovery, record: Record | None) -> str:
        """Return the folder of the report. It does not move if a later fact changes the start of the execution."""
        if record and record.folder.startswith(self._settings.prefix):
            return record.folder
        start = recovery.started_at
        return f"{self._settings.prefix}year={start:%Y}/month={start:%m}/{folder_name(recovery.id)}/"

    def _write_tables(
        self, folder: str, summary: Mapping[str, Any], servers: IO[bytes], log: IO[bytes], now: datetime
    ) -> None:
        """Write the rows of the tables. Athena reads all objects below the location of a table, so it has no other."""
        place = folder.removeprefix(self._settings.prefix).rstrip("/")
        rows: Mapping[str, Iterable[Mapping[str, Any]]] = {
            "executions": [table_row(summary)],
            "servers": map(table_row, read_lines(servers)),
            "events": map(event_row, read_lines(log)),
        }
        for table, rows_of_table in rows.items():
            with TemporaryFile() as file:
                _write_lines(file, rows_of_table)
                key = f"{self._settings.prefix}tables/{table}/{place}.ndjson.gz"
                self._bucket.write(key, file, now, is_locked=False)

    def _put_record(self, id_: str, folder: str, summary: bytes, now: datetime) -> None:
        """Refer to a revision in the events table. Nothing, if it is there."""
        values = json.loads(summary)
        files = {**values["files"], SUMMARY: digest_of(io.BytesIO(summary)).entry}
        self._records.put(
            Record(id=id_, folder=folder, revision=values["revision"], files=files),
            source=self._settings.event_source,
            now=now,
            retention=self._settings.retention,
        )


def folder_name(id_: str) -> str:
    """Return the name of the folder of an execution: its ID, percent-encoded except letters, digits, "-", "_", ".".

    "_" and "." at the beginning are encoded too, because Athena ignores objects whose names begin with them.
    """
    name = quote(id_, safe="", errors="backslashreplace").replace("~", "%7E")
    name = _HIDDEN.sub(lambda first: f"%{ord(first[0]):02X}", name)
    return name if 0 < len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}-{digest(id_)}"


def _facts(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the facts decide: neither the revision, nor the report, whose layout can change with the module."""
    values = {name: value for name, value in summary.items() if name not in _REVISION_KEYS}
    values["files"] = {name: file for name, file in summary["files"].items() if name != REPORT}
    return values


def _is_newer(summary: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Whether a summary has other facts than the known one, and not fewer events.

    Events expire, and an index can lag behind. A report loses no event by that.
    """
    return summary["eventCount"] >= known["eventCount"] and _facts(summary) != _facts(known)


def _revision(known: bytes | None, record: Record | None) -> dict[str, Any]:
    """Return the revision of a new summary, and the digest of the one that it supersedes.

    A summary that is not in the bucket any more is the one of the record, for example after a change of the bucket.
    """
    if known is not None:
        return {"revision": json.loads(known)["revision"] + 1, "supersedes": digest_of(io.BytesIO(known)).sha256}
    if record is not None:
        return {"revision": record.revision + 1, "supersedes": record.files[SUMMARY]["sha256"]}
    return {"revision": 1, "supersedes": None}


def _write_text(file: IO[bytes], parts: Iterable[str]) -> None:
    file.seek(0)
    file.truncate()
    for part in parts:
        file.write(part.encode(errors="backslashreplace"))
    file.flush()


def _write_lines(file: IO[bytes], lines: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object a line, compressed. The same lines give the same bytes."""
    with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as compressed:
        compressed.writelines(map(_line, lines))
    file.flush()


def _line(value: Mapping[str, Any]) -> bytes:
    """Return a JSON object as a line. A lone surrogate is escaped as JSON does."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="backslashreplace") + b"\n"


def read_lines(file: IO[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of a file that ``_write_lines`` wrote."""
    file.seek(0)
    with gzip.GzipFile(mode="rb", fileobj=file) as compressed:
        for line in compressed:
            yield json.loads(line)
