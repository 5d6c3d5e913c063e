"""The sources of the deployment package."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


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
