"""checkov: a security scan of the Terraform files, and of the plans of the examples.

A plan has the values that the files take from inputs. A skip in a file applies to both scans.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.terraform import ROOT, Terraform

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.ministack import MiniStack

# In a separate environment, because it pins another version of boto3.
CHECKOV = ["-m", "uv", "tool", "run", "--quiet", "--from", "checkov==3.3.30", "checkov", "--skip-download"]

# Example → options of its plan.
PLANS = {"basic": (), "complete": ("-var-file=production.tfvars",)}


def scan(folder: Path, *options: str) -> dict[str, Any]:
    """Run checkov in a folder and return its report."""
    command = [sys.executable, *CHECKOV, *options, "--output", "json"]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    assert done.stdout.startswith("{"), done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def failures(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    checks = report["results"]["failed_checks"]
    return [(check["check_id"], check["check_name"], check["resource"]) for check in checks]


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return scan(ROOT, "--framework", "terraform", "--directory", ".", "--skip-path", "tests")


@pytest.fixture(scope="module")
def plan_report(copy: Path, stack: MiniStack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    # checkov finds the file of a resource by the name of the resource. Other root modules have equal names.
    folder = tmp_path_factory.mktemp("scanned")
    shutil.copytree(copy / "modules", folder / "modules")
    for file in copy.glob("*.tf"):
        shutil.copy(file, folder)
    files = []
    for example, options in PLANS.items():
        terraform = Terraform(copy / "examples" / example, stack.environment)
        terraform.init()
        files += ["--file", f"{example}.json"]
        (folder / f"{example}.json").write_text(json.dumps(terraform.plan(*options)))
        (folder / "examples" / example).mkdir(parents=True)
        for file in (ROOT / "examples" / example).glob("*.tf"):
            shutil.copy(file, folder / "examples" / example)
    return scan(folder, "--framework", "terraform_plan", "--repo-root-for-plan-enrichment", ".", *files)


def test_checkov_reports_no_failed_checks(report: dict[str, Any]) -> None:
    assert failures(report) == []


def test_checkov_reports_no_failed_checks_in_the_plans_of_the_examples(plan_report: dict[str, Any]) -> None:
    assert failures(plan_report) == []

    results = plan_report["results"]
    assert len(results["passed_checks"]) > 300
    skipped = {check["check_id"] for check in results["skipped_checks"]}
    assert {"CKV_AWS_158", "CKV_AWS_338", "CKV_AWS_297"} <= skipped  # values that only the plan has


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
