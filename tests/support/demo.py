"""`make demo`: deploys the module on the embedded AWS and runs an execution of two waves, faster than real time.

The first wave replays a real DRS drill. In the second wave, a server fails. Two earlier drills of the same servers are
in the ledger. The terminal shows the rows of the events table with the expected end and, at the end, the list of
executions, a response of the API, and the report of an earlier drill. With KEEP=1, the embedded AWS continues to run.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from tests.support import drills, evidence, played, scripts
from tests.support.deployment import deployed, eventually
from tests.support.drs import Simulator
from tests.support.gateway import GatewayServer
from tests.support.ministack import REGION
from tests.support.terraform import CACHE, ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.deployment import Deployment

SPEED: Final = 12
ESTIMATE_SECONDS: Final = 10
# One minute until the first scheduled invocation plus the drills, doubled because a busy machine is slower.
PATIENCE_SECONDS: Final = 2 * (60 + 14 * 60 / SPEED)

EXECUTION: Final = "exec-demo"
# The second one is the newest: of a drill that ended more than a day ago, ingest does not report the end.
EARLIER: Final = {"exec-1-week-ago": timedelta(weeks=1), "exec-4-hours-ago": timedelta(hours=4)}
REPORTED: Final = "exec-4-hours-ago"
# The text is from a real rawError.
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
    """Run the demo. Return the exit status: 1 if an event or the report did not arrive, or a file differs."""
    simulator = Simulator(speed=SPEED, names=NAMES, script_of=recorded)
    with contextlib.ExitStack() as running:
        console.print("[bold]1/5[/] Applying examples/local with Terraform on an embedded AWS (MiniStack)")
        with console.status("This takes about one minute …"):
            deployment = running.enter_context(deployed(simulator, inputs=evidence.CREATED))
        console.print(f"[bold]2/5[/] Starting the execution {EXECUTION} on a DRS simulator. It has two waves:")
        proxy = running.enter_context(GatewayServer(deployment.signing_proxy))
        jobs = [start_recovery(deployment, script.servers) for script in SCRIPTS]
        deployment.put_execution(EXECUTION, jobs)
        console.print("    Wave 1 replays a drill that DRS logged in 2022.")
        console.print("    In wave 2, one server fails to launch.")
        console.print(f"    The simulator runs {SPEED} times as fast as DRS.")
        console.print(
            f"    To follow the execution in a browser, open {proxy.address}/executions/{EXECUTION}", soft_wrap=True
        )
        deployment.wake()
        store_earlier_drills(deployment)
        console.print("    Two earlier drills of these servers are the basis of the estimate.")
        console.print("[bold]3/5[/] The collector reads the job logs every 3 seconds.")
        console.print("    It publishes each new log item as an event, and ingest stores the event.")
        console.print("    The demo invokes it once, as the CloudTrail rule does when a job starts.")
        show_list(deployment)
        console.print("\n    New rows of the events table:\n")

        expected = sum(len(simulator.whole_log(job)) for job in jobs)
        rows = watch(deployment, jobs, expected)
        if len(rows) != expected:
            console.print(
                f"[bold red]Only {len(rows)} of {expected} events arrived within {PATIENCE_SECONDS:.0f} seconds.[/]"
            )
            console.print("The end of the log of the embedded AWS:")
            console.print(deployment.stack.log.read_text()[-5000:], markup=False)
            return 1
        show_log(rows)
        show_list(deployment)
        show_answer(deployment)
        if not show_report(deployment):
            return 1
        keep = os.environ.get("KEEP") == "1"
        show_next(deployment, proxy.address, keep=keep)
        if keep:
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
    return 0


def store_earlier_drills(deployment: Deployment) -> None:
    """Put the events of two earlier drills on the bus. They were as fast as the simulator."""
    for number, (execution, age) in enumerate(EARLIER.items(), 1):
        created = datetime.now(UTC) - age
        details: list[dict[str, Any]] = []
        for wave, script in enumerate(SCRIPTS, 1):
            steps = [replace(step, after=step.after / SPEED) for step in script.steps]
            assert script.end is not None
            earlier = replace(script, steps=steps, end=script.end / SPEED)
            job_id = f"drsjob-{number}{wave}".ljust(len("drsjob-") + 17, "0")
            details += played.details(earlier, job_id, created=created, execution_id=execution)
        # The ends last, so that the drill does not settle after its first wave.
        deployment.put_events(sorted(details, key=lambda detail: detail["eventType"] == "JOB_COMPLETED"))


def recorded(servers: Sequence[str], _drill: bool) -> scripts.Script:
    """Return the script of wave 1 or 2 if these are its servers, otherwise a generated script."""
    known = (script for script in SCRIPTS if list(script.servers) == list(servers))
    return next(known, None) or scripts.launch(servers)


def start_recovery(deployment: Deployment, servers: Sequence[str]) -> str:
    """Start a drill with the tag ExecutionId, as an orchestrator does. Return the job ID."""
    drs = deployment.stack.client("drs", endpoint_url=deployment.drs_server.endpoint)
    job = drs.start_recovery(
        sourceServers=[{"sourceServerID": server} for server in servers],
        isDrill=True,
        tags={"ExecutionId": EXECUTION},
    )["job"]
    console.print(f"    Job {job['jobID']}: {', '.join(NAMES[server] for server in servers)}", highlight=False)
    return str(job["jobID"])


def watch(deployment: Deployment, jobs: Sequence[str], expected: int) -> list[dict[str, Any]]:
    """Print each new row of the events table until all have arrived or the time is over. Return the rows."""
    seen: dict[str, dict[str, Any]] = {}
    deadline = time.monotonic() + PATIENCE_SECONDS
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[step]}"))
    with Progress(*columns, console=console) as progress:
        tasks = {
            server: progress.add_task(name, total=len(drills.STEPS), step="waiting") for server, name in NAMES.items()
        }
        due = time.monotonic() + ESTIMATE_SECONDS
        while len(seen) < expected and time.monotonic() < deadline:
            if time.monotonic() >= due:
                progress.console.print(expected_end(deployment), highlight=False)
                due = time.monotonic() + ESTIMATE_SECONDS
            for row in itertools.chain.from_iterable(map(deployment.rows, jobs)):
                if row["EventKey"] not in seen:
                    seen[row["EventKey"]] = row
                    show_event(progress, tasks, row)
            time.sleep(0.1)
    return list(seen.values())


def expected_end(deployment: Deployment) -> str:
    """Return a line with the expected end of the execution and its range, as the API answers them."""
    _, body = deployment.get(f"/executions/{EXECUTION}/logs?limit=1")
    if not (estimate := body["estimate"]):
        return "[dim]              Expected end: not known[/]"
    expected, earliest, latest = (estimate[name][11:19] for name in ("expectedEnd", "earliestEnd", "latestEnd"))
    return f"[bold]              Expected end: {expected} (80 %: {earliest} to {latest})[/]"


def show_list(deployment: Deployment) -> None:
    """Print the list of executions."""
    path = "/executions?isDrill=true"
    status, body = deployment.get(path)
    assert status == 200, body
    console.print(f"\n    The executions that the API lists: GET {path}\n", highlight=False)
    table = Table("Execution", "Status", "Started (UTC)", "Seconds", "Launched", "Failed", box=None)
    for execution in body["executions"]:
        table.add_row(
            execution["executionId"],
            execution["status"],
            execution["startedAt"][:19].replace("T", " "),
            "" if execution["durationSeconds"] is None else f"{execution['durationSeconds']:.0f}",
            str(execution["counts"]["launched"]),
            str(execution["counts"]["failed"]),
        )
    console.print(table)


def show_event(progress: Progress, tasks: dict[str, TaskID], row: dict[str, Any]) -> None:
    """Print the event and update the progress bar of its server."""
    server = row.get("SourceServerId")
    progress.console.print(f"{clock(row)}  {row['EventType']:20}  {row['Message']}", highlight=False)
    if server in tasks and row["EventType"] == "SERVER_LAUNCH_FAILED":
        progress.update(tasks[server], step="[red]SERVER_LAUNCH_FAILED[/]")
    elif server in tasks and row["EventType"] in drills.STEPS:
        done = drills.STEPS.index(row["EventType"]) + 1
        if done > progress.tasks[tasks[server]].completed:  # events can arrive out of order
            progress.update(tasks[server], completed=done, step=row["EventType"])


def show_log(rows: list[dict[str, Any]]) -> None:
    """Print the stored events of each job."""
    (execution,) = {row["ExecutionId"] for row in rows}
    console.print(f"\nThe events table contains {len(rows)} events of the execution {execution}.")
    console.print("Each event is stored once.")
    jobs: dict[str, Table] = {}
    for row in sorted(rows, key=lambda row: str(row["EventKey"])):
        job = row["JobId"]
        if job not in jobs:
            jobs[job] = Table("Time (UTC)", "Event", "Server", "Instance", title=f"\n{job}", box=None)
        jobs[job].add_row(clock(row), row["EventType"], row.get("SourceServerName"), row.get("Ec2InstanceId"))
    console.print(*jobs.values(), sep="\n")


def show_answer(deployment: Deployment) -> None:
    """Print a response of the API and the record in the executions table."""
    eventually(lambda: deployment.execution(EXECUTION)["Status"] != "POLLING")
    path = f"/executions/{EXECUTION}/logs?limit=1"
    status, body = deployment.get(path)
    assert (status, body["status"]) == (200, "PARTIAL"), body
    console.print(f"\n[bold]4/5[/] Response of the API to the signed request GET {path}\n", highlight=False)
    console.print_json(data=body)
    record = deployment.execution(EXECUTION)
    console.print(f"\nThe module updated {EXECUTION} in the executions table:")
    console.print(f"status {record['Status']}, end time {record['EndTime']}")


def show_report(deployment: Deployment) -> bool:
    """Download the report of an earlier drill, and verify it. Return whether it was written and verified."""
    console.print("\n[bold]5/5[/] The report that the module writes when an execution has settled")
    console.print(
        f"    {EXECUTION} settles two minutes after its end. The demo shows the report of {REPORTED}.", soft_wrap=True
    )
    with console.status("Waiting for the report …"):
        try:
            eventually(lambda: bool(evidence.records(deployment, REPORTED)), seconds=PATIENCE_SECONDS)
        except AssertionError:
            console.print(f"[bold red]The report was not written within {PATIENCE_SECONDS:.0f} seconds.[/]")
            console.print(deployment.stack.log.read_text()[-5000:], markup=False)
            return False
    folder = CACHE / "demo-report" / REPORTED
    evidence.download(deployment, REPORTED, folder)
    digest = evidence.records(deployment, REPORTED)[-1]["Files"]["summary.json"]["sha256"]
    place, script = (path.relative_to(ROOT) for path in (folder, evidence.SCRIPT))
    result = evidence.run_script(place, "--summary-sha256", digest)
    console.print("    The demo downloaded it. The events table has the SHA-256 of summary.json.\n")
    console.print(f"$ python3 {script} {place} \\\n    --summary-sha256 {digest}", soft_wrap=True, highlight=False)
    console.print(result.stdout, markup=False, soft_wrap=True, highlight=False)
    if result.returncode:
        console.print("[bold red]The report is not as it was written.[/]")
        return False
    console.print(f"The report of the execution: {place}/report.html", soft_wrap=True, highlight=False)
    return True


def clock(row: dict[str, Any]) -> str:
    """Return the time of day of an event, with milliseconds."""
    return str(row["Timestamp"][11:23])


def show_next(deployment: Deployment, viewer: str, *, keep: bool) -> None:
    """Print what to read and run next."""
    console.print("\n[bold]Next steps[/]")
    console.print("  README.md                describes the module and its inputs")
    console.print("  examples/basic/main.tf   contains the module block to copy")
    console.print("  make test                runs all tests")
    if not keep:
        console.print("  KEEP=1 make demo         runs the demo and keeps the viewer available")
        return
    stack, outputs = deployment.stack, deployment.outputs
    queue_url = outputs["processing_dlq_url"]
    aws = f"aws --endpoint-url {stack.endpoint}"
    drs = f"aws --endpoint-url {deployment.drs_server.endpoint} drs"
    console.print(f"""
The embedded AWS runs until you press Ctrl-C.
The viewer: {viewer}/executions/{EXECUTION}
All recoveries: {viewer}/
The API requires signed requests. This address is a proxy that signs them.

You can run these commands in another terminal:
  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION={REGION}
  {drs} start-recovery --is-drill --source-servers sourceServerID={scripts.server_id(1)} --tags ExecutionId=exec-mine
      (The collector finds the job within a minute. The viewer shows it at {viewer}/executions/exec-mine)
  {drs} describe-jobs
  {aws} s3 sync s3://{outputs["evidence"]["bucket"]}/ {(CACHE / "demo-report/bucket").relative_to(ROOT)}/
      (The report of {EXECUTION} is written about three minutes after its end)
  {aws} dynamodb scan --table-name {outputs["table_name"]}
  {aws} sqs receive-message --queue-url {queue_url}""", soft_wrap=True, highlight=False)  # fmt: skip


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the context managers stop the processes
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell sets background jobs to ignore SIGINT
    sys.exit(main())
