"""Weights that a loss has besides those of the model: trained, checkpointed and resumed with them, then thrown away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from nlpkit.training.trainer_features import TrainerFeature

NAME = "nlpkit_own_weights"


class OwnWeights(TrainerFeature):
    """Trains these weights as if they were the model's.

    Args:
        weights: that the model does not have.
    """

    needs_whole_weights = "a loss with weights of its own, which shares others with the model (tsdae)"

    def __init__(self, weights: Sequence[nn.Parameter]) -> None:
        self.weights = weights

    def change_model(self, model: Any) -> None:
        model.add_module(NAME, nn.ParameterList(self.weights))

    def after_training(self, model: Any) -> None:
        delattr(model, NAME)
