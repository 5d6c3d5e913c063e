"""The DRS model of the package: it is that of botocore, and an old botocore uses it."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import botocore
import pytest
from botocore.loaders import Loader

from tests.support.drs import DrsServer, Simulator
from tests.support.plans import Plan, WaitStep
from tests.support.terraform import ROOT

SOURCES = ROOT / "lambda_src"
DATA = SOURCES / "drs_job_log/botocore_data"
MODEL = DATA / "drs/2020-02-26/service-2.json.gz"

# A boto3 that is older than recovery plans.
OLD = "1.34.145"

OPERATIONS = (
    *("DescribeJobs", "DescribeJobLogItems", "DescribeSourceServers", "DescribeRecoveryInstances"),
    *("ListRecoveryPlanExecutions", "ListRecoveryPlanExecutionSteps", "GetRecoveryPlanExecution", "GetRecoveryPlan"),
)

PROGRAM = """
import json
import botocore
import botocore.session
from drs_job_log import config

drs = config.client("drs", region_name="us-east-1")
try:
    executions = drs.list_recovery_plan_executions()["recoveryPlanExecutions"]
except AttributeError:
    executions = None
print(json.dumps({
    "botocore": botocore.__version__,
    "own": hasattr(botocore.session.get_session().create_client("drs", "us-east-1"), "list_recovery_plan_executions"),
    "executions": executions,
    "paths": config._botocore_session().get_component("data_loader").search_paths,
    "endpoint": config.client("dynamodb", region_name="eu-west-1").meta.endpoint_url,
}))
"""


def run(*folders: Path) -> tuple[str, dict[str, Any]]:
    """Run PROGRAM with the packages in ``folders``. Return the ARN of the simulated execution and the output."""
    simulator = Simulator()
    arn = simulator.start_plan(Plan(name="p", steps=[WaitStep(name="w", minutes=1)]))
    with DrsServer(simulator) as server:
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(map(str, folders)),
            "AWS_ENDPOINT_URL_DRS": server.endpoint,
        }
        command = [sys.executable, "-c", PROGRAM]
        output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    return arn, json.loads(output)


@pytest.fixture(scope="module")
def old_botocore() -> Path:
    """The folder of an old boto3 and its dependencies, which the first test downloads."""
    folder = ROOT / f".cache/boto3-{OLD}"
    if not folder.exists():
        unfinished = folder.with_name(f"{folder.name}.{os.getpid()}")
        packages = [f"boto3=={OLD}", f"botocore=={OLD}"]
        pip = [sys.executable, "-m", "pip", "install", "-qq", "--no-warn-conflicts", "--target", unfinished, *packages]
        subprocess.run(pip, check=True)
        unfinished.rename(folder)
    return folder


def used_shapes(model: dict[str, Any]) -> dict[str, Any]:
    """Return the operations that the package uses and all their shapes, without texts."""
    shapes: dict[str, Any] = {}

    def add(part: Any) -> None:
        for value in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            add(value)
        name = part.get("shape") if isinstance(part, dict) else None
        if isinstance(name, str) and name not in shapes:
            shapes[name] = without_texts(model["shapes"][name])
            add(shapes[name])

    operations = {name: without_texts(model["operations"][name]) for name in OPERATIONS}
    add(operations)
    return {"operations": operations, "shapes": shapes}


def without_texts(part: Any) -> Any:
    if isinstance(part, dict):
        return {key: without_texts(value) for key, value in part.items() if key != "documentation"}
    return [without_texts(value) for value in part] if isinstance(part, list) else part


def test_the_model_is_that_of_botocore() -> None:
    """If this fails after an update of botocore, copy its model, and change the version in NOTICE.txt."""
    installed = Path(Loader.BUILTIN_DATA_PATH, "drs/2020-02-26/service-2.json.gz").read_bytes()
    copied = MODEL.read_bytes()
    (version,) = re.findall(r"botocore ([\d.]+),", (DATA / "NOTICE.txt").read_text())

    if version == botocore.__version__:
        assert copied == installed
    models = [json.loads(gzip.decompress(model)) for model in (copied, installed)]
    copied_shapes, installed_shapes = map(used_shapes, models)
    assert copied_shapes == installed_shapes
    assert "RecoveryPlanExecutionServer" in copied_shapes["shapes"]


@pytest.mark.slow
def test_a_botocore_with_recovery_plans_uses_its_own_model() -> None:
    arn, output = run(SOURCES)

    assert [execution["recoveryPlanExecutionArn"] for execution in output["executions"]] == [arn]
    assert (output["botocore"], output["own"]) == (botocore.__version__, True)
    assert str(DATA) not in output["paths"]


@pytest.mark.slow
def test_an_old_botocore_uses_the_model_of_the_package(old_botocore: Path) -> None:
    arn, output = run(old_botocore, SOURCES)

    assert [execution["recoveryPlanExecutionArn"] for execution in output["executions"]] == [arn]
    assert (output["botocore"], output["own"]) == (OLD, False)
    assert output["paths"][0] == str(DATA)
    assert output["endpoint"] == "https://dynamodb.eu-west-1.amazonaws.com"
