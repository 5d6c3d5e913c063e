from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.deployment import Deployment, deployed

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def deployment() -> Iterator[Deployment]:
    with deployed() as deployment:
        yield deployment
