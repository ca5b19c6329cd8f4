"""What heads look at whatever the sentence says: separators, the next token, everything (Clark et al. 2019, section 3).

Counted are the tokens of the text, special ones only as what is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from nlpkit.probing.heads.observed import Head

FIRST = "first token"
PREVIOUS = "previous token"
NEXT = "next token"
ITSELF = "itself"


@dataclass(frozen=True)
class Patterns:
    """How much of its attention each head gives to what.

    Attributes:
        heads: in the order of the figures.
        shares: mean share of the attention of a token, from 0 to 1, by what is looked at; shape (heads,) each.
        even: the same of a head that would look at all tokens alike.
        entropy: mean entropy of the attention of a token in nats, shape (heads,): 0 for one that looks at one token.
        even_entropy: that of a head that would look at all tokens alike.
        tokens: whose attention was averaged.
    """

    heads: Sequence[Head]
    shares: Mapping[str, np.ndarray]
    even: Mapping[str, float]
    entropy: np.ndarray
    even_entropy: float
    tokens: int


@dataclass
class Tally:
    """Sums over sentences of what `Patterns` averages.

    Attributes:
        special: the special tokens as the tokenizer writes them, those before a text and those behind it.
        causal: whether a token sees only those before it, as the first text tells.
    """

    special: tuple[Sequence[str], Sequence[str]]
    causal: bool | None = None
    sums: dict[str, np.ndarray] = field(default_factory=dict)
    even: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    entropy: np.ndarray | float = 0.0
    even_entropy: float = 0.0
    tokens: int = 0

    def add(self, attention: np.ndarray) -> None:
        """Count a sentence.

        Args:
            attention: shape (heads, tokens, tokens).
        """
        before, behind = self.special
        length = attention.shape[1]
        size = length - len(before) - len(behind)
        text = slice(len(before), len(before) + size)
        looking, between = attention[:, text], attention[:, text, text]
        # tokens that each token of the text could look at: of a model that writes they end with itself
        if self.causal is None and length > 1:
            self.causal = not attention[:, *np.triu_indices(length, 1)].any()
        last = np.arange(length)[text] if self.causal else np.full(size, length - 1)
        for name, places in self._places(length).items():
            even = (np.array(places) <= last[:, None]).sum(axis=1) / (last + 1)
            self._count(name, looking[:, :, places].sum(axis=(1, 2)), even)
        for name, offset in ((PREVIOUS, -1), (ITSELF, 0), (NEXT, 1)):
            tokens = np.arange(max(-offset, 0), size - max(offset, 0))
            even = (tokens + len(before) + offset <= last[tokens]) / (last[tokens] + 1)
            self._count(name, between[:, tokens, tokens + offset].sum(axis=1), even)
        self.entropy = self.entropy - (looking * np.log(np.maximum(looking, 1e-12))).sum(axis=(1, 2), dtype=np.float64)
        self.even_entropy += float(np.log(last + 1).sum())
        self.tokens += size

    def _places(self, length: int) -> dict[str, list[int]]:
        """Where stands what is looked at for what it is, and not for where it is."""
        before, behind = self.special
        places: dict[str, list[int]] = {} if before else {FIRST: [0]}
        for place, name in [*enumerate(before), *enumerate(behind, start=length - len(behind))]:
            places.setdefault(name, []).append(place)
        return places

    def _count(self, name: str, sums: np.ndarray, even: np.ndarray) -> None:
        self.sums[name] = self.sums.get(name, np.zeros(len(sums))) + sums
        self.even[name] = self.even.get(name, 0.0) + float(even.sum())
        self.counts[name] = self.counts.get(name, 0) + len(even)

    def patterns(self, heads: Sequence[Head]) -> Patterns:
        """The means, of at least one sentence."""
        return Patterns(
            heads,
            {name: sums / max(self.counts[name], 1) for name, sums in self.sums.items()},
            {name: value / max(self.counts[name], 1) for name, value in self.even.items()},
            np.asarray(self.entropy) / self.tokens,
            self.even_entropy / self.tokens,
            self.tokens,
        )
