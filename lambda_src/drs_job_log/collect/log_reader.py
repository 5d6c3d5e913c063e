"""Reads the log of one job repeatedly: from its last page on, or as a whole."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple
from zlib import crc32

from botocore.exceptions import ClientError

from drs_job_log.collect.job_log import to_item

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from mypy_boto3_drs.type_defs import JobLogTypeDef, JobTypeDef

    from drs_job_log.collect.drs_client import DrsClient
    from drs_job_log.collect.job_log import JobLogItem

# How often the whole log is read. The lifetime of tokens is not documented, and DRS can add items to earlier pages.
_WHOLE_READ_INTERVAL: Final = timedelta(minutes=1)

# HTTP statuses with which DRS refuses the request, and not its token: no permission, no such job, throttling.
_OTHER_REFUSALS: Final = frozenset({401, 403, 404, 429})


class _Read(NamedTuple):
    """What a read returned: the log items, the same items converted, and the last page, which can grow.

    ``token`` requests the last page. ``start`` is the number of items before it.
    """

    log_items: Sequence[JobLogTypeDef] = ()
    items: Sequence[JobLogItem] = ()
    token: str | None = None
    start: int = 0


class LogReader:
    """The log of a job."""

    def __init__(self) -> None:
        # One object, since a read that a pass abandoned can end during the next one.
        self._last = _Read()
        self._whole_read_at: datetime | None = None

    def read(self, drs: DrsClient, job: JobTypeDef, now: datetime) -> Sequence[JobLogItem]:
        """Return all items of the log in the order of DRS. The log is read from its last page on, or as a whole.

        The whole log is read once a minute, after the job has ended, and if DRS rejects the token of the last page.

        Raises
        ------
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, ThrottledError, InvalidEventError
            If DRS cannot be reached or refuses the request, or if an item has no time.
        """
        last = self._last
        if not self._is_whole_read_due(job, now):
            try:
                return self._read_from(drs, job, last, last.token, last.start)
            except ClientError as error:
                status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
                if not 400 <= status < 500 or status in _OTHER_REFUSALS:
                    raise
        items = self._read_from(drs, job, last, None, 0)
        # The logs that are read for the first time in the same pass are read whole in different passes later.
        spread = timedelta(0) if self._whole_read_at else timedelta(seconds=crc32(job["jobID"].encode()) % 60)
        self._whole_read_at = now - spread
        return items

    def _is_whole_read_due(self, job: JobTypeDef, now: datetime) -> bool:
        if job.get("status") == "COMPLETED" or self._whole_read_at is None:
            return True
        return abs(now - self._whole_read_at) >= _WHOLE_READ_INTERVAL  # the clock can be set back

    def _read_from(
        self, drs: DrsClient, job: JobTypeDef, last: _Read, token: str | None, start: int
    ) -> Sequence[JobLogItem]:
        log_items = list(last.log_items[:start])
        last_token, last_start = token, start
        for page in drs.log_pages(job["jobID"], token):
            last_token, last_start = page.token, len(log_items)
            log_items += page.items
        items = _converted(job, log_items, last, start)
        self._last = _Read(log_items, items, last_token, last_start)
        return items


def _converted(job: JobTypeDef, log_items: Sequence[JobLogTypeDef], last: _Read, start: int) -> list[JobLogItem]:
    """Convert the items from ``start`` on, except those that are at the same place as in the last read."""
    known = len(last.log_items)
    return [
        *last.items[:start],
        *(
            last.items[place]
            if place < known and log_items[place] == last.log_items[place]
            else to_item(job, log_items[place])
            for place in range(start, len(log_items))
        ),
    ]
