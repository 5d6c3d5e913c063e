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


def test_the_progress_fits_into_a_lambda_response_and_keeps_each_text_in_part() -> None:
    """Long errors of servers, of their post-launch actions, and of networks, in the response with the largest page."""
    error = '"' * 65_536
    servers = [scripts.server_id(number) for number in range(200)]
    networks = [f"sn-{number:017x}" for number in range(20)]
    created = NOW - timedelta(hours=1)
    job = {
        "jobID": "drsjob-1",
        "type": "LAUNCH",
        "creationDateTime": created.isoformat(),
        "endDateTime": (created + timedelta(minutes=10)).isoformat(),
        "status": "COMPLETED",
        "participatingServers": [
            {
                "sourceServerID": server,
                "launchStatus": "LAUNCHED",
                "launchActionsStatus": {
                    "runs": [
                        {"status": "FAILED", "runId": f"run-{number}", "failureReason": "no agent " * 200}
                        for number in range(10)
                    ]
                },
            }
            for server in servers
        ],
        "participatingResources": [
            {"launchStatus": "FAILED", "participatingResourceID": {"sourceNetworkID": network}} for network in networks
        ],
    }
    items = [
        {
            "event": "NETWORK_RECOVERY_FAIL",
            "logDateTime": created.isoformat(),
            "eventData": {"eventResourceData": {"sourceNetworkData": {"sourceNetworkID": network}}, "rawError": error},
        }
        for network in networks
    ]
    log = EventLog(NOW)
    log.add(played.events_of(job, items, now=NOW))

    response = log_response(execution_view("exec-1", "PARTIAL", True, log, Query(limit=1000)))

    assert len(json.dumps(response)) < MAX_LAMBDA_RESPONSE
    body = json.loads(response["body"])
    actions = [action["error"] for server in body["servers"] for action in server["failedActions"]]
    assert len(actions) == 2000
    assert all(text.startswith("no agent") for text in actions)
    errors = [resource["error"] for resource in body["jobs"][0]["resources"]]
    assert len(errors) == 20
    assert all(0 < len(text) < len(error) for text in errors)
    assert error in {entry["error"] for entry in body["logs"]}
