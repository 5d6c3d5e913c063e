"""The deployment package and its sources."""

from __future__ import annotations

import io
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.support import package

ROOT = Path(__file__).parents[2]


def test_the_package_is_current() -> None:
    """If this fails, run `make package` and commit the result."""
    assert [file.name for file in package.FOLDER.iterdir()] == [package.name()]
    assert (package.FOLDER / package.name()).read_bytes() == package.content()


def test_the_package_contains_exactly_the_sources() -> None:
    sources = {
        path.relative_to(ROOT / "lambda_src").as_posix()
        for path in (ROOT / "lambda_src/drs_job_log").rglob("*.*")
        if path.suffix != ".pyc"
    }
    assert "drs_job_log/viewer/drs-job-log.js" in sources

    with zipfile.ZipFile(io.BytesIO(package.content())) as zipped:
        assert set(zipped.namelist()) == sources
        assert {info.external_attr >> 16 & 0o777 for info in zipped.infolist()} == {0o644}
        for name in sources:
            assert zipped.read(name) == (ROOT / "lambda_src" / name).read_bytes()


@pytest.mark.parametrize("change", ["edit", "add", "rename"])
def test_other_sources_have_a_package_of_another_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    before = package.name()
    shutil.copytree(ROOT / "lambda_src", tmp_path / "lambda_src", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(package, "_SOURCES", tmp_path / "lambda_src")
    assert package.name() == before

    table = tmp_path / "lambda_src/drs_job_log/table.py"
    match change:
        case "edit":
            table.write_text(table.read_text() + "# a comment\n")
        case "add":
            table.with_name("added.py").touch()
        case "rename":
            table.rename(table.with_name("renamed.py"))
    assert package.name() != before


def test_a_checkout_with_crlf_line_endings_has_the_same_sources(tmp_path: Path) -> None:
    """Terraform hashes the sources. Other line endings would change the functions without a change of the code."""
    source, checkout = tmp_path / "source", tmp_path / "checkout"
    shutil.copytree(ROOT / "lambda_src", source / "lambda_src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".gitattributes", source)
    user = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "sources"]):
        subprocess.run(["git", *user, *command], cwd=source, check=True)

    crlf = ["-c", "core.autocrlf=true", "-c", "core.eol=crlf"]
    subprocess.run(["git", *crlf, "clone", "-q", source, checkout], check=True)

    files = [path.relative_to(source) for path in (source / "lambda_src").rglob("*") if path.is_file()]
    assert len(files) > 30
    for file in files:
        assert (checkout / file).read_bytes() == (source / file).read_bytes(), file
