"""The monthly cost of the module, from the counts in docs/performance.json and the list prices in prices.json.

This module only calculates. A value that is neither counted nor a price is an assumption and has its reason here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from benchmarks import pages, quota
from benchmarks.defaults import MEMORY_MB, POLL_SECONDS
from benchmarks.harness import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Counts = Mapping[str, float]
    Prices = Mapping[str, float]
    Dollars = dict[str, float]  # by service

PRICES: Final = ROOT / "benchmarks/prices.json"
PAGE: Final = ROOT / "docs/cost.md"

HOURS: Final = 730  # of a month, as AWS calculates
MINUTES: Final = HOURS * 60
SECONDS: Final = MINUTES * 60

# Limits in dollars for SMALL.
PIPELINE_LIMIT: Final = 1.50
TOTAL_LIMIT: Final = 10.0

# Defaults of the module. tests/unit/test_cost.py compares them with the Terraform code.
SCHEDULES: Final = 2  # collector and linker, once a minute each
ALARM_METRICS: Final = 31  # 29 alarms; CloudWatch bills each metric of an alarm
COMPOSITE_ALARMS: Final = 2  # optional
EVIDENCE_ALARMS: Final = 7  # optional
EVIDENCE_MEMORY_MB: Final = 512
EVIDENCE_DAYS: Final = 2557  # evidence.retention_days
RETENTION_DAYS: Final = 30
HISTORY_DAYS: Final = 400

# AWS's documentation.
# With a maximum concurrency, as here, Lambda keeps at least five pollers.
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
POLLERS: Final = 5
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/best-practices-setting-up-long-polling.html
POLLER_SECONDS: Final = 20
# https://docs.aws.amazon.com/xray/latest/devguide/xray-console-sampling.html
TRACED_BEYOND: Final = 0.05  # the share of the requests beyond one per second
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
OVERHEAD_OF_AN_ITEM: Final = 100  # bytes of storage
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
OVERHEAD_OF_A_LINE: Final = 26  # bytes
RECORD_BYTES: Final = 1024  # of a report, at most: it is one write unit

# Assumptions.
JOB_MINUTES: Final = (9 + 24 + 29 + 31) / 4  # the four real jobs with a published duration: 2, 2, 25 and 2 servers
CORE: Final = 1.0  # speed of a Lambda core relative to a core of the machine that counted
WAIT_SECONDS: Final = 0.05  # for each request to AWS, DRS included
ACCESS_LOG_BYTES: Final = 600  # a line of the API's access log
GB: Final = 1e9  # bytes; 2^30 would be cheaper
# Four checks while the start of an execution is not reported, and six after its end. There is no executions table.
CHECKS: Final = 10
FACTS: Final = 2  # the start and the end of an execution: a notice and an event each
DAYS: Final = HOURS / 24
MONTHS_OF_EVIDENCE: Final = EVIDENCE_DAYS / DAYS
# SQS takes the messages of the daily run in batches of ten. Each is received and deleted separately.
REQUESTS_OF_A_CHECK: Final = 2.1
POLLS_OF_AN_HOUR: Final = 1200  # a viewer polls every three seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A month of executions with one job each. ``events`` is 100 or 1000, the sizes of a job that were counted."""

    name: str
    executions: float = 0
    events: int = 100
    job_minutes: float = JOB_MINUTES
    polls: float = 0
    never_linked: float = 0

    @property
    def running_minutes(self) -> float:
        """Minutes in which a job runs. Jobs do not overlap until they fill the month."""
        return min(MINUTES, self.executions * self.job_minutes)

    @property
    def hours_with_jobs(self) -> float:
        """Clock hours in which a job runs. Jobs share no hour, and start at a random time of their first hour."""
        return min(HOURS, self.executions * (1 + self.job_minutes / 60))


SMALL: Final = Scenario(name="200 executions × 100 events", executions=200)
LARGE: Final = Scenario(name="20,000 executions × 1,000 events", executions=20_000, events=1000)
NOTHING: Final = Scenario(name="no executions")


@dataclass(frozen=True, slots=True)
class Use:
    """Invocations of a function in a month. ``seconds`` are billed."""

    invocations: float
    seconds: float
    log_bytes: float


