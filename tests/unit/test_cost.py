from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import cost, defaults
from benchmarks.capacity import item_bytes, ledger_bytes, write_units
from benchmarks.harness import ROOT
from tests.support import hcl
from tests.terraform import test_observability

if TYPE_CHECKING:
    from collections.abc import Mapping

COUNTS, LISTED = cost.read()
PRICES = cost.of_one(LISTED)


def test_the_page_has_the_counts_and_the_prices() -> None:
    page = cost.PAGE.read_text()

    assert cost.rendered(page, COUNTS, LISTED) == page, "run `python -m benchmarks --pages`"


def test_the_readme_has_the_same_cost() -> None:
    pipeline, total = (cost.total(cost_of(COUNTS, PRICES, cost.SMALL)) for cost_of in (cost.pipeline, cost.everything))

    text = " ".join((ROOT / "README.md").read_text().split())
    assert f"${pipeline:.2f} a month for 200 executions of 100 events, ${total:.2f} with" in text


def test_the_cost_is_within_its_limits() -> None:
    assert cost.total(cost.pipeline(COUNTS, PRICES, cost.SMALL)) < 1.50
    assert cost.total(cost.everything(COUNTS, PRICES, cost.SMALL)) < 10


def test_each_price_has_its_unit_and_its_source() -> None:
    for name, price in LISTED["prices"].items():
        assert price["usd"] > 0, name
        assert price["source"].startswith("https://aws.amazon.com/"), name
        assert {"per", "unit", "read_at", "as_of", "verified"} <= price.keys(), name


def counts(**known: float) -> Mapping[str, float]:
    """These counts; all others are zero."""
    return dict.fromkeys(COUNTS, 0.0) | known


def test_lambda_polls_an_empty_queue_657_000_times_per_month() -> None:
    # 5 polls, three a minute each, 43,800 minutes: 657,000 requests at $0.40 a million.
    assert cost.sqs_dollars(counts(), PRICES, cost.NOTHING) == pytest.approx(0.2628)
    # Three requests for each of 200 × 132 messages and 200 × 10 checks.
    dollars = cost.sqs_dollars(counts(message_chunks_100=132), PRICES, cost.SMALL)
    assert dollars == pytest.approx(0.2628 + 0.03168 + 0.0024)


def test_the_collector_is_billed_for_57_seconds_of_a_minute_in_which_a_job_runs() -> None:
    month = replace(cost.NOTHING, executions=100, job_minutes=10)

    # 1,000 minutes of 57 s with 0.25 GB, 87,600 requests of the two schedules, and 100 × 10 checks.
    assert cost.lambda_dollars(counts(), PRICES, month) == pytest.approx(57_000 / 4 * 0.0000133334 + 88_600 * 0.2e-6)


def test_jobs_run_at_most_the_whole_month() -> None:
    assert cost.LARGE.running_minutes == 43_800
    assert cost.LARGE.hours_with_jobs == 730


def test_the_cpu_time_is_divided_by_the_share_of_a_core() -> None:
    assert cost.billed_seconds("linker", 256, 2) == pytest.approx(1.769 + 2 * cost.WAIT_SECONDS)


def test_a_function_is_billed_for_its_own_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "MEMORY_MB", {**defaults.MEMORY_MB, "api": 1024})
    polls = replace(cost.NOTHING, polls=1000)
    # 1024 ms of CPU time at the share of 1024 MB, and 1 s of waiting: 2,769 GB-seconds.
    counted = counts(poll_cpu_ms_100=1024, poll_calls_100=20)

    added = cost.lambda_dollars(counted, PRICES, polls) - cost.lambda_dollars(counted, PRICES, cost.NOTHING)
    assert added == pytest.approx(2769 * 0.0000133334 + 1000 * 0.2e-6)


def test_an_event_costs_write_units_and_storage_in_table_index_and_backup() -> None:
    one = counts(rows_100=1, item_bytes_100=900, write_units_100=2)
    month = replace(cost.SMALL, executions=1_000_000)

    # 2,000,000 units at $0.625 per million; 1 GB, overhead included, stored twice and backed up once.
    assert cost.dynamodb_dollars(one, PRICES, month) == pytest.approx(1.25 + 2 * 0.25 + 0.20)


