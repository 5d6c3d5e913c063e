"""Scripts of DRS jobs: the log items and their times. tests/support/drs.py simulates the jobs."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from tests.support.drills import DRILLS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ACCOUNT: Final = "111122223333"

# Time from the end of a job to its JOB_END item, as in the real drills.
TAIL: Final = timedelta(milliseconds=26)

# The point in time of a server's data, after the creation of its job. An assumption: no real log states it.
RECOVERY_POINT: Final = timedelta(minutes=-5)

# Steps of a server that launches, in seconds from the start of the job, as in the real drills.
LAUNCH: Final = (
    ("SNAPSHOT_START", 0.8),
    ("SNAPSHOT_END", 1.0),
    ("CONVERSION_START", 53),
    ("CONVERSION_END", 250),
    ("LAUNCH_START", 250.5),
    ("LAUNCH_END", 530),
)
CLEANUP: Final = (("CLEANUP_START", 0.5), ("CLEANUP_END", 0.8))


# Stored event types of DRS events. Not imported from the product, so that tests detect a change. The type of JOB_END
# depends on its outcome.
STORED_AS: Final = {
    "JOB_START": "JOB_STARTED",
    "JOB_CANCEL": "JOB_TERMINATED",
    "SNAPSHOT_START": "SNAPSHOT_STARTED",
    "SNAPSHOT_END": "SNAPSHOT_COMPLETED",
    "SNAPSHOT_FAIL": "SNAPSHOT_FAILED",
    "CONVERSION_START": "CONVERSION_STARTED",
    "CONVERSION_END": "CONVERSION_COMPLETED",
    "CONVERSION_FAIL": "CONVERSION_FAILED",
    "LAUNCH_START": "SERVER_LAUNCHING",
    "LAUNCH_END": "SERVER_LAUNCHED",
    "LAUNCH_FAILED": "SERVER_LAUNCH_FAILED",
}


@dataclass(frozen=True, slots=True)
class Step:
    """A log item that happens ``after`` the creation of the job. It appears in the log ``late`` after that."""

    after: timedelta
    event: str
    data: Mapping[str, Any] = field(default_factory=dict)
    late: timedelta = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """The script of a job. ``steps`` are in log order. At ``end``, the status is COMPLETED (None: never).

    Attributes
    ----------
    statuses
        The ``launchStatus`` of each server at the end. An empty text: DRS states none.
    late_statuses
        Changes of a ``launchStatus``: when, server, new value.
    resources
        The source networks, with their ``launchStatus`` at the end.
    listed
        When DRS names a server of the job, after its creation. Other servers: at the creation.
    actions
        The runs of post-launch actions of each server, with the keys of the DRS API.
    recovery_points
        The point in time of the data of each server, after the creation of the job. Other servers:
        ``RECOVERY_POINT``. None: DRS states none.
    deleted
        When the job is deleted, after its creation. None: never.
    """

    servers: Sequence[str]
    steps: Sequence[Step]
    end: timedelta | None
    statuses: Mapping[str, str] = field(default_factory=dict)
    late_statuses: Sequence[tuple[timedelta, str, str]] = ()
    resources: Mapping[str, str] = field(default_factory=dict)
    listed: Mapping[str, timedelta] = field(default_factory=dict)
    actions: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    recovery_points: Mapping[str, timedelta | None] = field(default_factory=dict)
    deleted: timedelta | None = None
    type: str = "LAUNCH"
    initiated_by: str = "START_DRILL"

    @property
    def duration(self) -> timedelta:
        return max(step.after + step.late for step in self.steps)


def server_id(number: int) -> str:
    """Return a source server ID in the format of DRS."""
    return f"s-{number:017x}"


def instance_id(server: str) -> str:
    """Return the ID of the recovery instance of a server."""
    return f"i-{server[2:]}"


def launch(
    servers: Sequence[str],
    *,
    failing: Mapping[str, str] | None = None,
    stuck: Sequence[str] = (),
    cleaned: Sequence[str] = (),
    drill: bool = True,
    seed: int = 1,
) -> Script:
    """Return a recovery or drill.

    Servers in ``failing`` fail to launch, with these errors. Servers in ``stuck`` do not complete their conversion.
    Servers in ``cleaned`` have CLEANUP items.
    """
    chance = random.Random(seed)  # noqa: S311
    steps = []
    for number, server in enumerate(servers):
        pace = chance.uniform(0.8, 1.6)
        for event, seconds in (*(CLEANUP if server in cleaned else ()), *LAUNCH):
            # Servers start one after another, as in the real drills. Later steps depend on the pace of the server.
            after = number * TAIL + timedelta(seconds=seconds * pace if seconds > 1 else seconds)
            data = {"sourceServerID": server}
            match event:
                case "CONVERSION_END" if server in stuck:
                    break
                case "CONVERSION_START" | "CONVERSION_END":
                    data["conversionServerID"] = "i-0c0ffee0c0ffee000"
                case "LAUNCH_END" if failing and server in failing:
                    event, data = "LAUNCH_FAILED", data | {"rawError": failing[server]}  # noqa: PLW2901
                case "LAUNCH_END":
                    data["targetInstanceID"] = instance_id(server)
            steps.append(Step(after, event, data))
    return in_order(
        Script(
            servers=servers,
            steps=steps,
            end=None if set(stuck) & set(servers) else max(step.after for step in steps) + timedelta(seconds=5),
            statuses={server: "FAILED" if failing and server in failing else "LAUNCHED" for server in servers},
            initiated_by="START_DRILL" if drill else "START_RECOVERY",
        )
    )


def silent_failure(servers: Sequence[str]) -> Script:
    """Return a job that ends COMPLETED with all servers FAILED, without failures in its log."""
    steps = [
        Step(timedelta(seconds=seconds), event, {"sourceServerID": server})
        for server in servers
        for event, seconds in LAUNCH[:2]
    ]
    script = Script(servers=servers, steps=steps, end=timedelta(seconds=30), statuses=dict.fromkeys(servers, "FAILED"))
    return in_order(script)


def cancelled(servers: Sequence[str]) -> Script:
    """Return a job that is cancelled during the conversion."""
    steps = [
        Step(timedelta(seconds=seconds), event, {"sourceServerID": server})
        for server in servers
        for event, seconds in LAUNCH[:3]
    ]
    steps.append(Step(timedelta(seconds=60), "JOB_CANCEL"))
    return in_order(Script(servers=servers, steps=steps, end=timedelta(seconds=61)))


def terminate(servers: Sequence[str]) -> Script:
    """Return a job that terminates recovery instances."""
    steps = [
        Step(timedelta(seconds=seconds), event, {"sourceServerID": server})
        for server in servers
        for event, seconds in (("CLEANUP_START", 1), ("CLEANUP_END", 30))
    ]
    return in_order(
        Script(
            servers=servers,
            steps=steps,
            end=timedelta(seconds=35),
            statuses=dict.fromkeys(servers, "TERMINATED"),
            type="TERMINATE",
            initiated_by="TERMINATE_RECOVERY_INSTANCES",
        )
    )


def network_recovery(network: str, *, error: str | None = None, server: str | None = None) -> Script:
    """Return a network recovery: a LAUNCH job without servers. With ``error``, it fails.

    Otherwise, it updates the launch template of ``server``. From the CLI's example of start-source-network-recovery.
    """
    data = {
        "eventResourceData": {"sourceNetworkData": {"sourceNetworkID": network, "sourceVpc": "vpc-0123456789abcdef0"}}
    }
    failed = [
        Step(timedelta(seconds=90), "DEPLOY_NETWORK_CONFIGURATION_FAILED", data | {"rawError": error}),
        Step(timedelta(seconds=91), "NETWORK_RECOVERY_FAIL", data),
    ]
    done = [
        Step(timedelta(seconds=90), "DEPLOY_NETWORK_CONFIGURATION_END", data),
        Step(timedelta(seconds=91), "UPDATE_LAUNCH_TEMPLATE_START", {"sourceServerID": server or server_id(0)}),
        Step(timedelta(seconds=92), "UPDATE_LAUNCH_TEMPLATE_END", {"sourceServerID": server or server_id(0)}),
    ]
    return in_order(
        Script(
            servers=[],
            steps=[
                Step(timedelta(seconds=1), "DEPLOY_NETWORK_CONFIGURATION_START", data),
                *(failed if error else done),
            ],
            end=timedelta(seconds=600),
            resources={network: "FAILED" if error else "LAUNCHED"},
            initiated_by="CREATE_NETWORK_RECOVERY",
        )
    )


def converted_snapshot(servers: Sequence[str], launch_status: str) -> Script:
    """Return a job that creates converted snapshots for a target account. It launches nothing."""
    steps = [
        Step(timedelta(seconds=seconds), event, {"sourceServerID": server})
        for server in servers
        for event, seconds in (("CONVERSION_START", 13), ("CONVERSION_END", 433))
    ]
    return in_order(
        Script(
            servers=servers,
            steps=steps,
            end=timedelta(seconds=600),
            statuses=dict.fromkeys(servers, launch_status),
            type="CREATE_CONVERTED_SNAPSHOT",
            initiated_by="TARGET_ACCOUNT",
        )
    )


def failback(servers: Sequence[str]) -> Script:
    """Return a failback job."""
    return replace(launch(servers), initiated_by="FAILBACK")


def drill(number: int) -> Script:
    """Return one of the two real drills, exactly as DRS logged it."""
    recorded = json.loads(DRILLS.read_text())["drills"][number]
    job = recorded["job"]
    created = datetime.fromisoformat(job["creationDateTime"])
    return Script(
        servers=[server["sourceServerID"] for server in job["participatingServers"]],
        steps=[
            Step(datetime.fromisoformat(item["logDateTime"]) - created, item["event"], item["eventData"])
            for item in recorded["items"]
        ],
        end=datetime.fromisoformat(job["endDateTime"]) - created,
        statuses={server["sourceServerID"]: server["launchStatus"] for server in job["participatingServers"]},
        initiated_by=job["initiatedBy"],
    )


def without_job_end(script: Script) -> Script:
    """Return the script without its JOB_END item."""
    return replace(script, steps=[step for step in script.steps if step.event != "JOB_END"])


def in_order(script: Script) -> Script:
    """Return the script with sorted steps, with JOB_START and, if the job ends, JOB_END."""
    steps = [Step(timedelta(seconds=0.4), "JOB_START"), *sorted(script.steps, key=lambda step: step.after)]
    if script.end is not None:
        steps.append(Step(script.end + TAIL, "JOB_END"))
    return replace(script, steps=steps)
