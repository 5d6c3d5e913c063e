"""The message of an event: one sentence about a job, a server or a resource, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from drs_job_log.model.events import job_label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drs_job_log.collect.job_log import JobLogItem
    from drs_job_log.model.progress import JobState

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
    "SERVER_STALLED": "Server {server} stalled: no new log item",
    "UPDATE_LAUNCH_TEMPLATE_START": "Updating the launch template of server {server}",
    "UPDATE_LAUNCH_TEMPLATE_END": "Launch template of server {server} updated",
    "UPDATE_LAUNCH_TEMPLATE_FAILED": "Launch template of server {server} not updated",
}

_RESOURCE_MESSAGES: Final[Mapping[str, str]] = {
    "DEPLOY_NETWORK_CONFIGURATION_START": "Deploying network {resource}",
    "DEPLOY_NETWORK_CONFIGURATION_END": "Network {resource} deployed",
    "DEPLOY_NETWORK_CONFIGURATION_FAILED": "Network {resource} not deployed",
    "UPDATE_NETWORK_CONFIGURATION_START": "Updating network {resource}",
    "UPDATE_NETWORK_CONFIGURATION_END": "Network {resource} updated",
    "UPDATE_NETWORK_CONFIGURATION_FAILED": "Network {resource} not updated",
    "NETWORK_RECOVERY_FAIL": "Recovery of network {resource} failed",
    "SERVER_STALLED": "Network {resource} stalled: no new log item",
}

# Type of a job → verb in the message of the job's end.
_VERBS: Final[Mapping[object, str]] = {"LAUNCH": "launched", "TERMINATE": "terminated"}


def event_message(item: JobLogItem, initiated_by: str | None, server: str | None) -> str:
    """Return the message of an event. ``server`` is the name or the ID of its server."""
    label = job_label(initiated_by)
    event_type, detail = item.event_type, item.detail
    counts = _format_counts(len(detail.get("sourceServerIDs", [])), len(detail.get("resourceIDs", [])))
    attempt, attempts = detail.get("attemptCount"), detail.get("maxAttemptsCount")
    match event_type:
        case "JOB_STARTED":
            message = f"{label} of {counts} started"
        case "JOB_LINKED":
            message = f"{label} belongs to step {detail.get('stepIndex')} of a recovery plan"
        case "SERVERS_ADDED":
            message = f"{label}: {counts} added"
        case "JOB_TERMINATED":
            message = f"{label} cancelled"
        case "JOB_COMPLETED":  # DRS logged the end, and the job's status is not COMPLETED yet
            message = f"{label} ended"
        case "JOB_DELETED":
            message = f"{label} deleted in DRS while it ran. Its log can be incomplete"
        case "LAUNCH_ACTION_FAILED":
            action = detail.get("actionName") or f"with the run ID {detail.get('runID')}"
            message = f"Post-launch action {action} failed on server {server}"
        case "SERVER_LAUNCH_FAILED" if server and detail.get("state") in {"PENDING", "IN_PROGRESS"}:
            message = f"Server {server} not launched: its launch status at the end of the job is {detail['state']}"
        case known if known in _SERVER_MESSAGES and server:
            message = _SERVER_MESSAGES[known].format(server=server)
        case known if known in _RESOURCE_MESSAGES and item.resource_id:
            message = _RESOURCE_MESSAGES[known].format(resource=item.resource_id)
        case other:
            named = f": server {server}" if server else f": {item.resource_id}" if item.resource_id else ""
            message = other.replace("_", " ").capitalize() + named
    return f"{message} (attempt {attempt} of {attempts})" if attempt and attempts else message


def end_message(initiated_by: str | None, state: JobState) -> str:
    """Return the message of a job's end, with the number of servers and networks that reached its goal."""
    launched, servers = state.count(state.servers)
    recovered, resources = state.count(state.resources)
    parts = ([f"{launched} of {_servers(servers)} {_VERBS.get(state.type, 'completed')}"] if servers else []) + (
        [f"{recovered} of {_networks(resources)} recovered"] if resources else []
    )
    ended = f"{job_label(initiated_by)} {'cancelled' if state.cancelled_at else 'ended'}"
    return f"{ended}: {', '.join(parts)}" if parts else ended


def _format_counts(servers: int, resources: int) -> str:
    counts = ([_servers(servers)] if servers or not resources else []) + ([_networks(resources)] if resources else [])
    return " and ".join(counts)


def _servers(count: int) -> str:
    return "1 server" if count == 1 else f"{count} servers"


def _networks(count: int) -> str:
    return "1 network" if count == 1 else f"{count} networks"
