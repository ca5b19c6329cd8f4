"""How good written texts are: the figures of a translation and of a summary, and what stands beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nlpkit import reporting
from nlpkit.data import pairs
from nlpkit.reporting import Table

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.metrics.evidence import Judgement
    from nlpkit.metrics.written import Written

Measure = Literal["translation", "summary"]

MAIN: Mapping[Measure, str] = {"translation": "bleu", "summary": "rougeL"}
SHOWN: Mapping[Measure, tuple[str, ...]] = {
    "translation": ("bleu", "chrf", "ter", "exact_match"),
    "summary": ("rouge1", "rouge2", "rougeL", "rougeLsum"),
}
BY_ROW: Mapping[Measure, str] = {"translation": "chrf", "summary": "rougeL"}
WENT_WRONG = {
    "empty": "say nothing",
    "cut": "were cut at the limit of tokens",
    "repeating": "repeat themselves",
    "copied": "stand in their text word for word",
}
LOOKED_AT = 100  # rows
MORE_THAN_A_SUMMARY = 0.5  # of the characters of a text, from which on what is to be written is no summary


@lru_cache(maxsize=8)
def _of(
    predictions: tuple[str, ...],
    references: tuple[tuple[str, ...], ...],
    sources: tuple[str, ...] | None,
    ended: tuple[bool, ...] | None,
    edits: bool,
) -> Written:
    from nlpkit.metrics import written

    return written.compared(predictions, references, sources=sources, ended=ended, ter=edits)


def compared(
    measure: Measure,
    predictions: Sequence[str],
    examples: Dataset,
    ended: Sequence[bool] | None = None,
    *,
    whole: bool = True,
) -> Written:
    """What was written beside what was to be written.

    Args:
        measure: edits are counted of translations alone: of long texts that takes long.
        predictions: a text for each example.
        examples: with columns text and targets.
        ended: whether each text came to an end by itself; None where that means nothing.
        whole: whether edits are counted at all.
    """
    return _of(
        tuple(predictions),
        tuple(map(tuple, examples["targets"][:])),
        tuple(examples["text"][:]),
        None if ended is None else tuple(ended),
        whole and measure == "translation",
    )


def details(measure: Measure, found: Written, rows: int) -> dict[str, Any]:
    """How figures came about, and how many texts went wrong.

    Args:
        measure: what is to be known of its figures is kept.
        rows: how many there are.
    """
    return {
        "signatures": dict(found.signatures),
        "notes": [
            note
            for kind, notes in found.notes.items()
            if any(metric.startswith(kind) for metric in SHOWN[measure])
            for note in notes
        ],
        "went_wrong": {name: int(found.shares[name].sum()) for name in WENT_WRONG if name in found.shares},
        "written": rows,
    }


def yardsticks(measure: Measure, examples: Dataset) -> dict[str, Judgement]:
    """What copies of the texts are worth, and their first sentences."""
    from nlpkit.metrics import untrained
    from nlpkit.metrics.evidence import Judgement

    made = {}
    for name, texts in untrained.outputs(examples["text"][:]).items():
        found = compared(measure, texts, examples)
        made[name] = Judgement(found.metrics(), found.evidence())
    return made


def of_rows(measure: Measure, found: Written) -> tuple[str, np.ndarray]:
    """The figure that rows are compared by, and that of each, shape (rows,)."""
    name = BY_ROW[measure]
    return name, found.of_rows()[name]


def tables(split: str, details: Mapping[str, Any]) -> list[Table]:
    """How many texts of a split went wrong, where any did, and what is to be known of its figures."""
    rows = details.get("written")
    body: list[list[Any]] = [
        [said, f"{count:,} of {rows:,}", f"{count / rows:.1%}"]
        for name, said in WENT_WRONG.items()
        if rows and (count := (details.get("went_wrong") or {}).get(name))
    ]
    made = [Table(f"{split}: texts that", ["", "rows", "share"], body)] if body else []
    notes = [[note] for note in details.get("notes") or []]
    return [*made, Table(f"{split}: of its figures", ["note"], notes, to_left=True)] if notes else made


def measured_as(rows: Dataset, text: str, targets: Sequence[str]) -> Measure:
    """Whether what is to be written is a summary, as it is much shorter than its text; a guess, which is told.

    Args:
        rows: of the user.
        text, targets: columns of them.
    """
    shares = []
    for row in rows.select(range(min(len(rows), LOOKED_AT))):
        try:
            shares.append(len(pairs.targets_of(row, targets)[0]) / len(pairs.text_of(row[text], text)))
        except ValueError:
            continue
    share = float(np.median(shares)) if shares else 1.0
    kind: Measure = "summary" if share < MORE_THAN_A_SUMMARY else "translation"
    reporting.current().note(
        f"judged as a {kind}: what is to be written has {share:.0%} of the characters of its text (guessed; --measure)"
    )
    return kind
