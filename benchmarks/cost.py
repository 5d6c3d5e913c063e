"""What a month costs: docs/cost.md, from the requests counted (docs/performance.json) and list prices (prices.json).

    .venv/bin/python -m benchmarks.cost

Pure arithmetic. Whatever is neither counted nor a price is an assumption, and stands below with its reason.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Counts = Mapping[str, float]
    Prices = Mapping[str, float]
    Dollars = dict[str, float]  # by service

ROOT: Final = Path(__file__).resolve().parents[1]
COUNTS: Final = ROOT / "docs/performance.json"
PRICES: Final = ROOT / "benchmarks/prices.json"
PAGE: Final = ROOT / "docs/cost.md"

HOURS: Final = 730  # of a month, as AWS reckons
MINUTES: Final = HOURS * 60
SECONDS: Final = MINUTES * 60

# Of SMALL: for the pipeline itself, and for all together.
PIPELINE_LIMIT: Final = 1.50
TOTAL_LIMIT: Final = 10.0

# ---------------------------------------------------------------------------------------------------------------------
# What is deployed by default
# ---------------------------------------------------------------------------------------------------------------------

MEMORY_MB: Final = 256  # functions.memory_size
POLL_SECONDS: Final = 3  # collector.poll_interval_seconds
SCHEDULES: Final = 2  # of collector and linker, each once a minute
ALARMS: Final = 26  # tests/unit/test_cost.py holds both against what is planned
COMPOSITE_ALARMS: Final = 2  # by choice

# ---------------------------------------------------------------------------------------------------------------------
# What AWS documents
# ---------------------------------------------------------------------------------------------------------------------

# https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
MB_OF_A_CORE: Final = 1769

# With a maximum concurrency set, as here, Lambda does not fall below five.
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
POLLERS: Final = 5
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/best-practices-setting-up-long-polling.html
POLLER_SECONDS: Final = 20

# https://docs.aws.amazon.com/xray/latest/devguide/xray-console-sampling.html
TRACED_BEYOND: Final = 0.05  # of what is more than one request a second

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
OVERHEAD_OF_AN_ITEM: Final = 100  # bytes, of storage

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
OVERHEAD_OF_A_LINE: Final = 26  # bytes

# ---------------------------------------------------------------------------------------------------------------------
# Assumptions
# ---------------------------------------------------------------------------------------------------------------------

# Of the four real jobs whose length is public: 9, 24 and 31 minutes with 2 servers, 29 with 25.
JOB_MINUTES: Final = (9 + 24 + 29 + 31) / 4
CORE: Final = 1.0  # a core of Lambda's by one of the machine that counted
WAIT_SECONDS: Final = 0.05  # for an answer of AWS, DRS included
ACCESS_LOG_BYTES: Final = 600  # a line of the API's access log
GB: Final = 1e9  # bytes; AWS may take 2^30, which is cheaper
POLLS_OF_AN_HOUR: Final = 1200  # a viewer's: one every three seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A month. ``events`` is one of the sizes of a job that were counted; an execution is one job here."""

    name: str
    executions: float = 0
    events: int = 100
    job_minutes: float = JOB_MINUTES
    polls: float = 0
    never_linked: float = 0

    @property
    def running_minutes(self) -> float:
        """Minutes in which a job runs: as if no two ran at the same time, until the month is full."""
        return min(MINUTES, self.executions * self.job_minutes)

    @property
    def hours_with_jobs(self) -> float:
        """Clock hours in which a job runs, as if no two shared one: a job begins anywhere in its first."""
        return min(HOURS, self.executions * (1 + self.job_minutes / 60))


SMALL: Final = Scenario(name="200 executions × 100 events", executions=200)
LARGE: Final = Scenario(name="20,000 executions × 1,000 events", executions=20_000, events=1000)
NOTHING: Final = Scenario(name="nothing happens")


@dataclass(frozen=True, slots=True)
class Use:
    """Invocations of a function in a month."""

    invocations: float
    seconds: float
    log_bytes: float


