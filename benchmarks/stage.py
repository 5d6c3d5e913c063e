"""The embedded AWS with the module's tables, and the functions in this process, beside it."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

from tests.support import tables
from tests.support.ministack import MiniStack

if TYPE_CHECKING:
    from collections.abc import Iterator

# What Terraform gives the functions.
ENVIRONMENT: Final = {
    "JOB_LOG_EVENTS_TABLE": "drs-job-log-events",
    "NOTICES_TABLE": "drs-job-log-notices",
    "FAILURE_TOPIC_ARN": "arn:aws:sns:us-east-1:000000000000:drs-job-log-failures",
    "RETENTION_DAYS": "30",
    "RUNBOOKS": "docs/runbooks",
    "EVENT_BUS_NAME": "default",
    "EVENT_SOURCE": "drs.job-log",
    "EXECUTION_ID_TAG": "ExecutionId",
    "LOOKBACK_HOURS": "24",
    "POLL_INTERVAL_SECONDS": "3",
    "STALLED_AFTER_MINUTES": "45",
    "POWERTOOLS_SERVICE_NAME": "drs-job-log",
    "POWERTOOLS_METRICS_NAMESPACE": "DRSJobLog",
}


TABLE: Final = ENVIRONMENT["JOB_LOG_EVENTS_TABLE"]


@contextlib.contextmanager
def staged() -> Iterator[MiniStack]:
    """The embedded AWS with both tables and the topic; this process's clients go there.

    The functions' modules read their environment when they are imported: import them within.
    """
    with MiniStack() as stack:
        os.environ |= stack.environment | ENVIRONMENT
        tables.create_events(stack.client("dynamodb"), TABLE)
        tables.create_notices(stack.client("dynamodb"), ENVIRONMENT["NOTICES_TABLE"])
        stack.client("sns").create_topic(Name=ENVIRONMENT["FAILURE_TOPIC_ARN"].rpartition(":")[2])
        yield stack
