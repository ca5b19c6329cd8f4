"""What the layers below those that are trained give for a row, computed once: a step runs the upper layers alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from nlpkit.inference.remembered import DIGEST
from nlpkit.models import mean_layer
from nlpkit.models.anatomy import FAMILIES, anatomy

if TYPE_CHECKING:
    from nlpkit.tasks.forward import Forward

TRAINED = 3  # a third of the layers is trained, the upper ones
FEWEST = 2
MOST = 4_000  # rows that are kept; the layers below run anew for others


class Lower:
    """Freezes the lower layers of a model, and keeps what they give.

    A model whose layers are not known, or are one layer that runs many times, is trained whole but for its token
    embeddings: nothing is kept of it then.

    Args:
        model: as `tuning.prepare` leaves it.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.kept: dict[bytes, torch.Tensor] = {}
        self.layers: list[Any] = []
        self.trained = 0
        self.in_tuples = False  # whether a layer gives its states in a tuple
        model.get_input_embeddings().requires_grad_(False)
        if model.config.model_type not in FAMILIES or anatomy(model).shared_layers:
            return
        stack = list(anatomy(model).stack)
        own = len(stack) - mean_layer.is_mean_layer(model)
        self.trained = min(max(own // TRAINED, FEWEST), own)
        self.layers = stack[: own - self.trained]
        if not self.layers:
            return
        upper = {id(part) for layer in stack[own - self.trained : own] for part in layer.parameters()}
        for part in model.base_model.parameters():
            part.requires_grad_(id(part) in upper)

    def run(
        self, rows: Sequence[Mapping[str, Any]], batch: Mapping[str, torch.Tensor], run: Callable[[], Forward]
    ) -> Forward:
        """A forward pass of rows that computes the layers below once per row.

        Args:
            rows: features without labels.
            batch: of these rows, collated.
            run: the forward pass of the whole model.
        """
        if not self.layers:
            return run()
        mask = batch["attention_mask"].bool()
        keys = [hashlib.blake2b(json.dumps(row, sort_keys=True).encode(), digest_size=DIGEST).digest() for row in rows]
        if any(key not in self.kept for key in keys):
            if len(self.kept) >= MOST:
                return run()
            states = self._computed(run)
            self.kept.update({key: states[i][mask[i]].clone() for i, key in enumerate(keys)})
        width = self.kept[keys[0]].shape[-1]
        states = torch.zeros(*mask.shape, width, device=mask.device, dtype=self.kept[keys[0]].dtype)
        states[mask] = torch.cat([self.kept[key] for key in keys])
        with self._given(states):
            return run()

    def _computed(self, run: Callable[[], Forward]) -> torch.Tensor:
        """What the uppermost of these layers gives, shape (rows, tokens, width)."""
        seen: list[torch.Tensor] = []

        def note(_: Any, __: Any, output: Any) -> None:
            self.in_tuples = isinstance(output, tuple)
            seen.append(output[0] if self.in_tuples else output)

        hook = self.layers[-1].register_forward_hook(note)
        was = self.model.training
        self.model.eval()
        try:
            with torch.no_grad():
                run()
        finally:
            hook.remove()
            self.model.train(was)
        return seen[0]

    @contextmanager
    def _given(self, states: torch.Tensor) -> Iterator[None]:
        for layer in self.layers:
            layer.forward = lambda *_, **__: (states,) if self.in_tuples else states
        try:
            yield
        finally:
            for layer in self.layers:
                del layer.forward
