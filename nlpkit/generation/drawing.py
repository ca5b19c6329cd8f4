"""Tokens drawn so that a text depends on its prompt and the seed alone, and not on what is written beside it.

The token with the largest sum of logit and Gumbel noise is a draw from the softmax of the logits (Gumbel 1954; Maddison
et al. 2014). The noise is a function of the seed, the prompt, the number of the text and of the token: a batch gives
the texts that each prompt gives alone, on torch and on ONNX Runtime.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

SMALLEST = 1e-12  # of a uniform number, whose logarithm is taken twice


def key_of(prompt: Sequence[int], number: int, seed: int) -> int:
    """What the noise of a text is drawn from.

    Args:
        prompt: token ids.
        number: of the text, of several for one prompt.
        seed: of the user.
    """
    content = np.asarray([seed, number, *prompt], np.int64).tobytes()
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")


def noise(keys: Sequence[int], step: int, vocabulary: int) -> np.ndarray:
    """Gumbel noise for the next token of each text, float32 of shape (texts, vocabulary).

    Args:
        keys: see `key_of`.
        step: tokens that were written before.
        vocabulary: tokens to choose from.
    """
    rows = [np.random.Generator(np.random.Philox(key=[key, step])).random(vocabulary) for key in keys]
    uniform = np.stack(rows).clip(SMALLEST, 1 - SMALLEST)
    return (-np.log(-np.log(uniform))).astype(np.float32)
