"""`make demo`: the module on the embedded AWS, and two real drills running through it in fast time.

What the terminal shows of the drills is read back from the table. KEEP=1 leaves the embedded AWS running.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from tests.support import drills
from tests.support.ministack import MiniStack
from tests.support.terraform import Terraform, working_copy

if TYPE_CHECKING:
    from collections.abc import Iterator

SPEED = 40
PATIENCE_SECONDS = 60

console = Console()
_deserialize = TypeDeserializer().deserialize


def main() -> int:
    """Run the demo; the exit status is 1 where an event did not arrive."""
    stack = MiniStack()
    with working_copy() as copy, stack:
        console.print(f"[bold]1/3[/] The embedded AWS (MiniStack) answers at {stack.endpoint}")
        terraform = Terraform(copy / "examples/local", stack.environment)
        with console.status("[bold]2/3[/] terraform apply of examples/local, about a minute …"):
            terraform.init()
            terraform.apply()
        outputs = terraform.outputs()
        console.print("[bold]2/3[/] terraform apply of examples/local is done")
        console.print(f"[bold]3/3[/] Two real DRS drills, {SPEED} times as fast as in December 2022: put on the bus,")
        console.print(f"    and shown as they are read back from the table {outputs['table_name']}\n")

        items = drills.items()
        rows = replay(stack, items, outputs)
        if len(rows) != len(items):
            console.print(f"[bold red]{len(rows)} of {len(items)} events arrived within {PATIENCE_SECONDS} s.[/]")
            console.print(stack.log.read_text()[-5000:], markup=False)
            return 1
        show_log(rows)
        show_next(stack, outputs["table_name"], keep=os.environ.get("KEEP") == "1")
    return 0


def replay(stack: MiniStack, items: list[drills.Item], outputs: dict[str, Any]) -> list[dict[str, Any]]:
    """Put each item on the bus when it is due; show each row when the table has it; return the rows."""
    events = stack.client("events")
    due = deque(drills.compressed(items, datetime.now(UTC), SPEED))
    jobs = list(dict.fromkeys(item.job["jobID"] for item in items))
    seen: dict[str, dict[str, Any]] = {}
    last_put = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[step]}"))
    with Progress(*columns, console=console) as progress:
        servers = dict.fromkeys(server for item in items for server in item.servers)
        tasks = {server: progress.add_task(server, total=len(drills.STEPS), step="waiting") for server in servers}
        while len(seen) < len(items) and time.monotonic() < last_put + PATIENCE_SECONDS:
            entries = []
            while due and due[0][0] <= datetime.now(UTC):
                moment, item = due.popleft()
                entries.append(drills.entry(item.detail(moment), outputs["event_source"]))
            if entries:
                failed = events.put_events(Entries=entries)["FailedEntryCount"]
                assert not failed, f"PutEvents refused {failed} entries"
                last_put = time.monotonic()
            for row in stored(stack, outputs["table_name"], jobs):
                if row["EventId"] not in seen:
                    seen[row["EventId"]] = row
                    show_event(progress, tasks, row)
            time.sleep(0.1)
    return list(seen.values())


def stored(stack: MiniStack, table: str, jobs: list[str]) -> Iterator[dict[str, Any]]:
    """The rows of the jobs."""
    pages = stack.client("dynamodb").get_paginator("query")
    for job in jobs:
        query = {"KeyConditionExpression": "JobId = :job", "ExpressionAttributeValues": {":job": {"S": job}}}
        for page in pages.paginate(TableName=table, ConsistentRead=True, **query):
            for item in page["Items"]:
                yield {name: _deserialize(value) for name, value in item.items()}


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


def show_next(stack: MiniStack, table: str, *, keep: bool) -> None:
    """Where to look next."""
    console.print("\n[bold]Where to look next[/]")
    console.print("  README.md                what the module makes, and what to do when it breaks")
    console.print("  examples/basic/main.tf   the block to copy")
    console.print("  make test                everything that this repository proves")
    if not keep:
        console.print("  KEEP=1 make demo         the same, left running for you to look around")
        return
    group = stack.detach()
    environment = " ".join(f"{name}={stack.environment[name]}" for name in (
        "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"))  # fmt: skip
    console.print("\nThe embedded AWS is left running. With the AWS CLI, for example:", highlight=False)
    console.print(f"  export {environment}", soft_wrap=True, highlight=False)
    console.print(f"  aws dynamodb scan --table-name {table}", soft_wrap=True, highlight=False)
    console.print(
        f"  aws logs tail /aws/lambda/{table.removesuffix('-events')}-ingest", soft_wrap=True, highlight=False
    )
    console.print(f"Stop it with:\n  kill -- -{group}", highlight=False)


if __name__ == "__main__":
    sys.exit(main())
