"""The plan of alarms, dashboard, failure notifications, archives and the KMS key."""

from __future__ import annotations

import itertools
import json
import math
import re
import statistics
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import drills
from tests.support.documented import SET_UP, read_blocks
from tests.support.metrics import AWS_DIMENSIONS
from tests.support.terraform import ROOT
from tests.terraform.conftest import ACCOUNT
from tests.terraform.test_plan import KEY, role_policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.terraform.conftest import Planned

RUNBOOKS = ROOT / "docs/runbooks"

# ---------------------------------------------------------------------------------------------------------------------
# Alarms
# ---------------------------------------------------------------------------------------------------------------------

SERVICE = {"service": "drs-job-log"}

# Alarms of one metric.
# name: namespace, metric, dimensions, statistic, comparison, threshold, datapoints to alarm, evaluation periods, period
ALARMS = {
    "processing-dlq-not-empty": (
        *("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": "drs-job-log-processing-dlq"}),
        *("Maximum", ">=", 1, 1, 1, 60),
    ),
    "delivery-dlq-not-empty": (
        *("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": "drs-job-log-delivery-dlq"}),
        *("Maximum", ">=", 1, 1, 1, 60),
    ),
    "queue-age": (
        *("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": "drs-job-log-ingest"}),
        *("Maximum", ">=", 300, 1, 1, 60),
    ),
    "event-lag": ("DRSJobLog", "EventLag", SERVICE, "p50", ">=", 5000, 3, 10, 60),
    "job-log-rule-failed-invocations": (
        *("AWS/Events", "FailedInvocations", {"RuleName": "drs-job-log-job-log"}),
        *("Sum", ">=", 1, 1, 1, 60),
    ),
    "job-log-rule-events-lost": (
        *("AWS/Events", "InvocationsFailedToBeSentToDlq", {"RuleName": "drs-job-log-job-log"}),
        *("Sum", ">=", 1, 1, 1, 60),
    ),
    "notices-undelivered": (
        *("AWS/SNS", "NumberOfNotificationsFailed", {"TopicName": "drs-job-log-failures"}),
        *("Sum", ">=", 1, 1, 1, 60),
    ),
    "api-5xx": ("AWS/ApiGateway", "5xx", None, "Sum", ">=", 5, 1, 1, 300),
    "api-latency": ("AWS/ApiGateway", "Latency", None, "p90", ">=", 500, 5, 5, 60),
    "server-failed": ("DRSJobLog", "ServerFailures", SERVICE, "Sum", ">=", 1, 1, 1, 60),
    "server-stalled": ("DRSJobLog", "ServersStalled", SERVICE, "Sum", ">=", 1, 1, 1, 60),
    "plan-step-failed": ("DRSJobLog", "PlanFailures", SERVICE, "Sum", ">=", 1, 1, 1, 60),
    "replication-stalled": ("DRSJobLog", "ReplicationStalls", SERVICE, "Sum", ">=", 1, 1, 1, 60),
    "collector-rule-failed-invocations": (
        *("AWS/Events", "FailedInvocations", {"RuleName": "drs-job-log-collector"}),
        *("Sum", ">=", 1, 1, 1, 60),
    ),
    **{
        f"{task}-{kind}": ("AWS/Lambda", metric, {"FunctionName": f"drs-job-log-{task}"}, *how)
        for task, milliseconds in {"ingest": 28500, "collector": 63000, "linker": 52250}.items()
        for kind, metric, how in (
            ("errors", "Errors", ("Sum", ">=", 5 if task == "ingest" else 3, 1, 1, 300)),
            ("throttles", "Throttles", ("Sum", ">=", 1, 1, 1, 300)),
            ("duration", "Duration", ("Maximum", ">=", milliseconds, 1, 1, 60)),
        )
        # Many new jobs at once can throttle the collector for a moment.
        if (task, kind) != ("collector", "throttles")
    },
}
# Alarms of an expression.
# name: namespace, metric, dimensions and statistic of each metric; comparison, threshold, datapoints, periods
EXPRESSIONS = {
    **{
        name: (
            [
                ("AWS/DynamoDB", metric, {"TableName": f"drs-job-log-{table}", "Operation": operation}, "Sum")
                for operation in operations
            ],
            *(">=", 10, 1, 5),
        )
        for name, metric, table, operations in (
            ("table-write-throttles", "ThrottledRequests", "events", ["PutItem", "UpdateItem"]),
            ("table-read-throttles", "ThrottledRequests", "events", ["Query", "Scan"]),
            ("table-write-errors", "SystemErrors", "events", ["PutItem"]),
            ("table-read-errors", "SystemErrors", "events", ["Query"]),
            ("notices-table-throttles", "ThrottledRequests", "notices", ["PutItem"]),
        )
    },
    "collector-heartbeat": ([("DRSJobLog", "CollectorHeartbeat", SERVICE, "Sum")], "<", 1, 5, 5),
    "linker-heartbeat": ([("DRSJobLog", "OldestUnlinkedEventAge", SERVICE, "SampleCount")], "<", 1, 5, 5),
}
COMPARISONS = {"GreaterThanOrEqualToThreshold": ">=", "LessThanThreshold": "<"}
RECOVERY = {"server-failed", "server-stalled", "plan-step-failed"}


