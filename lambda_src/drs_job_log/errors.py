"""Collects the errors of several subjects, so that one failed subject does not stop the others."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = Logger(child=True)


@contextmanager
def collect_errors(failures: dict[str, str], subject: str, log_message: str) -> Iterator[None]:
    """Log an exception and add it to ``failures`` under ``subject``. The exception is not raised."""
    try:
        yield
    except Exception as error:
        logger.exception(log_message, subject=subject)
        failures[subject] = reason_of(error)


def reason_of(error: BaseException) -> str:
    """Return the type and the message of an exception, as the reason of a failure."""
    return f"{type(error).__name__}: {error}"
