from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from drs_job_log.model.failures import Shape, failures_of, group_failures, shape_of
from drs_job_log.model.summary import JobSummary, ServerSummary, first_kilobyte
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2025, 11, 28, 20, 30, tzinfo=UTC)
MESSAGE = "You are not authorized to perform this operation. Encoded authorization failure message: "
BLOB = "KcVg9-fvI_2bN8g3YQ1a" * 20


@pytest.mark.parametrize(
    ("error", "shape"),
    [
        (
            f"An error occurred (UnauthorizedOperation) when calling the DeleteVolume operation: {MESSAGE}{BLOB}",
            Shape(
                f"An error occurred (UnauthorizedOperation) when calling the DeleteVolume operation: {MESSAGE}<token>",
                *("ec2", "DeleteVolume", "UnauthorizedOperation"),
            ),
        ),
        (
            "AccessDeniedException when calling CreateRecoveryInstanceForDrs operation: denied at 2025-11-28T20:30:15Z",
            Shape(
                "AccessDeniedException when calling CreateRecoveryInstanceForDrs operation: denied at <time>",
                *("drs", "CreateRecoveryInstanceForDrs", "AccessDeniedException"),
            ),
        ),
        (
            "An error occurred (AuthFailure) when calling the ModifySnapshotAttribute operation: Not authorized to use "
            "key arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab.",
            Shape(
                "An error occurred (AuthFailure) when calling the ModifySnapshotAttribute operation: Not authorized to "
                "use key <arn>.",
                *("ec2", "ModifySnapshotAttribute", "AuthFailure"),
            ),
        ),
        (
            "User: arn:aws:sts::111122223333:role/r is not authorized to perform: iam:PassRole on resource: x",
            Shape("User: <arn> is not authorized to perform: iam:PassRole on resource: x", "iam", "PassRole"),
        ),
        (
            "InsufficientInstanceCapacity: no m5.large in us-east-1a (Service: AmazonEC2; Status Code: 500; "
            "Error Code: InsufficientInstanceCapacity; Request ID: 1234abcd-12ab-34cd-56ef-1234567890ab)",
            Shape(
                "InsufficientInstanceCapacity: no m5.large in <region> (Service: AmazonEC2; Status Code: 500; "
                "Error Code: InsufficientInstanceCapacity; Request ID: <id>)",
                *("ec2", None, "InsufficientInstanceCapacity"),
            ),
        ),
        (
            "An error occurred (RequestLimitExceeded) when calling the RunInstances operation (reached max retries: 4)",
            Shape(
                "An error occurred (RequestLimitExceeded) when calling the RunInstances operation "
                "(reached max retries: <n>)",
                *("ec2", "RunInstances", "RequestLimitExceeded"),
            ),
        ),
        (
            "Snapshot snap-0123456789abcdef0 of vol-0fedcba9876543210 in account 111122223333 is\n 93.5 % at 20:30:15",
            Shape("Snapshot <id> of <id> in account <account> is <n> % at <time>"),
        ),
        ("10.0.0.12/32 is not in vpc-12345678", Shape("<ip> is not in <id>")),
        ("no free EC2 quota for t3.large: 5 of 5", Shape("no free EC2 quota for t3.large: <n> of <n>")),
        ("see https://aws.amazon.com/x?y=1, please", Shape("see <url>, please")),
        ("digest 9f86d081884c7d659a2feaa0c55ad015 differs", Shape("digest <token> differs")),
        ("ROLLBACK_COMPLETE", Shape("ROLLBACK_COMPLETE")),
        ("  \n", Shape(None)),
        ("", Shape(None)),
        (None, Shape(None)),
    ],
)
def test_the_shape_of_an_error_is_without_what_differs(error: str | None, shape: Shape) -> None:
    assert shape_of(error) == shape
    if shape.text:
        assert shape_of(shape.text).text == shape.text


def test_the_name_of_the_server_is_not_a_part_of_the_shape() -> None:
    assert shape_of("prod-web-01 is not prod-web-012", "prod-web-01").text == "<server> is not prod-web-<n>"
    assert shape_of("a web server", "web").text == "a <server> server"
    assert shape_of("of a", "of").text == "of a"


def test_the_end_of_a_long_error_is_not_a_part_of_the_shape() -> None:
    first, second = (shape_of("word " * 300 + end) for end in ("one", "two"))
    assert first == second
    assert first.text is not None
    assert len(first.text) < 410


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("status code 403", "status code 503"),
        ("Status Code: 403;", "Status Code: 503;"),
        ("exited with code 1", "exited with code 127"),
        ("exit status 1", "exit status 2"),
        ('{"code":403}', '{"code":503}'),
        *[
            tuple(f'Failed: {{"code":"{code}","x":"' + "a," * 500 for code in codes)
            for codes in [("AccessDenied", "InsufficientCapacity")]
        ],
    ],
)
def test_errors_with_different_codes_have_different_shapes(first: str, second: str) -> None:
    assert shape_of(first) != shape_of(second)


