"""Each input, and each attribute of an input, has a value other than its default in a configuration that is planned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support import hcl, inputs
from tests.support.terraform import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

INPUTS: Final = inputs.inputs("variables.tf")

# The configurations that conftest.py, test_applied.py and test_examples.py plan. Configurations with inputs that the
# module refuses do not count.
CONFIGURATIONS: Final = (
    "tests/terraform/variations/main.tf",
    "tests/terraform/applied/main.tf",
    "examples/complete/main.tf",
)
COMPLETE: Final = ROOT / "examples/complete"


def changed(default: Any, value: Any) -> bool:
    """Return whether a value differs from the default. An expression, for example a reference, always differs."""
    return bool(value != default)


def planned() -> Iterator[tuple[str, Any]]:
    """Yield the path and the value of each input in the configurations."""
    names = {path for path in INPUTS if "." not in path}
    for configuration in CONFIGURATIONS:
        for module in hcl.blocks(configuration, "module").values():
            yield from inputs.values(module, names)


def uncovered(values: Iterator[tuple[str, Any]]) -> list[str]:
    """Return the paths of the inputs that have no value other than their default."""
    covered = {path for path, value in values if path in INPUTS and changed(INPUTS[path], value)}
    return sorted(set(INPUTS) - covered)


def test_each_input_is_planned_with_another_value_than_its_default() -> None:
    assert uncovered(planned()) == [], "set them in tests/terraform/variations/main.tf"


def test_each_variable_of_the_complete_example_is_planned_with_another_value_than_its_default() -> None:
    variables = inputs.inputs("examples/complete/variables.tf")
    files = [inputs.variables_of(file) for file in COMPLETE.glob("*.tfvars")]

    assert len(files) == 2
    covered = {
        path
        for values in files
        for path, value in inputs.values(values, set(variables))
        if changed(variables.get(path), value)
    }
    assert set(variables) - covered == set()


@pytest.mark.parametrize(
    ("path", "default"),
    [
        ("name", "drs-job-log"),
        ("functions.powertools_layer.enabled", True),
        ("collector.targets[*].external_id", None),
        ("api.jwt.audience", inputs.REQUIRED),
        ("event_sources", ["aws.drs"]),
    ],
)
def test_the_defaults_are_read(path: str, default: Any) -> None:
    assert INPUTS[path] == default


def test_a_missing_value_is_found() -> None:
    values = [pair for pair in planned() if pair[0] != "alarms.api_5xx"]

    assert uncovered(iter(values)) == ["alarms.api_5xx"]
    assert uncovered(iter([*values, ("alarms.api_5xx", 5)])) == ["alarms.api_5xx"]
    assert uncovered(iter([*values, ("alarms.api_5xx", 6)])) == []
