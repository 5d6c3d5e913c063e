"""The size of responses."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from drs_job_log.api.execution_log import EventLog
from drs_job_log.api.parameters import Query, parse_token
from drs_job_log.api.views import execution_view, log_response

from tests.support import played, scripts

NOW = datetime.now(UTC)
MAX_LAMBDA_RESPONSE = 6 * 1024 * 1024


def test_pages_fit_into_a_lambda_response_and_contain_each_event_once() -> None:
    """The longest error texts that DRS allows, with characters that JSON escapes twice."""
    servers = [scripts.server_id(number) for number in range(60)]
    script = scripts.launch(servers, failing=dict.fromkeys(servers, '"' * 65_536))
    events = played.events(script, "drsjob-1", created=NOW - timedelta(hours=1))
    log = EventLog(NOW)
    log.add(events)

    seen: list[str] = []
    pages = 0
    query = Query(limit=1000)
    while True:
        response = log_response(execution_view("exec-1", "FAILED", True, log, query))
        assert len(json.dumps(response)) < MAX_LAMBDA_RESPONSE
        body = json.loads(response["body"])
        seen += [entry["eventId"] for entry in body["logs"]]
        pages += 1
        if body["nextToken"] is None:
            break
        query = Query(limit=1000, after=parse_token(body["nextToken"], "exec-1"))

    assert len(seen) == len(set(seen)) == len(events)
    assert pages > 3
    assert {server["state"] for server in body["servers"]} == {"FAILED"}
    assert all(len(server["error"]) < 65_536 for server in body["servers"])
