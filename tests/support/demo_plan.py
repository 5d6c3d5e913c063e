"""`make demo-plan`: deploys the module on the embedded AWS and plays a recovery plan of DRS, faster than real time.

The first step fails, and the demo retries it, as a person does. Then the plan waits. In the next step, an optional
server fails. The last step is skipped. DRS reports the plan as completed, and the module reports PARTIAL, and why.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from drs_job_log.collect.plans import execution_id_of
from rich.table import Table

from tests.support import scripts
from tests.support.demo import clock, console
from tests.support.deployment import deployed, eventually
from tests.support.drs import Simulator
from tests.support.plans import Plan, ServerStep, WaitStep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.deployment import Deployment

SPEED: Final = 20
PATIENCE_SECONDS: Final = 240

DB, WEB, REPORTS, CACHE = (scripts.server_id(number) for number in range(1, 5))
NAMES: Final = {DB: "prod-db-01", WEB: "prod-web-01", REPORTS: "prod-report-01", CACHE: "prod-cache-01"}
PLAN: Final = Plan(
    name="shop",
    steps=[
        ServerStep(
            name="databases", critical=[DB], attempts=[partial(scripts.launch, failing={DB: "InsufficientCapacity"})]
        ),
        WaitStep(name="consistency checks", minutes=5),
        ServerStep(
            name="web",
            critical=[WEB],
            optional=[REPORTS],
            attempts=[partial(scripts.launch, failing={REPORTS: "InsufficientCapacity"})],
        ),
        ServerStep(name="cache", critical=[CACHE]),
    ],
)
REASON: Final = (
    'DRS reports the recovery plan as completed. It has skipped steps: "cache", and servers that are not launched: 1.'
)


def main() -> int:
    """Run the demo. Return the exit status: 1 if something did not arrive."""
    simulator = Simulator(speed=SPEED, names=NAMES)
    with contextlib.ExitStack() as running:
        console.print("[bold]1/4[/] Applying examples/local with Terraform on an embedded AWS (MiniStack)")
        with console.status("This takes about one minute …"):
            deployment = running.enter_context(deployed(simulator))
        queue_url = deployment.subscribe()
        arn = simulator.start_plan(PLAN)
        execution_id = execution_id_of(arn)
        console.print(f"[bold]2/4[/] The recovery plan {PLAN.name} runs on a DRS simulator: {execution_id}")
        console.print(f"    It has {len(PLAN.steps)} steps. The simulator runs {SPEED} times as fast as DRS.")
        simulator.skip(arn, 4)
        console.print('    The demo skips the step "cache".')
        deployment.wake()
        console.print("[bold]3/4[/] The events that arrive:\n")
        try:
            seen: set[str] = set()
            watch(deployment, execution_id, "PLAN_FAILED", seen)
            show_steps(deployment, execution_id)
            simulator.retry(arn, 1)
            console.print('\n    The demo retries the step "databases", as a person does in DRS.\n')
            deployment.wake()
            watch(deployment, execution_id, "PLAN_COMPLETED", seen)
            answer = show_steps(deployment, execution_id)
            subject = show_notice(deployment, queue_url)
        except AssertionError as error:
            console.print(f"[bold red]The demo failed: {error}[/]")
            console.print("The end of the log of the embedded AWS:")
            console.print(deployment.stack.log.read_text()[-5000:], markup=False)
            return 1
        is_expected = (answer["status"], answer["statusReason"]) == ("PARTIAL", REASON)
        console.print("\n[bold]4/4[/] What arrived", highlight=False)
        console.print(f"    Status in DRS: {answer['recoveryPlan']['status']}")
        console.print(f"    Status of the module: {answer['status']}. {answer['statusReason']}", soft_wrap=True)
        console.print(f"    Notification: {subject}", soft_wrap=True)
        console.print("\n[bold]Next steps[/]")
        console.print("  docs/api.md             describes the response with the steps")
        console.print("  docs/notifications.md   describes the notifications")
        console.print("  docs/viewer.md          describes the page that shows the steps")
        console.print("  make demo               runs an execution of two waves without a plan")
    return 0 if is_expected else 1


def answer_of(deployment: Deployment, execution_id: str) -> dict[str, Any]:
    """Return the response of the API."""
    status, answer = deployment.get(f"/executions/{execution_id}/logs?limit=1000")
    assert status == 200, answer
    return answer


def watch(deployment: Deployment, execution_id: str, end: str, seen: set[str]) -> None:
    """Print each new event of the plan and each launch or failure of a server, until the event ``end``.

    Raises
    ------
    AssertionError
        If it does not arrive in time.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        answer = answer_of(deployment, execution_id)
        for event in new_events(answer, seen):
            row = {"Timestamp": event["timestamp"]}
            console.print(f"{clock(row)}  {event['eventType']:22}  {event['message']}", highlight=False)
        if any(event["eventType"] == end for event in answer["logs"]):
            return
        assert time.monotonic() < deadline, f"{end} did not arrive within {PATIENCE_SECONDS} seconds"
        time.sleep(1)


def new_events(answer: dict[str, Any], seen: set[str]) -> Iterator[dict[str, Any]]:
    """Yield the events of the plan and the results of servers that are not in ``seen``, and add them to it."""
    for event in answer["logs"]:
        is_shown = event["eventType"].startswith("PLAN_") or event["eventType"].startswith("SERVER_LAUNCH")
        if is_shown and event["eventId"] not in seen:
            seen.add(event["eventId"])
            yield event


def show_steps(deployment: Deployment, execution_id: str) -> dict[str, Any]:
    """Print the steps with their servers. Return the response of the API."""
    eventually(lambda: deployment.waiting() == 0)
    answer = answer_of(deployment, execution_id)
    states = {server["sourceServerId"]: server["state"] for server in answer["servers"]}
    table = Table("Step", "Name", "Status", "Attempt", "Servers", box=None)
    for step in answer["waves"]:
        servers = [
            f"{NAMES[server]}{mark} {states.get(server, '')}".rstrip()
            for servers, mark in ((step["criticalServers"], ""), (step["optionalServers"], " (optional)"))
            for server in servers
        ]
        text = ", ".join(servers) or f"waits for {step['waitMinutes']} minutes"
        table.add_row(str(step["number"]), step["name"], step["stepStatus"], str(step["attempt"]), text)
    console.print(f"\n    The steps that the API returns: GET /executions/{execution_id}/logs\n", highlight=False)
    console.print(table)
    return answer


def show_notice(deployment: Deployment, queue_url: str) -> str:
    """Return the summary of the notification about the failed step."""
    summaries: list[str] = []

    def arrived() -> bool:
        for body in deployment.take_all(queue_url):
            notices = json.loads(body)["notices"]
            summaries.extend(notice["summary"] for notice in notices if notice["kind"] == "plan_failed")
        return bool(summaries)

    eventually(arrived, seconds=60)
    return summaries[0]


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the context managers stop the processes
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell sets background jobs to ignore SIGINT
    sys.exit(main())
