"""Figures under which a load test fails: `--fail-over` and `--fail-under`."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nlpkit.errors import UserError
from nlpkit.loadtesting.options import WrittenOptions
from nlpkit.options import suggest

OF_WINDOW = (
    "p50_ms", "p90_ms", "p95_ms", "p99_ms", "max_ms", "mean_ms", "answered", "goodput", "refused_rate",
    "refusal_p50_ms", "refusal_p99_ms", "error_rate",
)  # fmt: skip
BEYOND = "beyond_"
OF_SEARCH = ("knee", *OF_WINDOW, *(f"{BEYOND}{name}" for name in (*OF_WINDOW, "goodput_share")))


@dataclass(frozen=True)
class Gate:
    """A figure and its bound.

    Attributes:
        flag: that asks for it.
        name: of the figure.
        bound: that it is compared with.
        fails: of the value and the bound.
    """

    flag: str
    name: str
    bound: float
    fails: Callable[[float, float], bool]


def of(options: WrittenOptions, *, searches: bool) -> list[Gate]:
    """The gates of a command.

    Args:
        searches: whether the knee is looked for; a fixed schedule has neither a knee nor a step beyond it.

    Raises:
        UserError: there is no such figure, or a bound is no number.
    """
    known = OF_SEARCH if searches else OF_WINDOW
    gates = []
    for flag, bounds, fails in (
        ("--fail-over", options.fail_over, operator.gt),
        ("--fail-under", options.fail_under, operator.lt),
    ):
        for name, bound in bounds.items():
            if name not in known:
                other = "; the search for the knee has it" if name in OF_SEARCH else ""
                raise UserError(
                    f"{flag} {name}: no such figure{other}; there are {', '.join(known)}", suggest(name, known)
                )
            if isinstance(bound, bool) or not isinstance(bound, int | float):
                raise UserError(f"{flag} {name}={bound}: the bound is not a number")
            gates.append(Gate(flag, name, float(bound), fails))
    return gates


def failures(gates: Sequence[Gate], metrics: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What did not hold, one line each; a figure that there is not, as of answers where none came, holds no gate.

    Args:
        metrics: by window, or of `knee` and `beyond`.
    """
    lines = []
    for gate in gates:
        name, places = gate.name, metrics
        if "knee" in metrics:
            where = "beyond" if name.startswith(BEYOND) else "knee"
            name, places = name.removeprefix(BEYOND), {where: metrics.get(where) or {}}
        for where, values in places.items():
            value = values.get(name)
            if value is None and name.startswith("refusal_"):  # nothing was refused
                continue
            if value is None or gate.fails(value, gate.bound):
                shown = "there is none" if value is None else f"{value:,.4g}"
                lines.append(f"failed: {where} {name}: {shown} ({gate.flag} {gate.bound:g})")
    return lines
