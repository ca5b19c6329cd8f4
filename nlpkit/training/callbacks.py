"""What happens around the steps of a run: progress, the metrics file, limits and signals."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from nlpkit import interrupts, process
from nlpkit.errors import Interrupted, RunError
from nlpkit.reporting import Progress
from nlpkit.runs.folder import RunFolder
from nlpkit.training import together

if TYPE_CHECKING:
    from nlpkit.training.trainer import ResumableTrainer

PASSED_ON = 3.0  # seconds within which a second signal may be the first: a launcher passes on what all were sent


class ProgressCallback(TrainerCallback):
    """Advance the reporter's bar.

    Args:
        trainer: its `budget` says how far a run is that is limited by time.
        bar: of the reporter.
        figures: what stands beside it: name in Trainer's log -> name shown.
    """

    def __init__(self, trainer: ResumableTrainer, bar: Progress, figures: Mapping[str, str]) -> None:
        self.trainer, self.bar, self.figures = trainer, bar, figures
        self.shown: dict[str, str] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.bar.reset(state.max_steps, state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        budget = self.trainer.budget
        if budget.minutes is not None:
            self.bar.expect(max(round(state.global_step / budget.progress(state.global_step)), state.global_step))
        self.bar.advance(1, **self.shown)

    def on_log(self, args: Any, state: Any, control: Any, **keywords: Any) -> None:
        for name, shown in self.figures.items():
            if name in keywords["logs"]:
                value = keywords["logs"][name]
                self.shown[shown] = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.4f}"


class MetricsFileCallback(TrainerCallback):
    """Append what Trainer logs to metrics.jsonl; stop a run whose loss is not a number."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder

    def on_log(self, args: Any, state: Any, control: Any, **keywords: Any) -> None:
        logs: dict[str, float] = keywords["logs"]
        if state.is_world_process_zero:
            self.folder.log({"step": state.global_step, "epoch": state.epoch, **logs})
        if not math.isfinite(logs.get("loss", 0.0)):
            raise RunError(
                f"the loss is {logs['loss']} at step {state.global_step}",
                "Lower --learning-rate, raise --warmup, or use --precision fp32.",
            )


class LimitsCallback(TrainerCallback):
    """Stop when the time is used up, save when the last checkpoint is old, evaluate at the last step, set the order.

    Args:
        trainer: its `budget` holds the time limit.
        checkpoint_minutes: age of the last checkpoint at which another is saved.
        evaluations: evaluate and save this many times a run, evenly over its budget; 0 leaves that to the arguments.
    """

    def __init__(self, trainer: ResumableTrainer, *, checkpoint_minutes: float, evaluations: int = 0) -> None:
        self.trainer = trainer
        self.checkpoint_minutes, self.evaluations = checkpoint_minutes, evaluations
        self.saved = time.monotonic()
        self.part = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.trainer.start_clock()
        self.saved = time.monotonic()
        self.trainer.agreement.begin(state.global_step)
        self._ask(state.global_step)
        self.part = self._part(state.global_step)

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        # a resumed, distributed run wraps the sampler so deeply that Accelerate no longer reaches it
        self.trainer.set_epoch(int((state.epoch or 0) + 1e-6))

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.saved = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        over, old = self._ask(state.global_step)
        if over:
            control.should_training_stop = True
        last = control.should_training_stop or state.global_step >= state.max_steps
        part = self._part(state.global_step)
        if last or part > self.part:
            self.part = part
            if self.evaluations or args.eval_strategy == "steps":
                control.should_evaluate = control.should_save = True
        # not at the end of an epoch: its evaluation comes after this, and a resumed run would miss it
        if old and state.epoch != int(state.epoch):
            control.should_save = True

    def _ask(self, step: int) -> tuple[bool, bool]:
        """Whether the time is used up, and whether the last checkpoint is old; neither, where this is not asked now."""
        budget = self.trainer.budget
        agreed = self.trainer.agreement.at(step, [budget.seconds(), time.monotonic() - self.saved])
        if agreed is None:
            return False, False
        used, age = agreed
        if process.world_size() > 1:
            budget.count_from(step, used)
        over = budget.minutes is not None and used >= 60 * budget.minutes
        return over, age >= 60 * self.checkpoint_minutes

    def _part(self, step: int) -> int:
        return int(self.evaluations * self.trainer.budget.progress(step) + 1e-9)


class SignalCallback(TrainerCallback):
    """On SIGINT, SIGTERM or SIGHUP finish the step, save, and leave; a second signal leaves at once.

    The checkpoint is written where a resumed run continues bit for bit: before a step, after everything that belongs to
    the one before (its evaluation, its random numbers), and at the start of an epoch before its order is drawn.
    """

    def __init__(self, trainer: ResumableTrainer) -> None:
        self.trainer = trainer
        self.caught: int | None = None
        self._since = 0.0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handle the signals while the block runs; in a thread beside the main one nothing can be handled."""
        self.trainer.agreement.leaving = lambda: self.caught is not None or interrupts.caught()
        alone = threading.current_thread() is threading.main_thread()
        before = {kind: signal.signal(kind, self._catch) for kind in (interrupts.heeded() if alone else ())}
        try:
            yield
        finally:
            for kind, handler in before.items():
                signal.signal(kind, handler)

    def _catch(self, number: int, _: Any) -> None:
        if self.caught is None:
            self.caught, self._since = number, time.monotonic()
        elif process.world_size() == 1 or time.monotonic() > self._since + PASSED_ON:
            raise KeyboardInterrupt

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._leave_if_asked(state)

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        epoch = state.epoch or 0
        if epoch != int(epoch):
            self._leave_if_asked(state)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        # the last step is saved, and the model is the best one by now
        self._leave_if_asked(state, save=False)

    def _leave_if_asked(self, state: Any, *, save: bool = True) -> None:
        if not self.trainer.agreement.to_leave():
            return
        where = f"interrupted at step {state.global_step} of {state.max_steps}"
        if not self.trainer.keeps_state:
            together.leave_behind_the_main_process()
            raise Interrupted(f"{where}; under DeepSpeed no state is kept to go on from")
        if save:
            self.trainer.save_now()
        together.leave_behind_the_main_process()
        raise Interrupted(f"{where}; the state is saved")
