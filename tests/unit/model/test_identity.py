"""Who made a request, from the ``userIdentity`` of CloudTrail.

The identities are those of
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
"""

from __future__ import annotations

from typing import Any

import pytest
from drs_job_log.model.identity import one_line, requester, short_identity
from hypothesis import given
from hypothesis import strategies as st

from tests.support.envelopes import json_values

ACCOUNT = {"accountId": "111122223333"}
ROLE = {
    "type": "AssumedRole",
    "principalId": "AROAIDPPEZS35WEXAMPLE:alice",
    "arn": "arn:aws:sts::111122223333:assumed-role/Operator/alice",
    "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
    "sessionContext": {"sessionIssuer": {"type": "Role", "arn": "arn:aws:iam::111122223333:role/Operator"}},
} | ACCOUNT
SSO = "AWSReservedSSO_Operator_0123456789abcdef/alice@example.com"
BEHIND = {
    "userId": "544894e8-80c1-707f-60e3-3ba6510dfac1",
    "identityStoreArn": "arn:aws:identitystore::111122223333:identitystore/d-9067642ac7",
}


@pytest.mark.parametrize(
    ("identity", "who", "short"),
    [
        (ROLE, ROLE["arn"], "Operator/alice"),
        (
            ROLE | {"arn": f"arn:aws-us-gov:sts::111122223333:assumed-role/{SSO}", "invokedBy": "drs.amazonaws.com"},
            f"arn:aws-us-gov:sts::111122223333:assumed-role/{SSO}",
            SSO,
        ),
        (
            {"type": "IAMUser", "principalId": "AIDAJ45Q7YFFAREXAMPLE", "userName": "Alice"}
            | {"arn": "arn:aws:iam::111122223333:user/ops/Alice"},
            "arn:aws:iam::111122223333:user/ops/Alice",
            "ops/Alice",
        ),
        (
            {"type": "Role", "arn": "arn:aws:iam::111122223333:role/Operator"},
            "arn:aws:iam::111122223333:role/Operator",
            "Operator",
        ),
        (
            {"type": "Root", "principalId": "111122223333", "arn": "arn:aws:iam::111122223333:root"} | ACCOUNT,
            "arn:aws:iam::111122223333:root",
            "root of 111122223333",
        ),
        (
            {"type": "FederatedUser", "principalId": "111122223333:bob"}
            | {"arn": "arn:aws:sts::111122223333:federated-user/bob"},
            "arn:aws:sts::111122223333:federated-user/bob",
            "bob",
        ),
        ({"type": "AWSService", "invokedBy": "drs.amazonaws.com"}, "drs.amazonaws.com", "drs.amazonaws.com"),
        ({"type": "AWSAccount", "principalId": "AIDAEXAMPLE"} | ACCOUNT, "AIDAEXAMPLE", "AIDAEXAMPLE"),
        (
            {"type": "IdentityCenterUser", "onBehalfOf": BEHIND, "credentialId": "EXAMPLE"} | ACCOUNT,
            BEHIND["userId"],
            BEHIND["userId"],
        ),
        ({"type": "Directory", "userName": "alice"} | ACCOUNT, "alice", "alice"),
        ({"type": "WebIdentityUser", "principalId": "provider:id", "userName": "id"}, "id", "id"),
        ({"type": "SAMLUser", "principalId": "hash:id", "userName": "id"}, "id", "id"),
        ({"type": "Unknown"} | ACCOUNT, "111122223333", "111122223333"),
    ],
)
def test_each_type_of_identity_has_a_name(identity: dict[str, Any], who: str, short: str) -> None:
    assert requester(identity) == who
    assert short_identity(who) == short


@pytest.mark.parametrize(
    "identity", [None, {}, [], "arn", {"type": "Unknown"}, {"arn": "", "userName": " \n", "accountId": 5}]
)
def test_an_unknown_identity_is_absent(identity: object) -> None:
    assert requester(identity) is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\r\nSubject: b", "a Subject: b"),
        ("\u202egnp.exe\x00\x1b[2J", "gnp.exe [2J"),
        ("line\u2028two\u0085three", "line two three"),
        ("x" * 1023 + " y", "x" * 1023),
        ("x" * 1025, "x" * 1024),
        ("é" * 1000, "é" * 512),
        ("x" + "é" * 1000, "x" + "é" * 511),
        ("\ud800", None),
    ],
)
def test_an_identity_is_one_line_of_a_limited_size(text: str, line: str | None) -> None:
    assert requester({"arn": text}) == line


@given(st.dictionaries(st.sampled_from(["arn", "invokedBy", "userName", "onBehalfOf", "accountId"]), json_values))
def test_any_identity_gives_a_line_that_can_be_stored(identity: dict[str, Any]) -> None:
    who = requester(identity)

    if who is not None:
        assert who == one_line(who)
        assert 0 < len(who.encode()) <= 1024
        assert who.isprintable()
        assert 0 < len(short_identity(who)) <= len(who)


@pytest.mark.parametrize(
    "identity",
    [
        "arn:aws:sts::111122223333:assumed-role/",
        "arn:aws:iam::111122223333:group/ops",
        "arn:aws:s3:::user/alice",
        "alice",
        "",
    ],
)
def test_another_identity_is_not_shortened(identity: str) -> None:
    assert short_identity(identity) == identity
