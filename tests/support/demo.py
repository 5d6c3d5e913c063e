"""`make demo`: the module on the embedded AWS, and an execution of two waves that it collects by itself, in fast time.

The first wave is a real DRS drill; of the second, a server fails. What the terminal shows of them is read back from the
table, and at the end from the API. KEEP=1 leaves the embedded AWS running.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from tests.support import drills, scripts
from tests.support.deployment import deployed, eventually
from tests.support.drs import Simulator
from tests.support.gateway import GatewayServer
from tests.support.ministack import REGION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.deployment import Deployment

SPEED: Final = 12
# The schedule's first minute, the drills themselves, and as long again for a busy machine.
PATIENCE_SECONDS: Final = 2 * (60 + 14 * 60 / SPEED)

EXECUTION: Final = "exec-demo"
# Seen in a real rawError.
ERROR: Final = "AccessDeniedException when calling CreateRecoveryInstanceForDrs operation: no rights"
WAVE_2: Final = scripts.drill(1).servers
SCRIPTS: Final = [scripts.drill(0), scripts.launch(WAVE_2, failing={WAVE_2[1]: ERROR})]
NAMES: Final = dict(
    zip(
        [*SCRIPTS[0].servers, *SCRIPTS[1].servers],
        ["prod-web-01", "prod-db-01", "prod-web-02", "prod-db-02"],
        strict=True,
    )
)

console = Console()


def main() -> int:
    """Run the demo; the exit status is 1 where an event did not arrive."""
    simulator = Simulator(speed=SPEED, names=NAMES, script_of=recorded)
    with contextlib.ExitStack() as running:
        console.print("[bold]1/4[/] Terraform applies examples/local on an embedded AWS (MiniStack)")
        with console.status("about a minute …"):
            deployment = running.enter_context(deployed(simulator))
        console.print(f"[bold]2/4[/] An orchestrator starts {EXECUTION} on a simulator of DRS, in two waves:")
        proxy = running.enter_context(GatewayServer(deployment.signing_proxy))
        jobs = [start_recovery(deployment, script.servers) for script in SCRIPTS]
        deployment.put_execution(EXECUTION, jobs)
        console.print(f"    a drill that DRS logged in 2022, and one with a failure, {SPEED} times as fast")
        console.print(f"    Watch it in a browser, if you like: {proxy.address}/executions/{EXECUTION}", soft_wrap=True)
        deployment.wake()
        console.print("[bold]3/4[/] The rest is the module's own doing: its collector, woken as CloudTrail")
        console.print("    would do it, looks every 3 s. Here is what the table holds, as it comes:\n")

        expected = sum(len(simulator.whole_log(job)) for job in jobs)
        rows = watch(deployment, jobs, expected)
        if len(rows) != expected:
            console.print(f"[bold red]{len(rows)} of {expected} events arrived within {PATIENCE_SECONDS:.0f} s.[/]")
            console.print(deployment.stack.log.read_text()[-5000:], markup=False)
            return 1
        show_log(rows)
        show_answer(deployment)
        keep = os.environ.get("KEEP") == "1"
        show_next(deployment, proxy.address, keep=keep)
        if keep:
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
    return 0


def recorded(servers: Sequence[str], _drill: bool) -> scripts.Script:
    """The recorded drill of these servers; of any others, one that is made up."""
    known = (script for script in SCRIPTS if list(script.servers) == list(servers))
    return next(known, None) or scripts.launch(servers)


def start_recovery(deployment: Deployment, servers: Sequence[str]) -> str:
    """Start a drill, as an orchestrator does: tagged with its own execution's id. Return the job's id."""
    drs = deployment.stack.client("drs", endpoint_url=deployment.drs_server.endpoint)
    job = drs.start_recovery(
        sourceServers=[{"sourceServerID": server} for server in servers],
        isDrill=True,
        tags={"ExecutionId": EXECUTION},
    )["job"]
    console.print(f"    {job['jobID']} of {' and '.join(NAMES[server] for server in servers)}", highlight=False)
    return str(job["jobID"])


def watch(deployment: Deployment, jobs: Sequence[str], expected: int) -> list[dict[str, Any]]:
    """Show each row when the table has it; return the rows."""
    seen: dict[str, dict[str, Any]] = {}
    deadline = time.monotonic() + PATIENCE_SECONDS
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[step]}"))
    with Progress(*columns, console=console) as progress:
        tasks = {
            server: progress.add_task(name, total=len(drills.STEPS), step="waiting") for server, name in NAMES.items()
        }
        while len(seen) < expected and time.monotonic() < deadline:
            for row in itertools.chain.from_iterable(map(deployment.rows, jobs)):
                if row["EventKey"] not in seen:
                    seen[row["EventKey"]] = row
                    show_event(progress, tasks, row)
            time.sleep(0.1)
    return list(seen.values())


def show_event(progress: Progress, tasks: dict[str, TaskID], row: dict[str, Any]) -> None:
    """A line for the event, and its server's bar moved on."""
    server = row.get("SourceServerId")
    progress.console.print(f"{clock(row)}  {row['EventType']:20}  {row['Message']}", highlight=False)
    if server in tasks and row["EventType"] == "SERVER_LAUNCH_FAILED":
        progress.update(tasks[server], step="[red]SERVER_LAUNCH_FAILED[/]")
    elif server in tasks and row["EventType"] in drills.STEPS:
        done = drills.STEPS.index(row["EventType"]) + 1
        if done > progress.tasks[tasks[server]].completed:  # rows can come out of order
            progress.update(tasks[server], completed=done, step=row["EventType"])


