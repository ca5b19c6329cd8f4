"""What the last layers of a stock classifier read of each row, computed once by content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from nlpkit import reporting
from nlpkit.inference.remembered import DIGEST, Remembered
from nlpkit.models import mean_layer
from nlpkit.tasks.contract import BOOKKEEPING
from nlpkit.training import parameters

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.tasks.contract import Task


@dataclass(frozen=True)
class States:
    """What the head of a model reads of rows.

    Attributes:
        last: what the layer of the labels is given, float32 of shape (rows, width).
        before: what the square layer below it is given, of the same shape; None where there is no such layer.
    """

    last: np.ndarray
    before: np.ndarray | None

    def of(self, rows: np.ndarray) -> States:
        """Those of some rows."""
        return States(self.last[rows], None if self.before is None else self.before[rows])


@dataclass
class Head:
    """The layers of a stock classifier that few labels are learnt by.

    Args:
        model: with a layer whose outputs are the labels.
    """

    model: Any

    def __post_init__(self) -> None:
        name = next(iter(parameters.last_layer(self.model)), "")
        self.labels: nn.Linear = self.model.get_submodule(name.rpartition(".")[0])
        self.square = mean_layer.square_layer(self.model)

    @contextmanager
    def watched(self) -> Iterator[dict[str, torch.Tensor]]:
        """What the layers are given in each forward pass: `last` and `before`, see `States`."""
        seen: dict[str, torch.Tensor] = {}
        watched = {"last": self.labels} | ({"before": self.square} if self.square is not None else {})
        hooks = []
        for name, module in watched.items():

            def note(_: Any, inputs: tuple[torch.Tensor, ...], name: str = name) -> None:
                seen[name] = inputs[0]

            hooks.append(module.register_forward_pre_hook(note))
        try:
            yield seen
        finally:
            for hook in hooks:
                hook.remove()

    def put(self, weight: np.ndarray, bias: np.ndarray) -> None:
        """Give the layer of the labels these weights, shape (labels, width), and biases, shape (labels,)."""
        with torch.no_grad():
            self.labels.weight.copy_(torch.from_numpy(weight))
            self.labels.bias.copy_(torch.from_numpy(bias))


def read_of(features: Dataset) -> Dataset:
    """The columns that the model reads."""
    left_out = (*BOOKKEEPING, "labels")
    return features.select_columns([name for name in features.column_names if name not in left_out])


def computed(
    task: Task,
    model: Any,
    tokenizer: Any,
    features: Dataset,
    batch_size: int,
    *,
    told: bool = True,
) -> States:
    """The states of rows, in their order, of a model as it is.

    Args:
        features: as the task makes them, with bookkeeping.
        batch_size: rows of a forward pass.
        told: whether progress is shown, and values are kept in the cache.
    """
    head, rows = Head(model), read_of(features).to_list()
    of_labels = parameters.last_layer(model)
    remembered = Remembered.of_weights(model, "states of the head", of_labels) if told else Remembered("")
    digests = [hashlib.blake2b(json.dumps(row, sort_keys=True).encode(), digest_size=DIGEST).digest() for row in rows]
    missing = [i for i, digest in enumerate(digests) if digest not in remembered.known]
    missing.sort(key=lambda i: -len(rows[i]["input_ids"]))
    collate, device = task.collate(tokenizer), next(model.parameters()).device
    found: dict[int, np.ndarray] = {}
    was = model.training
    model.eval()
    reporter = reporting.current() if told else reporting.Reporter()
    with torch.no_grad(), head.watched() as seen, reporter.progress("features", len(rows), "rows") as bar:
        bar.advance(len(rows) - len(missing))
        for start in range(0, len(missing), batch_size):
            some = missing[start : start + batch_size]
            made = collate([dict(rows[i]) for i in some])
            batch = {name: tensor.to(device) for name, tensor in made.items()}
            task.run(model, batch)
            parts = [seen["last"], *([seen["before"]] if "before" in seen else [])]
            values = torch.cat([part.float() for part in parts], dim=1).cpu().numpy()
            found.update(zip(some, values, strict=True))
            bar.advance(len(some))
    model.train(was)
    there = [i for i in range(len(rows)) if i not in found]
    if there:
        found.update(zip(there, remembered.values([digests[i] for i in there]), strict=True))
    values = np.stack([found[i] for i in range(len(rows))])
    if told:
        remembered.add(digests, values)
        remembered.keep()
    width = head.labels.in_features
    return States(values[:, :width], values[:, width:] if values.shape[1] > width else None)