def billed_seconds(cpu_ms: float, calls: float) -> float:
    """Of an invocation: its processor time at this memory's share of a core, and the wait for its calls in turn."""
    return cpu_ms / 1000 * CORE * MB_OF_A_CORE / MEMORY_MB + calls * WAIT_SECONDS


def uses(counts: Counts, month: Scenario) -> dict[str, Use]:
    """What each function does."""

    def count(name: str) -> float:
        return counts[f"{name}_{month.events}"]

    idle, running = MINUTES - month.running_minutes, month.running_minutes
    listing_ms = listing_cpu_ms(counts, month)
    wakes, messages = month.executions * count("wakes"), month.executions * count("messages")
    # A pass of the collector: DRS, the table and the bus, one after the other.
    wake_seconds = billed_seconds(count("wake_cpu_ms") + listing_ms, count("drs_calls_of_a_pass") + 2)
    linker_ms = counts["linker_idle_cpu_ms"] + month.never_linked * counts["unlinked_scan_cpu_ms_per_event"]
    # One event each: with no window to gather more in, that is how they come when they come singly.
    ingest_seconds = billed_seconds(count("ingest_of_1_cpu_ms"), 1)
    return {
        "collector": Use(
            MINUTES + wakes,
            idle * billed_seconds(counts["collector_idle_cpu_ms"] + listing_ms, counts["collector_idle_calls"])
            + running * (60 - POLL_SECONDS)
            + wakes * wake_seconds,
            idle * logged(counts["collector_idle_log_bytes"]) + (running + wakes) * logged(count("pass_log_bytes")),
        ),
        "linker": Use(
            MINUTES,
            MINUTES * billed_seconds(linker_ms, counts["linker_idle_calls"]),
            MINUTES * logged(counts["linker_idle_log_bytes"]),
        ),
        "ingest": Use(messages, messages * ingest_seconds, messages * logged(count("ingest_of_1_log_bytes"))),
        "api": Use(
            month.polls,
            month.polls * billed_seconds(count("poll_cpu_ms"), count("poll_calls")),
            month.polls * (logged(ACCESS_LOG_BYTES) + count("poll_log_bytes")),
        ),
    }


def listing_cpu_ms(counts: Counts, month: Scenario) -> float:
    """What each pass spends on the list of a day's jobs, the collector's ``lookback_hours``."""
    jobs = month.executions * 24 / HOURS
    return jobs * counts[f"servers_{month.events}"] * counts["listed_server_cpu_ms"]


def logged(line_bytes: float) -> float:
    """Bytes that a line counts for."""
    return line_bytes + OVERHEAD_OF_A_LINE


# ---------------------------------------------------------------------------------------------------------------------
# The pipeline, by service: dollars of a month
# ---------------------------------------------------------------------------------------------------------------------


def lambda_dollars(counts: Counts, prices: Prices, month: Scenario) -> float:
    """Requests, and the memory for as long as it is held."""
    of = uses(counts, month).values()
    seconds, invocations = sum(use.seconds for use in of), sum(use.invocations for use in of)
    return seconds * MEMORY_MB / 1024 * prices["lambda_gb_second"] + invocations * prices["lambda_request"]


def dynamodb_dollars(counts: Counts, prices: Prices, month: Scenario) -> float:
    """Units, storage of a month's events (``retention_days`` is 30) with their index, and point-in-time recovery."""

    def count(name: str) -> float:
        return counts[f"{name}_{month.events}"]

    # Launch results know no execution: as if each were linked only later.
    late = count("wakes") * counts["late_link_write_units_per_event"]
    writes = month.executions * (
        count("write_units") + count("repeat_write_units") + count("notice_write_units") + late
    )
    scanned = month.never_linked * counts["unlinked_scan_read_units_per_event"]
    reads = (
        month.executions * count("read_units")
        + MINUTES * (counts["linker_idle_read_units"] + scanned)
        + month.polls * count("poll_read_units")
    )
    gigabytes = month.executions * count("rows") * (count("item_bytes") + OVERHEAD_OF_AN_ITEM) / GB
    return (
        writes * prices["dynamodb_write_unit"]
        + reads * prices["dynamodb_read_unit"]
        + gigabytes * (2 * prices["dynamodb_storage"] + prices["dynamodb_pitr"])
    )


