"""The JSON document: its schema, the size limits, and that it has every field of a notice."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from drs_job_log.model import known_errors
from drs_job_log.model.known_errors import Hint
from drs_job_log.notify.document import json_size, to_document, to_documents
from drs_job_log.notify.notice import KINDS, Notice, NoticeServer
from hypothesis import given

from tests.support.notices import SCHEMA, SETTINGS, hostile_notices, notice_of

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_BYTES = 200_000
WITH_REPORTS = replace(SETTINGS, has_reports=True)

TEXT = json.loads(SCHEMA.read_text())
VALIDATOR = jsonschema_rs.Draft202012Validator(TEXT, validate_formats=True)
NOTICE_VALIDATOR = jsonschema_rs.Draft202012Validator(
    {"$ref": "#/$defs/notice", "$defs": TEXT["$defs"]}, validate_formats=True
)


def documents(notices: Sequence[Notice], max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    text = to_documents(notices, SETTINGS, max_bytes)
    assert json_size(text) <= max_bytes
    document: dict[str, Any] = json.loads(text)
    VALIDATOR.validate(document)
    return document


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_fits_the_schema(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hint = Hint(cause="No capacity.", first_step="Use another type.", source="https://docs.example.com")
    monkeypatch.setattr(known_errors, "hint_of", lambda error: hint if error else None)
    notice = notice_of(kind)

    document = to_document(notice, SETTINGS)

    NOTICE_VALIDATOR.validate(document)
    assert documents([notice])["notices"] == [document]
    assert document["isComplete"]
    assert document["hint"] == (
        {"cause": "No capacity.", "firstStep": "Use another type.", "source": "https://docs.example.com"}
        if notice.error
        else None
    )


def test_the_schema_has_all_kinds() -> None:
    assert tuple(TEXT["$defs"]["notice"]["properties"]["kind"]["enum"]) == KINDS


def test_every_object_of_the_schema_is_closed_and_described() -> None:
    def objects(schema: Any) -> list[dict[str, Any]]:
        parts = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else []
        own = [schema] if isinstance(schema, dict) and isinstance(schema.get("properties"), dict) else []
        return [*own, *(found for part in parts for found in objects(part))]

    found = objects(TEXT)
    assert len(found) == 7
    for schema in found:
        assert schema["additionalProperties"] is False
        assert schema["required"] == list(schema["properties"])
    for schema in (TEXT, TEXT["$defs"]["notice"]):
        for name, one in schema["properties"].items():
            assert "description" in one or "$ref" in one or name in {"notices", "links"}, name


def test_the_document_has_every_field_of_a_notice() -> None:
    names = {"".join(part.capitalize() for part in field.name.split("_")) for field in fields(Notice)}
    camel = {f"{name[0].lower()}{name[1:]}" for name in names}

    # Whether a notice expects an error changes only its text.
    assert camel - {"isErrorExpected"} <= set(to_document(notice_of("settled"), SETTINGS))
    assert {field.name for field in fields(NoticeServer)} <= set(TEXT["$defs"]["server"]["properties"])


def test_the_values_are_those_of_the_notice() -> None:
    document = to_document(notice_of("settled"), SETTINGS)

    assert document["time"] == "2025-11-28T20:51:30.000000Z"
    assert document["startedAt"] == "2025-11-28T20:08:10.000000Z"
    assert document["counts"] == {"totalServers": 20, "launched": 18, "failed": 2, "skipped": 0}
    assert document["rto"] == {"targetMinutes": 60, "actualSeconds": 2580.5, "result": "MET"}
    assert document["jobIds"] == ["drsjob-1111111111111111a", "drsjob-2222222222222222b"]
    assert document["servers"][0] == {
        "id": "s-1111111111111111a",
        "name": "prod-web-01",
        "type": "Server",
        "state": "FAILED",
        "error": "InsufficientInstanceCapacity",
        "hint": document["servers"][0]["hint"],
        "detail": None,
    }
    assert document["links"] == {
        "viewer": "https://recovery.example.com/executions/exec-1",
        "report": None,
        "runbook": "docs/runbooks/server-failed.md",
    }
    assert document["previousOutcome"] == "COMPLETED"
    assert document["revision"] == 1
    assert document["eventType"] is None


def test_an_error_has_lines_and_other_texts_have_one() -> None:
    document = to_document(notice_of("failed", error="a\r\n\n b\x00", summary="a\nb"), SETTINGS)

    assert document["error"] == "a\nb\N{REPLACEMENT CHARACTER}"
    assert document["summary"] == "a b"


def test_an_unknown_viewer_is_null() -> None:
    document = to_document(notice_of("failed"), replace(SETTINGS, viewer_url=None))

    assert document["links"]["viewer"] is None


@pytest.mark.parametrize(
    ("kind", "changes", "report"),
    [
        ("settled", {}, "https://recovery.example.com/executions/exec-1#report"),
        ("settled", {"execution_id": "a b"}, "https://recovery.example.com/viewer/page?executionId=a%20b#report"),
        ("settled", {"execution_id": "a/b"}, None),
        ("settled", {"execution_id": ".."}, None),
        ("settled", {"execution_id": None, "job_id": "drsjob-1"}, None),
        ("settled", {"label": "continued", "outcome": None}, None),
        ("at_risk", {}, None),
        ("job_ended", {}, None),
        ("failed", {}, None),
    ],
)
def test_the_end_of_an_execution_links_to_its_report(kind: str, changes: dict[str, Any], report: str | None) -> None:
    document = to_document(notice_of(kind, **changes), WITH_REPORTS)

    assert document["links"]["report"] == report
    NOTICE_VALIDATOR.validate(document)


def test_without_evidence_or_viewer_no_notice_links_to_a_report() -> None:
    for settings in (SETTINGS, replace(WITH_REPORTS, viewer_url=None)):
        assert to_document(notice_of("settled"), settings)["links"]["report"] is None


def test_a_repetition_has_the_same_id() -> None:
    ids = ["a", "a", "b", "c" * 1000, "c" * 1001, "d\ud800", "d\ud801", ""]
    found = [to_document(notice_of("failed", notice_id=id_), SETTINGS)["noticeId"] for id_ in ids]

    assert found[:3] == ["a", "a", "b"]
    assert len(set(found)) == len(ids) - 1


@given(hostile_notices())
def test_any_text_fits_the_schema(notices: Sequence[Notice]) -> None:
    for notice in notices:
        NOTICE_VALIDATOR.validate(to_document(notice, SETTINGS))
    assert documents(notices)["isComplete"]


@pytest.mark.parametrize("text", ["x", "\U0001f6ab", '"', "\\"])
def test_a_large_notice_is_cut(text: str) -> None:
    servers = [
        NoticeServer(id=f"{number}{text * 3000}", name=text * 3000, state="FAILED", error=text * 3000)
        for number in range(600)
    ]
    texts = dict.fromkeys(("execution_id", "account", "region", "requested_by", "error", "summary"), text * 3000)
    notice = notice_of("settled", servers=servers, job_ids=[text * 3000] * 600, **texts)

    document = to_document(notice, SETTINGS)

    NOTICE_VALIDATOR.validate(document)
    assert json_size(document) <= MAX_BYTES
    assert not document["isComplete"]
    assert document["serverCount"] == 600
    small = documents([notice], 20_000)
    assert (small["noticeCount"], small["isComplete"], len(small["notices"])) == (1, True, 1)
    assert not small["notices"][0]["isComplete"]


def test_a_long_list_is_cut() -> None:
    document = to_document(notice_of("settled", servers=[NoticeServer(id="s-1")] * 501), SETTINGS)

    assert (len(document["servers"]), document["serverCount"], document["isComplete"]) == (500, 501, False)


def test_notices_that_do_not_fit_are_left_out() -> None:
    notices = [notice_of("failed", notice_id=str(number)) for number in range(500)]

    document = documents(notices)

    assert not document["isComplete"]
    assert document["noticeCount"] == 500
    assert [notice["noticeId"] for notice in document["notices"]] == list(map(str, range(len(document["notices"]))))
    assert len(document["notices"]) > 100


def test_texts_are_cut_before_notices_are_left_out() -> None:
    notices = [notice_of("failed", notice_id=str(number), error="x" * 1900) for number in range(97)]

    document = documents(notices)

    assert document["isComplete"]
    assert not any(notice["isComplete"] for notice in document["notices"])
    assert len(document["notices"][0]["error"]) == 500
