"""Reports of executions, from the end of an execution to verified files. A proxy denies the writes to the bucket."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support import played, scripts
from tests.support.deployment import Deployment, deployed, eventually
from tests.support.evidence import FILES, download, records, run_script, versions
from tests.support.proxy import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SERVERS: Final = [scripts.server_id(number) for number in range(6)]
GOOD: Final = scripts.launch(SERVERS[:2])
MIXED: Final = scripts.launch(SERVERS[2:4], failing={SERVERS[3]: "no rights"})
LATE: Final = scripts.launch(SERVERS[4:])

# The lock ends after a day. No bucket of a test exists so long.
LOCKED: Final = 'evidence = { bucket = "create", object_lock_mode = "GOVERNANCE" }'

# The default is 12 minutes. Longer than an invocation on a slow machine.
VISIBILITY_SECONDS: Final = 20

# The jobs ended so long ago that an execution is settled when ingest checks it for the first time.
FIRST, SECOND, THIRD = (timedelta(minutes=minutes) for minutes in (90, 70, 50))


@pytest.fixture(scope="module")
def proxy() -> Iterator[FaultProxy]:
    with FaultProxy() as proxy:
        yield proxy


@pytest.fixture(scope="module")
def deployment(proxy: FaultProxy) -> Iterator[Deployment]:
    with deployed(settings={"AWS_ENDPOINT_URL_S3": proxy.endpoint}, inputs=LOCKED) as deployment:
        proxy.target = deployment.stack.endpoint
        deployment.stack.client("sqs").set_queue_attributes(
            QueueUrl=deployment.outputs["evidence"]["queue_url"],
            Attributes={"VisibilityTimeout": str(VISIBILITY_SECONDS)},
        )
        yield deployment


def play(deployment: Deployment, execution: str, waves: Mapping[timedelta, scripts.Script]) -> None:
    """Put the events of the waves of an execution on the bus: ``waves`` have their age as key.

    The ends are put last, so that no check finds the execution settled before all events are stored.
    """
    now = datetime.now(UTC)
    jobs = {
        f"{execution}-{age.seconds}": played.details(
            script, f"{execution}-{age.seconds}", created=now - age, execution_id=execution
        )
        for age, script in waves.items()
    }
    details = [detail for of_job in jobs.values() for detail in of_job]
    ends = [detail for detail in details if detail["eventType"] == "JOB_COMPLETED"]
    assert len(ends) == len(jobs)
    deployment.put_events([detail for detail in details if detail not in ends])
    expected = len(details) - len(ends)
    eventually(lambda: sum(len(deployment.rows(job)) for job in jobs) == expected)
    deployment.put_events(ends)
    eventually(lambda: sum(len(deployment.rows(job)) for job in jobs) == len(details))


def has_revision(deployment: Deployment, execution: str, revision: int) -> bool:
    """Whether the report of an execution has this revision, and the function is done with it."""
    return any(int(record["Revision"]) == revision for record in records(deployment, execution))


def digest_in_table(deployment: Deployment, execution: str) -> str:
    """Return the SHA-256 of the newest summary.json, as the events table has it."""
    return str(records(deployment, execution)[-1]["Files"]["summary.json"]["sha256"])


def waiting(deployment: Deployment) -> int:
    return deployment.waiting(deployment.outputs["evidence"]["queue_url"])


def invoke(deployment: Deployment, event: Mapping[str, Any]) -> Any:
    """Invoke the function that writes reports. Return its response."""
    answer = deployment.stack.client("lambda").invoke(
        FunctionName=deployment.outputs["evidence_function_name"], Payload=json.dumps(event)
    )
    payload = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, payload
    return payload


def batch(execution: str, number: int) -> dict[str, Any]:
    """Return what Lambda passes to the function for a message about an execution."""
    return {
        "Records": [
            {
                "messageId": f"message-{number}",
                "receiptHandle": "handle",
                "body": json.dumps({"executionId": execution}),
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:drs-job-log-evidence",
                "awsRegion": "us-east-1",
            }
        ]
    }


def test_an_execution_that_settled_has_a_report_that_verifies(deployment: Deployment, tmp_path: Path) -> None:
    play(deployment, "exec-report", {FIRST: GOOD, SECOND: MIXED})

    eventually(lambda: has_revision(deployment, "exec-report", 1))

    download(deployment, "exec-report", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES
    digest = digest_in_table(deployment, "exec-report")
    result = run_script(tmp_path, "--summary-sha256", digest)
    assert result.returncode == 0, result.stdout
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["status"], len(summary["waves"]), summary["revision"]) == ("PARTIAL", 2, 1)
    rows = deployment.rows(summary["jobs"][0]["jobId"]) + deployment.rows(summary["jobs"][1]["jobId"])
    assert summary["eventCount"] == len(rows)
    assert "no rights" in (tmp_path / "report.html").read_text()
    assert {name: len(ids) for name, ids in versions(deployment, "exec-report").items()} == dict.fromkeys(FILES, 1)


def test_nobody_can_delete_a_version_before_its_lock_ends(deployment: Deployment) -> None:
    s3, bucket = deployment.stack.client("s3"), deployment.outputs["evidence"]["bucket"]
    folder = records(deployment, "exec-report")[-1]["Folder"]
    for name, (version,) in versions(deployment, "exec-report").items():
        with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
            s3.delete_object(Bucket=bucket, Key=folder + name, VersionId=version)

    assert sorted(versions(deployment, "exec-report")) == FILES


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_of_a_report_is_found(deployment: Deployment, tmp_path: Path, name: str) -> None:
    download(deployment, "exec-report", tmp_path)
    content = bytearray((tmp_path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / name).write_bytes(content)

    result = run_script(tmp_path, "--summary-sha256", digest_in_table(deployment, "exec-report"))

    assert result.returncode == 1
    assert f"FAILED  {name}" in result.stdout


def test_a_later_wave_is_a_second_version_that_names_the_first(deployment: Deployment, tmp_path: Path) -> None:
    s3, bucket = deployment.stack.client("s3"), deployment.outputs["evidence"]["bucket"]
    play(deployment, "exec-late", {FIRST: GOOD})
    eventually(lambda: has_revision(deployment, "exec-late", 1))

    play(deployment, "exec-late", {THIRD: LATE})
    eventually(lambda: has_revision(deployment, "exec-late", 2))

    newest, oldest = versions(deployment, "exec-late")["summary.json"]
    key = f"{records(deployment, 'exec-late')[-1]['Folder']}summary.json"
    first = s3.get_object(Bucket=bucket, Key=key, VersionId=oldest)["Body"].read()
    assert s3.head_object(Bucket=bucket, Key=key)["VersionId"] == newest
    previous, folder = tmp_path / "previous.json", tmp_path / "report"
    previous.write_bytes(first)
    download(deployment, "exec-late", folder)
    summary = json.loads((folder / "summary.json").read_text())
    digests = [record["Files"]["summary.json"]["sha256"] for record in records(deployment, "exec-late")]
    assert (summary["revision"], summary["supersedes"], len(summary["waves"])) == (2, digests[0], 2)
    result = run_script(folder, "--summary-sha256", digests[1], "--previous", previous)
    assert (result.returncode, "superseded by revision 2" in result.stdout) == (0, True), result.stdout
    previous.write_bytes(first.replace(b"COMPLETED", b"CANCELLED"))
    assert run_script(folder, "--previous", previous).returncode == 1


def test_messages_at_the_same_time_write_one_version(deployment: Deployment, proxy: FaultProxy) -> None:
    """Before the first report, and after it. The event of the bus is one more message.

    Two invocations write the first object at the same time.
    """
    play(deployment, "exec-race", {FIRST: GOOD, SECOND: MIXED})
    proxy.meeting = threading.Barrier(2)

    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda number: invoke(deployment, batch("exec-race", number)), range(6)))
    for _ in range(3):
        deployment.stack.client("sqs").send_message(
            QueueUrl=deployment.outputs["evidence"]["queue_url"], MessageBody='{"executionId": "exec-race"}'
        )
    eventually(lambda: has_revision(deployment, "exec-race", 1) and waiting(deployment) == 0)
    with ThreadPoolExecutor(6) as threads:
        repeated = list(threads.map(lambda number: invoke(deployment, batch("exec-race", number)), range(6)))

    assert proxy.happened["s3 met"] >= 1
    assert {"batchItemFailures": []} in answers
    assert repeated == [{"batchItemFailures": []}] * 6
    assert {name: len(ids) for name, ids in versions(deployment, "exec-race").items()} == dict.fromkeys(FILES, 1)
    assert len(records(deployment, "exec-race")) == 1


def test_a_denied_write_is_counted_and_repeated_until_it_succeeds(
    deployment: Deployment, proxy: FaultProxy, tmp_path: Path
) -> None:
    def failures() -> int:
        return sum(int(sum(line["EvidenceFailures"])) for line in deployment.metrics() if "EvidenceFailures" in line)

    before = failures()
    proxy.down = frozenset({"s3"})
    try:
        play(deployment, "exec-denied", {FIRST: GOOD})
        eventually(lambda: failures() >= before + 2)  # it is repeated

        assert versions(deployment, "exec-denied") == {}
        assert waiting(deployment) == 1
        assert proxy.happened["s3 denied"] >= 2
    finally:
        proxy.down = frozenset()

    eventually(lambda: has_revision(deployment, "exec-denied", 1) and waiting(deployment) == 0)
    download(deployment, "exec-denied", tmp_path)
    assert run_script(tmp_path, "--summary-sha256", digest_in_table(deployment, "exec-denied")).returncode == 0
    assert {name: len(ids) for name, ids in versions(deployment, "exec-denied").items()} == dict.fromkeys(FILES, 1)


def test_the_daily_run_writes_a_missing_report_only(deployment: Deployment, tmp_path: Path) -> None:
    """An end whose start was not reported is not reported a day later, so no event asks for the report."""
    known = {execution: versions(deployment, execution) for execution in ("exec-report", "exec-late", "exec-race")}
    play(deployment, "exec-missed", {timedelta(days=3): GOOD})
    assert versions(deployment, "exec-missed") == {}

    answer = invoke(deployment, {"reconcile": True})

    assert answer["queued"] >= 1 + len(known)
    eventually(lambda: has_revision(deployment, "exec-missed", 1) and waiting(deployment) == 0)
    download(deployment, "exec-missed", tmp_path)
    assert run_script(tmp_path, "--summary-sha256", digest_in_table(deployment, "exec-missed")).returncode == 0
    assert {execution: versions(deployment, execution) for execution in known} == known
    assert deployment.waiting(deployment.outputs["evidence"]["dlq_url"]) == 0
