"""What Terraform gives the functions, for those that run in this process."""

from __future__ import annotations

from typing import Final

ENVIRONMENT: Final = {
    "JOB_LOG_EVENTS_TABLE": "drs-job-log-events",
    "NOTICES_TABLE": "drs-job-log-notices",
    "FAILURE_TOPIC_ARN": "arn:aws:sns:us-east-1:111122223333:failures",
    "VIEWER_URL": "https://recovery.example.com",
    "RETENTION_DAYS": "30",
    "RUNBOOKS": "docs/runbooks",
    "EVENT_BUS_NAME": "default",
    "EVENT_SOURCE": "drs.job-log",
    "EXECUTION_ID_TAG": "ExecutionId",
    "LOOKBACK_HOURS": "24",
    "POLL_INTERVAL_SECONDS": "3",
    "STALLED_AFTER_MINUTES": "45",
    "POWERTOOLS_SERVICE_NAME": "drs-job-log",
    "POWERTOOLS_METRICS_NAMESPACE": "DRSJobLog",
}
