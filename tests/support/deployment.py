"""Deploys examples/local on the embedded AWS."""

from __future__ import annotations

import contextlib
import inspect
import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import requests
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from requests.auth import AuthBase

from tests.support.drills import entry
from tests.support.drs import DrsServer
from tests.support.ministack import REGION, MiniStack
from tests.support.terraform import Terraform, TerraformError, working_copy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from wsgiref.types import StartResponse, WSGIEnvironment

    from requests import PreparedRequest

    from tests.support.drs import Simulator

# The provider sometimes repeats a request that succeeded, which is no error of the module.
_APPLY_ATTEMPTS: Final = 3

_GET_ATTEMPTS: Final = 10

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize

PLAN = "plan"

CREDENTIALS = Credentials("test", "test")


class Signed(AuthBase):
    """Signs requests with Signature Version 4 for execute-api."""

    def __init__(self, credentials: Credentials = CREDENTIALS) -> None:
        self._credentials = credentials

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        signed = AWSRequest(request.method, request.url)
        SigV4Auth(self._credentials, "execute-api", REGION).add_auth(signed)
        request.headers.update(signed.headers)
        return request


SIGNED = Signed()


@dataclass(frozen=True)
class Deployment:
    """The deployed module, with the operations of the tests."""

    stack: MiniStack
    drs_server: DrsServer
    outputs: dict[str, Any]

    @property
    def drs(self) -> Simulator:
        """The DRS that the collector reads."""
        return self.drs_server.simulator

    def put_events(self, details: Sequence[dict[str, Any]]) -> None:
        """Put "DRS Job Log" events on the bus, ten in each request, which is EventBridge's limit."""
        events = self.stack.client("events")
        for start in range(0, len(details), 10):
            entries = [entry(detail, self.outputs["event_source"]) for detail in details[start : start + 10]]
            answer = events.put_events(Entries=entries)
            assert answer["FailedEntryCount"] == 0, answer

    def send(self, *bodies: str) -> None:
        """Send messages to the ingest queue, as EventBridge or a redrive does."""
        for body in bodies:
            self.stack.client("sqs").send_message(QueueUrl=self.outputs["queue_url"], MessageBody=body)

    def collect(self, event: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Invoke the collector with an event, by default that of its schedule. Return its response."""
        answer = self.stack.client("lambda").invoke(
            FunctionName=self.outputs["collector_function_name"], Payload=json.dumps(event or {})
        )
        return {"FunctionError": answer.get("FunctionError"), "Payload": json.loads(answer["Payload"].read())}

    def link(self, *, may_time_out: bool = False) -> None:
        """Invoke the linker in a new environment, which scans the executions table at once.

        An environment scans the table for a job once a minute at most, so that a test without this call waits for the
        second run of the schedule. Raises AssertionError if the linker fails. With ``may_time_out``, it may be cut off:
        the next run continues.
        """
        client, name = self.stack.client("lambda"), self.outputs["linker_function_name"]
        client.update_function_configuration(FunctionName=name, Description=f"new at {time.time()}")
        answer = client.invoke(FunctionName=name, Payload="{}")
        payload = answer["Payload"].read()
        assert "FunctionError" not in answer or (may_time_out and b"timed out" in payload), payload

    def wake(self) -> None:
        """Invoke the collector asynchronously, as the rule does when CloudTrail reports a new job."""
        self.stack.client("lambda").invoke(
            FunctionName=self.outputs["collector_function_name"], InvocationType="Event", Payload="{}"
        )

    def rows(self, job: str) -> list[dict[str, Any]]:
        """Return the rows of a job in the order of the events table."""
        pages = (
            self.stack.client("dynamodb")
            .get_paginator("query")
            .paginate(
                TableName=self.outputs["table_name"],
                KeyConditionExpression="JobId = :job",
                ExpressionAttributeValues={":job": {"S": job}},
                ConsistentRead=True,
            )
        )
        return [{n: _deserialize(v) for n, v in item.items()} for page in pages for item in page["Items"]]

    def signing_proxy(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """The API as a WSGI application that signs each request, for browsers, which cannot sign for AWS_IAM."""
        url = f"{self.api_url}{quote(environ['PATH_INFO'].encode('latin-1'))}?{environ.get('QUERY_STRING', '')}"
        asked = {
            "Accept-Encoding": environ.get("HTTP_ACCEPT_ENCODING", "identity"),
            "If-None-Match": environ.get("HTTP_IF_NONE_MATCH"),
        }
        answer = requests.get(url, headers=asked, auth=SIGNED, stream=True, timeout=60)
        passed = ("content-type", "content-security-policy", "cache-control", "content-encoding", "etag", "vary")
        headers = [(name, value) for name, value in answer.headers.items() if name.lower() in passed]
        start_response(f"{answer.status_code} {answer.reason}", headers)
        return [answer.raw.read()]  # still compressed

    def unlinked(self, jobs: Sequence[str]) -> int:
        """Return the number of unlinked events of these jobs."""
        pages = self.stack.client("dynamodb").get_paginator("scan")
        pages = pages.paginate(TableName=self.outputs["table_name"], IndexName="UnlinkedIndex")
        return sum(item["JobId"]["S"] in jobs for page in pages for item in page["Items"])

    def put_execution(self, execution_id: str, jobs: Sequence[str], **attributes: Any) -> None:
        """Write the record of an execution with one wave for each job, as an orchestrator does."""
        waves = [{"WaveName": f"wave {number}", "JobId": job} for number, job in enumerate(jobs, 1)]
        record = {"ExecutionId": execution_id, "PlanId": PLAN, "Status": "POLLING", "Waves": waves} | attributes
        self.stack.client("dynamodb").put_item(
            TableName=self.outputs["execution_history_table_name"],
            Item={name: _serialize(value) for name, value in record.items()},
        )

    def execution(self, execution_id: str) -> dict[str, Any]:
        """Return the record of an execution, or an empty dict if there is none."""
        answer = self.stack.client("dynamodb").get_item(
            TableName=self.outputs["execution_history_table_name"],
            Key={"ExecutionId": {"S": execution_id}, "PlanId": {"S": PLAN}},
            ConsistentRead=True,
        )
        return {name: _deserialize(value) for name, value in answer.get("Item", {}).items()}

    @property
    def api_url(self) -> str:
        """Base URL of the API."""
        return self.stack.url(self.outputs["api_endpoint"])

    def get(self, path: str, auth: Signed | None = SIGNED) -> tuple[int, dict[str, Any]]:
        """Send a GET request to the API, signed by default. Return the status and the body.

        Repeat the request if the embedded AWS did not answer the function in time, as it may under the load of other
        tests.
        """
        verify = self.stack.environment.get("AWS_CA_BUNDLE", True)
        for _ in range(_GET_ATTEMPTS):
            answer = requests.get(self.api_url + path, auth=auth, verify=verify, timeout=60)
            if answer.status_code != 502 or "Read timeout on endpoint URL" not in answer.text:
                break
        return answer.status_code, answer.json()

    def stored(self) -> int:
        """Return the number of rows of the events table. It decreases when the embedded AWS deletes expired rows."""
        answer = self.stack.client("dynamodb").describe_table(TableName=self.outputs["table_name"])
        return int(answer["Table"]["ItemCount"])

    def waiting(self, queue_url: str | None = None) -> int:
        """Return the number of messages of a queue, by default the ingest queue, with those in flight."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.stack.client("sqs").get_queue_attributes(
            QueueUrl=queue_url or self.outputs["queue_url"], AttributeNames=names
        )["Attributes"]
        return sum(int(attributes[name]) for name in names)

    def take_all(self, queue_url: str) -> list[str]:
        """Receive and delete all messages of a queue. Return their bodies."""
        sqs = self.stack.client("sqs")
        bodies: list[str] = []
        while messages := sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                # On a slow machine, the visibility timeout can pass. The message is then received again.
                with contextlib.suppress(sqs.exceptions.ReceiptHandleIsInvalid):
                    sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
                    bodies.append(message["Body"])
        return bodies

    def subscribe(self) -> str:
        """Subscribe a new queue to the notifications. Return its URL. A message is the document of its notices."""
        sqs = self.stack.client("sqs")
        url = sqs.create_queue(QueueName=f"notices-{time.monotonic_ns()}")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.stack.client("sns").subscribe(
            TopicArn=self.outputs["failure_topic_arn"],
            Protocol="sqs",
            Endpoint=arn,
            Attributes={"RawMessageDelivery": "true"},
        )
        return str(url)

    def metrics(self) -> list[dict[str, Any]]:
        """The metrics that the functions logged, in the embedded metric format."""
        found = []
        for line in self.stack.log.read_text().splitlines():
            # Functions that print at the same moment may share a line, and the last line may be incomplete.
            for match in re.finditer(r'{"_aws"', line):
                with contextlib.suppress(json.JSONDecodeError):
                    found.append(json.JSONDecoder().raw_decode(line, match.start())[0])
        return found