def alarms(resources: Planned) -> list[dict[str, Any]]:
    return [values for address, values in resources.items() if "aws_cloudwatch_metric_alarm." in address]


def composites(resources: Planned) -> dict[str, dict[str, Any]]:
    return {
        values["alarm_name"]: values
        for address, values in resources.items()
        if "aws_cloudwatch_composite_alarm." in address
    }


def metrics(alarm: dict[str, Any]) -> list[tuple[str, str, dict[str, str] | None, str]]:
    """Return namespace, metric, dimensions and statistic of each metric of an alarm."""
    if not alarm["metric_query"]:
        statistic = alarm["statistic"] or alarm["extended_statistic"]
        # AWS creates the ID of the API, the only dimension of its metrics. test_applied.py tests it.
        return [(alarm["namespace"], alarm["metric_name"], alarm.get("dimensions"), statistic)]
    queries = [metric for query in alarm["metric_query"] for metric in query["metric"]]
    assert {metric["period"] for metric in queries} == {60}
    watched = [(metric["namespace"], metric["metric_name"], metric["dimensions"], metric["stat"]) for metric in queries]
    return sorted(watched, key=lambda metric: sorted(metric[2].items()))


def evaluation(alarm: dict[str, Any]) -> tuple[str, float, int, int]:
    """Return comparison, threshold, datapoints to alarm and evaluation periods of an alarm."""
    periods = alarm["evaluation_periods"]
    comparison = COMPARISONS[alarm["comparison_operator"]]
    return comparison, alarm["threshold"], alarm["datapoints_to_alarm"] or periods, periods


def test_the_default_alarms(planned: Callable[[str], Planned]) -> None:
    found = {alarm["alarm_name"].removeprefix("drs-job-log-"): alarm for alarm in alarms(planned("default"))}

    assert {
        name: (*metrics(alarm)[0], *evaluation(alarm), alarm["period"])
        for name, alarm in found.items()
        if not alarm["metric_query"]
    } == ALARMS
    assert {
        name: (metrics(alarm), *evaluation(alarm)) for name, alarm in found.items() if alarm["metric_query"]
    } == EXPRESSIONS


def test_an_objective_has_an_alarm(planned: Callable[[str], Planned]) -> None:
    (alarm,) = [alarm for alarm in alarms(planned("everything")) if alarm["alarm_name"] == "other-rto-exceeded"]

    assert metrics(alarm) == [("DRSJobLog", "ExecutionsOverRto", {"service": "other"}, "Maximum")]
    assert (evaluation(alarm), alarm["period"]) == ((">=", 1, 1, 1), 60)
    assert "objectives.rto_minutes = 240" in alarm["alarm_description"]


def test_the_alarms_for_throttling_add_all_operations_on_the_events_table(planned: Callable[[str], Planned]) -> None:
    resources = planned("default")
    actions = {
        action.removeprefix("dynamodb:")
        for address, values in resources.items()
        if address.endswith("aws_iam_role_policy.this")
        for statement in json.loads(values["policy"])["Statement"]
        for action in strings(statement["Action"])
        for resource in strings(statement["Resource"])
        if "table/drs-job-log-events" in resource
    }
    assert len(actions) > 3

    table_alarms = [
        alarm for alarm in alarms(resources) if re.search("table-.*-(throttles|errors)$", alarm["alarm_name"])
    ]
    throttles = [metric for alarm in table_alarms for metric in metrics(alarm) if metric[1] == "ThrottledRequests"]
    events = [
        dimensions
        for _, _, dimensions, _ in throttles
        if dimensions and dimensions["TableName"] == "drs-job-log-events"
    ]
    assert {dimensions["Operation"] for dimensions in events} == actions
    for alarm in table_alarms:
        ids = [query["id"] for query in alarm["metric_query"] if query["metric"]]
        (expression,) = [query["expression"] for query in alarm["metric_query"] if not query["metric"]]
        assert sorted(expression.split(" + ")) == [f"FILL({metric_id}, 0)" for metric_id in sorted(ids)]


