"""What frozen layers give for a row, computed once: each epoch begins above them.

Where the lower layers are fixed (`--freeze N`), or all of them below a head that reads every token (`--freeze encoder`
of a tagger), their states are the same in each epoch but for dropout. They are computed once without it, a vector a
token, and kept in the cache by content: of the weights below and of the tokens.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from nlpkit import reporting
from nlpkit.data import cache
from nlpkit.inference.remembered import DIGEST, FEWEST, Remembered
from nlpkit.reporting import counted
from nlpkit.training import parameters
from nlpkit.training.frozen import TRAINED_ON, digests_of, names_of
from nlpkit.training.trainer_features import TrainerFeature

KIND = "states"
DIGESTS, LENGTHS, VALUES = "digests.npy", "lengths.npy", "values.npy"
LARGEST = 2_000_000_000  # bytes of states that are written for a later run: a fifth of what the cache keeps of a kind

Shape = int | None
"""How a layer gives its states: alone (None), or as the first of so many, of which the others are None."""


@dataclass
class States:
    """The states of rows, a vector for each token that is read.

    Attributes:
        key: of all that they hang on besides the tokens.
        arrays: shape (tokens, width), of several rows each.
        places: digest of a row -> its array, its first token there, and its tokens.
        kept: how many of the arrays the cache holds.
    """

    key: str = ""
    arrays: list[np.ndarray] = field(default_factory=list)
    places: dict[bytes, tuple[int, int, int]] = field(default_factory=dict)
    kept: int = 0

    @classmethod
    def of(cls, key: str) -> Self:
        """What the cache holds under a key."""
        found = cls(key)
        for entry in cache.entries(KIND, f"{key}-"):
            digests, lengths = (np.load(entry / name, allow_pickle=False) for name in (DIGESTS, LENGTHS))
            found.add([row.tobytes() for row in digests], lengths, np.load(entry / VALUES, mmap_mode="r"))
        found.kept = len(found.arrays)
        return found

    def add(self, digests: Sequence[bytes], lengths: Sequence[int] | np.ndarray, values: np.ndarray) -> None:
        """Take note of rows that are not known yet.

        Args:
            lengths: tokens of each.
            values: shape (tokens of all, width).
        """
        self.arrays.append(values)
        first = 0
        for digest, length in zip(digests, map(int, lengths), strict=True):
            self.places.setdefault(digest, (len(self.arrays) - 1, first, length))
            first += length

    def of_rows(self, digests: Sequence[bytes]) -> np.ndarray | None:
        """The states of all tokens of some rows, one row behind the other; None where one of them is not known."""
        places = [self.places.get(digest) for digest in digests]
        if None in places:
            return None
        return np.concatenate([self.arrays[array][first : first + length] for array, first, length in places])  # type: ignore[misc]

    def keep(self) -> None:
        """Write what the cache does not hold."""
        fresh = {digest: place for digest, place in self.places.items() if place[0] >= self.kept}
        size = sum(array.nbytes for array in self.arrays[self.kept :])
        if len(fresh) < FEWEST or size > LARGEST:
            return
        digests = np.frombuffer(b"".join(fresh), np.uint8).reshape(-1, DIGEST)
        values = self.of_rows(list(fresh))

        def write(place: Path) -> None:
            np.save(place / DIGESTS, digests)
            np.save(place / LENGTHS, np.array([length for _, _, length in fresh.values()]))
            np.save(place / VALUES, values)  # type: ignore[arg-type]

        name = hashlib.blake2b(digests.tobytes(), digest_size=DIGEST).hexdigest()
        cache.kept(KIND, f"{self.key}-{name}", write)


class FrozenLayers(TrainerFeature):
    """Gives the layers above the frozen ones what these gave once.

    Args:
        shapes: of what each frozen layer gives, from below; see `shapes_below`.
        rows: that are trained on and judged in each epoch.
    """

    spares_frozen: bool = True

    def __init__(self, shapes: Sequence[Shape], rows: int) -> None:
        self.shapes, self.rows = list(shapes), rows
        self.states = States()

    def described(self) -> str:
        """What becomes of these layers, for the plan."""
        layers, rows = counted(len(self.shapes), "layer", "layers"), counted(self.rows, "row", "rows")
        return f"{rows} go through {layers} once, without dropout; an epoch begins above"

    def begin(self, trainer: Any) -> None:
        """Compute what the cache does not hold, and have the model begin above the frozen layers from now on."""
        model = trainer.accelerator.unwrap_model(trainer.model)
        count = len(self.shapes)
        above = {name for name, depth in parameters.depth(model).items() if depth > count}
        settings = [count, trainer.args.bf16, trainer.args.fp16]
        self.states = States.of(Remembered.of_weights(model, settings, above).key)
        was = model.training
        model.eval()
        reused = trainer.halving_batches(lambda: self._compute(trainer, model))
        model.train(was)
        if reused:
            rows = counted(self.rows, "row", "rows")
            reporting.current().note(f"{reused:,} of {rows} had the states of their frozen layers in the cache")
        self.states.keep()
        _begin_above(model, self.shapes, self.states)

    def _compute(self, trainer: Any, model: Any) -> int:
        """Have all rows go through the frozen layers, and no further; how many had been there before."""
        reused, size = 0, trainer.args.per_device_eval_batch_size
        named = names_of(model.base_model.forward)
        seen: list[dict[str, torch.Tensor]] = []

        def entered(own: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
            nonlocal reused
            seen[:] = [named(*arguments, **keywords)]
            digests = digests_of(seen[0])
            known = sum(digest in self.states.places for digest in digests)
            reused += known
            if known == len(digests):
                raise _Reached
            return own(*arguments, **keywords)

        def left(own: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
            states, read = _states(own(*arguments, **keywords)), _read(seen[0])
            self.states.add(digests_of(seen[0]), read.sum(1).tolist(), states[read].float().cpu().numpy())
            raise _Reached

        last = parameters.layers(model)[1][len(self.shapes) - 1]
        with (
            reporting.current().progress("frozen layers", self.rows, "rows") as bar,
            _around(model.base_model, entered),
            _around(last, left),
            torch.no_grad(),
            trainer.autocast_smart_context_manager(),
        ):
            for split in (trainer.splits[name] for name in TRAINED_ON):
                rows = split.for_evaluation()
                for start in range(0, len(rows), size):
                    chosen = rows.select(range(start, min(start + size, len(rows)))).to_list()
                    with contextlib.suppress(_Reached):
                        trainer.task.run(model, trainer._prepare_inputs(trainer.data_collator(chosen)))
                    bar.advance(len(chosen))
        return reused

    def after_training(self, model: Any) -> None:
        for module in (model.base_model, *parameters.layers(model)[1][: len(self.shapes)]):
            module.__dict__.pop("forward", None)


class _Reached(Exception):
    """The states are known; what lies above need not be computed."""


def shapes_below(model: Any, count: int, logits: Callable[[], torch.Tensor]) -> list[Shape] | None:
    """How the lowest layers give their states, where all above reads these of tokens that are read, and nothing else of
    what is below; None elsewhere.

    It is tried out: whether the logits stay the same, to the last bit, when these states alone are handed on.

    Args:
        model: with a head.
        count: of the layers.
        logits: runs it on rows of different lengths.
    """
    stack, named = parameters.layers(model)[1][:count], names_of(model.base_model.forward)
    inputs: list[dict[str, torch.Tensor]] = []
    given: list[list[Any]] = [[] for _ in stack]
    was = model.training
    model.eval()

    def entered(own: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        inputs.append(named(*arguments, **keywords))
        return own(*arguments, **keywords)

    def noted(place: int) -> Callable[..., Any]:
        def passed(own: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
            given[place].append(own(*arguments, **keywords))
            return given[place][-1]

        return passed

    try:
        with torch.no_grad(), contextlib.ExitStack() as block:
            block.enter_context(_around(model.base_model, entered))
            for place, layer in enumerate(stack):
                block.enter_context(_around(layer, noted(place)))
            whole = logits()
        if len(inputs) != 1 or any(len(outputs) != 1 for outputs in given):
            return None  # a layer that is used again, or that nobody calls
        shapes = [_shape(outputs[0]) for outputs in given]
        states, read = _states(given[-1][0]), _read(inputs[0])
        if -1 in shapes or states.shape[:2] != read.shape:
            return None
        known = States()
        known.add(digests_of(inputs[0]), read.sum(1).tolist(), states[read].float().cpu().numpy())
        with torch.no_grad():
            _begin_above(model, shapes, known)
            try:
                found = logits()
            except (RuntimeError, IndexError, AttributeError, TypeError, KeyError, ValueError):
                return None  # what lies above looks for more than it was given
            finally:
                FrozenLayers(shapes, 0).after_training(model)
    finally:
        model.train(was)
    if whole.shape[:2] == read.shape:  # of each token: what stands at padding is not read
        whole, found = whole[read], found[read]
    return shapes if torch.equal(whole, found) else None


def _begin_above(model: Any, shapes: Sequence[Shape], states: States) -> None:
    """Have a model hand on these states in place of its lowest layers, for rows that are known."""
    encoder = model.base_model
    compute, named = encoder.forward, names_of(encoder.forward)
    now: list[torch.Tensor] = []  # what the layers give in the forward pass that is under way

    def given(own: Callable[..., Any], shape: Shape) -> Callable[..., Any]:
        def forward(*arguments: Any, **keywords: Any) -> Any:
            if not now:
                return own(*arguments, **keywords)
            return now[0] if shape is None else (now[0], *[None] * (shape - 1))

        return forward

    def forward(*arguments: Any, **keywords: Any) -> Any:
        inputs = named(*arguments, **keywords)
        values = states.of_rows(digests_of(inputs))
        if values is not None:
            read = _read(inputs)
            handed = torch.zeros(*read.shape, values.shape[1], device=read.device)
            handed[read] = torch.from_numpy(values).to(read.device)
            now[:] = [handed]
        try:
            return compute(*arguments, **keywords)
        finally:
            now.clear()

    for layer, shape in zip(parameters.layers(model)[1], shapes, strict=False):
        layer.forward = given(layer.forward, shape)
    encoder.forward = forward


@contextlib.contextmanager
def _around(module: Any, forward: Callable[..., Any]) -> Iterator[None]:
    """Call this in place of the forward pass of a module, which it is given first."""
    own = module.forward
    module.forward = lambda *arguments, **keywords: forward(own, *arguments, **keywords)
    try:
        yield
    finally:
        del module.forward


def _read(inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """Which tokens of a batch are read, shape (rows, tokens)."""
    mask = inputs.get("attention_mask")
    return torch.ones_like(inputs["input_ids"], dtype=torch.bool) if mask is None else mask.bool()


def _states(output: Any) -> torch.Tensor:
    """The states that a layer gives, shape (rows, tokens, width)."""
    states: torch.Tensor = output[0] if isinstance(output, tuple) else output
    return states


def _shape(output: Any) -> Shape:
    """See `Shape`; -1 where the layer gives more than its states."""
    if not isinstance(output, tuple):
        return None if isinstance(output, torch.Tensor) else -1
    return len(output) if all(other is None for other in output[1:]) else -1
