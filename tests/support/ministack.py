"""MiniStack, the embedded AWS, as a process on a free port."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import boto3
import requests
import trustme

if TYPE_CHECKING:
    from collections.abc import Mapping

REGION = "us-east-1"


# The AWS provider repeats some requests that MiniStack answers within a millisecond, and fails because the resource
# exists. Measured: six repeats in six applies of tests/terraform/lifecycle, and none with a pause before each answer.
_PROGRAM = """
import asyncio
from hypercorn.protocol.events import Response
from hypercorn.protocol.h11 import H11Protocol
from ministack.app import main

send = H11Protocol.stream_send

async def send_after_pause(self, event):
    headers = self.stream.scope["headers"] if self.stream else []
    if isinstance(event, Response) and any(b"terraform-provider-aws" in value for _, value in headers):
        await asyncio.sleep(0.003)
    await send(self, event)

H11Protocol.stream_send = send_after_pause
main()
"""


class PortTakenError(RuntimeError):
    """Another process took the port before MiniStack listened on it."""


class MiniStack:
    """The embedded AWS, as a context manager.

    Parameters
    ----------
    settings
        Additional environment variables of the process, such as ``AUTH=true``. The functions inherit them.
    tls
        Use HTTPS with a new certificate.
    """

    def __init__(self, settings: Mapping[str, str] | None = None, *, tls: bool = False) -> None:
        self._settings = dict(settings or {})
        self._folder = Path(tempfile.mkdtemp(prefix="ministack-"))
        self._ca = self._folder / "ca.pem" if tls else None
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: dict[tuple[Any, ...], Any] = {}
        self._lock = threading.Lock()
        self.endpoint = ""

    @property
    def environment(self) -> dict[str, str]:
        """Environment of processes that use this instead of AWS. It contains no AWS settings of this machine."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        ca = {"AWS_CA_BUNDLE": str(self._ca)} if self._ca else {}
        return (
            own
            | ca
            | {
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
        )

    def client(self, service: str, **options: Any) -> Any:
        """Return a boto3 client of a service. The same arguments return the same client, which threads may share."""
        defaults = {
            "endpoint_url": self.endpoint,
            "region_name": REGION,
            "verify": str(self._ca) if self._ca else None,
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
        }
        key = (service, self.endpoint, *sorted(options.items()))
        with self._lock:
            if key not in self._clients:
                self._clients[key] = boto3.client(service, **(defaults | options))
            return self._clients[key]

    def url(self, api_endpoint: str) -> str:
        """Return the local URL of the HTTP API with this ``api_endpoint``, stage ``$default``."""
        api_id, _, _ = api_endpoint.removeprefix("https://").removeprefix("http://").partition(".")
        return f"{self.endpoint}/_aws/execute-api/{api_id}/$default"

    def reset(self) -> None:
        """Delete all resources."""
        requests.post(f"{self.endpoint}/_ministack/reset", verify=self._ca or True, timeout=60).raise_for_status()

    @property
    def pid(self) -> int:
        """Process ID. The process leads the session of the functions' processes."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> Path:
        """File with the output of the process and of the functions."""
        return self._folder / "log"

    def __enter__(self) -> Self:
        # For clients in this process: no proxy for the loopback address, and no AWS profile of this machine.
        os.environ |= {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
        for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
            os.environ.pop(name, None)
        if self._ca:
            self._settings |= self._make_certificate(self._ca)
        for _ in range(5):
            self._start()
            try:
                self._wait_until_ready()
            except PortTakenError:
                continue
            except BaseException:
                self.__exit__()
                raise
            return self
        raise PortTakenError("Other processes took five free ports before MiniStack listened on them")

    def __exit__(self, *_: object) -> None:
        if self._process is None:  # never started
            return
        # The session includes the functions' processes.
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, sign)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=5)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _make_certificate(self, ca_file: Path) -> dict[str, str]:
        """Make a certificate for the loopback address. Return the settings that use it."""
        ca = trustme.CA()
        certificate = ca.issue_cert("127.0.0.1", "localhost")
        ca.cert_pem.write_to_path(ca_file)
        chain, key = self._folder / "server.crt", self._folder / "server.key"
        for part in certificate.cert_chain_pems:
            part.write_to_path(chain, append=True)
        certificate.private_key_pem.write_to_path(key)
        return {"USE_SSL": "1", "MINISTACK_SSL_CERT": str(chain), "MINISTACK_SSL_KEY": str(key)}

    def _start(self) -> None:
        port = _free_port()
        self.endpoint = f"{'https' if self._ca else 'http'}://127.0.0.1:{port}"
        settings = {
            "GATEWAY_PORT": str(port),
            "BIND_HOST": "127.0.0.1",
            "LAMBDA_EXECUTOR": "local",
            # Each listens on a fixed port, which another instance may use.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "TMPDIR": str(self._folder),
            "STATE_DIR": str(self._folder / "state"),
            "S3_DATA_DIR": str(self._folder / "s3"),
        }
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM],
                env=self.environment | settings | self._settings,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + 60
        # From its log, because another process that took the port may answer a health check.
        while f"Running on {self.endpoint}" not in (log := self.log.read_text()):
            if self._process.poll() is not None:
                if "already in use" in log.lower():
                    raise PortTakenError
                raise RuntimeError(f"MiniStack ended while starting:\n{log[-5000:]}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"MiniStack did not answer within 60 s:\n{log[-5000:]}")
            time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
