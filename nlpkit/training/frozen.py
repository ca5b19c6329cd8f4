"""What a frozen encoder gives for a row, computed once: each epoch trains the head on it.

A head that reads one state per row (that of the first token, or the pooled one) is all that an epoch computes then.
The encoder runs without dropout, so that a row has the same features in each epoch. They are kept in the cache by
content: of the encoder's weights and of the tokens.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling

from nlpkit import machine, reporting
from nlpkit.inference.remembered import DIGEST, Remembered
from nlpkit.reporting import counted
from nlpkit.training.trainer_features import TrainerFeature

if TYPE_CHECKING:
    from nlpkit.training.trainer import Split

State = Literal["pooler_output", "last_hidden_state"]
STATES: tuple[State, ...] = ("pooler_output", "last_hidden_state")
PROBED = 8  # rows by which it is found out what a head reads
ROOM = 0.5  # share of the free memory that features may take
TRAINED_ON = ("train", "validation")  # the splits that each epoch reads

Forward = Callable[..., Any]


class FrozenFeatures(TrainerFeature):
    """Gives the head what the frozen encoder gave once, in place of the encoder.

    Args:
        state: what the head reads of the encoder, see `read_by_head`.
        rows: that are trained on and judged in each epoch.
    """

    replaces_encoder: bool = True

    def __init__(self, state: State, rows: int) -> None:
        self.state, self.rows = state, rows
        self._places: dict[bytes, int] = {}
        self._table = torch.empty(0)

    def described(self) -> str:
        """What becomes of the encoder, for the plan."""
        read = counted(self.rows, "row", "rows")
        return f"the encoder reads {read} once, without dropout; an epoch trains the head alone"

    def begin(self, trainer: Any) -> None:
        """Compute what the cache does not hold, and give it to the head from now on."""
        model = trainer.accelerator.unwrap_model(trainer.model)
        encoder = model.base_model
        remembered = Remembered.of_weights(encoder, [self.state, trainer.args.bf16, trainer.args.fp16])
        was = model.training
        model.eval()
        known: dict[bytes, np.ndarray] = trainer.halving_batches(lambda: self._states(trainer, model, remembered))
        model.train(was)
        remembered.keep()
        self._places = {digest: i for i, digest in enumerate(known)}
        self._table = torch.from_numpy(np.stack(list(known.values()))).to(trainer.args.device)
        compute, named = encoder.forward, names_of(encoder.forward)

        @torch.compiler.disable
        def given(*arguments: Any, **keywords: Any) -> Any:
            """The encoder's output for a batch, looked up where all its rows are known."""
            inputs = named(*arguments, **keywords)
            rows = [self._places.get(digest, -1) for digest in digests_of(inputs)]
            if -1 in rows:
                return compute(*arguments, **keywords)
            return _output(self.state, self._table[rows])

        encoder.forward = given

    def _states(self, trainer: Any, model: Any, remembered: Remembered) -> dict[bytes, np.ndarray]:
        """The state of each row by the digest of its tokens, computed in batches of like length."""
        found: dict[bytes, np.ndarray] = {}
        compute, named = model.base_model.forward, names_of(model.base_model.forward)

        def noted(*arguments: Any, **keywords: Any) -> Any:
            digests = digests_of(named(*arguments, **keywords))
            there = [i for i, digest in enumerate(digests) if digest in remembered.known]
            if len(there) == len(digests):
                states = remembered.values(digests)
            else:
                states = _state(self.state, compute(*arguments, **keywords)).float().cpu().numpy()
            if there:  # a run that goes on finds the same bits, whatever else was known when it began
                states[there] = remembered.values([digests[i] for i in there])
            remembered.add(digests, states)
            found.update(zip(digests, states, strict=True))
            return _output(self.state, torch.from_numpy(states).to(trainer.args.device))

        size = trainer.args.per_device_eval_batch_size
        with (
            reporting.current().progress("features", self.rows, "rows") as bar,
            _replaced(model.base_model, noted),
            torch.no_grad(),
            trainer.autocast_smart_context_manager(),
        ):
            for split in (trainer.splits[name] for name in TRAINED_ON):
                rows = split.for_evaluation()
                for start in range(0, len(rows), size):
                    batch = trainer.data_collator(rows.select(range(start, min(start + size, len(rows)))).to_list())
                    trainer.task.run(model, trainer._prepare_inputs(batch))
                    bar.advance(min(size, len(rows) - start))
        return found

    def after_training(self, model: Any) -> None:
        model.base_model.__dict__.pop("forward", None)