def billed_seconds(function: str, cpu_ms: float, calls: float) -> float:
    """Duration of an invocation: CPU time at the memory's share of a core, and the sequential waits for AWS."""
    return _seconds(MEMORY_MB[function], cpu_ms, calls)


def _seconds(memory_mb: int, cpu_ms: float, calls: float) -> float:
    return cpu_ms / 1000 * CORE / quota.share(memory_mb) + calls * WAIT_SECONDS


def uses(counts: Counts, month: Scenario) -> dict[str, Use]:
    """The use of each function."""

    def count(name: str) -> float:
        return counts[f"{name}_{month.events}"]

    idle, running = MINUTES - month.running_minutes, month.running_minutes
    idle_ms = counts["collector_idle_cpu_ms"] + listing_cpu_ms(counts, month)
    messages, checks = month.executions * count("messages"), month.executions * CHECKS
    linker_ms = counts["linker_idle_cpu_ms"] + month.never_linked * counts["unlinked_scan_cpu_ms_per_event"]
    # One event per invocation: without a batching window, single events are not combined.
    ingest_seconds = billed_seconds("ingest", count("ingest_of_1_cpu_ms"), 1)
    return {
        "collector": Use(
            MINUTES,
            idle * billed_seconds("collector", idle_ms, counts["collector_idle_calls"]) + running * (60 - POLL_SECONDS),
            idle * logged(counts["collector_idle_log_bytes"]) + running * logged(count("pass_log_bytes")),
        ),
        "linker": Use(
            MINUTES,
            MINUTES * billed_seconds("linker", linker_ms, counts["linker_idle_calls"]),
            MINUTES * logged(counts["linker_idle_log_bytes"]),
        ),
        "ingest": Use(
            messages + checks,
            messages * ingest_seconds + checks * billed_seconds("ingest", count("check_cpu_ms"), count("check_calls")),
            messages * logged(count("ingest_of_1_log_bytes")) + checks * logged(count("check_log_bytes")),
        ),
        "api": Use(
            month.polls,
            month.polls * billed_seconds("api", count("poll_cpu_ms"), count("poll_calls")),
            month.polls * (logged(ACCESS_LOG_BYTES) + count("poll_log_bytes")),
        ),
    }


def listing_cpu_ms(counts: Counts, month: Scenario) -> float:
    """CPU time per pass for the list of the jobs of a day (``lookback_hours``)."""
    jobs = month.executions * 24 / HOURS
    return jobs * counts[f"servers_{month.events}"] * counts["listed_server_cpu_ms"]


def logged(line_bytes: float) -> float:
    """Billed bytes of a log line."""
    return line_bytes + OVERHEAD_OF_A_LINE


def lambda_dollars(counts: Counts, prices: Prices, month: Scenario) -> float:
    """Requests and GB-seconds."""
    of = uses(counts, month)
    gb_seconds = sum(use.seconds * MEMORY_MB[name] / 1024 for name, use in of.items())
    invocations = sum(use.invocations for use in of.values())
    return gb_seconds * prices["lambda_gb_second"] + invocations * prices["lambda_request"]


def dynamodb_dollars(counts: Counts, prices: Prices, month: Scenario) -> float:
    """Units, storage of 30 days of events and 400 days of the ledger in table and indexes, point-in-time recovery."""

    def count(name: str) -> float:
        return counts[f"{name}_{month.events}"]

    # Launch results have no execution: assume that the linker links each of them.
    late = count("launch_results") * counts["late_link_write_units_per_event"]
    writes = month.executions * (
        count("write_units")
        + count("repeat_write_units")
        + count("notice_write_units")
        + late
        + CHECKS * count("check_write_units")
    )
    scanned = month.never_linked * counts["unlinked_scan_read_units_per_event"]
    reads = (
        month.executions * (count("read_units") + CHECKS * count("check_read_units"))
        + MINUTES * (counts["linker_idle_read_units"] + scanned)
        + month.polls * count("poll_read_units")
    )
    gigabytes = month.executions * count("rows") * (count("item_bytes") + OVERHEAD_OF_AN_ITEM) / GB
    # The first 30 days of the ledger are among the events. Half of its bytes are those of the indexes.
    ledger = month.executions * count("ledger_bytes") * (HISTORY_DAYS - RETENTION_DAYS) / RETENTION_DAYS / GB
    return (
        writes * prices["dynamodb_write_unit"]
        + reads * prices["dynamodb_read_unit"]
        + gigabytes * (2 * prices["dynamodb_storage"] + prices["dynamodb_pitr"])
        + ledger * (prices["dynamodb_storage"] + prices["dynamodb_pitr"] / 2)
    )


