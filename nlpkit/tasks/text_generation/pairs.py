"""Minimal pairs: two sentences that differ in one thing, of which a model that knows the language prefers the good one.

So BLiMP asks (Warstadt et al. 2020, https://aclanthology.org/2020.tacl-1.25): a pair counts where the log-probability
of the good sentence, summed over its tokens, is the higher one. The first token is judged behind the token that begins
a text; the end of a text is not judged, as a sentence is not a document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit.data import checks
from nlpkit.data import columns as column_names
from nlpkit.data.findings import Finding
from nlpkit.data.labels import is_missing
from nlpkit.errors import UserError
from nlpkit.tasks.text_generation import features

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.data.sources import LoadedData
    from nlpkit.metrics.evidence import Evidence

COLUMNS = ("sentence_good", "sentence_bad")
SIDES = ("good", "bad")
METRICS = ("pair_accuracy", "log_ratio", "ties")
NOTES = {"log_ratio": "in nats"}
SAME = 1e-5  # of the log-probability: what float32 does not tell apart, where batches differ


def stand_in(columns: Sequence[str]) -> bool:
    """Whether rows with these columns are minimal pairs."""
    return all(name in columns for name in COLUMNS)


def read(rows: Dataset, split: str, origin: LoadedData, findings: list[Finding] | None = None) -> Dataset:
    """Examples with `good`, `bad` and `where`; rows that are no pair are left out and put into `findings`.

    Raises:
        UserError: a column is missing.
    """
    from datasets import Dataset as ArrowDataset
    from datasets import Features, Value

    findings = findings if findings is not None else []
    good, bad = (column_names.require(name, rows.column_names, "sentence", where=f"{split}: ") for name in COLUMNS)
    kept: dict[str, list[str]] = {"good": [], "bad": [], "where": []}
    empty: list[str] = []
    unreadable: list[str] = []
    equal: list[str] = []
    for *cells, where in zip(rows[good][:], rows[bad][:], origin.places(rows, split), strict=True):
        missing = [name for name, cell in zip(COLUMNS, cells, strict=True) if is_missing(cell)]
        if missing:
            empty.append(f"{where}: column '{missing[0]}' is empty")
            continue
        try:
            texts = [column_names.as_text(cell, name) for name, cell in zip(COLUMNS, cells, strict=True)]
        except ValueError as error:
            unreadable.append(f"{where}: {error}")
            continue
        if texts[0] == texts[1]:
            equal.append(f"{where}: {texts[0]}")
            continue
        for name, value in zip(kept, [*texts, where], strict=True):
            kept[name].append(value)
    for check, affected, what in (
        ("empty-text", empty, "lack a sentence"),
        ("unreadable-text", unreadable, "have a sentence that cannot be read"),
        ("equal-sentences", equal, "have the same sentence twice"),
    ):
        if affected:
            message = f"{split}: {len(affected):,} of {len(rows):,} rows {what} and are left out"
            findings.append(Finding("warning", check, message, len(affected), affected))
    if len(rows) and not kept["good"]:
        findings.append(checks.no_rows(split, len(rows), findings))
    return ArrowDataset.from_dict(kept, features=Features({name: Value("string") for name in kept}))


def windows(
    tokenizer: Any, examples: Mapping[str, Sequence[Any]], max_length: int | None, stride: int | None
) -> dict[str, list[Any]]:
    """The features of both sentences of each pair, see `features.judged`; `side` is 0 for the good one, else 1.

    Args:
        examples: with `good` and `bad`.
        max_length, stride: as of `features.judged`.
    """
    texts = [text for pair in zip(*(examples[side] for side in SIDES), strict=True) for text in pair]
    made = features.judged(tokenizer, texts, max_length, stride, end=False)
    places = made["example"]
    return {**made, "example": [place // 2 for place in places], "side": [place % 2 for place in places]}


def merged(outputs: np.ndarray, example: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Negative log-probabilities of both sentences of each pair in nats, shape (pairs, 2).

    Args:
        outputs: of each window; the first column is its loss.
        example, side: of each window.
    """
    total = np.zeros((int(example[-1]) + 1 if len(example) else 0, 2))
    np.add.at(total, (example, side), outputs[:, 0])
    return total


def score(nll: np.ndarray) -> dict[str, float]:
    """The share of pairs whose good sentence is likelier, by how much, and how many are as likely, which do not count.

    Args:
        nll: shape (pairs, 2).

    Raises:
        UserError: there is no pair.
    """
    if not len(nll):
        raise UserError("there is no pair of sentences to judge", f"Give rows with {COLUMNS[0]} and {COLUMNS[1]}.")
    won, tied, ratio = _told(nll)
    return {"pair_accuracy": float(won.mean()), "log_ratio": float(ratio.mean()), "ties": int(tied.sum())}


def evidence(nll: np.ndarray) -> Evidence:
    """What the metrics of pairs hang on, shape (pairs, 2); a number of ties is no estimate."""
    from nlpkit.metrics.class_counts import ratio as share_of
    from nlpkit.metrics.evidence import Evidence, Share

    won, _, ratios = _told(nll)

    def figures(weights: np.ndarray) -> Mapping[str, np.ndarray]:
        pairs = weights.sum(axis=1)
        return {
            "pair_accuracy": share_of(weights @ won, pairs),
            "log_ratio": share_of(weights @ ratios, pairs),
        }

    shares = {"pair_accuracy": Share(won.astype(float), np.ones(len(won)))}
    return Evidence(np.arange(len(nll)), figures, shares, unit="pairs")


def _told(nll: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each pair whether the good sentence is likelier, whether both are as likely, and the log of their ratio."""
    ratio = nll[:, 1] - nll[:, 0]
    tied = np.abs(ratio) <= SAME * nll.max(axis=1)
    return (ratio > 0) & ~tied, tied, ratio