DENIED_TAGS = (
    "You are not authorized to perform this operation. User: arn:aws:sts::111122223333:assumed-role/drs/session is not "
    "authorized to perform: ec2:CreateTags on resource: arn:aws:ec2:us-east-1:111122223333:volume/vol-0123456789abcdef "
    "because no identity-based policy allows it. Encoded authorization failure message: {} (Service: AmazonEC2; Status "
    "Code: 403; Error Code: UnauthorizedOperation; Request ID: 0f7b1c0e-aaaa-bbbb-cccc-1234567890ab; Proxy: null)"
)


def test_an_error_that_was_cut_after_a_kilobyte_has_one_shape() -> None:
    errors = [first_kilobyte(DENIED_TAGS.format("aB3_" * (length // 4))) for length in range(300, 1000, 4)]

    (shape,) = {shape_of(error) for error in errors}

    assert (shape.service, shape.operation, shape.code) == ("ec2", "CreateTags", None)  # not every KB contains the code


@pytest.mark.parametrize("start", [0, 7, 20])
def test_the_last_word_of_a_cut_error_is_not_a_part_of_its_shape(start: int) -> None:
    volumes = " ".join(f"arn:aws:ec2:us-east-1:111122223333:volume/vol-0123456789abcd{number}" for number in range(20))
    error = first_kilobyte("x" * start + f" {volumes} because of vol-0123456789abcdef0: AccessDenied")
    assert error

    shape = shape_of(f"{error[: 1024 - 35]} (Error Code: UnauthorizedOpera")

    assert shape.code is None
    assert shape.text
    assert shape.text.endswith("<arn>")


@given(st.text(st.sampled_from("ab-0 :/.arn1T<>_=é\n"), max_size=60) | st.text(max_size=60))
def test_any_text_has_a_stable_shape(error: str) -> None:
    once = shape_of(error)
    assert shape_of(error) == once
    assert once.text is None or once.text == once.text.strip()


def job(number: int, execution_id: str | None = "exec-1") -> JobSummary:
    values: dict[str, Any] = dict.fromkeys(JobSummary.__dataclass_fields__)
    values |= {"job_id": f"drsjob-{number}", "execution_id": execution_id, "status": "FAILED", "counts": {}}
    return JobSummary(**values | {"created_at": NOW + timedelta(hours=number), "server_count": 0})


def server(number: int, state: str = "FAILED", error: str | None = None, minutes: int | None = None) -> ServerSummary:
    return ServerSummary(
        source_server_id=f"s-{number}",
        server_name=None,
        state=state,
        ended_at=None if minutes is None else NOW + timedelta(minutes=minutes),
        step_seconds={},
        error=error,
    )


def test_a_failure_has_the_best_known_time() -> None:
    ended = replace(job(0), ended_at=NOW + timedelta(minutes=30))

    times = [failures_of(one, [server(0, minutes=minutes)])[0].time for one in (ended, job(0)) for minutes in (9, None)]

    assert times == [NOW + timedelta(minutes=minutes) for minutes in (9, 30, 9, 0)]


def test_failures_are_grouped_and_counted() -> None:
    failures = [
        *failures_of(job(0), [server(0, error="volume 1"), server(1), server(2, "LAUNCHED"), server(3, "SKIPPED")]),
        *failures_of(job(1, None), [server(0, error="volume 2", minutes=90)]),
        *failures_of(job(2, "exec-2"), [server(0, error="volume 3")]),
    ]

    volume, silent = group_failures(failures)

    assert (volume.shape.text, volume.count, list(volume.servers), list(volume.executions)) == (
        *("volume <n>", 3, ["s-0"]),
        ["exec-2", "exec-1"],
    )
    assert (volume.newest.error, volume.newest.job_id, volume.newest.time) == (
        *("volume 3", "drsjob-2"),
        NOW + timedelta(hours=2),
    )
    assert (silent.shape, silent.count, silent.newest.source_server_id) == (Shape(None), 1, "s-1")


def test_the_names_of_a_group_are_limited() -> None:
    failures = [one for number in range(30) for one in failures_of(job(number, f"e-{number}"), [server(number)])]

    (group,) = group_failures(failures)

    assert (group.count, len(group.servers), len(group.executions)) == (30, 30, 30)
    assert group.listed_servers == [f"s-{number}" for number in range(29, 9, -1)]
    assert len(group.listed_executions) == 20


def test_the_most_frequent_group_is_first_and_then_the_newest() -> None:
    errors = ["b", "a", "b", "c"]
    failures = [one for number, text in enumerate(errors) for one in failures_of(job(number), [server(0, error=text)])]

    assert [group.shape.text for group in group_failures(failures)] == ["b", "c", "a"]
