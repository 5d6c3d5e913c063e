"""The IAM policies of the deploying role in docs/permissions.md."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from tests.support.terraform import ROOT

Policy = list[dict[str, Any]]

PAGE: Final = ROOT / "docs/permissions.md"


def policies(account: str = "111122223333", region: str = "eu-west-1") -> list[Policy]:
    """Return the statements of each policy of the page. The first policy is that of the default inputs."""
    text = PAGE.read_text().replace("111122223333", account).replace("eu-west-1", region)
    parsed = [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)]
    return [policy["Statement"] if isinstance(policy, dict) else policy for policy in parsed]


def document(statements: Policy) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))


def actions(statements: Policy) -> set[str]:
    return {action for statement in statements for action in listed(statement["Action"])}


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
