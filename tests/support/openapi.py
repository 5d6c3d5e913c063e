"""docs/openapi.yaml, and what schemathesis holds against it.

Not whether strangers get in (the embedded AWS and the plan tests show that), nor whether another method is answered
with 405: API Gateway answers 404.
"""

from __future__ import annotations

from typing import Any, Final

from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from tests.support.terraform import ROOT

DOCUMENT: Final = ROOT / "docs/openapi.yaml"

# That every answer is of the document's statuses, headers and schemas.
ANSWERS: Final[list[Any]] = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]

# That what the document calls wrong is refused, and nothing else.
REFUSALS: Final[list[Any]] = [checks.negative_data_rejection, checks.positive_data_acceptance]
