"""A simulator of the DRS API: scripted jobs and plans in real or accelerated time, over HTTP or in this process.

Requests and responses are validated against the DRS model of botocore.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import threading
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import unquote

import botocore.session
from botocore.validate import ParamValidator

from tests.support import plans, scripts
from tests.support.plans import Action, PlayedPlan
from tests.support.scripts import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from botocore.model import OperationModel, Shape

    from tests.support.plans import Plan, State
    from tests.support.scripts import Script, Step

# Values that are missing in the enums of the model: an event from real logs, one for all unknown events, and a status
# of executions from the user guide.
UNLISTED: Final = ("LAUNCH_END", "SOMETHING_NEW", "TIMED_OUT")

_SERVICE: Final = botocore.session.get_session().get_service_model("drs")
_OPERATIONS: Final = {
    operation.http["requestUri"]: operation for operation in map(_SERVICE.operation_model, _SERVICE.operation_names)
}


class ApiError(Exception):
    """An error response of DRS."""

    def __init__(self, code: str, message: str = "", *, status: int = 400, retry_after: str | None = None) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.status = status
        self.headers = {} if retry_after is None else {"Retry-After": retry_after}


def throttling(retry_after: str | None = None) -> ApiError:
    return ApiError("ThrottlingException", "Rate exceeded", status=429, retry_after=retry_after)


def _conflict(message: str) -> ApiError:
    return ApiError("ConflictException", message, status=409)


def _not_found(what: str) -> ApiError:
    return ApiError("ResourceNotFoundException", f"{what} does not exist", status=404)


@dataclass(slots=True)
class PlayedJob:
    """A job that follows its script. ``began`` is a time of the simulator's ``clock``."""

    id: str
    script: Script
    tags: dict[str, str]
    region: str
    began: datetime


