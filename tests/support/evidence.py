"""The reports of a deployment: downloads their folders and runs the script that verifies them."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

from tests.support.terraform import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.deployment import Deployment

SCRIPT: Final = ROOT / "examples/verify_evidence.py"

# The input of the module that turns reports on.
INPUT: Final = 'evidence = { bucket = "create" }'


def keys(deployment: Deployment, execution_id: str) -> list[str]:
    """Return the keys of the files of a report. The ID needs no encoding."""
    evidence: Any = deployment.outputs["evidence"]
    pages = deployment.stack.client("s3").get_paginator("list_objects_v2")
    pages = pages.paginate(Bucket=evidence["bucket"], Prefix=evidence["prefix"])
    return [item["Key"] for page in pages for item in page.get("Contents", []) if f"/{execution_id}/" in item["Key"]]


def versions(deployment: Deployment, execution_id: str) -> dict[str, int]:
    """Return the number of versions of each file of a report by its name."""
    bucket, found = deployment.outputs["evidence"]["bucket"], {}
    for key in keys(deployment, execution_id):
        answer = deployment.stack.client("s3").list_object_versions(Bucket=bucket, Prefix=key)
        found[key.rpartition("/")[2]] = len(answer["Versions"])
    return found


def download(deployment: Deployment, execution_id: str, folder: Path) -> Path:
    """Download a report to a new folder with the name of the execution below ``folder``. Return the new folder."""
    target = folder / execution_id
    target.mkdir(parents=True)
    for key in keys(deployment, execution_id):
        deployment.stack.client("s3").download_file(
            deployment.outputs["evidence"]["bucket"], key, str(target / key.rpartition("/")[2])
        )
    return target


def verify(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the script that verifies a folder."""
    return subprocess.run([sys.executable, SCRIPT, folder, *options], capture_output=True, text=True, check=False)
