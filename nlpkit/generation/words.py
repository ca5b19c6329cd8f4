"""From tokens that were written back to text."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nlpkit.generation.loop import Text

Says = Callable[[Sequence[int], int | None], str]

ANCHOR = "a"  # a word that tokens are put behind: a first one loses the blank before it in many tokenizers


def continuation(tokenizer: Any, ids: Sequence[int]) -> str:
    """What token ids say behind a text, with the blank that they begin with; special tokens say nothing.

    Args:
        tokenizer: of transformers.
    """
    anchor = tokenizer(ANCHOR, add_special_tokens=False)["input_ids"]
    before = tokenizer.decode(anchor, skip_special_tokens=True)
    whole = tokenizer.decode([*anchor, *ids], skip_special_tokens=True)
    return str(whole.removeprefix(before) if whole.startswith(before) else tokenizer.decode(ids))


def said_behind(tokenizer: Any, ids: Sequence[int], characters: int | None) -> str:
    """As `continuation`, some characters of it; None: all."""
    return continuation(tokenizer, ids)[:characters]


def said(tokenizer: Any, token: int) -> str:
    """What a token says behind others; the name of one that says nothing, as that which ends a text."""
    return continuation(tokenizer, [token]) or str(tokenizer.convert_ids_to_tokens(token))


def said_alone(tokenizer: Any, token: int) -> str:
    """A token as it is read by itself; one that is no text (a blank, half a character) by its name."""
    text = str(tokenizer.decode([token]))
    return text.strip() if text.strip() and "\ufffd" not in text else str(tokenizer.convert_ids_to_tokens(token))


class Unfolding:
    """A text whose tokens come one by one, as far as it is settled.

    Held back are bytes that are no whole character yet, and what may be the beginning of a text that ends the writing.

    Args:
        tokenizer: of the model.
        stop: texts that end the writing.
        says: what token ids say, as many characters of it as belong to the text (None: all); by default what they say
            behind a text.

    Attributes:
        text: what was given out.
    """

    def __init__(self, tokenizer: Any, stop: Sequence[str] = (), says: Says | None = None) -> None:
        self.says = says or partial(said_behind, tokenizer)
        self.stop = stop
        self.text = ""

    def take(self, ids: Sequence[int], *, whole: bool = False, characters: int | None = None) -> str:
        """What is settled now and was not before.

        Args:
            ids: all tokens so far.
            whole: whether these are all that will come.
            characters: of what they say, those that belong to the text; None: all.
        """
        text = self.says(ids, characters)
        if not whole:
            text = text.rstrip("\ufffd")
            text = text[: len(text) - max((_begun(text, stop) for stop in self.stop), default=0)]
        if not text.startswith(self.text):  # a tokenizer that takes blanks back, or a part that is held back again
            return ""
        new = text[len(self.text) :]
        self.text = text
        return new


def _begun(text: str, stop: str) -> int:
    """How many characters at the end of a text are the beginning of another one."""
    return next((size for size in range(min(len(stop), len(text)), 0, -1) if text.endswith(stop[:size])), 0)


class Growing:
    """Tells a text that is written token by token, as far as it is settled; `loop.write` calls it.

    Args:
        tokenizer: of the model.
        stop: texts that end the writing.
        tell: is told each part, and the probability of its last token.
        says: see `Unfolding`.
    """

    def __init__(
        self, tokenizer: Any, stop: Sequence[str], tell: Callable[[str, float], None], says: Says | None = None
    ) -> None:
        self.unfolding, self.tell = Unfolding(tokenizer, stop, says), tell

    def __call__(self, number: int, text: Text) -> None:
        self._tell(text, self.unfolding.take(text.ids, whole=text.ended, characters=text.characters))

    def end(self, text: Text) -> None:
        """Tell what was held back of a text that stopped before its end."""
        self._tell(text, self.unfolding.take(text.ids, whole=True, characters=text.characters))

    def _tell(self, text: Text, new: str) -> None:
        if new:
            self.tell(new, math.exp(text.chances[-1]))


def unfolded(tokenizer: Any, text: Text, says: Says | None = None) -> list[str]:
    """What each token of a text adds to it; the last byte of a character adds the whole of it.

    Together they are the text, unless its tokenizer changes what stands there already.

    Args:
        says: see `Unfolding`.
    """
    unfolding = Unfolding(tokenizer, says=says)
    last = len(text.ids)
    return [
        unfolding.take(text.ids[:i], whole=i == last, characters=text.characters if i == last else None)
        for i in range(1, last + 1)
    ]
