"""Changed copies of texts for a teacher to label: small data become enough to distil with.

Words are masked and n-grams sampled as by Tang et al. (2019, "Distilling Task-Specific Knowledge from BERT into Simple
Neural Networks", section 3.3), and replaced by near ones as in TinyBERT (Jiao et al. 2020, algorithm 1). There a masked
language model proposes what is near; here it is what lies next to the word in the teacher's own input embeddings, which
takes no other model, or what a list of synonyms says.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    import torch

Way = Literal["mask", "ngram", "synonym"]

MASKED = 0.1  # share of the words: Tang et al.
SAMPLED = 0.25  # share of the copies of which an n-gram stays: Tang et al.
LONGEST_NGRAM = 5  # words: Tang et al.
REPLACED = 0.4  # share of the words: TinyBERT
NEAR = 15  # candidates for a word: TinyBERT
WORDS_AT_ONCE = 1_024  # that are compared with the whole vocabulary

_WORD = re.compile(r"(\w+)")


@dataclass(frozen=True)
class Augmenter:
    """Makes changed copies of texts.

    Attributes:
        ways: what may happen to a copy.
        mask: the mask token, read with `mask`.
        near: word in lower case -> words that may stand for it, read with `synonym`.
    """

    ways: Collection[Way]
    mask: str | None = None
    near: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def copies(self, texts: Sequence[str], count: int, generator: np.random.Generator) -> Iterator[tuple[str, ...]]:
        """Up to `count` copies of the texts of a row, all different from it and from one another."""
        seen = {tuple(texts)}
        for _ in range(count):
            changed = tuple(self._changed(text, generator) for text in texts)
            if changed not in seen:
                seen.add(changed)
                yield changed

    def _changed(self, text: str, generator: np.random.Generator) -> str:
        parts = _WORD.split(text)  # words at the odd places
        for place in range(1, len(parts), 2):
            draw = generator.random(2)
            if "mask" in self.ways and draw[0] < MASKED:
                parts[place] = str(self.mask)
            elif "synonym" in self.ways and draw[1] < REPLACED and (near := self.near.get(parts[place].lower())):
                parts[place] = near[int(generator.integers(len(near)))]
        words = "".join(parts).split()
        if "ngram" in self.ways and generator.random() < SAMPLED and words:
            size = min(int(generator.integers(1, LONGEST_NGRAM + 1)), len(words))
            start = int(generator.integers(len(words) - size + 1))
            words = words[start : start + size]
            return " ".join(words)
        return "".join(parts)


def words_of(texts: Sequence[str]) -> set[str]:
    """All words of the texts, in lower case."""
    return {word.lower() for text in texts for word in _WORD.findall(text)}


def near_words(tokenizer: Any, table: torch.Tensor, words: Collection[str], count: int = NEAR) -> dict[str, list[str]]:
    """The words whose input embeddings are nearest to those of given ones, by cosine.

    Args:
        tokenizer: that of the table; words that it cuts into several pieces have no neighbours here.
        table: input embeddings, shape (vocabulary, width).
        words: in lower case.
        count: neighbours of a word.
    """
    import torch

    whole = _whole_words(tokenizer)
    ids = {word: place for word in sorted(words) if (place := _single(tokenizer, word)) in whole}
    candidates = torch.tensor(sorted(whole), dtype=torch.long)
    rows = torch.nn.functional.normalize(table.detach().float().cpu(), dim=-1)
    near: dict[str, list[str]] = {}
    known = list(ids)
    for start in range(0, len(known), WORDS_AT_ONCE):
        part = known[start : start + WORDS_AT_ONCE]
        closeness = rows[[ids[word] for word in part]] @ rows[candidates].T
        best = closeness.topk(min(count + 1, len(candidates)), dim=-1).indices  # a word is nearest to itself
        for word, places in zip(part, best, strict=True):
            names = [whole[int(candidates[place])] for place in places]
            near[word] = [name for name in names if name.lower() != word][:count]
    return {word: names for word, names in near.items() if names}


def _whole_words(tokenizer: Any) -> dict[int, str]:
    """The tokens that are a word each: id -> word."""
    special = set(tokenizer.all_special_ids)
    words = {}
    for i in range(len(tokenizer)):
        word = tokenizer.decode([i]).strip()
        if i not in special and len(word) > 1 and word.isalpha() and _single(tokenizer, word) == i:
            words[i] = word
    return words


def _single(tokenizer: Any, word: str) -> int | None:
    """The one token that a word is within a text; None where there are several."""
    ids = tokenizer.encode(f"a {word}", add_special_tokens=False)[1:]
    return ids[0] if len(ids) == 1 else None
