"""Characters that a tokenizer of characters leaves out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

SHOWN = 10


class Characters:
    """How often each character occurs in texts, as the normalizer of a tokenizer leaves them.

    Args:
        backend: a `tokenizers.Tokenizer`.
    """

    def __init__(self, backend: Any) -> None:
        self.counts: Counter[str] = Counter()
        self._normalizer = backend.normalizer

    def add(self, texts: Sequence[str]) -> None:
        """Count those of some texts."""
        for text in texts:
            self.counts.update(text if self._normalizer is None else self._normalizer.normalize_str(text))

    def left_out(self, backend: Any) -> list[str]:
        """What a trained tokenizer does not know of the texts, in a sentence; nothing where it knows all."""
        known = backend.get_vocab(with_added_tokens=False)
        lacking = Counter({character: count for character, count in self.counts.items() if character not in known})
        if not lacking:
            return []
        share = lacking.total() / self.counts.total()
        shown = " ".join(repr(character)[1:-1] for character, _ in lacking.most_common(SHOWN))
        more = " ..." if len(lacking) > SHOWN else ""
        return [
            f"--limit-alphabet leaves out {len(lacking):,} of {len(self.counts):,} characters, {lacking.total():,} "
            f"times in the text ({100 * share:.2g} %), which are unknown: {shown}{more}"
        ]
