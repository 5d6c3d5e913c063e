"""Facts in words: times, durations, and characters that a reader cannot see."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta, timezone

import pytest
from drs_job_log.model.words import INVISIBLE, exact_duration_words, second_words, visible, with_line_feeds


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1.0, "0 s"),
        (0.0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min 0 s"),
        (723.9, "12 min 3 s"),
        (3600, "1 h 0 min 0 s"),
        (86_399.9, "23 h 59 min 59 s"),
        (93_784, "1 d 2 h 3 min 4 s"),
        (86_400 * 400, "400 d 0 h 0 min 0 s"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert exact_duration_words(seconds) == words


def test_times_are_in_utc() -> None:
    berlin = timezone(timedelta(hours=1))

    assert second_words(datetime(2026, 11, 24, 14, 0, 5, 999_999, tzinfo=berlin)) == "2026-11-24 13:00:05 UTC"
    assert second_words(datetime(2026, 11, 24, 13, 0, 5, tzinfo=UTC)) == "2026-11-24 13:00:05 UTC"


def test_every_character_that_cannot_be_seen_is_found() -> None:
    characters = map(chr, range(0x110000))
    hidden = [one for one in characters if unicodedata.category(one) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]
    shown = [one for one in hidden if not INVISIBLE.fullmatch(one)]

    # A reader sees the signs of these scripts.
    signs = ("ARABIC", "SYRIAC", "KAITHI", "EGYPTIAN")
    assert [one for one in shown if not unicodedata.name(one, "").startswith(signs)] == ["\t", "\n"]
    assert not [one for one in shown if unicodedata.bidirectional(one) in {"LRE", "RLE", "LRO", "RLO", "RLI", "LRI"}]


@pytest.mark.parametrize(
    "text",
    ["prod-web-01", "gr\u00fcn", "\u05e9\u05dc\u05d5\u05dd", "\u65e5\u672c", "\U0001f600", "a\tb\nc", "a\u00a0b"],
)
def test_other_characters_are_not_changed(text: str) -> None:
    assert visible(text) == text


def test_codes() -> None:
    assert visible("a\u202eb\x00\U000e0041") == "a<U+202E>b<U+0000><U+E0041>"


def test_line_breaks() -> None:
    assert with_line_feeds("a\r\nb\rc\nd\x85e\u2028f\u2029g\x0bh\x0ci") == "a\nb\nc\nd\ne\nf\ng\nh\ni"
