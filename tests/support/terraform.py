"""Runs Terraform with ``hashicorp/aws`` from a filesystem mirror on this machine, otherwise from the registry."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parents[2]
CACHE: Final = ROOT / ".cache"

# All machines test with the same version of the provider. CI sets the variables to test with others.
BINARY: Final = os.environ.get("TEST_TERRAFORM", "terraform")
_AWS_VERSION: Final = os.environ.get("TEST_AWS_PROVIDER", "5.100.0")
_REQUIRED: Final = f"""terraform {{
  required_providers {{
    aws = {{ source = "hashicorp/aws", version = "{_AWS_VERSION}" }}
  }}
}}
"""

# Terraform and its providers collect garbage less often: a third less CPU time for more memory.
FAST: Final = {"GOGC": "400"}

# Folders that can contain filesystem mirrors: Terraform's defaults, and folders of manually installed software.
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
    """Terraform failed. The text contains its output."""


class Terraform:
    """A root module in its own folder.

    Parameters
    ----------
    folder
        The root module.
    environment
        Environment of the processes, such as ``MiniStack.environment``.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment | FAST | {"TF_CLI_CONFIG_FILE": str(cli_config()), "TF_IN_AUTOMATION": "1"}

    def run(self, *arguments: str) -> str:
        """Run a command and return its output. Raises TerraformError."""
        result = subprocess.run(
            [BINARY, *arguments],
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

    def plan(self, *options: str) -> dict[str, Any]:
        """Return a plan as Terraform's JSON. Raises TerraformError, for example if an input is invalid."""
        with tempfile.TemporaryDirectory() as folder:
            file = f"{folder}/plan"
            self.run("plan", "-input=false", "-no-color", f"-out={file}", *options)
            plan: dict[str, Any] = json.loads(self.run("show", "-json", file))
            return plan

    def refusals(self) -> list[dict[str, Any]]:
        """Return the errors of a plan as Terraform's JSON diagnostics."""
        try:
            lines = self.run("plan", "-input=false", "-json").splitlines()
        except TerraformError as error:
            lines = str(error).splitlines()[1:]
        return [
            message["diagnostic"]
            for message in map(json.loads, lines)
            if message["type"] == "diagnostic" and message["diagnostic"]["severity"] == "error"
        ]

    def apply(self, *options: str) -> None:
        self.run("apply", "-input=false", "-no-color", "-auto-approve", *options)

    def destroy(self) -> None:
        self.run("destroy", "-input=false", "-no-color", "-auto-approve")

    def outputs(self) -> dict[str, Any]:
        return {name: output["value"] for name, output in json.loads(self.run("output", "-json")).items()}


@contextlib.contextmanager
def working_copy() -> Iterator[Path]:
    """Copy the module and its root modules, so that runs share no files and change nothing in the checkout."""
    with tempfile.TemporaryDirectory(prefix="drs-job-log-") as folder:
        copy = Path(folder)
        for file in ROOT.glob("*.tf"):
            shutil.copy(file, copy)
        for name in ("modules", "athena", "lambda_src", "lambda_package", "examples", "tests/terraform"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
        for root in {file.parent for roots in ("examples", "tests/terraform") for file in copy.glob(f"{roots}/*/*.tf")}:
            (root / "tested_override.tf").write_text(_REQUIRED)
        yield copy


@functools.cache
def cli_config() -> Path:
    """Return the path of a CLI configuration with the source of the providers.

    Raises
    ------
    TerraformError
        If the machine has no mirror of hashicorp/aws and the registry does not respond.
    """
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Terraform's plugin cache supports one writer at a time
        return _mirror_config() or _registry_config()


def _mirror_config() -> Path | None:
    """Use hashicorp/aws from a filesystem mirror on this machine. Return None if there is none."""
    mirror = next((found for base, name in _MIRRORS for found in base.glob(name) if _holds_aws(found)), None)
    if mirror is None:
        return None
    return _write(
        CACHE / "mirror.rc",
        f"""provider_installation {{
  filesystem_mirror {{
    path = "{mirror}"
  }}
}}
""",
    )


def _holds_aws(mirror: Path) -> bool:
    return any(mirror.glob(f"registry.terraform.io/hashicorp/aws/*{_AWS_VERSION}*"))


def _registry_config() -> Path:
    """Fill a cache with hashicorp/aws from the registry. Raises TerraformError."""
    plugins = CACHE / "plugins"
    plugins.mkdir(exist_ok=True)
    # Without the second setting, Terraform ignores the cache because the working copies have no lock files.
    config = _write(
        CACHE / "registry.rc",
        f'plugin_cache_dir = "{plugins}"\nplugin_cache_may_break_dependency_lock_file = true\n',
    )
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "main.tf").write_text(_REQUIRED)
        environment = os.environ | {"TF_CLI_CONFIG_FILE": str(config)}
        command = [BINARY, "init", "-input=false"]
        result = subprocess.run(command, cwd=folder, env=environment, check=False, text=True, capture_output=True)
    if result.returncode:
        raise TerraformError(
            f"No folder of this machine is a filesystem mirror with hashicorp/aws {_AWS_VERSION}: "
            + ", ".join(str(base / name) for base, name in _MIRRORS)
            + ". Make one on a machine with access to the registry (terraform providers mirror FOLDER), or give this "
            + f"machine access to the registry. terraform init reports:\n{result.stderr}"
        )
    return config


def _write(file: Path, text: str, mode: int = 0o644) -> Path:
    """Replace a file atomically, because another process may read it."""
    with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False) as new:
        new.write(text)
    Path(new.name).chmod(mode)
    return Path(new.name).replace(file)
