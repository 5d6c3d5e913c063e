"""The configuration of the four functions: environment variables to typed settings, and boto3 clients.

No other module reads the environment. Terraform sets the variables.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import threading
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import boto3
import botocore.session
from botocore.config import Config
from botocore.loaders import Loader

if TYPE_CHECKING:
    from collections.abc import Mapping

# At DEBUG, these libraries log credentials, session tokens and all bodies. They would
# inherit the level of the root logger, which Lambda sets.
for _library in ("boto3", "botocore", "urllib3"):
    logging.getLogger(_library).setLevel(logging.INFO)

# https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html
_MAX_PARAMETERS: Final = 10

# A session is not thread-safe while it creates a client.
_creating_client: Final = threading.Lock()

# The folder of the DRS model of this package, in the layout of botocore's loader.
_MODELS: Final = str(Path(__file__).with_name("botocore_data"))


def client(
    service: Any,
    *,
    connect_timeout: float = 2,
    read_timeout: float = 5,
    retry_mode: Literal["legacy", "standard"] = "standard",
    max_attempts: int = 3,
    parameter_validation: bool = True,
    options: Mapping[str, Any] | None = None,
    **arguments: Any,
) -> Any:
    """Create a boto3 client. Timeouts are in seconds, and ``max_attempts`` includes the first request.

    ``options`` are further settings of botocore's ``Config``, and ``arguments`` further arguments of ``boto3.client``.
    Thread-safe. A client of DRS has the operations of recovery
    plans, also if the botocore of the runtime is older.
    """
    settings = Config(
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        retries={"mode": retry_mode, "total_max_attempts": max_attempts},
        parameter_validation=parameter_validation,
        # Names the module in CloudTrail. botocore composes its own for each request, with a tenth of its CPU time.
        user_agent="drs-job-log",
        **(options or {}),
    )
    with _creating_client:
        if service == "drs":
            _find_recovery_plans()
        return session().client(service, config=settings, **arguments)


def presigner() -> Any:
    """Create a boto3 client of S3 whose presigned URLs have the Regional endpoint and Signature Version 4.

    By default, boto3 presigns for the global endpoint. S3 redirects its requests for a new bucket in another Region,
    and the signature is not valid after a redirect. The default can also be Signature Version 2, which S3 refuses for
    objects with a KMS key.
    """
    # A bucket with a dot in its name gets a path nevertheless, as the certificate of S3 requires.
    s3 = {"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"}
    return client("s3", options={"signature_version": "s3v4", "s3": s3})


@cache
def _botocore_session() -> botocore.session.Session:
    return botocore.session.get_session()


@cache
def session() -> boto3.Session:
    """Return the session of all clients. A second session would load the data of endpoints again."""
    return boto3.Session(botocore_session=_botocore_session())


@cache
def _find_recovery_plans() -> None:
    """Let botocore find the DRS model of this package if its own model is older than recovery plans."""
    loader = Loader()  # not that of the session, because a loader caches the model that it finds first
    model = loader.load_data(f"drs/{loader.determine_latest_version('drs', 'service-2')}/service-2")
    if "ListRecoveryPlanExecutions" not in model["operations"]:
        _botocore_session().get_component("data_loader").search_paths.insert(0, _MODELS)


# ---------------------------------------------------------------------------------------------------------------------
# Executions table
# ---------------------------------------------------------------------------------------------------------------------

# The default of ``execution_history.running_statuses``: words of public orchestrators, and common synonyms.
RUNNING_STATUSES: Final = (
    *("RUNNING", "IN_PROGRESS", "PENDING", "STARTED", "STARTING", "POLLING", "QUEUED", "CREATED", "CREATING"),
    *("INITIATED", "INITIATING", "INITIALIZING", "WAITING", "WAITING_FOR_APPROVAL", "PENDING_APPROVAL", "PAUSED"),
    *("RESUMED", "RESUMING", "EXECUTING", "ACTIVE", "LAUNCHING", "SUBMITTED", "SCHEDULED", "NOT_STARTED"),
    *("PROCESSING", "RETRYING"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionsTableSettings:
    """Name and format of the executions table: see the input ``execution_history``."""

    table_name: str
    execution_id_attribute: str = "ExecutionId"
    waves_attribute: str = "Waves"
    wave_count_attribute: str = "TotalWaves"
    job_id_attribute: str = "JobId"
    status_attribute: str = "Status"
    end_time_attribute: str = "EndTime"
    end_time_format: str = "ISO8601"
    job_id_index: str | None = None
    allow_scan: bool = False
    update_status: bool = False
    running_statuses: tuple[str, ...] = RUNNING_STATUSES


def executions_table_settings(environment: Mapping[str, str] = os.environ) -> ExecutionsTableSettings | None:
    """Return the settings of the executions table, or None if no table is configured.

    Raises
    ------
    ValueError
        If ``EXECUTION_HISTORY_SETTINGS`` is not a JSON object with the names of the settings in camel case.
    """
    table_name = environment.get("EXECUTION_HISTORY_TABLE")
    if not table_name:
        return None
    text = environment.get("EXECUTION_HISTORY_SETTINGS", "{}")
    try:
        settings = {
            re.sub("[A-Z]", lambda m: "_" + m[0].lower(), key): value for key, value in json.loads(text).items()
        }
        running = tuple(settings.pop("running_statuses", RUNNING_STATUSES))
        return ExecutionsTableSettings(table_name=table_name, running_statuses=running, **settings)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"EXECUTION_HISTORY_SETTINGS must be a JSON object of settings, not {text!r:.200}") from error


# ---------------------------------------------------------------------------------------------------------------------
# Collector
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Target:
    """An account and Region to read. Without a role, this account. Without a Region, this Region."""

    region: str | None = None
    role_arn: str | None = None
    external_id: str | None = None

    def __str__(self) -> str:
        return " as ".join(filter(None, (self.region or "this Region", self.role_arn)))


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorSettings:
    """Settings of the collector: see the inputs ``collector``, ``execution_id_tag`` and ``retention_days``.

    Attributes
    ----------
    event_source, collector_sources
        The source of the events that the collector sends, and all its sources, now and before.
    notices_table_name
        The notifications table, which also has the lock of the collector.
    only_tagged
        The tags of the jobs to read. Empty: all jobs.
    rto_minutes
        The recovery time objective of a job without a tag. None if there is none.
    max_days_without_drill
        A server must have had a successful drill in this number of days. None: no check.
    reads_plans
        Whether to read recovery plans.
    drill_instances_hours
        The instances of a drill must be terminated within this number of hours. None: no check.
    """

    table_name: str
    notices_table_name: str
    event_bus_name: str
    event_source: str
    collector_sources: frozenset[str]
    only_tagged: Mapping[str, str]
    execution_id_tag: str
    lookback: timedelta
    retention: timedelta
    poll_interval: timedelta
    stalled_after: timedelta
    rto_minutes: int | None
    max_days_without_drill: int | None
    drill_instances_hours: int | None
    targets: tuple[Target, ...]
    reads_plans: bool = True


def collector_settings(environment: Mapping[str, str] = os.environ) -> CollectorSettings:
    """Return the settings of the collector.

    Raises
    ------
    KeyError, ValueError
        If a variable is missing or invalid.
    botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError
        If the SSM parameters of the targets cannot be read.
    """
    return CollectorSettings(
        table_name=environment["JOB_LOG_EVENTS_TABLE"],
        notices_table_name=environment["NOTICES_TABLE"],
        event_bus_name=environment["EVENT_BUS_NAME"],
        event_source=environment["EVENT_SOURCE"],
        collector_sources=_collector_sources(environment),
        only_tagged=json.loads(environment.get("ONLY_TAGGED", "{}")),
        execution_id_tag=environment["EXECUTION_ID_TAG"],
        lookback=timedelta(hours=float(environment["LOOKBACK_HOURS"])),
        retention=_retention(environment),
        poll_interval=timedelta(seconds=float(environment["POLL_INTERVAL_SECONDS"])),
        stalled_after=_stalled_after(environment),
        rto_minutes=_number(environment, "RTO_MINUTES"),
        max_days_without_drill=_number(environment, "MAX_DAYS_WITHOUT_DRILL"),
        drill_instances_hours=_number(environment, "DRILL_INSTANCES_HOURS"),
        targets=_targets(_targets_text(environment)),
        reads_plans=environment.get("RECOVERY_PLANS", "true") == "true",
    )


def _targets_text(environment: Mapping[str, str]) -> str:
    """Return the JSON list of targets from the environment or, if it does not fit, from SSM parameters.

    Raises
    ------
    ValueError
        If the parameters do not contain the list, for example while Terraform changes them.
    botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError
        If the parameters cannot be read.
    """
    if "DRS_TARGETS_PARAMETERS" not in environment:
        return environment["DRS_TARGETS"]
    ssm = client("ssm")
    names = environment["DRS_TARGETS_PARAMETERS"].split(",")
    values: dict[str, str] = {}
    for start in range(0, len(names), _MAX_PARAMETERS):
        answer = ssm.get_parameters(Names=names[start : start + _MAX_PARAMETERS])
        values |= {parameter["Name"]: parameter["Value"] for parameter in answer["Parameters"]}
    text = "".join(values.get(name, "") for name in names)
    if hashlib.sha256(text.encode()).hexdigest() != environment["DRS_TARGETS_SHA256"]:
        raise ValueError(
            f"the SSM parameters {names[0]} to {names[-1]} do not contain the targets of collector.targets. "
            "If no terraform apply is running, apply again"
        )
    return text


def _targets(text: str) -> tuple[Target, ...]:
    """Parse a JSON list of ``{"region", "roleArn", "externalId"}``. Each target occurs once in the result."""
    names = {"region": "region", "roleArn": "role_arn", "externalId": "external_id"}
    try:
        targets = [Target(**{names[key]: value for key, value in target.items()}) for target in json.loads(text)]
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise ValueError(
            f'DRS_TARGETS must be a JSON list of {{"region", "roleArn", "externalId"}}, not {text!r:.200}'
        ) from error
    this_region = os.environ.get("AWS_REGION")
    return tuple(dict.fromkeys(replace(t, region=None) if t.region == this_region else t for t in targets))


# ---------------------------------------------------------------------------------------------------------------------
# Ingest, linker and API
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationSettings:
    """Settings of failure notifications: see the input ``notifications``.

    Attributes
    ----------
    name
        The name of the module, for the subject of the message.
    table_name
        The notifications table.
    topic_arn
        The SNS topic. None if notifications are disabled: failures are only counted.
    kinds
        The kinds of notices to send (see ``Kind`` in ``notify/notice.py``).
    queue_url
        The ingest queue, for timers.
    event_bus_name, event_source
        The event bus for the facts about executions, and their source.
    viewer_url
        The base URL of the viewer, for ``/executions/{id}`` and ``/jobs/{id}``. None if it is unknown.
    runbook_url
        The path or URL of the runbook for a failed server.
    has_reports
        Whether the viewer can show a report of an execution.
    """

    name: str
    table_name: str
    topic_arn: str | None
    kinds: frozenset[str]
    queue_url: str
    event_bus_name: str
    event_source: str
    viewer_url: str | None
    runbook_url: str
    has_reports: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestSettings:
    """Settings of ingest. ``collector_sources`` are the sources of the collector's events, now and before."""

    table_name: str
    collector_sources: frozenset[str]
    retention: timedelta
    history: timedelta
    rto_minutes: int | None
    rpo_minutes: int | None
    stalled_after: timedelta
    notifications: NotificationSettings
    executions_table: ExecutionsTableSettings | None


