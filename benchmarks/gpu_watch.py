"""What is measured of a Trainer while it trains: the window between two of its steps or epochs."""

from __future__ import annotations

import collections
import time
import warnings
from typing import Any

import torch
from transformers import TrainerCallback

WAITS = "called a synchronizing"  # in what torch says of a call that waits for the GPU
ATTENTION = ("flash", "fmha", "efficient_attention", "sdpa", "attn", "attention")  # in the names of kernels


class Watch(TrainerCallback):
    """Counts and times the steps of a window; nothing is evaluated or saved meanwhile.

    Args:
        trainer: is given the callback, and its fetching and stepping are wrapped.
        epoch: the epoch (from 0) that is the window, or
        steps: the steps (first, last) between whose ends it lies.
        count_waits: have torch say what waits for the GPU.
        profile: look at the kernels of the step behind the window, which the run then must have.
    """

    def __init__(
        self,
        trainer: Any,
        *,
        epoch: int | None = None,
        steps: tuple[int, int] | None = None,
        count_waits: bool = False,
        profile: bool = False,
    ) -> None:
        self.cuda = trainer.args.device.type == "cuda"
        self.epoch, self.steps, self.count_waits, self.profile = epoch, steps, count_waits, profile
        self.open = False
        self.seconds = 0.0
        self.batches: list[tuple[int, int, Any, int]] = []  # rows, positions, mask, labels
        self.fetching = 0.0  # seconds of the host
        self.gaps: list[tuple[Any, Any]] = []  # events around fetching, on the GPU's own clock
        self.peak = self.held = 0
        self.waits: collections.Counter[str] = collections.Counter()
        self.kernels: list[tuple[str, int]] | None = None
        self.profiler: Any = None
        self._epochs = -1
        self._fetch, self._step = trainer.get_batch_samples, trainer.training_step
        trainer.get_batch_samples, trainer.training_step = self._fetched, self._stepped
        trainer.add_callback(self)
        self.trainer = trainer

    # --- what is wrapped ---

    def _fetched(self, *arguments: Any) -> Any:
        if not self.open:
            return self._fetch(*arguments)
        start = time.perf_counter()
        if self.cuda:
            before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            before.record()
        out = self._fetch(*arguments)
        if self.cuda:
            after.record()
            self.gaps.append((before, after))
        self.fetching += time.perf_counter() - start
        return out

    def _stepped(self, model: Any, inputs: Any, *arguments: Any, **keywords: Any) -> Any:
        if self.open:
            ids, mask = inputs["input_ids"], inputs.get("attention_mask")
            padding = mask if mask is not None and mask.dim() == 2 else None
            self.batches.append((len(ids), ids.numel(), padding, inputs["labels"].numel()))
        return self._step(model, inputs, *arguments, **keywords)

    # --- where the window begins and ends ---

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._epochs += 1
        if self._epochs == self.epoch:
            self._begin()

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._epochs == self.epoch:
            self._end()
        control.should_evaluate = control.should_save = False

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.profile and self.steps is not None and state.global_step == self.steps[1]:
            self._synchronize()
            kinds = [torch.profiler.ProfilerActivity.CPU]
            self.profiler = torch.profiler.profile(
                activities=[*kinds, torch.profiler.ProfilerActivity.CUDA] if self.cuda else kinds
            )
            self.profiler.__enter__()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.profiler is not None and self.kernels is None:
            self._synchronize()
            self.profiler.__exit__(None, None, None)
            self.kernels = self._names()
        if self.steps is not None and state.global_step == self.steps[0]:
            self._begin()
        if self.steps is not None and state.global_step == self.steps[1]:
            self._end()
        control.should_evaluate = control.should_save = False

    def _begin(self) -> None:
        self._synchronize()
        if self.cuda:
            torch.cuda.reset_peak_memory_stats()
        if self.count_waits and self.cuda:
            self._said = warnings.catch_warnings(record=True)
            self._heard = self._said.__enter__()
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
        self.open = True
        self.start = time.perf_counter()

    def _end(self) -> None:
        if self.count_waits and self.cuda:
            torch.cuda.set_sync_debug_mode("default")
            self._said.__exit__(None, None, None)
            for warning in self._heard or ():
                if WAITS in str(warning.message):
                    file = warning.filename.rpartition("site-packages/")[2]
                    self.waits[f"{file}:{warning.lineno}"] += 1
        self._synchronize()
        self.seconds = time.perf_counter() - self.start
        self.open = False
        if self.cuda:
            self.peak = torch.cuda.max_memory_allocated()

    def _synchronize(self) -> None:
        if self.cuda:
            torch.cuda.synchronize()

    def _names(self) -> list[tuple[str, int]]:
        """Kernels of the profiled step with their counts; on a CPU, operators."""
        events = self.profiler.key_averages()
        if self.cuda:
            events = [event for event in events if event.device_type == torch.autograd.DeviceType.CUDA]
        return [(event.key, event.count) for event in events]

    # --- figures, when the run is over ---

    @property
    def rows(self) -> int:
        """Trained on in the window."""
        return sum(rows for rows, *_ in self.batches)

    @property
    def tokens(self) -> int:
        """Without padding."""
        return sum(size if mask is None else int(mask.sum()) for _, size, mask, _ in self.batches)

    @property
    def wait_share(self) -> float:
        """Of the window's time, what the device waits for data: on a GPU, measured on its own clock, how long it has
        nothing to do but a batch's copy while the host fetches; on a CPU the time of fetching."""
        if not self.cuda:
            return self.fetching / self.seconds
        return sum(before.elapsed_time(after) for before, after in self.gaps) / 1e3 / self.seconds

    def flops(self, model: Any) -> float:
        """FLOP that the window needs, padding not among it, see `TrainingFlops`."""
        from nlpkit.pretraining.architectures import TrainingFlops

        of_batch = TrainingFlops(model)
        return sum(
            of_batch(size if mask is None else int(mask.sum()), size // rows, labels)
            for rows, size, mask, labels in self.batches
        )

    def attention(self) -> list[str]:
        """The kernels of attention in the profiled step."""
        return [name for name, _ in self.kernels or () if any(part in name.lower() for part in ATTENTION)]
