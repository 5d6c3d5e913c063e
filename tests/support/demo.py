"""`make demo`: the module on the embedded AWS, and two real drills running through it in fast time.

What the terminal shows of the drills is read back from the table. KEEP=1 leaves the embedded AWS running.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import time
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from tests.support import drills
from tests.support.deployment import deployed
from tests.support.ministack import REGION, MiniStack

if TYPE_CHECKING:
    from tests.support.deployment import Deployment

SPEED = 40
PATIENCE_SECONDS = 60

console = Console()


def main() -> int:
    """Run the demo; the exit status is 1 where an event did not arrive."""
    stack = MiniStack()
    with contextlib.ExitStack() as running:
        console.print("[bold]1/2[/] Terraform applies examples/local on an embedded AWS (MiniStack)")
        with console.status("about a minute …"):
            deployment = running.enter_context(deployed(stack))
        console.print(f"[bold]2/2[/] Two real DRS drills, {SPEED} times as fast as in December 2022: put on the bus,")
        console.print(f"    and shown as they are read back from the table {deployment.outputs['table_name']}\n")

        items = drills.items()
        rows = replay(deployment, items)
        if len(rows) != len(items):
            console.print(f"[bold red]{len(rows)} of {len(items)} events arrived within {PATIENCE_SECONDS} s.[/]")
            console.print(stack.log.read_text()[-5000:], markup=False)
            return 1
        show_log(rows)
        show_next(deployment, keep=os.environ.get("KEEP") == "1")
    return 0


def replay(deployment: Deployment, items: list[drills.Item]) -> list[dict[str, Any]]:
    """Put each item on the bus when it is due; show each row when the table has it; return the rows."""
    due = deque(drills.compressed(items, datetime.now(UTC), SPEED))
    jobs = dict.fromkeys(item.job["jobID"] for item in items)
    servers = dict.fromkeys(server for item in items for server in item.servers)
    seen: dict[str, dict[str, Any]] = {}
    last_put = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[step]}"))
    with Progress(*columns, console=console) as progress:
        tasks = {server: progress.add_task(server, total=len(drills.STEPS), step="waiting") for server in servers}
        while len(seen) < len(items) and time.monotonic() < last_put + PATIENCE_SECONDS:
            while due and due[0][0] <= datetime.now(UTC):
                moment, item = due.popleft()
                deployment.put_events([item.detail(moment)])
                last_put = time.monotonic()
            for row in itertools.chain.from_iterable(map(deployment.rows, jobs)):
                if row["EventId"] not in seen:
                    seen[row["EventId"]] = row
                    show_event(progress, tasks, row)
            time.sleep(0.1)
    return list(seen.values())


def show_event(progress: Progress, tasks: dict[str, TaskID], row: dict[str, Any]) -> None:
    """A line for the event, and its server's bar moved on."""
    server = row.get("SourceServerId")
    subject = server or row["JobId"]
    progress.console.print(f"{clock(row)}  {subject:24}  {row['EventType']}", highlight=False)
    if server in tasks and row["EventType"] in drills.STEPS:
        done = drills.STEPS.index(row["EventType"]) + 1
        progress.update(tasks[server], completed=done, step=row["EventType"])


def show_log(rows: list[dict[str, Any]]) -> None:
    """The log as the table keeps it, job by job."""
    console.print(f"\nStored: {len(rows)} events, each once")
    jobs: dict[str, Table] = {}
    for row in sorted(rows, key=lambda row: str(row["EventKey"])):
        job = row["JobId"]
        if job not in jobs:
            jobs[job] = Table("Time (UTC)", "Event", "Server", "Instance", title=f"\n{job}", box=None)
        jobs[job].add_row(clock(row), row["EventType"], row.get("SourceServerId"), row.get("Ec2InstanceId"))
    console.print(*jobs.values(), sep="\n")


def clock(row: dict[str, Any]) -> str:
    """Time of day of an event, to the millisecond."""
    return str(row["Timestamp"][11:23])


def show_next(deployment: Deployment, *, keep: bool) -> None:
    """Where to look next."""
    console.print("\n[bold]Where to look next[/]")
    console.print("  README.md                what the module makes, and what to do when it breaks")
    console.print("  examples/basic/main.tf   the block to copy")
    console.print("  make test                everything that this repository proves")
    if not keep:
        console.print("  KEEP=1 make demo         the same, left running for you to look around")
        return
    stack, outputs = deployment.stack, deployment.outputs
    aws = f"aws --endpoint-url {stack.endpoint}"
    console.print(f"""
The embedded AWS is left running. With the AWS CLI, for example:
  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION={REGION}
  {aws} dynamodb scan --table-name {outputs["table_name"]}
  {aws} sqs receive-message --queue-url {outputs["processing_dlq_url"]}
Stop it with:
  kill -- -{stack.detach()}""", soft_wrap=True, highlight=False)  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
