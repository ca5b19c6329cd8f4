"""Labels of rows that a model does not have: what becomes of the rows, and how people are told of them."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from nlpkit.data.labels import Labels
from nlpkit.tasks.options import FEW_UNKNOWN

Policy = Literal["error", "wrong", "skip"] | None

SHOWN_LABELS = 6  # names in a message


def decided(policy: Policy, unknown: int, total: int, split: str) -> Literal["error", "wrong", "skip"]:
    """What becomes of rows with a label that the model does not have.

    Args:
        policy: --unknown-labels; None: up to a share of `FEW_UNKNOWN` they are wrong, more are an error.
        unknown, total: how many rows there are of them, and of all that could be read.
        split: that they are of. That none is left of train is told apart.
    """
    if policy is None:
        return "wrong" if unknown <= FEW_UNKNOWN * total else "error"
    return "error" if policy == "skip" and unknown == total and split != "train" else policy


def described(unknown: Counter[str], labels: Labels) -> str:
    """The most frequent labels that a model does not have, with how often they occur and the nearest that it has."""
    named = []
    for name, count in unknown.most_common(SHOWN_LABELS):
        near = labels.nearest(name)
        named.append(f"{name} {count:,}" + (f" (nearest: {near})" if near else ""))
    more = f" and {len(unknown) - SHOWN_LABELS} more" if len(unknown) > SHOWN_LABELS else ""
    return ", ".join(named) + more
