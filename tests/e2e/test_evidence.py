"""From the end of an execution to its report in the bucket, through the deployed rule, queue and function."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import played, scripts
from tests.support.deployment import eventually
from tests.support.evidence import download, keys, verify, versions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.support.deployment import Deployment

SERVERS = [scripts.server_id(number) for number in range(40, 44)]
FILES = ("log.ndjson.gz", "report.html", "servers.ndjson.gz", "summary.json")


def wave(execution: str, number: int, servers: Sequence[str], minutes: int) -> list[dict[str, Any]]:
    """Return the events of a wave that started some minutes ago. Its last server fails."""
    script = scripts.launch(servers, failing={servers[-1]: "no rights"})
    created = datetime.now(UTC) - timedelta(minutes=minutes)
    return played.details(script, f"{execution}-{number}", created=created, execution_id=execution)


def settle(deployment: Deployment, execution: str) -> None:
    """Put the events of an execution of two waves that ended so long ago that it has settled."""
    deployment.put_events(wave(execution, 1, SERVERS[:2], 80) + wave(execution, 2, SERVERS[2:], 50))


def send(deployment: Deployment, body: dict[str, Any]) -> None:
    queue = deployment.outputs["evidence"]["queue_url"]
    deployment.stack.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(body))


def invoke(deployment: Deployment, event: dict[str, Any]) -> dict[str, Any]:
    """Invoke the function of evidence. Return its answer."""
    name = deployment.outputs["evidence_function_name"]
    answer = deployment.stack.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    found: dict[str, Any] = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, found
    return found


def failures(deployment: Deployment) -> int:
    return sum("EvidenceFailures" in line for line in deployment.metrics())


@pytest.fixture(scope="module", autouse=True)
def _short_retries(deployment: Deployment) -> None:
    """SQS delivers a failed message again after 5 s instead of 12 minutes."""
    deployment.stack.client("sqs").set_queue_attributes(
        QueueUrl=deployment.outputs["evidence"]["queue_url"], Attributes={"VisibilityTimeout": "5"}
    )


def test_the_report_of_an_execution_verifies_and_a_correction_is_a_second_version(
    deployment: Deployment, tmp_path: Path
) -> None:
    settle(deployment, "exec-report")

    eventually(lambda: len(keys(deployment, "exec-report")) == len(FILES))

    folder = download(deployment, "exec-report", tmp_path / "first")
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert (verify(folder).returncode, verify(folder).stderr) == (0, "")
    first = (folder / "summary.json").read_bytes()
    summary = json.loads(first)
    assert (summary["status"], summary["revision"], len(summary["waves"])) == ("PARTIAL", 1, 2)
    assert (summary["counts"]["launched"], summary["counts"]["failed"]) == (2, 2)
    log = (folder / "log.ndjson.gz").read_bytes()
    (folder / "log.ndjson.gz").write_bytes(log[:20] + bytes([log[20] ^ 1]) + log[21:])
    assert verify(folder).returncode == 1

    # The function finds the third wave when it reads the events the next time.
    deployment.put_events(wave("exec-report", 3, SERVERS[:1], 40))
    eventually(lambda: len(deployment.rows("exec-report-3")) > 0)
    with ThreadPoolExecutor(8) as senders:
        list(senders.map(lambda _: send(deployment, {"executionId": "exec-report"}), range(8)))
    eventually(lambda: versions(deployment, "exec-report") == dict.fromkeys(FILES, 2))
    eventually(lambda: deployment.waiting(deployment.outputs["evidence"]["queue_url"]) == 0)

    assert versions(deployment, "exec-report") == dict.fromkeys(FILES, 2)
    folder = download(deployment, "exec-report", tmp_path / "second")
    (tmp_path / "first.json").write_bytes(first)
    checked = verify(folder, "--previous", str(tmp_path / "first.json"))
    assert checked.returncode == 0, checked.stdout
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["revision"], summary["supersedes"]) == (2, hashlib.sha256(first).hexdigest())
    rows = deployment.rows("evidence#exec-report")
    assert [row["Revision"] for row in rows] == [1, 2]
    digest = rows[1]["Files"]["summary.json"]["sha256"]
    assert verify(folder, "--summary-sha256", digest).returncode == 0


def test_a_bucket_that_rejects_writes_is_counted_and_the_report_is_written_after_it_is_fixed(
    deployment: Deployment,
) -> None:
    s3, bucket = deployment.stack.client("s3"), deployment.outputs["evidence"]["bucket"]
    before = failures(deployment)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})

    settle(deployment, "exec-rejected")

    eventually(lambda: failures(deployment) >= before + 2)
    assert keys(deployment, "exec-rejected") == []
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    eventually(lambda: versions(deployment, "exec-rejected") == dict.fromkeys(FILES, 1))
    eventually(lambda: deployment.waiting(deployment.outputs["evidence"]["queue_url"]) == 0)


def test_the_daily_run_writes_a_missing_report_and_no_other_version(deployment: Deployment) -> None:
    settle(deployment, "exec-missing")
    eventually(lambda: len(keys(deployment, "exec-missing")) == len(FILES))
    eventually(lambda: deployment.waiting(deployment.outputs["evidence"]["queue_url"]) == 0)
    s3, bucket = deployment.stack.client("s3"), deployment.outputs["evidence"]["bucket"]
    for key in keys(deployment, "exec-missing"):
        s3.delete_object(Bucket=bucket, Key=key)
    assert keys(deployment, "exec-missing") == []

    assert invoke(deployment, {"reconcile": True})["queued"] >= 1
    eventually(lambda: len(keys(deployment, "exec-missing")) == len(FILES))
    eventually(lambda: deployment.waiting(deployment.outputs["evidence"]["queue_url"]) == 0)
    invoke(deployment, {"reconcile": True})
    eventually(lambda: deployment.waiting(deployment.outputs["evidence"]["queue_url"]) == 0)

    assert versions(deployment, "exec-missing") == dict.fromkeys(FILES, 2)
    assert deployment.take_all(deployment.outputs["evidence"]["dlq_url"]) == []
