"""Events in memory and the API that serves them to the viewer, without AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from drs_job_log.api.parameters import NotFoundError

from tests.support.functions import LambdaContext
from tests.support.gateway import Gateway

if TYPE_CHECKING:
    from collections.abc import Container, Mapping
    from datetime import datetime
    from types import ModuleType

    from drs_job_log.model.events import JobLogEvent

# The context of an invocation of the API function.
CONTEXT: Final[Any] = LambdaContext(
    function_name="drs-job-log-api",
    invoked_function_arn="arn:aws:lambda:us-east-1:111122223333:function:drs-job-log-api",
)


class Recovery:
    """The events of a test. Replaces the events table of ``drs_job_log.api.handler``.

    Parameters
    ----------
    api
        The module ``drs_job_log.api.handler``. It reads its environment when it is imported.
    now
        The time of the API. A test advances it.

    Attributes
    ----------
    comparison
        The comparison with an earlier execution. None: the ledger does not have this execution.
    compared
        The executions whose comparison was requested.
    """

    def __init__(self, api: ModuleType, now: datetime) -> None:
        self.now = now
        self.comparison: dict[str, Any] | None = None
        self.compared: list[str] = []
        self._events: dict[tuple[str, str], JobLogEvent] = {}
        self.gateway = Gateway(lambda event: api.lambda_handler(event, CONTEXT))

    def happen(self, *events: JobLogEvent) -> None:
        self._events |= {(event.job_id, event.key): event for event in events}

    @property
    def polls(self) -> int:
        """The number of requests of the viewer for logs."""
        return len(self.gateway.asked)

    def compare(self, path: Mapping[str, str], *_: object) -> dict[str, Any]:
        """Answer a request for a comparison. Replaces a route of the API, which reads the ledger."""
        self.compared.append(path["executionId"])
        if self.comparison is None:
            raise NotFoundError("The ledger has no such execution")
        return self.comparison

    # The methods of JobLogTable that the API function calls.

    def events_of_execution(self, execution_id: str) -> list[JobLogEvent]:
        return [event for event in self._events.values() if event.execution_id == execution_id]

    def new_events_of_execution(
        self, execution_id: str, since: datetime, known: Container[tuple[str, str]]
    ) -> list[JobLogEvent]:
        assert since
        return [event for event in self.events_of_execution(execution_id) if (event.job_id, event.key) not in known]

    def events_of_job(self, job_id: str) -> list[JobLogEvent]:
        return [event for event in self._events.values() if event.job_id == job_id]
