"""The only file of the benchmarks that imports the product.

All imports are inside functions: a handler module reads its environment when it is imported, and a cold start must
import nothing else.
"""

from __future__ import annotations

import importlib
import sys
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from drs_job_log.events import JobLogEvent

# Module and attribute of each function's handler.
HANDLERS: Final = {name: (f"drs_job_log.{name}", "handler") for name in ("collector", "ingest", "linker", "api")}

# Modules that ask for the current time through their attribute `datetime`.
_CLOCKS: Final = ("drs_job_log.collector", "drs_job_log.ingest", "drs_job_log.api", "drs_job_log.store")


def handler(function: str) -> Callable[[Any, Any], Any]:
    """Import a function, which reads its environment; return its handler.

    "list of jobs" is the part of the collector that lists the jobs of its only target.
    """
    if function == "list of jobs":
        from drs_job_log import collector  # noqa: PLC0415

        (target,) = collector.collector._targets
        target.connect()
        return lambda *_: len(list(target.jobs()))
    module, attribute = HANDLERS[function]
    loaded: Callable[[Any, Any], Any] = getattr(importlib.import_module(module), attribute)
    return loaded


def set_clock(now: datetime) -> None:
    """Replace the current time in the modules that are loaded."""
    for name in _CLOCKS:
        if module := sys.modules.get(name):
            vars(module)["datetime"] = SimpleNamespace(now=lambda _: now)


def empty_api_cache() -> None:
    """Empty the API's cache of event logs."""
    from drs_job_log import api  # noqa: PLC0415
    from drs_job_log.logs import Logs  # noqa: PLC0415

    api.logs = Logs(api.logs._store)


def parse(body: str) -> JobLogEvent:
    """The event of a message."""
    from drs_job_log.events import parse as parsed  # noqa: PLC0415

    return parsed(body)


def row(event: JobLogEvent) -> dict[str, Any]:
    """The row of the events table that stores an event."""
    from drs_job_log.store import to_item  # noqa: PLC0415

    return to_item(event, ingested_at=event.timestamp + timedelta(seconds=2), retention=timedelta(days=30))
