"""docs/openapi.yaml and the checks of schemathesis.

The checks do not include authorization, which the plan tests and the embedded AWS cover. They do not include status 405
for other methods, because API Gateway returns 404.
"""

from __future__ import annotations

from typing import Any, Final

from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from tests.support.terraform import ROOT

DOCUMENT: Final = ROOT / "docs/openapi.yaml"

# Each response has a documented status, headers and schema.
ANSWERS: Final[list[Any]] = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]

# The API rejects exactly the requests that the document does not allow.
REFUSALS: Final[list[Any]] = [checks.negative_data_rejection, checks.positive_data_acceptance]
