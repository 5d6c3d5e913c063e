"""Tests that README.md, docs/ and CHANGELOG.md are consistent with each other and with the code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

from tests.support import hcl, readme
from tests.support.terraform import ROOT

if TYPE_CHECKING:
    from pathlib import Path

DOCS: Final = ROOT / "docs"
READMES: Final = readme.readmes()
PAGES: Final = sorted({*READMES, *ROOT.glob("*.md"), *DOCS.rglob("*.md")})
SOURCES: Final = sorted((ROOT / "lambda_src").rglob("*.py"))
TERRAFORM: Final = sorted(ROOT.glob("*.tf"))

MAX_README_BYTES: Final = 12 * 1024

# A code block, also an indented one in a list.
_CODE_BLOCK: Final = re.compile(r"^( *)```(\w*)\n.*?^\1```$", re.MULTILINE | re.DOTALL)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    """Return the text of a page without its code blocks."""
    return _CODE_BLOCK.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub derives from the headings of a page."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *$", prose(page), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        number = 0
        while (anchor := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(anchor)
    return found


def links(page: Path) -> list[str]:
    """Return the relative links of a page, including images, each with its anchor."""
    targets = re.findall(r"\]\(([^)\s]+)\)", prose(page)) + re.findall(r'<img src="([^"]+)"', prose(page))
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


def section(page: Path, heading: str) -> str:
    """Return the text of a section of the second level."""
    _, _, rest = page.read_text().partition(f"\n## {heading}\n")
    assert rest, f"{name_of(page)} has no section {heading}"
    return rest.partition("\n## ")[0]


def emitted_metrics() -> set[str]:
    """Return the names of the custom metrics that the Python code or the Terraform files contain."""
    python = "\n".join(source.read_text() for source in SOURCES)
    terraform = "\n".join(source.read_text() for source in TERRAFORM)
    # The durations are values of a dictionary. Names that the code composes are in the dashboard.
    return {
        *re.findall(r'add_metric\(\s*"(\w+)"', python),
        *re.findall(r'single_metric\(\s*name="(\w+)"', python),
        *re.findall(r': "(\w+Duration)"', python),
        *re.findall(r'local\.module_metrics, "(\w+)"', terraform),
    }


def documented_metrics() -> set[str]:
    """Return the names in the first column of the table of metrics."""
    rows = re.findall(r"^\| (`[^|]+) \|", section(DOCS / "operations.md", "Metrics"), re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


# ---------------------------------------------------------------------------------------------------------------------
# README
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", READMES, ids=name_of)
def test_readme_tables_match_the_terraform_files(page: Path) -> None:
    assert readme.updated(page) == page.read_text(), "run `make docs`"


def test_readme_tables_contain_every_input_and_output() -> None:
    tables = readme.render(ROOT)

    for name in hcl.blocks("variables.tf", "variable"):
        assert f"| {name} |" in tables
    for name in hcl.blocks("outputs.tf", "output"):
        assert f"| {name} |" in tables
    assert "visibility_timeout_seconds = optional(number)" in tables


def test_each_module_and_example_has_a_readme() -> None:
    folders = {name_of(page.parent) for page in READMES}

    assert {"modules/function", "examples/basic", "examples/complete", "examples/local"} <= folders


def test_the_tables_are_those_of_terraform_docs() -> None:
    """terraform-docs 0.24.0 wrote the expected text with the settings of .terraform-docs.yml."""
    folder = ROOT / "tests/data/terraform_docs"

    assert readme.render(folder) == (folder / "expected.md").read_text().rstrip("\n")


def test_readme_is_short() -> None:
    text = readme.handwritten(readme.README.read_text())

    assert "## Usage" in text
    assert len(text.encode()) <= MAX_README_BYTES


# ---------------------------------------------------------------------------------------------------------------------
# All pages
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_relative_links_resolve(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_links_are_found() -> None:
    assert "docs/api.md#authorization" in links(ROOT / "README.md")
    assert "docs/viewer-desktop.png" in links(ROOT / "README.md")
    assert len([link for page in PAGES for link in links(page)]) > 100


def test_every_page_is_in_the_index() -> None:
    indexed = {link.partition("#")[0] for link in links(DOCS / "README.md")}
    pages = {page.name for page in DOCS.iterdir() if page.suffix in {".md", ".yaml"}} - {"README.md"}

    assert pages | {"runbooks/README.md"} <= indexed


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_page_begins_with_its_title(page: Path) -> None:
    text = re.sub(r"\A(<!--.*?-->\s*)+", "", page.read_text(), flags=re.DOTALL)

    assert re.match(r"# \S", text)
    assert len(re.findall(r"^# ", prose(page), re.MULTILINE)) == 1


def test_commands_that_the_tests_do_not_run_have_a_reason() -> None:
    for page in PAGES:
        for reason in re.findall(r"Not run by the tests:(.*)", page.read_text()):
            assert re.match(r" \S.{8,}\.", reason), (name_of(page), reason)


# ---------------------------------------------------------------------------------------------------------------------
# Contract
# ---------------------------------------------------------------------------------------------------------------------


def test_every_metric_is_documented_and_every_documented_metric_is_emitted() -> None:
    emitted = emitted_metrics()

    assert len(emitted) >= 20
    assert documented_metrics() == emitted


def test_every_environment_variable_is_documented() -> None:
    text = "\n".join(source.read_text() for source in TERRAFORM)
    names = set(re.findall(r"\b([A-Z][A-Z_]{5,}) += ", text))

    assert {"JOB_LOG_EVENTS_TABLE", "RUNBOOKS", "VIEWER_URL"} <= names
    documented = set(re.findall(r"`([A-Z_]+)`", section(DOCS / "design.md", "Contract")))
    assert names <= documented


def test_every_attribute_and_index_of_the_table_is_documented() -> None:
    table = hcl.blocks("storage.tf", "resource")["aws_dynamodb_table"]["job_log_events"]
    names = {part["name"] for kind in ("attribute", "global_secondary_index") for part in table[kind]}

    assert {"JobId", "LateIndex"} <= names
    assert names <= set(re.findall(r"`(\w+)`", section(DOCS / "design.md", "Contract")))


def test_the_glossary_has_eleven_terms() -> None:
    terms = re.findall(r"^- \*\*([^*]+)\*\*", section(DOCS / "design.md", "Glossary"), re.MULTILINE)

    assert terms == [
        *("job", "log item", "event", "server", "execution", "wave", "target", "executions table"),
        *("ledger", "estimate", "report"),
    ]


# ---------------------------------------------------------------------------------------------------------------------
# File lists of the design page
# ---------------------------------------------------------------------------------------------------------------------


def test_the_design_lists_every_python_module() -> None:
    package = ROOT / "lambda_src/drs_job_log"
    modules = {str(path.relative_to(package)) for path in package.rglob("*.py") if path.name != "__init__.py"}
    listed = re.findall(r"^\| `([\w/]+\.py)`", section(DOCS / "design.md", "Python packages"), re.MULTILINE)

    assert set(listed) == modules


def test_the_design_lists_every_terraform_file() -> None:
    rows = re.findall(r"^\| (`[^|]+\.tf`) \|", section(DOCS / "design.md", "Terraform files"), re.MULTILINE)

    assert {name for row in rows for name in re.findall(r"`([\w.]+)`", row)} == {path.name for path in TERRAFORM}


def test_where_to_change_what_names_files_of_the_lists() -> None:
    design = DOCS / "design.md"
    listed = section(design, "Python packages") + section(design, "Terraform files")

    for name in set(re.findall(r"`([\w/]+\.(?:py|tf))`", section(design, "Where to change what"))):
        assert f"`{name}`" in listed, name
