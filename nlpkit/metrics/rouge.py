"""ROUGE by rouge-score (Lin 2004, https://aclanthology.org/W04-1013): how much of a reference stands in an output.

F1 of words (`rouge1`), of pairs of words (`rouge2`), of the longest common subsequence of the whole text (`rougeL`)
and of each sentence (`rougeLsum`); of several references the best counts, for each of the four.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import metadata
from typing import Any, Literal

import numpy as np

from nlpkit.data import sentences
from nlpkit.data import words as text_words
from nlpkit.errors import UserError
from nlpkit.metrics.bleu_tokenizers import INSTALL

NAMES = ("rouge1", "rouge2", "rougeL", "rougeLsum")
Words = Literal["english", "any"]
"""Which words are compared: runs of a to z and 0 to 9 by their Porter stems, as published figures of English are; or
those of any script as `nlpkit.data.words` parts them, in lower case, without stems."""
WORDS: tuple[Words, ...] = ("english", "any")
MANY = 0.05  # share of words with other letters than a to z, from which on words of any script are compared


def fitting(references: Sequence[Sequence[str]]) -> tuple[Words, str | None]:
    """Which words of texts to compare, and what is to be said of it; None of `english`.

    Args:
        references: for each row one text or more.
    """
    words = [word for texts in references for text in texts for word in text.split()]
    other = sum(any(letter.isalnum() and not letter.isascii() for letter in word) for word in words)
    if other < MANY * len(words):
        return "english", None
    return "any", (
        f"ROUGE of words of any script, without stems, as {other:,} of {len(words):,} words of the references have "
        "other letters than a to z"
    )


def require() -> None:
    """Raises UserError: rouge-score is not here."""
    try:
        import rouge_score.rouge_scorer
    except ImportError as error:
        raise UserError(f"ROUGE needs rouge-score: {error}", INSTALL) from None
    del rouge_score


def of_rows(predictions: Sequence[str], references: Sequence[Sequence[str]], words: Words = "english") -> np.ndarray:
    """ROUGE of each row.

    Args:
        predictions: a text for each row. The lines of one that has several are its sentences, else they are found.
        references: for each row one text or more.
        words: see `Words`.

    Returns:
        F1 of `NAMES`, from 0 to 1, shape (rows, 4).

    Raises:
        UserError: rouge-score is not there.
    """
    require()
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(list(NAMES), tokenizer=_Tokenizer(words))
    scores = [
        scorer.score_multi([_in_lines(text) for text in texts], _in_lines(prediction))
        for prediction, texts in zip(predictions, references, strict=True)
    ]
    return np.array([[row[name].fmeasure for name in NAMES] for row in scores]).reshape(-1, len(NAMES))


def signature(references: Sequence[Sequence[str]], words: Words = "english") -> str:
    """What another figure must agree in to compare with these, worded as those of sacrebleu."""
    counts = {len(texts) for texts in references}
    several = f"nrefs:{counts.pop() if len(counts) == 1 else 'var'}"
    stems = "porter" if words == "english" else "no"
    return f"{several}|best:each|words:{words}|stem:{stems}|version:{metadata.version('rouge-score')}"


class _Tokenizer:
    """As rouge-score wants it; the stem of a word is worked out once."""

    def __init__(self, words: Words) -> None:
        self.tokenize: Callable[[str], list[str]] = text_words.plain
        if words == "english":
            from nltk.stem.porter import PorterStemmer
            from rouge_score.tokenize import tokenize

            stems = _Stems(PorterStemmer())
            self.tokenize = lambda text: tokenize(text, stems)


class _Stems:
    def __init__(self, stemmer: Any) -> None:
        self.stem = lru_cache(maxsize=2**16)(stemmer.stem)


def _in_lines(text: str) -> str:
    return text if "\n" in text.strip() else "\n".join(sentences.split(text))
