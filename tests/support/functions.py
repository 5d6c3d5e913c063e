"""The Lambda functions in this process, started with an environment as Terraform sets it."""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from unittest.mock import patch

if TYPE_CHECKING:
    from types import ModuleType

# The smallest environment that Terraform sets, without the optional features.
ENVIRONMENT: Final = {
    "JOB_LOG_EVENTS_TABLE": "drs-job-log-events",
    "NOTICES_TABLE": "drs-job-log-notices",
    "QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/drs-job-log-ingest",
    "HISTORY_DAYS": "400",
    "NOTICE_KINDS": (
        "started,settled,failed,resolved,stalled,at_risk,action_failed,plan_failed,replication_stalled,not_drilled,"
        "drill_instances"
    ),
    "RETENTION_DAYS": "3650",  # tests use events of real drills, which are years old
    "RUNBOOKS": "docs/runbooks",
    "DRS_TARGETS": "[{}]",
    "EVENT_BUS_NAME": "default",
    "EVENT_SOURCE": "drs.job-log",
    "EXECUTION_ID_TAG": "ExecutionId",
    "LOOKBACK_HOURS": "24",
    "POLL_INTERVAL_SECONDS": "3",
    "STALLED_AFTER_MINUTES": "45",
    "POWERTOOLS_SERVICE_NAME": "drs-job-log",
    "POWERTOOLS_METRICS_NAMESPACE": "DRSJobLog",
}

HANDLERS: Final = {
    "ingest": "drs_job_log.ingest.handler",
    "collector": "drs_job_log.collect.handler",
    "linker": "drs_job_log.link.handler",
    "api": "drs_job_log.api.handler",
    "evidence": "drs_job_log.evidence.handler",
}


def cold_start(function: str, **environment: str) -> ModuleType:
    """Start a function as Lambda does, and return the module of its handler.

    The module is executed again in place, so that references to it stay valid. ``environment`` adds to ``ENVIRONMENT``.
    """
    name = HANDLERS[function]
    with patch.dict(os.environ, ENVIRONMENT | environment):
        return importlib.reload(sys.modules[name]) if name in sys.modules else importlib.import_module(name)


@dataclass
class LambdaContext:
    """The context of an invocation with 30 seconds left."""

    function_name: str = "drs-job-log-ingest"
    memory_limit_in_mb: int = 256
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:111122223333:function:drs-job-log-ingest"
    aws_request_id: str = "request"

    def get_remaining_time_in_millis(self) -> float:
        return 30_000.0
