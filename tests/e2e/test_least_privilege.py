"""The ingest role is enough, and nothing less is: on the embedded AWS with its authorization on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.deployment import Deployment, deployed, eventually
from tests.support.ministack import MiniStack

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def strict() -> Iterator[Deployment]:
    # The queues refuse plain HTTP, which only counts with authorization on: hence TLS.
    with deployed(MiniStack({"AUTH": "true"}, tls=True)) as deployment:
        yield deployment


def put(deployment: Deployment, job: str) -> None:
    deployment.put_events([{"jobID": job, "eventType": "JOB_START", "eventId": "1"}])


def test_the_role_is_enough(strict: Deployment) -> None:
    put(strict, "allowed")

    eventually(lambda: len(strict.rows("allowed")) == 1)


def test_without_put_item_the_event_is_not_stored_and_not_lost(strict: Deployment) -> None:
    iam = strict.stack.client("iam")
    role = strict.outputs["ingest_role_name"]
    whole = iam.get_role_policy(RoleName=role, PolicyName="function")["PolicyDocument"]
    less: dict[str, Any] = whole | {"Statement": [s for s in whole["Statement"] if s["Sid"] != "StoreEvents"]}
    assert len(less["Statement"]) == len(whole["Statement"]) - 1

    iam.put_role_policy(RoleName=role, PolicyName="function", PolicyDocument=json.dumps(less))
    put(strict, "denied")

    eventually(lambda: "AccessDenied" in strict.stack.log.read_text())
    assert strict.rows("denied") == []
    assert strict.waiting() == 1
