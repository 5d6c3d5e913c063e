"""Builds the deployment package of the functions: ``lambda_package/drs_job_log-HASH.zip``.

HASH identifies the sources, and package.tf composes the same name. The package depends only on the sources: the entries
are sorted, have a fixed time, and are not compressed, because compressed data differs between versions of zlib.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from typing import TYPE_CHECKING, Final

from tests.support.terraform import ROOT

if TYPE_CHECKING:
    from pathlib import Path

FOLDER: Final = ROOT / "lambda_package"
_SOURCES: Final = ROOT / "lambda_src"
# The same as in package.tf.
_SUFFIXES: Final = frozenset({".py", ".html", ".css", ".js", ".svg", ".gz", ".txt"})


def sources() -> list[str]:
    """Return the paths of the source files, relative to lambda_src, in the order of package.tf."""
    files = (_SOURCES / "drs_job_log").rglob("*")
    return sorted(file.relative_to(_SOURCES).as_posix() for file in files if file.suffix in _SUFFIXES)


def name() -> str:
    """Return the file name of the package of the present sources."""
    lines = [f"{hashlib.sha256((_SOURCES / file).read_bytes()).hexdigest()}  {file}\n" for file in sources()]
    return f"drs_job_log-{hashlib.sha256(''.join(lines).encode()).hexdigest()[:16]}.zip"


def content() -> bytes:
    """Return the bytes of the package of the present sources."""
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        for file in sources():
            info = zipfile.ZipInfo(file, (1980, 1, 1, 0, 0, 0))
            info.external_attr = 0o100644 << 16
            archive.writestr(info, (_SOURCES / file).read_bytes())
    return package.getvalue()


def build() -> Path:
    """Write the package, remove the packages of other sources, and return its path."""
    FOLDER.mkdir(exist_ok=True)
    package = FOLDER / name()
    for other in FOLDER.glob("*.zip"):
        if other != package:
            other.unlink()
    package.write_bytes(content())
    return package


if __name__ == "__main__":
    print(build().relative_to(ROOT))
