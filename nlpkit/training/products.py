"""Training with the products and activations that are faster on this machine."""

from __future__ import annotations

from typing import Any

from nlpkit.hardware import activations, products
from nlpkit.training.trainer_features import TrainerFeature


class FastProducts(TrainerFeature):
    """Trains with `products.CpuLinear` and torch's GELU, which stay: they compute the same with other kernels."""

    def change_model(self, model: Any) -> None:
        products.use_faster(model)
        activations.use_fused(model)