def sqs_dollars(counts: Counts, prices: Prices, month: Scenario) -> float:
    """Long polls of the empty queue all month; send, receive and delete of each message and check."""
    polls = POLLERS * SECONDS / POLLER_SECONDS
    messages = month.executions * (counts[f"message_chunks_{month.events}"] + CHECKS)
    return (polls + 3 * messages) * prices["sqs_request"]


def logs_dollars(counts: Counts, prices: Prices, month: Scenario) -> float:
    """The functions' logs and the access log, stored for 30 days without compression."""
    gigabytes = sum(use.log_bytes for use in uses(counts, month).values()) / GB
    return gigabytes * (prices["logs_ingestion"] + prices["logs_storage"])


def pipeline(counts: Counts, prices: Prices, month: Scenario) -> Dollars:
    """The cost of the pipeline, idle time included."""
    # Events of AWS services are free; these are the collector's.
    eventbridge = month.executions * (counts[f"event_chunks_{month.events}"] + FACTS) * prices["eventbridge_event"]
    # One failed server each, to one mailbox.
    notifications = month.executions * (counts[f"notices_{month.events}"] + FACTS)
    return {
        "Lambda": lambda_dollars(counts, prices, month),
        "SQS": sqs_dollars(counts, prices, month),
        "DynamoDB": dynamodb_dollars(counts, prices, month),
        "EventBridge": eventbridge,
        "CloudWatch Logs": logs_dollars(counts, prices, month),
        "SNS": notifications * (prices["sns_publish"] + prices["sns_email"]),
        "API Gateway": month.polls * prices["api_request"],
    }


SWITCHES: Final[Mapping[str, str]] = {
    "Custom metrics": "`collector = { enabled = false }` leaves one of those sent every minute",
    "Alarms": "`alarms = { enabled = false }`",
    "Dashboard": "`dashboard = false`",
    "Schedules": "`collector = { enabled = false }` leaves the linker's schedule",
}
CHOICES: Final[Mapping[str, str]] = {
    "Composite alarms": "`alarms = { pipeline_actions = […], recovery_actions = […] }`",
    "X-Ray traces": "`functions = { tracing = true }`",
}


@dataclass(frozen=True, slots=True)
class Reports:
    """The reports of a month. A report has one revision, without a retry."""

    written: float
    checked: float
    events: int
    counts: Counts

    @classmethod
    def of(cls, counts: Counts, month: Scenario) -> Reports:
        """The daily run checks the executions of the last ``retention_days``."""
        return cls(month.executions, month.executions * RETENTION_DAYS, month.events, counts)

    def each(self, name: str) -> float:
        """Return a count of one report."""
        return self.counts[f"evidence_{name}_{self.events}"]

    def all(self, name: str) -> float:
        """Return a count of all reports, and of all checks."""
        return self.written * self.each(name) + self.checked * self.each(f"check_{name}")

    @property
    def file_bytes(self) -> float:
        """The size of the files of a report."""
        return sum(self.each(f"{name}_file_bytes") for name in ("report", "log", "servers", "summary"))

    @property
    def puts(self) -> float:
        """The objects that are written."""
        return self.written * self.each("puts")


