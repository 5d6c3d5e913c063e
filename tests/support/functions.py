"""Cold starts of the Lambda functions in this process, with an environment as Terraform sets it."""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from tests.support.environment import ENVIRONMENT

if TYPE_CHECKING:
    from types import ModuleType

HANDLERS: Final = {
    "ingest": "drs_job_log.ingest.handler",
    "collector": "drs_job_log.collector.handler",
    "linker": "drs_job_log.linker.handler",
    "api": "drs_job_log.api.handler",
}


def cold_start(function: str, **environment: str) -> ModuleType:
    """Execute the module of a function's handler again, and return this second copy.

    ``environment`` adds to ``ENVIRONMENT``. The module in ``sys.modules`` stays as it is.
    """
    name = HANDLERS[function].rpartition(".")[0]
    with patch.dict(os.environ, ENVIRONMENT | environment):
        importlib.import_module(name)  # dataclasses look up their module by name
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


def handler(module: ModuleType) -> Any:
    """The Lambda handler of a module from ``cold_start``."""
    return module.handler
