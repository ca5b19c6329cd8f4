"""From tokens that were written back to text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
