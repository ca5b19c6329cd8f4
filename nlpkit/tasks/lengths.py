"""How long rows are, in tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit.runs.plots import bin_edges
from nlpkit.tasks.features import LENGTH_SAMPLE, token_lengths

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.tasks.roles import Trainable


def sampled(task: Trainable, tokenizer: Any, examples: Mapping[str, Dataset], seed: int) -> dict[str, np.ndarray]:
    """Tokens of each row before anything is cut, `LENGTH_SAMPLE` rows of a split at most."""
    lengths = {}
    for split, rows in examples.items():
        if len(rows) > LENGTH_SAMPLE:
            rows = rows.select(np.sort(np.random.default_rng(seed).choice(len(rows), LENGTH_SAMPLE, replace=False)))
        lengths[split] = np.asarray(token_lengths(task, tokenizer, rows[:]))
    return lengths


def described(lengths: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """By split: figures, and how many rows are how long (`edges` are the same for all), as JSON values."""
    if not lengths:
        return {}
    edges = bin_edges(np.concatenate(list(lengths.values())))
    return {
        split: {
            "figures": {
                "rows measured": len(values),
                "shortest": int(values.min()),
                **{
                    f"{share} %" if share != 50 else "median": int(np.percentile(values, share))
                    for share in (50, 95, 99)
                },
                "longest": int(values.max()),
            },
            "edges": edges.tolist(),
            "rows": np.histogram(values, edges)[0].tolist(),
        }
        for split, values in lengths.items()
    }
