"""The only file of the benchmarks that imports the product.

All imports are inside functions: a handler module reads its environment when it is imported, and a cold start must
import nothing else.
"""

from __future__ import annotations

import importlib
import sys
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import boto3
    from drs_job_log.model.events import JobLogEvent

# Function → the module of its handler.
HANDLERS: Final = {
    "collector": "drs_job_log.collect.handler",
    "ingest": "drs_job_log.ingest.handler",
    "linker": "drs_job_log.link.handler",
    "api": "drs_job_log.api.handler",
}

# Modules that ask for the current time through their attribute `datetime`.
_CLOCKS: Final = (
    "drs_job_log.collect.handler",
    "drs_job_log.ingest.handler",
    "drs_job_log.api.handler",
    "drs_job_log.notify.notifier",
    "drs_job_log.table",
)


def handler(function: str) -> Callable[[Any, Any], Any]:
    """Import a function, which reads its environment; return its handler.

    "list of jobs" is the part of the collector that lists the jobs of its only target.
    """
    if function == "list of jobs":
        from drs_job_log.collect import handler as collector  # noqa: PLC0415

        (target,) = collector.collector._targets
        target.connect()
        return lambda *_: len(list(target.jobs()))
    loaded: Callable[[Any, Any], Any] = importlib.import_module(HANDLERS[function]).lambda_handler
    return loaded


def session() -> boto3.Session:
    """The session of the function's clients."""
    from drs_job_log import config  # noqa: PLC0415 (a cold start does not need it before the function)

    return config.session()


def set_clock(now: datetime) -> None:
    """Replace the current time in the modules that are loaded."""
    for name in _CLOCKS:
        if module := sys.modules.get(name):
            vars(module)["datetime"] = SimpleNamespace(now=lambda _: now, fromisoformat=datetime.fromisoformat)


def record_passes(passes: list[dict[str, Any]], clock: Callable[[], Sequence[float]]) -> None:
    """Add each pass of the collector to a list: ``times`` (pairs of begin and end by the clock) and ``drs_calls``.

    The collector must be loaded.
    """
    from drs_job_log.collect import handler as collector  # noqa: PLC0415

    drs_calls: list[None] = []
    session().events.register("before-call.drs", lambda **_: drs_calls.append(None))
    kind = type(collector.collector)
    collect = kind.collect

    def recorded(*arguments: Any, **named: Any) -> Any:
        drs_calls.clear()
        began = clock()
        result = collect(*arguments, **named)
        passes.append({"times": list(zip(began, clock(), strict=True)), "drs_calls": len(drs_calls)})
        return result

    kind.collect = recorded  # type: ignore[method-assign]


def empty_api_cache() -> None:
    """Empty the API's caches of event logs and of earlier launches."""
    from drs_job_log.api import handler as api  # noqa: PLC0415
    from drs_job_log.api.execution_log import EventLogCache  # noqa: PLC0415
    from drs_job_log.estimates import Estimator  # noqa: PLC0415

    api.logs = EventLogCache(api.logs._table)
    api.estimator = Estimator(api.ledger, api.settings.stalled_after)


def parse(body: str) -> JobLogEvent:
    """The event of a message."""
    from drs_job_log.model.events import parse as parsed  # noqa: PLC0415

    return parsed(body)


def row(event: JobLogEvent) -> dict[str, Any]:
    """The row of the events table that stores an event."""
    from drs_job_log.table import to_item  # noqa: PLC0415

    return to_item(event, ingested_at=event.timestamp + timedelta(seconds=2), retention=timedelta(days=30))
