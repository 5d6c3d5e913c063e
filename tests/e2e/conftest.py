from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.deployment import Deployment, deployed
from tests.support.evidence import INPUT

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def deployment() -> Iterator[Deployment]:
    with deployed(inputs=INPUT) as deployment:
        yield deployment
