"""The Trainer of pre-training: the objective's loss, figures while it runs, exact positions in a stream."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from transformers.trainer_utils import EvalLoopOutput

from nlpkit.metrics.evidence import Judgement
from nlpkit.pretraining.architectures import TrainingFlops
from nlpkit.pretraining.attention import DocumentAttention
from nlpkit.pretraining.objectives import Objective, evidence_of
from nlpkit.pretraining.streaming import Position, StreamedRows
from nlpkit.training.trainer import ResumableTrainer


class PretrainingTrainer(ResumableTrainer):
    """A Trainer run of a pre-training objective.

    Args:
        objective: gives the loss and the metrics.
        attention: keeps documents apart; None where there are none.
        grouped: batches of rows of like length.
        optimizer_of: see `Method.optimizer`.
        peak_flops: the device's measured matrix-product rate in FLOP/s, for MFU; None leaves MFU out.
        arguments: of `ResumableTrainer`; the collator is a `MaskingCollator`.
    """

    objective: Any
    # figures since the last line of the log
    sums: torch.Tensor
    tokens: int
    total_flops: float
    last_flops: float
    since: float

    def __init__(
        self,
        *,
        objective: Objective,
        attention: DocumentAttention | None,
        grouped: bool,
        optimizer_of: Callable[[Any, Any, set[str]], Any] = lambda model, arguments, decayed: None,
        peak_flops: float | None = None,
        **arguments: Any,
    ) -> None:
        self.objective, self.grouped, self.peak_flops = objective, grouped, peak_flops
        self.attention = attention
        self.optimizer_of = optimizer_of
        # of the batch that was prepared last: pairs of tokens, and tokens without padding
        self.attended: dict[str, int] = {}
        self.real = 0
        super().__init__(**arguments)
        self.model_accepts_loss_kwargs = True  # the loss is divided by the predicted tokens of the whole step
        self.flops = TrainingFlops(self.model)
        self._restart_figures()
        self._random_state_of: str | None = None
        self._figures: dict[str, Any] | None = None

    # --- the objective ---

    def _prepare_inputs(self, inputs: Any) -> Any:
        """The batch on the device, with what keeps its documents apart."""
        batch: Any = super()._prepare_inputs(inputs)
        self.attended, self.real = batch.pop("attended"), batch.pop("tokens")
        return self.attention(batch) if self.attention else batch

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """The objective's loss of a batch."""
        ids = inputs["input_ids"]
        self.last_flops = self.flops(ids.numel(), ids.shape[1], inputs["labels"].numel(), self.attended)
        self.total_flops += self.last_flops
        self.tokens += self.real
        outcome = self.objective(model, inputs, num_items_in_batch)
        self.sums = self.sums + outcome.sums.sum(0)
        # Trainer takes the mean over processes of what are parts of one sum
        return outcome.loss * (self.accelerator.num_processes if num_items_in_batch is not None else 1)

    def floating_point_ops(self, inputs: Any) -> int:
        """Of the batch that was computed last."""
        return int(self.last_flops)

    def evaluation_loop(
        self,
        dataloader: Any,
        description: str,
        prediction_loss_only: bool | None = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> EvalLoopOutput:
        """Sums per row instead of logits: at 30,000 pieces, those of a few thousand tokens would fill the memory."""
        started = time.monotonic()
        model: Any = self.model
        model.eval()
        gathered = []
        for batch in dataloader:
            with torch.no_grad(), self.compute_loss_context_manager():
                outcome = self.objective(model, self._prepare_inputs(batch), None)
            # they stay on the device: to bring those of each batch to the CPU would wait for it
            gathered.append(self.accelerator.gather_for_metrics(outcome.sums))
        sums = torch.cat(gathered).cpu().double().numpy()
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in self.objective.metrics(sums).items()}
        self.since += time.monotonic() - started  # the rate is that of training
        return EvalLoopOutput(predictions=sums, label_ids=None, metrics=metrics, num_samples=len(sums))

    def measure(self) -> Judgement:
        """Validation metrics of the model as it is."""
        output = self.halving_batches(lambda: self.evaluation_loop(self.get_eval_dataloader(), "validation"))
        metrics = {name.removeprefix("eval_"): value for name, value in (output.metrics or {}).items()}
        return Judgement(metrics, evidence_of(self.objective, np.asarray(output.predictions)))

    # --- the order of rows, and where a resumed run goes on ---

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        return self.length_sampler(self.train_dataset.lengths, grouped=self.grouped)  # type: ignore[union-attr]

    def set_epoch(self, epoch: int) -> None:
        super().set_epoch(epoch)
        if not isinstance(self.train_dataset, StreamedRows):
            self.train_dataset.set_epoch(epoch)  # type: ignore[union-attr]

    def position(self) -> dict[str, Any]:
        out = super().position()
        if self.accelerator.num_processes == 1:
            out["figures"] = {
                "sums": self.sums.tolist(),
                "tokens": self.tokens,
                "flops": self.total_flops,
                "seconds": time.monotonic() - self.since,
            }
        if isinstance(self.train_dataset, StreamedRows):
            # counted in steps: the loader has read further than the model
            consumed = self.state.global_step * self.train_dataset.batch
            window = self.train_dataset.position_of(consumed)
            out["stream"] = {"rows": consumed, "window": dataclasses.asdict(window)}
        return out

    def resume_from(self, position: dict[str, Any]) -> None:
        super().resume_from(position)
        self._figures = position.get("figures")
        if isinstance(self.train_dataset, StreamedRows):
            self.train_dataset.resume(Position(**position["stream"]["window"]), position["stream"]["rows"])

    def start_clock(self) -> None:
        super().start_clock()
        self._restart_figures()
        if self._figures is not None:
            self.sums += torch.tensor(self._figures["sums"], device=self.sums.device)
            self.tokens, self.total_flops = self._figures["tokens"], self._figures["flops"]
            self.since -= self._figures["seconds"]
        self._figures = None

    def _load_rng_state(self, checkpoint: Any) -> None:
        super()._load_rng_state(checkpoint)
        self._random_state_of = checkpoint

    def get_batch_samples(self, *arguments: Any) -> Any:
        out = super().get_batch_samples(*arguments)
        if self._random_state_of is not None and isinstance(self.train_dataset, StreamedRows):
            # opening a loader draws a number, which the uninterrupted run did not do here
            super()._load_rng_state(self._random_state_of)
        self._random_state_of = None
        return out

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        if self.optimizer is None:
            inner: Any = self.model
            self.optimizer = self.optimizer_of(inner, self.args, set(self.get_decay_parameter_names(inner)))
        return super().create_optimizer(model)

    # --- figures while it runs ---

    def log(self, logs: dict[str, float], *arguments: Any, **keywords: Any) -> None:
        """Add the objective's metrics, tokens per second and MFU to the lines about training."""
        if isinstance(self.train_dataset, StreamedRows):  # Trainer counts from the resumed step
            self.state.epoch = self.state.global_step / self.state.max_steps
        if "loss" in logs and self.tokens:
            sums = self.accelerator.reduce(self.sums.to(self.args.device)).double().cpu().numpy()
            metrics = self.objective.metrics(sums[None])
            seconds = time.monotonic() - self.since
            logs.update({name: round(value, 6) for name, value in metrics.items() if name != "loss"})
            logs["tokens_per_second"] = round(self.accelerator.num_processes * self.tokens / seconds, 1)
            if self.peak_flops:
                logs["mfu"] = round(self.total_flops / seconds / self.peak_flops, 4)
            self._restart_figures()
        super().log(logs, *arguments, **keywords)

    def _restart_figures(self) -> None:
        self.sums = torch.zeros(len(self.objective.columns), device=self.args.device)
        self.tokens = 0
        self.total_flops = self.last_flops = 0.0
        self.since = time.monotonic()
