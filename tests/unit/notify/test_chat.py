"""The custom notification of Amazon Q Developer: its schema, the thread, and that no text adds a format."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from drs_job_log.model import known_errors
from drs_job_log.model.known_errors import Hint
from drs_job_log.notify.chat import escaped, severity_of, thread_of, to_chat
from drs_job_log.notify.notice import KINDS, NoticeServer
from hypothesis import given
from hypothesis import strategies as st

from tests.support.notices import CHAT_SCHEMA, SETTINGS, hostile_notices, notice_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drs_job_log.notify.notice import Notice

VALIDATOR = jsonschema_rs.Draft202012Validator(json.loads(CHAT_SCHEMA.read_text()))


def chat_of(*notices: Notice) -> dict[str, Any]:
    return to_chat(notices, SETTINGS)


def texts_of(chat: dict[str, Any]) -> list[str]:
    content = chat["content"]
    return [content["title"], content["description"], *content["nextSteps"], *content["keywords"]]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_fits_the_schema_of_amazon_q_developer(kind: str) -> None:
    VALIDATOR.validate(chat_of(notice_of(kind)))
    VALIDATOR.validate(chat_of(notice_of(kind), notice_of("failed")))


@given(hostile_notices())
def test_any_text_fits_the_schema_of_amazon_q_developer(notices: Sequence[Notice]) -> None:
    chat = to_chat(notices, SETTINGS)

    VALIDATOR.validate(json.loads(json.dumps(chat)))
    assert len(chat["content"]["description"]) <= 3000
    assert all(chat["metadata"].values())


@pytest.mark.parametrize("text", ["x", "&", "\U0001f6ab"])
def test_long_texts_and_lists_are_cut(text: str) -> None:
    servers = [NoticeServer(id=f"s-{number}", name=text * 2000, state="FAILED") for number in range(500)]

    chat = chat_of(notice_of("settled", summary=text * 2000, outcome=text * 2000, servers=servers))

    VALIDATOR.validate(chat)
    assert chat["content"]["title"].endswith("...")
    assert chat["content"]["description"].endswith("\nThe list is not complete. See the log.")
    assert len(chat["metadata"]["relatedResources"]) == 20


# ---------------------------------------------------------------------------------------------------------------------
# The thread
# ---------------------------------------------------------------------------------------------------------------------


def test_all_notices_of_an_execution_have_one_thread() -> None:
    chats = [chat_of(notice_of(kind)) for kind in KINDS if kind not in {"replication_stalled", "not_drilled"}]
    chats.append(chat_of(notice_of("failed"), notice_of("resolved")))

    assert {chat["metadata"]["threadId"] for chat in chats} == {"drs-job-log-exec-1"}
    assert {chat["metadata"]["summary"] for chat in chats} == {"Drill exec-1"}


def test_other_executions_jobs_and_modules_have_other_threads() -> None:
    notices = [
        notice_of("failed"),
        notice_of("failed", execution_id="exec-2"),
        notice_of("failed", execution_id=None),
        notice_of("failed", execution_id="exec/1"),
        notice_of("failed", execution_id="exec 1"),
        notice_of("failed", execution_id="e" * 2000),
    ]
    threads = [thread_of(notice, SETTINGS) for notice in notices]
    threads.append(thread_of(notices[0], replace(SETTINGS, name="staging")))

    assert threads[2] == "drs-job-log-drsjob-1111111111111111a"
    assert len(set(threads)) == len(threads)
    assert all(thread and len(thread) <= 128 and " " not in thread for thread in threads)


def test_notices_of_several_executions_or_of_none_have_no_thread() -> None:
    for notices in (
        [notice_of("failed"), notice_of("failed", execution_id="exec-2")],
        [notice_of("replication_stalled")],
    ):
        assert "threadId" not in chat_of(*notices)["metadata"]
        assert "summary" not in chat_of(*notices)["metadata"]


# ---------------------------------------------------------------------------------------------------------------------
# The content
# ---------------------------------------------------------------------------------------------------------------------


def test_the_notification_of_a_failed_server(monkeypatch: pytest.MonkeyPatch) -> None:
    hint = Hint(cause="A permission is missing.", first_step="Add it.", source="https://docs.example.com/a_b")
    monkeypatch.setattr(known_errors, "hint_of", lambda error: hint if error else None)

    chat = chat_of(notice_of("failed", summary="Server prod-web-01 failed to launch"))

    assert chat["content"] == {
        "textType": "client-markdown",
        "title": ":warning: Failure in drill: Server prod-web-01 failed to launch",
        "description": "\n".join(
            [
                "*Server:* prod-web-01 (s-1111111111111111a)",
                "*Job:* drsjob-1111111111111111a (drill)",
                "*Execution:* exec-1",
                "*Time:* 2025-11-28 20:51:30 UTC",
                "*Account:* 111122223333 eu-west-1",
                "*Error:* first line second line",
                "*Cause:* A permission is missing.",
            ]
        ),
        "nextSteps": [
            "Add it.",
            "Reference: https://docs.example.com/a_b",
            "Runbook: docs/runbooks/server-failed.md",
            "Viewer: https://recovery.example.com/executions/exec-1?server=s-1111111111111111a",
        ],
        "keywords": ["failed (final)", "Drill", "eu-west-1"],
    }
    assert chat["metadata"] == {
        "threadId": "drs-job-log-exec-1",
        "summary": "Drill exec-1",
        "eventType": "drs-failed",
        "relatedResources": ["drsjob-1111111111111111a", "s-1111111111111111a"],
        "additionalContext": {
            "module": "drs-job-log",
            "kind": "failed",
            "executionId": "exec-1",
            "jobId": "drsjob-1111111111111111a",
            "eventType": "SERVER_LAUNCH_FAILED",
            "isDrill": "true",
            "account": "111122223333",
            "region": "eu-west-1",
            "sourceServerId": "s-1111111111111111a",
        },
    }


def test_the_end_of_an_execution_links_to_its_report() -> None:
    settings = replace(SETTINGS, has_reports=True)
    for notices in ([notice_of("settled", execution_id="e_1")], [notice_of("started"), notice_of("settled")]):
        steps = to_chat(notices, settings)["content"]["nextSteps"]

        id_ = notices[-1].execution_id.replace("_", "%5F")
        assert steps[-1] == f"Report: https://recovery.example.com/executions/{id_}#report"
        VALIDATOR.validate(to_chat(notices, settings))
    assert "Report" not in str(to_chat([notice_of("started")], settings))


def test_several_notices_are_a_list() -> None:
    notices = [
        notice_of("failed", servers=[NoticeServer(id=f"s-{name}", name=name)], error="no rights") for name in "ba"
    ]

    content = chat_of(*notices, notice_of("settled", summary="Execution exec-1 ended"))["content"]

    assert content["title"] == ":warning: Failure in drill: 2 failed (final), 1 settled"
    assert content["description"].splitlines() == [
        "3 notices",
        "*failed (final) (2):*",
        "  no rights",
        "• a (s-a)",
        "• b (s-b)",
        "*settled (1):*",
        "• Execution exec-1 ended",
    ]


def test_the_id_is_that_of_the_fact() -> None:
    ids = [chat_of(notice_of("failed", notice_id=id_))["id"] for id_ in ("a", "a", "b")]

    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(
    ("kind", "outcome", "severity"),
    [
        ("failed", None, "Failure"),
        ("action_failed", None, "Failure"),
        ("settled", "PARTIAL", "Failure"),
        ("settled", "COMPLETED", "Information"),
        ("job_ended", "FAILED", "Failure"),
        ("at_risk", "MISSED", "Failure"),
        ("at_risk", "AT_RISK", "Warning"),
        ("stalled", None, "Warning"),
        ("started", None, "Information"),
        ("resolved", None, "Information"),
    ],
)
def test_the_title_states_the_severity(kind: str, outcome: str | None, severity: str) -> None:
    notice = notice_of(kind, outcome=outcome)

    assert severity_of(notice) == severity
    prefix = {"Failure": ":warning: Failure in drill: ", "Warning": "Warning in drill: ", "Information": "Drill: "}
    assert chat_of(notice)["content"]["title"].startswith(prefix[severity])


def test_a_link_that_is_too_long_is_left_out() -> None:
    steps = chat_of(notice_of("failed", error=None, execution_id="e" * 350))["content"]["nextSteps"]

    assert steps == ["Runbook: docs/runbooks/server-failed.md"]


# ---------------------------------------------------------------------------------------------------------------------
# Hostile texts
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("SERVER_LAUNCH_FAILED prod_web_01", "SERVER_LAUNCH_FAILED prod_web_01"),
        ("_a_ b_ __c", "\uff3fa\uff3f b\uff3f \uff3f\uff3fc"),
        ("*a* ~b~ `c`", "\u2217a\u2217 \u223cb\u223c 'c'"),
        ("<!channel> <@U1> <https://a|b>", "&lt;!channel&gt; &lt;@\u2060U1&gt; &lt;https:\u2060//a|b&gt;"),
        ("@here a@b", "@\u2060here a@\u2060b"),
        ("[a](https://b)", "\uff3ba\uff3d(https:\u2060//b)"),
        ("a &amp; b", "a &amp;amp; b"),
        ("a\n> b\n# c", "a &gt; b # c"),
    ],
)
def test_a_text_is_shown_as_it_is(text: str, shown: str) -> None:
    assert escaped(text, 200) == shown


@given(st.text(), st.integers(min_value=3, max_value=40))
def test_an_escaped_text_is_short_and_has_no_half_entity(text: str, length: int) -> None:
    result = escaped(f"&{text}<" * 3, length)

    assert len(result) <= length
    rest = result.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")
    assert not set("&<>*~`") & set(rest)


@pytest.mark.parametrize(
    "field", ["label", "summary", "execution_id", "job_id", "outcome", "requested_by", "account", "region", "error"]
)
@pytest.mark.parametrize("hostile", ["*b*", "~s~", "`c`", "<!channel>", "[a](b)", "https://evil.example.com", "@here"])
def test_no_text_of_a_notice_adds_a_format_a_link_or_a_mention(field: str, hostile: str) -> None:
    notice = notice_of("failed", **{field: f"x {hostile} y"})
    servers = [NoticeServer(id=f"i {hostile}", name=hostile, state=hostile, error=hostile, detail=hostile)] * 2

    for notices in ([notice], [notice, notice_of("resolved")], [notice_of("settled", servers=servers)]):
        for text in texts_of(chat_of(*notices)):
            foreign = text.replace("https://recovery.example.com/", "")
            assert hostile not in foreign


def test_only_safe_values_are_for_custom_actions() -> None:
    notice = notice_of("failed", execution_id="exec; rm -rf /", job_id="drsjob-1", region="eu west")

    metadata = chat_of(notice)["metadata"]

    assert "executionId" not in metadata["additionalContext"]
    assert "region" not in metadata["additionalContext"]
    assert metadata["additionalContext"]["jobId"] == "drsjob-1"
