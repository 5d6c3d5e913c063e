from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, PaginationError
from drs_job_log.collect.drs_client import DrsClient, ThrottledError
from drs_job_log.config import Target
from moto import mock_aws

from tests.support import scripts
from tests.support.drs import ApiError, DrsServer, Simulator, throttling
from tests.support.scripts import server_id

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def simulator() -> Simulator:
    return Simulator(page_size=3, speed=1e6)


@pytest.fixture
def drs(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[DrsClient]:
    with DrsServer(simulator) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", server.endpoint)
        drs = DrsClient(Target())
        drs.connect()
        yield drs


def test_all_pages_are_read(drs: DrsClient, simulator: Simulator) -> None:
    jobs = [simulator.start(scripts.drill(0)) for _ in range(7)]

    assert {job["jobID"] for job in drs.jobs()} == set(jobs)
    assert simulator.calls == {"DescribeJobs": 3}
    pages = list(drs.log_pages(jobs[0]))
    assert [item for page in pages for item in page.items] == simulator.whole_log(jobs[0])
    assert simulator.calls["DescribeJobLogItems"] == 5
    assert [page.items for page in drs.log_pages(jobs[0], pages[3].token)] == [page.items for page in pages[3:]]


def test_a_token_that_does_not_advance_is_an_error(drs: DrsClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drs, "_send", lambda *_: {"items": [], "nextToken": "same"})

    with pytest.raises(PaginationError, match="DRS in this Region: describe_job_log_items returned the same token"):
        list(drs.log_pages("drsjob-556c7b1d99221f996"))


def test_jobs_are_filtered_by_id_or_by_time(drs: DrsClient, simulator: Simulator) -> None:
    old, new = simulator.start(scripts.drill(0)), simulator.start(scripts.drill(0))
    simulator.jobs[old].began -= timedelta(hours=2)

    assert [job["jobID"] for job in drs.jobs(ids=[old])] == [old]
    assert [job["jobID"] for job in drs.jobs(since=datetime.now(UTC) - timedelta(hours=1))] == [new]


def test_server_names_are_name_tags_or_host_names_and_are_cached(drs: DrsClient, simulator: Simulator) -> None:
    simulator.page_size = 1000
    simulator.names = {server_id(number): f"web-{number}" for number in range(250)}
    ids = [server_id(number) for number in range(260)]

    assert drs.names(ids) == simulator.names
    assert simulator.calls == {"DescribeSourceServers": 2}  # at most 200 IDs per request
    assert drs.names(ids[200:]) == {server_id(number): f"web-{number}" for number in range(200, 250)}
    assert simulator.calls == {"DescribeSourceServers": 2}


@pytest.mark.slow
@pytest.mark.parametrize("header", ["60", "1e9"])
def test_no_requests_are_sent_during_the_time_of_retry_after(
    drs: DrsClient, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, header: str
) -> None:
    simulator.fail("DescribeJobs", *[throttling(retry_after=header)] * 3)
    with pytest.raises(ClientError, match="ThrottlingException"):
        drs.jobs()
    assert simulator.calls == {"DescribeJobs": 3}

    with pytest.raises(ThrottledError, match=r"DRS in this Region throttles requests for (60|900) s"):
        drs.jobs()
    assert simulator.calls == {"DescribeJobs": 3}

    later = time.monotonic() + 901
    monkeypatch.setattr("drs_job_log.collect.drs_client.time.monotonic", lambda: later)
    assert drs.jobs() == []


def test_an_error_of_another_request_does_not_end_the_time_of_retry_after(
    drs: DrsClient, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two threads send requests. The response to the first one is late."""
    send = drs._client.describe_jobs  # type: ignore[union-attr]

    def with_another_request(**request: Any) -> Any:
        monkeypatch.setattr(drs._client, "describe_jobs", send)
        simulator.fail("DescribeJobs", *[throttling(retry_after="60")] * 3)
        with pytest.raises(ClientError, match="ThrottlingException"):
            drs.jobs()
        simulator.fail("DescribeJobs", ApiError("AccessDeniedException", status=403))
        return send(**request)

    monkeypatch.setattr(drs._client, "describe_jobs", with_another_request)
    with pytest.raises(ClientError, match="AccessDenied"):
        drs.jobs()

    with pytest.raises(ThrottledError):
        drs.jobs()


@pytest.mark.parametrize("header", ["Wed, 21 Oct 2026 07:28:00 GMT", "-5", "nan", ""])
def test_a_retry_after_that_is_no_positive_number_is_ignored(drs: DrsClient, simulator: Simulator, header: str) -> None:
    simulator.fail("DescribeJobs", ApiError("AccessDeniedException", status=403, retry_after=header))
    with pytest.raises(ClientError, match="AccessDenied"):
        drs.jobs()

    assert drs.jobs() == []


def test_botocore_retries_throttling_without_retry_after(drs: DrsClient, simulator: Simulator) -> None:
    simulator.fail("DescribeJobs", throttling())

    assert drs.jobs() == []
    assert simulator.calls == {"DescribeJobs": 2}


def test_an_account_without_drs_has_no_jobs(drs: DrsClient, simulator: Simulator) -> None:
    simulator.fail("DescribeJobs", ApiError("UninitializedAccountException"), ApiError("AccessDeniedException"))

    assert drs.jobs() == []
    with pytest.raises(ClientError, match="AccessDenied"):
        drs.jobs()


@mock_aws
def test_a_role_is_assumed_and_renewed_before_it_expires(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = []
    target = Target("eu-west-1", "arn:aws:iam::111122223333:role/drs-reader", "secret")
    with DrsServer(simulator) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", server.endpoint)
        drs = DrsClient(target)
        make = drs._assumed_credentials
        monkeypatch.setattr(drs, "_assumed_credentials", lambda: requests.append(1) or make())  # type: ignore[func-returns-value]
        simulator.start(scripts.drill(0), region="eu-west-1")
        simulator.start(scripts.drill(0), region="us-east-1")

        drs.connect()
        drs.connect()
        assert len(requests) == 1
        (job,) = drs.jobs()
        assert ":eu-west-1:" in job["arn"]
        assert drs._client is not None
        assert drs._client._request_signer._credentials.token  # type: ignore[attr-defined]

        drs._expiration = datetime.now(UTC) + timedelta(minutes=4)
        drs.connect()
        assert len(requests) == 2
        assert len(drs.jobs()) == 1