def evidence(counts: Counts, prices: Prices, month: Scenario) -> Dollars:
    """The cost of the input ``evidence`` in a month, when the bucket has the reports of ``evidence.retention_days``."""
    reports = Reports.of(counts, month)
    seconds = sum(
        number * _seconds(EVIDENCE_MEMORY_MB, reports.each(f"{name}cpu_ms"), reports.each(f"{name}calls"))
        for name, number in (("", reports.written), ("check_", reports.checked))
    )
    invocations = reports.written + reports.checked + DAYS
    polls = POLLERS * SECONDS / POLLER_SECONDS
    messages = 3 * reports.written + REQUESTS_OF_A_CHECK * reports.checked
    log_bytes = reports.all("log_bytes") + OVERHEAD_OF_A_LINE * (2 * reports.written + reports.checked)
    gigabytes = reports.written * MONTHS_OF_EVIDENCE * reports.file_bytes / GB
    # One record of a unit for each report, in the table and its backup.
    records = reports.written * MONTHS_OF_EVIDENCE * (RECORD_BYTES + OVERHEAD_OF_AN_ITEM) / GB
    return {
        "Alarms": EVIDENCE_ALARMS * prices["alarm"],
        "Custom metric": min(HOURS, reports.written) / HOURS * prices["metric"],
        "SQS": (polls + messages) * prices["sqs_request"],
        "S3: requests": reports.puts * prices["s3_put"] + reports.all("gets") * prices["s3_get"],
        "S3: storage": gigabytes * prices["s3_storage"],
        "Lambda": seconds * EVIDENCE_MEMORY_MB / 1024 * prices["lambda_gb_second"]
        + invocations * prices["lambda_request"],
        "DynamoDB": reports.all("read_units") * prices["dynamodb_read_unit"]
        + reports.all("write_units") * prices["dynamodb_write_unit"]
        + records * (prices["dynamodb_storage"] + prices["dynamodb_pitr"]),
        "CloudWatch Logs": log_bytes / GB * (prices["logs_ingestion"] + prices["logs_storage"]),
        "Schedule": DAYS * prices["scheduler_invocation"],
    }


def evidence_options(counts: Counts, prices: Prices, month: Scenario) -> Dollars:
    """The additional cost of options of evidence, without queries and without the key itself."""
    reports = Reports.of(counts, month)
    rows = reports.written * MONTHS_OF_EVIDENCE * reports.each("rows_bytes") / GB
    # Each file of rows is looked up before it is written. KMS gets at most one request for each object of a request.
    requests = reports.puts + reports.all("gets")
    return {
        "Rows for Athena": rows * prices["s3_storage"]
        + reports.written * reports.each("rows_puts") * (prices["s3_put"] + prices["s3_get"]),
        "Requests to KMS, at most": requests * prices["kms_request"],
    }


def monitoring(counts: Counts, prices: Prices, month: Scenario) -> Dollars:
    """The cost of metrics, alarms, dashboard and schedules, most of which does not depend on use."""
    always = counts["collector_idle_metrics"] + counts["linker_idle_metrics"]
    with_jobs = metrics_with_jobs(counts, month)
    return {
        "Custom metrics": (always + with_jobs * month.hours_with_jobs / HOURS) * prices["metric"],
        "Alarms": ALARM_METRICS * prices["alarm"],
        "Dashboard": prices["dashboard"],
        "Schedules": SCHEDULES * MINUTES * prices["scheduler_invocation"],
    }


def metrics_with_jobs(counts: Counts, month: Scenario) -> float:
    """Additional metrics in hours with jobs: the counted ones, and EventsLinked for launch results."""
    return counts[f"metrics_{month.events}"] - counts["collector_idle_metrics"] + 1


def optional(counts: Counts, prices: Prices, month: Scenario) -> Dollars:
    """The cost of options that are off by default."""
    return {
        "Composite alarms": COMPOSITE_ALARMS * prices["composite_alarm"],
        "X-Ray traces": sum(traces(use.invocations) for use in uses(counts, month).values()) * prices["xray_trace"],
    }


def traces(invocations: float) -> float:
    """Traces of evenly spread invocations: one per second, and a share of the rest."""
    return min(invocations, SECONDS) + TRACED_BEYOND * max(0.0, invocations - SECONDS)


def total(dollars: Dollars) -> float:
    return sum(dollars.values())


def everything(counts: Counts, prices: Prices, month: Scenario) -> Dollars:
    """The cost of the pipeline, monitoring and schedules, by service."""
    return pipeline(counts, prices, month) | monitoring(counts, prices, month)


def read() -> tuple[dict[str, float], dict[str, Any]]:
    """The counts, and the content of prices.json."""
    counts: dict[str, float] = json.loads(pages.MEASURED.read_text())["counts"]
    return counts, json.loads(PRICES.read_text())


def of_one(listed: Mapping[str, Any]) -> dict[str, float]:
    """Prices of one unit, in dollars."""
    return {name: price["usd"] / price["per"] for name, price in listed["prices"].items()}


def write() -> None:
    """Write the tables of the page."""
    PAGE.write_text(rendered(PAGE.read_text(), *read()))


