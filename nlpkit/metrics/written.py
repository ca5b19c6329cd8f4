"""What translations, summaries and other written texts are judged by, against texts that people wrote.

BLEU, chrF and TER are sacrebleu's (`corpus_scores`), ROUGE is rouge-score's (`rouge`), all in percent, beside the share
of outputs that a reference says word for word and of those that went wrong. Each figure follows from statistics of the
rows, so that intervals and paired tests need no text again (`Written.evidence`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from nlpkit.metrics import bleu_tokenizers, corpus_scores, degenerate, rouge
from nlpkit.metrics.corpus_scores import Statistics
from nlpkit.metrics.evidence import Evidence, Extremes, Share, Weights

PERCENT = Extremes(0.0, 100.0)
SHARES = ("exact_match", "empty", "cut", "repeating", "copied")
NAMES = ("bleu", "chrf", "ter", *rouge.NAMES, *SHARES, "length_ratio", "mean_length")
LOWER_IS_BETTER = frozenset({"ter", "empty", "cut", "repeating", "copied"})
TOKENIZED = 0.5  # share of outputs that end as tokenized text does, from which on that is told


@dataclass(frozen=True)
class Written:
    """How outputs compare with references, row by row.

    Attributes:
        statistics: of BLEU, chrF and TER.
        rouge: F1 from 0 to 1 of `rouge.NAMES`, shape (rows, 4).
        shares: of `SHARES` that are known, whether it is so of each row, bool of shape (rows,) each.
        signatures: of BLEU, chrF, TER and ROUGE: how they were computed.
        notes: of `bleu` and `rouge`, what was chosen by the references, and what makes the figures mean less than they
            seem to, a sentence each.
    """

    statistics: Statistics
    rouge: np.ndarray
    shares: Mapping[str, np.ndarray]
    signatures: Mapping[str, str]
    notes: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def metrics(self) -> dict[str, float]:
        """The figures of all rows, of `NAMES` those that are known."""
        return self.evidence().observed()

    def evidence(self) -> Evidence:
        """What the figures hang on: rows."""
        statistics = self.statistics

        def figures(weights: Weights) -> Mapping[str, np.ndarray]:
            rows = weights.sum(axis=1)
            words = weights @ statistics.bleu
            found = {"bleu": corpus_scores.bleu(words), "chrf": corpus_scores.chrf(weights @ statistics.chrf)}
            if statistics.ter is not None:
                found["ter"] = corpus_scores.ter(weights @ statistics.ter)
            found |= dict(zip(rouge.NAMES, 100 * (weights @ self.rouge).T / rows, strict=True))
            found |= {name: 100 * (weights @ hits) / rows for name, hits in self.shares.items()}
            return {
                **found,
                "length_ratio": corpus_scores.length_ratio(words),
                "mean_length": corpus_scores.mean_length(words, rows),
            }

        one = np.ones(len(self.rouge))
        shares = {name: Share(hits, one, scale=100) for name, hits in self.shares.items()}
        extremes = dict.fromkeys(("bleu", "chrf", *rouge.NAMES), PERCENT)
        return Evidence(np.arange(len(one)), figures, shares, extremes)

    def of_rows(self) -> dict[str, np.ndarray]:
        """Figures of each row by itself, shape (rows,) each: BLEU and chrF as sacrebleu has them of one sentence
        (BLEU of the orders that there are), TER where it was asked for, ROUGE-L; for the list of the worst."""
        found = {
            "bleu": corpus_scores.bleu(self.statistics.bleu, effective_order=True),
            "chrf": corpus_scores.chrf(self.statistics.chrf),
        }
        if self.statistics.ter is not None:
            found["ter"] = corpus_scores.ter(self.statistics.ter)
        return {**found, "rougeL": 100 * self.rouge[:, rouge.NAMES.index("rougeL")]}


def compared(
    predictions: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    sources: Sequence[str] | None = None,
    ended: Sequence[bool] | None = None,
    bleu_tokenizer: str | None = None,
    rouge_words: rouge.Words | None = None,
    ter: bool = True,
) -> Written:
    """Outputs beside references.

    Args:
        predictions: a text for each row, as people read it (detokenized).
        references: for each row one text or more; rows may differ in how many.
        sources: what each output was written for; None: `copied` is not known.
        ended: whether each output came to an end by itself, and was not cut at a limit; None: `cut` is not known.
        bleu_tokenizer: one of `bleu_tokenizers.TOKENIZERS`; None: as the script of the references asks, `13a` of most.
            BLEU compares with one of the same tokenizer alone.
        rouge_words: see `rouge.Words`; None: `english`, unless the references have many words of other letters.
        ter: whether to compute TER, see `corpus_scores.statistics`: of outputs much longer than their references it
            takes long and says little.

    Raises:
        ValueError: there is no row, the lengths differ, or a row has no reference or one without text.
        UserError: sacrebleu, rouge-score or the tokenizer is not there.
    """
    _check(predictions, references, sources, ended)
    notes: dict[str, list[str]] = {"bleu": [], "rouge": []}
    if bleu_tokenizer is None:
        bleu_tokenizer, why = bleu_tokenizers.fitting(references)
        notes["bleu"] += [why] if why else []
    if rouge_words is None:
        rouge_words, why = rouge.fitting(references)
        notes["rouge"] += [why] if why else []
    tokenized = sum(text.rstrip().endswith(" .") for text in predictions)
    if bleu_tokenizer != "none" and tokenized >= TOKENIZED * len(predictions):
        notes["bleu"].append(
            f"{tokenized:,} of {len(predictions):,} outputs end in a blank and a period, as tokenized text does: BLEU "
            "of such text does not compare with that of text as people read it"
        )
    statistics = corpus_scores.statistics(predictions, references, bleu_tokenizer, ter=ter)
    shares = {
        "exact_match": [
            _plain(text) in {_plain(reference) for reference in texts}
            for text, texts in zip(predictions, references, strict=True)
        ],
        "empty": [not text.strip() for text in predictions],
    }
    if ended is not None:
        shares["cut"] = [not whole for whole in ended]
    shares["repeating"] = [degenerate.loops(text) for text in predictions]
    if sources is not None:
        shares["copied"] = [degenerate.copies(text, source) for text, source in zip(predictions, sources, strict=True)]
    return Written(
        statistics,
        rouge.of_rows(predictions, references, rouge_words),
        {name: np.array(values, dtype=bool) for name, values in shares.items()},
        {**statistics.signatures, "rouge": rouge.signature(references, rouge_words)},
        notes,
    )


def _check(
    predictions: Sequence[str], references: Sequence[Sequence[str]], *others: Sequence[str] | Sequence[bool] | None
) -> None:
    if not predictions:
        raise ValueError("there is no row to judge")
    for column in (references, *(column for column in others if column is not None)):
        if len(column) != len(predictions):
            raise ValueError(f"{len(predictions):,} predictions do not go with {len(column):,} rows")
    for row, texts in enumerate(references):
        if isinstance(texts, str):
            raise ValueError(f"references[{row}] is a text, and not a list of texts")
        if not texts or not all(text.strip() for text in texts):
            raise ValueError(f"references[{row}] has no text, or an empty one")


def _plain(text: str) -> str:
    return " ".join(text.split())
