"""Runs the signing proxy of docs/viewer.md with the documented command."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.documented import read_blocks
from tests.support.terraform import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def proxied(endpoint: str, **environment: str) -> Iterator[int]:
    """Run the documented command with a free port, and return the port. The process has only this environment."""
    (command,) = [block.code for block in read_blocks(ROOT / "docs/viewer.md") if block.code.startswith("python3 ")]
    assert "examples/viewer_proxy/viewer_proxy.py" in command
    process = subprocess.Popen(
        ["bash", "-c", f"exec {command.strip()} --port 0 --region us-east-1"],
        env={
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": "/nonexistent",
            "AWS_EC2_METADATA_DISABLED": "true",
            "MODULE": str(ROOT),
            "API_ENDPOINT": endpoint,
            **environment,
        },
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://localhost:(\d+)/\.", process.stdout.readline())
        assert found
        yield int(found[1])
    finally:
        process.kill()
        process.communicate()