def test_a_report_costs_requests_storage_and_a_daily_check() -> None:
    month = replace(cost.NOTHING, executions=1000)
    counted = counts(
        evidence_puts_100=4,
        evidence_gets_100=6,
        evidence_check_gets_100=1,
        evidence_report_file_bytes_100=50_000,
        evidence_check_read_units_100=10,
        evidence_check_calls_100=4,
    )

    dollars = cost.evidence(counted, PRICES, month)
    assert dollars["Alarms"] == pytest.approx(0.70)
    # 4,000 puts at $0.005 per 1,000; 6,000 other requests, and one for each of 30,000 checks, at $0.0004 per 1,000.
    assert dollars["S3: requests"] == pytest.approx(0.02 + 36 * 0.0004)
    # 84.07 months of 50 MB at $0.023 a GB.
    assert dollars["S3: storage"] == pytest.approx(2557 / (730 / 24) * 0.05 * 0.023)
    # 657,000 polls; three requests for each report, and 2.1 for each check, at $0.40 a million.
    assert dollars["SQS"] == pytest.approx(0.2628 + 0.0012 + 0.0252)
    # 30,000 checks of four requests of 50 ms with 0.5 GB, and the daily run.
    assert dollars["Lambda"] == pytest.approx(30_000 * 0.2 * 0.5 * 0.0000133334 + (31_000 + 730 / 24) * 0.2e-6)


def test_nothing_is_written_without_executions() -> None:
    dollars = cost.evidence(COUNTS, PRICES, cost.NOTHING)

    assert {what for what, value in dollars.items() if value > 0.01} == {"Alarms", "SQS"}


def test_one_invocation_per_second_and_one_in_twenty_of_the_others_is_traced() -> None:
    assert cost.traces(43_800) == 43_800
    assert cost.traces(cost.SECONDS + 100) == cost.SECONDS + 5


def test_the_size_of_an_item_follows_the_documented_rule() -> None:
    assert item_bytes({"name": {"S": "é"}}) == 4 + 2
    assert item_bytes({"n": {"N": "1767225600"}}) == 1 + 4 + 1  # two digits per byte, without trailing zeros
    assert item_bytes({"m": {"M": {"b": {"BOOL": True}}}}) == 1 + 3 + (1 + 1) + 1
    assert item_bytes({"l": {"L": [{"S": "ab"}, {"NULL": True}]}}) == 1 + 3 + (2 + 1) + (1 + 1)


def test_a_row_costs_a_write_unit_in_the_table_and_in_each_index_that_contains_it() -> None:
    plain = {"JobId": {"S": "j"}, "EventKey": {"S": "k"}, "Timestamp": {"S": "t"}, "Message": {"S": "m" * 1100}}
    linked = plain | {"ExecutionId": {"S": "e"}}
    of_server = linked | {"LedgerServerId": {"S": "s"}}
    of_job = linked | {"LedgerMonth": {"S": "2025-11"}, "LedgerKey": {"S": "l"}, "Summary": {"M": {}}}

    assert [write_units(row) for row in (plain, linked, of_server, of_job)] == [2, 4, 5, 6]
    assert [ledger_bytes(row) for row in (plain, linked)] == [0, 0]
    assert ledger_bytes(of_server) > 2 * 1100 + 3 * 100


def test_a_binary_value_has_the_size_of_its_bytes() -> None:
    assert item_bytes({"b": {"B": b"123"}}) == item_bytes({"b": {"B": "MTIz"}}) == 4


def test_the_alarms_are_those_of_the_default_plan() -> None:
    composite: dict[str, Any] = next(
        local["possible_composite_alarms"]
        for local in hcl.load("alarms.tf")["locals"]
        if "possible_composite_alarms" in local
    )

    # test_observability.py compares them with the plan.
    metrics = [metric for watched, *_ in test_observability.EXPRESSIONS.values() for metric in watched]
    assert len(test_observability.ALARMS) + len(metrics) == cost.ALARM_METRICS
    assert len(composite) == cost.COMPOSITE_ALARMS


def test_the_defaults_are_those_of_the_inputs() -> None:
    inputs = json.dumps({name: hcl.source_of_type("variables.tf", name) for name in ("functions", "collector")})

    (memory_sizes,) = [
        part["default_memory_sizes"] for part in hcl.load("main.tf")["locals"] if "default_memory_sizes" in part
    ]
    # The function evidence exists only with its input. docs/performance.md does not have it.
    assert memory_sizes == defaults.MEMORY_MB | {"evidence": cost.EVIDENCE_MEMORY_MB}
    (evidence_inputs,) = [hcl.source_of_type("variables.tf", "evidence")]
    assert f"retention_days       = optional(number, {cost.EVIDENCE_DAYS})" in evidence_inputs
    assert f"poll_interval_seconds = optional(number, {defaults.POLL_SECONDS})" in inputs
    assert "tracing               = optional(bool, false)" in inputs
    assert "log_retention_in_days = optional(number, 30)" in inputs
    variables = {name: block for one in hcl.load("variables.tf")["variable"] for name, block in one.items()}
    assert variables["retention_days"]["default"] == cost.RETENTION_DAYS
    assert variables["history_days"]["default"] == cost.HISTORY_DAYS
