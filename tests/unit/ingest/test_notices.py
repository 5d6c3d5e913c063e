"""The notifications of a server or a network, from the messages in the queue to the messages of the topic."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count, permutations
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError
from aws_lambda_powertools.utilities.idempotency import BasePersistenceLayer
from drs_job_log.ingest import handler as ingest
from drs_job_log.notify import notifier as notify
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.envelopes import dumps, job_log, launch_result, sqs_records
from tests.support.functions import LambdaContext, cold_start

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from tests.unit.conftest import Subscriber

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:No application metrics to publish")]

# Recent in each test, so that subjects have no age, and older than the time for which ingest waits for an error.
START = datetime.now(UTC)

numbers = count()


@pytest.fixture(autouse=True)
def _function(subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start the function. It collects no notices: see ``test_collected_notices.py``."""
    global START  # noqa: PLW0603
    START = datetime.now(UTC) - timedelta(minutes=8)
    monkeypatch.setattr("drs_job_log.notify.outbox.MAX_IMMEDIATE", 1000)
    cold_start("ingest", FAILURE_TOPIC_ARN=subscriber.topic_arn)


def item(event: str, minute: float = 0, error: str | None = None, **detail: Any) -> str:
    """Return the message of a log item of s-1."""
    values = {
        "jobID": "drsjob-1",
        "eventType": event,
        "eventId": f"{event} {minute} {error}",
        "logDateTime": (START + timedelta(minutes=minute)).isoformat(),
        "sourceServerID": "s-1",
        "sourceServerName": "web",
        "initiatedBy": "START_DRILL",
        "error": error,
    } | detail
    return dumps(job_log({name: value for name, value in values.items() if value is not None}))


def attempt(number: int, minute: float, error: str, **detail: Any) -> str:
    """Return the message of a failed attempt of three."""
    return item("LAUNCH_FAILED", minute, error, attempt=number, maxAttempts=3, **detail)


def result(state: str = "FAILED", minute: float = 0, time: datetime | None = None) -> str:
    """Return the message of a launch result of DRS, which has whole seconds."""
    time = (time or START + timedelta(minutes=minute)).replace(microsecond=0)
    return dumps(launch_result(state=f"RECOVERY_LAUNCH_{state}") | {"id": f"{state} {time}", "time": time.isoformat()})


def run(*bodies: str) -> list[str]:
    """Invoke the function once for each message. Return the messages that are retried."""
    return [body for body in bodies if batch(body)]


def batch(*bodies: str) -> list[str]:
    answer = ingest.lambda_handler(sqs_records(list(bodies), first_id=next(numbers)), LambdaContext())
    return [failed["itemIdentifier"] for failed in answer["batchItemFailures"]]


def notices(subscriber: Subscriber) -> list[tuple[str, str | None]]:
    """Return the kind and the error of each notification."""
    texts = [message["Message"] for message in subscriber.take()]
    return [(field(text, "Notice") or "", field(text, "Error")) for text in texts]


def field(text: str, name: str) -> str | None:
    found = re.search(f"^{name}: +(.*)$", text, re.MULTILINE)
    return found and found[1]


