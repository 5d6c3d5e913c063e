"""What a benchmark comes to: a figure of ours beside its floor, each as often as it was measured, and the reach."""

from __future__ import annotations

import statistics
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

Reach = Literal["ratio at most", "ratio at least", "value at most"]

_WORDS: Final[dict[Reach, str]] = {
    "ratio at most": "≤ {:g} ×",
    "ratio at least": "≥ {:g} ×",
    "value at most": "≤ {:g}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the table.

    Attributes
    ----------
    what, floor_is
        What was measured, and what beside it.
    unit
        Of ``ours``, ``floor`` and a reach that is of the value.
    ours, floor
        One figure of each repeat, in the order of the repeats: those of a repeat were measured side by side.
    reach, kind
        What the issue asks for: of the median of the repeats' ratios, or of the median of ``ours``.
    """

    what: str
    unit: str
    ours: Sequence[float]
    floor: Sequence[float]
    floor_is: str
    reach: float
    kind: Reach = "ratio at most"

    @property
    def ratios(self) -> list[float]:
        """Ours by the floor, of each repeat."""
        return [one / other for one, other in zip(self.ours, self.floor, strict=True)]

    @property
    def _judged(self) -> Sequence[float]:
        return self.ours if self.kind == "value at most" else self.ratios

    @property
    def is_met(self) -> bool:
        """Whether the median, to the digits that are shown, is within reach."""
        median = float(f"{statistics.median(self._judged):.3g}")
        return median >= self.reach if self.kind == "ratio at least" else median <= self.reach

    def row(self) -> tuple[str, ...]:
        """As cells: what, ours, floor, ratio with its spread, reach, whether it is met."""
        spread = f" ({min(self.ratios):.2f} … {max(self.ratios):.2f})" if len(self.ours) > 1 else ""
        is_value = self.kind == "value at most"
        return (
            self.what,
            f"{figure(statistics.median(self.ours))} {self.unit}",
            f"{figure(statistics.median(self.floor))} {self.unit}: {self.floor_is}",
            f"{statistics.median(self.ratios):.2f}{spread}",
            _WORDS[self.kind].format(self.reach) + (f" {self.unit}" if is_value else ""),
            "yes" if self.is_met else "NO",
        )

    def record(self) -> dict[str, Any]:
        """As JSON, from which ``read`` makes it again."""
        return asdict(self) | {"medianRatio": round(statistics.median(self.ratios), 4), "isMet": self.is_met}

    @staticmethod
    def read(record: Mapping[str, Any]) -> Line:
        """The line of a record."""
        return Line(**{name: value for name, value in record.items() if name not in ("medianRatio", "isMet")})


HEADINGS: Final = ("what", "ours", "floor", "ratio (of the repeats)", "reach", "met")


def figure(value: float) -> str:
    """A figure with three digits that count, or all before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def side_by_side(
    repeats: Iterable[object], ours: Callable[[], float], floor: Callable[[], float]
) -> tuple[list[float], list[float]]:
    """The figures of both, as ``in_turn``."""
    our_figures, floor_figures = in_turn(repeats, ours, floor)
    return our_figures, floor_figures


def in_turn(repeats: Iterable[object], *calls: Callable[[], float]) -> list[list[float]]:
    """The figures of each, taken in turn, so that a busy moment of the machine meets all; the first round warms up."""
    for call in calls:
        call()
    rounds = [[call() for call in calls] for _ in repeats]
    return [list(figures) for figures in zip(*rounds, strict=True)]


def wall_ms(call: Callable[[], object]) -> float:
    """Milliseconds that a call takes."""
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


def cpu_ms(call: Callable[[], object]) -> float:
    """Milliseconds of processor time that a call takes, in all threads of this process."""
    began = time.process_time()
    call()
    return (time.process_time() - began) * 1000
