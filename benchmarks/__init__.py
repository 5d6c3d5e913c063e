"""Figures that anyone can print again. Nothing here is a test."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "lambda_src"))  # what the functions have on theirs
