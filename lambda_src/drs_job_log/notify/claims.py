"""Actions that run once, although several events and invocations request them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig, idempotent_function
from aws_lambda_powertools.utilities.idempotency.exceptions import IdempotencyItemNotFoundError
from aws_lambda_powertools.utilities.idempotency.persistence.datarecord import STATUS_CONSTANTS
from aws_lambda_powertools.utilities.idempotency.persistence.dynamodb import DynamoDBPersistenceLayer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_dynamodb import DynamoDBClient

_KEY_PREFIX: Final = "failure"

# Longer than the 14 days for which a message can be in a dead-letter queue.
_MIN_LIFETIME: Final = timedelta(days=15)


@dataclass(frozen=True, slots=True)
class Claim:
    """The record of an action: what it returned, if it is complete."""

    result: Any = None
    is_complete: bool = True


class Claims:
    """Runs each action once, and keeps what it returned.

    Powertools' idempotency utility keeps a record of each action in the notifications table. If an invocation is
    interrupted before it completes the record, another invocation runs the action, possibly a second time. Thread-safe.
    """

    def __init__(self, store: DynamoDBPersistenceLayer, lifetime: timedelta) -> None:
        self._store = store
        self.lifetime = lifetime
        self._config = IdempotencyConfig(
            expires_after_seconds=int(lifetime.total_seconds()),
            hash_function="sha256",
            response_hook=lambda result, _: Claim(result),
        )
        # Here and not on first use, when two threads could configure it at the same time.
        store.configure(self._config, key_prefix=_KEY_PREFIX)
        self._run_once = idempotent_function(
            _run,
            data_keyword_argument="claim",
            persistence_store=store,
            config=self._config,
            key_prefix=_KEY_PREFIX,
        )

    @classmethod
    def for_records(cls, client: DynamoDBClient, table_name: str, retention: timedelta) -> Claims:
        """Return the claims in the notifications table. They are kept for ``retention``, and at least 15 days."""
        return cls(DynamoDBPersistenceLayer(table_name, boto3_client=client), max(retention, _MIN_LIFETIME))

    def start_invocation(self, context: LambdaContext) -> None:
        """Register the invocation. After its timeout, others can run the actions that it did not complete."""
        self._config.register_lambda_context(context)

    @property
    def milliseconds_left(self) -> float | None:
        """The time until the invocation ends. None if no invocation is registered."""
        context = self._config.lambda_context
        return context.get_remaining_time_in_millis() if context else None

    def once(self, claim: str | Sequence[str], action: Callable[[], Any]) -> Any:
        """Run an action and return its JSON result. If it ran before, return its ``Claim``.

        Raises
        ------
        aws_lambda_powertools.utilities.idempotency.exceptions.IdempotencyAlreadyInProgressError
            If another invocation runs the action.
        aws_lambda_powertools.utilities.idempotency.exceptions.IdempotencyPersistenceLayerError
            If the notifications table cannot be reached.
        Exception
            If the action fails. The next call runs it again.
        """
        return self._run_once(claim=claim, action=action)

    def results(self, series: Sequence[str]) -> list[Any]:
        """Return the results of a series of actions, in order. Their claims are ``[*series, "0"]``, and so on.

        It ends before an action that is not complete. Raises the errors of ``get``.
        """
        found: list[Any] = []
        while (claim := self.get([*series, str(len(found))])) and claim.is_complete:
            found.append(claim.result)
        return found

    def get(self, claim: str | Sequence[str]) -> Claim | None:
        """Return the record of an action, with a consistent read. None if it did not run.

        Raises
        ------
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError
            If the notifications table cannot be reached.
        """
        try:
            record: Any = self._store.get_record(data=claim)  # type: ignore[arg-type]
        except IdempotencyItemNotFoundError:
            return None
        if record.status == STATUS_CONSTANTS["EXPIRED"]:
            return None
        return Claim(record.response_json_as_dict(), record.status == STATUS_CONSTANTS["COMPLETED"])


def _run(*, claim: str | Sequence[str], action: Callable[[], Any]) -> Any:  # noqa: ARG001 (the idempotency key)
    return action()
