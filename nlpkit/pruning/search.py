"""Which structure to cut a model to, for a wanted share of its weights or a wanted speed.

As in ZipLM (Kurtic et al. 2023) a table says what a layer costs with each number of heads and FFN neurons: its weights,
or its latency as measured on this machine. Within a layer the least important heads and neurons go first; how many of
each layer is what costs the least loss within the budget, where the loss is measured, on a sample, on models that lack
all of a module, a layer, or some of everything.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.hardware import memory, timing
from nlpkit.models import surgery
from nlpkit.models.anatomy import Anatomy, Layer, anatomy, layer_of
from nlpkit.models.structures import LayerCut, Structure
from nlpkit.pruning import importance
from nlpkit.pruning.importance import Batch, Importance

if TYPE_CHECKING:
    from nlpkit.inference.predictor import Predictor
    from nlpkit.tasks.roles import Trainable

Kind = Literal["ffn", "heads", "layers"]
Criterion = Literal["gradient", "magnitude"]

STEPS = 64  # The FFN widths that are considered are multiples of 1/64 of the whole width.
MEASURED = 8  # Latency and loss are measured at up to so many of these sizes, and interpolated between them.
SECONDS = 6.0  # Latencies are measured for about this long.
MIN_ROUNDS = 5  # Each size is timed at least so many times.
LATENCY_BATCHES = 4  # Latency is measured on at most so many batches; on a GPU on one.
LATENCY_ROWS = 32  # Each has at most so many rows; on a GPU they are repeated.
MOST_LATENCY_ROWS = 4_096  # On a GPU they are repeated up to so many rows, where memory takes them.
FILLED = 1.8  # Where twice the rows take so many times as long, a GPU computes and does not wait for kernels.
TOLD_APART = 0.05  # On a GPU the smallest size has to save at least this share of a layer's time.
LOSS_BATCHES = 4  # Losses are measured on so many batches.
ROUNDING = 1e-9  # Sums of costs may differ by this much from rounding.
BUDGET_STEPS = 2_000  # The search over layers divides the budget into so many steps.


# --- what a structure costs ---


@dataclass(frozen=True)
class Costs:
    """What layers cost by their size, read off linearly between the sizes given.

    Attributes:
        unit: `seconds` or `weights`.
        rest: cost of all that is not a layer.
        heads: number of heads -> cost of a layer that has so many and its whole FFN.
        neurons: FFN neurons -> cost of a layer that has so many and all its heads.
        rows, tokens: of a batch that seconds were measured on, tokens of a row in the mean.
        alike: parts that a layer takes as long without, so that no size is said to save time.
    """

    unit: Literal["seconds", "weights"]
    rest: float
    heads: Mapping[int, float]
    neurons: Mapping[int, float]
    rows: int | None = None
    tokens: int | None = None
    alike: Sequence[Kind] = ()

    def layer(self, heads: int, neurons: int) -> float:
        """Cost of one layer: that of the whole, less what the missing heads and the missing neurons cost."""
        whole = self.heads[max(self.heads)]
        return _between(self.heads, heads) + _between(self.neurons, neurons) - whole

    def total(self, sizes: Sequence[tuple[int, int]]) -> float:
        """Cost of a model whose layers have these (heads, neurons)."""
        return self.rest + sum(self.layer(*size) for size in sizes)

    def of(self, structure: Structure) -> float:
        """Cost of a model that is cut to this."""
        return self.total([(len(cut.heads), len(cut.neurons)) for cut in structure.layers])


def _between(table: Mapping[int, float], size: int) -> float:
    sizes = sorted(table)
    return float(np.interp(size, sizes, [table[size] for size in sizes]))


def weights(model: Any) -> Costs:
    """The number of weights of a layer by its size; what is not a layer is not counted."""
    parts = anatomy(model)
    layer = parts.layers[0]
    head = parts.head_size * (4 * parts.hidden + 3 * (layer.query.bias is not None))
    neuron = 2 * parts.hidden + (layer.up.bias is not None)
    own = sum(parameter.numel() for parameter in layer.module.parameters())
    least = own - parts.heads_of(layer) * head - layer.neurons * neuron
    widest = max(layer.neurons for layer in parts.layers)
    return Costs(
        unit="weights",
        rest=0.0,
        heads={count: least + count * head + widest * neuron for count in (0, parts.heads)},
        neurons={count: least + parts.heads * head + count * neuron for count in (0, widest)},
    )


def latencies(
    model: Any,
    batches: Sequence[Batch],
    forward: Callable[[Batch], Any],
    *,
    device: str = "cpu",
    seconds: float = SECONDS,
) -> Costs:
    """Measure on this machine how long a layer takes by its size, and the whole model.

    One layer is copied in each size and run on what the model hands it, all sizes by turns; the least of the rounds
    counts.

    Args:
        model: in evaluation mode, in the arithmetic that it will answer in.
        batches: of which some of all lengths are taken, `LATENCY_ROWS` of the rows of each at most. On a GPU it is the
            one of median length, whose rows are repeated until it is busy, see `_filling`.
        forward: runs the model on a batch.
        device: where they are, as torch names it.
        seconds: of measuring; at least `MIN_ROUNDS` rounds are made.
    """
    parts = anatomy(model)
    watch = timing.stopwatch(device)
    by_length = sorted(batches, key=lambda batch: batch["input_ids"].shape[1])
    largest = max(parts.layers, key=lambda layer: (parts.heads_of(layer), layer.neurons))
    if device == "cpu":
        chosen = [_first_rows(by_length[place]) for place in timing.some_of(len(batches), LATENCY_BATCHES)]
    else:
        chosen = [_filling(largest, _first_rows(by_length[len(batches) // 2]), forward, watch)]
    handed = [_handed_to(largest, batch, forward) for batch in chosen]
    all_heads, all_neurons = parts.heads_of(largest), largest.neurons
    head_counts = _spread(_grid(all_heads, all_heads) if parts.family.cuts_heads else [all_heads])
    widths = _spread(_grid(all_neurons, STEPS))
    sizes = [*((count, all_neurons) for count in head_counts), *((all_heads, width) for width in widths)]
    layers = {size: _resized(parts, largest, *size) for size in sizes}
    runs: dict[Any, Callable[[], Any]] = {
        size: partial(_run_on_all, handed, layer.module) for size, layer in layers.items()
    }
    runs["model"] = lambda: [forward(batch) for batch in chosen]
    taken = _timed(runs, seconds, watch)
    whole = taken[all_heads, all_neurons]
    depth = model.config.num_hidden_layers
    rows = max(len(batch["input_ids"]) for batch in chosen)
    tokens = round(sum(batch["input_ids"].numel() for batch in chosen) / sum(len(b["input_ids"]) for b in chosen))
    tables: dict[Kind, dict[int, float]] = {
        "heads": _rising({count: taken[count, all_neurons] for count in head_counts}),
        "ffn": _rising({width: taken[all_heads, width] for width in widths}),
    }
    alike: list[Kind] = []
    for kind, table in tables.items():
        # what is left of times that are equal is noise, of which `_rising` would make a gain
        if device != "cpu" and len(table) > 1 and whole - table[min(table)] < TOLD_APART * whole:
            tables[kind] = dict.fromkeys(table, whole)
            alike.append(kind)
    rest = max(taken["model"] - depth * whole, 0.0)
    return Costs("seconds", rest, tables["heads"], tables["ffn"], rows, tokens, alike)


@dataclass(frozen=True)
class _Handed:
    """What a layer is called with, and under which autocast."""

    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    device: str
    lower: torch.dtype | None

    def run(self, module: torch.nn.Module) -> Any:
        """Call a layer of another size with the same."""
        with torch.autocast(self.device, dtype=self.lower, enabled=self.lower is not None):
            return module(*self.arguments, **self.keywords)


def _run_on_all(handed: Sequence[_Handed], module: torch.nn.Module) -> None:
    for each in handed:
        each.run(module)


def _first_rows(batch: Batch) -> Batch:
    return {name: tensor[:LATENCY_ROWS] for name, tensor in batch.items()}


def _handed_to(layer: Layer, batch: Batch, forward: Callable[[Batch], Any]) -> _Handed:
    """What a layer is called with when its model runs on a batch."""
    seen: list[_Handed] = []
    device = batch["input_ids"].device.type

    def look(module: torch.nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        lower = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
        seen.append(_Handed(arguments, keywords, device, lower))

    # gone also where the batch does not fit: it would keep what the layer is handed in every call to come
    with layer.module.register_forward_pre_hook(look, with_kwargs=True), torch.no_grad():
        forward(batch)
    return seen[-1]  # where weights of a lower type do not do, the first call is made again with others


def _filling(layer: Layer, batch: Batch, forward: Callable[[Batch], Any], watch: Callable[..., float]) -> Batch:
    """A batch of as many rows as keep a GPU busy: twice as many until they take about twice as long.

    With fewer it waits for each kernel to be launched, and layers of all sizes take the same time. What memory does not
    hold is not tried again, nor more than `MOST_LATENCY_ROWS`.
    """
    taken = _layer_seconds(layer, batch, forward, watch)
    while (rows := 2 * batch["input_ids"].shape[0]) <= MOST_LATENCY_ROWS:
        larger = {name: torch.cat([tensor, tensor]) for name, tensor in batch.items()}
        try:
            longer = _layer_seconds(layer, larger, forward, watch)
        except Exception as error:
            if not memory.is_exhausted(error):
                raise
            reporting.current().note(f"latencies: {rows:,} rows do not fit into memory")
            break
        batch = larger
        if longer >= FILLED * taken:
            break
        taken = longer
    memory.release()
    return batch


def _layer_seconds(layer: Layer, batch: Batch, forward: Callable[[Batch], Any], watch: Callable[..., float]) -> float:
    handed = _handed_to(layer, batch, forward)
    return _timed({"layer": partial(handed.run, layer.module)}, 0.0, watch)["layer"]


def _resized(parts: Anatomy, layer: Layer, heads: int, neurons: int) -> Layer:
    """A copy of a layer with so many heads and neurons."""
    own = layer_of(copy.deepcopy(layer.module), parts.family)
    if heads < parts.heads_of(own):
        surgery.cut_heads(parts, own, range(heads))
    surgery.cut_neurons(own, range(neurons))
    return own


def _timed(runs: Mapping[Any, Callable[[], Any]], seconds: float, watch: Callable[..., float]) -> dict[Any, float]:
    """Least seconds of each call, all called by turns: whatever else the machine does only adds to it."""
    with torch.inference_mode():
        return {name: min(turns) for name, turns in timing.turns_of(runs, seconds, MIN_ROUNDS, watch).items()}


def _rising(table: Mapping[int, float]) -> dict[int, float]:
    """Noise taken out: a larger size never costs less."""
    sizes = sorted(table)
    return dict(zip(sizes, np.maximum.accumulate([table[size] for size in sizes]).tolist(), strict=True))


def _grid(whole: int, steps: int) -> list[int]:
    """Sizes from small to `whole`."""
    return sorted({max(round(whole * step / steps), 1) for step in range(1, steps + 1)})


def _spread(sizes: Sequence[int]) -> list[int]:
    """At most `MEASURED` of these sizes, the first and the last among them."""
    places = np.linspace(0, len(sizes) - 1, min(MEASURED, len(sizes)))
    return [sizes[round(place)] for place in places]


# --- the search ---


class Planner:
    """Plans structures of one model for any number of targets; what it measures it measures once.

    Args:
        model: in evaluation mode.
        task: gives logits and loss.
        batches: of labelled rows, as the task collates them.
        kinds: what may be removed.
        criterion: of the parts within a layer `gradient` (`importance.by_gradient`) or `magnitude`; of whole layers the
            loss without them, or with `magnitude` their `block_influence`.
        uniform: the same number of heads and neurons in each layer; of neurons alone, the stock classes open that.
        device: where all of them are, as torch names it.
        served: makes what will answer of a copy of the model: its arithmetic is that which latencies are measured in.
            None: the model as it is.
        answered: batches that latencies are measured on, as they are answered; None: `batches`.
        growth: tokens that the model is given for those of the whole one, whose vocabulary may have been larger.

    Raises:
        UserError: the structure of the model is not known, or its heads cannot be removed.
    """

    def __init__(
        self,
        model: Any,
        task: Trainable,
        batches: Sequence[Batch],
        *,
        kinds: Collection[Kind],
        criterion: Criterion = "gradient",
        uniform: bool = True,
        device: str = "cpu",
        served: Callable[[Any], Predictor] | None = None,
        answered: Sequence[Batch] | None = None,
        growth: float = 1.0,
    ) -> None:
        self.device, self.served = device, served
        self.answered, self.growth = batches if answered is None else answered, growth
        self.anatomy = anatomy(model)
        if "heads" in kinds:
            surgery.require_heads_to_cut(model)
        if self.anatomy.shared_layers and not uniform:
            raise UserError(f"the layers of {model.config.model_type} are one: they cannot differ")
        self.model, self.task, self.batches, self.kinds = model, task, batches, kinds
        self.criterion, self.uniform = criterion, uniform
        self.depth = model.config.num_hidden_layers
        # what has been pruned before may differ from layer to layer
        extent = min if uniform else max
        self.heads = extent(self.anatomy.heads_of(layer) for layer in self.anatomy.layers)
        self.neurons = extent(layer.neurons for layer in self.anatomy.layers)
        self.head_counts = _grid(self.heads, self.heads) if "heads" in kinds else [self.heads]
        self.widths = _grid(self.neurons, STEPS) if "ffn" in kinds else [self.neurons]
        places = np.linspace(0, len(batches) - 1, min(LOSS_BATCHES, len(batches)))
        self.sample = [batches[round(place)] for place in places]

    # --- what is asked ---

    def plan(self, *, sparsity: float | None = None, target_speedup: float | None = None) -> Structure:
        """The structure that is expected to cost the least loss.

        Args:
            sparsity: share to remove of the weights of what may be removed: 0.5 of `ffn` halves the FFN.
            target_speedup: times as many rows per second, in batches, as the whole model.

        Raises:
            UserError: the smallest structure is not small enough.
            ValueError: not one target.
        """
        if (sparsity is None) == (target_speedup is None):
            raise ValueError("give sparsity or target_speedup")
        if sparsity is not None:
            return self._within(self.weights, self.weights.total(self._whole) - sparsity * self._removable, "sparsity")
        budget = self.latencies.total(self._whole) / self.growth / (target_speedup or 1.0)
        if self.kinds and set(self.kinds) <= set(self.latencies.alike):
            raise UserError(
                f"--target-speedup: {self._alike(self.latencies)}",
                "Give --sparsity, remove layers, or prune on a device like the one that it will run on.",
            )
        return self._within(self.latencies, budget, "target_speedup")

    def _alike(self, costs: Costs) -> str | None:
        """Which of the parts that may be removed save no time on this device, in words."""
        alike = [{"heads": "heads", "ffn": "FFN neurons"}[kind] for kind in costs.alike if kind in self.kinds]
        if not alike:
            return None
        return (
            f"a layer with the fewest {' or '.join(alike)} takes as long as a whole one on this device "
            f"({1e3 * costs.heads[max(costs.heads)]:.2g} ms, {costs.rows:,} rows of {costs.tokens} tokens): their "
            "sizes cannot be told apart by time"
        )

    def speedup(self, structure: Structure) -> float:
        """Predicted from the latencies of its layers: times as many rows per second as the whole model with the tokens
        of its own vocabulary."""
        return self.latencies.total(self._whole) / self.growth / self.latencies.of(structure)

    # --- what is measured ---

    @cached_property
    def weights(self) -> Costs:
        """Weights of a layer by its size."""
        return weights(self.model)

    @cached_property
    def latencies(self) -> Costs:
        """Seconds of a layer by its size, on this machine."""
        reporting.current().note("measure how long a layer of each size takes on this machine")
        model = self.model
        forward: Callable[[Batch], Any] = partial(self.task.run, model)
        if self.served is not None:
            predictor = self.served(copy.deepcopy(self.model))
            model, forward = predictor.model, predictor.run
        costs = latencies(model, self.answered, forward, device=self.device)
        if warning := self._alike(costs):
            reporting.current().warn(warning)
        return costs

    @cached_property
    def importance(self) -> Importance:
        """Scores of heads and neurons."""
        if self.criterion == "magnitude":
            return importance.by_magnitude(self.model)
        return importance.by_gradient(self.model, self.task, self.batches)

    @cached_property
    def layer_ranks(self) -> list[int]:
        """All layers, the least important first."""
        if self.anatomy.shared_layers:
            return list(range(self.depth))[::-1]
        if self.criterion == "magnitude":
            return np.argsort(importance.block_influence(self.model, self.sample), kind="stable").tolist()
        return np.argsort(self._without_layer, kind="stable").tolist()

    @cached_property
    def _loss(self) -> float:
        return importance.mean_loss(self.model, self.task, self.sample)

    def _rise(self, sizes: Sequence[tuple[int, int] | None]) -> float:
        """How much the loss rises in a model whose layers have these (heads, neurons); None: no such layer."""
        return importance.loss_of(self._structure(sizes), self.model, self.task, self.sample) - self._loss

    @cached_property
    def _without_layer(self) -> np.ndarray:
        """Rise of the loss without each layer, shape (layers,)."""
        return np.array([self._rise(_but(self._whole, layer, None)) for layer in range(self.depth)])

    # --- the same in all layers ---

    def _uniform(self, costs: Costs, budget: float) -> Structure | None:
        lost_layers, lost_heads, lost_neurons = self._uniform_rises
        options = itertools.product(lost_layers, lost_heads, lost_neurons)
        fitting = []
        for depth, heads, width in options:
            cost = costs.total([(heads, width)] * depth)
            if cost <= budget * (1 + ROUNDING):
                # of those that lose as little, the largest
                loss = lost_layers[depth] + lost_heads[heads] + lost_neurons[width]
                fitting.append((loss, -cost, depth, heads, width))
        if not fitting:
            return None
        _, _, depth, heads, width = min(fitting)
        return self._structure([size and (heads, width) for size in self._deep(depth)])

    @cached_property
    def _uniform_rises(self) -> tuple[dict[int, float], dict[int, float], dict[int, float]]:
        """How much the loss rises with each number of layers, of heads, and of neurons in all layers."""
        depths = list(range(1, self.depth + 1)) if "layers" in self.kinds else [self.depth]
        return (
            self._rises(depths, self._deep),
            self._rises(self.head_counts, lambda count: [(count, self.neurons)] * self.depth),
            self._rises(self.widths, lambda width: [(self.heads, width)] * self.depth),
        )

    def _deep(self, depth: int) -> list[tuple[int, int] | None]:
        """The sizes of a model that has `depth` layers left."""
        gone = set(self.layer_ranks[: self.depth - depth]) if depth < self.depth else set()
        return [None if layer in gone else size for layer, size in enumerate(self._whole)]

    def _rises(
        self, options: Sequence[int], sizes: Callable[[int], Sequence[tuple[int, int] | None]]
    ) -> dict[int, float]:
        """For each of some numbers of parts how much the loss rises with so many; never less with fewer."""
        if len(self.kinds) == 1:  # there is nothing to choose between: as many as fit
            return dict.fromkeys(options, 0.0)
        measured = _spread(options)
        rises = [max(self._rise(sizes(option)), 0.0) for option in measured[:-1]] + [0.0]
        falling = np.maximum.accumulate(rises[::-1])[::-1]
        return {option: float(np.interp(option, measured, falling)) for option in options}

    # --- each layer on its own ---

    def _per_layer(self, costs: Costs, budget: float) -> Structure | None:
        """Dynamic programming over the layers: the least loss for each part of the budget spent so far."""
        unit = (budget - costs.rest) / BUDGET_STEPS
        if unit <= 0:
            return None
        best = np.full(BUDGET_STEPS + 1, np.inf)
        best[0] = 0.0
        options, spent, chosen = [], [], []
        for layer, (heads, neurons) in enumerate(self._whole):
            own: list[tuple[int, int] | None] = list(
                itertools.product(
                    sorted({min(count, heads) for count in self.head_counts}),
                    sorted({min(width, neurons) for width in self.widths}),
                )
            )
            prices = [costs.layer(*size) for size in own if size]
            lost = self._lost_in(layer, [size for size in own if size])
            if "layers" in self.kinds and layer != self.layer_ranks[-1]:  # one stays, whatever the budget
                own.append(None)
                prices.append(0.0)
                lost.append(max(float(self._without_layer[layer]), 0.0))
            steps = np.ceil(np.array(prices) / unit - ROUNDING).astype(int)
            reached = np.full((len(own), BUDGET_STEPS + 1), np.inf)
            for row, step, loss in zip(reached, steps, lost, strict=True):
                if step <= BUDGET_STEPS:
                    row[step:] = best[: BUDGET_STEPS + 1 - step] + loss
            options.append(own)
            spent.append(steps)
            chosen.append(reached.argmin(0))
            best = reached.min(0)
        if not np.isfinite(best.min()):
            return None
        place = int(np.flatnonzero(best == best.min())[-1])  # of those that lose as little, the largest
        sizes: list[tuple[int, int] | None] = []
        for layer in reversed(range(self.depth)):
            option = int(chosen[layer][place])
            sizes.insert(0, options[layer][option])
            place -= int(spent[layer][option])
        return self._structure(sizes)

    def _lost_in(self, layer: int, options: Sequence[tuple[int, int]]) -> list[float]:
        """Loss expected from each (heads, neurons) of a layer: a share, by importance, of the loss without them all."""
        heads, neurons = self._whole[layer]
        gone_heads = _lost_shares(self.importance.heads[layer])
        gone_neurons = _lost_shares(self.importance.neurons[layer])
        without_heads, without_neurons = self._without_modules[layer]
        return [without_heads * gone_heads[heads - h] + without_neurons * gone_neurons[neurons - n] for h, n in options]

    @cached_property
    def _without_modules(self) -> list[tuple[float, float]]:
        """For each layer the rise of the loss with one head left, and with one neuron left."""
        rises = []
        for layer, (heads, neurons) in enumerate(self._whole):
            attention = self._rise(_but(self._whole, layer, (1, neurons))) if "heads" in self.kinds else 0.0
            ffn = self._rise(_but(self._whole, layer, (heads, 1))) if "ffn" in self.kinds else 0.0
            rises.append((attention, ffn))
        # where the sample says that nothing is lost, importance still decides
        least = 1e-3 * max(abs(self._loss), 1e-6)
        return [(max(attention, least), max(ffn, least)) for attention, ffn in rises]

    # --- parts ---

    @property
    def _whole(self) -> list[tuple[int, int]]:
        sizes = [(self.anatomy.heads_of(layer), layer.neurons) for layer in self.anatomy.layers]
        return sizes * self.depth if self.anatomy.shared_layers else sizes

    @property
    def _removable(self) -> float:
        """Weights of what may be removed."""
        if "layers" in self.kinds:
            return self.weights.total(self._whole)
        gone = 0.0
        for heads, neurons in self._whole:
            whole = self.weights.layer(heads, neurons)
            gone += whole - self.weights.layer(0 if "heads" in self.kinds else heads, neurons)
            gone += whole - self.weights.layer(heads, 0 if "ffn" in self.kinds else neurons)
        return gone

    def _within(self, costs: Costs, budget: float, target: str) -> Structure:
        structure = (self._uniform if self.uniform else self._per_layer)(costs, budget)
        if structure is not None:
            return structure
        smallest = costs.total([(self.head_counts[0], self.widths[0])] * (1 if "layers" in self.kinds else self.depth))
        whole = costs.total(self._whole)
        reached = (
            f"{whole / self.growth / smallest:.2f} times as fast"
            if target == "target_speedup"
            else f"{(whole - smallest) / self._removable:.1%} of the weights"
        )
        raise UserError(
            f"{', '.join(sorted(self.kinds))} cannot be removed so far: at most {reached}",
            "Set a lower target, or let more be removed: ffn, heads, layers.",
        )

    def _structure(self, sizes: Sequence[tuple[int, int] | None]) -> Structure:
        """The structure that keeps, of each layer, so many heads and neurons: the most important ones."""
        cuts = []
        for layer, size in enumerate(sizes):
            if size is not None:
                own = 0 if self.anatomy.shared_layers else layer
                heads, neurons = (
                    _top(scores[own], count)
                    for scores, count in zip((self._head_scores, self._neuron_scores), size, strict=True)
                )
                cuts.append(LayerCut(layer, heads, neurons))
        return Structure(
            tuple(cuts), self.depth, self.anatomy.heads, max(layer.neurons for layer in self.anatomy.layers)
        )

    @property
    def _head_scores(self) -> Sequence[np.ndarray]:
        if "heads" in self.kinds:
            return self.importance.heads
        return [np.ones(self.anatomy.heads_of(layer)) for layer in self.anatomy.layers]

    @property
    def _neuron_scores(self) -> Sequence[np.ndarray]:
        if "ffn" in self.kinds:
            return self.importance.neurons
        return [np.ones(layer.neurons) for layer in self.anatomy.layers]


def plan(
    model: Any,
    task: Trainable,
    batches: Sequence[Batch],
    *,
    kinds: Collection[Kind],
    criterion: Criterion = "gradient",
    sparsity: float | None = None,
    target_speedup: float | None = None,
    uniform: bool = True,
) -> Structure:
    """Plan one structure; see `Planner` for the arguments and for planning several."""
    planner = Planner(model, task, batches, kinds=kinds, criterion=criterion, uniform=uniform)
    return planner.plan(sparsity=sparsity, target_speedup=target_speedup)


def _but(
    sizes: Sequence[tuple[int, int] | None], layer: int, size: tuple[int, int] | None
) -> list[tuple[int, int] | None]:
    return [*sizes[:layer], size, *sizes[layer + 1 :]]


def _top(scores: np.ndarray, count: int) -> tuple[int, ...]:
    """Indices of the `count` largest scores, ascending; of equal ones the first."""
    return tuple(sorted(np.argsort(-scores, kind="stable")[:count].tolist()))


def _lost_shares(scores: np.ndarray) -> np.ndarray:
    """The share of the scores that goes with the 0, 1, 2, ... least of them, shape (scores + 1,)."""
    lost = np.concatenate([[0.0], np.cumsum(np.sort(scores))])
    return lost / lost[-1] if lost[-1] else lost
