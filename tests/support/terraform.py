"""Terraform's CLI, on any machine: with the provider registry where it can be reached, and without it where not.

Where it cannot, ``hashicorp/aws`` comes from a filesystem mirror found on the machine and ``hashicorp/archive`` from
the stand-in beside this file. Both are told to Terraform by its CLI configuration; the module knows nothing of it.
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

# The versions that the tests prove, on every machine: what the registry offers beside them proves nothing here.
_AWS_VERSION: Final = "5.100.0"
_ARCHIVE_VERSION: Final = "2.7.1"
_ARCHIVE: Final = f'archive = {{ source = "hashicorp/archive", version = "{_ARCHIVE_VERSION}" }}'
_AWS: Final = f'aws = {{ source = "hashicorp/aws", version = "{_AWS_VERSION}" }}'

# Terraform and its providers collect garbage less often: a third less CPU time for more memory.
FAST: Final = {"GOGC": "400"}

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
        self.environment = environment | FAST | {"TF_CLI_CONFIG_FILE": str(cli_config()), "TF_IN_AUTOMATION": "1"}

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

    def plan(self, *options: str) -> dict[str, Any]:
        """The plan as Terraform's JSON, with further options of it. Raises TerraformError, as for an input refused."""
        with tempfile.TemporaryDirectory() as folder:
            file = f"{folder}/plan"
            self.run("plan", "-input=false", "-no-color", f"-out={file}", *options)
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
        for example in (copy / "examples").iterdir():
            (example / "tested_override.tf").write_text(_required(_ARCHIVE, _AWS))
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
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Terraform's plugin cache takes one writer at a time
        return _registry_config() or _mirror_config()


def _registry_config() -> Path | None:
    """Providers from the registry, kept in a cache that is full when this returns; None where it does not answer."""
    plugins = CACHE / "plugins"
    plugins.mkdir(exist_ok=True)
    # The working copies have no lock files, without which Terraform would leave the cache aside.
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
    """hashicorp/aws from a filesystem mirror on this machine, hashicorp/archive from the stand-in."""
    mirror = next((found for base, name in _MIRRORS for found in base.glob(name) if _holds_aws(found)), None)
    if mirror is None:
        raise TerraformError(
            "The provider registry cannot be reached, and no filesystem mirror with hashicorp/aws was found in "
            + ", ".join(str(base / name) for base, name in _MIRRORS)
            + ". Make one on a machine that reaches the registry: terraform providers mirror FOLDER"
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
        mode=0o755,
    )
    return mirror


def _write(file: Path, text: str, mode: int = 0o644) -> Path:
    """Replace a file at once: another process may be reading it."""
    with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False) as new:
        new.write(text)
    Path(new.name).chmod(mode)
    return Path(new.name).replace(file)
