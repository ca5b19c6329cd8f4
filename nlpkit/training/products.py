"""Training with the products that are faster on this machine."""

from __future__ import annotations

from typing import Any

from nlpkit.hardware import products
from nlpkit.training.trainer_features import TrainerFeature


class FastProducts(TrainerFeature):
    """Trains with `products.CpuLinear`, which stays: it is nn.Linear with other kernels."""

    def change_model(self, model: Any) -> None:
        products.use_faster(model)