def eventbridge_dollars(counts: Counts, prices: Prices, month: Scenario) -> float:
    """What the collector puts on the bus. DRS's own events are free."""
    return month.executions * counts[f"event_chunks_{month.events}"] * prices["eventbridge_event"]


def sqs_dollars(counts: Counts, prices: Prices, month: Scenario) -> float:
    """The empty queue's long polls all month, and send, receive and delete of each message."""
    polls = POLLERS * SECONDS / POLLER_SECONDS
    return (polls + 3 * month.executions * counts[f"message_chunks_{month.events}"]) * prices["sqs_request"]


def logs_dollars(counts: Counts, prices: Prices, month: Scenario) -> float:
    """All that the functions print and the access log, kept for 30 days, as if nothing were compressed."""
    gigabytes = sum(use.log_bytes for use in uses(counts, month).values()) / GB
    return gigabytes * (prices["logs_ingestion"] + prices["logs_storage"])


def sns_dollars(counts: Counts, prices: Prices, month: Scenario) -> float:
    """A notice of the one server that fails in each execution, to one mailbox."""
    return month.executions * counts[f"notices_{month.events}"] * (prices["sns_publish"] + prices["sns_email"])


def api_dollars(_: Counts, prices: Prices, month: Scenario) -> float:
    """Requests of the HTTP API."""
    return month.polls * prices["api_request"]


def pipeline(counts: Counts, prices: Prices, month: Scenario) -> Dollars:
    """What the pipeline itself costs, idle included."""
    services = {
        "Lambda": lambda_dollars,
        "SQS": sqs_dollars,
        "DynamoDB": dynamodb_dollars,
        "EventBridge": eventbridge_dollars,
        "CloudWatch Logs": logs_dollars,
        "SNS": sns_dollars,
        "API Gateway": api_dollars,
    }
    return {name: dollars(counts, prices, month) for name, dollars in services.items()}


# ---------------------------------------------------------------------------------------------------------------------
# What stands by
# ---------------------------------------------------------------------------------------------------------------------

SWITCHES: Final[Mapping[str, str]] = {
    "Custom metrics": "of those sent every minute, `collector = { enabled = false }` leaves one",
    "Alarms": "`alarms = { enabled = false }`",
    "Dashboard": "`dashboard = false`",
    "Schedules": "`collector = { enabled = false }` leaves the linker's",
}
CHOICES: Final[Mapping[str, str]] = {
    "Composite alarms": "`alarms = { pipeline_actions = […], recovery_actions = […] }`",
    "X-Ray traces": "`functions = { tracing = true }`",
}


def standing(counts: Counts, prices: Prices, month: Scenario) -> Dollars:
    """What costs whether or not anything happens."""
    always = counts["collector_idle_metrics"] + counts["linker_idle_metrics"]
    with_jobs = metrics_with_jobs(counts, month)
    return {
        "Custom metrics": (always + with_jobs * month.hours_with_jobs / HOURS) * prices["metric"],
        "Alarms": ALARMS * prices["alarm"],
        "Dashboard": prices["dashboard"],
        "Schedules": SCHEDULES * MINUTES * prices["scheduler_invocation"],
    }


def metrics_with_jobs(counts: Counts, month: Scenario) -> float:
    """How many more are sent in hours with jobs: those counted, and EventsLinked, of launch results linked later."""
    return counts[f"metrics_{month.events}"] - counts["collector_idle_metrics"] + 1


def by_choice(counts: Counts, prices: Prices, month: Scenario) -> Dollars:
    """What is there only for whoever asks for it."""
    return {
        "Composite alarms": COMPOSITE_ALARMS * prices["composite_alarm"],
        "X-Ray traces": sum(traces(use.invocations) for use in uses(counts, month).values()) * prices["xray_trace"],
    }


def traces(invocations: float) -> float:
    """How many of a function's are recorded, spread evenly: one a second, and few of the rest."""
    return min(invocations, SECONDS) + TRACED_BEYOND * max(0.0, invocations - SECONDS)


# ---------------------------------------------------------------------------------------------------------------------
# The page
# ---------------------------------------------------------------------------------------------------------------------


