"""The identity that asked AWS for something, from the ``userIdentity`` of a CloudTrail event."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

# The limit of an identity in bytes of UTF-8. An ARN of IAM with the longest path is shorter.
_MAX_BYTES: Final = 1024

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-arns
_PRINCIPAL: Final = re.compile(
    r"arn:[^:]*:(?:iam|sts)::(?P<account>[^:]*):(?:root|(?:assumed-role|federated-user|role|user)/(?P<name>.+))"
)


def requester(user_identity: object) -> str | None:
    """Return who made a request, as one line of at most 1 KB. None if CloudTrail does not state it.

    It is the ARN. An AWS service, an IAM Identity Center user and an account have none. Then it is the service, else
    the most specific ID. https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html

    Parameters
    ----------
    user_identity
        The ``userIdentity`` of the event: any JSON value.
    """
    if not isinstance(user_identity, Mapping):
        return None
    behind = user_identity.get("onBehalfOf")
    candidates = (
        *(user_identity.get(name) for name in ("arn", "invokedBy", "userName")),
        behind.get("userId") if isinstance(behind, Mapping) else None,
        *(user_identity.get(name) for name in ("principalId", "accountId")),
    )
    return next((line for line in map(one_line, candidates) if line), None)


def short_identity(identity: str) -> str:
    """Return what people recognize of an identity that ``requester`` returned.

    That is the role and the session of an assumed role, the path and the name of a user or role, the name of a
    federated user, and "root of 111122223333". Other identities, such as ``drs.amazonaws.com``, are not changed.
    """
    principal = _PRINCIPAL.fullmatch(identity)
    return (principal["name"] or f"root of {principal['account']}") if principal else identity


def one_line(value: object) -> str | None:
    """Return a text as one line without control characters, at most 1 KB. None if nothing of it is left."""
    if not isinstance(value, str):
        return None
    text = " ".join("".join(character if character.isprintable() else " " for character in value).split())
    return text.encode()[:_MAX_BYTES].decode(errors="ignore").rstrip() or None
