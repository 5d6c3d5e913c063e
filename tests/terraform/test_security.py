"""checkov: a security scan of the module and its examples."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from tests.support.terraform import ROOT

# In a separate environment, because it pins another version of boto3.
CHECKOV = ["-m", "uv", "tool", "run", "--quiet", "--from", "checkov==3.3.30", "checkov"]


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    scan = [
        "--skip-download",
        "--framework",
        "terraform",
        "--directory",
        ".",
        "--skip-path",
        "tests",
        "--output",
        "json",
    ]
    done = subprocess.run([sys.executable, *CHECKOV, *scan], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.stdout.startswith("{"), done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_checkov_reports_no_failed_checks(report: dict[str, Any]) -> None:
    assert [
        (check["check_id"], check["check_name"], check["resource"]) for check in report["results"]["failed_checks"]
    ] == []


def test_checkov_reads_all_files(report: dict[str, Any]) -> None:
    assert report["summary"]["parsing_errors"] == 0  # checkov succeeds even if it cannot read a file
    assert report["summary"]["passed"] > 250
    read = {check["file_path"] for check in report["results"]["passed_checks"]}
    assert {"/storage.tf", "/modules/function/main.tf", "/examples/complete/main.tf"} <= read


def test_each_skip_has_a_reason() -> None:
    skips = [
        line
        for file in ROOT.rglob("*.tf")
        if ".cache" not in file.parts
        for line in file.read_text().splitlines()
        if "checkov" in line
    ]

    assert skips
    assert [line for line in skips if not re.fullmatch(r"\s*#checkov:skip=CKV2?_AWS_\d+:\S.{8,}", line)] == []
