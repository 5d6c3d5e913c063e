from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from drs_job_log.model.events import (
    InvalidEventError,
    format_time,
    parse,
    parse_time,
    requested_by,
    require_plausible_time,
    seconds_of,
)
from drs_job_log.table import to_item
from hypothesis import given
from hypothesis import strategies as st

from tests.support.drills import items
from tests.support.envelopes import ALICE, details, dumps, job_log, json_values, launch_result, request

DETAIL = {
    "jobID": "drsjob-1",
    "eventType": "LAUNCH_END",
    "eventId": "fact-1",
    "logDateTime": "2022-12-07T19:24:27.973064+00:00",
    "executionId": "exec-1",
    "sourceServerID": "s-1",
    "sourceServerName": "prod-web-01",
    "ec2InstanceID": "i-1",
    "message": "Server prod-web-01 launched",
    "error": "none",
    "isDrill": "TRUE",
    "anything": {"else": [1, 2.5]},
}


def test_a_job_log_event_is_parsed_completely() -> None:
    event = parse(dumps(job_log(DETAIL)))

    assert event.job_id == "drsjob-1"
    assert event.event_id == "fact-1"
    assert event.event_type == "SERVER_LAUNCHED"
    assert event.timestamp == datetime(2022, 12, 7, 19, 24, 27, 973064, UTC)
    assert event.source == "drs.job-log"
    assert event.execution_id == "exec-1"
    assert event.source_server_id == "s-1"
    assert event.source_server_name == "prod-web-01"
    assert event.ec2_instance_id == "i-1"
    assert event.message == "Server prod-web-01 launched"
    assert event.error == "none"
    assert event.detail == DETAIL | {"isDrill": True}
    assert event.key == "2022-12-07T19:24:27.973064Z#fact-1"


def test_the_key_of_a_foreign_event_contains_its_source() -> None:
    """Otherwise, a permitted sender could store a harmless event under the key of a failure before the collector."""
    own, foreign = (parse(dumps(job_log(DETAIL, source=source))) for source in ("drs.job-log", "my.tool"))

    assert foreign.event_id == own.event_id
    assert foreign.key == f"{own.key}#my.tool"
    assert parse(dumps(job_log(DETAIL, source="my.tool")), {"my.tool"}).key == own.key
    assert parse(dumps(job_log(DETAIL)), {"my.tool"}).key == f"{own.key}#drs.job-log"


@pytest.mark.parametrize("source", ["my.tool", ""])
def test_the_key_of_a_foreign_event_fits_into_the_table(source: str) -> None:
    longest = "x" * (1024 - len(f"2022-12-07T19:24:27.973064Z##{source}"))

    assert len(parse(dumps(job_log(DETAIL | {"eventId": longest}, source=source))).key) == 1024
    with pytest.raises(InvalidEventError, match="eventId"):
        parse(dumps(job_log(DETAIL | {"eventId": longest + "x"}, source=source)))


@pytest.mark.parametrize(
    "name", ["sourceServerIDs", "resourceIDs", "participatingServers", "participatingResources", "launchJobIDs"]
)
def test_a_list_of_more_than_1000_ids_is_invalid(name: str) -> None:
    parse(dumps(job_log(DETAIL | {name: ["s-1"] * 1000})))
    with pytest.raises(InvalidEventError, match=rf"detail\.{name} must have at most 1000 elements, not 1001"):
        parse(dumps(job_log(DETAIL | {name: ["s-1"] * 1001})))


RETENTION = timedelta(days=30)


@pytest.mark.parametrize("age", [timedelta(days=-1), timedelta(0), RETENTION, RETENTION + timedelta(days=1)])
def test_a_plausible_time_is_valid(age: timedelta) -> None:
    event = parse(dumps(job_log(DETAIL)))

    require_plausible_time(event, event.timestamp + age, RETENTION)


@pytest.mark.parametrize(
    "time",
    ["1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2025-12-02T12:00:00.000001Z", "2025-10-31T11:59:59.999999Z"],
)
def test_a_time_outside_the_retention_period_is_invalid(time: str) -> None:
    event = parse(dumps(job_log(DETAIL | {"logDateTime": time})))

    with pytest.raises(InvalidEventError, match=r"logDateTime or time must be between 2025-10-31T12:00:00\.000000Z"):
        require_plausible_time(event, datetime(2025, 12, 1, 12, tzinfo=UTC), RETENTION)


def test_missing_attributes_are_taken_from_the_envelope() -> None:
    event = parse(dumps(job_log({"jobID": "drsjob-1", "eventType": "JOB_START", "eventId": "", "executionId": ""})))

    assert event.key == "2025-11-28T20:30:15.000000Z#11111111-2222-3333-4444-555555555555"
    assert event.execution_id is None
    assert event.message is None


