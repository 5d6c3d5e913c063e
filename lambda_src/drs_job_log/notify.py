"""The failure notice: of a server that failed, once in its job, for a person to read and for machines to filter."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig, idempotent_function
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyAlreadyInProgressError,
    IdempotencyPersistenceLayerError,
)
from botocore.exceptions import BotoCoreError, ClientError

from drs_job_log.events import SERVER_FAILURES, JobLogEvent, format_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_lambda_powertools.utilities.idempotency.persistence.dynamodb import DynamoDBPersistenceLayer
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_sns import SNSClient

    from drs_job_log.store import JobLogStore

# Letters of each text: whoever reads it on a telephone needs the beginning; the whole stands in the log.
_MAX_TEXT: Final = 2000

# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
_MAX_SUBJECT: Final = 99
_MAX_ATTRIBUTE: Final = 1000

# What SQS, to which a topic may deliver, does not take: all that XML has no character for.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_UNSENDABLE: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to tell: see the input ``notifications``.

    Attributes
    ----------
    topic_arn
        Of SNS; None: nobody is told, and failures are only counted.
    viewer
        Where people open it, to which ``/executions/{id}`` or ``/jobs/{id}`` is added; None where only they know.
    runbook
        Where it is written what to do.
    """

    name: str
    topic_arn: str | None
    viewer: str | None
    runbook: str


# Seconds for which another message that tells of the same server is waited for; then this one comes again.
_WAITS: Final = (0.3, 0.7, 0)

# Of an invocation: less would cut off the whole batch where SNS hangs.
_SECONDS_TO_TELL: Final = 10

logger = Logger(child=True)


class BeingToldError(RuntimeError):
    """Another message is about to tell it, or had begun to and was cut off, or there is no time: it comes again."""


class Notices:
    """Tells of each server that fails, once in its job, whoever reports it and however often.

    What was told is kept in a table of its own by Powertools' idempotency, which also lets another tell what one that
    was cut off may not have told: rather twice than never. May be used from several threads.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        sns: Callable[[], SNSClient],
        memory: DynamoDBPersistenceLayer,
        store: JobLogStore,
        retention: timedelta,
        count: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._count = count
        # Also what waited in a dead-letter queue for as long as it may is told.
        self._memorable = max(retention, timedelta(days=15))
        self._sns = sns
        self._store = store
        self._config = IdempotencyConfig(
            expires_after_seconds=int(self._memorable.total_seconds()),
            hash_function="sha256",
            response_hook=lambda *_: None,
        )
        # Now and not at first use, when two threads may be the first.
        memory.configure(self._config, key_prefix="failure")
        self._once = idempotent_function(
            self._tell,
            data_keyword_argument="server",
            persistence_store=memory,
            config=self._config,
            key_prefix="failure",
        )

    def begin(self, context: LambdaContext) -> None:
        """Begin an invocation: what it has not told when its time is over, another may tell."""
        self._config.register_lambda_context(context)

    def tell(self, event: JobLogEvent) -> bool:
        """Tell of a server's failure, after the event is stored: False if it is none, or was told before.

        Raises
        ------
        BeingToldError
            Where nobody knows yet whether it was: try again later.
        Exception
            Where it could not be told, or not noted that it was: trying again is safe, and may tell twice.
        """
        if event.event_type not in SERVER_FAILURES:
            return False
        if datetime.now(UTC) - event.timestamp > self._memorable:
            logger.warning(
                "Failure not told: it is old, and so no news but a replay", job_id=event.job_id, key=event.key
            )
            return False
        context = self._config.lambda_context
        if context and context.get_remaining_time_in_millis() < 1000 * _SECONDS_TO_TELL:
            raise BeingToldError("too little time is left to tell it")
        server = event.source_server_id or event.event_id
        for seconds in _WAITS:
            try:
                return self._once(server=f"{event.job_id} {server}", event=event) is not None
            except IdempotencyAlreadyInProgressError:
                time.sleep(seconds)
            except IdempotencyPersistenceLayerError:
                # Its memory is out of reach: until it is mended, the alarm is all that tells.
                self._count()
                raise
        raise BeingToldError(f"somebody else is telling of server {server} of {event.job_id}")

    def _tell(self, *, server: str, event: JobLogEvent) -> str:  # noqa: ARG002 (the identity)
        # First, and each time, for the same reason: telling may fail, or be cut off.
        self._count()
        if not self._settings.topic_arn:
            return "nobody"
        try:
            event = self._store.completed(event)
        except (BotoCoreError, ClientError):
            logger.exception("Told without what others know", job_id=event.job_id, key=event.key)
        message = to_message(event, self._settings)
        answer = self._sns().publish(TopicArn=self._settings.topic_arn, **message)
        return answer["MessageId"]


def to_message(event: JobLogEvent, settings: Settings) -> dict[str, Any]:
    """What SNS is to publish of a server's failure: subject, message and attributes."""
    is_drill = event.detail.get("isDrill")
    kind = "drill" if is_drill is True else "recovery" if is_drill is False else "drill or recovery"
    server = event.source_server_name or event.source_server_id or "(the event does not name it)"
    said = event.message or f"Server {server}: {event.event_type}"
    part = f"executions/{_quoted(event.execution_id)}" if event.execution_id else f"jobs/{_quoted(event.job_id)}"
    facts = {
        "Server": f"{server} ({event.source_server_id})" if event.source_server_name else server,
        "Job": f"{event.job_id} ({kind})",
        "Execution": event.execution_id or "not known yet",
        "Event": f"{event.event_type} at {format_time(event.timestamp)}",
        "Account": " ".join(str(event.detail[name]) for name in ("account", "region") if event.detail.get(name)),
        "Error": event.error or "none known yet: the log may tell",
        "Watch": f"{settings.viewer}/{part}" if settings.viewer else f"/{part} of the viewer",
        "What to do": settings.runbook,
    }
    lines = [f"{name + ':':12}{value[:_MAX_TEXT]}" for name, value in facts.items() if value]
    subject = f"[{settings.name}] {kind.capitalize()}: {said}".encode("ascii", "replace").decode()
    return {
        # One line of ASCII.
        "Subject": re.sub(r"[^ -~]+", " ", subject)[:_MAX_SUBJECT],
        "Message": _sendable("\n".join([f"{said[:_MAX_TEXT]}.", "", *lines])),
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value} for name, value in _attributes(event).items()
        },
    }


def _attributes(event: JobLogEvent) -> Mapping[str, str]:
    """What machines filter by: ten at most, or a queue that is subscribed with raw delivery would be sent none."""
    is_drill = event.detail.get("isDrill")
    values = {
        "eventType": event.event_type,
        "eventId": event.event_id,
        "jobId": event.job_id,
        "executionId": event.execution_id,
        "timestamp": format_time(event.timestamp),
        "isDrill": str(is_drill).lower() if isinstance(is_drill, bool) else None,
        "sourceServerId": event.source_server_id,
        "serverName": event.source_server_name,
        "account": event.detail.get("account"),
        "region": event.detail.get("region"),
    }
    texts = {name: _sendable(str(value))[:_MAX_ATTRIBUTE] for name, value in values.items() if value}
    return {name: text for name, text in texts.items() if text}


def _quoted(id_: str) -> str:
    return quote(id_, safe="", errors="backslashreplace")


def _sendable(text: str) -> str:
    return _UNSENDABLE.sub("\N{REPLACEMENT CHARACTER}", text)
