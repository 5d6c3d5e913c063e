"""The structure of the package: import rules, and one place for the environment, clients and keys."""

from __future__ import annotations

import ast
from typing import Final

import pytest

from tests.support.terraform import ROOT

PACKAGE: Final = ROOT / "lambda_src/drs_job_log"
SHARED: Final = frozenset({"config", "errors", "model"})

# Part of the package → the parts that it may import.
MAY_IMPORT: Final = {
    "model": frozenset[str](),
    "config": frozenset[str](),
    "errors": frozenset[str](),
    "table": frozenset({"model"}),
    "ledger": frozenset({"model", "table"}),
    "evidence_records": frozenset({"model", "table"}),
    "estimates": SHARED | {"ledger"},
    "collect": SHARED | {"table", "ledger"},
    "link": SHARED | {"table"},
    "notify": SHARED | {"table"},
    "evidence": SHARED | {"table", "link", "ledger", "evidence_records"},
    "ingest": SHARED | {"table", "link", "notify", "ledger", "estimates"},
    "api": SHARED | {"table", "link", "ledger", "estimates", "evidence_records"},
}
MODULES: Final = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in sorted(PACKAGE.rglob("*.py"))
}


def imports(source: str) -> set[str]:
    """Return the modules that a source imports, for type checking too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "absolute imports only"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def parts(source: str) -> set[str]:
    """Return the parts of the package that a source imports."""
    names = {name for name in imports(source) if name.startswith("drs_job_log.")}
    return {name.split(".")[1] for name in names}


def violations(module: str, source: str) -> set[str]:
    """Return the parts that a module of the package must not import."""
    part = module.split(".", maxsplit=1)[0]
    return parts(source) - MAY_IMPORT[part] - {part}


def test_each_part_of_the_package_has_a_rule() -> None:
    assert {module.split(".")[0] for module in MODULES} - {"__init__"} == set(MAY_IMPORT)


@pytest.mark.parametrize("module", [module for module in MODULES if module != "__init__"])
def test_a_module_imports_only_what_its_part_may_import(module: str) -> None:
    assert violations(module, MODULES[module].read_text()) == set()


@pytest.mark.parametrize(
    ("module", "source", "expected"),
    [
        ("model.events", "from drs_job_log import config", {"config"}),
        ("table", "from drs_job_log.link.linker import Linker", {"link"}),
        ("collect.handler", "def f():\n    from drs_job_log.api import views", {"api"}),
        ("notify.message", "import drs_job_log.link.resolver", {"link"}),
        ("ingest.handler", "from drs_job_log.link.resolver import ExecutionResolver", set()),
    ],
)
def test_violations_are_found(module: str, source: str, expected: set[str]) -> None:
    assert violations(module, source) == expected


@pytest.mark.parametrize("module", [module for module in MODULES if module.startswith("model.")])
def test_the_model_does_not_import_aws_libraries(module: str) -> None:
    names = imports(MODULES[module].read_text())

    assert not [name for name in names if name.startswith(("boto", "aws_lambda_powertools"))]


def test_only_config_reads_the_environment_and_creates_clients() -> None:
    for module, path in MODULES.items():
        source = path.read_text()
        uses = any(text in source for text in ("os.environ", "getenv", "boto3.client", "boto3.Session", "Config("))
        assert uses == (module == "config") or "IdempotencyConfig(" in source, module


def test_event_keys_are_composed_in_one_place() -> None:
    composing = [module for module, path in MODULES.items() if "}#{" in path.read_text()]

    assert composing == ["model.events"]
