"""The head of a trained model against the labels of the data: whether it goes on, and how the labels are numbered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from nlpkit.data.spelling import folded

SHOWN = 6  # labels a message names
Level = Literal["warning", "note"]


@dataclass(frozen=True)
class Head:
    """What becomes of a model's head.

    Attributes:
        kept: whether its weights go on; else they are drawn anew.
        names: where it is kept and has labels, those of the data in the order of its outputs.
        note: what people are told of it; empty where there is nothing to tell.
        level: how much that matters.
    """

    kept: bool
    names: list[str] = field(default_factory=list)
    note: str = ""
    level: Level = "note"


def fitted(own: Sequence[str], trained: Sequence[str], *, numbered: bool = False) -> Head:
    """Match the labels of the data with those of a head by their names.

    Args:
        own: of the data, in the order that they would have without a trained model; none for numbers to predict.
        trained: of the head, in the order of its outputs.
        numbered: whether the data hold places in `own` and no names.
    """
    if not own and not trained:
        return _kept((), "it gives numbers, which the data have")
    names, wanted = set(trained), set(own)
    if len(names) < len(trained) or len(own) != len(trained):
        return _new(own, trained, "note")
    if wanted == names:
        moved = "" if list(own) == list(trained) else ", numbered as the model has them"
        return _kept(trained, f"its labels are those of the data ({_listed(trained)}){moved}")
    spelt = {folded(name): name for name in own}
    if len(spelt) == len(own) and spelt.keys() == {folded(name) for name in trained}:
        return _kept(
            [spelt[folded(name)] for name in trained],
            f"its labels ({_listed(trained)}) are those of the data but for how they are spelt",
        )
    numbers = [str(i) for i in range(len(trained))]
    if list(trained) == [f"LABEL_{i}" for i in numbers] and (numbered or wanted == set(numbers)):
        order = list(own) if numbered else numbers
        pairs = ", ".join(f"{old} = {new}" for old, new in list(zip(trained, order, strict=True))[:SHOWN])
        return _kept(order, f"its labels have no names and are taken by their numbers ({pairs})", "warning")
    # as many labels: it would fit by its shape, and nobody would see that its outputs mean something else
    return _new(own, trained, "warning")


def _kept(names: Sequence[str], why: str, level: Level = "note") -> Head:
    return Head(True, list(names), f"the model's trained head goes on: {why}", level)


def _new(own: Sequence[str], trained: Sequence[str], level: Level) -> Head:
    note = f"the model's trained head is drawn anew: it is for {_counted(trained)}, the data have {_counted(own)}"
    if level == "warning":
        note += "; where they mean the same, write the model's labels into the data"
    return Head(False, [], note, level)


def _counted(names: Sequence[str]) -> str:
    return f"{len(names)} labels ({_listed(names)})" if names else "numbers"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
