"""The message of an event: one sentence about a job or a server, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_drs.type_defs import JobTypeDef

# initiatedBy → name of the job in a message.
_JOB_LABELS: Final[Mapping[str | None, str]] = {
    "START_DRILL": "Drill",
    "START_RECOVERY": "Recovery",
    "FAILBACK": "Failback",
    "TERMINATE_RECOVERY_INSTANCES": "Termination",
}

_SERVER_MESSAGES: Final[Mapping[str, str]] = {
    "CLEANUP_START": "Removing the earlier instance of server {server}",
    "CLEANUP_END": "Earlier instance of server {server} removed",
    "CLEANUP_FAIL": "Earlier instance of server {server} not removed",
    "SNAPSHOT_STARTED": "Taking a snapshot of server {server}",
    "SNAPSHOT_COMPLETED": "Snapshot of server {server} taken",
    "SNAPSHOT_FAILED": "Snapshot of server {server} failed",
    "USING_PREVIOUS_SNAPSHOT": "Using an earlier snapshot of server {server}",
    "USING_PREVIOUS_SNAPSHOT_FAILED": "No earlier snapshot of server {server} could be used",
    "CONVERSION_STARTED": "Converting server {server}",
    "CONVERSION_COMPLETED": "Server {server} converted",
    "CONVERSION_FAILED": "Conversion of server {server} failed",
    "SERVER_LAUNCHING": "Launching server {server}",
    "SERVER_LAUNCHED": "Server {server} launched",
    "SERVER_LAUNCH_FAILED": "Server {server} failed to launch",
    "SERVER_SKIPPED": "Server {server} skipped",
}


def job_label(job: JobTypeDef) -> str:
    """Return the name of the job in a message, for example "Drill"."""
    return _JOB_LABELS.get(job.get("initiatedBy"), "Job")


def format_server_count(count: int) -> str:
    """Return "1 server" or "N servers"."""
    return "1 server" if count == 1 else f"{count} servers"


def event_message(event_type: str, data: Mapping[str, Any], job: JobTypeDef, server: str | None) -> str:
    """Return the message of an event.

    ``data`` is the ``eventData`` of the log item, ``server`` the name or the ID of its server.
    """
    match event_type:
        case "JOB_STARTED":
            servers = [server for server in job.get("participatingServers", []) if server.get("sourceServerID")]
            return f"{job_label(job)} of {format_server_count(len(servers))} started"
        case "JOB_TERMINATED":
            return f"{job_label(job)} cancelled"
        case "JOB_COMPLETED":  # DRS logged the end, and the job's status is not COMPLETED yet
            return f"{job_label(job)} ended"
        case known if known in _SERVER_MESSAGES and server:
            message = _SERVER_MESSAGES[known].format(server=server)
        case other:
            message = other.replace("_", " ").capitalize() + (f": server {server}" if server else "")
    attempt, attempts = data.get("attemptCount"), data.get("maxAttemptsCount")
    return f"{message} (attempt {attempt} of {attempts})" if attempt and attempts else message
