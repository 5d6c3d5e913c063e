from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from tests.support.archive_provider import ArchiveFile, write_zip

if TYPE_CHECKING:
    from pathlib import Path

# Attributes of the data source archive_file of hashicorp/archive 2.7.1, from its published bindings (PyPI package
# cdktf-cdktf-provider-archive 11.0.1): type, and required, optional or computed.
PUBLISHED = {
    "exclude_symlink_directories": ("bool", "optional"),
    "excludes": ("set(string)", "optional"),
    "id": ("string", "computed"),
    "output_base64sha256": ("string", "computed"),
    "output_base64sha512": ("string", "computed"),
    "output_file_mode": ("string", "optional"),
    "output_md5": ("string", "computed"),
    "output_path": ("string", "required"),
    "output_sha": ("string", "computed"),
    "output_sha256": ("string", "computed"),
    "output_sha512": ("string", "computed"),
    "output_size": ("number", "computed"),
    "source_content": ("string", "optional"),
    "source_content_filename": ("string", "optional"),
    "source_dir": ("string", "optional"),
    "source_file": ("string", "optional"),
    "type": ("string", "required"),
}
WIRE_TYPES = {b'"string"': "string", b'"number"': "number", b'["set","string"]': "set(string)"}


def test_the_provider_has_the_published_names_and_types() -> None:
    attributes = {
        attribute.name: (
            WIRE_TYPES[attribute.type.tf_type()],
            "required" if attribute.required else "optional" if attribute.optional else "computed",
        )
        for attribute in ArchiveFile.get_schema().attributes
    }

    assert attributes.items() <= PUBLISHED.items()


def test_a_zip_depends_only_on_its_files(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder / "package").mkdir(parents=True)
        for name in ("b.py", "a.py") if folder == "one" else ("a.py", "b.py"):
            (tmp_path / folder / "package" / name).write_text(name)
        (tmp_path / folder / "package/cache.pyc").write_text(folder)
    (tmp_path / "two/package/a.py").chmod(0o755)

    zips = [
        write_zip(tmp_path / folder, tmp_path / f"{folder}.zip", excludes={"package/cache.pyc"}, mode=0o644)
        for folder in ("one", "two")
    ]

    assert zips[0] == zips[1]
    assert zipfile.ZipFile(tmp_path / "one.zip").namelist() == ["package/a.py", "package/b.py"]