def total(dollars: Dollars) -> float:
    return sum(dollars.values())


def read() -> tuple[dict[str, float], dict[str, Any]]:
    """The counts, and the file of prices."""
    counts: dict[str, float] = json.loads(COUNTS.read_text())["counts"]
    return counts, json.loads(PRICES.read_text())


def of_one(listed: Mapping[str, Any]) -> dict[str, float]:
    """Dollars of one unit each."""
    return {name: price["usd"] / price["per"] for name, price in listed["prices"].items()}


def render(counts: Counts, listed: Mapping[str, Any]) -> str:
    """The page, in Markdown."""
    prices = of_one(listed)
    parts = [
        "<!-- Generated by `python -m benchmarks.cost` from performance.json and prices.json: do not edit. -->",
        "# What it costs",
        f"Dollars of a month of {HOURS} hours in {listed['region']}: the module's defaults, list prices, no free tier. "
        f"The prices were looked up on {listed['looked_up']}; [prices.json](../benchmarks/prices.json) has each with "
        "its source and that one's date. They are multiplied by what was counted while the functions ran on the "
        "embedded AWS ([counts.py](../benchmarks/counts.py)), which is in [performance.json](performance.json); "
        "[cost.py](../benchmarks/cost.py) has how each is reckoned.",
        _months(counts, prices),
        *_standing(counts, prices),
        *_limits(counts, prices),
        *_growth(counts, prices),
        "## What is assumed",
        _assumptions(counts, listed),
    ]
    return "\n\n".join(parts) + "\n"


def _months(counts: Counts, prices: Prices) -> str:
    months = (NOTHING, SMALL, LARGE)
    of_pipeline = [pipeline(counts, prices, month) for month in months]
    of_standing = [standing(counts, prices, month) for month in months]
    of_choice = [by_choice(counts, prices, month) for month in months]
    return _table(
        ("", *(month.name for month in months)),
        [
            *((service, *(dollars[service] for dollars in of_pipeline)) for service in of_pipeline[0]),
            ("**the pipeline itself**", *map(total, of_pipeline)),
            *((what, *(dollars[what] for dollars in of_standing)) for what in of_standing[0]),
            ("**all together**", *(total(one) + total(two) for one, two in zip(of_pipeline, of_standing, strict=True))),
            *((f"by choice: {what}", *(dollars[what] for dollars in of_choice)) for what in CHOICES),
        ],
    )


def _standing(counts: Counts, prices: Prices) -> Iterable[str]:
    always = counts["collector_idle_metrics"] + counts["linker_idle_metrics"]
    more = metrics_with_jobs(counts, SMALL)
    yield "## What costs whether or not anything happens"
    yield "What stands below the pipeline in that table is there to tell. Most of it is due in a month of nothing too:"
    rows = [(what, dollars, SWITCHES[what]) for what, dollars in standing(counts, prices, SMALL).items()]
    yield _table(("", SMALL.name, "without it"), rows)
    yield "\n".join(
        [
            f"- {always:.0f} custom metrics are sent every minute, {more:.0f} more in hours in which a job runs. A "
            "metric costs by the hours in which it is sent.",
            f"- {ALARMS} alarms are of one metric each.",
        ]
    )
    yield "What is there only by choice, and in no sum here:"
    rows = [(what, dollars, CHOICES[what]) for what, dollars in by_choice(counts, prices, SMALL).items()]
    yield _table(("", SMALL.name, "with it"), rows)
    yield (
        "X-Ray records a trace of each invocation, up to one a second for each function, and one in twenty of the rest "
        "(as AWS's page says of its SDK): also of those that find nothing to do."
    )