def rendered(page: str, counts: Counts, listed: Mapping[str, Any]) -> str:
    """The page with its tables."""
    prices = of_one(listed)
    parts = {
        "MONTHS": _months(counts, prices),
        "OPTIONS": _table(
            ("", SMALL.name, "how to switch it off or on"),
            [
                (what, dollars, {**SWITCHES, **CHOICES}[what])
                for what, dollars in (monitoring(counts, prices, SMALL) | optional(counts, prices, SMALL)).items()
            ],
        ),
        "GROWTH": _growth(counts, prices),
        "EVIDENCE": _evidence(counts, prices),
        "EVIDENCE FIGURES": pages.table(
            ("what", "100 events", "1,000 events"), _evidence_figures(counts), numbers=True
        ),
        "KEY FIGURES": pages.table(("what", "value"), _key_figures(counts, listed), numbers=True),
    }
    return pages.filled(page, parts)


def _months(counts: Counts, prices: Prices) -> str:
    months = (NOTHING, SMALL, LARGE)

    def rows(dollars: Callable[[Counts, Prices, Scenario], Dollars]) -> list[tuple[Any, ...]]:
        columns = [dollars(counts, prices, month) for month in months]
        return [(what, *(column[what] for column in columns)) for what in columns[0]]

    def sums(what: str, dollars: Callable[[Counts, Prices, Scenario], Dollars]) -> tuple[Any, ...]:
        return (f"**{what}**", *(total(dollars(counts, prices, month)) for month in months))

    return _table(
        ("", *(month.name for month in months)),
        [
            *rows(pipeline),
            sums("pipeline", pipeline),
            *rows(monitoring),
            sums("total", everything),
            *((f"optional: {what}", *dollars) for what, *dollars in rows(optional)),
        ],
    )


def _growth(counts: Counts, prices: Prices) -> str:
    steps = {
        "1,000 executions of 100 events": (SMALL, replace(SMALL, executions=SMALL.executions + 1000)),
        "1,000,000 events, in executions of 1,000": (LARGE, replace(LARGE, executions=LARGE.executions + 1000)),
        "10,000 events that stay unlinked": (SMALL, replace(SMALL, never_linked=10_000)),
        "an hour of a viewer, 100 events": (SMALL, replace(SMALL, polls=POLLS_OF_AN_HOUR)),
        "an hour of a viewer, 1,000 events": (LARGE, replace(LARGE, polls=POLLS_OF_AN_HOUR)),
    }
    constant = everything(counts, prices, NOTHING)
    columns = [constant]
    for start, end in steps.values():
        before, after = everything(counts, prices, start), everything(counts, prices, end)
        columns.append({service: after[service] - before[service] for service in constant})
    rows = [(service, *(column[service] for column in columns)) for service in constant]
    headings = ("", "constant", *(f"+ {step}" for step in steps))
    return _table(headings, [*rows, ("**total**", *map(total, columns))], digits=4)


def _evidence(counts: Counts, prices: Prices) -> str:
    months = (NOTHING, SMALL, LARGE)
    parts = [evidence(counts, prices, month) for month in months]
    options = [evidence_options(counts, prices, month) for month in months]
    return _table(
        ("", *(month.name for month in months)),
        [
            *((what, *(part[what] for part in parts)) for what in parts[0]),
            ("**total**", *map(total, parts)),
            *((f"optional: {what}", *(option[what] for option in options)) for what in options[0]),
        ],
    )