def show_log(rows: list[dict[str, Any]]) -> None:
    """The log as the table keeps it, job by job."""
    (execution,) = {row["ExecutionId"] for row in rows}
    console.print(f"\nStored: {len(rows)} events, each once, of the execution {execution}")
    jobs: dict[str, Table] = {}
    for row in sorted(rows, key=lambda row: str(row["EventKey"])):
        job = row["JobId"]
        if job not in jobs:
            jobs[job] = Table("Time (UTC)", "Event", "Server", "Instance", title=f"\n{job}", box=None)
        jobs[job].add_row(clock(row), row["EventType"], row.get("SourceServerName"), row.get("Ec2InstanceId"))
    console.print(*jobs.values(), sep="\n")


def show_answer(deployment: Deployment) -> None:
    """What the API answers, and what the platform's own table says by now."""
    eventually(lambda: deployment.execution(EXECUTION)["Status"] != "POLLING")
    path = f"/executions/{EXECUTION}/logs?limit=1"
    status, body = deployment.get(path)
    assert (status, body["status"]) == (200, "PARTIAL"), body
    console.print(f"\n[bold]4/4[/] The API, asked over HTTP with a signed request: GET {path}\n", highlight=False)
    console.print_json(data=body)
    platform = deployment.execution(EXECUTION)
    console.print(
        f"\nIn the orchestrator's own table, {EXECUTION} is now {platform['Status']}, ended {platform['EndTime']}"
    )


def clock(row: dict[str, Any]) -> str:
    """Time of day of an event, to the millisecond."""
    return str(row["Timestamp"][11:23])


def show_next(deployment: Deployment, viewer: str, *, keep: bool) -> None:
    """Where to look next."""
    console.print("\n[bold]Where to look next[/]")
    console.print("  README.md                what the module makes, and what to do when it breaks")
    console.print("  examples/basic/main.tf   the block to copy")
    console.print("  make test                everything that this repository proves")
    if not keep:
        console.print("  KEEP=1 make demo         the same, left running, with the viewer's page")
        return
    stack, outputs = deployment.stack, deployment.outputs
    queue_url = outputs["processing_dlq_url"]
    aws = f"aws --endpoint-url {stack.endpoint}"
    drs = f"aws --endpoint-url {deployment.drs_server.endpoint} drs"
    console.print(f"""
All of it runs on until you press Ctrl-C. The viewer's page: {viewer}/executions/{EXECUTION}
(Through a proxy that signs, since the API is closed.) In another terminal, for example:
  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION={REGION}
  {drs} start-recovery --is-drill --source-servers sourceServerID={scripts.server_id(1)} --tags ExecutionId=exec-mine
      (found within a minute, and shown at {viewer}/executions/exec-mine)
  {drs} describe-jobs
  {aws} dynamodb scan --table-name {outputs["table_name"]}
  {aws} sqs receive-message --queue-url {queue_url}""", soft_wrap=True, highlight=False)  # fmt: skip


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # with all that was started
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell's "&" had it ignored
    sys.exit(main())
