"""The embedded AWS with the module's tables, and the functions in this process, beside it."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

from tests.support import tables
from tests.support.environment import ENVIRONMENT
from tests.support.ministack import MiniStack

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        os.environ["FAILURE_TOPIC_ARN"] = stack.client("sns").create_topic(Name="failures")["TopicArn"]
        yield stack