@pytest.mark.parametrize(
    ("state", "stored"),
    [
        ("RECOVERY_LAUNCH_SUCCEEDED", "SERVER_LAUNCHED"),
        ("RECOVERY_LAUNCH_FAILED", "SERVER_LAUNCH_FAILED"),
        ("RECOVERY_LAUNCH_SOMETHING_NEW", "RECOVERY_LAUNCH_SOMETHING_NEW"),
    ],
)
def test_a_launch_result_is_parsed_as_a_job_log_event(state: str, stored: str) -> None:
    event = parse(dumps(launch_result(state=state)))

    assert event.event_type == stored
    assert event.job_id == "drsjob-1"
    assert event.source_server_id == "s-1"
    assert event.source == "aws.drs"
    assert event.detail["isDrill"] is False
    assert event.detail["state"] == state


def test_the_request_of_a_job_is_an_event_with_nothing_else_of_the_call() -> None:
    event = parse(dumps(request({})))

    assert event.event_type == "JOB_REQUESTED"
    assert event.key == "2025-11-28T20:30:00.000000Z#33333333-2222-3333-4444-555555555555"
    assert (event.job_id, event.source, event.is_foreign, event.is_from_collector) == (
        "drsjob-1",
        "aws.drs",
        False,
        False,
    )
    assert (event.message, event.execution_id) == ("Drill requested by Operator/alice", None)
    assert requested_by(event) == ALICE
    assert event.detail == {
        "jobID": "drsjob-1",
        "eventType": "JOB_REQUESTED",
        "eventId": "33333333-2222-3333-4444-555555555555",
        "eventName": "StartRecovery",
        "logDateTime": "2025-11-28T20:30:00Z",
        "account": "111122223333",
        "region": "us-east-1",
        "jobType": "LAUNCH",
        "initiatedBy": "START_DRILL",
        "isDrill": True,
        "requestedBy": ALICE,
        "requestedByType": "AssumedRole",
        "message": "Drill requested by Operator/alice",
    }


@pytest.mark.parametrize(
    ("job", "identity", "message", "is_drill"),
    [
        ({"initiatedBy": "START_RECOVERY"}, {"arn": ALICE}, "Recovery requested by Operator/alice", False),
        (
            {"type": "TERMINATE", "initiatedBy": "TERMINATE_RECOVERY_INSTANCES"},
            {"type": "AWSService", "invokedBy": "drs.amazonaws.com"},
            "Termination requested by drs.amazonaws.com",
            None,
        ),
        ({"initiatedBy": None, "type": None}, None, "Job requested", None),
    ],
)
def test_the_request_of_a_job_has_a_message(
    job: dict[str, Any], identity: dict[str, Any] | None, message: str, is_drill: bool | None
) -> None:
    event = parse(dumps(request(job, userIdentity=identity)))

    assert (event.message, event.detail.get("isDrill")) == (message, is_drill)
    assert ("requestedBy" in event.detail) == (requested_by(event) is not None) == (identity is not None)


def test_a_request_without_an_id_has_the_id_of_its_envelope() -> None:
    assert parse(dumps(request({}, eventID=None))).event_id == "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize("source", ["drs.job-log", "my.tool"])
def test_only_aws_states_who_requested_a_job(source: str) -> None:
    forged = {
        "jobID": "drsjob-1",
        "eventType": "JOB_REQUESTED",
        "requestedBy": "arn:aws:iam::111122223333:user/mallory",
    }

    assert requested_by(parse(dumps(job_log(forged, source=source)))) is None


@given(st.dictionaries(st.sampled_from(["type", "initiatedBy", "tags"]), json_values), *[json_values] * 3)
def test_any_request_is_parsed_without_its_secrets_or_rejected(
    job: dict[str, Any], identity: Any, name: Any, parameters: Any
) -> None:
    call = {"userIdentity": identity, "eventName": name, "requestParameters": parameters, "userAgent": "SECRET"}
    try:
        event = parse(dumps(request(job, **call)))
    except InvalidEventError:
        return

    kept = {"jobID", "eventType", "eventId", "eventName", "logDateTime", "account", "region", "jobType", "initiatedBy"}
    assert event.detail.keys() <= kept | {"isDrill", "requestedBy", "requestedByType", "message"}
    assert not {"SECRET", "HIDDEN", "192.0.2.1", "ASIAIOSFODNN7EXAMPLE"} & set(map(str, event.detail.values()))
    to_item(event, ingested_at=event.timestamp, retention=RETENTION)