def _limits(counts: Counts, prices: Prices) -> Iterable[str]:
    """Whether the small month is within the limits that were set."""
    itself, besides = pipeline(counts, prices, SMALL), standing(counts, prices, SMALL)
    pipe, everything = total(itself), total(itself) + total(besides)
    chosen = everything + total(by_choice(counts, prices, SMALL))
    collecting = SMALL.running_minutes * (60 - POLL_SECONDS) * MEMORY_MB / 1024 * prices["lambda_gb_second"]
    limit = SMALL.job_minutes + (PIPELINE_LIMIT - pipe) / _of_a_minute(counts, prices)
    yield "## Within the limits that the project set itself?"
    yield "\n".join(
        [
            f"- {_usd(PIPELINE_LIMIT)} for {SMALL.name}, idle included, for the pipeline itself: "
            f"{_is_within(pipe, PIPELINE_LIMIT)}.",
            f"- {_usd(TOTAL_LIMIT)} for all together: {_is_within(everything, TOTAL_LIMIT)}. With both choices it is "
            f"{_usd(chosen)}; without the dashboard, which is free where the account has fewer than three others, "
            f"{_usd(everything - besides['Dashboard'])}.",
            f"- {_usd(collecting)} of the pipeline's {_usd(pipe)} is the collector, which is billed for "
            f"{60 - POLL_SECONDS} seconds of each minute in which a job runs: {_usd(_of_a_minute(counts, prices))} for "
            f"each minute that the {SMALL.executions:.0f} jobs take longer. {_usd(PIPELINE_LIMIT)} are reached when "
            f"they take {limit:.1f} minutes on average instead of {SMALL.job_minutes:.1f}, and never two at once.",
        ]
    )


def _of_a_minute(counts: Counts, prices: Prices) -> float:
    """Dollars of one minute more of each of the small month's jobs."""
    longer = replace(SMALL, job_minutes=SMALL.job_minutes + 1)
    return total(pipeline(counts, prices, longer)) - total(pipeline(counts, prices, SMALL))


def _growth(counts: Counts, prices: Prices) -> Iterable[str]:
    steps = {
        "1,000 executions of 100 events": (SMALL, replace(SMALL, executions=SMALL.executions + 1000)),
        "1,000,000 events, in executions of 1,000": (LARGE, replace(LARGE, executions=LARGE.executions + 1000)),
        "10,000 events never linked": (SMALL, replace(SMALL, never_linked=10_000)),
        "an hour of a viewer, 100 events": (SMALL, replace(SMALL, polls=POLLS_OF_AN_HOUR)),
        "an hour of a viewer, 1,000 events": (LARGE, replace(LARGE, polls=POLLS_OF_AN_HOUR)),
    }
    constant = _all(counts, prices, NOTHING)
    columns = [constant] + [
        {
            service: dollars - _all(counts, prices, start)[service]
            for service, dollars in _all(counts, prices, end).items()
        }
        for start, end in steps.values()
    ]
    rows = [(service, *(column[service] for column in columns)) for service in constant]
    yield "## How it grows"
    yield _table(
        ("", "constant", *(f"+ {step}" for step in steps)),
        [*rows, ("**all together**", *map(total, columns))],
        digits=4,
    )
    idle, polls = pipeline(counts, prices, NOTHING), POLLERS * SECONDS / POLLER_SECONDS
    listing = billed_seconds(listing_cpu_ms(counts, LARGE), 0)
    small, large = counts["poll_read_units_100"], counts["poll_read_units_1000"]
    yield "\n".join(
        [
            f"- *Constant* is what stands by, and {_usd(total(idle))} for the pipeline when nothing happens, of which "
            f"{_usd(idle['SQS'])} is Lambda asking an empty queue {polls:,.0f} times.",
            "- What grows with executions of 100 events is mostly the time in which their jobs run, and the hours in "
            "which metrics are sent. Jobs that run at the same time share both.",
            "- With 20,000 executions some job always runs, and a million events more cost what is done for each. Most "
            "of Lambda's share is launch results, each of which wakes the collector for a pass. A pass lists the jobs "
            f"of a day, which then takes a function of {MEMORY_MB} MB {listing:.1f} s of the {POLL_SECONDS} s from one "
            "pass to the next (reckoned, not run): more memory would help.",
            f"- An event is {counts['item_bytes_100']:.0f} bytes in the table, and once more in its index: two write "
            "units. Storing one costs the same however many there are.",
            "- An event that nobody links is read by the linker once a minute, until it is deleted after 30 days.",
            f"- A viewer asks every three seconds. While jobs run, a poll reads what is new and the last minute: "
            f"{small:g} units of an execution of 100 events, {large:g} of one of 1,000 at its end.",
        ]
    )


