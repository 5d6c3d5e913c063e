"""The SNS message: what each protocol gets, the subject, the attributes and the limits of SNS."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from drs_job_log.model.events import parse
from drs_job_log.notify.chat import to_chat
from drs_job_log.notify.email_text import to_email
from drs_job_log.notify.event_notices import notice_of_report
from drs_job_log.notify.message import to_publish
from drs_job_log.notify.notice import KINDS, NoticeServer
from hypothesis import given
from hypothesis import strategies as st

from tests.support.envelopes import details, dumps, job_log, json_values
from tests.support.notices import (
    CHAT_SCHEMA,
    SCHEMA,
    SETTINGS,
    TIME,
    failure,
    hostile_notices,
    notice_of,
    part,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drs_job_log.config import NotificationSettings
    from drs_job_log.model.events import JobLogEvent
    from drs_job_log.notify.notice import Notice

# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
MAX_BYTES = 262_144
SENDABLE = {0x9, 0xA, 0xD, *range(0x20, 0xD800), *range(0xE000, 0xFFFE), *range(0x10000, 0x110000)}

DOCUMENT = jsonschema_rs.Draft202012Validator(json.loads(SCHEMA.read_text()), validate_formats=True)
CHAT = jsonschema_rs.Draft202012Validator(json.loads(CHAT_SCHEMA.read_text()))


def message_of(
    event: JobLogEvent,
    settings: NotificationSettings = SETTINGS,
    *,
    label: str = "failed",
    now: datetime | None = None,
) -> dict[str, Any]:
    return to_publish([notice_of_report(event, label)], settings, now or datetime.now(UTC))


def attributes(message: dict[str, Any]) -> dict[str, str]:
    return {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}


def check(message: dict[str, Any]) -> None:
    """Check the documented limits of SNS. The embedded AWS does not enforce them."""
    assert set(message) == {"Subject", "Message", "MessageStructure", "MessageAttributes"}
    assert message["MessageStructure"] == "json"
    parts = json.loads(message["Message"])
    assert all(isinstance(text, str) and text for text in parts.values())
    assert 0 < len(message["Subject"]) < 100
    assert message["Subject"].isascii()
    assert message["Subject"].isprintable()
    assert len(parts["sms"]) <= 140
    values = attributes(message)
    assert 0 < len(values) <= 10
    assert all(values.values())
    assert {ord(letter) for text in (*parts.values(), *values.values()) for letter in text} <= SENDABLE
    size = len(message["Message"].encode()) + sum(
        len(name) + len(one["DataType"]) + len(one["StringValue"].encode())
        for name, one in message["MessageAttributes"].items()
    )
    assert size <= MAX_BYTES
    DOCUMENT.validate(json.loads(parts["default"]))
    CHAT.validate(json.loads(parts["https"]))


# ---------------------------------------------------------------------------------------------------------------------
# Protocols
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_each_protocol_gets_its_format(kind: str) -> None:
    notice = notice_of(kind)

    message = to_publish([notice], SETTINGS, TIME)

    check(message)
    assert part(message, "email") == to_email([notice], SETTINGS)
    assert part(message, "sms") == message["Subject"]
    assert part(message, "https") == part(message, "http") == to_chat([notice], SETTINGS)
    for protocol in ("sqs", "lambda", "firehose"):
        (document,) = part(message, protocol)["notices"]
        assert document["kind"] == kind


def test_a_message_needs_a_notice() -> None:
    with pytest.raises(ValueError, match="needs a notice"):
        to_publish([], SETTINGS, TIME)


# ---------------------------------------------------------------------------------------------------------------------
# Limits
# ---------------------------------------------------------------------------------------------------------------------


@given(hostile_notices())
def test_sns_accepts_any_notices(notices: Sequence[Notice]) -> None:
    check(to_publish(notices, SETTINGS, TIME))


@given(
    details(),
    st.dictionaries(st.sampled_from(["message", "error", "account", "isDrill", "sourceServerName"]), json_values),
)
def test_sns_accepts_the_notice_of_any_event(detail: dict[str, Any], invalid: dict[str, Any]) -> None:
    lone_surrogates = {"jobID": "drsjob-\ud83d", "executionId": "exec-\ud83d"} if detail["eventId"] == "a" else {}
    event = parse(dumps(job_log(detail | invalid | lone_surrogates | {"eventType": "LAUNCH_FAILED"})))

    check(message_of(event))


@pytest.mark.parametrize(
    "text", ["x", "\U0001f6ab", '"', "\\", pytest.param("\x01", marks=pytest.mark.slow)], ids=ascii
)
def test_the_largest_messages_fit_into_a_message_of_sns(text: str) -> None:
    names = ("execution_id", "job_id", "account", "region", "event_type", "event_id", "source", "outcome")
    names += ("previous_outcome", "requested_by", "error", "summary")

    def notice(number: int, servers: int) -> Notice:
        texts = dict.fromkeys(names, f"{number}{text * 3000}")
        listed = [
            NoticeServer(id=texts["job_id"], name=texts["job_id"], state="FAILED", error=texts["error"])
            for _ in range(servers)
        ]
        return notice_of("failed", notice_id=texts["error"], servers=listed, job_ids=[texts["job_id"]] * 9, **texts)

    for notices in ([notice(0, 1)], [notice(0, 300)], [notice(number, 1) for number in range(100)]):
        message = to_publish(notices, SETTINGS, TIME)
        check(message)
        assert part(message, "sqs")["noticeCount"] == len(notices)


def test_the_97_collected_failures_of_a_job_are_complete_for_each_program() -> None:
    notices = [
        notice_of_report(failure(sourceServerID=f"s-{number:017x}", sourceServerName=f"web-{number}"), "failed")
        for number in range(97)
    ]

    message = to_publish(notices, SETTINGS, TIME)

    document = part(message, "sqs")
    assert document["isComplete"]
    assert len({notice["servers"][0]["id"] for notice in document["notices"]}) == 97
    assert all(notice["isComplete"] for notice in document["notices"])


# ---------------------------------------------------------------------------------------------------------------------
# Subject
# ---------------------------------------------------------------------------------------------------------------------


def test_the_subject_contains_the_kind_of_job_the_server_and_the_age() -> None:
    event = failure(logDateTime="2025-11-28T20:31:30Z")

    message = message_of(event, now=event.timestamp + timedelta(hours=3, minutes=59))

    assert message["Subject"] == "[drs-job-log] Drill: Server prod-web-01 failed to launch (3 h ago)"


@pytest.mark.parametrize(
    ("is_drill", "prefix"), [(True, "Drill: "), (False, "Recovery: "), ({}, "Drill or recovery: ")]
)
def test_the_subject_names_a_drill(is_drill: Any, prefix: str) -> None:
    assert message_of(failure(isDrill=is_drill))["Subject"].startswith(f"[drs-job-log] {prefix}")


@pytest.mark.parametrize(
    ("initiated_by", "label"),
    [
        ("START_DRILL", "Drill"),
        ("START_RECOVERY", "Recovery"),
        ("FAILBACK", "Failback"),
        ("CREATE_NETWORK_RECOVERY", "Network recovery"),
        ("DIAGNOSTIC", "Job"),
    ],
)
def test_the_message_names_the_kind_of_the_job(initiated_by: str, label: str) -> None:
    message = message_of(failure(initiatedBy=initiated_by, isDrill=False))

    assert message["Subject"] == f"[drs-job-log] {label}: Server prod-web-01 failed to launch"
    assert f"Job:        drsjob-1 ({label.lower()})\n" in part(message, "email")


@pytest.mark.parametrize(
    ("age", "suffix"),
    [
        (timedelta(minutes=-5), ""),
        (timedelta(minutes=10), ""),
        (timedelta(minutes=11), " (11 min ago)"),
        (timedelta(hours=1, minutes=59), " (119 min ago)"),
        (timedelta(hours=47), " (47 h ago)"),
        (timedelta(days=13), " (13 d ago)"),
    ],
)
def test_the_subject_contains_the_age_of_an_old_failure(age: timedelta, suffix: str) -> None:
    event = failure()

    subject = message_of(event, now=event.timestamp + age)["Subject"]

    assert subject == f"[drs-job-log] Drill: Server prod-web-01 failed to launch{suffix}"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("prod-web-01", "prod-web-01"),
        ("a" * 200, "a" * 27 + "..."),
        ("\N{CYRILLIC SMALL LETTER DE}" * 9, "s-1"),  # ASCII has no such letters
        (None, "s-1"),
    ],
)
@pytest.mark.parametrize("message", ["Server {} failed to launch", "x" * 300, "x" * 90 + " {}", None])
def test_the_subject_always_contains_the_server_and_the_age(name: str | None, shown: str, message: str | None) -> None:
    event = failure(sourceServerName=name, message=message and message.format(name or "s-1"))
    settings = replace(SETTINGS, name="n" * 128)

    subject = message_of(event, settings, now=event.timestamp + timedelta(days=1))["Subject"]

    assert len(subject) <= 99
    assert shown in subject
    assert subject.endswith(" (24 h ago)")


@pytest.mark.parametrize(
    ("notices", "subject"),
    [
        ([notice_of("settled")], "[drs-job-log] Drill: A notice of the kind settled"),
        ([notice_of("not_drilled")], "[drs-job-log] A notice of the kind not_drilled"),
        ([notice_of("failed"), notice_of("failed"), notice_of("resolved")],
         "[drs-job-log] Drill: 2 failed (final), 1 resolved"),
        ([notice_of("failed"), notice_of("failed", initiated_by="START_RECOVERY", is_drill=False)],
         "[drs-job-log] Drill or recovery: 2 failed (final)"),
    ],
)  # fmt: skip
def test_the_subject_of_other_notices(notices: Sequence[Notice], subject: str) -> None:
    assert to_publish(notices, SETTINGS, TIME)["Subject"] == subject


def test_the_subject_of_several_notices_has_the_age_of_the_oldest() -> None:
    notices = [notice_of("failed"), notice_of("failed", time=TIME - timedelta(hours=5))]

    assert to_publish(notices, SETTINGS, TIME)["Subject"].endswith(": 2 failed (final) (5 h ago)")


# ---------------------------------------------------------------------------------------------------------------------
# Attributes
# ---------------------------------------------------------------------------------------------------------------------


def test_a_failure_has_ten_attributes_for_filter_policies() -> None:
    assert attributes(message_of(failure())) == {
        "kind": "failed",
        "eventType": "SERVER_LAUNCH_FAILED",
        "eventId": "e-1",
        "jobId": "drsjob-1",
        "executionId": "exec/1",
        "isDrill": "true",
        "sourceServerId": "s-1",
        "serverName": "prod-web-01",
        "account": "111122223333",
        "region": "eu-west-1",
    }


def test_the_attributes_of_an_execution() -> None:
    assert attributes(to_publish([notice_of("settled")], SETTINGS, TIME)) == {
        "kind": "settled",
        "executionId": "exec-1",
        "isDrill": "true",
        "outcome": "PARTIAL",
        "account": "111122223333",
        "region": "eu-west-1",
    }


def test_there_are_never_more_than_ten_attributes() -> None:
    found = attributes(to_publish([notice_of("failed", outcome="FAILED")], SETTINGS, TIME))

    assert len(found) == 10
    assert "eventId" not in found
    assert found["outcome"] == "FAILED"


def test_a_network_has_an_attribute_of_its_own() -> None:
    event = failure(
        eventType="NETWORK_RECOVERY_FAIL",
        resourceID="sn-1",
        sourceServerID=None,
        sourceServerName=None,
        initiatedBy="CREATE_NETWORK_RECOVERY",
        message=None,
    )

    message = message_of(event)

    assert message["Subject"] == "[drs-job-log] Network recovery: Network sn-1: NETWORK_RECOVERY_FAIL"
    assert "Network:    sn-1\n" in part(message, "email")
    assert attributes(message)["resourceId"] == "sn-1"
    assert "sourceServerId" not in attributes(message)


def test_several_notices_have_all_values() -> None:
    notices = [notice_of("failed"), notice_of("failed", job_id="drsjob-2"), notice_of("settled")]

    message = to_publish(notices, SETTINGS, TIME)

    assert message["MessageAttributes"]["jobId"] == {
        "DataType": "String.Array",
        "StringValue": '["drsjob-1111111111111111a", "drsjob-2"]',
    }
    assert message["MessageAttributes"]["executionId"] == {"DataType": "String", "StringValue": "exec-1"}
    assert json.loads(attributes(message)["kind"]) == ["failed", "settled"]
    assert not {"eventId", "serverName"} & set(attributes(message))


# ---------------------------------------------------------------------------------------------------------------------
# Notices of events
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "kind", "summary", "has_error"),
    [
        ("failed", "failed", "Server prod-web-01 failed to launch", True),
        ("failed (final)", "failed", "Server prod-web-01 failed to launch", True),
        ("error", "failed", "Server prod-web-01: the error of the failure is known now", True),
        ("resolved", "resolved", "Server prod-web-01 launched after an earlier failure", False),
        ("post-launch action failed", "action_failed", "Server prod-web-01 failed to launch", True),
        ("stalled", "stalled", "Server prod-web-01 failed to launch", False),
    ],
)
def test_the_notice_of_an_event(label: str, kind: str, summary: str, has_error: bool) -> None:
    notice = notice_of_report(failure(), label)

    assert (notice.kind, notice.label, notice.summary) == (kind, label, summary)
    assert (notice.error is not None, notice.is_error_expected) == (has_error, has_error)
    assert notice.servers == [NoticeServer(id="s-1", name="prod-web-01")]


def test_an_event_and_its_label_identify_a_notice() -> None:
    ids = {
        notice_of_report(failure(logDateTime="2025-11-28T20:31:30Z", **changes), label).notice_id
        for changes in ({}, {}, {"eventId": "e-2"}, {"jobID": "drsjob-2"})
        for label in ("failed", "resolved")
    }

    assert len(ids) == 6


def test_an_event_that_names_no_server_says_so() -> None:
    text = part(message_of(failure(sourceServerID=None, sourceServerName=None, message=None)), "email")

    assert "Server:     (the event does not name the server)\n" in text


def test_other_labels_are_rejected() -> None:
    with pytest.raises(KeyError):
        notice_of_report(failure(), "something else")
