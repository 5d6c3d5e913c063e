from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from drs_job_log.model.rpo import Rpo, rpo_of, rpo_seconds

CREATED = datetime(2025, 11, 28, 20, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("point", "seconds"),
    [(None, None), (CREATED - timedelta(minutes=7), 420.0), (CREATED, 0.0), (CREATED + timedelta(seconds=1), 0.0)],
)
def test_the_rpo_of_a_server_is_never_negative(point: datetime | None, seconds: float | None) -> None:
    assert rpo_seconds(CREATED, point) == seconds
    assert rpo_seconds(None, point) is None


@pytest.mark.parametrize(
    ("achieved", "target", "is_running", "expected"),
    [
        ([], None, False, None),
        ([None], None, False, None),
        ([60.0, 300.0, None], None, False, (300.0, None, None)),
        ([], 15, False, (None, None, 0)),
        ([None], 15, False, (None, None, 0)),
        ([900.0, 60.0], 15, False, (900.0, "MET", 0)),
        ([900.0, 60.0], 15, True, (900.0, None, 0)),
        ([900.0, None], 15, False, (900.0, None, 0)),  # the unknown point can be older
        ([900.1, None, 901.0, 60.0], 15, False, (901.0, "MISSED", 2)),
        ([900.1], 15, True, (900.1, "MISSED", 1)),
    ],
)
def test_the_rpo_of_an_execution_is_the_largest_of_its_servers(
    achieved: list[float | None],
    target: int | None,
    is_running: bool,
    expected: tuple[float | None, str | None, int | None] | None,
) -> None:
    rpo = rpo_of(achieved, target, is_running=is_running)

    if expected is None:
        assert rpo is None
        return
    seconds, result, over = expected
    assert rpo == Rpo(target_minutes=target, seconds=seconds, result=result, servers_over=over)  # type: ignore[arg-type]
