"""Benchmarks of the module. docs/performance.md and docs/cost.md show their results."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "lambda_src"))  # as in the Lambda package
