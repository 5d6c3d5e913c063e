"""Copies of the module in one account and Region, in another Region and in another account, and a member account."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.support import scripts
from tests.support.deployment import eventually
from tests.support.drills import entry
from tests.support.scripts import server_id
from tests.support.terraform import Terraform, working_copy

if TYPE_CHECKING:
    from tests.support.deployment import Deployment

TAGS = {"environment": "second"}
ACCOUNT, MEMBER = "000000000000", "111122223333"


def stored(deployment: Deployment, job: str, client: dict[str, str]) -> list[Any]:
    """Return the rows of a job in the events table of the second copy, read with a client of a Region or an account."""
    dynamodb = deployment.stack.client("dynamodb", **client)
    query = {"KeyConditionExpression": "JobId = :job", "ExpressionAttributeValues": {":job": {"S": job}}}
    items: list[Any] = dynamodb.query(TableName="second-events", **query)["Items"]
    return items


def test_a_second_copy_has_its_own_events_and_reads_two_hundred_targets(deployment: Deployment) -> None:
    """One test, because it applies the second copy, which takes a minute."""
    with working_copy() as copy:
        terraform = Terraform(copy / "tests/terraform/second_copy", deployment.stack.environment)
        terraform.init()
        terraform.apply()
        outputs = terraform.outputs()
    module = outputs["drs_job_log"]
    names = {"collector_function_name": module["functions"]["collector"]["name"]}
    second = dataclasses.replace(deployment, outputs=module | names)

    # An event on the bus is stored once, in the copy with its source.
    sources = {"of-the-first": "drs.job-log", "of-the-second": "drs.job-log.second"}
    detail = {"eventType": "SNAPSHOT_START", "eventId": "1", "logDateTime": datetime.now(UTC).isoformat()}
    entries = [entry(detail | {"jobID": job}, source) for job, source in sources.items()]
    assert deployment.stack.client("events").put_events(Entries=entries)["FailedEntryCount"] == 0
    eventually(lambda: len(deployment.rows("of-the-first")) == len(second.rows("of-the-second")) == 1)
    eventually(lambda: deployment.waiting() == second.waiting() == 0)
    assert deployment.rows("of-the-second") == second.rows("of-the-first") == []

    # Copies with the same name in another Region and in another account are independent of it.
    for place, client in {"region": {"region_name": "eu-west-1"}, "account": {"aws_access_key_id": MEMBER}}.items():
        copy_of = outputs["other_copies"][place]
        job = f"of-another-{place}"
        sent = deployment.stack.client("events", **client).put_events(
            Entries=[entry(detail | {"jobID": job}, copy_of["event_source"])]
        )
        assert sent["FailedEntryCount"] == 0
        eventually(lambda client=client, job=job: len(stored(deployment, job, client)) == 1)  # type: ignore[misc]
        assert second.rows(job) == deployment.rows(job) == []
        region, account = copy_of["table_arn"].split(":")[3:5]
        assert (region, account) == (client.get("region_name", "us-east-1"), client.get("aws_access_key_id", ACCOUNT))

    # The second copy reads the jobs with its tags, here and in the member account. The first copy reads all jobs here.
    script = scripts.launch([server_id(1)])
    here, elsewhere, untagged = (
        deployment.drs.start(script, TAGS),
        deployment.drs.start(script, TAGS, region="eu-west-1"),
        deployment.drs.start(script),
    )
    before = deployment.drs.calls["DescribeJobs"]
    answer = second.collect({"jobIds": [here, elsewhere, untagged]})
    assert answer["Payload"]["errorMessage"] == (
        f"{untagged}: no configured account and Region has this job with the tags of collector.only_tagged"
    )
    assert deployment.drs.calls["DescribeJobs"] - before >= 201  # this account, the member account and 199 others
    deployment.collect({"jobIds": [here, untagged]})
    eventually(lambda: all(second.rows(job) for job in (here, elsewhere)))
    eventually(lambda: all(deployment.rows(job) for job in (here, untagged)))
    eventually(lambda: deployment.waiting() == second.waiting() == 0)
    assert second.rows(untagged) == deployment.rows(elsewhere) == []
    assert {row["Source"] for row in second.rows(here)} == {"drs.job-log.second"}
    assert {row["Source"] for row in deployment.rows(here)} == {"drs.job-log"}

    iam = deployment.stack.client("iam", aws_access_key_id=MEMBER)
    (role,) = [role for role in iam.list_roles()["Roles"] if role["RoleName"] == "drs-job-log-reader"]
    assert role["Arn"] == outputs["member_role_arn"] == "arn:aws:iam::111122223333:role/drs-job-log-reader"
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    collector_role = module["functions"]["collector"]["role_arn"]
    assert trust["Condition"]["ArnEquals"] == {"aws:PrincipalArn": collector_role}
