"""The shell commands of README.md and docs/, and a deployment on which the tests run them.

A page is read from its top to its end in one shell: each ``sh`` block sees the variables and functions that earlier
blocks of its page set. A page that links to the set-up of the runbooks also sees the blocks of that section.
"""

from __future__ import annotations

import contextlib
import fcntl
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from tests.support import scripts
from tests.support.deployment import Deployment, apply, eventually
from tests.support.drs import DrsServer, PlayedJob, Simulator
from tests.support.envelopes import dumps, job_log
from tests.support.ministack import REGION, MiniStack
from tests.support.terraform import CACHE, ROOT, Terraform, working_copy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

# The AWS CLI pins botocore, so it has its own environment. PyPI has only version 1. The pages ask for version 2, which
# has the same commands.
AWS_CLI: Final = "awscli==1.45.11"

# Version 1 has fixed endpoints for SQS and ignores AWS_ENDPOINT_URL there. MiniStack serves APIs at its own address.
_SHIM: Final = """#!/bin/sh
if [ "$1" = apigatewayv2 ]; then
  url="$AWS_ENDPOINT_URL/_aws/execute-api"
  {python} -m awscli "$@" | sed -E "s#https?://([a-z0-9]+)[.]execute-api[^ ]*#$url/\\1/\\$default#"
  exit
fi
[ "$1" != sqs ] || set -- --endpoint-url "$AWS_ENDPOINT_URL" "$@"
exec {python} -m awscli "$@"
"""

# IDs that the pages use as examples; the deployment has them.
JOB: Final = "drsjob-00000000000000000"
SERVER: Final = "s-00000000000000000"
EXECUTION: Final = "exec-abc123"

# What the set-up removes from everything that it prints: control characters except tab and newline, and characters that
# change the direction of text.
CONTROL_CHARACTERS: Final = "".join(
    map(
        chr,
        [
            *range(0x09),
            *range(0x0B, 0x20),
            *range(0x7F, 0xA0),
            0x200E,
            0x200F,
            *range(0x202A, 0x202F),
            *range(0x2066, 0x206A),
        ],
    )
)

SET_UP: Final = ROOT / "docs/runbooks/README.md"
_SET_UP_LINK: Final = re.compile(r"\((?:runbooks/|docs/runbooks/)?README\.md#set-up\)")