def _evidence_figures(counts: Counts) -> Iterable[tuple[str, ...]]:
    small, large = (Reports.of(counts, month) for month in (SMALL, LARGE))
    names = {"report": "html", "log": "ndjson.gz", "servers": "ndjson.gz", "summary": "json"}

    def row(what: str, of: Callable[[Reports], float], form: str = ",.0f", unit: str = "") -> tuple[str, ...]:
        return (what, *(f"{of(reports):{form}}{unit}" for reports in (small, large)))

    def kilobytes(name: str) -> Callable[[Reports], float]:
        return lambda reports: reports.each(name) / 1000

    def seconds(prefix: str) -> Callable[[Reports], float]:
        return lambda reports: _seconds(
            EVIDENCE_MEMORY_MB, reports.each(f"{prefix}cpu_ms"), reports.each(f"{prefix}calls")
        )

    for name, suffix in names.items():
        yield row(f"size of `{name}.{suffix}`", kilobytes(f"{name}_file_bytes"), ",.1f", " KB")
    yield row("size of all four files", lambda reports: reports.file_bytes / 1000, ",.1f", " KB")
    yield row("size of the rows for Athena", kilobytes("rows_bytes"), ",.1f", " KB")
    yield row("PUT requests of a report", lambda reports: reports.each("puts"))
    yield row("other requests to S3 of a report", lambda reports: reports.each("gets"))
    yield row("requests to S3 of a check in the daily run", lambda reports: reports.each("check_gets"))
    yield row("read units of a report or a check", lambda reports: reports.each("check_read_units"))
    yield row("CPU time of a report, full core", lambda reports: reports.each("cpu_ms"), ",.0f", " ms")
    yield row("CPU time of a check, full core", lambda reports: reports.each("check_cpu_ms"), ",.0f", " ms")
    yield row("billed duration of a report", seconds(""), ",.2f", " s")
    yield row("billed duration of a check", seconds("check_"), ",.2f", " s")
    yield row(
        "reports in the bucket after `evidence.retention_days`",
        lambda reports: reports.written * MONTHS_OF_EVIDENCE * reports.file_bytes / GB,
        ",.1f",
        " GB",
    )


def _key_figures(counts: Counts, listed: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    prices = of_one(listed)
    itself, all_ = total(pipeline(counts, prices, SMALL)), everything(counts, prices, SMALL)
    longer = replace(SMALL, job_minutes=SMALL.job_minutes + 1)
    minute = total(pipeline(counts, prices, longer)) - itself
    gb_seconds = SMALL.running_minutes * (60 - POLL_SECONDS) * MEMORY_MB["collector"] / 1024
    collecting = gb_seconds * prices["lambda_gb_second"]
    always = counts["collector_idle_metrics"] + counts["linker_idle_metrics"]
    unverified = [f"{name} ({price['read_at']})" for name, price in listed["prices"].items() if not price["verified"]]
    for what, dollars, limit in (("pipeline", itself, PIPELINE_LIMIT), ("total", total(all_), TOTAL_LIMIT)):
        yield f"{what}, limit {_usd(limit)}", f"{_usd(dollars)} ({'met' if dollars < limit else 'MISSED'})"
    yield "total with both options", _usd(total(all_) + total(optional(counts, prices, SMALL)))
    yield "total without the dashboard", _usd(total(all_) - all_["Dashboard"])
    yield "collector while jobs run, part of the pipeline", _usd(collecting)
    yield "each additional minute of every job", _usd(minute)
    yield (
        f"average job duration at which the pipeline costs {_usd(PIPELINE_LIMIT)}",
        f"{SMALL.job_minutes + (PIPELINE_LIMIT - itself) / minute:.1f} minutes instead of {SMALL.job_minutes:.1f}",
    )
    yield "custom metrics sent every minute", f"{always:.0f}"
    yield "further custom metrics in hours with jobs", f"{metrics_with_jobs(counts, SMALL):.0f}"
    yield "long polls of the empty queue per month", f"{POLLERS * SECONDS / POLLER_SECONDS:,.0f}"
    yield (
        f"{LARGE.name}: list of a day's jobs, once a minute, calculated",
        f"{billed_seconds('collector', listing_cpu_ms(counts, LARGE), 0):.1f} s",
    )
    yield "size of an event in the table", f"{counts['item_bytes_100']:.0f} bytes"
    for events in (100, 1000):
        yield f"read units of a viewer's poll, {events:,} events", f"{counts[f'poll_read_units_{events}']:g}"
        yield f"servers of a job with {events:,} events", f"{counts[f'servers_{events}']:.0f}"
        yield f"events put on the bus twice, of {events:,}", f"{counts[f'repeats_{events}']:.0f}"
    yield "prices that no stored page confirms for this Region", ", ".join(unverified) or "none"


def _usd(dollars: float, digits: int = 2) -> str:
    return f"${dollars:,.{digits}f}"


def _table(headings: Sequence[str], rows: Iterable[Sequence[Any]], digits: int = 2) -> str:
    cells = [[value if isinstance(value, str) else _usd(value, digits) for value in row] for row in rows]
    return pages.table(headings, cells, numbers=True)
