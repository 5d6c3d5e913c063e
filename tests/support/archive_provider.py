"""A replacement of the provider hashicorp/archive, for machines without access to a provider registry.

It has the data source ``archive_file`` with the arguments that the module uses. Their names and types are the published
ones: see tests/unit/support/test_archive_provider.py.
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tf.iface import DataSource, Provider
from tf.runner import run_provider
from tf.schema import Attribute, Schema
from tf.types import Number, Set, String

if TYPE_CHECKING:
    from tf.iface import Config, ReadDataContext, Resource, State
    from tf.utils import Diagnostics

# The time that the archive provider uses, so that a zip depends only on its files.
EPOCH = (2049, 1, 1, 0, 0, 0)


class ArchiveFile(DataSource):
    """``data "archive_file"``: a zip of a directory."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider

    @classmethod
    def get_name(cls) -> str:
        return "file"

    @classmethod
    def get_schema(cls) -> Schema:
        return Schema(
            attributes=[
                Attribute("type", String(), required=True),
                Attribute("output_path", String(), required=True),
                Attribute("source_dir", String(), optional=True),
                Attribute("excludes", Set(String()), optional=True),
                Attribute("output_file_mode", String(), optional=True),
                Attribute("id", String(), computed=True),
                Attribute("output_size", Number(), computed=True),
                Attribute("output_base64sha256", String(), computed=True),
            ]
        )

    def read(self, ctx: ReadDataContext, config: Config) -> State | None:
        if config["type"] != "zip" or not config["source_dir"]:
            ctx.diagnostics.add_error("The replacement of hashicorp/archive supports only type zip with source_dir")
            return None
        content = write_zip(
            Path(config["source_dir"]),
            Path(config["output_path"]),
            excludes=set(config["excludes"] or ()),
            mode=int(config["output_file_mode"] or "0644", 8),
        )
        digest = hashlib.sha256(content).digest()
        return {
            **config,
            "id": digest.hex(),
            "output_size": len(content),
            "output_base64sha256": base64.b64encode(digest).decode(),
        }


def write_zip(source_dir: Path, output_path: Path, *, excludes: set[str], mode: int) -> bytes:
    """Write a zip of ``source_dir`` without ``excludes`` (relative paths). Return its bytes."""
    output_path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(output_path, "w") as archive:
        for file in sorted(path for path in source_dir.rglob("*") if path.is_file()):
            name = file.relative_to(source_dir).as_posix()
            if name in excludes:
                continue
            info = zipfile.ZipInfo(name, EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = mode << 16
            archive.writestr(info, file.read_bytes())
    return output_path.read_bytes()


class ArchiveProvider(Provider):
    """The provider ``hashicorp/archive``, without configuration and resources."""

    def get_model_prefix(self) -> str:
        return "archive_"

    def get_provider_schema(self, diags: Diagnostics) -> Schema:  # noqa: ARG002
        return Schema()

    def full_name(self) -> str:
        return "hashicorp/archive"

    def validate_config(self, diags: Diagnostics, config: Config) -> None:
        """Do nothing, because the provider has no configuration."""

    def configure_provider(self, diags: Diagnostics, config: Config) -> None:
        """Do nothing, because the provider has no configuration."""

    def get_data_sources(self) -> list[type[DataSource]]:
        return [ArchiveFile]

    def get_resources(self) -> list[type[Resource[Any]]]:
        return []


if __name__ == "__main__":
    run_provider(ArchiveProvider())
