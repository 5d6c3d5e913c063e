"""The functions of the set-up of the runbooks, in bash."""

from __future__ import annotations

import subprocess

import pytest

from tests.support.documented import CONTROL_CHARACTERS, SET_UP, read_blocks

(_SET_UP,) = [block.code for block in read_blocks(SET_UP) if "printable() {" in block.code]

# Neighbours of the removed characters, and characters with some of their bytes.
KEPT = "\t\n ~\u00a0é\u2013†…‧\u2065\u206aⅦ€ü日本🙂server-01"


def bash(code: str, text: str = "", locale: str = "C.UTF-8") -> subprocess.CompletedProcess[bytes]:
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": locale}
    command = ["bash", "-c", f"{_SET_UP}\n{code}"]
    return subprocess.run(command, check=False, input=text.encode(), capture_output=True, env=environment)


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_printable_removes_control_characters_only(locale: str) -> None:
    text = "".join(f"{character}{kept}" for kept in KEPT for character in CONTROL_CHARACTERS)

    assert bash("printable", text, locale).stdout.decode() == "".join(kept * len(CONTROL_CHARACTERS) for kept in KEPT)


def test_the_control_characters_are_complete() -> None:
    assert [f"{ord(character):x}" for character in CONTROL_CHARACTERS] == [
        *(f"{code:x}" for code in range(0x20) if code not in {0x9, 0xA}),
        *(f"{code:x}" for code in range(0x7F, 0xA0)),
        *("200e", "200f", "202a", "202b", "202c", "202d", "202e", "2066", "2067", "2068", "2069"),
    ]


def test_aws_returns_the_exit_status_of_the_aws_cli() -> None:
    assert bash("command() { return 7; }; aws sts get-caller-identity").returncode == 7
    assert bash("command() { return 0; }; aws sts get-caller-identity").returncode == 0