@dataclass
class Simulator:
    """The state and the operations of the simulated DRS.

    Parameters
    ----------
    speed
        The factor by which a job runs faster than its script. The log contains the accelerated times.
    page_size
        The maximum number of items per page, for all operations.
    clock
        Returns the current time.
    offset
        The difference of the clock of DRS, which sets the times in responses, to ``clock``.
    fractions
        Whether times have a fraction of a second.
    token_lifetime
        The time after which DRS rejects the token of a page.
    details
        Further attributes of source servers, by their IDs.
    script_of
        Returns the script of a job that StartRecovery starts, from its server IDs and whether it is a drill.
    jobs
        The jobs by their IDs. A job of a plan is added when a request or a method reads the state of the execution.
    """

    speed: float = 1
    page_size: int = 100
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    offset: timedelta = timedelta()
    fractions: bool = True
    token_lifetime: timedelta = timedelta.max
    script_of: Callable[[Sequence[str], bool], Script] = lambda servers, drill: scripts.launch(servers, drill=drill)
    names: dict[str, str] = field(default_factory=dict)
    details: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    jobs: dict[str, PlayedJob] = field(default_factory=dict)
    executions: dict[str, PlayedPlan] = field(default_factory=dict)
    _faults: defaultdict[str, deque[ApiError]] = field(default_factory=lambda: defaultdict(deque))

    # -----------------------------------------------------------------------------------------------------------------
    # Used by tests
    # -----------------------------------------------------------------------------------------------------------------

    def start(self, script: Script, tags: Mapping[str, str] | None = None, region: str = "us-east-1") -> str:
        """Start a job and return its ID."""
        job = PlayedJob(f"drsjob-{secrets.token_hex(9)[:17]}", script, dict(tags or {}), region, self.clock())
        self._add(job)
        return job.id

    def start_plan(
        self, plan: Plan, mode: str = "DRILL", tags: Mapping[str, str] | None = None, region: str = "us-east-1"
    ) -> str:
        """Start an execution of a recovery plan and return its ARN.

        Raises
        ------
        ApiError
            If another execution of the plan is active.
        """
        played = PlayedPlan(f"rpe-{secrets.token_hex(9)[:17]}", plan, mode, dict(tags or {}), region, self.clock())
        self._reject_second_execution(played)
        self.executions[played.arn] = played
        return played.arn

    def execution(self, arn: str) -> dict[str, Any]:
        """Return a RecoveryPlanExecution."""
        played = self.executions[arn]
        return played.described(self._state(played), self._dates(played))

    def steps(self, arn: str) -> list[dict[str, Any]]:
        """Return each RecoveryPlanExecutionStep of an execution."""
        played = self.executions[arn]
        return played.described_steps(self._state(played), self._dates(played))

    def retry(self, arn: str, step: int) -> None:
        """Retry a FAILED step of an execution, as a person does. Steps are numbered from 1.

        Raises
        ------
        ApiError
            If the state of the execution does not allow the action. This is also true for ``skip`` and ``cancel``.
        """
        played = self.executions[arn]
        state = self._state(played)
        if (state.status, state.steps[step - 1].status) != ("FAILED", "FAILED"):
            raise _conflict(f"step {step} is {state.steps[step - 1].status}, and the execution is {state.status}")
        self._reject_second_execution(played)
        played.actions.append(Action(self._elapsed(played), "retry", step))

    def skip(self, arn: str, step: int) -> None:
        """Skip a step of an execution that is NOT_STARTED or FAILED, as a person does."""
        played = self.executions[arn]
        state = self._state(played)
        is_open = state.status in {"CREATED", "IN_PROGRESS", "FAILED"} and not played.plan.invalid
        if not is_open or state.steps[step - 1].status not in {"NOT_STARTED", "FAILED"}:
            raise _conflict(f"step {step} is {state.steps[step - 1].status}, and the execution is {state.status}")
        played.actions.append(Action(self._elapsed(played), "skip", step))

    def cancel(self, arn: str) -> None:
        """Cancel an execution that is CREATED or IN_PROGRESS, as a person does."""
        played = self.executions[arn]
        if (status := self._state(played).status) not in {"CREATED", "IN_PROGRESS"}:
            raise _conflict(f"the execution is {status}")
        played.actions.append(Action(self._elapsed(played), "cancel"))

    def fail(self, operation: str, *errors: ApiError) -> None:
        """Return errors for the next calls of ``operation``.

        Examples of operations: ``DescribeJobs``, ``DescribeJobs in eu-west-1``, ``DescribeJobLogItems drsjob-…``.
        """
        self._faults[operation].extend(errors)

    def clear_faults(self) -> None:
        """Remove the remaining errors that ``fail`` added."""
        self._faults.clear()

    def whole_log(self, job_id: str, job: PlayedJob | None = None) -> list[dict[str, Any]]:
        """Return all items of the complete log of a job."""
        job = job or self.jobs[job_id]
        return [self._item(job, step) for step in job.script.steps]

    def appeared(self, job_id: str) -> list[datetime]:
        """Return the time, by ``clock``, at which each item of the log appears."""
        job = self.jobs[job_id]
        return [job.began + (step.after + step.late) / self.speed for step in job.script.steps]

    def is_over(self, job_id: str) -> bool:
        """Return whether the job and its log are complete."""
        job = self.jobs[job_id]
        last = max(job.script.duration, job.script.end or timedelta())
        return self._elapsed(job) >= last

    # -----------------------------------------------------------------------------------------------------------------
    # Operations of DRS
    # -----------------------------------------------------------------------------------------------------------------

    def answer(self, operation: OperationModel, request: dict[str, Any], region: str) -> dict[str, Any]:
        """Return the response to a request.

        Raises
        ------
        ApiError
            If the response of DRS is an error.
        """
        self.calls[operation.name] += 1
        for fault in (operation.name, f"{operation.name} {request.get('jobID')}", f"{operation.name} in {region}"):
            if self._faults[fault]:
                raise self._faults[fault].popleft()
        try:
            check(operation.input_shape, request)
        except ValueError as error:
            raise ApiError("ValidationException", str(error)) from error
        for played in list(self.executions.values()):  # a test can add one at the same time
            self._state(played)
        if "Plan" in operation.name:
            answer = self._planned(operation.name, request, region)
        else:
            answer = self._answered(operation.name, request, region)
        if operation.name != "DescribeJobLogItems":  # ``start`` validated the items
            check(operation.output_shape, answer)
        return answer

    def _answered(self, operation: str, request: dict[str, Any], region: str) -> dict[str, Any]:
        match operation:
            case "DescribeJobs":
                return self._page(self._described(request.get("filters", {}), region), request)
            case "DescribeJobLogItems":
                return self._log(request["jobID"], region, request)
            case "DescribeSourceServers":
                return self._page(self._servers(request.get("filters", {})), request)
            case "DescribeRecoveryInstances":
                return self._page(self._instances(request.get("filters", {}), region), request)
            case "StartRecovery":
                servers = [server["sourceServerID"] for server in request["sourceServers"]]
                script = self.script_of(servers, request.get("isDrill", False))
                return {"job": self._job(self.jobs[self.start(script, request.get("tags"), region)])}
        raise ApiError("ValidationException", f"{operation} is not simulated")

    def _planned(self, operation: str, request: dict[str, Any], region: str) -> dict[str, Any]:
        """Return the response to a request about recovery plans."""
        match operation:
            case "ListRecoveryPlanExecutions":
                executions = self._executions(request, region)
                return self._page(executions, request, "recoveryPlanExecutions")
            case "ListRecoveryPlanExecutionSteps":
                arn = self._found(request["recoveryPlanExecutionArn"], region).arn
                status = request.get("filter", {}).get("status")
                steps = [step for step in self.steps(arn) if status in {None, step["status"]}]
                return self._page(
                    _members("RecoveryPlanExecutionStepSummary", steps), request, "recoveryPlanExecutionSteps"
                )
            case "GetRecoveryPlanExecution":
                arn = self._found(request["recoveryPlanExecutionArn"], region).arn
                return {"recoveryPlanExecution": self.execution(arn)}
            case "GetRecoveryPlan":
                for played in self.executions.values():
                    if (played.plan_arn, played.region) == (request["recoveryPlanArn"], region):
                        return {"recoveryPlan": played.described_plan(self._dates(played))}
                raise _not_found(request["recoveryPlanArn"])
            case "CancelRecoveryPlanExecution":
                arn = self._found(request["recoveryPlanExecutionArn"], region).arn
                self.cancel(arn)
                return {"recoveryPlanExecution": self.execution(arn)}
            case "GetRecoveryPlanExecutionStep" | "RetryRecoveryPlanExecutionStep" | "UpdateRecoveryPlanExecutionStep":
                arn, _, number = request["recoveryPlanExecutionStepArn"].rpartition("/step/")
                self._found(arn, region)
                if operation.startswith("Retry"):
                    self.retry(arn, int(number))
                elif operation.startswith("Update"):
                    if request.get("status") != "SKIPPED":
                        raise ApiError("ValidationException", "only the status SKIPPED is simulated")
                    self.skip(arn, int(number))
                return {"recoveryPlanExecutionStep": self.steps(arn)[int(number) - 1]}
        raise ApiError("ValidationException", f"{operation} is not simulated")

    def _executions(self, request: Mapping[str, Any], region: str) -> list[dict[str, Any]]:
        """Return the summaries of executions, the newest first."""
        described = [
            self.execution(played.arn)
            for played in sorted(self.executions.values(), key=lambda played: played.began, reverse=True)
            if played.region == region and request.get("recoveryPlanArn") in {None, played.plan_arn}
        ]
        return _members(
            "RecoveryPlanExecutionSummary", [e for e in described if request.get("status") in {None, e["status"]}]
        )

    def _found(self, arn: str, region: str) -> PlayedPlan:
        played = self.executions.get(arn)
        if played is None or played.region != region:
            raise _not_found(arn)
        return played

    def _state(self, played: PlayedPlan) -> State:
        """Return the present state of an execution, and start its jobs."""
        state = played.state(self._elapsed(played))
        for job in state.jobs:
            if job.id not in self.jobs:
                self._add(PlayedJob(job.id, job.script, {}, played.region, played.began + job.after / self.speed))
        return state

    def _reject_second_execution(self, played: PlayedPlan) -> None:
        for other in self.executions.values():
            if other.plan_arn == played.plan_arn and self._state(other).status in plans.ACTIVE:
                raise _conflict(f"Another execution is already active for plan {played.plan_arn}")

    def _described(self, filters: Mapping[str, Any], region: str) -> list[dict[str, Any]]:
        jobs = [job for job in list(self.jobs.values()) if job.region == region and not self._is_deleted(job)]
        if ids := filters.get("jobIDs"):
            jobs = [job for job in jobs if job.id in ids]
        if start := filters.get("fromDate"):
            jobs = [job for job in jobs if job.began + self.offset >= datetime.fromisoformat(start)]
        return [self._job(job) for job in sorted(jobs, key=lambda job: job.began, reverse=True)]

    def _add(self, job: PlayedJob) -> None:
        for item in self.whole_log(job.id, job):
            check(_SERVICE.shape_for("JobLog"), item)
        self.jobs[job.id] = job

    def _job(self, job: PlayedJob) -> dict[str, Any]:
        elapsed, script = self._elapsed(job), job.script
        has_ended = script.end is not None and elapsed >= script.end
        status = "COMPLETED" if has_ended else "STARTED" if elapsed >= script.steps[0].after else "PENDING"
        described = {
            "jobID": job.id,
            "arn": f"arn:aws:drs:{job.region}:{ACCOUNT}:job/{job.id}",
            "type": script.type,
            "initiatedBy": script.initiated_by,
            "creationDateTime": self._date(job, timedelta()),
            "status": status,
            "tags": job.tags,
            "participatingServers": [
                {"sourceServerID": server}
                | ({"launchStatus": launch_status} if launch_status else {})
                | ({"launchActionsStatus": {"runs": script.actions[server]}} if server in script.actions else {})
                for server, launch_status in self._statuses(job, has_ended=has_ended).items()
                if elapsed >= script.listed.get(server, timedelta())
            ],
            "participatingResources": [
                {
                    "participatingResourceID": {"sourceNetworkID": id_},
                    "launchStatus": status if has_ended else "PENDING",
                }
                for id_, status in script.resources.items()
            ],
        }
        return described | ({"endDateTime": self._date(job, script.end)} if has_ended and script.end else {})

    def _statuses(self, job: PlayedJob, *, has_ended: bool) -> dict[str, str]:
        """Return the launchStatus of each server. It is PENDING during snapshot and conversion."""
        statuses_by_event = {"LAUNCH_START": "IN_PROGRESS", "LAUNCH_END": "LAUNCHED", "LAUNCH_FAILED": "FAILED"}
        elapsed = self._elapsed(job)
        statuses = dict.fromkeys(job.script.servers, "PENDING")
        for step in job.script.steps:
            if step.after <= elapsed and step.event in statuses_by_event and step.data["sourceServerID"] in statuses:
                statuses[step.data["sourceServerID"]] = statuses_by_event[step.event]
        statuses |= job.script.statuses if has_ended else {}  # type: ignore[arg-type]
        return statuses | {server: status for after, server, status in job.script.late_statuses if after <= elapsed}

    def _log(self, job_id: str, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        job = self.jobs.get(job_id)
        if job is None or job.region != region or self._is_deleted(job):
            raise _not_found(f"Job {job_id}")
        elapsed = self._elapsed(job)
        page = self._page([step for step in job.script.steps if step.after + step.late <= elapsed], request)
        return page | {"items": [self._item(job, step) for step in page["items"]]}

    def _instances(self, filters: Mapping[str, Any], region: str) -> list[dict[str, Any]]:
        """Return the recovery instances.

        From the model: TerminateRecoveryInstances terminates the EC2 instances, and then deletes the recovery
        instances. Assumptions: an instance exists from LAUNCH_END, and has the tags of its source server. CLEANUP_START
        and CLEANUP_END change its state. A later launch of the server replaces it. The end of a TERMINATE job deletes
        it. An instance has one ID for EC2 and DRS.
        """
        instances: dict[str, dict[str, Any]] = {}
        for job in sorted(self.jobs.values(), key=lambda job: job.began):
            if job.region != region:
                continue
            elapsed = self._elapsed(job)
            for step in job.script.steps:
                state = {"CLEANUP_START": "SHUTTING-DOWN", "CLEANUP_END": "TERMINATED"}.get(step.event)
                if state and step.after <= elapsed and step.data["sourceServerID"] in instances:
                    instances[step.data["sourceServerID"]]["ec2InstanceState"] = state
            has_ended = job.script.end is not None and elapsed >= job.script.end
            for server, status in self._statuses(job, has_ended=has_ended).items():
                if job.script.type == "LAUNCH" and status == "LAUNCHED":
                    instances[server] = self._instance(job, server)
                elif job.script.type == "TERMINATE" and has_ended:
                    instances.pop(server, None)
        servers, ids = filters.get("sourceServerIDs"), filters.get("recoveryInstanceIDs")
        return [
            instance
            for instance in instances.values()
            if (not servers or instance["sourceServerID"] in servers)
            and (not ids or instance["recoveryInstanceID"] in ids)
        ]

    def _instance(self, job: PlayedJob, server: str) -> dict[str, Any]:
        id_, point = scripts.instance_id(server), job.script.recovery_points.get(server, scripts.RECOVERY_POINT)
        tags = [described["tags"] for described in self._servers({"sourceServerIDs": [server]})]
        return {
            "recoveryInstanceID": id_,
            "arn": f"arn:aws:drs:{job.region}:{ACCOUNT}:recovery-instance/{id_}",
            "ec2InstanceID": id_,
            "ec2InstanceState": "RUNNING",
            "sourceServerID": server,
            "jobID": job.id,
            "isDrill": job.script.initiated_by == "START_DRILL",
            "tags": dict(*tags),
            **({} if point is None else {"pointInTimeSnapshotDateTime": self._date(job, point)}),
        }

    def _servers(self, filters: Mapping[str, Any]) -> list[dict[str, Any]]:
        requested = filters.get("sourceServerIDs") or list(self.names)
        return [
            {
                "sourceServerID": server,
                "tags": {"Name": self.names[server]} if int(server[-1], 16) % 2 else {},
                "sourceProperties": {"identificationHints": {"hostname": self.names[server]}},
                **self.details.get(server, {}),
            }
            for server in requested
            if server in self.names
        ]

    def _page(self, items: Sequence[Any], request: Mapping[str, Any], name: str = "items") -> dict[str, Any]:
        """Return a page of items. Its token encodes the start of the next page and when the token was created."""
        start = self._start_in(request["nextToken"]) if "nextToken" in request else 0
        end = start + min(self.page_size, request.get("maxResults", self.page_size))
        token = base64.b64encode(f"{end} {self.clock().isoformat()}".encode()).decode()
        return {name: items[start:end]} | ({"nextToken": token} if end < len(items) else {})

    def _start_in(self, token: str) -> int:
        try:
            start, created = base64.b64decode(token, validate=True).decode().split(" ")
            if self.clock() - datetime.fromisoformat(created) <= self.token_lifetime:
                return int(start)
        except ValueError as error:
            raise ApiError("ValidationException", "nextToken is invalid") from error
        raise ApiError("ValidationException", "nextToken has expired")

    def _is_deleted(self, job: PlayedJob) -> bool:
        return job.script.deleted is not None and self._elapsed(job) >= job.script.deleted

    def _elapsed(self, played: PlayedJob | PlayedPlan) -> timedelta:
        return (self.clock() - played.began) * self.speed

    def _item(self, job: PlayedJob, step: Step) -> dict[str, Any]:
        return {"logDateTime": self._date(job, step.after), "event": step.event, "eventData": dict(step.data)}

    def _dates(self, played: PlayedPlan) -> Callable[[timedelta], str]:
        return lambda after: self._date(played, after)

    def _date(self, played: PlayedJob | PlayedPlan, after: timedelta) -> str:
        """Return a time in the format of DRS: with a UTC offset, and without a fraction that is zero."""
        date = played.began + after / self.speed + self.offset
        return (date if self.fractions else date.replace(microsecond=0)).isoformat()


# ---------------------------------------------------------------------------------------------------------------------
# Model of botocore
# ---------------------------------------------------------------------------------------------------------------------


def _members(shape: str, items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the items with only the members of a shape, for example of a summary."""
    members = _SERVICE.shape_for(shape).members
    return [{name: value for name, value in item.items() if name in members} for item in items]


def check(shape: Shape | None, value: Any, name: str = "") -> None:
    """Validate a value against a shape of the model, including patterns, enums and maxima.

    Raises
    ------
    ValueError
        If the value is invalid.
    """
    if shape is None:
        return
    if not name and (report := ParamValidator().validate(value, shape)).has_errors():
        raise ValueError(report.generate_report())
    size = value if shape.type_name in {"integer", "long"} else len(value) if isinstance(value, str | list) else 0
    if size > shape.metadata.get("max", size):
        raise ValueError(f"{name}: {size} is more than {shape.metadata['max']}")
    match shape.type_name:
        case "structure":
            for key, part in value.items():
                check(shape.members[key], part, f"{name}.{key}")
        case "list":
            for part in value:
                check(shape.member, part, f"{name}[]")
        case "map":
            for part in value.values():
                check(shape.value, part, f"{name}{{}}")
        case "string":
            listed = getattr(shape, "enum", [])
            if listed and value not in (*listed, *UNLISTED):
                raise ValueError(f"{name}: {value!r} is not in {listed}")
            pattern = shape.metadata.get("pattern")
            # The pattern of times in the model requires a Z, but real responses have an offset.
            is_time = shape.name == "ISO8601DatetimeString" and re.fullmatch(r".*\+00:00", value)
            if pattern and not is_time and not re.fullmatch(pattern, value):
                raise ValueError(f"{name}: {value!r} does not match {pattern}")


# ---------------------------------------------------------------------------------------------------------------------
# HTTP
# ---------------------------------------------------------------------------------------------------------------------


class DrsServer:
    """Serves ``simulator`` on a free port of the loopback interface. A context manager.

    A test can replace ``simulator``.
    """

    def __init__(self, simulator: Simulator | None = None) -> None:
        self.simulator = simulator or Simulator()
        self._lock = threading.Lock()
        self._http = _HttpServer(self._answer)
        self.endpoint = f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def _answer(self, operation: OperationModel, request: dict[str, Any], region: str) -> dict[str, Any]:
        with self._lock:
            return self.simulator.answer(operation, request, region)


class _HttpServer(ThreadingHTTPServer):
    def __init__(self, answer: Callable[[OperationModel, dict[str, Any], str], dict[str, Any]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _HttpServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        # Credential=KEY/DATE/REGION/SERVICE/aws4_request
        scope = re.search(r"Credential=[^/]+/\d{8}/([^/]+)/drs/", self.headers.get("Authorization", ""))
        operation = _OPERATIONS.get(unquote(self.path))
        try:
            if scope is None:
                raise ApiError("MissingAuthenticationTokenException", "not signed for drs", status=403)
            if operation is None:
                raise ApiError("UnknownOperationException", self.path, status=404)
            answer = self.server.answer(operation, json.loads(body or b"{}"), scope[1])
            self._send(operation.http["responseCode"], answer)
        except ApiError as error:
            headers = error.headers | {"x-amzn-ErrorType": error.code}
            self._send(error.status, {"message": error.message}, headers)

    def _send(self, status: int, answer: dict[str, Any], headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""
