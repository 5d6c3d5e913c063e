"""Each resource, data source, argument and attribute that the module uses exists in provider 6.

The tests run provider 5.100. This test compares the Terraform files with an extract of the schema of provider 6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.support import provider_schema
from tests.support.provider_schema import problems, uses

if TYPE_CHECKING:
    from pathlib import Path

FILES: Final = provider_schema.files()
SCHEMA: Final = provider_schema.load()

# Deprecated arguments that the module must use while it supports provider 5.100, which has no replacement for them.
ACCEPTED: Final = {
    ("aws_dynamodb_table", "global_secondary_index.hash_key"): "5.100 has no key_schema",
    ("aws_dynamodb_table", "global_secondary_index.range_key"): "5.100 has no key_schema",
}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(provider_schema.ROOT)))
def test_provider_6_accepts_what_the_file_uses(file: Path) -> None:
    used = [use for use in uses(file) if (use.type, ".".join(use.path)) not in ACCEPTED]

    assert [problem for use in used for problem in problems(use, SCHEMA)] == []


def test_all_files_and_blocks_are_read() -> None:
    found = {(use.file, use.type, use.path) for file in FILES for use in uses(file)}

    assert len(found) > 350
    assert ("storage.tf", "aws_dynamodb_table", ("global_secondary_index", "projection_type")) in found
    assert ("modules/function/main.tf", "aws_lambda_function", ("logging_config", "log_format")) in found
    assert ("modules/function/main.tf", "aws_iam_policy_document", ("statement", "actions")) in found  # a dynamic block
    assert ("main.tf", "aws_service", ("region",)) in found  # a reference
    assert ("examples/complete/main.tf", "aws_sns_topic", ("name",)) in found


def test_accepted_deprecations_exist() -> None:
    for type_, path in ACCEPTED:
        assert path in SCHEMA["resource"][type_]["deprecated"]


@pytest.mark.parametrize(
    ("hcl", "expected"),
    [
        ('resource "aws_sqs_queue" "a" {\n  nam = "x"\n}', "aws_sqs_queue: nam: provider 6 does not have it"),
        ('resource "aws_lambda_function" "a" {\n  role = "x"\n}', "provider 6 requires function_name"),
        (
            'resource "aws_dynamodb_table" "a" {\n  name = "x"\n  ttl {\n    key = "y"\n  }\n}',
            "ttl.key: provider 6 does not",
        ),
        (
            'resource "aws_dynamodb_table" "a" {\n  name = "x"\n  dynamic "ttl" {\n    for_each = [1]\n    content {\n'
            '      key = "y"\n    }\n  }\n}',
            "ttl.key: provider 6 does not",
        ),
        ('resource "aws_cloudwatch_event_rule" "a" {\n  is_enabled = true\n}', "is_enabled: deprecated: "),
        ("locals {\n  a = data.aws_partition.current.id\n}", "data aws_partition: id: deprecated: "),
        ("locals {\n  a = aws_sqs_queue.b[0].urn\n}", "aws_sqs_queue: urn: provider 6 does not have it"),
        ('resource "aws_s3_object" "a" {\n  bucket = "x"\n}', "aws_s3_object: bucket: not in the extract"),
    ],
)
def test_a_problem_is_found(hcl: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_schema, "ROOT", tmp_path)
    file = tmp_path / "main.tf"
    file.write_text(hcl)

    found = [problem for use in uses(file) for problem in problems(use, SCHEMA)]

    assert found
    assert all(expected in problem for problem in found), found
