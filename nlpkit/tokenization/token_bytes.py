"""How much text each token stands for, which makes losses of different tokenizers comparable."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

ANCHOR = "a"  # a word that others are put behind, as a first token loses the blank before it


def bytes_per_token(tokenizer: Any) -> np.ndarray:
    """Bytes of UTF-8 text that each token id stands for behind others, shape (ids,).

    What the tokenizer changes (lowercasing, accents that are stripped) is as it comes back out of the tokens. Special
    tokens stand for nothing, 0; a token for what is not known, NaN.

    Args:
        tokenizer: a fast one of transformers.
    """
    backend = tokenizer.backend_tokenizer
    vocabulary = tokenizer.get_vocab()
    sizes = np.zeros(max(vocabulary.values()) + 1)
    special = set(tokenizer.all_special_ids)
    if letters := _byte_letters(backend):
        for token, number in vocabulary.items():
            sizes[number] = len(token) if set(token) <= letters else len(token.encode("utf-8"))
    else:
        anchor = tokenizer(ANCHOR, add_special_tokens=False)["input_ids"]
        alone = backend.decode(anchor, skip_special_tokens=False)
        for number in vocabulary.values():
            joined = backend.decode([*anchor, number], skip_special_tokens=False)
            sizes[number] = len(joined.removeprefix(alone).encode("utf-8"))
    sizes[[number for number in special if number < len(sizes)]] = 0
    if tokenizer.unk_token_id is not None and tokenizer.unk_token_id != tokenizer.eos_token_id:
        sizes[tokenizer.unk_token_id] = np.nan
    return sizes


def _byte_letters(backend: Any) -> set[str]:
    """The characters that stand for one byte each in tokens of a byte-level tokenizer; none of another."""
    from tokenizers import pre_tokenizers

    decoder = json.dumps(json.loads(backend.to_str())["decoder"])  # one that has others in it does not show them
    return set(pre_tokenizers.ByteLevel.alphabet()) if '"ByteLevel"' in decoder else set()
