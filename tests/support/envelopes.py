"""EventBridge envelopes, as the queue contains them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st


def job_log(detail: dict[str, Any], **envelope: Any) -> dict[str, Any]:
    """Return the envelope of a "DRS Job Log" event."""
    return {
        "version": "0",
        "id": "11111111-2222-3333-4444-555555555555",
        "detail-type": "DRS Job Log",
        "source": "drs.job-log",
        "account": "111122223333",
        "time": "2025-11-28T20:30:15Z",
        "region": "us-east-1",
        "resources": [],
        "detail": detail,
    } | envelope


def launch_result(**detail: Any) -> dict[str, Any]:
    """Return the envelope of a "DRS Source Server Launch Result" event, as DRS sends it."""
    return job_log(
        {"state": "RECOVERY_LAUNCH_SUCCEEDED", "job-id": "drsjob-1", "is-drill": "FALSE"} | detail,
        **{
            "detail-type": "DRS Source Server Launch Result",
            "source": "aws.drs",
            "resources": ["arn:aws:drs:us-east-1:111122223333:source-server/s-1"],
        },
    )


ALICE = "arn:aws:sts::111122223333:assumed-role/Operator/alice"


def request(job: dict[str, Any], **call: Any) -> dict[str, Any]:
    """Return the envelope of the API call that created a job, as CloudTrail sends it. ``job``: keys of the response."""
    return job_log(
        {
            "eventVersion": "1.09",
            "userIdentity": {
                "type": "AssumedRole",
                "principalId": "AROAIDPPEZS35WEXAMPLE:alice",
                "arn": ALICE,
                "accountId": "111122223333",
                "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
                "sessionContext": {"attributes": {"mfaAuthenticated": "true"}},
            },
            "eventTime": "2025-11-28T20:30:00Z",
            "eventSource": "drs.amazonaws.com",
            "eventName": "StartRecovery",
            "awsRegion": "us-east-1",
            "sourceIPAddress": "192.0.2.1",
            "userAgent": "console.amazonaws.com",
            "requestParameters": {
                "isDrill": True,
                "sourceServers": [{"sourceServerID": "s-1"}],
                "tags": {"Secret": "HIDDEN"},
            },
            "responseElements": {
                "job": {
                    "jobID": "drsjob-1",
                    "arn": "arn:aws:drs:us-east-1:111122223333:job/drsjob-1",
                    "type": "LAUNCH",
                    "initiatedBy": "START_DRILL",
                    "creationDateTime": "2025-11-28T20:29:59.204086+00:00",
                    "status": "PENDING",
                    "participatingServers": [{"sourceServerID": "s-1", "launchStatus": "PENDING"}],
                    "tags": {"Secret": "HIDDEN"},
                }
                | job
            },
            "requestID": "22222222-2222-3333-4444-555555555555",
            "eventID": "33333333-2222-3333-4444-555555555555",
            "readOnly": False,
            "eventType": "AwsApiCall",
            "managementEvent": True,
            "recipientAccountId": "111122223333",
            "eventCategory": "Management",
        }
        | call,
        **{"detail-type": "AWS API Call via CloudTrail", "source": "aws.drs", "time": "2025-11-28T20:30:00Z"},
    )


def replication_change(state: str, **envelope: Any) -> dict[str, Any]:
    """Return the envelope of a "DRS Source Server Data Replication Stalled Change" event, as DRS sends it.

    https://docs.aws.amazon.com/drs/latest/userguide/monitoring-event-bridge-sample.html
    """
    change = job_log(
        {"state": state},
        **{
            "detail-type": "DRS Source Server Data Replication Stalled Change",
            "source": "aws.drs",
            "resources": ["arn:aws:drs:us-east-1:111122223333:source-server/s-11111111111111111"],
        },
    )
    return change | envelope


def drill_check(servers: Any, **detail: Any) -> dict[str, Any]:
    """Return the envelope of a "DRS Drill Check" event, as the collector sends it."""
    return job_log(
        {
            "account": "111122223333",
            "region": "eu-west-1",
            "maxDaysWithoutDrill": 90,
            "checkedAt": "2025-11-28T06:00:00.000000Z",
            "serverCount": 20,
            "servers": servers,
        }
        | detail,
        **{"detail-type": "DRS Drill Check"},
    )


def sqs_records(bodies: list[str], *, first_id: int = 0) -> dict[str, Any]:
    """Return a batch of SQS messages, as Lambda passes it to the function."""
    return {
        "Records": [
            {
                "messageId": f"message-{first_id + number}",
                "receiptHandle": "handle",
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:111122223333:drs-job-log-ingest",
                "awsRegion": "us-east-1",
            }
            for number, body in enumerate(bodies)
        ]
    }


# DynamoDB does not allow an empty attribute name.
names = st.text(min_size=1, max_size=20)

# Any JSON: all texts (including lone surrogates), all numbers, nested and empty values.
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.text(st.characters(exclude_categories=())),
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(names, parts, max_size=4),
    max_leaves=12,
)


@st.composite
def details(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a valid event detail. It has few jobs, times and IDs, so that events repeat."""
    extra = draw(st.dictionaries(names, json_values, max_size=3))
    return extra | {
        "jobID": draw(st.sampled_from(["drsjob-1", "drsjob-2"])),
        "eventType": draw(st.sampled_from(["JOB_START", "LAUNCH_END", "SOMETHING_NEW"])),
        "eventId": draw(st.sampled_from(["a", "b", "c"])),
        "logDateTime": draw(st.sampled_from(["2025-11-28T20:30:15Z", "2025-11-28T20:30:15.000001+00:00"])),
        "executionId": draw(st.sampled_from([None, "exec-1"])),
        "message": draw(st.text()),
    }


def dumps(envelope: dict[str, Any]) -> str:
    """Return the envelope as JSON."""
    return json.dumps(envelope)
