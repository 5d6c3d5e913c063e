"""Facts about an execution that no event triggers: delayed messages of the ingest queue report them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.support import played, scripts
from tests.support.deployment import eventually

if TYPE_CHECKING:
    from typing import Any

    from tests.support.deployment import Deployment

SERVERS = [scripts.server_id(number) for number in range(2)]


def test_the_start_and_the_end_of_an_execution_are_notified_and_put_on_the_bus(deployment: Deployment) -> None:
    """The job ended so long ago that the execution is settled when ingest checks it for the first time."""
    sqs, events = deployment.stack.client("sqs"), deployment.stack.client("events")
    urls, arns = {}, {}
    for name in ("facts-notices", "facts-events"):
        urls[name] = sqs.create_queue(QueueName=name)["QueueUrl"]
        answer = sqs.get_queue_attributes(QueueUrl=urls[name], AttributeNames=["QueueArn"])
        arns[name] = answer["Attributes"]["QueueArn"]
    deployment.stack.client("sns").subscribe(
        TopicArn=deployment.outputs["failure_topic_arn"],
        Protocol="sqs",
        Endpoint=arns["facts-notices"],
        Attributes={"RawMessageDelivery": "true", "FilterPolicy": json.dumps({"executionId": ["exec-facts"]})},
    )
    pattern = {"source": [deployment.outputs["event_source"]], "detail-type": [{"prefix": "DRS Execution"}]}
    events.put_rule(Name="facts", EventPattern=json.dumps(pattern | {"detail": {"executionId": ["exec-facts"]}}))
    events.put_targets(Rule="facts", Targets=[{"Id": "queue", "Arn": arns["facts-events"]}])
    script = scripts.launch(SERVERS, failing={SERVERS[1]: "no rights"})
    created = datetime.now(UTC) - timedelta(minutes=50)

    deployment.put_events(played.details(script, "facts-1", created=created, execution_id="exec-facts"))

    notices: list[dict[str, Any]] = []
    on_bus: list[dict[str, Any]] = []

    def are_reported() -> bool:
        documents = map(json.loads, deployment.take_all(urls["facts-notices"]))
        notices.extend(notice for document in documents for notice in document["notices"])
        on_bus.extend(map(json.loads, deployment.take_all(urls["facts-events"])))
        return len(on_bus) >= 2 and len(notices) >= 3

    eventually(are_reported)

    assert {notice["kind"] for notice in notices} == {"started", "failed", "settled"}
    settled = next(notice for notice in notices if notice["kind"] == "settled")
    assert (settled["outcome"], settled["counts"]) == ("PARTIAL", {"totalServers": 2, "launched": 1, "failed": 1})
    assert {event["detail-type"] for event in on_bus} == {"DRS Execution Started", "DRS Execution Settled"}
    assert settled in [event["detail"] for event in on_bus]
    assert len(notices) == 3
    assert len(on_bus) == 2
