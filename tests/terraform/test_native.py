"""The tests in Terraform's own language, without an emulator."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from tests.support.terraform import ROOT, Terraform

if TYPE_CHECKING:
    from pathlib import Path


def test_terraform_test_passes_without_aws(copy: Path, tmp_path: Path) -> None:
    module = tmp_path / "module"
    shutil.copytree(copy, module, ignore=shutil.ignore_patterns("examples", "tests"))
    (module / "tests").mkdir()
    shutil.copy(ROOT / "tests/module.tftest.hcl", module / "tests")
    shutil.copy(copy / "examples/basic/tested_override.tf", module)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    terraform = Terraform(module, environment)
    terraform.init()

    output = terraform.run("test", "-no-color")

    assert "Success! 4 passed, 0 failed." in output
