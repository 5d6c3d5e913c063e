"""Failures of servers by the shape of their errors: the error without IDs, ARNs, digests, numbers and times."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from drs_job_log.model.summary import JobSummary, ServerSummary

_MAX_SHAPE_LENGTH: Final = 400

# Errors are cut after their first KB. The last bytes can be a part of a character.
_CUT_BYTES: Final = 1024 - 4

# A longer word at the end of a cut text is kept: it can be most of the text, such as JSON.
_MAX_CUT_WORD: Final = 50

# An encoded authorization message. Whether the text after it is complete depends on its length.
_ENCODED: Final = re.compile(r"(?<=Encoded authorization failure message: )[\w+/=-]+")

# The names in a group. The group counts all of them.
_MAX_LISTED: Final = 20

# Requires that no "code", "status" or "exit" is before a number.
_NO_CODE_BEFORE: Final = "".join(
    f"(?<!{word}{mark})" for word in ("code", "status", "exit") for mark in (" ", ":", ": ", "=", r" \(", '":', '": ')
)

# Pattern → replacement, in this order. A replacement matches none of the patterns, so a shape is its own shape.
_REPLACEMENTS: Final = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\barn:[a-z-]+:[^\s\"'<>,;(){}\[\]]*[^\s\"'<>,;(){}\[\].:]", "<arn>"),
        (r"\bhttps?://[^\s\"'<>,;(){}\[\]]+[^\s\"'<>,;(){}\[\].:]", "<url>"),
        (r"\b\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?", "<time>"),
        (r"\b\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?\b", "<time>"),
        (r"(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<id>"),
        # Resource IDs: i-0123456789abcdef0, drsjob-…, sgr-….
        (r"\b[a-z][a-z0-9]*(-[a-z]+)*-(?=[0-9a-f]*\d)[0-9a-f]{8,40}\b", "<id>"),
        (r"\b\d{1,3}(\.\d{1,3}){3}(/\d{1,2})?\b", "<ip>"),
        (r"(?<![\w-])\d{12}(?![\w-])", "<account>"),
        (r"\b(af|ap|ca|cn|eu|eusc|il|me|mx|sa|us)(-(gov|iso[a-z]?|de))?-[a-z]{4,9}-\d[a-z]?\b", "<region>"),
        # Digests, request IDs and encoded messages: long words with a digit.
        (r"(?<![\w+/=-])(?=[\w+/=-]*\d)[\w+/=-]{24,}", "<token>"),
        (r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{8,}\b", "<id>"),
        (r"\b(?=[0-9A-Z]*\d)(?=[0-9A-Z]*[A-Z])[0-9A-Z]{10,}\b", "<id>"),
        # Not in a name such as EC2 or m5.large, and not a code such as "status code: 503".
        (r"(?i:" + _NO_CODE_BEFORE + r")(?<![A-Za-z0-9_])\d+([.,]\d+)*", "<n>"),
        (r"\s+", " "),
    )
)

# The forms in which AWS reports the code of an error, and the operation.
_CALL: Final = re.compile(r"\(?\b([A-Z][\w.]+)\)?\s+when calling (?:the )?([A-Z]\w+) operation")
_PERFORM: Final = re.compile(r"not authorized to perform:? ([a-z][\w-]*):([A-Z]\w+)")
_SDK_SERVICE: Final = re.compile(r"\bService: (?:Amazon|AWS)?([A-Z]\w+)")
_SDK_CODE: Final = re.compile(r"\bError Code: ([A-Z][\w.]+)")
_LEADING_CODE: Final = re.compile(r"([A-Z][a-z]+(?:\.?[A-Z][a-z]+)+):\s")

# Parts of an operation's name → its service, for texts that do not name the service. The first match applies.
_SERVICES: Final = (
    (re.compile(r"ForDrs$|SourceServer|RecoveryInstance|Failback"), "drs"),
    (re.compile(r"^(AssumeRole|GetCallerIdentity|GetSessionToken|DecodeAuthorizationMessage)"), "sts"),
    (re.compile(r"^(PassRole|GetRole|\w+InstanceProfile$)"), "iam"),
    (re.compile(r"DataKey|^(Decrypt|Encrypt|ReEncrypt|CreateGrant|ListGrants|DescribeKey)"), "kms"),
    (re.compile(r"Document|Parameter|^SendCommand"), "ssm"),
    (
        re.compile(
            r"Instance|Volume|Snapshot|Image|NetworkInterface|SecurityGroup|LaunchTemplate|KeyPair|Tags$|Subnet|Vpc|"
            r"Address|AccountAttributes|AvailabilityZones"
        ),
        "ec2",
    ),
)


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape of an error.

    Attributes
    ----------
    text
        The error without the parts that differ between servers. None if the failure has no error text.
    service, operation, code
        The AWS service, for example "ec2", its operation, and the code of the error. None if the text has none.
    """

    text: str | None
    service: str | None = None
    operation: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A server that a job did not recover. ``error``: at most the first KB of its error text."""

    shape: Shape
    error: str | None
    source_server_id: str
    server_name: str | None
    job_id: str
    execution_id: str | None
    time: datetime


@dataclass(slots=True, kw_only=True)
class FailureGroup:
    """The failures with the same shape.

    Attributes
    ----------
    servers, executions
        The IDs of the servers and executions, newest failure first.
    newest
        The newest failure.
    """

    shape: Shape
    newest: Failure
    count: int = 0
    servers: dict[str, None] = field(default_factory=dict)
    executions: dict[str, None] = field(default_factory=dict)

    @property
    def listed_servers(self) -> list[str]:
        """The first servers."""
        return list(self.servers)[:_MAX_LISTED]

    @property
    def listed_executions(self) -> list[str]:
        """The first executions."""
        return list(self.executions)[:_MAX_LISTED]


def shape_of(error: str | None, server_name: str | None = None) -> Shape:
    """Return the shape of an error. ``server_name`` is removed from it too."""
    if not error or not error.strip():
        return Shape(None)
    is_cut = len(error.encode(errors="replace")) >= _CUT_BYTES
    if encoded := _ENCODED.search(error):
        error, is_cut = error[: encoded.start()] + "<token>", False
    elif is_cut:
        error = _without_last_word(error)
    service, operation, code = _call(error)
    text = error
    if server_name and len(server_name) > 2:
        text = re.sub(rf"(?<![\w-]){re.escape(server_name)}(?![\w-])", "<server>", text)
    for pattern, replacement in _REPLACEMENTS:
        text = pattern.sub(replacement, text)
    text = text.strip()
    if len(text) > _MAX_SHAPE_LENGTH:
        text = _without_last_word(text[:_MAX_SHAPE_LENGTH]) + " …"
    elif is_cut:
        # The end of the text depends on the lengths of the replaced parts.
        text = text[: text.rfind(">") + 1] or text
    return Shape(text, service, operation, code)


def _without_last_word(text: str) -> str:
    """Return a text that was cut without its last word, which is incomplete."""
    rest, _, word = text.rpartition(" ")
    return rest if rest and len(word) <= _MAX_CUT_WORD else text


def failures_of(job: JobSummary, servers: Iterable[ServerSummary]) -> list[Failure]:
    """Return the failures in a job. ``servers``: the summaries of its servers."""
    return [
        Failure(
            shape=shape_of(server.error, server.server_name),
            error=server.error,
            source_server_id=server.source_server_id,
            server_name=server.server_name,
            job_id=job.job_id,
            execution_id=job.execution_id,
            time=server.ended_at or job.ended_at or job.created_at,
        )
        for server in servers
        if server.state == "FAILED"
    ]


def group_failures(failures: Iterable[Failure]) -> list[FailureGroup]:
    """Return the failures by shape: the most frequent shape first, and of two, the one with the newest failure."""
    groups: dict[Shape, FailureGroup] = {}
    for failure in sorted(failures, key=lambda one: (one.time, one.job_id, one.source_server_id), reverse=True):
        group = groups.setdefault(failure.shape, FailureGroup(shape=failure.shape, newest=failure))
        group.count += 1
        group.servers.setdefault(failure.source_server_id)
        if failure.execution_id:
            group.executions.setdefault(failure.execution_id)
    # The groups are in the order of their newest failures, and sorting keeps it.
    return sorted(groups.values(), key=lambda group: group.count, reverse=True)


def _call(error: str) -> tuple[str | None, str | None, str | None]:
    """Return the service, the operation and the code that an error names."""
    service = operation = code = None
    if named := _CALL.search(error):
        code, operation = named.groups()
    if denied := _PERFORM.search(error):
        service, operation = denied[1], operation or denied[2]
    if named := _SDK_SERVICE.search(error):
        service = service or named[1].lower()
    if named := _SDK_CODE.search(error):
        code = code or named[1]
    if named := _LEADING_CODE.match(error):
        code = code or named[1]
    if operation and (service is None or (denied and operation != denied[2])):
        service = next((name for pattern, name in _SERVICES if pattern.search(operation)), service)
    return service, operation, code