@pytest.mark.parametrize(
    ("drs", "stored"),
    [
        ("JOB_START", "JOB_STARTED"),
        ("JOB_CANCEL", "JOB_TERMINATED"),
        ("SNAPSHOT_START", "SNAPSHOT_STARTED"),
        ("SNAPSHOT_END", "SNAPSHOT_COMPLETED"),
        ("SNAPSHOT_FAIL", "SNAPSHOT_FAILED"),
        ("CONVERSION_START", "CONVERSION_STARTED"),
        ("CONVERSION_END", "CONVERSION_COMPLETED"),
        ("CONVERSION_FAIL", "CONVERSION_FAILED"),
        ("LAUNCH_START", "SERVER_LAUNCHING"),
        ("LAUNCH_END", "SERVER_LAUNCHED"),
        ("LAUNCH_FAILED", "SERVER_LAUNCH_FAILED"),
        ("SERVER_SKIPPED", "SERVER_SKIPPED"),
        ("CLEANUP_START", "CLEANUP_START"),
        ("NOBODY_LISTED_THIS", "NOBODY_LISTED_THIS"),
    ],
)
def test_event_types_are_normalized(drs: str, stored: str) -> None:
    assert parse(dumps(job_log(DETAIL | {"eventType": drs}))).event_type == stored
    assert parse(dumps(job_log(DETAIL | {"eventType": stored}))).event_type == stored


@pytest.mark.parametrize(
    ("outcome", "stored"),
    [(None, "JOB_COMPLETED"), ("SUCCEEDED", "JOB_COMPLETED"), ("PARTIAL", "JOB_COMPLETED"), ("FAILED", "JOB_FAILED")],
)
def test_the_type_of_a_job_end_depends_on_its_outcome(outcome: str | None, stored: str) -> None:
    assert parse(dumps(job_log(DETAIL | {"eventType": "JOB_END", "outcome": outcome}))).event_type == stored


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{", "not valid JSON"),
        ("", "not valid JSON"),
        ("[]", "must be an EventBridge event"),
        (dumps({"detail": "text"}), "must be an EventBridge event"),
        (dumps(job_log(DETAIL, **{"detail-type": "EC2 Instance State-change"})), "detail-type must be"),
        (dumps(job_log({"eventType": "JOB_START"})), "detail.jobID must be a non-empty string"),
        (dumps(job_log(DETAIL | {"jobID": ""})), "detail.jobID must be a non-empty string"),
        (dumps(job_log(DETAIL | {"jobID": 7})), "detail.jobID must be a non-empty string"),
        (dumps(job_log(DETAIL | {"jobID": "j" * 2049})), "detail.jobID must be at most 2048 bytes"),
        (dumps(job_log(DETAIL | {"eventId": "e" * 997})), "detail.eventId or id must be at most 996 bytes"),
        (dumps(job_log(DETAIL | {"eventId": "é" * 499})), "detail.eventId or id must be at most 996 bytes"),
        (dumps(job_log(DETAIL | {"eventId": None}, id=None)), "detail.eventId or id must be a non-empty string"),
        (dumps(job_log(DETAIL | {"executionId": {"id": 1}})), "detail.executionId must be a non-empty string"),
        (dumps(job_log(DETAIL | {"executionId": "x" * 2049})), "detail.executionId must be at most 2048 bytes"),
        (dumps(job_log(DETAIL | {"eventId": 0})), "detail.eventId or id must be a non-empty string"),
        (dumps(job_log(DETAIL | {"executionId": []})), "detail.executionId must be a non-empty string"),
        (dumps(job_log(DETAIL | {"logDateTime": 0})), "must be an ISO 8601 time"),
        (dumps(job_log(DETAIL)).replace("2.5", "1e99999999999999999999"), "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        (dumps(job_log({"jobID": "drsjob-1"})), "detail.eventType must be a non-empty string"),
        (dumps(job_log(DETAIL | {"eventType": ["JOB_START"]})), "detail.eventType must be a non-empty string"),
        (dumps(job_log(DETAIL | {"logDateTime": "soon"})), "must be an ISO 8601 time"),
        (dumps(job_log(DETAIL | {"logDateTime": None}, time=None)), "must be an ISO 8601 time"),
        (dumps(launch_result(**{"job-id": None})), "detail.jobID must be a non-empty string"),
        (dumps(launch_result(state=None)), "detail.eventType must be a non-empty string"),
        (dumps(request({}) | {"source": "my.tool"}), "the source of an API call must be 'aws.drs', not 'my.tool'"),
        (
            dumps(request({}, responseElements=None, errorCode="AccessDenied")),
            "created no job .errorCode: 'AccessDenied'",
        ),
        (dumps(request({}, responseElements={"job": "drsjob-1"})), "responseElements.job must be an object"),
        (dumps(request({}, responseElements=["job"])), "responseElements.job must be an object"),
        (dumps(request({"jobID": None})), "detail.jobID must be a non-empty string"),
        (dumps(request({"jobID": ["drsjob-1"]})), "detail.jobID must be a non-empty string"),
        (dumps(request({}, eventTime="soon")), "must be an ISO 8601 time"),
        (dumps(request({}, eventID={})), "detail.eventId or id must be a non-empty string"),
    ],
)
def test_an_invalid_event_is_rejected_with_the_reason(body: str, message: str) -> None:
    with pytest.raises(InvalidEventError, match=message):
        parse(body)