_FENCE: Final = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<code>.*?)^ *```$", re.MULTILINE | re.DOTALL)
_REASON: Final = re.compile(r"(?:^|[.:)*]\s+)Not run by the tests: (?P<reason>[^.]{15,}\.)", re.MULTILINE)

# examples/local with every optional part that a documented command reads.
_OVERRIDE: Final = """
module "recovery" {
  archive_days = 7
  alarms = {
    pipeline_actions = [aws_sns_topic.on_call.arn]
    recovery_actions = [aws_sns_topic.on_call.arn]
  }
}
"""
_ACTIONS: Final = """
resource "aws_sns_topic" "on_call" {
  name = "on-call"
}
"""


@dataclass(frozen=True, slots=True)
class Block:
    """A ``sh`` block of a page; ``reason`` says why the tests cannot run it, and is empty where they do."""

    page: Path
    number: int
    line: int
    code: str
    reason: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:block-{self.number}"

    @property
    def commands(self) -> list[str]:
        """The lines without comments and line continuations."""
        lines = self.code.replace("\\\n", " ").splitlines()
        return [command for line in lines if (command := re.sub(r"(^|\s)#.*", "", line).strip())]


def pages() -> list[Path]:
    """The pages with documented commands, as a reader meets them."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs/runbooks").glob("*.md"))]


def read_blocks(page: Path, text: str | None = None) -> list[Block]:
    """The ``sh`` blocks of a page."""
    text = page.read_text() if text is None else text
    blocks: list[Block] = []
    end = 0
    for fence in _FENCE.finditer(text):
        before = text[end : fence.start()]
        end = fence.end()
        if fence["language"] not in {"sh", "bash", "shell"}:
            continue
        # Of the same section only, without what a reader does not see.
        visible = re.sub(r"<!--.*?-->", "", re.split(r"^#+ .*$", before, flags=re.MULTILINE)[-1], flags=re.DOTALL)
        reason = _REASON.search(re.sub(r"^\s+", "", visible, flags=re.MULTILINE))
        blocks.append(
            Block(
                page=page,
                number=len(blocks) + 1,
                line=text.count("\n", 0, fence.start()) + 1,
                code=textwrap.dedent(fence["code"]),
                reason=" ".join(reason["reason"].split()) if reason else "",
            )
        )
    return blocks


def aws_cli() -> Path:
    """The Python that has the AWS CLI as the module ``awscli``, installed in .cache at the first call."""
    folder = CACHE / AWS_CLI.replace("==", "-")
    python = folder / "bin/python"
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "awscli.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _check_run(sys.executable, "-m", "venv", "--without-pip", str(folder))
            _check_run(sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", AWS_CLI)
            (folder / "ready").touch()
    return python


def _check_run(*command: str) -> None:
    done = subprocess.run(command, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}")


@dataclass
class Shell:
    """Runs blocks in the folder of an applied Terraform configuration.

    Parameters
    ----------
    folder
        The applied root module.
    environment
        Environment variables of the commands.
    prepare
        Called before each block.
    """

    folder: Path
    environment: Mapping[str, str]
    prepare: Callable[[Block], None] = lambda _: None
    _results: dict[Block, subprocess.CompletedProcess[str]] = field(default_factory=dict)

    def run(self, block: Block, *, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a block after the blocks that it builds on, each once; return its exit status and output."""
        if block not in self._results:
            for earlier in self._earlier(block):
                self.run(earlier, seconds=seconds)
            self.prepare(block)
            self._results[block] = self._run(block, seconds)
        return self._results[block]

    def _earlier(self, block: Block) -> list[Block]:
        own = [earlier for earlier in read_blocks(block.page) if earlier.number < block.number]
        is_runbook = block.page != SET_UP and _SET_UP_LINK.search(block.page.read_text())
        return [earlier for earlier in (read_blocks(SET_UP) if is_runbook else []) + own if not earlier.reason]

    def _state(self, page: Path) -> Path:
        return self.folder / f"state-{str(page.relative_to(ROOT)).replace('/', '-')}.sh"

    def _run(self, block: Block, seconds: float) -> subprocess.CompletedProcess[str]:
        state = self._state(block.page)
        if not state.exists() and block.page != SET_UP and self._state(SET_UP).exists():
            shutil.copy(self._state(SET_UP), state)
        temporary = self.folder / "tmp"
        temporary.mkdir(exist_ok=True)
        code = block.code.replace("/tmp/", f"{temporary}/")  # noqa: S108
        script = f"""_known=$(compgen -v; echo _known)
[ ! -e {state} ] || . {state}
{code}
{{ declare -p $(compgen -v | grep -vxF "$_known"); declare -f; }} >{state} 2>/dev/null || true
"""
        command = ["bash", "-euo", "pipefail", "-c", script]
        try:
            return subprocess.run(
                command,
                cwd=self.folder,
                env={**self.environment},
                check=False,
                text=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired as late:
            output = late.stdout.decode() if isinstance(late.stdout, bytes) else late.stdout or ""
            return subprocess.CompletedProcess(command, 124, f"{output}\nnot over within {seconds} s")


@contextlib.contextmanager
def documented_deployment() -> Iterator[Shell]:
    """Apply examples/local with the job and the server that pages name.

    The module block has another label and ``for_each``: the commands must not depend on them.
    """
    with contextlib.ExitStack() as running:
        drs = running.enter_context(DrsServer(Simulator(names={SERVER: "web-01"})))
        copy = running.enter_context(working_copy())
        stack = running.enter_context(MiniStack({"AWS_ENDPOINT_URL_DRS": drs.endpoint}))
        folder = copy / "examples/local"
        (folder / "documented_override.tf").write_text(_OVERRIDE)
        (folder / "documented.tf").write_text(_ACTIONS)
        for file in folder.glob("*.tf"):
            text = file.read_text().replace("module.drs_job_log.", 'module.recovery["a"].')
            file.write_text(text.replace('module "drs_job_log" {', 'module "recovery" {\n  for_each = toset(["a"])'))
        terraform = Terraform(folder, stack.environment)
        terraform.init()
        apply(terraform, stack)
        deployment = Deployment(stack, drs, terraform.outputs())
        _play_job(deployment)
        own = {"AWS_ENDPOINT_URL_DRS": drs.endpoint, "AWS_SESSION_TOKEN": "test"}
        environment = with_aws_cli(folder, terraform.environment | own)
        yield Shell(folder, environment, lambda block: _fill_queues(deployment, block))


def with_aws_cli(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Put the command ``aws`` into a folder. Return the environment in which a shell finds it."""
    shim = folder / "bin/aws"
    shim.parent.mkdir()
    shim.write_text(_SHIM.format(python=shlex.quote(str(aws_cli()))))
    shim.chmod(0o755)
    return {**environment, "PATH": f"{shim.parent}:{environment['PATH']}"}


def _play_job(deployment: Deployment) -> None:
    """Have the table hold the events of a job that began an hour ago and whose server failed."""
    script = scripts.launch([SERVER], failing={SERVER: "UnauthorizedOperation"})
    began = datetime.now(UTC) - timedelta(hours=1)
    deployment.drs.jobs[JOB] = PlayedJob(JOB, script, {"ExecutionId": EXECUTION}, REGION, began)
    deployment.collect({"jobIds": [JOB]})
    eventually(lambda: len(deployment.rows(JOB)) == len(script.steps))


def _fill_queues(deployment: Deployment, block: Block) -> None:
    """Put a message that ingest rejects into the dead-letter queues, for a block that reads, moves or deletes it."""
    if block.page == SET_UP or not re.search(r"^ *(messages|move) ", block.code, re.MULTILINE):
        return
    event = {"jobID": JOB, "eventType": "JOB_START", "eventId": "wrong", "logDateTime": "soon"}
    for queue in ("processing_dlq_url", "delivery_dlq_url"):
        deployment.stack.client("sqs").send_message(
            QueueUrl=deployment.outputs[queue], MessageBody=dumps(job_log(event))
        )