def strings(value: str | list[str]) -> list[str]:
    """Return the value of a policy element as a list."""
    return [value] if isinstance(value, str) else value


def test_alarms_have_the_configured_thresholds(planned: Callable[[str], Planned]) -> None:
    thresholds = {
        alarm["alarm_name"].removeprefix("other-"): alarm["threshold"] for alarm in alarms(planned("everything"))
    }

    assert {name: thresholds[name] for name in thresholds if "rule" not in name and "dlq" not in name} == {
        "queue-age": 965,  # the visibility timeout, a minute and the batching window
        "event-lag": 32000,  # the batching window and a poll interval longer than 3 s
        "unlinked-events": 900,
        "executions-table-rejected": 1,
        "executions-missing": 1,
        **{f"{table}-throttles": 4 for table in ("table-write", "table-read", "notices-table")},
        **{f"{table}-errors": 6 for table in ("table-write", "table-read")},
        "api-5xx": 7,
        "api-latency": 800,
        "server-failed": 1,
        "server-stalled": 1,
        "plan-step-failed": 1,
        "replication-stalled": 1,
        "rto-exceeded": 1,
        "collector-heartbeat": 1,
        "linker-heartbeat": 1,
        **{f"{task}-errors": 2 for task in ("ingest", "collector", "linker")},
        **{f"{task}-throttles": 3 for task in ("ingest", "linker")},
        **{"ingest-duration": 30000, "collector-duration": 56000, "linker-duration": 27500},
    }


@pytest.mark.parametrize("copy_name", ["default", "everything"])
def test_alarms_of_aws_metrics_have_documented_dimensions(planned: Callable[[str], Planned], copy_name: str) -> None:
    of_aws = [
        metric for alarm in alarms(planned(copy_name)) for metric in metrics(alarm) if metric[0].startswith("AWS/")
    ]

    assert len(of_aws) > 20
    for namespace, name, dimensions, _ in of_aws:
        assert set(dimensions or {"ApiId": ""}) in AWS_DIMENSIONS[namespace, name], (name, dimensions)


