"""What the functions write to their logs at the level DEBUG."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from drs_job_log.collect.drs_client import DrsClient

from tests.support.drs import DrsServer, Simulator
from tests.support.envelopes import dumps, job_log, sqs_records
from tests.support.functions import LambdaContext, cold_start

if TYPE_CHECKING:
    import pytest
    from mypy_boto3_dynamodb import DynamoDBClient


def test_no_credentials_and_no_bodies_are_logged_at_debug(
    dynamodb: DynamoDBClient,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """``functions.log_level`` is the level of the root logger: Lambda sets it."""
    assert dynamodb
    own = {"AWS_SECRET_ACCESS_KEY": "own-secret-key", "AWS_SESSION_TOKEN": "own-session-token"}
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    secrets = ["external-id-of-the-role", "text-of-the-body", *own.values()]
    assume_role = DrsClient._assumed_credentials

    def recorded(client: DrsClient) -> dict[str, Any]:
        credentials = assume_role(client)
        secrets.extend(credentials[name] for name in ("aws_secret_access_key", "aws_session_token"))
        return credentials

    monkeypatch.setattr(DrsClient, "_assumed_credentials", recorded)
    target = {"roleArn": "arn:aws:iam::111122223333:role/r", "externalId": secrets[0]}
    with caplog.at_level(logging.DEBUG), DrsServer(Simulator()) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", server.endpoint)
        cold_start("collector", DRS_TARGETS=json.dumps([target])).lambda_handler({}, LambdaContext())
        body = {"jobID": "drsjob-1", "eventType": "CHECK", "eventId": "1", "message": secrets[1]}
        cold_start("ingest").lambda_handler(sqs_records([dumps(job_log(body))]), LambdaContext())
        logging.getLogger("test").debug("the level is DEBUG")

    output = caplog.text + "".join(capsys.readouterr())
    assert "the level is DEBUG" in output
    assert len(secrets) == 6
    assert [secret for secret in secrets if secret in output] == []
