"""Copies of the input with many words hidden at once, and what each word is worth in them."""

from __future__ import annotations

import numpy as np

from nlpkit.explaining.needed import captum
from nlpkit.explaining.variants import Variants

COPIES = 300
PERMUTATIONS = 25  # as captum's own default
TOGETHER = 64  # variants that are asked about together


def drawn(units: int, copies: int, generator: np.random.Generator) -> np.ndarray:
    """Which units each copy keeps, bool of shape (copies, units): any number but all, each as often, any of them."""
    kept = np.ones((copies, units), dtype=bool)
    for row, hidden in zip(kept, generator.integers(1, units + 1, copies), strict=True):
        row[generator.choice(units, hidden, replace=False)] = False
    return kept


def fitted(kept: np.ndarray, values: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """What each unit is worth in a ridge regression on which of them are there, shape (units,)."""
    from sklearn.linear_model import Ridge

    return np.asarray(Ridge(alpha=1.0).fit(kept, values, sample_weight=weights).coef_)


def masked_copies(variants: Variants, seed: int) -> np.ndarray:
    """A linear model of the answer on masked copies, as LIME's of texts (Ribeiro et al. 2016,
    https://arxiv.org/abs/1602.04938), each copy as important as any other."""
    kept = np.vstack(
        [np.ones((1, len(variants)), dtype=bool), drawn(len(variants), COPIES, np.random.default_rng(seed))]
    )
    return fitted(kept, variants.masked(kept))


def shapley_values(variants: Variants, seed: int) -> np.ndarray:
    """Shapley values over drawn orders (Strumbelj and Kononenko 2010), by captum."""
    import torch

    def value(kept: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(variants.masked(kept.numpy() > 0.5))

    method = captum("shapley").ShapleyValueSampling(value)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        found = method.attribute(
            torch.ones(1, len(variants), dtype=torch.float64), n_samples=PERMUTATIONS, perturbations_per_eval=TOGETHER
        )
    return np.asarray(found[0].numpy())
