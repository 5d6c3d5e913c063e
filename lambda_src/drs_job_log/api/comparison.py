"""The comparison of an execution with another one."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

from drs_job_log.api.lists import recovery_entry
from drs_job_log.api.parameters import BadRequestError, NotFoundError
from drs_job_log.model.comparison import best_candidate, compare, newest_servers
from drs_job_log.model.events import format_time
from drs_job_log.model.json_text import to_json
from drs_job_log.model.truncate import truncate_texts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from drs_job_log.api.history import History, Recovery
    from drs_job_log.model.comparison import Comparison, ServerComparison, StepFigures
    from drs_job_log.model.summary import ServerSummary

# To find the execution to compare with, so many launches of so many servers are read.
_SAMPLED_SERVERS: Final = 100
_LAUNCHES: Final = 10

# The size of the lists in an answer, and of each text if an answer is larger. See _MAX_BODY_BYTES in views.py.
_MAX_BYTES: Final = 2560 * 1024
_SHORT_TEXT_BYTES: Final = 128


def comparison_view(history: History, execution_id: str, other_id: str | None) -> dict[str, Any]:
    """Return the comparison of an execution with another one. None: with the one that suits best.

    Raises
    ------
    BadRequestError
        If both are the same execution.
    NotFoundError
        If the ledger does not have one of them.
    """
    if other_id == execution_id:
        raise BadRequestError("with must be the ID of another execution")
    this = _execution(history, execution_id)
    servers = newest_servers(this.jobs, history.servers(this.jobs))
    if other_id is None:
        other_id = _suitable(history, this, sorted(servers))
    other = _execution(history, other_id) if other_id else None
    other_servers = newest_servers(other.jobs, history.servers(other.jobs)) if other else {}
    difference = None
    if other and this.ended_at and other.ended_at:
        seconds = (this.ended_at - this.started_at) - (other.ended_at - other.started_at)
        difference = round(seconds.total_seconds(), 3)
    return {
        "now": format_time(history.now),
        "this": _totals(history, this),
        "other": _totals(history, other) if other else None,
        "differenceSeconds": difference,
        **_lists(compare(servers, other_servers)),
    }


def _execution(history: History, execution_id: str) -> Recovery:
    execution = history.execution(execution_id)
    if execution is None:
        raise NotFoundError(f"The ledger has no execution {execution_id!r:.100}")
    return execution


def _suitable(history: History, this: Recovery, server_ids: Sequence[str]) -> str | None:
    """Return the execution before this one with most servers in common: of several, the most recent one."""
    step = max(len(server_ids) // _SAMPLED_SERVERS, 1)
    candidates: dict[str, tuple[int, datetime]] = {}
    for launches in history.ledger.launches_of_servers(server_ids[::step], _LAUNCHES, this.started_at).values():
        newest: dict[str, datetime] = {}
        for launch in launches:
            if launch.execution_id and launch.job_type in {"LAUNCH", None} and launch.server.ended_at:
                newest.setdefault(launch.execution_id, launch.server.ended_at)
        for id_, time in newest.items():
            count, latest = candidates.get(id_, (0, time))
            candidates[id_] = count + 1, max(latest, time)
    candidates.pop(this.execution_id or "", None)
    return best_candidate(candidates)


def _totals(history: History, recovery: Recovery) -> dict[str, Any]:
    return {"executionId": recovery.execution_id} | recovery_entry(history, recovery)


def _lists(comparison: Comparison) -> dict[str, Any]:
    """Return the parts of the comparison. If it is too large, it lacks ends of texts and the last servers."""
    steps = [
        {
            "step": one.step,
            "this": _figures(one.this),
            "other": _figures(one.other),
            "differenceSeconds": None if one.difference is None else round(one.difference, 3),
        }
        for one in comparison.steps
    ]
    lists = {
        "newFailures": [_server(server) | {"error": server.error} for server in comparison.new_failures],
        "resolvedFailures": [_server(server) | {"error": server.error} for server in comparison.resolved_failures],
        "onlyInThis": [_server(server) for server in comparison.only_in_this],
        "onlyInOther": [_server(server) for server in comparison.only_in_other],
        "servers": [_compared(one) for one in comparison.servers],
    }
    if len(to_json(lists)) <= _MAX_BYTES:
        return {"steps": steps, **lists, "truncated": False}
    size = 0
    fitting: dict[str, list[Any]] = {name: [] for name in lists}
    # One of each list in turn, so that a large list does not hide the others.
    for ones in zip_longest(*lists.values()):
        for name, one in zip(lists, ones, strict=True):
            if one is not None:
                short = truncate_texts(one, _SHORT_TEXT_BYTES)
                size += len(to_json(short)) + 1
                if size <= _MAX_BYTES:
                    fitting[name].append(short)
    return {"steps": steps, **fitting, "truncated": True}


def _figures(figures: StepFigures | None) -> dict[str, Any] | None:
    if figures is None:
        return None
    return {"servers": figures.count, "medianSeconds": round(figures.median, 3), "maxSeconds": round(figures.max, 3)}


def _server(server: ServerSummary) -> dict[str, Any]:
    return {"sourceServerId": server.source_server_id, "serverName": server.server_name, "state": server.state}


def _compared(one: ServerComparison) -> dict[str, Any]:
    return {
        "sourceServerId": one.this.source_server_id,
        "serverName": one.this.server_name or one.other.server_name,
        "state": one.this.state,
        "otherState": one.other.state,
        "steps": {
            step: {
                "seconds": seconds,
                "otherSeconds": other,
                "differenceSeconds": None if seconds is None or other is None else round(seconds - other, 3),
            }
            for step, (seconds, other) in one.steps().items()
        },
    }
