"""Terraform's CLI, on any machine: with the provider registry where it can be reached, and without it where not.

Where it cannot, ``hashicorp/aws`` comes from a filesystem mirror found on the machine and ``hashicorp/archive`` from
the stand-in beside this file. Both are told to Terraform by its CLI configuration; the module knows nothing of it.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parents[2]
CACHE: Final = ROOT / ".cache"

_ARCHIVE_VERSION: Final = "2.7.1"

# Where filesystem mirrors lie: Terraform's own places, and where software is installed by hand.
# https://developer.hashicorp.com/terraform/cli/config/config-file#implied-local-mirror-directories
_MIRRORS: Final = (
    (Path.home() / ".terraform.d", "plugins"),
    (Path.home() / ".local/share/terraform", "plugins"),
    (Path("/usr/local/share/terraform"), "plugins"),
    (Path("/usr/share/terraform"), "plugins"),
    (Path("/usr/local"), "*"),
    (Path("/opt"), "*"),
)


class TerraformError(RuntimeError):
    """Terraform failed; the text is what it printed."""


class Terraform:
    """A root module in its own folder.

    Parameters
    ----------
    folder
        The root module.
    environment
        Of the processes, such as ``MiniStack.environment``.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment | {"TF_CLI_CONFIG_FILE": str(cli_config()), "TF_IN_AUTOMATION": "1"}

    def run(self, *arguments: str) -> str:
        """Run a command; return what it printed. Raises TerraformError."""
        result = subprocess.run(
            ["terraform", *arguments],
            cwd=self.folder,
            env=self.environment,
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if result.returncode:
            raise TerraformError(f"terraform {shlex.join(arguments)} in {self.folder}:\n{result.stdout}")
        return result.stdout

    def init(self) -> None:
        self.run("init", "-input=false", "-no-color")

    def plan(self) -> dict[str, Any]:
        """The plan as Terraform's JSON. Raises TerraformError, such as for an input that is refused."""
        with tempfile.TemporaryDirectory() as folder:
            file = f"{folder}/plan"
            self.run("plan", "-input=false", "-no-color", f"-out={file}")
            plan: dict[str, Any] = json.loads(self.run("show", "-json", file))
            return plan

    def refusals(self) -> list[dict[str, Any]]:
        """The errors of a plan, as Terraform's JSON diagnostics."""
        try:
            lines = self.run("plan", "-input=false", "-json").splitlines()
        except TerraformError as error:
            lines = str(error).splitlines()[1:]
        return [
            message["diagnostic"]
            for message in map(json.loads, lines)
            if message["type"] == "diagnostic" and message["diagnostic"]["severity"] == "error"
        ]

    def apply(self) -> None:
        self.run("apply", "-input=false", "-no-color", "-auto-approve")

    def destroy(self) -> None:
        self.run("destroy", "-input=false", "-no-color", "-auto-approve")

    def outputs(self) -> dict[str, Any]:
        return {name: output["value"] for name, output in json.loads(self.run("output", "-json")).items()}


@contextlib.contextmanager
def working_copy() -> Iterator[Path]:
    """A copy of the module and what applies it: Terraform leaves nothing in the checkout, and no two runs meet."""
    with tempfile.TemporaryDirectory(prefix="drs-job-log-") as folder:
        copy = Path(folder)
        for file in ROOT.glob("*.tf"):
            shutil.copy(file, copy)
        for name in ("modules", "lambda_src", "examples", "tests/terraform"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
        yield copy


@functools.cache
def cli_config() -> Path:
    """Terraform's CLI configuration for this machine, which says where providers come from.

    Raises
    ------
    TerraformError
        Where neither the registry can be reached nor a mirror of hashicorp/aws found.
    """
    CACHE.mkdir(exist_ok=True)
    plugins = CACHE / "plugins"
    plugins.mkdir(exist_ok=True)
    file = CACHE / "terraform.rc"
    if _registry_answers():
        _write(file, f'plugin_cache_dir = "{plugins}"\n')
        return file

    mirror = next((found for base, name in _MIRRORS for found in base.glob(name) if _holds_aws(found)), None)
    if mirror is None:
        raise TerraformError(
            "The provider registry cannot be reached, and no filesystem mirror with hashicorp/aws was found in "
            + ", ".join(str(base / name) for base, name in _MIRRORS)
            + ". Make one on a machine that reaches the registry: terraform providers mirror FOLDER"
        )
    _write(
        file,
        f"""provider_installation {{
  filesystem_mirror {{
    path    = "{mirror}"
    include = ["hashicorp/aws"]
  }}
  filesystem_mirror {{
    path    = "{_archive_mirror()}"
    include = ["hashicorp/archive"]
  }}
}}
""",
    )
    return file


def _registry_answers() -> bool:
    """Whether Terraform, as it is set up on this machine, can install a small provider from the registry."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "main.tf").write_text('terraform {\n  required_providers {\n    archive = "~> 2.7"\n  }\n}\n')
        environment = {name: value for name, value in os.environ.items() if name != "TF_CLI_CONFIG_FILE"}
        command = ["terraform", "init", "-input=false"]
        try:
            result = subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, timeout=60)
        except subprocess.TimeoutExpired:
            return False
        return result.returncode == 0


def _holds_aws(mirror: Path) -> bool:
    return any(mirror.glob("registry.terraform.io/hashicorp/aws/*"))


def _archive_mirror() -> Path:
    """A filesystem mirror with the stand-in for hashicorp/archive."""
    version = json.loads(subprocess.run(["terraform", "version", "-json"], check=True, capture_output=True).stdout)
    mirror = CACHE / "mirror"
    folder = mirror / "registry.terraform.io/hashicorp/archive" / _ARCHIVE_VERSION / version["platform"]
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / f"terraform-provider-archive_v{_ARCHIVE_VERSION}_x5"
    # The framework keeps a certificate in the home directory: let it be this one.
    _write(
        script,
        f"#!/bin/sh\nHOME={shlex.quote(str(CACHE))} exec {shlex.quote(sys.executable)} "
        f"{shlex.quote(str(ROOT / 'tests/support/archive_provider.py'))}\n",
    )
    script.chmod(0o755)
    return mirror


def _write(file: Path, text: str) -> None:
    """Replace a file at once: another process may be reading it."""
    with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False) as new:
        new.write(text)
    shutil.copymode(file, new.name) if file.exists() else None
    Path(new.name).replace(file)
