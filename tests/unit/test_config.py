"""Environment variables are converted to settings, and each handler uses its settings."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta

import boto3
import pytest
from drs_job_log import config
from drs_job_log.config import (
    ApiSettings,
    CollectorSettings,
    ExecutionsTableSettings,
    IngestSettings,
    LinkerSettings,
    NotificationSettings,
    ReportSettings,
    SignInSettings,
    Target,
)
from moto import mock_aws

from tests.support.functions import ENVIRONMENT, cold_start

ROLE = "arn:aws:iam::111122223333:role/drs-job-log"
EXECUTIONS_TABLE = {
    "EXECUTION_HISTORY_TABLE": "history",
    "EXECUTION_HISTORY_SETTINGS": json.dumps(
        {
            "executionIdAttribute": "executionId",
            "wavesAttribute": "waves",
            "waveCountAttribute": "waveCount",
            "jobIdAttribute": "jobId",
            "statusAttribute": "status",
            "endTimeAttribute": "endTime",
            "endTimeFormat": "EPOCH_SECONDS",
            "jobIdIndex": "by-job",
            "allowScan": True,
            "updateStatus": True,
            "runningStatuses": ["GOING"],
        }
    ),
}
EXECUTIONS_TABLE_SETTINGS = ExecutionsTableSettings(
    table_name="history",
    execution_id_attribute="executionId",
    waves_attribute="waves",
    wave_count_attribute="waveCount",
    job_id_attribute="jobId",
    status_attribute="status",
    end_time_attribute="endTime",
    end_time_format="EPOCH_SECONDS",
    job_id_index="by-job",
    allow_scan=True,
    update_status=True,
    running_statuses=("GOING",),
)


# ---------------------------------------------------------------------------------------------------------------------
# Environment variables
# ---------------------------------------------------------------------------------------------------------------------


def test_settings_of_the_collector() -> None:
    environment = {
        "JOB_LOG_EVENTS_TABLE": "events-2",
        "EVENT_BUS_NAME": "recovery",
        "EVENT_SOURCE": "acme.drs",
        "PREVIOUS_EVENT_SOURCES": "drs.job-log,acme.old",
        "NOTICES_TABLE": "notices-2",
        "ONLY_TAGGED": '{"team": "web"}',
        "EXECUTION_ID_TAG": "Run",
        "LOOKBACK_HOURS": "12.5",
        "RETENTION_DAYS": "7",
        "POLL_INTERVAL_SECONDS": "1.5",
        "STALLED_AFTER_MINUTES": "20",
        "RTO_MINUTES": "90",
        "MAX_DAYS_WITHOUT_DRILL": "180",
        "RECOVERY_PLANS": "false",
        "DRILL_INSTANCES_HOURS": "24",
        "DRS_TARGETS": json.dumps([{"region": "eu-west-1", "roleArn": ROLE, "externalId": "x"}, {}]),
    }

    assert config.collector_settings(environment) == CollectorSettings(
        table_name="events-2",
        event_bus_name="recovery",
        event_source="acme.drs",
        collector_sources=frozenset({"acme.drs", "drs.job-log", "acme.old"}),
        notices_table_name="notices-2",
        only_tagged={"team": "web"},
        execution_id_tag="Run",
        lookback=timedelta(hours=12, minutes=30),
        retention=timedelta(days=7),
        poll_interval=timedelta(seconds=1.5),
        stalled_after=timedelta(minutes=20),
        rto_minutes=90,
        max_days_without_drill=180,
        drill_instances_hours=24,
        targets=(Target("eu-west-1", ROLE, "x"), Target()),
        reads_plans=False,
    )
    assert config.collector_settings(environment | {"RECOVERY_PLANS": "true"}).reads_plans


def test_settings_of_ingest() -> None:
    environment = ENVIRONMENT | EXECUTIONS_TABLE
    environment |= {
        "RETENTION_DAYS": "7",
        "HISTORY_DAYS": "50",
        "EVENT_SOURCE": "acme.drs",
        "PREVIOUS_EVENT_SOURCES": "",
        "FAILURE_TOPIC_ARN": "arn:topic",
        "NOTICE_KINDS": "failed,slow",
        "QUEUE_URL": "https://queue",
        "EVENT_BUS_NAME": "recovery",
        "RTO_MINUTES": "90",
        "RPO_MINUTES": "15",
        "STALLED_AFTER_MINUTES": "20",
        "VIEWER_URL": "https://viewer",
        "EVIDENCE_REPORTS": "true",
    }

    assert config.ingest_settings(environment) == IngestSettings(
        table_name="drs-job-log-events",
        collector_sources=frozenset({"acme.drs"}),
        retention=timedelta(days=7),
        history=timedelta(days=50),
        rto_minutes=90,
        rpo_minutes=15,
        stalled_after=timedelta(minutes=20),
        notifications=NotificationSettings(
            name="drs-job-log",
            table_name="drs-job-log-notices",
            topic_arn="arn:topic",
            kinds=frozenset({"failed", "slow"}),
            queue_url="https://queue",
            event_bus_name="recovery",
            event_source="acme.drs",
            viewer_url="https://viewer",
            runbook_url="docs/runbooks/server-failed.md",
            has_reports=True,
        ),
        executions_table=EXECUTIONS_TABLE_SETTINGS,
    )


def test_optional_settings_of_ingest_are_absent_by_default() -> None:
    settings = config.ingest_settings(ENVIRONMENT)

    assert settings.executions_table is None
    assert (settings.notifications.topic_arn, settings.notifications.viewer_url) == (None, None)
    assert not settings.notifications.has_reports


def test_settings_of_the_linker() -> None:
    environment = {
        "JOB_LOG_EVENTS_TABLE": "e",
        "EVENT_SOURCE": "acme.drs",
        "PREVIOUS_EVENT_SOURCES": "drs.job-log",
    }

    assert config.linker_settings(environment | EXECUTIONS_TABLE) == LinkerSettings(
        table_name="e",
        collector_sources=frozenset({"acme.drs", "drs.job-log"}),
        executions_table=EXECUTIONS_TABLE_SETTINGS,
    )
    assert config.linker_settings(environment).executions_table is None


def test_settings_of_the_api() -> None:
    environment = {"JOB_LOG_EVENTS_TABLE": "e", "HISTORY_DAYS": "50", "STALLED_AFTER_MINUTES": "20"}

    sign_in = '{"authority": "https://login.example.com/pool", "origins": ["https://login.example.com"]}'
    optional = EXECUTIONS_TABLE | {"RTO_MINUTES": "90", "RPO_MINUTES": "15", "SIGN_IN": sign_in}
    optional |= {"EVIDENCE_BUCKET": "b", "EVIDENCE_QUEUE_URL": "https://queue", "RETENTION_DAYS": "7"}
    assert config.api_settings(environment | optional) == ApiSettings(
        table_name="e",
        history=timedelta(days=50),
        rto_minutes=90,
        rpo_minutes=15,
        stalled_after=timedelta(minutes=20),
        executions_table=EXECUTIONS_TABLE_SETTINGS,
        sign_in=SignInSettings(page=sign_in, origins=("https://login.example.com",)),
        reports=ReportSettings(bucket="b", queue_url="https://queue", lookback=timedelta(days=7)),
    )
    settings = config.api_settings(environment)
    assert (settings.executions_table, settings.sign_in, settings.reports) == (None, None, None)
    assert (settings.rto_minutes, settings.rpo_minutes) == (None, None)


def test_attributes_of_the_executions_table_have_defaults() -> None:
    assert config.executions_table_settings({"EXECUTION_HISTORY_TABLE": "history"}) == ExecutionsTableSettings(
        table_name="history",
        execution_id_attribute="ExecutionId",
        waves_attribute="Waves",
        wave_count_attribute="TotalWaves",
        job_id_attribute="JobId",
        status_attribute="Status",
        end_time_attribute="EndTime",
        end_time_format="ISO8601",
        job_id_index=None,
        allow_scan=False,
        update_status=False,
        running_statuses=config.RUNNING_STATUSES,
    )


@pytest.mark.parametrize("text", ["", "[]", "null", '{"scan": true}', '"allowScan"'])
def test_invalid_settings_of_the_executions_table_are_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="EXECUTION_HISTORY_SETTINGS must be a JSON object"):
        config.executions_table_settings({"EXECUTION_HISTORY_TABLE": "history", "EXECUTION_HISTORY_SETTINGS": text})


@pytest.mark.parametrize("text", ["", "{", "{}x", "[1]", '[{"Region": "eu-west-1"}]', '{"region": "eu-west-1"}'])
def test_invalid_targets_are_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="DRS_TARGETS must be a JSON list"):
        config.collector_settings(ENVIRONMENT | {"DRS_TARGETS": text})


def test_a_target_that_is_given_twice_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    targets = [{}, {}, {"region": "eu-west-1"}, {"region": "eu-west-1", "roleArn": ROLE}, {"region": "eu-west-2"}]

    settings = config.collector_settings(ENVIRONMENT | {"DRS_TARGETS": json.dumps(targets)})

    assert settings.targets == (Target(), Target(None, ROLE), Target("eu-west-2"))


@mock_aws
def test_targets_that_do_not_fit_into_the_environment_are_read_from_parameters() -> None:
    targets = [
        Target("eu-west-1", f"arn:aws:iam::{number:012}:role/recovery/drs-job-log-reader", "x") for number in range(400)
    ]
    text = json.dumps(
        [{"region": t.region, "roleArn": t.role_arn, "externalId": t.external_id} for t in targets],
        separators=(",", ":"),
    )
    values = [text[start : start + 4096] for start in range(0, len(text), 4096)]
    names = [f"/drs-job-log/copy/targets/{number}" for number in range(len(values))]
    assert len(names) > 10  # so that one request does not return all parameters
    ssm = boto3.client("ssm", region_name="us-east-1")
    for name, value in zip(names, values, strict=True):
        ssm.put_parameter(Name=name, Value=value, Type="String")
    environment = {name: value for name, value in ENVIRONMENT.items() if name != "DRS_TARGETS"} | {
        "DRS_TARGETS_PARAMETERS": ",".join(names),
        "DRS_TARGETS_SHA256": hashlib.sha256(text.encode()).hexdigest(),
    }

    assert config.collector_settings(environment).targets == tuple(targets)

    ssm.delete_parameter(Name=names[3])
    with pytest.raises(ValueError, match="do not contain the targets"):
        config.collector_settings(environment)


# ---------------------------------------------------------------------------------------------------------------------
# Handlers
# ---------------------------------------------------------------------------------------------------------------------


def test_the_collector_uses_its_settings() -> None:
    targets = json.dumps([{"region": "eu-west-1"}, {}])
    module = cold_start(
        "collector",
        JOB_LOG_EVENTS_TABLE="events-2",
        EVENT_BUS_NAME="recovery",
        EVENT_SOURCE="acme.drs",
        STALLED_AFTER_MINUTES="20",
        DRS_TARGETS=targets,
    )

    assert module.collector._settings is module.settings
    assert module.settings.stalled_after == timedelta(minutes=20)
    assert tuple(drs._target for drs in module.collector._targets) == (Target("eu-west-1"), Target())
    assert (module.collector._bus._name, module.collector._bus._source) == ("recovery", "acme.drs")
    assert module.collector._table._table_name == "events-2"


def test_ingest_uses_its_settings() -> None:
    module = cold_start(
        "ingest", JOB_LOG_EVENTS_TABLE="events-2", RETENTION_DAYS="7", EVENT_SOURCE="acme.drs", **EXECUTIONS_TABLE
    )

    assert module.table._table_name == "events-2"
    assert module.settings.retention == timedelta(days=7)
    assert module.executions_table.settings == EXECUTIONS_TABLE_SETTINGS
    assert module.resolver._indexed is module.executions_table
    assert module.settings.collector_sources == {"acme.drs"}
    assert module.notifier._settings is module.settings.notifications
    assert module.claims.lifetime == timedelta(days=15)
    assert cold_start("ingest", RETENTION_DAYS="30").claims.lifetime == timedelta(days=30)


def test_the_linker_and_the_api_use_their_settings() -> None:
    environment = {"JOB_LOG_EVENTS_TABLE": "events-2", "EVENT_SOURCE": "acme.drs"} | EXECUTIONS_TABLE
    linker = cold_start("linker", **environment).linker
    api = cold_start("api", JOB_LOG_EVENTS_TABLE="events-2", **EXECUTIONS_TABLE)

    for table, executions_table in (
        (linker._table, linker._executions_table),
        (api.logs._table, api.executions_table),
    ):
        assert table._table_name == "events-2"
        assert executions_table.settings == EXECUTIONS_TABLE_SETTINGS
    assert linker._collector_sources == {"acme.drs"}
    assert cold_start("linker").linker._executions_table is None
    assert cold_start("api").executions_table is None