def ingest_settings(environment: Mapping[str, str] = os.environ) -> IngestSettings:
    """Return the settings of ingest.

    Raises
    ------
    KeyError, ValueError
        If a variable is missing or invalid.
    """
    return IngestSettings(
        table_name=environment["JOB_LOG_EVENTS_TABLE"],
        collector_sources=_collector_sources(environment),
        retention=_retention(environment),
        history=_history(environment),
        rto_minutes=_number(environment, "RTO_MINUTES"),
        rpo_minutes=_number(environment, "RPO_MINUTES"),
        stalled_after=_stalled_after(environment),
        notifications=NotificationSettings(
            name=environment["POWERTOOLS_SERVICE_NAME"],
            table_name=environment["NOTICES_TABLE"],
            topic_arn=environment.get("FAILURE_TOPIC_ARN"),
            kinds=frozenset(environment["NOTICE_KINDS"].split(",")),
            queue_url=environment["QUEUE_URL"],
            event_bus_name=environment["EVENT_BUS_NAME"],
            event_source=environment["EVENT_SOURCE"],
            viewer_url=environment.get("VIEWER_URL"),
            runbook_url=f"{environment['RUNBOOKS']}/server-failed.md",
            has_reports=environment.get("EVIDENCE_REPORTS") == "true",
        ),
        executions_table=executions_table_settings(environment),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkerSettings:
    """Settings of the linker. ``collector_sources`` are the sources of the collector's events, now and before."""

    table_name: str
    collector_sources: frozenset[str]
    executions_table: ExecutionsTableSettings | None


def linker_settings(environment: Mapping[str, str] = os.environ) -> LinkerSettings:
    """Return the settings of the linker.

    Raises
    ------
    KeyError, ValueError
        If a variable is missing or invalid.
    """
    return LinkerSettings(
        table_name=environment["JOB_LOG_EVENTS_TABLE"],
        collector_sources=_collector_sources(environment),
        executions_table=executions_table_settings(environment),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInSettings:
    """The sign-in of the viewer: see the input ``api.jwt.sign_in``.

    ``page`` is the JSON text for the pages. ``origins`` are those of the identity provider.
    """

    page: str
    origins: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSettings:
    """The reports of executions that the API links to: see the input ``evidence``.

    Attributes
    ----------
    bucket
        The name of the bucket of the reports.
    queue_url
        The queue of the executions whose report is due.
    lookback
        How long all events of an execution are stored. A report of an older one would be incomplete.
    """

    bucket: str
    queue_url: str
    lookback: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """Settings of the API. ``reports`` is None without the input ``evidence``."""

    table_name: str
    history: timedelta
    rto_minutes: int | None
    rpo_minutes: int | None
    stalled_after: timedelta
    executions_table: ExecutionsTableSettings | None
    sign_in: SignInSettings | None
    reports: ReportSettings | None = None


def api_settings(environment: Mapping[str, str] = os.environ) -> ApiSettings:
    """Return the settings of the API.

    Raises
    ------
    KeyError, ValueError
        If a variable is missing or invalid.
    """
    return ApiSettings(
        table_name=environment["JOB_LOG_EVENTS_TABLE"],
        history=_history(environment),
        rto_minutes=_number(environment, "RTO_MINUTES"),
        rpo_minutes=_number(environment, "RPO_MINUTES"),
        stalled_after=_stalled_after(environment),
        executions_table=executions_table_settings(environment),
        sign_in=_sign_in(environment),
        reports=_reports(environment),
    )


def _reports(environment: Mapping[str, str]) -> ReportSettings | None:
    if "EVIDENCE_BUCKET" not in environment:
        return None
    return ReportSettings(
        bucket=environment["EVIDENCE_BUCKET"],
        queue_url=environment["EVIDENCE_QUEUE_URL"],
        lookback=_retention(environment),
    )


def _sign_in(environment: Mapping[str, str]) -> SignInSettings | None:
    if "SIGN_IN" not in environment:
        return None
    text = environment["SIGN_IN"]
    return SignInSettings(page=text, origins=tuple(json.loads(text)["origins"]))


def _collector_sources(environment: Mapping[str, str]) -> frozenset[str]:
    previous = environment.get("PREVIOUS_EVENT_SOURCES", "").split(",")
    return frozenset({environment["EVENT_SOURCE"], *previous} - {""})


@dataclass(frozen=True, slots=True)
class EvidenceSettings:
    """The settings of evidence.

    Attributes
    ----------
    table_name
        The events table.
    queue_url
        The queue of the executions whose report is due.
    bucket, prefix
        Where the reports are. ``prefix`` is empty or ends with "/".
    retention
        How long an object is locked, and how long the events table refers to it.
    lock_mode
        GOVERNANCE or COMPLIANCE. None: objects are not locked.
    kms_key_arn
        The key of the objects. None: the default of the bucket.
    has_tables
        Whether Athena reads copies of the files.
    lookback
        The daily run checks the executions of this time. It is as long as all their events are stored, and not longer
        than ``retention``, so that no report is written again after its expiry.
    """

    table_name: str
    queue_url: str
    event_source: str
    bucket: str
    prefix: str
    retention: timedelta
    lock_mode: Literal["GOVERNANCE", "COMPLIANCE"] | None
    kms_key_arn: str | None
    has_tables: bool
    lookback: timedelta
    rto_minutes: int | None
    rpo_minutes: int | None
    executions_table: ExecutionsTableSettings | None


def evidence_settings(environment: Mapping[str, str] = os.environ) -> EvidenceSettings:
    """Read the settings of evidence.

    Raises
    ------
    KeyError
        If a variable is missing.
    ValueError
        If a variable is invalid.
    """
    mode = environment.get("EVIDENCE_OBJECT_LOCK_MODE")
    if mode not in {None, "GOVERNANCE", "COMPLIANCE"}:
        raise ValueError(f"EVIDENCE_OBJECT_LOCK_MODE must be GOVERNANCE or COMPLIANCE, not {mode!r}")
    return EvidenceSettings(
        table_name=environment["JOB_LOG_EVENTS_TABLE"],
        queue_url=environment["EVIDENCE_QUEUE_URL"],
        event_source=environment["EVENT_SOURCE"],
        bucket=environment["EVIDENCE_BUCKET"],
        prefix=environment["EVIDENCE_PREFIX"],
        retention=timedelta(days=int(environment["EVIDENCE_RETENTION_DAYS"])),
        lock_mode=cast("Literal['GOVERNANCE', 'COMPLIANCE'] | None", mode),
        kms_key_arn=environment.get("EVIDENCE_KMS_KEY_ARN"),
        has_tables=environment.get("EVIDENCE_TABLES") == "true",
        lookback=min(_retention(environment), timedelta(days=int(environment["EVIDENCE_RETENTION_DAYS"]))),
        rto_minutes=_number(environment, "RTO_MINUTES"),
        rpo_minutes=_number(environment, "RPO_MINUTES"),
        executions_table=executions_table_settings(environment),
    )


def _history(environment: Mapping[str, str]) -> timedelta:
    return timedelta(days=int(environment["HISTORY_DAYS"]))


def _number(environment: Mapping[str, str], name: str) -> int | None:
    return int(environment[name]) if name in environment else None


def _stalled_after(environment: Mapping[str, str]) -> timedelta:
    return timedelta(minutes=float(environment["STALLED_AFTER_MINUTES"]))


def _retention(environment: Mapping[str, str]) -> timedelta:
    return timedelta(days=int(environment["RETENTION_DAYS"]))
