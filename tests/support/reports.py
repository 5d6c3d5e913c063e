"""Arguments of the report of an execution, as the evidence function makes them from the events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from drs_job_log.evidence.report import report
from drs_job_log.model.events import event_key, format_time

from tests.support.terraform import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SCHEMA: Final = ROOT / "docs/evidence.schema.json"
START: Final = datetime(2026, 11, 24, 13, 0, 5, 250_000, tzinfo=UTC)
ACCOUNT: Final = "111122223333"
REGION: Final = "eu-west-1"
REQUESTER: Final = "arn:aws:sts::111122223333:assumed-role/RecoveryOperator/jane"
JOB: Final = "drsjob-1111111111111111a"
SECOND_JOB: Final = "drsjob-2222222222222222b"
SHA256: Final = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
ERROR: Final = (
    "An error occurred (InsufficientInstanceCapacity) when calling the RunInstances operation: We currently do not "
    "have sufficient m5.2xlarge capacity in the Availability Zone you requested (eu-west-1a). Request ID: 1a2b3c4d5e6f"
)

Json = dict[str, Any]
Report = tuple[Json, list[Json], list[Json]]

_COUNTS: Final = (
    *("totalServers", "pending", "converting", "launching", "skipped", "completed", "launched", "failed", "terminated"),
)


def time(seconds: float) -> str:
    """Return the time some seconds after the start of the execution."""
    return format_time(START + timedelta(seconds=seconds))


def counts(**given: int) -> dict[str, int]:
    return dict.fromkeys(_COUNTS, 0) | {"totalServers": sum(given.values())} | given


def job(job_id: str = JOB, **given: Any) -> Json:
    return {
        "jobId": job_id,
        "jobType": "LAUNCH",
        "initiatedBy": "START_DRILL",
        "isDrill": True,
        "requestedBy": REQUESTER,
        "status": "COMPLETED",
        "createdAt": time(0),
        "endedAt": time(1500),
        "account": ACCOUNT,
        "region": REGION,
    } | given


def wave(number: int = 1, **given: Any) -> Json:
    return {
        "number": number,
        "name": None,
        "status": "COMPLETED",
        "jobIds": [JOB],
        "startedAt": time(0),
        "endedAt": time(1500),
        "waitMinutes": None,
        "attempt": None,
        "servers": 3,
        "launched": 3,
        "failed": 0,
    } | given


def summary(**given: Any) -> Json:
    """Return the summary of a complete drill of one wave with three servers."""
    return {
        "version": "1.0",
        "id": "exec-1",
        "executionId": "exec-1",
        "jobId": None,
        "name": None,
        "revision": 1,
        "supersedes": None,
        "status": "COMPLETED",
        "statusReason": None,
        "isDrill": True,
        "startedAt": time(0),
        "endedAt": time(1500),
        "durationSeconds": 1500.0,
        "requestedBy": REQUESTER,
        "accounts": [ACCOUNT],
        "regions": [REGION],
        "rto": {"targetMinutes": 60, "actualSeconds": 1203.5, "result": "MET"},
        "rpo": {"targetMinutes": 15, "seconds": 300.0, "result": "MET", "serversOver": 0},
        "counts": counts(launched=3),
        "waves": [wave()],
        "jobs": [job()],
        "recoveryPlan": None,
        "eventCount": 5,
        "lastEventAt": time(1500),
    } | given


def with_files(given: Mapping[str, Any]) -> Json:
    """Return a summary as summary.json has it."""
    names = ("report.html", "servers.ndjson.gz", "log.ndjson.gz")
    return {**given, "files": {name: {"sha256": SHA256, "bytes": 1234} for name in names}}


def server(number: int = 1, name: str | None = "prod-web-01", **given: Any) -> Json:
    return {
        "executionId": "exec-1",
        "jobId": JOB,
        "wave": 1,
        "isDrill": True,
        "account": ACCOUNT,
        "region": REGION,
        "sourceServerId": f"s-{number:017x}",
        "serverName": name,
        "state": "LAUNCHED",
        "jobCreatedAt": time(0),
        "endedAt": time(1203.5),
        "seconds": 1203.5,
        "snapshotSeconds": 61.0,
        "waitSeconds": 52.0,
        "conversionSeconds": 723.4,
        "launchSeconds": 200.0,
        "ec2InstanceId": f"i-{number:017x}",
        "terminatedAt": None,
        "pointInTime": time(-300),
        "rpoSeconds": 300.0,
        "error": None,
        "errorShape": None,
        "failedActions": [],
    } | given


def failed(number: int, name: str | None, error: str | None = ERROR, **given: Any) -> Json:
    """Return a server that failed to launch."""
    unknown = dict.fromkeys(("launchSeconds", "ec2InstanceId", "pointInTime", "rpoSeconds"))
    shape = error and error.replace("1a2b3c4d5e6f", "<id>")
    return server(number, name, **unknown, **{"state": "FAILED", "error": error, "errorShape": shape} | given)


def event(seconds: float, event_type: str, message: str | None = None, *, source: str = "", **given: Any) -> Json:
    """Return an event as it is stored. ``source``: the source of an event that another sender sent."""
    id_ = f"{event_type}-{seconds}"
    item: Json = {
        "JobId": JOB,
        "EventKey": event_key(time(seconds), id_, source or None),
        "EventId": id_,
        "EventType": event_type,
        "Timestamp": time(seconds),
        "Source": source or "drs.job-log",
        "ExecutionId": "exec-1",
        "EventData": {"jobID": JOB, "eventType": event_type},
        "IngestedAt": time(seconds + 2),
    }
    return item | ({"Message": message} if message else {}) | given


def of_server(number: int, name: str) -> Json:
    return {"SourceServerId": f"s-{number:017x}", "SourceServerName": name}


def drill() -> Report:
    """Return a complete drill."""
    web = of_server(1, "prod-web-01")
    events = [
        event(0, "JOB_STARTED", "Drill of 3 servers started"),
        event(5, "SNAPSHOT_STARTED", "Taking a snapshot of server prod-web-01", **web),
        event(66, "SNAPSHOT_COMPLETED", "Snapshot of server prod-web-01 taken", **web),
        event(1203.5, "SERVER_LAUNCHED", "Server prod-web-01 launched", **web),
        event(1500, "JOB_COMPLETED", "Drill ended: 3 of 3 servers launched"),
    ]
    names = ("prod-web-01", "prod-db-01", "prod-app-01")
    return summary(), [server(number, name) for number, name in enumerate(names, 1)], events


def partial() -> Report:
    """Return a recovery of two waves with two failed servers, a skipped one and a failed post-launch action."""
    actions = [{"name": "validate-disk-space", "error": "Exit status 3: /var has 2 % left\nneeded: 10 %"}]
    servers = [
        server(4, "prod-db-01", terminatedAt=time(9000), failedActions=actions),
        server(5, "prod-db-02", pointInTime=time(-1320), rpoSeconds=1320.0),
        failed(7, "prod-web-02", ERROR.replace("1a2b3c", "9f8e7d"), errorShape="capacity", wave=2, jobId=SECOND_JOB),
        failed(6, "prod-web-01", errorShape="capacity", wave=2, jobId=SECOND_JOB),
        server(8, "prod-web-03", wave=2, jobId=SECOND_JOB),
        server(
            *(9, "prod-batch-01"),
            **dict.fromkeys(("snapshotSeconds", "waitSeconds", "conversionSeconds", "launchSeconds", "ec2InstanceId")),
            **{"state": "SKIPPED", "pointInTime": None, "rpoSeconds": None, "wave": 2, "jobId": SECOND_JOB},
        ),
    ]
    web = of_server(6, "prod-web-01") | {"JobId": SECOND_JOB}
    events = [
        event(0, "JOB_STARTED", "Recovery of 2 servers started"),
        event(1500, "LAUNCH_ACTION_FAILED", "Post-launch action validate-disk-space failed on server prod-db-01"),
        event(1600, "JOB_STARTED", "Recovery of 4 servers started", JobId=SECOND_JOB),
        event(2400, "SERVER_LAUNCH_FAILED", "Server prod-web-01 failed to launch", Error=ERROR, **web),
        event(2410, "NOTE", "Database switched by the operator", source="example.runbook", JobId=SECOND_JOB),
        event(3100, "JOB_COMPLETED", "Recovery ended: 1 of 4 servers launched", JobId=SECOND_JOB, Truncated=True),
    ]
    of_recovery = {"initiatedBy": "START_RECOVERY", "isDrill": False}
    given = summary(
        status="PARTIAL",
        statusReason="The jobs reached different outcomes.",
        isDrill=False,
        endedAt=time(3100),
        durationSeconds=3100.0,
        rto={"targetMinutes": 60, "actualSeconds": 2803.5, "result": "MISSED"},
        rpo={"targetMinutes": 15, "seconds": 1320.0, "result": "MISSED", "serversOver": 1},
        counts=counts(skipped=1, launched=3, failed=2),
        waves=[
            wave(1, servers=2, launched=2),
            wave(2, status="PARTIAL", jobIds=[SECOND_JOB], startedAt=time(1600), endedAt=time(3100))
            | {"servers": 4, "launched": 1, "failed": 2},
        ],
        jobs=[
            job(**of_recovery),
            job(SECOND_JOB, **of_recovery, status="PARTIAL", createdAt=time(1600), endedAt=time(3100)),
        ],
        eventCount=6,
        lastEventAt=time(3100),
    )
    return given, servers, events


def plan() -> Report:
    """Return a drill with a recovery plan that has a skipped step and a wait."""
    plan_arn = "arn:aws:drs:eu-west-1:111122223333:recovery-plan/rp-1a1b2c3d4e5f60718"
    data = wave(1, name="databases", attempt=2, servers=2, launched=2)
    wait = wave(2, name="consistency checks", jobIds=[], waitMinutes=10, startedAt=time(1510), endedAt=time(2110))
    skipped = wave(3, name="caches", status="SKIPPED", jobIds=[], startedAt=None, endedAt=time(2115), attempt=1)
    counted = {"servers": 0, "launched": 0, "failed": 0}
    last = wave(4, name="web servers", jobIds=[SECOND_JOB], startedAt=time(2120), endedAt=time(3600), attempt=1)
    servers = [
        server(1, "prod-db-01"),
        server(2, "prod-db-02"),
        server(3, "prod-web-01", wave=4, jobId=SECOND_JOB),
    ]
    of_plan = {"JobId": "rpe-1a1b2c3d4e5f60718", "ExecutionId": "rpe-1a1b2c3d4e5f60718"}
    events = [
        event(0, "PLAN_STARTED", "Recovery plan shop started", **of_plan),
        event(1, "JOB_STARTED", "Drill of 2 servers started"),
        event(3600, "PLAN_COMPLETED", "Recovery plan shop ended", **of_plan),
    ]
    given = summary(
        id="rpe-1a1b2c3d4e5f60718",
        executionId="rpe-1a1b2c3d4e5f60718",
        name="shop",
        status="PARTIAL",
        statusReason='DRS reports the recovery plan as completed. It has skipped steps: "caches".',
        waves=[data, wait | counted, skipped | counted, last | {"servers": 1, "launched": 1}],
        jobs=[job(), job(SECOND_JOB, createdAt=time(2120), endedAt=time(3600))],
        endedAt=time(3605),
        durationSeconds=3605.0,
        recoveryPlan={
            "name": "shop",
            "planArn": plan_arn,
            "executionArn": f"{plan_arn}/execution/rpe-1a1b2c3d4e5f60718",
            "status": "COMPLETED",
            "error": None,
        },
        eventCount=3,
        lastEventAt=time(3600),
    )
    return given, servers, events


def revision() -> Report:
    """Return the second revision of a drill."""
    given, servers, events = drill()
    return {**given, "revision": 2, "supersedes": SHA256}, servers, events


def empty() -> Report:
    """Return a job without an execution of which nothing else is known: each value that can be null is null."""
    nulls = dict.fromkeys(("requestedBy", "account", "region", "jobType", "initiatedBy", "isDrill", "endedAt"))
    given = summary(
        id=JOB,
        executionId=None,
        jobId=JOB,
        status="FAILED",
        isDrill=None,
        requestedBy=None,
        accounts=[],
        regions=[],
        rto=None,
        rpo=None,
        counts=counts(terminated=1),
        waves=[wave(startedAt=None, endedAt=None, servers=0, launched=0)],
        jobs=[job(**nulls, status="FAILED")],
        eventCount=1,
        lastEventAt=time(0),
    )
    keys = (
        "executionId",
        "wave",
        "isDrill",
        "account",
        "region",
        "serverName",
        "endedAt",
        "seconds",
        "snapshotSeconds",
    )
    more = ("waitSeconds", "conversionSeconds", "launchSeconds", "ec2InstanceId", "pointInTime", "rpoSeconds")
    no_event = event(0, "JOB_STARTED")
    for name in ("EventData", "ExecutionId"):
        del no_event[name]
    unknown = server(1, **dict.fromkeys((*keys[:5], *keys[6:], *more)) | {"name": None})
    return given, [unknown | {"state": "TERMINATED", "failedActions": [{"name": None, "error": None}]}], [no_event]


def hostile(text: str) -> Report:
    """Return a recovery with a plan in which each text from outside is ``text``."""
    given, servers, events = partial()
    texts = {"id", "executionId", "name", "status", "statusReason", "requestedBy", "supersedes"}
    texts |= {"planArn", "executionArn", "error", "errorShape", "jobId", "jobType", "initiatedBy", "account", "region"}
    texts |= {"sourceServerId", "serverName", "state", "ec2InstanceId", "EventType", "JobId", "EventId", "Source"}
    texts |= {"SourceServerId", "SourceServerName", "Message", "Error", "resourceID"}
    lists = {"accounts", "regions", "jobIds"}

    def changed(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: changed(part, name) for name, part in value.items()}
        if isinstance(value, list):
            return [text] if key in lists else [changed(part) for part in value]
        return text if key in texts else value

    steps = [{"name": text}, {"name": text, "status": "SKIPPED"}]
    result: Json = changed(given)
    result["waves"] = [changed(one) | step for one, step in zip(given["waves"], steps, strict=True)]
    plan_entry = dict.fromkeys(("name", "planArn", "executionArn", "status", "error"), text)
    result |= {"revision": 2, "supersedes": text, "recoveryPlan": plan_entry}
    extra = [event(1, text, text, source=text), event(2, "NETWORK", EventData={"resourceID": text})]
    failing = failed(1, text, text, failedActions=[{"name": text, "error": text}])
    return result, [*map(changed, servers), changed(failing) | {"state": "FAILED"}], [*map(changed, events), *extra]


def page(arguments: tuple[Mapping[str, Any], Iterable[Mapping[str, Any]], Iterable[Mapping[str, Any]]]) -> str:
    return "".join(report(*arguments))


SAMPLES: Final = {"drill": drill, "partial": partial, "plan": plan, "revision": revision, "empty": empty}
