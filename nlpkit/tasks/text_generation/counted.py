"""What n-gram models, counted on a text that the user names, make of minimal pairs: a yardstick of the model's."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit import reporting
from nlpkit.data.corpus import Corpus, Verbatim
from nlpkit.generation import ngrams
from nlpkit.options import CorpusOptions
from nlpkit.tasks.text_generation import features, pairs

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.metrics.evidence import Judgement


def yardsticks(specs: Sequence[str], tokenizer: Any, examples: Dataset) -> Mapping[str, Judgement]:
    """The figures of models of 1 to 5 tokens, by their names.

    Args:
        specs: files, folders or globs of text, as of `pretrain-clm`; a blank line ends a document of plain text.
        tokenizer: of the model.
        examples: minimal pairs, with `good` and `bad`.

    Raises:
        UserError: there is no text.
    """
    from nlpkit.metrics.evidence import Judgement

    start = time.monotonic()
    first = features.first_token(tokenizer)
    tokens, more = _stream(specs, tokenizer, first)
    fitted = ngrams.NGrams(tokens, len(tokenizer), first)
    sentences = [text for pair in zip(*(examples[side][:] for side in pairs.SIDES), strict=True) for text in pair]
    ids = [[first, *made] for made in tokenizer(sentences, add_special_tokens=False, verbose=False)["input_ids"]]
    lengths = np.array([len(each) for each in ids])
    begins = np.cumsum(lengths) - lengths
    read = np.zeros(int(lengths.sum()), dtype=bool)
    read[begins] = True  # nothing is judged of it
    made = {}
    together = np.concatenate([np.asarray(each, dtype=np.int64) for each in ids])
    for order, (chance, _) in enumerate(fitted.judged(together, np.repeat(begins, lengths)), start=1):
        nll = np.add.reduceat(np.where(read, 0.0, -np.log(chance)), begins).reshape(-1, len(pairs.SIDES))
        made[f"{order}-gram"] = Judgement(pairs.score(nll), pairs.evidence(nll))
    share = f"the first {len(tokens):,} tokens" if more else f"{len(tokens):,} tokens"
    reporting.current().note(f"n-grams: counted on {share} of {', '.join(specs)}, {time.monotonic() - start:.1f} s")
    return made


def _stream(specs: Sequence[str], tokenizer: Any, separator: int) -> tuple[np.ndarray, bool]:
    """The tokens of a text, each document behind a token that parts it from the last, and whether there are more."""
    parts: list[np.ndarray] = []
    size = 0
    for batch in Corpus(CorpusOptions(), specs, verbatim=Verbatim()).batches():
        encoded = tokenizer(batch.texts, add_special_tokens=False, verbose=False)["input_ids"]
        for ids, starts in zip(encoded, batch.starts, strict=True):
            if size >= ngrams.MOST_TOKENS:
                return np.concatenate(parts)[: ngrams.MOST_TOKENS], True
            parts.append(np.asarray([separator, *ids] if starts else ids, dtype=np.int64))
            size += len(parts[-1])
    return np.concatenate(parts)[: ngrams.MOST_TOKENS], size > ngrams.MOST_TOKENS
