"""Publishes notices on the SNS topic, and facts about executions on the event bus."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from drs_job_log.model.events import format_time
from drs_job_log.notify.document import to_document
from drs_job_log.notify.message import to_publish

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sns import SNSClient

    from drs_job_log.config import NotificationSettings
    from drs_job_log.notify.notice import Kind, Notice

# The detail types of the events about executions. The policy of ingest allows only these.
STARTED: Final = "DRS Execution Started"
SETTLED: Final = "DRS Execution Settled"
CONTINUED: Final = "DRS Execution Continued"
AT_RISK: Final = "DRS Execution At Risk"


class EventNotPutError(RuntimeError):
    """EventBridge rejected an event. A retry is safe."""


class Publisher:
    """Publishes notices of the selected kinds, and events. Thread-safe.

    All methods raise ``botocore.exceptions.BotoCoreError`` or ``botocore.exceptions.ClientError`` if AWS cannot be
    reached or refuses the request.
    """

    def __init__(
        self,
        settings: NotificationSettings,
        *,
        sns: Callable[[], SNSClient],
        events: Callable[[], EventBridgeClient],
    ) -> None:
        """``sns`` and ``events`` return the clients. They are called only if something is published."""
        self._settings = settings
        self._sns = sns
        self._events = events

    def selects(self, kind: Kind) -> bool:
        """Whether notices of this kind are published."""
        return self._settings.topic_arn is not None and kind in self._settings.kinds

    def publish(self, notices: Sequence[Notice]) -> None:
        """Publish the notices of the selected kinds in one message."""
        selected = [notice for notice in notices if self.selects(notice.kind)]
        if selected:
            message = to_publish(selected, self._settings, datetime.now(UTC))
            self._sns().publish(TopicArn=self._settings.topic_arn or "", **message)

    def put_event(self, detail_type: str, notice: Notice) -> None:
        """Put a fact on the event bus. Its detail is the document of the notice.

        Raises
        ------
        EventNotPutError
            If EventBridge rejects the event.
        """
        answer = self._events().put_events(
            Entries=[
                {
                    "EventBusName": self._settings.event_bus_name,
                    "Source": self._settings.event_source,
                    "DetailType": detail_type,
                    "Time": notice.time,
                    # Not ASCII: the document has at most 200 KB as UTF-8, and escapes can make it three times as long.
                    "Detail": json.dumps(to_document(notice, self._settings), ensure_ascii=False),
                }
            ]
        )
        if answer["FailedEntryCount"]:
            entry = answer["Entries"][0]
            raise EventNotPutError(
                f"EventBridge rejected the event {detail_type} of {format_time(notice.time)}: "
                f"{entry.get('ErrorCode')}: {entry.get('ErrorMessage')}"
            )