@contextlib.contextmanager
def deployed(
    simulator: Simulator | None = None,
    settings: Mapping[str, str] | None = None,
    *,
    tls: bool = False,
    inputs: str = "",
) -> Iterator[Deployment]:
    """Apply examples/local on an embedded AWS, with a DRS simulator. At the end, stop both and destroy nothing.

    ``settings`` and ``tls`` configure the embedded AWS (see ``MiniStack``). ``inputs``: further inputs of the module.
    """
    with contextlib.ExitStack() as running:
        drs = running.enter_context(DrsServer(simulator))
        copy = running.enter_context(working_copy())
        # The functions inherit the environment of the embedded AWS.
        stack = MiniStack({"AWS_ENDPOINT_URL_DRS": drs.endpoint, **(settings or {})}, tls=tls)
        running.enter_context(stack)
        terraform = Terraform(copy / "examples/local", stack.environment)
        (terraform.folder / "inputs_override.tf").write_text(f'module "drs_job_log" {{\n  {inputs}\n}}\n')
        terraform.init()
        apply(terraform, stack)
        yield Deployment(stack, drs, terraform.outputs())


def apply(terraform: Terraform, stack: MiniStack) -> None:
    """Apply. If the embedded AWS reports that a resource exists already, reset it and apply again."""
    for attempt in range(1, _APPLY_ATTEMPTS + 1):
        try:
            terraform.apply()
        except TerraformError as error:
            if attempt == _APPLY_ATTEMPTS or not re.search("already ?exist", str(error), re.IGNORECASE):
                raise
            stack.reset()
            (terraform.folder / "terraform.tfstate").unlink()
        else:
            return


def eventually(check: Callable[[], bool], *, seconds: float = 240) -> None:
    """Wait until ``check`` returns true. Raises AssertionError with the line of the call after ``seconds``.

    The default is longer than the visibility timeout of the queue, after which SQS delivers a failed message again.
    """
    deadline = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        if check():
            return
        now = time.monotonic()
        assert now < deadline, f"not within {seconds} s: line {inspect.stack()[1].lineno} of the test"
        # A check that reads much is repeated less often, so that polling does not take the CPU of what it waits for.
        time.sleep(max(0.2, 3 * (now - began)))
