"""The process of one Lambda function. `benchmarks.harness.Function` starts it.

The first line of the standard input names the function. Each further line is a request; the process answers each with
one line. Both are JSON.
"""

from __future__ import annotations

import base64
import io
import json
import sys
import time
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from benchmarks import product
from benchmarks.clock import cpu_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence


def _text(value: object) -> str:
    """The text of a value that JSON does not have: base64 of bytes, as in DynamoDB's JSON."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def main() -> None:
    """Answer requests until the input ends."""
    output, sys.stdout = sys.stdout, io.StringIO()  # before the import: the function's logger keeps the stream
    settings = json.loads(sys.stdin.readline())
    trace: list[dict[str, Any]] = []
    if settings["is_traced"]:
        _trace(trace)
    handler = product.handler(settings["function"])
    passes: list[dict[str, Any]] = []
    clock = partial(_clock, settings["emulators"])
    if settings["function"] == "collector":
        product.record_passes(passes, clock)
    for line in sys.stdin:
        request = json.loads(line)
        if request["now"]:
            from datetime import datetime  # noqa: PLC0415 (a cold start does not need it)

            product.set_clock(datetime.fromisoformat(request["now"]))
        if request["is_cache_empty"]:
            product.empty_api_cache()
        trace.clear()
        passes.clear()
        sys.stdout.seek(0)
        sys.stdout.truncate()
        began = clock()
        answer = handler(request["event"], _context(passes, request["passes"]))
        times = list(zip(began, clock(), strict=True))
        done = {"answer": answer, "times": times, "log": sys.stdout.getvalue(), "trace": trace, "passes": passes}
        print(json.dumps(done, default=_text), file=output, flush=True)


def _clock(emulators: Sequence[int]) -> tuple[float, float, float]:
    """Seconds now: the wall time, the CPU time of this process, and that of the emulators (process IDs)."""
    return time.perf_counter(), time.process_time(), sum(map(cpu_seconds, emulators))


def _context(passes: Sequence[object], most: int) -> Any:
    """The context of an invocation with 63 seconds left, and with one second after that many passes."""
    return SimpleNamespace(
        function_name="drs-job-log",
        memory_limit_in_mb=256,
        invoked_function_arn="arn:aws:lambda:us-east-1:111122223333:function:drs-job-log",
        aws_request_id="11111111-2222-3333-4444-555555555555",
        get_remaining_time_in_millis=lambda: 63_000 if len(passes) < most else 1_000,
    )


def _trace(trace: list[dict[str, Any]]) -> None:
    """Record each request of the function, and have DynamoDB report the capacity units."""

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

    events = product.session().events
    events.register("provide-client-params", prepare)
    events.register("after-call", record)


if __name__ == "__main__":
    main()
