"""The report of an execution: presigned links to its files, or a request to write it."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from drs_job_log import config
from drs_job_log.evidence_records import Records
from drs_job_log.model.entries import started_at
from drs_job_log.model.events import format_time
from drs_job_log.model.paths import is_usable_in_path

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

    from drs_job_log.config import ReportSettings
    from drs_job_log.link.status import Status
    from drs_job_log.model.progress import Progress

# Everybody who has a link can use it, so it is valid for as long as a person needs to open it, and no longer. S3
# refuses it earlier if the credentials of the function that signed it expire.
LINK_VALIDITY: Final = timedelta(minutes=15)

# The function of evidence needs about this time, with its cold start.
RETRY_SECONDS: Final = 3

PENDING: Final = "The report is being written. Send the same request again after the time in the header Retry-After"

_PAGE: Final = "report.html"

# Browsers and archives accept these characters in the name of a file.
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_MAX_NAME: Final = 100


class Reports:
    """The reports of executions.

    The methods raise ``botocore.exceptions.BotoCoreError`` or ``botocore.exceptions.ClientError`` if DynamoDB or SQS
    cannot be reached or refuses the request. It is safe to repeat them.
    """

    def __init__(self, dynamodb: DynamoDBClient, table_name: str, settings: ReportSettings) -> None:
        self._records = Records(dynamodb, table_name)
        self._settings = settings

    def links(self, execution_id: str, now: datetime) -> dict[str, Any] | None:
        """Return the answer with the links to the newest revision. None without a report.

        S3 is not asked whether the objects exist, because they are kept as long as the record. If an object is missing,
        S3 answers its link with an error. A link names no version. After a new revision, it opens this one.
        """
        record = self._records.newest(execution_id)
        if record is None:
            return None
        files = {
            name: {
                "url": self._presigned(record.folder + name, disposition(execution_id, name)),
                "sha256": file["sha256"],
                "bytes": file["bytes"],
            }
            for name, file in sorted(record.files.items())
        }
        return {
            "executionId": execution_id,
            "revision": record.revision,
            "url": files[_PAGE]["url"],
            "expiresAt": format_time(now + LINK_VALIDITY),
            "files": files,
        }

    def request(self, execution_id: str) -> None:
        """Ask the function of evidence to write the report.

        Each request of a client that polls sends a message. This is safe: the function writes a report with the same
        facts once, and the throttling of the API limits the number of messages.
        """
        self._sqs.send_message(QueueUrl=self._settings.queue_url, MessageBody=json.dumps({"executionId": execution_id}))

    def _presigned(self, key: str, content_disposition: str) -> str:
        """Return a link to an object. This sends no request."""
        return self._s3.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self._settings.bucket,
                "Key": key,
                "ResponseContentDisposition": content_disposition,
            },
            ExpiresIn=int(LINK_VALIDITY.total_seconds()),
        )

    # Few requests need these clients. Without them, a cold start of the API is shorter.

    @cached_property
    def _s3(self) -> S3Client:
        client: S3Client = config.presigner()
        return client

    @cached_property
    def _sqs(self) -> SQSClient:
        client: SQSClient = config.client("sqs")
        return client


def report_path(execution_id: str) -> str | None:
    """Return the path of the report in the API. None if a path cannot contain the ID."""
    return f"/executions/{quote(execution_id, safe='')}/report" if is_usable_in_path(execution_id) else None


def report_link(execution_id: str, *, is_settled: bool, has_reports: bool) -> dict[str, Any]:
    """Return the part of an answer with a log that leads to the report. Empty without the input ``evidence``."""
    return {"report": report_path(execution_id) if is_settled else None} if has_reports else {}


def refusal_of(
    execution_id: str, progress: Progress, status: Status, now: datetime, lookback: timedelta
) -> tuple[int, str] | None:
    """Return the HTTP status and the message if no report of an execution can be written. None if it can.

    ``lookback``: how long all events of an execution are stored.
    """
    if status.word == "NO_EVENTS":
        return 404, f"The execution {execution_id!r:.200} has no events"
    if not status.settled or status.word == "IN_PROGRESS":
        reason = f". {status.reason}" if status.reason else ""
        return 409, f"The execution has not settled, so it has no report yet. Its status is {status.word}{reason}"
    start = started_at(progress)
    if start is not None and start < now - lookback:
        return 404, (
            f"The execution has no report, and it is older than {lookback.days} days. A new report would be "
            "incomplete, because events expire after this time"
        )
    return None


def disposition(execution_id: str, name: str) -> str:
    """Return the ``Content-Disposition`` of a file. A browser shows the page, and stores the other files."""
    kind = "inline" if name == _PAGE else "attachment"
    return f'{kind}; filename="{_UNSAFE.sub("_", execution_id)[:_MAX_NAME]}-{name}"'
