"""Runs the Terraform CLI, with or without access to the provider registry.

Without access, ``hashicorp/aws`` comes from a filesystem mirror on this machine, and ``hashicorp/archive`` from the
substitute in archive_provider.py. Only Terraform's CLI configuration refers to them.
"""

from __future__ import annotations

import contextlib
import fcntl
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

# All machines test with the same versions.
_AWS_VERSION: Final = "5.100.0"
_ARCHIVE_VERSION: Final = "2.7.1"
_ARCHIVE: Final = f'archive = {{ source = "hashicorp/archive", version = "{_ARCHIVE_VERSION}" }}'
_AWS: Final = f'aws = {{ source = "hashicorp/aws", version = "{_AWS_VERSION}" }}'

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

    def apply(self) -> None:
        self.run("apply", "-input=false", "-no-color", "-auto-approve")

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
        for name in ("modules", "lambda_src", "examples", "tests/terraform"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
        for example in (copy / "examples").iterdir():
            (example / "tested_override.tf").write_text(_required(_ARCHIVE, _AWS))
        yield copy


@functools.cache
def cli_config() -> Path:
    """Return the path of a CLI configuration with the source of the providers.

    Raises
    ------
    TerraformError
        If the registry does not respond and the machine has no mirror of hashicorp/aws.
    """
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Terraform's plugin cache supports one writer at a time
        return _registry_config() or _mirror_config()


def _registry_config() -> Path | None:
    """Fill a cache with providers from the registry. Return None if the registry does not respond."""
    plugins = CACHE / "plugins"
    plugins.mkdir(exist_ok=True)
    # Without the second setting, Terraform ignores the cache because the working copies have no lock files.
    config = _write(
        CACHE / "registry.rc",
        f'plugin_cache_dir = "{plugins}"\nplugin_cache_may_break_dependency_lock_file = true\n',
    )
    answers = _initializes(_required(_ARCHIVE), config, timeout=60)
    return config if answers and _initializes(_required(_ARCHIVE, _AWS), config) else None


def _required(*providers: str) -> str:
    return "terraform {\n  required_providers {\n" + "".join(f"    {line}\n" for line in providers) + "  }\n}\n"


def _initializes(module: str, config: Path, timeout: float | None = None) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "main.tf").write_text(module)
        environment = os.environ | {"TF_CLI_CONFIG_FILE": str(config)}
        command = ["terraform", "init", "-input=false"]
        try:
            done = subprocess.run(
                command, cwd=folder, env=environment, check=False, capture_output=True, timeout=timeout
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0


def _mirror_config() -> Path:
    """Configure hashicorp/aws from a filesystem mirror on this machine, and the substitute of hashicorp/archive."""
    mirror = next((found for base, name in _MIRRORS for found in base.glob(name) if _holds_aws(found)), None)
    if mirror is None:
        raise TerraformError(
            "The provider registry does not respond, and there is no filesystem mirror with hashicorp/aws in "
            + ", ".join(str(base / name) for base, name in _MIRRORS)
            + ". Make one on a machine with access to the registry: terraform providers mirror FOLDER"
        )
    return _write(
        CACHE / "mirror.rc",
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


def _holds_aws(mirror: Path) -> bool:
    return any(mirror.glob("registry.terraform.io/hashicorp/aws/*"))


def _archive_mirror() -> Path:
    """Make a filesystem mirror with the substitute of hashicorp/archive."""
    version = json.loads(subprocess.run(["terraform", "version", "-json"], check=True, capture_output=True).stdout)
    mirror = CACHE / "mirror"
    folder = mirror / "registry.terraform.io/hashicorp/archive" / _ARCHIVE_VERSION / version["platform"]
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / f"terraform-provider-archive_v{_ARCHIVE_VERSION}_x5"
    # The framework stores a certificate in the home directory.
    _write(
        script,
        f"#!/bin/sh\nHOME={shlex.quote(str(CACHE))} exec {shlex.quote(sys.executable)} "
        f"{shlex.quote(str(ROOT / 'tests/support/archive_provider.py'))}\n",
        mode=0o755,
    )
    return mirror


def _write(file: Path, text: str, mode: int = 0o644) -> Path:
    """Replace a file atomically, because another process may read it."""
    with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False) as new:
        new.write(text)
    Path(new.name).chmod(mode)
    return Path(new.name).replace(file)
