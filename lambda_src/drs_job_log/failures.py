"""Errors that one item of work collects without stopping the others."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = Logger(child=True)


@contextmanager
def collect_errors(failures: dict[str, str], subject: str, log_message: str) -> Iterator[None]:
    """Log an exception and add it to ``failures`` under ``subject``, instead of raising it."""
    try:
        yield
    except Exception as error:
        logger.exception(log_message, subject=subject)
        failures[subject] = f"{type(error).__name__}: {error}"