def ends_of(split: Split) -> list[dict[str, Any]]:
    """The features of the longest and the shortest rows of a split, by which `read_by_head` tells."""
    rows = split.for_evaluation()
    half, count = PROBED // 2, len(rows)
    return rows.select(sorted({*range(min(half, count)), *range(max(count - half, 0), count)})).to_list()


def read_by_head(model: Any, logits: Callable[[], torch.Tensor]) -> State | None:
    """Which single state per row the head of a model computes its answer from; None where it reads more than one.

    It is tried out: whether the logits stay the same, to the last bit, when the head is given that state alone.

    Args:
        model: with a head.
        logits: runs it on rows of different lengths.
    """
    encoder = model.base_model
    compute, was = encoder.forward, model.training
    model.eval()
    try:
        with torch.no_grad():
            whole = logits()
            for state in STATES:
                if _same(encoder, compute, state, whole, logits):
                    return state
    finally:
        model.train(was)
    return None


def room_for(rows: int, width: int) -> bool:
    """Whether the features of so many rows fit into memory beside what else is there."""
    return 4 * rows * width <= ROOM * machine.memory()["available_bytes"]


def _same(
    encoder: Any, compute: Forward, state: State, whole: torch.Tensor, logits: Callable[[], torch.Tensor]
) -> bool:
    """Whether the logits of rows are those of the whole output when the head sees one state per row alone."""

    def shortened(*arguments: Any, **keywords: Any) -> Any:
        return _output(state, _state(state, compute(*arguments, **keywords)))

    try:
        with _replaced(encoder, shortened):
            found = logits()
    except (RuntimeError, IndexError, AttributeError, TypeError, KeyError, ValueError):
        return False  # the head looks for states that it was not given
    return found.shape == whole.shape and torch.equal(found, whole)


@contextlib.contextmanager
def _replaced(encoder: Any, forward: Forward) -> Iterator[None]:
    encoder.forward = forward
    try:
        yield
    finally:
        del encoder.forward


def _state(state: State, output: Any) -> torch.Tensor:
    """One state per row of an encoder's output, shape (rows, width)."""
    found: torch.Tensor | None = output.get(state)
    if found is None:
        raise KeyError(state)
    return found[:, 0] if state == "last_hidden_state" else found


def _output(state: State, states: torch.Tensor) -> BaseModelOutputWithPooling:
    """An encoder's output that has nothing but one state per row."""
    if state == "last_hidden_state":
        return BaseModelOutputWithPooling(last_hidden_state=states[:, None])
    nothing = torch.zeros_like(states)[:, None]  # stands before the pooled state for heads that read by place
    return BaseModelOutputWithPooling(last_hidden_state=nothing, pooler_output=states)


def names_of(forward: Forward) -> Callable[..., dict[str, torch.Tensor]]:
    """Gives the tensors of a call by the names of their arguments."""
    signature = inspect.signature(forward)

    def named(*arguments: Any, **keywords: Any) -> dict[str, torch.Tensor]:
        bound = signature.bind(*arguments, **keywords).arguments
        given = bound | bound.pop("kwargs", {})
        return {name: value for name, value in given.items() if isinstance(value, torch.Tensor)}

    return named


def digests_of(inputs: Mapping[str, torch.Tensor]) -> list[bytes]:
    """A digest of each row of a batch, the same whatever it is padded to."""
    names = sorted(name for name in inputs if name != "attention_mask")
    arrays = [inputs[name].cpu().numpy() for name in names]
    mask = inputs.get("attention_mask")
    read = np.ones(arrays[0].shape, bool) if mask is None else mask.cpu().numpy().astype(bool)
    prefix = " ".join(names).encode()
    return [
        hashlib.blake2b(prefix + b"".join(array[i][read[i]].tobytes() for array in arrays), digest_size=DIGEST).digest()
        for i in range(len(read))
    ]
