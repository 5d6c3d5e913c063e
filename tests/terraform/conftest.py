"""Plans and applies on the embedded AWS, which provides the account data that a plan reads."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from pytest_terraform.tf import TerraformRunner

from tests.support.issuer import Issuer
from tests.support.ministack import MiniStack
from tests.support.terraform import FAST, Terraform, cli_config, working_copy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Planned = dict[str, dict[str, Any]]

ACCOUNT = "000000000000"


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    with Issuer() as issuer:
        yield issuer


@pytest.fixture(scope="session")
def stack(issuer: Issuer) -> Iterator[MiniStack]:
    with MiniStack({"SSL_CERT_FILE": str(issuer.ca_file)}) as stack:
        yield stack


@pytest.fixture(scope="session")
def copy() -> Iterator[Path]:
    with working_copy() as copy:
        yield copy


@pytest.fixture(scope="module")
def as_aws(stack: MiniStack, issuer: Issuer) -> Iterator[MiniStack]:
    """Let pytest-terraform, which runs Terraform in the environment of this process, use the embedded AWS."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (stack.environment | FAST).items():
            patch.setenv(name, value)
        patch.setenv("TF_CLI_CONFIG_FILE", str(cli_config()))
        patch.setenv("TF_VAR_issuer", issuer.address)
        patch.setattr(TerraformRunner, "apply", _apply_twice(TerraformRunner.apply))
        yield stack


def _apply_twice(apply: Callable[..., Any]) -> Callable[..., Any]:
    """Return an apply that is repeated once. After a failure, pytest-terraform destroys what it created.

    The provider sometimes repeats a request that succeeded, and the embedded AWS answers that the resource exists.
    """

    def apply_twice(runner: TerraformRunner, plan: bool = True) -> Any:
        try:
            return apply(runner, plan)
        except subprocess.CalledProcessError:
            return apply(runner, plan)

    return apply_twice


def root_module(copy: Path, name: str, stack: MiniStack) -> Terraform:
    """Initialize a root module of this folder."""
    terraform = Terraform(copy / "tests/terraform" / name, stack.environment)
    terraform.init()
    return terraform


def resources_of(module: dict[str, Any]) -> Planned:
    """Return the values of all resources of a module and its child modules, by address."""
    found = {resource["address"]: resource["values"] for resource in module.get("resources", [])}
    for child in module.get("child_modules", []):
        found |= resources_of(child)
    return found


@pytest.fixture(scope="session")
def plan(copy: Path, stack: MiniStack) -> dict[str, Any]:
    terraform = root_module(copy, "variations", stack)
    (terraform.folder / "package.zip").write_bytes(b"a prebuilt package")
    return terraform.plan()


@pytest.fixture(scope="session")
def planned(plan: dict[str, Any]) -> Callable[[str], Planned]:
    """Return a function that returns the resources of a copy of the module by their addresses in the module."""

    everything = resources_of(plan["planned_values"]["root_module"])

    def of(copy: str) -> Planned:
        prefix = f"module.{copy}."
        return {name.removeprefix(prefix): value for name, value in everything.items() if name.startswith(prefix)}

    return of
