"""MiniStack, the embedded AWS: a process of its own on a free port, gone when the test is over."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import boto3

if TYPE_CHECKING:
    from collections.abc import Mapping

REGION = "us-east-1"


class MiniStack:
    """The embedded AWS, as a context manager.

    Parameters
    ----------
    settings
        Further environment variables of the process, such as ``AUTH=true``. The functions see them too.
    """

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        self._settings = dict(settings or {})
        self._folder = Path(tempfile.mkdtemp(prefix="ministack-"))
        self._process: subprocess.Popen[bytes] | None = None
        self.endpoint = f"http://127.0.0.1:{_free_port()}"

    @property
    def environment(self) -> dict[str, str]:
        """Environment for processes that are to take this for AWS, whatever AWS account the machine is set up for."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return own | {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }

    def client(self, service: str, **options: Any) -> Any:
        """A boto3 client of a service."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            **{"aws_access_key_id": "test", "aws_secret_access_key": "test", **options},
        )

    @property
    def log(self) -> Path:
        """What the process prints, the functions' output included."""
        return self._folder / "log"

    def __enter__(self) -> Self:
        settings = {
            "GATEWAY_PORT": self.endpoint.rpartition(":")[2],
            "BIND_HOST": "127.0.0.1",
            "LAMBDA_EXECUTOR": "local",
            # Each would take a port of its own, which another copy may have.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "TMPDIR": str(self._folder),
            "STATE_DIR": str(self._folder / "state"),
            "S3_DATA_DIR": str(self._folder / "s3"),
        }
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ministack"],
                env=self.environment | settings | self._settings,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is None:  # detached, or never started
            return
        # The functions are processes of the same session.
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, sign)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=5)
        shutil.rmtree(self._folder, ignore_errors=True)

    def detach(self) -> int:
        """Leave the process running; return its process group, by which it can be ended."""
        assert self._process is not None
        group, self._process = self._process.pid, None
        return group

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"MiniStack ended while starting:\n{self.log.read_text()[-5000:]}")
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                urllib.request.urlopen(f"{self.endpoint}/_ministack/health", timeout=5).close()  # noqa: S310
                return
            time.sleep(0.1)
        raise RuntimeError(f"MiniStack did not answer within 60 s:\n{self.log.read_text()[-5000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
