"""What would spoil the training of an embedder, or its figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from nlpkit.data import checks
from nlpkit.data.findings import SHOWN, Finding
from nlpkit.data.spelling import folded
from nlpkit.errors import UserError
from nlpkit.reporting import counted
from nlpkit.tasks.sentence_embedding import shapes
from nlpkit.tasks.sentence_embedding.losses.table import RANKED

if TYPE_CHECKING:
    from datasets import Dataset

LONGEST = 70  # characters of a text that are shown
FEWEST = 20  # rows of which it is asked whether labels stand for texts: single words,
ROWS_A_LABEL = 5  # each in so many rows or more on average


def find(examples: Mapping[str, Dataset]) -> list[Finding]:
    """Repeated rows, rows of validation or test that also stand in train, texts that belong to several, texts that
    belong to themselves, scores that tell nothing apart, and labels that no second text has.

    Args:
        examples: of each split.

    Raises:
        UserError: all of them are queries of a collection.
    """
    if all(shapes.of_examples(rows).name == "retrieval" for rows in examples.values()):
        raise UserError(
            "these are queries that search documents: they judge, and no loss learns from them",
            "`nlpkit evaluate MODEL --data FOLDER` checks and judges them; train on pairs that belong together: "
            "--train-file FILE.",
        )
    keys, labels, places = {}, {}, {}
    findings = []
    for split, rows in examples.items():
        shape = shapes.of_examples(rows)
        columns = {name: rows[name][:] for name in ("text", "text_pair") if name in rows.column_names}
        keys[split] = ["\t".join(texts) for texts in zip(*columns.values(), strict=True)]
        labels[split] = rows["label"][:] if "label" in rows.column_names else [None] * len(rows)
        places[split] = rows["where"][:]
        if shape.name in RANKED:
            findings += _of_ranked(split, columns["text"], columns["text_pair"], places[split])
        if shape.name in ("scored-pairs", "labelled-pairs"):
            findings += _of_scores(split, np.asarray(labels[split], np.float64))
        if shape.name == "labelled-texts":
            findings += _of_labels(split, np.asarray(labels[split]), places[split], columns["text"])
    return checks.duplicates(keys, labels, places) + checks.leakage(keys, places) + findings


def _of_ranked(split: str, anchors: list[str], positives: list[str], places: list[str]) -> list[Finding]:
    """Of texts that belong together, where the positives of other rows are taken for wrong."""
    found = []
    repeated = Counter(map(folded, positives))
    shared = [i for i, text in enumerate(positives) if repeated[folded(text)] > 1]
    if shared and split == "train":
        rows = counted(len(shared), "row has", "rows have")
        message = (
            f"{split}: {rows} a text that belongs to another row too: in one batch it would be right and wrong at "
            "once, so that training parts them"
        )
        lines = [f"{places[i]}: {positives[i][:LONGEST]}" for i in shared]
        found.append(Finding("note", "repeated-positive", message, len(shared), lines))
    words = Counter(folded(text) for text in positives if len(text.split()) == 1)
    if len(positives) >= FEWEST and len(words) * ROWS_A_LABEL <= len(positives) == sum(words.values()):
        shown = ", ".join(text for text, _ in words.most_common(SHOWN))
        message = (
            f"{split}: the second texts of {len(positives):,} rows are {len(words)} words ({shown}, ...): these look "
            "like labels of the first ones; --shape labelled-texts --label-column NAME learns from labels"
        )
        found.append(Finding("error", "labels-as-texts", message, len(positives)))
    same = [i for i, (one, other) in enumerate(zip(anchors, positives, strict=True)) if folded(one) == folded(other)]
    if same:
        rows = counted(len(same), "row has", "rows have")
        message = f"{split}: {rows} the same text twice, from which nothing is learnt"
        lines = [f"{places[i]}: {anchors[i][:LONGEST]}" for i in same]
        found.append(Finding("warning", "same-text", message, len(same), lines))
    return found


def _of_scores(split: str, scores: np.ndarray) -> list[Finding]:
    if len(scores) < 2 or scores.min() < scores.max():
        return []
    message = f"{split}: all {len(scores):,} pairs have the score {scores[0]:g}: nothing can be learnt or judged by it"
    level = "error" if split in ("train", "validation") else "warning"
    return [Finding(level, "one-score", message, len(scores))]  # type: ignore[arg-type]


def _of_labels(split: str, labels: np.ndarray, places: list[str], texts: list[str]) -> list[Finding]:
    """Labels of texts, of which one is compared with others of its label and of other labels.

    Args:
        labels: of each row, int.
        places: where each row stands.
    """
    if not len(labels):
        return []
    _, label_of, counts = np.unique(labels, return_inverse=True, return_counts=True)
    alone = np.flatnonzero(counts[label_of] == 1)
    level = "error" if split in ("train", "validation") else "warning"
    if len(counts) == 1:
        message = f"{split}: all {len(labels):,} texts have one label: nothing can be learnt or judged by it"
        return [Finding(level, "one-label", message, len(labels))]  # type: ignore[arg-type]
    if len(alone) == len(labels):
        message = f"{split}: no two of the {len(labels):,} texts have the same label, so that none belong together"
        return [Finding(level, "label-once", message, len(labels))]  # type: ignore[arg-type]
    if not len(alone):
        return []
    rows = counted(len(alone), "text has a label", "texts have labels")
    message = f"{split}: {rows} that no other text has: "
    message += "only parted from the others" if split == "train" else "judged wrong, as the nearest has another one"
    lines = [f"{places[row]}: {texts[row][:LONGEST]}" for row in alone.tolist()]
    return [Finding("warning", "label-once", message, len(alone), lines)]