def metric(capsys: pytest.CaptureFixture[str], name: str) -> list[float]:
    """Return the values of a metric since the last call."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    return [value for line in lines for value in line.get(name, [])]


# ---------------------------------------------------------------------------------------------------------------------
# The final failure
# ---------------------------------------------------------------------------------------------------------------------


def test_the_first_and_the_final_failed_attempt_are_notified(subscriber: Subscriber) -> None:
    run(attempt(1, 1, "A"), item("LAUNCH_START", 2), attempt(2, 3, "B"), attempt(3, 5, "C"), attempt(3, 5, "C"))

    assert notices(subscriber) == [("failed", "A"), ("failed (final)", "C")]


def test_the_final_failure_is_notified_with_the_same_error(subscriber: Subscriber) -> None:
    run(attempt(1, 1, "A"), attempt(3, 5, "A"))

    assert notices(subscriber) == [("failed", "A"), ("failed (final)", "A")]


def test_another_failure_of_a_later_step_is_notified(subscriber: Subscriber) -> None:
    run(
        item("SNAPSHOT_FAIL", 1, "A"),
        item("USING_PREVIOUS_SNAPSHOT", 2),
        item("CONVERSION_START", 3),
        item("CONVERSION_FAIL", 4, "B"),
    )

    assert notices(subscriber) == [("failed", "A"), ("failed (final)", "B")]


@pytest.mark.parametrize("order", permutations(range(3)))
def test_the_final_failure_is_notified_in_any_order(subscriber: Subscriber, order: Sequence[int]) -> None:
    bodies = [attempt(1, 1, "A"), attempt(2, 2, "B"), attempt(3, 3, "C")]

    run(*(bodies[place] for place in order))

    sent = notices(subscriber)
    assert sent[-1] in {("failed (final)", "C"), ("failed", "C")}
    assert len(sent) == (1 if order[0] == 2 else 2)


def test_an_older_failure_that_arrives_late_is_not_notified(subscriber: Subscriber) -> None:
    run(attempt(3, 5, "C"), item("SNAPSHOT_FAIL", 1, "A"), attempt(1, 3, "B"))

    assert notices(subscriber) == [("failed", "C")]


def test_the_launch_result_of_a_notified_failure_says_nothing_new(subscriber: Subscriber) -> None:
    now = datetime.now(UTC)
    log_item = item("LAUNCH_FAILED", error="A", logDateTime=now.isoformat())

    assert run(log_item, result(time=now), result(minute=2), log_item) == []

    assert notices(subscriber) == [("failed", "A")]


def test_the_launch_result_after_the_first_attempt_is_its_final_failure(subscriber: Subscriber) -> None:
    run(attempt(1, 1, "A"), result(minute=3), item("LAUNCH_FAILED", 3, "C", eventId="derived"))

    assert notices(subscriber) == [("failed", "A"), ("failed (final)", "A"), ("failed (final)", "C")]


# ---------------------------------------------------------------------------------------------------------------------
# The error
# ---------------------------------------------------------------------------------------------------------------------


def test_a_new_launch_result_waits_for_the_error(subscriber: Subscriber, capsys: pytest.CaptureFixture[str]) -> None:
    now = datetime.now(UTC)
    failed = result(time=now)
    log_item = item("LAUNCH_FAILED", error="A", logDateTime=(now - timedelta(seconds=2)).isoformat())

    assert batch(failed)  # a planned retry, and no error of the function
    assert metric(capsys, "EventsStored") == [1]
    assert notices(subscriber) == []
    assert run(log_item, failed) == []
    assert notices(subscriber) == [("failed", "A")]


def test_the_error_is_notified_if_it_arrives_after_the_failure(subscriber: Subscriber) -> None:
    run(result(minute=1), item("LAUNCH_FAILED", 0.9, "A"), item("LAUNCH_FAILED", 0.9, "A"), result(minute=1))

    assert notices(subscriber) == [("failed", "not known yet. See the log"), ("error", "A")]


@pytest.mark.parametrize("event", ["LAUNCH_END", "CLEANUP_FAIL"])
def test_an_error_of_another_event_is_the_error_of_the_failure(subscriber: Subscriber, event: str) -> None:
    run(item(event, 1, "disk not found"), item("LAUNCH_FAILED", 2, state="FAILED"))

    assert notices(subscriber) == [("failed", "disk not found")]


@pytest.mark.parametrize("earlier", [item("CONVERSION_FAIL", 1, "A"), attempt(1, 1, "A")])
def test_the_error_of_a_failure_is_preferred(
    subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch, earlier: str
) -> None:
    without_error = item("LAUNCH_FAILED", 3)
    with monkeypatch.context() as patch:
        patch.setattr(ingest.notifier, "notify", lambda _: False)
        run(earlier, item("CLEANUP_FAIL", 2, "B"), without_error)

    run(without_error)

    assert notices(subscriber) == [("failed", "A")]


def test_a_launch_with_an_error_is_no_launch(subscriber: Subscriber) -> None:
    run(item("LAUNCH_END", 2, "disk not found"), result(minute=1))

    assert notices(subscriber) == [("failed", "disk not found")]


def test_the_error_of_a_post_launch_action_is_not_the_error_of_the_failure(subscriber: Subscriber) -> None:
    run(item("LAUNCH_ACTION_FAILED", 1, "service not found"), item("LAUNCH_FAILED", 2))

    assert notices(subscriber)[1] == ("failed", "not known yet. See the log")


def test_the_error_before_a_launch_is_not_the_error_of_a_new_failure(subscriber: Subscriber) -> None:
    now = datetime.now(UTC)
    failed = result(time=now)
    run(item("SNAPSHOT_FAIL", 1, "A"), item("LAUNCH_END", 2))

    assert run(failed) == [failed]
    assert run(item("LAUNCH_FAILED", error="B", logDateTime=now.isoformat()), failed) == []
    assert notices(subscriber) == [("failed", "A"), ("resolved", None), ("failed", "B")]


@pytest.mark.parametrize("minute", [0.5, 2])
def test_an_error_of_the_launch_is_notified_if_it_arrives_after_the_failure(
    subscriber: Subscriber, minute: float
) -> None:
    launch = item("LAUNCH_END", minute, "disk not found")
    run(result(minute=1), launch, launch, result(minute=1))

    assert notices(subscriber) == [("failed", "not known yet. See the log"), ("error", "disk not found")]


# ---------------------------------------------------------------------------------------------------------------------
# The launch after a failure
# ---------------------------------------------------------------------------------------------------------------------


def test_a_launch_after_a_failure_is_notified_once(subscriber: Subscriber) -> None:
    run(attempt(1, 1, "A"), item("LAUNCH_END", 3), result("SUCCEEDED", 3), item("LAUNCH_END", 3))

    first, second = subscriber.take()
    assert field(first["Message"], "Notice") == "failed"
    assert second["Subject"] == "[drs-job-log] Drill: Server web launched after an earlier failure"
    assert field(second["Message"], "Notice") == "resolved"
    assert field(second["Message"], "Error") is None
    assert second["MessageAttributes"]["eventType"]["Value"] == "SERVER_LAUNCHED"


def test_a_launch_without_a_failure_is_not_notified(subscriber: Subscriber) -> None:
    run(item("LAUNCH_END", 3), result("SUCCEEDED", 3))

    assert notices(subscriber) == []


def test_a_failure_is_not_notified_if_the_server_has_launched(
    subscriber: Subscriber, capsys: pytest.CaptureFixture[str]
) -> None:
    run(item("LAUNCH_END", 3), attempt(1, 1, "A"), item("LAUNCH_END", 3), result("SUCCEEDED", 3), attempt(2, 2, "B"))

    assert notices(subscriber) == []
    assert metric(capsys, "ServerFailures") == []


@pytest.mark.parametrize("is_launch_first", [False, True])
def test_of_two_outcomes_at_the_end_of_the_job_the_later_one_is_notified(
    subscriber: Subscriber, is_launch_first: bool
) -> None:
    """DRS changes the launch status after the end of the job."""
    bodies = [item("LAUNCH_FAILED", 4), item("LAUNCH_END", 4), item("LAUNCH_FAILED", 4)]

    run(*bodies[is_launch_first:])

    sent = [notice for notice, _ in notices(subscriber)]
    assert sent == (["failed"] if is_launch_first else ["failed", "resolved"])


def test_an_earlier_launch_does_not_end_a_failure(subscriber: Subscriber) -> None:
    run(attempt(3, 5, "C"), item("LAUNCH_END", 3))

    assert notices(subscriber) == [("failed", "C")]


def test_a_failure_after_a_launch_is_notified_again(subscriber: Subscriber) -> None:
    run(
        attempt(1, 1, "A"),
        item("LAUNCH_END", 2),
        item("LAUNCH_FAILED", 4, "A", eventId="derived"),
        result(minute=5),
        item("LAUNCH_END", 6),
        result("SUCCEEDED", 6),
    )

    assert notices(subscriber) == [("failed", "A"), ("resolved", None), ("failed", "A"), ("resolved", None)]


def test_a_failure_after_a_launch_is_notified_if_the_first_failure_was_not(subscriber: Subscriber) -> None:
    run(item("LAUNCH_END", 2), attempt(1, 1, "A"), item("LAUNCH_FAILED", 4, "B"))

    assert notices(subscriber) == [("failed", "B")]


def test_an_older_failure_is_not_notified_after_an_unnotified_one(subscriber: Subscriber) -> None:
    run(item("LAUNCH_END", 2), attempt(1, 1, "A"), item("LAUNCH_START", 3), item("LAUNCH_FAILED", 1.5, "B"))

    assert notices(subscriber) == []


def test_a_failure_of_a_network_is_not_notified_if_the_network_was_deployed(subscriber: Subscriber) -> None:
    network = {"sourceServerID": None, "sourceServerName": None, "resourceID": "sn-1"}
    run(
        item("DEPLOY_NETWORK_CONFIGURATION_END", 3, **network),
        item("DEPLOY_NETWORK_CONFIGURATION_FAILED", 1, "ROLLBACK_COMPLETE", **network),
    )

    assert notices(subscriber) == []


def test_a_network_that_is_deployed_after_a_failure_is_notified(subscriber: Subscriber) -> None:
    network = {"sourceServerID": None, "sourceServerName": None, "resourceID": "sn-1"}
    run(
        item("DEPLOY_NETWORK_CONFIGURATION_FAILED", 1, "ROLLBACK_COMPLETE", **network),
        item("NETWORK_RECOVERY_FAIL", 2, **network),
        item("DEPLOY_NETWORK_CONFIGURATION_END", 3, **network),
    )

    messages = subscriber.take()
    assert [field(message["Message"], "Notice") for message in messages] == ["failed", "resolved"]
    assert field(messages[0]["Message"], "Error") == "ROLLBACK_COMPLETE"
    assert "Network sn-1 recovered after an earlier failure" in messages[1]["Subject"]


def test_a_launch_waits_for_the_notification_of_the_failure(
    subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The invocation ended after it sent the notification. Its retry sees the launch and sends no second one."""

    class KilledError(BaseException):
        pass

    save = BasePersistenceLayer.save_success

    def save_or_be_killed(store: BasePersistenceLayer, data: Any, result: Any) -> None:
        if result:  # what the notification says
            raise KilledError
        save(store, data, result)

    monkeypatch.setattr(notify, "_MIN_SECONDS_TO_NOTIFY", -1)
    monkeypatch.setattr(notify, "_IN_PROGRESS_WAITS", (0, 0))
    monkeypatch.setattr(LambdaContext, "get_remaining_time_in_millis", lambda _: -1)
    with monkeypatch.context() as patch:
        patch.setattr(BasePersistenceLayer, "save_success", save_or_be_killed)
        with pytest.raises(KilledError):
            run(attempt(1, 1, "A"))
    launched = item("LAUNCH_END", 3)

    assert run(launched) == [launched]
    assert run(attempt(1, 1, "A"), launched) == []

    assert notices(subscriber) == [("failed", "A"), ("resolved", None)]


