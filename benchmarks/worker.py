"""The process of one Lambda function. `benchmarks.harness.Function` starts it.

The first line of the standard input names the function. Each further line is a request; the process answers each with
one line. Both are JSON.
"""

from __future__ import annotations

import io
import json
import sys
import time
from types import SimpleNamespace
from typing import Any

from benchmarks import product


def main() -> None:
    """Answer requests until the input ends."""
    output, sys.stdout = sys.stdout, io.StringIO()  # before the import: the function's logger keeps the stream
    settings = json.loads(sys.stdin.readline())
    trace: list[dict[str, Any]] = []
    if settings["is_traced"]:
        _trace(trace)
    handler = product.handler(settings["function"])
    for line in sys.stdin:
        request = json.loads(line)
        if request["now"]:
            from datetime import datetime  # noqa: PLC0415 (a cold start does not need it)

            product.set_clock(datetime.fromisoformat(request["now"]))
        if request["is_cache_empty"]:
            product.empty_api_cache()
        trace.clear()
        sys.stdout.seek(0)
        sys.stdout.truncate()
        wall, cpu = time.perf_counter(), time.process_time()
        answer = handler(request["event"], _context())
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        log = sys.stdout.getvalue()
        done = {"answer": answer, "cpu_ms": cpu * 1000, "wall_ms": wall * 1000, "log": log, "trace": trace}
        print(json.dumps(done, default=str), file=output, flush=True)


def _context() -> Any:
    return SimpleNamespace(
        function_name="drs-job-log",
        memory_limit_in_mb=256,
        invoked_function_arn="arn:aws:lambda:us-east-1:111122223333:function:drs-job-log",
        aws_request_id="11111111-2222-3333-4444-555555555555",
        get_remaining_time_in_millis=lambda: 29_000,
    )


def _trace(trace: list[dict[str, Any]]) -> None:
    """Record each request of the function, and have DynamoDB report the capacity units."""
    import boto3  # noqa: PLC0415 (a cold start does not need it before the function)

    def prepare(params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        if "ReturnConsumedCapacity" in model.input_shape.members:
            params["ReturnConsumedCapacity"] = "TOTAL"
        context["request"] = params

    def record(http_response: Any, parsed: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        response = {key: value for key, value in parsed.items() if key != "ResponseMetadata"}
        trace.append(
            {
                "operation": f"{model.service_model.service_name}.{model.name}",
                "request": context["request"],
                "succeeded": http_response.status_code < 300,
                "response": response,
            }
        )

    boto3.setup_default_session()
    assert boto3.DEFAULT_SESSION
    boto3.DEFAULT_SESSION.events.register("provide-client-params", prepare)
    boto3.DEFAULT_SESSION.events.register("after-call", record)


if __name__ == "__main__":
    main()
