"""The reports of executions: their folders in the bucket, and the script that verifies a downloaded folder."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

from tests.support.terraform import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.deployment import Deployment

SCRIPT: Final = ROOT / "examples/verify_evidence/verify_evidence.py"
FILES: Final = ["log.ndjson.gz", "report.html", "servers.ndjson.gz", "summary.json"]

# The input of the module that creates a bucket.
CREATED: Final = 'evidence = { bucket = "create" }'


def run_script(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the script as a user does: without the packages and the environment of the tests."""
    command = [sys.executable, "-I", "-S", str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def load_script() -> Any:
    """Return the script as a module, which is faster than a process for each call."""
    spec = importlib.util.spec_from_file_location("verify_evidence", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # for its data classes
    spec.loader.exec_module(module)
    return module


def versions(deployment: Deployment, execution: str) -> dict[str, list[str]]:
    """Return the IDs of the versions of each file in the folder of an execution, newest first."""
    found: dict[str, list[str]] = {}
    pages = deployment.stack.client("s3").get_paginator("list_object_versions")
    for page in pages.paginate(Bucket=deployment.outputs["evidence"]["bucket"]):
        for version in page.get("Versions", []):
            *_, folder, name = version["Key"].split("/")
            if folder == execution:
                found.setdefault(name, []).append(version["VersionId"])
    return found


def records(deployment: Deployment, execution: str) -> list[dict[str, Any]]:
    """Return the records of the report of an execution in the events table, oldest first."""
    return deployment.rows(f"evidence#{execution}")


def download(deployment: Deployment, execution: str, folder: Path) -> None:
    """Download the newest files of the folder of an execution. Replaces what ``folder`` has."""
    s3, bucket = deployment.stack.client("s3"), deployment.outputs["evidence"]["bucket"]
    prefix = records(deployment, execution)[-1]["Folder"]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for item in s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]:
        s3.download_file(bucket, item["Key"], str(folder / item["Key"].removeprefix(prefix)))
