"""The wrong answers that a run kept, as any task writes them: their marked texts, and which labels are confused.

What is read of one is what all tasks share: `label` and `prediction` are a name, a list of names, a number, or a part
of the text with its label; `score` is how sure the model was.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

NOTHING = "(none)"  # a label in the place of one that is missing
_TOLD = frozenset({"split", "text", "text_pair", "label", "prediction", "score", "where", "kind"})


class Part(NamedTuple):
    """Some characters of a text: `kind` is "label", "prediction", "both", or "" where nothing is marked."""

    text: str
    kind: str = ""
    name: str = ""


class Confused(NamedTuple):
    """Two labels, and how often the second was answered where the first is right."""

    label: str
    prediction: str
    times: int


def named(value: Any) -> str:
    """A label or an answer in words."""
    if value is None:
        return NOTHING
    if isinstance(value, Mapping):
        return str(value.get("label") or value.get("text") or NOTHING)
    if isinstance(value, list):
        return ", ".join(map(str, value)) or NOTHING
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def confused(mistakes: Sequence[Mapping[str, Any]]) -> list[Confused]:
    """Pairs of labels that were taken for one another, the most frequent first; [] where answers are no labels."""
    counts: Counter[tuple[str, str]] = Counter()
    for mistake in mistakes:
        sides = mistake.get("label"), mistake.get("prediction")
        if "label" in mistake and all(_is_label(side) for side in sides):
            label, prediction = map(named, sides)
            if label != prediction:  # of a part of a text the bounds may be wrong alone
                counts[label, prediction] += 1
    return [Confused(*pair, count) for pair, count in counts.most_common()]


def _is_label(side: Any) -> bool:
    return side is None or isinstance(side, str) or (isinstance(side, Mapping) and "label" in side)


def parts(mistake: Mapping[str, Any]) -> list[Part]:
    """The text of a mistake in pieces: what is labelled and what was answered are marked where they are parts of it."""
    text = str(mistake.get("text", ""))
    spans = {kind: _span(mistake.get(kind), len(text)) for kind in ("label", "prediction")}
    bounds = sorted({0, len(text), *(place for span in spans.values() if span for place in span)})
    pieces = []
    for start, end in itertools.pairwise(bounds):
        kinds = [kind for kind, span in spans.items() if span and span[0] <= start and end <= span[1]]
        kind = "both" if len(kinds) == 2 else "".join(kinds)
        names = dict.fromkeys(named(mistake[one]) for one in kinds)
        pieces.append(Part(text[start:end], kind, " / ".join(names)))
    return pieces


def _span(side: Any, length: int) -> tuple[int, int] | None:
    """The characters of a text that an answer is about."""
    if not isinstance(side, Mapping):
        return None
    start, end = side.get("start"), side.get("end")
    if not isinstance(start, int) or not isinstance(end, int) or not 0 <= start < end <= length:
        return None
    return start, end


def others(mistake: Mapping[str, Any]) -> dict[str, str]:
    """What else a task tells of a mistake: the question, the second text, the F1 of an answer."""
    told = {"text_pair": mistake["text_pair"]} if mistake.get("text_pair") else {}
    told |= {name: value for name, value in mistake.items() if name not in _TOLD and not isinstance(value, Mapping)}
    return {name.replace("_", " "): named(value) for name, value in told.items() if value not in (None, "", [])}
