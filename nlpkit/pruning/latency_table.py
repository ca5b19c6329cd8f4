"""How long a model of each size would take on this machine, in float32 and exported to int8, and how large it would be.

A few sizes are cut out of the model as it is, exported where int8 is asked for, and timed by turns on the user's own
batches. At one layer, half of them and all of them, time is fitted as linear in the heads and the FFN neurons of a
layer; between these depths it is read off linearly, as the first layers cost less than the last where the weights do
not all fit into the cache of the CPU.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import torch

from nlpkit import reporting
from nlpkit.hardware import timing
from nlpkit.models import surgery
from nlpkit.models.anatomy import anatomy

if TYPE_CHECKING:
    from nlpkit.tasks.contract import Task

Precision = Literal["fp32", "int8"]
Batch = Mapping[str, torch.Tensor]

SECONDS = 10.0  # Sizes are timed for about so long.
ROUNDS = 5  # Each is timed at least so many times.
WIDTHS = (1.0, 0.5, 0.125)  # share of the FFN neurons
HEADS = 0.5  # share of the heads, where the architecture can do with fewer


class Size(NamedTuple):
    """The size of an encoder whose layers are alike.

    Attributes:
        layers: number of them.
        width: FFN neurons of each.
        heads: of each.
        vocabulary: rows of the embedding table.
    """

    layers: int
    width: int
    heads: int
    vocabulary: int


@dataclass(frozen=True)
class LatencyTable:
    """What sizes cost on this machine, read off a fit through those that were measured.

    Attributes:
        whole: the size of the model that all others are cut from.
        rows, tokens: of all batches, tokens with padding.
        measured: seconds of a pass over the batches, the least of all rounds, by precision and size.
        times: coefficients of seconds by precision, see `_speed_features`.
        weights: coefficients of bytes likewise, see `_size_features`.
        fit_error: by precision the largest error of the fit at a size that was measured, as a share of its seconds.
    """

    whole: Size
    rows: int
    tokens: int
    measured: Mapping[Precision, Mapping[Size, float]]
    times: Mapping[Precision, np.ndarray]
    weights: Mapping[Precision, np.ndarray]
    fit_error: Mapping[Precision, float]

    def seconds(
        self, layers: int, width: int | None = None, heads: int | None = None, precision: Precision = "fp32"
    ) -> float:
        """Seconds of a pass over the batches that the table was measured on; of batches of one row divide by their
        number.

        Args:
            layers: number of them.
            width: FFN neurons of each; None: all that the whole model has.
            heads: of each, likewise.
            precision: one of those that were measured.
        """
        size = self._size(layers, width, heads, None)
        least = min(self.measured[precision].values())  # a line may cross zero where nothing was measured
        return max(float(_speed_features([size], self.whole)[0] @ self.times[precision]), 0.1 * least)

    def bytes(
        self,
        layers: int,
        width: int | None = None,
        vocabulary: int | None = None,
        precision: Precision = "fp32",
        *,
        heads: int | None = None,
    ) -> int:
        """Bytes of the weights (int8: of the ONNX file) of a model of this size; None: as the whole model has."""
        size = self._size(layers, width, heads, vocabulary)
        return round(float(_size_features([size])[0] @ self.weights[precision]))

    def _size(self, layers: int, width: int | None, heads: int | None, vocabulary: int | None) -> Size:
        whole = self.whole
        return Size(
            layers,
            whole.width if width is None else width,
            whole.heads if heads is None else heads,
            whole.vocabulary if vocabulary is None else vocabulary,
        )


def _depths(whole: Size) -> list[int]:
    """Numbers of layers that are timed."""
    return sorted({1, -(-whole.layers // 2), whole.layers})


def _speed_features(sizes: Iterable[Size], whole: Size) -> np.ndarray:
    """What seconds are linear in, shape (sizes, 3 x depths): one, neurons and heads at each depth that was timed, each
    weighted by how near the size is to that depth."""
    depths = _depths(whole)
    rows = []
    for size in sizes:
        near = [float(np.interp(size.layers, depths, [depth == own for own in depths])) for depth in depths]
        rows.append(np.outer(near, [1.0, size.width, size.heads]).ravel())
    return np.array(rows)


def _size_features(sizes: Iterable[Size]) -> np.ndarray:
    """What bytes are linear in, shape (sizes, 7); layers that share their weights count once."""
    return np.array(
        [
            [
                1.0,
                size.layers,
                size.width,
                size.heads,
                size.layers * size.width,
                size.layers * size.heads,
                size.vocabulary,
            ]
            for size in sizes
        ]
    )


def measured(
    model: Any,
    task: Task,
    batches: Sequence[Batch],
    precisions: Sequence[Precision] = ("fp32", "int8"),
    *,
    device: str = "cpu",
    seconds: float = SECONDS,
) -> LatencyTable:
    """Measure a few sizes of a model, and fit all others to them.

    Args:
        model: an encoder in evaluation mode, on the CPU; its copies are cut.
        task: of the model.
        batches: as the user's texts come: `task.collate` of rows of the length and number that speed is wanted for.
        precisions: float32 in torch, int8 exported to ONNX Runtime (onnx and onnxruntime must be installed).
        device: where float32 is timed, as torch names it; int8 is timed on the CPU.
        seconds: of timing, all sizes together; at least `ROUNDS` rounds are made.

    Raises:
        UserError: the structure of the model is not known, or it cannot be exported.
    """
    whole, sizes = _sizes(model)
    small = Size(1, min(size.width for size in sizes), whole.heads, max(whole.vocabulary // 2, 1))
    runs: dict[tuple[Precision, Size], Callable[[], Any]] = {}
    weights: dict[tuple[Precision, Size], int] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        reporting.current().progress("models of several sizes", len(precisions) * (len(sizes) + 1), "models") as bar,
    ):
        for precision in precisions:
            for size in [*sizes, small]:
                cut = _cut(model, size)
                if precision == "int8":
                    cut, weights[precision, size] = _exported(cut, task, batches[0], Path(folder) / str(len(weights)))
                else:
                    weights[precision, size] = sum(p.numel() * p.element_size() for p in cut.parameters())
                    cut.to(device)
                if size is not small:  # whose vocabulary lacks tokens of the batches
                    place = device if precision == "fp32" else "cpu"
                    own = [{name: tensor.to(place) for name, tensor in batch.items()} for batch in batches]
                    runs[precision, size] = partial(_pass, task, cut, own)
                bar.advance()
        with torch.inference_mode():
            turns = timing.turns_of(runs, seconds, ROUNDS, timing.stopwatch(device))
    shapes = [batch["input_ids"].shape for batch in batches]
    by_precision: dict[Precision, dict[Size, float]] = {
        # whatever else the machine does only adds to it
        precision: {size: min(turns[precision, size]) for size in sizes}
        for precision in precisions
    }
    speed, large = _speed_features(sizes, whole), _size_features([*sizes, small])
    times = {precision: _fit(speed, list(by_precision[precision].values())) for precision in precisions}
    errors = {p: np.abs(speed @ times[p] / list(by_precision[p].values()) - 1) for p in precisions}
    return LatencyTable(
        whole=whole,
        rows=sum(rows for rows, _ in shapes),
        tokens=sum(rows * width for rows, width in shapes),
        measured=by_precision,
        times=times,
        weights={p: _fit(large, [weights[p, size] for size in [*sizes, small]]) for p in precisions},
        fit_error={precision: float(error.max()) for precision, error in errors.items()},
    )


def _sizes(model: Any) -> tuple[Size, list[Size]]:
    """The size of a model, and those that are timed: itself among them, the first."""
    parts = anatomy(model)
    whole = Size(
        model.config.num_hidden_layers,
        max(layer.neurons for layer in parts.layers),
        max(parts.heads_of(layer) for layer in parts.layers),
        parts.embeddings.num_embeddings,
    )
    sizes = []
    for depth in _depths(whole)[::-1]:
        sizes += [whole._replace(layers=depth, width=max(round(share * whole.width), 1)) for share in WIDTHS]
        if parts.family.cuts_heads:
            sizes.append(whole._replace(layers=depth, heads=max(round(HEADS * whole.heads), 1)))
    return whole, list(dict.fromkeys(sizes))


def _cut(model: Any, size: Size) -> Any:
    """A copy of the model of this size: which parts it keeps is all the same for how long it takes."""
    cut = copy.deepcopy(model)
    parts = anatomy(cut)
    own = range(len(parts.layers))
    layers = {layer: range(min(size.heads, parts.heads_of(parts.layers[layer]))) for layer in own}
    surgery.keep_heads(cut, {i: kept for i, kept in layers.items() if len(kept) < parts.heads_of(parts.layers[i])})
    surgery.keep_neurons(cut, {layer: range(min(size.width, parts.layers[layer].neurons)) for layer in own})
    surgery.keep_layers(cut, range(size.layers))
    if size.vocabulary < parts.embeddings.num_embeddings:
        cut.resize_token_embeddings(size.vocabulary)
    return cut


def _exported(model: Any, task: Task, batch: Batch, folder: Path) -> tuple[Any, int]:
    """The model in int8 as `quantize` makes it by default, open in ONNX Runtime, and the bytes of its file."""
    from nlpkit.measurement import export_cache
    from nlpkit.models import onnx
    from nlpkit.quantization import export, int8

    folder.mkdir()
    # an export takes a size of 1 for fixed; which tokens these are is all the same
    traced = {name: torch.zeros_like(tensor[:1]).repeat(2, *[1] * (tensor.dim() - 1)) for name, tensor in batch.items()}
    traced["attention_mask"] = torch.ones_like(traced["input_ids"])
    scheme = int8.Scheme(per_channel=True, reduce_range=int8.needs_reduced_range())
    graphs = export_cache.graphs_of(task, model, task.model_inputs(traced))
    for name, graph in graphs.items():
        export.finish(graph, model, fused=False)
        graphs[name] = int8.dynamic(graph, scheme)
    path = export.save_all(graphs, folder)
    return onnx.opened(path, model.config), path.stat().st_size


def _pass(task: Task, model: Any, batches: Sequence[Batch]) -> None:
    for batch in batches:
        task.run(model, batch)


def _fit(features: np.ndarray, values: Sequence[float]) -> np.ndarray:
    """Least squares of relative errors."""
    wanted = np.asarray(values, np.float64)
    scale = np.abs(features).max(0)
    scale[scale == 0] = 1.0
    found, *_ = np.linalg.lstsq(features / scale / wanted[:, None], np.ones(len(wanted)), rcond=1e-9)
    return np.asarray(found / scale)