def median_lags(lags: list[tuple[float, float]]) -> dict[int, float]:
    """Return the p50 of each minute with data. ``lags``: when an event is stored, and its lag, in seconds."""
    minutes: dict[int, list[float]] = {}
    for stored, lag in lags:
        minutes.setdefault(int(stored // 60), []).append(lag)
    return {minute: statistics.median_low(values) for minute, values in minutes.items()}


def fires(alarm: dict[str, Any], medians: dict[int, float]) -> bool:
    """Evaluate the alarm over all minutes. Minutes without data do not breach."""
    _, threshold, datapoints, periods = evaluation(alarm)
    breaching = [minute for minute, lag in medians.items() if 1000 * lag >= threshold]
    return any(sum(end - periods < minute <= end for minute in breaching) >= datapoints for end in breaching)


def lags_of(drill: list[float], start: float, passes: Callable[[float], float]) -> list[tuple[float, float]]:
    """Return when each event of a drill that starts at ``start`` is stored, and its lag. ``passes``: the next pass."""
    return [(passes(start + event) + 0.5, passes(start + event) + 0.5 - start - event) for event in drill]


def test_the_alarm_for_late_events_fires_for_a_small_job(planned: Callable[[str], Planned]) -> None:
    (alarm,) = [alarm for alarm in alarms(planned("default")) if alarm["alarm_name"].endswith("event-lag")]
    items = drills.items()
    jobs = {item.job["jobID"] for item in items}
    real = [
        [(item.time - job[0].time).total_seconds() for item in job]
        for job in ([item for item in items if item.job["jobID"] == job_id] for job_id in sorted(jobs))
    ]
    assert [len(drill) for drill in real] == [14, 14]

    def every_minute(second: int) -> Callable[[float], float]:
        return lambda event: math.ceil((event - second) / 60) * 60 + second

    def every_three_seconds(found: float) -> Callable[[float], float]:
        return lambda event: found if event <= found else found + math.ceil((event - found) / 3) * 3

    late = []
    for drill, start, second in itertools.product(real, range(0, 60, 5), range(0, 60, 5)):
        # All events are 6 s or more late.
        for lag in (6, 30, 600):
            assert fires(alarm, median_lags([(start + event + lag, lag) for event in drill])), (start, lag)
        # The collector does not run between two scheduled invocations. Some events are just before an invocation.
        late.append(fires(alarm, median_lags(lags_of(drill, start, every_minute(second)))))
        # Healthy: without a CloudTrail event, a job is found up to a minute late. Also more jobs.
        for waves in ([0], [0, 60], [0, 120], [0, 180], [0, 300, 600, 900]):
            lags = [
                lag
                for wave in waves
                for lag in lags_of(drill, start + wave, every_three_seconds(every_minute(second)(start + wave)))
            ]
            assert not fires(alarm, median_lags(lags)), waves
    assert statistics.mean(late) > 0.95


def test_alarms_of_rules_have_the_dimension_of_a_custom_bus(planned: Callable[[str], Planned]) -> None:
    dimensions = {
        alarm["alarm_name"]: alarm["dimensions"]
        for alarm in alarms(planned("custom_bus"))
        if alarm["namespace"] == "AWS/Events"
    }

    kinds = ("failed-invocations", "events-lost")
    assert dimensions == {
        **{
            f"custom-bus-job-log-rule-{kind}": {"EventBusName": "recovery", "RuleName": "custom-bus-job-log"}
            for kind in kinds
        },
        **{f"custom-bus-launch-results-rule-{kind}": {"RuleName": "custom-bus-launch-results"} for kind in kinds},
        "custom-bus-collector-rule-failed-invocations": {"RuleName": "custom-bus-collector"},
    }


def test_missing_data_breaches_heartbeats_only(
    planned: Callable[[str], Planned],
) -> None:
    treatment = {alarm["alarm_name"]: alarm["treat_missing_data"] for alarm in alarms(planned("default"))}

    others = {
        "drs-job-log-processing-dlq-not-empty": "ignore",
        "drs-job-log-delivery-dlq-not-empty": "ignore",
        "drs-job-log-collector-heartbeat": "breaching",
        "drs-job-log-linker-heartbeat": "breaching",
    }
    assert treatment == dict.fromkeys(treatment, "notBreaching") | others


def test_alarms_have_actions_and_ok_actions_if_they_can_end(
    planned: Callable[[str], Planned],
) -> None:
    action = f"arn:aws:sns:us-east-1:{ACCOUNT}:on-call"

    without_end = {
        *("server-failed", "server-stalled", "plan-step-failed", "replication-stalled", "executions-missing"),
        "collector-rule-failed-invocations",
    } | {
        f"{rule}-rule-{kind}"
        for rule in ("job-log", "launch-results")
        for kind in ("failed-invocations", "events-lost")
    }
    for alarm in alarms(planned("everything")):
        is_of_leader = alarm["alarm_name"] in {"other-rto-exceeded", "other-replication-stalled"}
        assert alarm["alarm_actions"] == [action, *[f"arn:aws:sns:us-east-1:{ACCOUNT}:recovery"] * is_of_leader]
        can_end = alarm["alarm_name"].removeprefix("other-") not in without_end
        assert (alarm["ok_actions"] or []) == [action] * can_end, alarm["alarm_name"]


def test_the_deprecated_input_for_actions_works_and_warns(
    plan: dict[str, Any], planned: Callable[[str], Planned]
) -> None:
    action = f"arn:aws:sns:us-east-1:{ACCOUNT}:on-call"

    assert {tuple(alarm["alarm_actions"]) for alarm in alarms(planned("without_collector"))} == {(action,)}
    checks = {
        instance["address"]["module"]: instance["status"]
        for check in plan["checks"]
        if check["address"]["kind"] == "check" and check["address"]["name"] == "alarm_actions"
        for instance in check["instances"]
    }
    assert [module for module, status in checks.items() if status != "pass"] == ["module.without_collector"]
    assert "module.everything" in checks


def test_two_composite_alarms_contain_all_alarms(planned: Callable[[str], Planned]) -> None:
    resources = planned("everything")
    pipeline = composites(resources)["other-pipeline-unhealthy"]
    recovery = composites(resources)["other-recovery-needs-a-person"]

    named = {
        name: re.findall(r'ALARM\("other-([a-z0-9-]+)"\)', alarm["alarm_rule"])
        for name, alarm in composites(resources).items()
    }
    assert set(named["other-recovery-needs-a-person"]) == RECOVERY
    # An unlinked job, or an execution that exceeds its objective, must not hide other problems. Stalled replication is
    # no part of a recovery.
    excluded = ["unlinked-events", "rto-exceeded", "replication-stalled"]
    assert sorted(named["other-pipeline-unhealthy"] + named["other-recovery-needs-a-person"] + excluded) == sorted(
        alarm["alarm_name"].removeprefix("other-") for alarm in alarms(resources)
    )
    assert pipeline["alarm_rule"].startswith('ALARM("other-api-5xx") OR ALARM("other-api-latency") OR ')
    assert len(pipeline["alarm_rule"]) < 10240
    platform_team, recovery_lead = (f"arn:aws:sns:us-east-1:{ACCOUNT}:{name}" for name in ("platform", "recovery"))
    assert (pipeline["alarm_actions"], pipeline["ok_actions"]) == ([platform_team], [platform_team])
    assert (recovery["alarm_actions"], recovery["ok_actions"] or []) == ([recovery_lead], [])


@pytest.mark.parametrize(
    ("copy_name", "absent"),
    [
        (
            "without_collector",
            {
                *("collector-errors", "collector-duration", "collector-heartbeat"),
                *("collector-rule-failed-invocations", "server-stalled", "plan-step-failed"),
            },
        ),
        ("without_api", {"api-5xx", "api-latency"}),
    ],
)
def test_disabled_functions_have_no_alarms(planned: Callable[[str], Planned], copy_name: str, absent: set[str]) -> None:
    resources = planned(copy_name)
    prefix = resources["aws_sqs_queue.ingest"]["name"].removesuffix("ingest")

    there = {alarm["alarm_name"].removeprefix(prefix) for alarm in alarms(resources)}

    assert there == {*ALARMS, *EXPRESSIONS} - absent
    rules = " ".join(alarm["alarm_rule"] for alarm in composites(resources).values())
    assert set(re.findall(rf'"{prefix}([a-z0-9-]+)"', rules)) == there - {"replication-stalled"}


def test_unlinked_events_have_an_alarm_if_there_is_an_executions_table(planned: Callable[[str], Planned]) -> None:
    def threshold(copy_name: str) -> list[float]:
        return [alarm["threshold"] for alarm in alarms(planned(copy_name)) if "unlinked" in alarm["alarm_name"]]

    assert threshold("default") == []
    assert threshold("read_only_history") == [3600]


def test_an_executions_table_has_an_alarm_for_its_rejection(planned: Callable[[str], Planned]) -> None:
    def metric(copy_name: str) -> list[tuple[str, float]]:
        return [
            (alarm["metric_name"], alarm["threshold"])
            for alarm in alarms(planned(copy_name))
            if "rejected" in alarm["alarm_name"]
        ]

    assert metric("default") == []
    assert metric("read_only_history") == [("ExecutionsTableRejected", 1)]


def test_missing_executions_have_an_alarm_if_the_module_updates_the_status(planned: Callable[[str], Planned]) -> None:
    def metric(copy_name: str) -> list[tuple[str, float]]:
        return [
            (alarm["metric_name"], alarm["threshold"])
            for alarm in alarms(planned(copy_name))
            if "executions-missing" in alarm["alarm_name"]
        ]

    assert metric("read_only_history") == []
    assert metric("everything") == [("ExecutionsMissing", 1)]


def test_an_existing_topic_has_no_alarms(planned: Callable[[str], Planned]) -> None:
    assert [alarm for alarm in alarms(planned("everything")) if alarm["namespace"] == "AWS/SNS"] == []


def test_there_are_no_composite_alarms_without_actions(planned: Callable[[str], Planned]) -> None:
    assert composites(planned("default")) == {}


def test_stalled_replication_has_an_alarm_if_it_is_counted(planned: Callable[[str], Planned]) -> None:
    names = {copy: {alarm["alarm_name"] for alarm in alarms(planned(copy))} for copy in ("without_api", "without_drs")}

    assert "without-replication-stalled" in names["without_api"]
    assert not [name for name in names["without_drs"] if "replication" in name]
    titles = [widget["properties"].get("title") for widget in widgets(planned("without_drs"))]
    assert "Stalled data replication" not in titles
    assert "Replication backlog" in titles


def test_alarms_can_be_disabled(planned: Callable[[str], Planned]) -> None:
    assert alarms(planned("without_alarms")) == []
    assert composites(planned("without_alarms")) == {}


# ---------------------------------------------------------------------------------------------------------------------
# Runbooks
# ---------------------------------------------------------------------------------------------------------------------


def runbooks(resources: Planned, base: str) -> set[str]:
    """Return the names of the runbooks at the end of the alarm descriptions."""
    descriptions = [alarm["alarm_description"] for alarm in [*alarms(resources), *composites(resources).values()]]
    assert len(descriptions) > 20
    return {description.rpartition(f"What to do: {base}/")[2] for description in descriptions}


def test_each_alarm_has_a_link_to_its_runbook(planned: Callable[[str], Planned]) -> None:
    pages = {page.name for page in RUNBOOKS.glob("*.md")}

    for copy_name in ("default", "evidence"):
        assert runbooks(planned(copy_name), "docs/runbooks") <= pages
    assert runbooks(planned("everything"), "https://wiki.example.com/drs") <= pages


def test_each_runbook_is_linked_from_an_alarm_or_the_index(planned: Callable[[str], Planned]) -> None:
    linked_somewhere = runbooks(planned("everything"), "https://wiki.example.com/drs")
    for copy_name in ("default", "evidence"):
        linked_somewhere |= runbooks(planned(copy_name), "docs/runbooks")
    index = (RUNBOOKS / "README.md").read_text()

    for page in RUNBOOKS.glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in index, page
    others = {page.name for page in RUNBOOKS.glob("*.md")} - linked_somewhere
    assert others == {
        "README.md",
        "missing-events.md",
        "drs-permission-lost.md",
        "denied-requests.md",
        "replay-archive.md",
    }


@pytest.mark.parametrize("copy_name", ["default", "everything", "long_name_a", "long_name_b"])
def test_the_set_up_of_the_runbooks_derives_the_names_from_the_input(
    planned: Callable[[str], Planned], copy_name: str
) -> None:
    resources = planned(copy_name)
    variables = resources["module.ingest.aws_lambda_function.this"]["environment"][0]["variables"]
    (set_up,) = [block.code for block in read_blocks(SET_UP) if "printable() {" in block.code]
    assert "SERVICE=drs-job-log\n" in set_up
    code = set_up.replace("SERVICE=drs-job-log\n", f"SERVICE={variables['POWERTOOLS_SERVICE_NAME']}\n")

    result = subprocess.run(["bash", "-euc", f'{code}\necho "$TABLE"'], check=True, capture_output=True, text=True)

    assert result.stdout.strip() == variables["JOB_LOG_EVENTS_TABLE"]


def test_each_runbook_has_the_same_sections() -> None:
    for page in RUNBOOKS.glob("*.md"):
        if page.name != "README.md":
            headings = re.findall("^## (.*)$", page.read_text(), re.MULTILINE)
            assert headings == ["Meaning", "Impact", "Diagnose", "Fix", "Verify"], page


# ---------------------------------------------------------------------------------------------------------------------
# Dashboard
# ---------------------------------------------------------------------------------------------------------------------


def widgets(resources: Planned) -> list[dict[str, Any]]:
    """Return the widgets of a copy without the API. The ID of an API is unknown in a plan, and so is the dashboard."""
    body = json.loads(resources["aws_cloudwatch_dashboard.this[0]"]["dashboard_body"])
    found: list[dict[str, Any]] = body["widgets"]
    return found


def metrics_of(widget: dict[str, Any]) -> list[list[Any]]:
    """Return the lines of a graph that are metrics. The others are expressions of them."""
    return [line for line in widget["properties"].get("metrics", []) if len(line) > 1]


def lines(resources: Planned) -> Iterator[tuple[str, str, dict[str, str], dict[str, Any]]]:
    """Yield each line of a graph: namespace, metric, dimensions, rendering."""
    for widget in widgets(resources):
        for namespace, metric, *dimensions, rendering in metrics_of(widget):
            yield namespace, metric, dict(zip(dimensions[::2], dimensions[1::2], strict=True)), rendering


def test_the_dashboard_shows_recoveries_first_and_the_pipeline_below(planned: Callable[[str], Planned]) -> None:
    titles = [
        widget["properties"].get("title") or widget["properties"]["markdown"].splitlines()[0]
        for widget in widgets(planned("without_api"))
    ]

    assert titles == [
        "# without: recoveries with AWS Elastic Disaster Recovery",
        "Does a recovery need a person?",
        *("Running executions and jobs", "Servers of running jobs", "Failed and stalled servers, failed plan steps"),
        *("Duration of server steps", "Duration of DRS jobs"),
        "## Readiness: servers in this account and Region",
        *("Stalled data replication", "Replication lag: age of the latest snapshot", "Replication backlog"),
        "Time since the last launch",
        "## Pipeline",
        "Is the pipeline healthy?",
        *("Time from event to events table", "Events", "Event rules", "Messages in the ingest queue"),
        "Unprocessed events in the dead-letter queues",
        *("Functions: errors and throttles", "Functions: maximum duration", "Age of the oldest unlinked event"),
    ]


def test_each_line_of_the_dashboard_has_a_label_and_an_existing_metric(
    planned: Callable[[str], Planned],
) -> None:
    found = list(lines(planned("without_api")))

    assert len(found) > 25
    for namespace, metric, dimensions, rendering in found:
        assert rendering["label"]
        assert rendering["stat"] in {"Average", "Maximum", "Sum", "p50", "p99"}
        if namespace != "DRSJobLog":  # the end-to-end tests test the metrics of the module
            assert set(dimensions) in AWS_DIMENSIONS[namespace, metric]
        else:
            assert dimensions == {"service": "without"}


def test_the_dashboard_searches_the_metrics_of_all_servers(planned: Callable[[str], Planned]) -> None:
    """The servers are not known at plan time. A search also finds those that are added later."""
    searches = {
        widget["properties"]["title"]: (
            widget["properties"]["metrics"],
            widget["properties"]["yAxis"]["left"]["label"],
        )
        for widget in widgets(planned("without_api"))
        if "SEARCH" in json.dumps(widget)
    }

    def search(metric: str) -> list[list[dict[str, str]]]:
        expression = f"SEARCH('Namespace=\"AWS/DRS\" MetricName=\"{metric}\"', 'Maximum', 300)"
        return [[{"expression": expression, "label": ""}]]

    assert searches == {
        "Replication lag: age of the latest snapshot": (search("LagDuration"), "seconds"),
        "Replication backlog": (search("Backlog"), "bytes"),
        "Time since the last launch": (search("DurationSinceLastSuccessfulRecoveryLaunch"), "seconds"),
    }


def test_a_single_value_is_zero_while_the_metric_has_no_data(planned: Callable[[str], Planned]) -> None:
    (widget,) = [
        widget for widget in widgets(planned("without_api")) if widget["properties"].get("view") == "singleValue"
    ]

    expressions = [line[0] for line in widget["properties"]["metrics"] if len(line) == 1]
    assert expressions == [
        {"expression": "FILL(m0, 0)", "label": "executions"},
        {"expression": "FILL(m1, 0)", "label": "DRS jobs"},
    ]
    assert [(line[1], line[-1]["id"], line[-1]["visible"]) for line in metrics_of(widget)] == [
        ("RunningExecutions", "m0", False),
        ("RunningJobs", "m1", False),
    ]


def test_the_dashboard_has_valid_widgets(planned: Callable[[str], Planned]) -> None:
    resources = planned("without_api")

    for widget in widgets(resources):
        properties = widget["properties"]
        assert set(widget) == {"type", "width", "height", "properties"}
        assert 1 <= widget["width"] <= 24
        match widget["type"]:
            case "text":
                assert properties["markdown"]
            case "alarm":
                names = [
                    arn.removeprefix(f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:") for arn in properties["alarms"]
                ]
                there = {alarm["alarm_name"] for alarm in alarms(resources)} | set(composites(resources))
                assert set(names) <= there
            case "metric":
                assert (properties["region"], properties["period"]) == ("us-east-1", 60)
                assert properties["view"] in {"timeSeries", "singleValue"}
            case other:
                raise AssertionError(other)
    # Dashboard names are unique in an account, so the name contains the Region.
    assert resources["aws_cloudwatch_dashboard.this[0]"]["dashboard_name"] == "without-us-east-1"


def test_the_dashboard_can_be_disabled(planned: Callable[[str], Planned]) -> None:
    assert "aws_cloudwatch_dashboard.this[0]" not in planned("without_alarms")


# ---------------------------------------------------------------------------------------------------------------------
# Failure notifications
# ---------------------------------------------------------------------------------------------------------------------


def test_failure_notifications_use_an_encrypted_topic_that_requires_tls(planned: Callable[[str], Planned]) -> None:
    topic = planned("default")["aws_sns_topic.failures[0]"]

    assert (topic["name"], topic["kms_master_key_id"]) == ("drs-job-log-failures", "alias/aws/sns")
    assert json.loads(topic["policy"])["Statement"] == [
        {
            "Sid": "DenyInsecureTransport",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sns:Publish",
            "Resource": f"arn:aws:sns:us-east-1:{ACCOUNT}:drs-job-log-failures",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ]


def test_the_notifications_table_has_a_ttl_and_the_key(planned: Callable[[str], Planned]) -> None:
    table = planned("default")["aws_dynamodb_table.notices"]
    assert (table["name"], table["hash_key"], table["billing_mode"]) == ("drs-job-log-notices", "id", "PAY_PER_REQUEST")
    assert (table["ttl"][0]["attribute_name"], table["ttl"][0]["enabled"]) == ("expiration", True)
    assert planned("everything")["aws_dynamodb_table.notices"]["server_side_encryption"] == [
        {"enabled": True, "kms_key_arn": KEY}
    ]


def test_failure_notifications_can_use_an_existing_topic(planned: Callable[[str], Planned]) -> None:
    resources = planned("everything")

    assert "aws_sns_topic.failures[0]" not in resources
    topic = f"arn:aws:sns:us-east-1:{ACCOUNT}:failures"
    variables = resources["module.ingest.aws_lambda_function.this"]["environment"][0]["variables"]
    assert variables["FAILURE_TOPIC_ARN"] == topic
    assert variables["VIEWER_URL"] == "https://recovery.example.com"
    assert variables["RUNBOOKS"] == "https://wiki.example.com/drs"
    policy = role_policy(resources)
    assert policy["PublishNotifications"] == {"Effect": "Allow", "Action": ["sns:Publish"], "Resource": topic}
    assert policy["UseKeyOfFailureTopic"] == {
        "Effect": "Allow",
        "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
        "Resource": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/66666666-2222-3333-4444-555555555555",
        "Condition": {"StringLike": {"kms:ViaService": "sns.us-east-1.*"}},
    }


def test_failure_notifications_can_be_disabled(planned: Callable[[str], Planned]) -> None:
    resources = planned("without_alarms")

    assert [address for address in resources if "sns" in address] == []
    variables = resources["module.ingest.aws_lambda_function.this"]["environment"][0]["variables"]
    assert "FAILURE_TOPIC_ARN" not in variables
    assert variables["NOTICES_TABLE"] == "without-alarms-notices"
    assert "PublishNotifications" not in role_policy(resources)


# ---------------------------------------------------------------------------------------------------------------------
# Archives
# ---------------------------------------------------------------------------------------------------------------------


def test_archives_have_the_patterns_of_the_rules(planned: Callable[[str], Planned]) -> None:
    def archives(copy_name: str) -> dict[str, dict[str, Any]]:
        return {
            values["name"]: values for address, values in planned(copy_name).items() if "event_archive.this" in address
        }

    def rule(copy_name: str, key: str) -> str:
        pattern: str = planned(copy_name)[f'aws_cloudwatch_event_rule.this["{key}"]']["event_pattern"]
        return pattern

    bus = f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus"
    assert archives("default") == {}
    custom = archives("custom_bus")
    assert {name: archive["event_source_arn"] for name, archive in custom.items()} == {
        "custom-bus-job-log": f"{bus}/recovery",
        "custom-bus-launches": f"{bus}/default",
    }
    assert custom["custom-bus-job-log"]["event_pattern"] == rule("custom_bus", "job-log")
    assert custom["custom-bus-launches"]["event_pattern"] == rule("custom_bus", "launch-results")
    assert {archive["retention_days"] for archive in custom.values()} == {90}
    assert list(archives("own_key")) == ["own-key-job-log"]


# ---------------------------------------------------------------------------------------------------------------------
# KMS key of the module
# ---------------------------------------------------------------------------------------------------------------------


def test_the_key_policy_allows_eventbridge_and_the_log_groups_of_the_module(planned: Callable[[str], Planned]) -> None:
    key = planned("own_key")["aws_kms_key.this[0]"]

    assert (key["enable_key_rotation"], key["deletion_window_in_days"]) == (True, 30)
    groups = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group"
    assert json.loads(key["policy"])["Statement"] == [
        {
            "Sid": "AllowIamPolicies",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": "kms:*",
            "Resource": "*",
        },
        {
            "Sid": "AllowEventBridge",
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": ["kms:GenerateDataKey", "kms:Decrypt"],
            "Resource": "*",
        },
        {
            "Sid": "AllowLogs",
            "Effect": "Allow",
            "Principal": {"Service": "logs.us-east-1.amazonaws.com"},
            "Action": ["kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Encrypt*", "kms:Describe*", "kms:Decrypt*"],
            "Resource": "*",
            "Condition": {
                "ArnLike": {
                    "kms:EncryptionContext:aws:logs:arn": [
                        f"{groups}:/aws/lambda/own-key-*",
                        f"{groups}:/aws/vendedlogs/apis/own-key",
                    ]
                }
            },
        },
    ]
    assert planned("own_key")["aws_kms_alias.this[0]"]["name"] == "alias/own-key"


def test_the_documented_key_policy_is_the_policy_of_the_module(planned: Callable[[str], Planned]) -> None:
    blocks = re.findall("```json\n(.*?)```", (ROOT / "docs/encryption.md").read_text(), re.DOTALL)
    (documented,) = [block for block in blocks if '"Version"' in block]

    def plain(policy: str) -> Any:
        names = {"eu-west-1": "us-east-1", "111122223333": ACCOUNT, "drs-job-log": "own-key"}
        for name, value in names.items():
            policy = policy.replace(name, value)
        statements = json.loads(policy)["Statement"]
        for statement in statements:
            for part in (statement, statement.get("Condition", {}).get("ArnLike", {})):
                for key, value in part.items():
                    part[key] = sorted(value) if isinstance(value, list) else value
        return statements

    assert plain(documented) == plain(planned("own_key")["aws_kms_key.this[0]"]["policy"])


def test_no_key_is_created_by_default(planned: Callable[[str], Planned]) -> None:
    for copy_name in ("default", "everything"):
        assert [address for address in planned(copy_name) if "kms" in address] == []