@pytest.mark.parametrize(
    "text",
    [
        "2022-12-07T19:15:39.204086+00:00",
        "2022-12-07T19:15:39.204086Z",
        "2022-12-07T19:15:39.204086",
        "2022-12-07 20:15:39.204086+01:00",
        "2022-12-07T14:15:39.204086-0500",
        "2022-12-07T19:15:39.204086999Z",
        "2022-12-07T20:15:39,204086+01",
    ],
)
def test_all_formats_of_a_time_give_the_same_time(text: str) -> None:
    assert format_time(parse_time("time", text)) == "2022-12-07T19:15:39.204086Z"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2022-12-07T19:15:39+00:00", "2022-12-07T19:15:39.000000Z"),
        ("2022-12-07T19:15Z", "2022-12-07T19:15:00.000000Z"),
    ],
)
def test_missing_parts_of_a_time_are_zero(text: str, expected: str) -> None:
    assert format_time(parse_time("time", text)) == expected


@pytest.mark.parametrize(
    "value",
    [
        *("", "soon", "2022-12-07", "20221207T191539Z", "2022-W49-3T19:15:39", "2022-02-30T00:00:00Z"),
        *("2022-12-07T25:00:00Z", "0001-01-01T00:00:00+23:59", "٢٠٢٢-12-07T19:15:39Z", 1670440539, None, True),
    ],
)
def test_an_invalid_time_is_rejected(value: object) -> None:
    with pytest.raises(InvalidEventError, match="time must be an ISO 8601 time"):
        parse_time("time", value)


@given(st.datetimes(min_value=datetime(1000, 1, 2), max_value=datetime(9999, 12, 30)), st.integers(-1439, 1439))
def test_formatted_times_sort_chronologically(naive: datetime, offset: int) -> None:
    time = naive.replace(tzinfo=timezone(timedelta(minutes=offset)))

    text = format_time(parse_time("time", time.isoformat()))

    assert datetime.fromisoformat(text) == time
    assert len(text) == len("2025-11-28T20:30:15.000000Z")
    assert text < format_time(time + timedelta(microseconds=1))


@pytest.mark.parametrize(
    ("given_value", "expected"), [("TRUE", True), ("False", False), (True, True), ("maybe", "maybe")]
)
def test_is_drill_is_converted_to_a_bool_if_possible(given_value: object, expected: object) -> None:
    assert parse(dumps(job_log(DETAIL | {"isDrill": given_value}))).detail["isDrill"] == expected


def test_values_that_should_be_texts_are_converted_to_text() -> None:
    event = parse(dumps(job_log(DETAIL | {"error": {"code": 1.5, "why": "ü"}, "message": 7})))

    assert event.error == '{"code": "1.5", "why": "ü"}'
    assert event.message == "7"


@given(details())
def test_any_valid_event_is_parsed(detail: dict[str, Any]) -> None:
    event = parse(dumps(job_log(detail)))

    assert event.job_id == detail["jobID"]
    assert event.event_id == detail["eventId"]
    assert set(event.detail) == set(detail)


@given(st.text() | st.recursive(st.none() | st.text(), lambda part: st.dictionaries(st.text(), part)).map(json.dumps))
def test_any_invalid_text_raises_an_invalid_event_error(body: str) -> None:
    with pytest.raises(InvalidEventError):
        parse(body)


def test_the_real_drills_are_parsed() -> None:
    events = [parse(dumps(job_log(item.detail()))) for item in items()]

    assert len({(event.job_id, event.key) for event in events}) == 28
    assert [event.event_type for event in events if event.source_server_id == "s-51d6b65c73391918f"] == [
        "SNAPSHOT_STARTED",
        "SNAPSHOT_COMPLETED",
        "CONVERSION_STARTED",
        "CONVERSION_COMPLETED",
        "SERVER_LAUNCHING",
        "SERVER_LAUNCHED",
    ]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(0, 0.0), (1.5, 1.5), (Decimal("2.5"), 2.5), (-1, None), (True, None), ("3", None), (None, None), (10**400, None)],
)
def test_a_duration_is_a_plausible_number(value: object, seconds: float | None) -> None:
    assert seconds_of(value) == seconds
