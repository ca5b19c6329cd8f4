"""BLEU, chrF and TER of a corpus, each a function of sums over rows, so that those of any draw of rows are exact.

The statistics of a row are sacrebleu's (Post 2018, https://aclanthology.org/W18-6319), and so are the figures: BLEU
(Papineni et al. 2002, https://aclanthology.org/P02-1040) with exponential smoothing, chrF2 (Popovic 2015,
https://aclanthology.org/W15-3049) of up to 6 characters, TER (Snover et al. 2006,
https://aclanthology.org/2006.amta-papers.25), all in percent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nlpkit.metrics import bleu_tokenizers
from nlpkit.metrics.class_counts import ratio

ORDERS = 4  # of the n-grams of BLEU
BETA = 2  # how much more than precision recall counts in chrF


@dataclass(frozen=True)
class Statistics:
    """What BLEU, chrF and TER need of each row.

    Attributes:
        bleu: words of the output, words of the reference that is next to it in length, n-grams of 1 to 4 words that
            are right, and all of the output, shape (rows, 10).
        chrf: n-grams of 1 to 6 characters of the output, of its best reference, and of both, shape (rows, 18).
        ter: edits to the nearest reference, and the mean number of words of the references, shape (rows, 2); None:
            not asked for.
        signatures: of each metric, as sacrebleu words them: what another figure must agree in to compare with it.
    """

    bleu: np.ndarray
    chrf: np.ndarray
    ter: np.ndarray | None
    signatures: dict[str, str]


def statistics(
    predictions: Sequence[str], references: Sequence[Sequence[str]], tokenizer: str, *, ter: bool
) -> Statistics:
    """The statistics of rows.

    Args:
        predictions: a text for each row.
        references: for each row one text or more, as many as there are.
        tokenizer: one of `bleu_tokenizers.TOKENIZERS`, of BLEU alone.
        ter: whether to count edits: that takes time with the square of the length, for long texts seconds each.

    Raises:
        UserError: sacrebleu or the tokenizer is not there.
    """
    bleu_tokenizers.require(tokenizer)
    from sacrebleu.metrics import BLEU, CHRF, TER

    # sacrebleu wants the first reference of all rows, then the second; None where a row has no more
    most = max(map(len, references))
    streams = [[texts[i] if i < len(texts) else None for texts in references] for i in range(most)]
    # forced: outputs that look tokenized are told of by `written.compared`
    metrics: dict[str, Any] = {"bleu": BLEU(tokenize=tokenizer, force=True), "chrf": CHRF()}
    if ter:
        metrics["ter"] = TER()
    counted = {
        name: np.array(metric._extract_corpus_statistics(predictions, streams), dtype=np.float64)
        for name, metric in metrics.items()
    }
    signatures = {name: str(metric.get_signature()) for name, metric in metrics.items()}
    return Statistics(counted["bleu"], counted["chrf"], counted.get("ter"), signatures)


def bleu(sums: np.ndarray, *, effective_order: bool = False) -> np.ndarray:
    """BLEU from sums of `Statistics.bleu`.

    Args:
        sums: shape (draws, 10).
        effective_order: leave orders out of which there is no n-gram, as sacrebleu does for one sentence; otherwise
            they make BLEU 0.

    Returns:
        Shape (draws,), from 0 to 100.
    """
    words, wanted = sums[:, 0], sums[:, 1]
    right, counted = sums[:, 2 : 2 + ORDERS], sums[:, 2 + ORDERS :]
    known = counted > 0
    # exponential smoothing: the first order without a right n-gram counts half of one, the next a quarter
    smoothed = np.where(right > 0, right, 0.5 ** np.cumsum(right == 0, axis=1))
    logs = np.log(ratio(smoothed, counted), where=known, out=np.zeros_like(counted))
    scores = np.exp(logs.sum(axis=1) / np.maximum(known.sum(axis=1), 1) + np.minimum(1 - ratio(wanted, words), 0))
    some = right.any(axis=1) if effective_order else right.any(axis=1) & known.all(axis=1)
    return np.where(some, 100 * scores, 0.0)


def chrf(sums: np.ndarray) -> np.ndarray:
    """chrF2 from sums of `Statistics.chrf`, shape (draws, 18); shape (draws,), from 0 to 100."""
    found, wanted, right = np.moveaxis(sums.reshape(len(sums), -1, 3), 2, 0)
    known = (found > 0) & (wanted > 0)
    orders = known.sum(axis=1)
    precision = ratio((ratio(right, found) * known).sum(axis=1), orders)
    recall = ratio((ratio(right, wanted) * known).sum(axis=1), orders)
    return 100 * ratio((1 + BETA**2) * precision * recall, BETA**2 * precision + recall)


def ter(sums: np.ndarray) -> np.ndarray:
    """TER from sums of `Statistics.ter`, shape (draws, 2); shape (draws,), from 0, above 100 for many superfluous
    words; lower is better."""
    return 100 * ratio(sums[:, 0], sums[:, 1])


def length_ratio(sums: np.ndarray) -> np.ndarray:
    """Words of the outputs by those of the references next to them, from sums of `Statistics.bleu`; shape (draws,)."""
    return ratio(sums[:, 0], sums[:, 1])


def mean_length(sums: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Words of an output, punctuation among them as the tokenizer has it, from sums over so many rows."""
    return ratio(sums[:, 0], rows)