def _all(counts: Counts, prices: Prices, month: Scenario) -> Dollars:
    return pipeline(counts, prices, month) | standing(counts, prices, month)


def _assumptions(counts: Counts, listed: Mapping[str, Any]) -> str:
    unsure = [f"{name} ({price['read_at']})" for name, price in listed["prices"].items() if not price["verified"]]
    return "\n".join(
        [
            f"- A job runs {JOB_MINUTES:g} minutes, the mean of the four real ones whose length is public (9, 24, 29 "
            "and 31), and an execution is one job. No two run at the same time, nor in the same hour, until the month "
            "is full: the dearest case.",
            f"- 100 events are {counts['servers_100']:.0f} servers, 1,000 are {counts['servers_1000']:.0f}; one "
            "fails. For each server DRS sends a launch result besides. It is stored, linked later, and wakes another "
            f"environment of the collector: that is why {counts['repeats_100']:.0f} of the 100 items came to the bus "
            "twice.",
            f"- Processor time was taken on the machine that counted. A core of Lambda is taken to be as fast, and "
            f"{MEMORY_MB} MB have {MEMORY_MB}/{MB_OF_A_CORE} of one. Each call of AWS is waited for "
            f"{WAIT_SECONDS * 1000:.0f} ms.",
            "- Ingest is invoked for each event by itself, and each message costs a send, a receive and a delete. "
            "Full batches of ten would leave a tenth of the invocations, receives and deletes.",
            f"- Lambda asks the queue by {POLLERS} long polls at a time, of {POLLER_SECONDS} s each. AWS documents "
            "that it does not go below five where a maximum concurrency is set, but not how long Lambda's polls are.",
            f"- A line of the access log has {ACCESS_LOG_BYTES} bytes. Logs are stored as they are; AWS compresses "
            "them. A failure notice goes to one mailbox.",
            "- Not counted: cold starts, which are billed too; retries; TLS, which the embedded AWS is asked without; "
            "LateIndex's storage; a viewer's whole reads, the first in each function and one in five minutes; data "
            "transfer out to viewers; KMS, cents: by default only the failure topic uses it, by a key of AWS's. DRS's "
            "API is taken to be free.",
            f"- Prices that no stored page confirms for this Region: {', '.join(unsure) or 'none'}.",
            f"- AWS's always-free tier would leave {_usd(_after_free_tier(counts, listed))} of {SMALL.name}, all "
            "together, in an account that has nothing else.",
        ]
    )


def _after_free_tier(counts: Counts, listed: Mapping[str, Any]) -> float:
    """Dollars of the small month, all together; the table's free storage, which is cents, is left out."""
    prices, free = of_one(listed), listed["always_free"]
    services = {
        "Lambda": ("lambda_gb_second", "lambda_request"),
        "SQS": ("sqs_request",),
        "CloudWatch Logs": ("logs_ingestion",),
        "SNS": ("sns_publish", "sns_email"),
        "Custom metrics": ("metric",),
        "Alarms": ("alarm",),
        "Dashboard": ("dashboard",),
        "Schedules": ("scheduler_invocation",),
    }
    dollars = _all(counts, prices, SMALL)
    for service, names in services.items():
        taken_off = sum(free[name]["quantity"] * prices[name] for name in names)
        dollars[service] = max(0.0, dollars[service] - taken_off)
    return total(dollars)


def _is_within(dollars: float, limit: float) -> str:
    return f"**{'yes' if dollars < limit else 'NO'}, {_usd(dollars)}**"


def _usd(dollars: float, digits: int = 2) -> str:
    return f"${dollars:,.{digits}f}"


def _table(headings: Sequence[str], rows: Iterable[Sequence[Any]], digits: int = 2) -> str:
    def cell(value: Any) -> str:
        return value if isinstance(value, str) else _usd(value, digits)

    lines = [headings, ("---", *("---:" for _ in headings[1:])), *([*map(cell, row)] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> int:
    """Write the page."""
    PAGE.write_text(render(*read()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
