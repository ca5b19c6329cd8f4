"""`--compile auto`: torch.compile where it pays, which some steps of the run itself find out.

Whether compiled code is faster depends on the device, the model and the lengths of the rows, and what compiling takes
has to be earned back. So a run begins as it is, and its steps are timed. Where what is left takes many times as long as
compiling does, the next steps are compiled, every other one of them, and timed by turns: they train too, and nothing
but the compiling is lost. The faster way goes on.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from transformers import TrainerCallback

from nlpkit import process, reporting
from nlpkit.errors import first_line
from nlpkit.hardware import memory, toolchain
from nlpkit.hardware.devices import Device
from nlpkit.reporting import duration

SETTLING = 5  # steps of each kind that are not timed: the first ones allocate, or compile
TIMED = 20  # steps of each kind that are, by turns: what else a machine does then slows both
# that compiling takes for each layer, forward and backward: 36 s for the six of MiniLM on a core of an AMD EPYC
SECONDS_A_LAYER = 6.0
# what is left takes this many times as long as compiling: an attempt in vain costs a twentieth at most
WORTH = 20.0
FASTER = 0.98  # of the time of a step as it is, at most, or it goes on as it is: less is noise

State = Literal["plain", "both", "settled"]


class _Step(NamedTuple):
    """A step of the optimizer: whether it was compiled, its seconds, its tokens."""

    compiled: bool
    seconds: float
    tokens: int


def why_not(device: Device, trainer: Any) -> str | None:
    """Why a run does not try to compile, in words; None where it does."""
    if trainer.args.full_determinism:
        return "which steps are compiled would be up to a clock (--full-determinism)"
    if device.name != "cpu" and not device.name.startswith("cuda"):
        return f"steps cannot be timed on {device.name}"
    features = getattr(trainer, "features", ())
    if process.world_size() > 1 or process.divides_models() or process.launched_for_deepspeed():
        return "several processes train"
    if any(feature.spares_frozen or feature.replaces_encoder for feature in features):
        return "frozen layers are computed once and kept"
    if missing := toolchain.missing_to_compile(device.name):
        return f"it needs {missing}"
    return None


def described(device: Device, trainer: Any) -> list[tuple[str, str]]:
    """A line of the plan."""
    if reason := why_not(device, trainer):
        return [("compile", f"not tried: {reason}")]
    least = duration(WORTH * _expected_seconds(trainer.model))
    return [("compile", f"tried after {SETTLING + TIMED} steps, if those left take more than {least}")]


def _expected_seconds(model: Any) -> float:
    return SECONDS_A_LAYER * float(getattr(model.config, "num_hidden_layers", None) or 12)


class Compiling(TrainerCallback):
    """Whether the steps of a run are compiled; to be added to the callbacks of its Trainer.

    Args:
        trainer: a `ResumableTrainer`, whose `training_step` runs within `step`.
        device: of the run.
        before: `found` of the interrupted run; None begins anew, and so does another device, or that there were too few
            steps.

    Attributes:
        active: whether the next step is compiled.
        found: what was concluded, for people and the record; empty until then.
    """

    def __init__(self, trainer: Any, device: Device, before: Mapping[str, Any] | None = None) -> None:
        self.trainer = trainer
        self.place = f"{device.name} {device.precision}"
        stands = before is not None and before.get("tried") and before.get("place") == self.place
        self.state: State = "settled" if stands else "plain"
        self.found: dict[str, Any] = dict(before or {}) if stands else {}
        self.active = bool(self.found.get("compiled"))
        self._call: Any = None
        self._tokens = 0
        self._began = 0.0
        self._steps: list[_Step] = []

    # --- within a step ---

    @contextlib.contextmanager
    def step(self, inputs: Mapping[str, Any]) -> Iterator[None]:
        """A block around forward and backward of a batch; evaluations stay outside: their lengths are others."""
        self._tokens += _tokens(inputs)
        if not self.active:
            yield
            return
        model: Any = self.trainer.model
        # what Module.compile sets: the module, its names and its hooks stay as they are
        model._compiled_call_impl = self._compiled(model)
        try:
            yield
        finally:
            model._compiled_call_impl = None

    def _compiled(self, model: Any) -> Any:
        if self._call is None:
            import torch

            # batches have many lengths: without this the second one would be compiled once more
            self._call = torch.compile(model._call_impl, dynamic=True)
        return self._call

    def gives_up(self, error: RuntimeError) -> bool:
        """Whether an error within `step` is one of the compiler's; the run goes on as it is then."""
        if not self.active or memory.is_exhausted(error):
            return False
        from torch._dynamo.exc import TorchDynamoException

        if not isinstance(error, TorchDynamoException):
            return False
        why = first_line(getattr(error, "inner_exception", error))
        self._settle(False, f"this model could not be compiled ({why}); it goes on as it is", {}, warn=True)
        return True

    # --- between steps ---

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.state != "settled":
            self._tokens = 0
            _wait_for(args.device)
            self._began = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.state == "settled":
            return
        _wait_for(args.device)
        self._steps.append(_Step(self.active, time.monotonic() - self._began, max(self._tokens, 1)))
        if self.state == "plain" and len(self._steps) == SETTLING + TIMED:
            self._consider(args, state)
        elif self.state == "both":
            if len(self._steps) == SETTLING + 2 * TIMED:
                self._choose(state)
            elif len(self._steps) >= SETTLING:
                self.active = not self.active

    def _consider(self, args: Any, state: Any) -> None:
        """After plain steps: is enough left that compiling may pay?"""
        budget = self.trainer.budget
        left = (state.max_steps - state.global_step) * statistics.mean(step.seconds for step in self._steps[SETTLING:])
        if budget.minutes is not None:
            left = min(left, 60 * budget.minutes - budget.seconds())
        needed = _expected_seconds(self.trainer.model)
        if left < WORTH * needed:
            takes = duration(max(left, 0.0))
            self._settle(False, f"not tried: the steps left take about {takes}, and compiling about {duration(needed)}")
            return
        if (steps := state.max_steps - state.global_step) < 2 * (SETTLING + 2 * TIMED):
            self._settle(False, f"not tried: {steps:,} steps are left, and telling takes {SETTLING + 2 * TIMED}")
            return
        self._steps = []
        self.state, self.active = "both", True

    def _choose(self, state: Any) -> None:
        """After steps of both kinds: which are faster?"""
        plain, compiled = (
            # the median: a step that compiles for a new shape of rows is not what all later ones take
            statistics.median(step.seconds / step.tokens for step in self._steps[SETTLING:] if step.compiled is kind)
            for kind in (False, True)
        )
        tokens = statistics.mean(step.tokens for step in self._steps)
        took = sum(step.seconds - compiled * step.tokens for step in self._steps[:SETTLING])
        faster = compiled <= FASTER * plain
        told = (
            f"a step takes {1000 * plain * tokens:,.0f} ms as it is and {1000 * compiled * tokens:,.0f} ms compiled; "
            f"compiling took {duration(max(took, 0.0))}; "
            + (f"compiled from step {state.global_step + 1:,} on" if faster else "it goes on as it is")
        )
        figures = {"plain_seconds": plain * tokens, "compiled_seconds": compiled * tokens, "compiling_seconds": took}
        self._settle(faster, told, {name: round(value, 4) for name, value in figures.items()})

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.state != "settled":
            tried = "not tried" if self.state == "plain" else "given up"
            self._settle(False, f"{tried}: the run was over before it could be told")

    def _settle(
        self, compiled: bool, told: str, figures: Mapping[str, float] | None = None, *, warn: bool = False
    ) -> None:
        """Conclude.

        Args:
            figures: seconds that were measured; None where it was not tried.
        """
        self.state, self.active = "settled", compiled
        tried = {"tried": figures is not None, "place": self.place}
        self.found = {"compiled": compiled, "told": told, **tried, **(figures or {})}
        if not compiled:
            self._call = None
        say = reporting.current().warn if warn else reporting.current().note
        say(f"compile: {told}")


def _tokens(inputs: Mapping[str, Any]) -> int:
    """Tokens of a batch, padding included, which is computed like all else."""
    return sum(int(value.numel()) for name, value in inputs.items() if name.startswith("input_ids"))


def _wait_for(device: Any) -> None:
    """Wait until a GPU has done what it was told."""
    if device.type == "cuda":
        import torch

        torch.cuda.synchronize(device)
