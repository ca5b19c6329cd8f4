"""A student without layers: the teacher's vector of each token, in a table; the vector of a text is their mean.

As model2vec has it (Tulkens and van Dongen 2024, https://github.com/MinishLab/model2vec): each token goes through the
teacher by itself, a principal component analysis (PCA) of these vectors takes out what they have in common and makes
them narrower, and frequent tokens are made short, as SIF does (Arora et al. 2017, "A simple but tough-to-beat baseline
for sentence embeddings"). What is trained further with the teacher's vectors begins there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.metrics.similarity import unit

if TYPE_CHECKING:
    from nlpkit.inference.predictor import Predictor

SIF = 1e-4  # a of the weight a / (a + p) of a token with probability p; as in model2vec
BATCH = 1_024  # tokens that go through the teacher at a time, each as a text of its own
SAMPLED = 20_000  # texts by which the table is turned towards the teacher's vectors


def token_vectors(teacher: Predictor[Any]) -> np.ndarray:
    """What the teacher makes of each token alone: the mean of its last states, shape (tokens, width).

    A token stands between the special tokens that end and begin a text, in this order, which model2vec found to be
    better than the usual one: MiniLM's table has a Spearman correlation of .82 on STS-B, against .80.
    """
    import torch

    tokenizer = teacher.tokenizer
    tokens = len(tokenizer)
    around = tokenizer.num_special_tokens_to_add()
    example = tokenizer("a")["input_ids"]
    before, after = ([example[-1]], [example[0]]) if around >= 2 else ([], [])
    rows = []
    with reporting.current().progress("tokens", tokens, "tokens") as bar:
        for start in range(0, tokens, BATCH):
            ids = [{"input_ids": [*before, token, *after]} for token in range(start, min(start + BATCH, tokens))]
            batch = teacher.batch(ids)
            with torch.inference_mode():
                forward = teacher.weights.call(lambda: teacher.task.run(teacher.model, batch, {"hidden"}))  # noqa: B023
            assert forward.hidden is not None, "as it was wanted"
            rows.append(forward.hidden[-1].float().mean(1).cpu().numpy())
            bar.advance(len(ids))
    return np.concatenate(rows)


def narrowed(vectors: np.ndarray, dims: int) -> np.ndarray:
    """The principal components of the tokens' vectors, shape (tokens, dims).

    Raises:
        UserError: they have fewer dimensions, or there are fewer tokens.
    """
    from sklearn.decomposition import PCA

    if dims > (most := min(vectors.shape[1], len(vectors) - 1)):
        raise UserError(
            f"--dims {dims}: the teacher's vectors have {vectors.shape[1]} dimensions, and it knows "
            f"{len(vectors):,} tokens",
            f"Give at most {most}.",
        )
    return np.asarray(PCA(dims, svd_solver="full").fit_transform(vectors), np.float32)


def zipf(tokens: int) -> np.ndarray:
    """The probability of each token by its rank alone, as most vocabularies are ordered by frequency; shape (tokens,).

    By Zipf's law that of rank r is proportional to 1 / r; ranks are counted from 2, as in model2vec.
    """
    shares = 1 / np.arange(2, tokens + 2)
    return shares / shares.sum()


def seen(token_ids: np.ndarray, tokens: int) -> np.ndarray:
    """The probability of each token in a text, shape (tokens,); one that never occurs counts as if it had once.

    Args:
        token_ids: of the text, shape (any,).
        tokens: in the vocabulary.
    """
    counts = np.bincount(token_ids, minlength=tokens)[:tokens] + 1.0
    return counts / counts.sum()


def weighted(vectors: np.ndarray, probabilities: np.ndarray, silent: Sequence[int]) -> np.ndarray:
    """The vectors with SIF weights: the more frequent a token, the less it says.

    Args:
        vectors: shape (tokens, dims).
        probabilities: shape (tokens,).
        silent: tokens that say nothing (special ones and the unknown one): their rows are 0.
    """
    made = vectors * (SIF / (SIF + probabilities))[:, None].astype(vectors.dtype)
    made[list(silent)] = 0
    return made


def turned(table: np.ndarray, texts: Sequence[np.ndarray], wanted: np.ndarray) -> np.ndarray:
    """The table, turned so that texts' vectors point as nearly as may be where the teacher's do (orthogonal Procrustes,
    Schönemann 1966). No cosine changes; training has less to change.

    Args:
        table: shape (tokens, dims).
        texts: the token ids of each.
        wanted: the vector of each that is to be learnt, shape (texts, dims).
    """
    means = np.stack([table[ids].mean(0) if len(ids) else np.zeros(table.shape[1], table.dtype) for ids in texts])
    left, _, right = np.linalg.svd(unit(means).T @ wanted)
    return np.asarray(table @ (left @ right), np.float32)
