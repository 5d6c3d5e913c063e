"""Every documented shell command runs, or its page says why the tests do not run it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.documented import (
    CONTROL_CHARACTERS,
    Block,
    Shell,
    documented_deployment,
    pages,
    read_blocks,
)
from tests.support.envelopes import job_log
from tests.support.terraform import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

# Commands that CI or another test runs: a file that runs it, and how it stands there.
RUN_ELSEWHERE: Final = {
    "make test": (".ci/run", "make test"),
    'python3 "$MODULE/examples/viewer_proxy/viewer_proxy.py"': ("tests/support/viewer_proxy.py", "viewer_proxy.py"),
    "make bench": ("tests/benchmarks/test_benchmarks.py", "benchmarks"),
    ".venv/bin/python -m benchmarks": ("tests/benchmarks/test_benchmarks.py", "benchmarks"),
}


def run_elsewhere(command: str) -> tuple[str, str] | None:
    """Return where a command runs, with any options."""
    return next((where for start, where in RUN_ELSEWHERE.items() if f"{command} ".startswith(f"{start} ")), None)


BLOCKS: Final = [block for page in pages() for block in read_blocks(page) if not block.reason]
ELSEWHERE: Final = [block for block in BLOCKS if any(map(run_elsewhere, block.commands))]


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    with documented_deployment() as shell:
        yield shell


@pytest.mark.parametrize("block", [block for block in BLOCKS if block not in ELSEWHERE], ids=str)
def test_a_documented_command_runs(block: Block, shell: Shell) -> None:
    result = shell.run(block, seconds=240)  # against commands that hang

    assert result.returncode == 0, f"{block.page}:{block.line}\n{block.code}\n{result.stdout}"


@pytest.mark.parametrize("block", ELSEWHERE, ids=str)
def test_a_command_that_is_run_elsewhere_is_run_there(block: Block) -> None:
    for command in block.commands:
        where = run_elsewhere(command)
        assert where is not None, command
        file, text = where
        assert text in (ROOT / file).read_text()


def test_a_page_says_before_a_block_why_it_is_not_run() -> None:
    page = ROOT / "README.md"
    text = """
## One

Not run by the tests: it needs a key
of another account.

```sh
one
```

```hcl
not = "shell"
```

1. Step

   Read it. Not run by the tests: it needs a job that hangs.

   ```sh
   two \\
     --option # comment
   ```

## Two

<!-- Not run by the tests: nobody sees this reason. -->

```sh
three
```
"""

    one, two, three = read_blocks(page, text)

    assert (one.reason, one.commands, one.line) == ("it needs a key of another account.", ["one"], 7)
    assert (two.reason, two.commands) == ("it needs a job that hangs.", ["two    --option"])
    assert (three.reason, str(three)) == ("", "README.md:block-3")


def test_the_set_up_prints_no_control_characters_and_moves_events_unchanged(shell: Shell) -> None:
    # JSON escapes the other control characters.
    hidden = "".join(character for character in CONTROL_CHARACTERS if character > "~")
    name = f"web{hidden}-01 é†…€"
    now = datetime.now(UTC).isoformat()
    event = {"jobID": "hostile", "eventType": "JOB_START", "eventId": "1", "sourceServerName": name}
    (shell.folder / "hostile.json").write_text(json.dumps(job_log(event, time=now), ensure_ascii=False))
    block = Block(
        page=ROOT / "docs/runbooks/delivery-dlq-not-empty.md",
        number=1,
        line=1,
        code="""
aws sqs send-message --queue-url "$(queue_url delivery-dlq)" --message-body file://hostile.json >/dev/null
move delivery-dlq
for _ in {1..60}; do
  [ -z "$(job hostile)" ] || break
  sleep 0.5
done
job hostile | sed 's/^/function: /'
command aws dynamodb query --table-name "$TABLE" --key-condition-expression 'JobId = :job' --output text \\
  --expression-attribute-values '{":job": {"S": "hostile"}}' --query 'Items[].SourceServerName.S' | sed 's/^/exact: /'
""",
        reason="",
    )

    # Other blocks leave messages in the DLQ, and each of them takes several calls of the AWS CLI.
    result = shell.run(block, seconds=240)

    assert result.returncode == 0, result.stdout
    lines = result.stdout.split("\n")
    assert f"exact: {name}" in result.stdout
    assert [line.split("\t")[2] for line in lines if line.startswith("function: ")] == ["web-01 é†…€"]


def test_a_restored_table_has_its_rows_and_after_the_apply_its_settings(shell: Shell) -> None:
    blocks = [block for block in read_blocks(ROOT / "docs/restore.md") if not block.reason]

    # Terraform prints colors.
    outputs = [re.sub(r"\x1b\[[0-9;]*m", "", shell.run(block, seconds=240).stdout) for block in blocks]

    (plan,) = [output for output in outputs if "Terraform will perform" in output]
    # MiniStack does not return composite alarms, so the plan also creates those.
    assert "aws_dynamodb_table.job_log_events will be updated in-place" in plan
    assert not re.search(r"aws_dynamodb_table\.\w+ (must be replaced|will be (created|destroyed))", plan)
    assert [output.split()[-2:] for output in outputs if "Apply complete!" in output] == [["ENABLED", "Enabled"]]
    # The rows of the job that the page names are still there.
    check = Block(
        page=ROOT / "docs/restore.md",
        number=len(blocks) + 10,
        line=1,
        code="""job "$JOB" | wc -l
aws dynamodb describe-continuous-backups --table-name "$TABLE" --output text --query \\
  ContinuousBackupsDescription.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus
aws dynamodb list-tables --query 'TableNames[?ends_with(@, `restored`)]' --output text
""",
        reason="",
    )
    rows, recovery = shell.run(check, seconds=240).stdout.split()
    assert int(rows) > 0
    assert recovery == "ENABLED"


def test_the_readme_verifies_the_installation(shell: Shell) -> None:
    test, read = [block for block in BLOCKS if block.page.parent == ROOT and re.search("smoke-?test", block.code, re.I)]

    assert json.loads(shell.run(test).stdout)["storedAfterMilliseconds"] > 0
    answer = json.loads(shell.run(read).stdout)
    assert (answer["executionId"], {event["eventType"] for event in answer["logs"]}) == ("smoke-test", {"SMOKE_TEST"})


def test_the_commands_for_the_retention_change_the_expiry_of_all_stored_events(shell: Shell) -> None:
    (block,) = [block for block in BLOCKS if "batch-execute-statement" in block.code]
    assert shell.run(block).stdout == ""
    read = """aws dynamodb scan --table-name "$TABLE" --output json --filter-expression 'EventType <> :test' \\
      --expression-attribute-values '{":test": {"S": "SMOKE_TEST"}}' --query 'Items[].[Timestamp.S, TTL.N]'"""

    rows = json.loads(shell.run(Block(page=block.page, number=block.number + 1, line=0, code=read, reason="")).stdout)

    # The job of the deployment. Other blocks store more events, also after this one.
    expiries = [int(ttl) - int(datetime.fromisoformat(time).timestamp()) for time, ttl in rows]
    assert expiries.count(90 * 86400) > 5


def test_commands_do_not_depend_on_the_configuration_of_the_user() -> None:
    for block in BLOCKS:
        assert "terraform output" not in block.code, block


def test_each_runbook_links_to_the_set_up() -> None:
    for page in (ROOT / "docs/runbooks").glob("*.md"):
        assert page.name == "README.md" or "(README.md#set-up)" in page.read_text(), page