def test_a_launch_after_a_notified_failure_is_notified_although_writes_of_the_failure_were_throttled(
    subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim of the count is not written, or that of the notification is not completed."""
    start, complete = BasePersistenceLayer.save_inprogress, BasePersistenceLayer.save_success

    def start_unless_count(store: BasePersistenceLayer, data: Any, **values: Any) -> None:
        if data[-1] == "count":
            raise TimeoutError
        start(store, data, **values)

    def complete_nothing(store: BasePersistenceLayer, data: Any, result: Any) -> None:
        if result:  # what the notification says
            raise TimeoutError
        complete(store, data, result)

    monkeypatch.setattr(notify, "_IN_PROGRESS_WAITS", (0, 0))
    monkeypatch.setattr(notify, "_MIN_SECONDS_TO_NOTIFY", -1)
    monkeypatch.setattr(LambdaContext, "get_remaining_time_in_millis", lambda _: -1)
    failed, launched = attempt(1, 1, "A"), item("LAUNCH_END", 3)
    with monkeypatch.context() as patch:
        patch.setattr(BasePersistenceLayer, "save_inprogress", start_unless_count)
        patch.setattr(BasePersistenceLayer, "save_success", complete_nothing)
        with pytest.raises(BatchProcessingError):
            run(failed)
        assert notices(subscriber) == []
    with monkeypatch.context() as patch:
        patch.setattr(BasePersistenceLayer, "save_success", complete_nothing)
        with pytest.raises(BatchProcessingError):
            run(failed)
        assert notices(subscriber) == [("failed", "A")]
    run(launched)

    assert run(failed, launched) == []

    assert notices(subscriber) == [("resolved", None)]


def test_a_failure_is_counted_and_notified_if_the_response_to_the_claim_of_its_count_was_lost(
    subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    start = BasePersistenceLayer.save_inprogress

    def start_without_response(store: BasePersistenceLayer, data: Any, **values: Any) -> None:
        start(store, data, **values)
        if data[-1] == "count":
            raise TimeoutError

    monkeypatch.setattr(BasePersistenceLayer, "save_inprogress", start_without_response)

    assert run(attempt(1, 1, "A")) == []
    assert notices(subscriber) == [("failed", "A")]
    assert metric(capsys, "ServerFailures") == [1]


# ---------------------------------------------------------------------------------------------------------------------
# Post-launch actions, stalls, metrics
# ---------------------------------------------------------------------------------------------------------------------


def test_each_failed_post_launch_action_is_notified_once(
    subscriber: Subscriber, capsys: pytest.CaptureFixture[str]
) -> None:
    action = {"actionName": "validate", "sourceServerName": None, "message": "Post-launch action validate failed"}
    bodies = [
        item("LAUNCH_ACTION_FAILED", 4, "service not found", runID=run_id, eventId=run_id, **action)
        for run_id in ("run-1", "run-2", "run-1")
    ]

    run(item("LAUNCH_END", 3), *bodies)

    messages = subscriber.take()
    assert [field(message["Message"], "Notice") for message in messages] == ["post-launch action failed"] * 2
    assert field(messages[0]["Message"], "Error") == "service not found"
    assert messages[0]["Subject"] == "[drs-job-log] Drill: web: Post-launch action validate failed"
    assert metric(capsys, "ServerFailures") == []


def test_a_stall_is_counted_and_notified_once(subscriber: Subscriber, capsys: pytest.CaptureFixture[str]) -> None:
    run(item("SERVER_STALLED", 4), item("SERVER_STALLED", 4), item("SERVER_STALLED", 7))

    assert metric(capsys, "ServersStalled") == [1, 1]
    assert notices(subscriber) == [("stalled", None), ("stalled", None)]


def test_a_failed_failback_is_called_a_failback(subscriber: Subscriber) -> None:
    """The launch result of DRS says only that it is no drill."""
    run(item("CONVERSION_START", 1, initiatedBy="FAILBACK"), result(minute=2))

    (message,) = subscriber.take()
    assert message["Subject"] == "[drs-job-log] Failback: Server web: SERVER_LAUNCH_FAILED"


def test_events_of_other_senders_do_not_affect_a_notification(subscriber: Subscriber) -> None:
    foreign = [item("LAUNCH_FAILED", 2, "forged"), item("LAUNCH_END", 3)]
    run(*(body.replace('"drs.job-log"', '"acme"') for body in foreign), item("LAUNCH_FAILED", 1))

    assert ("failed", "not known yet. See the log") in notices(subscriber)


@pytest.mark.parametrize("topic", [True, False])
def test_the_failures_of_a_server_are_counted_once(
    subscriber: Subscriber, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, topic: bool
) -> None:
    """Also if SNS rejects the notification and SQS retries the message."""
    environment = {"FAILURE_TOPIC_ARN": f"{subscriber.topic_arn}-gone"} if topic else {}
    cold_start("ingest", **environment)
    # The conditional put of moto is not atomic.
    monkeypatch.setattr(ingest.ConcurrentBatchProcessor, "_threads", ThreadPoolExecutor(1))
    bodies = [attempt(1, 1, "A"), attempt(3, 3, "B"), item("JOB_START", 0)]

    retried = [batch(*bodies) for _ in range(3)]

    assert [len(failed) for failed in retried] == [2 if topic else 0] * 3
    assert metric(capsys, "ServerFailures") == [1]


def test_events_whose_follow_up_fails_are_counted_as_stored(
    subscriber: Subscriber, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest.notifier, "notify", lambda _: 1 / 0)

    with pytest.raises(BatchProcessingError):
        batch(item("LAUNCH_END", 1, durationSeconds=12), item("JOB_START", 0, executionId="exec-1"), "no JSON")

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    assert [(line["EventsStored"], line["EventsUnlinked"], line["LaunchDuration"]) for line in lines] == [
        ([2], [1], [12])
    ]
    assert len(lines[0]["EventLag"]) == 2
    assert subscriber.take() == []


# ---------------------------------------------------------------------------------------------------------------------
# Any history, in any order, with any repetitions
# ---------------------------------------------------------------------------------------------------------------------


@st.composite
def histories(draw: st.DrawFn) -> list[str]:
    """Draw the messages of a server that fails in some attempts, and then launches, fails or stays under way."""
    errors = draw(st.lists(st.sampled_from(["A", "B", "C"]), min_size=1, max_size=3))
    end = draw(st.sampled_from(["LAUNCHED", "FAILED", "UNDER WAY"]))
    attempts = len(errors) + (end != "FAILED")
    bodies = [
        item("LAUNCH_FAILED", number, error, attempt=number, maxAttempts=attempts)
        for number, error in enumerate(errors, 1)
    ]
    bodies += [item("LAUNCH_START", number + 0.5) for number in range(attempts)]
    if end == "LAUNCHED":
        bodies += [item("LAUNCH_END", attempts), result("SUCCEEDED", attempts + 0.1)]
    if end == "FAILED" and draw(st.booleans()):
        bodies.append(result("FAILED", len(errors) + 0.1))
    return bodies


@pytest.mark.slow
@given(histories(), st.randoms(use_true_random=False), st.integers(1, 3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_the_notifications_tell_the_result_once_in_any_order(
    subscriber: Subscriber, bodies: list[str], chance: random.Random, times: int
) -> None:
    job_id = f"drsjob-{next(numbers)}"
    deliveries = [body.replace("drsjob-1", job_id) for body in bodies for _ in range(times)]
    chance.shuffle(deliveries)

    run(*deliveries)

    sent = notices(subscriber)
    assert len(set(sent)) == len(sent)
    events = [json.loads(body)["detail"] for body in bodies]
    failures = [event for event in events if event.get("eventType") == "LAUNCH_FAILED"]
    if any(event.get("eventType") == "LAUNCH_END" for event in events):
        assert [notice for notice, _ in sent[-1:]] in ([], ["resolved"])
        assert [notice for notice, _ in sent].count("resolved") == bool(sent)
    else:
        assert "resolved" not in dict(sent)
        assert sent
    if failures[-1]["attempt"] == failures[-1]["maxAttempts"]:
        assert failures[-1]["error"] in {error for _, error in sent}
    run(*deliveries)
    assert notices(subscriber) == []
