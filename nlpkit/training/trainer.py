"""transformers.Trainer with the order of rows, the loss of the task and checkpoints that survive a kill."""

from __future__ import annotations

import contextlib
import functools
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import torch
from accelerate.data_loader import BatchSamplerShard
from accelerate.utils import gather_object
from torch.optim.lr_scheduler import LambdaLR
from transformers import PreTrainedModel, Trainer
from transformers.trainer_utils import EvalLoopOutput

from nlpkit import process, reporting
from nlpkit.data.batching import RANDOM_ORDER, LengthBatchSampler, SharedBatches
from nlpkit.data.collating import id_columns
from nlpkit.data.label_batches import LabelBatchSampler
from nlpkit.errors import RunError, UserError, first_line
from nlpkit.hardware import arithmetic, memory
from nlpkit.hardware.devices import Device
from nlpkit.inference.overlap import arriving
from nlpkit.models import attention_masks, fitting
from nlpkit.runs.files import write_json, writing
from nlpkit.runs.folder import RunFolder
from nlpkit.tasks import outputs as model_outputs
from nlpkit.tasks.contract import BOOKKEEPING
from nlpkit.tasks.features import Columns
from nlpkit.tasks.forward import Part, rows_of
from nlpkit.training import padding, parameters, sharded, together
from nlpkit.training.checkpoints import POSITION
from nlpkit.training.compiling import Compiling, why_not
from nlpkit.training.padding import Collate
from nlpkit.training.schedules import TIMED, Budget, factor
from nlpkit.training.trainer_features import TrainerFeature

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.tasks.outputs import Outputs
    from nlpkit.tasks.roles import Trainable

GATHERED = 16  # batches of an evaluation that processes exchange at once
R = TypeVar("R")


@dataclass
class Split:
    """One split, ready for the model.

    Attributes:
        examples: what is judged.
        features: what the model sees, in the order of the examples.
    """

    examples: Dataset
    features: Dataset

    def __post_init__(self) -> None:
        self.lengths = np.asarray(self.features["length"][:])
        self.owner = np.asarray(self.features["example"][:])
        # evaluation goes through the rows by length, so that next to nothing is padding
        self.order = np.argsort(-self.lengths, kind="stable")

    def token_ids(self) -> np.ndarray:
        """All token ids of the split, or more than those where its features are a selection; shape (tokens,)."""
        table = self.features.data
        chunks = [chunk for name in id_columns(self.features.column_names) for chunk in table.column(name).chunks]
        return np.concatenate([chunk.flatten().to_numpy() for chunk in chunks])

    def for_training(self) -> Dataset:
        """Features without bookkeeping columns."""
        return self.features.select_columns([name for name in self.features.column_names if name not in BOOKKEEPING])

    def for_evaluation(self) -> Dataset:
        """The same, longest first."""
        return self.for_training().select(self.order)

    def subset(self, rows: np.ndarray) -> Split:
        """These examples (sorted indices) with their features."""
        features = self.features.select(np.flatnonzero(np.isin(self.owner, rows)))
        part = Split(self.examples.select(rows), features)
        part.owner = np.searchsorted(rows, part.owner)
        return part

    def merged(self, task: Trainable, outputs: Outputs) -> Outputs:
        """Outputs of `for_evaluation` rows, back in example order, one per example."""
        columns = Columns(self.features, example=self.owner)  # which counts within a subset
        return task.merge(model_outputs.in_order(outputs, self.order), columns)


class ResumableTrainer(Trainer):
    """A Trainer whose checkpoints survive a kill and hold all that a resumed run needs.

    Args:
        budget: steps and time; `None` limits neither beyond what the arguments say.
        schedule: of the learning rate, by the name that the option has.
        layer_decay: see `parameters.optimizer_groups`.
        arguments: of transformers.Trainer.
    """

    def __init__(
        self, *, budget: Budget | None = None, schedule: str = "linear", layer_decay: float = 1.0, **arguments: Any
    ) -> None:
        self.budget = budget or Budget(steps=0)
        self.schedule = schedule
        self.agreement = together.Agreement()
        self.layer_decay = layer_decay
        self.sampler: LengthBatchSampler | None = None
        self._unlogged: dict[str, Any] | None = None
        self._saved = 0  # the step of the last checkpoint
        self._other_order = False
        self.compiling: Compiling | None = None  # with --compile auto, where it can be tried
        self._division: sharded.Division | None = None  # of the model, while it is divided over processes
        place = Path(arguments["args"].output_dir)
        missing = [folder for folder in (place, *place.parents) if not folder.exists()]
        with arithmetic.keeping():
            super().__init__(**arguments)
        # Trainer makes its folder at once; a run that is only planned leaves none. Only by the process that made it: of
        # several, one would remove what the other is making
        for folder in missing if self.args.should_save else []:
            with contextlib.suppress(OSError):
                folder.rmdir()

    def create_accelerator_and_postprocess(self) -> None:
        with sharded.on_a_cpu_too():
            super().create_accelerator_and_postprocess()

    def train(self, *arguments: Any, **keywords: Any) -> Any:
        """Train; the model is whole afterwards, also where it was divided over processes meanwhile."""
        if not self.is_fsdp_enabled:
            return super().train(*arguments, **keywords)
        plugin = self.accelerator.state.fsdp_plugin
        self._division = sharded.Division(cast(PreTrainedModel, self.model), plugin, self.args.device)
        with self._division.meanwhile():
            output = super().train(*arguments, **keywords)
        self._division = None
        self.model_wrapped = cast(PreTrainedModel, self.model)
        return output

    def autocast_smart_context_manager(self, cache_enabled: bool | None = True) -> Any:
        """Of a divided model too, whose products accelerate would leave to the type of its weights."""
        if self._division is None and not self.is_deepspeed_enabled:
            return super().autocast_smart_context_manager(cache_enabled)
        return torch.autocast(self.args.device.type, dtype=torch.bfloat16, enabled=self.args.computes_in == "bf16")  # type: ignore[attr-defined]

    @property
    def keeps_state(self) -> bool:
        """Whether its checkpoints hold what a run goes on from: DeepSpeed's would be pickled objects."""
        return not self.is_deepspeed_enabled

    @property
    def divisible_batches(self) -> bool:
        """Whether a batch may be halved, and the halves accumulated, without another loss."""
        return True

    @property
    def indivisible(self) -> str:
        """Why a batch may not be halved, and what to do where memory does not suffice for it."""
        return ""

    def length_sampler(
        self, lengths: np.ndarray, *, grouped: bool, apart: np.ndarray | None = None
    ) -> LengthBatchSampler:
        """A sampler of rows with these lengths; with `grouped` the rows of an optimizer step have similar lengths.

        Args:
            apart: see `LengthBatchSampler`.
        """
        if self._other_order and not grouped:
            reporting.current().warn(
                "the run was begun by an nlpkit with another random order: of the epoch that was interrupted some rows "
                "are trained on twice and as many not at all (--overwrite begins anew)"
            )
        self.sampler = LengthBatchSampler(
            lengths,
            self._rows_a_step(),
            seed=self._order_seed(),
            grouped=grouped,
            apart=apart,
        )
        if apart is not None:
            self._tell_meeting(self.sampler)
        return self.sampler

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """The course of the learning rate; of a run that is limited by time it ends with the time."""
        if self.budget.minutes is None or self.schedule not in TIMED:
            return super().create_scheduler(num_training_steps, *([] if optimizer is None else [optimizer]))
        warmup = self.args.warmup_steps

        def rate(step: int) -> float:
            progress = self.budget.progress(step)
            if warmup < 1:
                return factor(self.schedule, progress, warmup)
            return min(step / warmup, 1.0) * factor(self.schedule, progress, 0.0)

        self.lr_scheduler = LambdaLR(optimizer or self.optimizer, rate)  # type: ignore[arg-type]
        self._created_lr_scheduler = True
        return self.lr_scheduler

    def _order_seed(self) -> int:
        return self.args.seed if self.args.data_seed is None else self.args.data_seed

    def _tell_meeting(self, sampler: LengthBatchSampler) -> None:
        meeting = sampler.meeting(0)
        if meeting:
            rows = reporting.counted(meeting, "row shares", "rows share")
            reporting.current().warn(
                f"train: {rows} a text with another row of the batch, as there are too few others to part them (first "
                "epoch): to the loss, what belongs to one of the two is wrong for the other; a smaller --batch-size "
                "leaves fewer"
            )

    def get_train_dataloader(self) -> Any:
        """Batches for this process; of several each takes its part of the last rows of an epoch."""
        loader: Any = super().get_train_dataloader()
        shard = getattr(loader, "batch_sampler", None)
        if isinstance(shard, BatchSamplerShard) and not (shard.split_batches or shard.drop_last):
            shard.batch_sampler = shared = SharedBatches(
                shard.batch_sampler, shard.num_processes, even=not self.divisible_batches
            )
            shard.batch_size = None  # they are of different sizes, which it need not even out
            if repeated := shared.repeated():
                rows = reporting.counted(repeated, "row is", "rows are")
                reporting.current().note(
                    f"train: {rows} trained on twice in each epoch: each of the {shared.processes} processes needs "
                    f"{'as many' if shared.even else 'one'} in its last step"
                )
        return loader

    def _rows_a_step(self) -> int:
        return self._train_batch_size * self.args.gradient_accumulation_steps * self.args.world_size

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose rows come next."""
        if self.sampler is not None:
            self.sampler.set_epoch(epoch)

    def _init_training_state(self, max_steps: int, per_epoch: int, epochs: int, *arguments: Any) -> tuple[int, int]:
        started = super()._init_training_state(max_steps, per_epoch, epochs, *arguments)
        self._saved = self.state.global_step
        # Trainer has put the tokenizer's padding id into the config, from which some models count their positions
        inner: Any = self.model
        if hasattr(inner, "config") and (first := fitting.first_position(inner)):
            inner.config.pad_token_id = first - 1
        # killed between the early stop and the end of the run: what is left to do comes after the last epoch
        return (epochs, 0) if self.control.should_training_stop else started

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        if self.optimizer is None and self.layer_decay < 1.0:
            inner: Any = self.model
            kind, keywords = self.get_optimizer_cls_and_kwargs(self.args, inner)
            groups = parameters.optimizer_groups(
                inner,
                set(self.get_decay_parameter_names(inner)),
                learning_rate=self.args.learning_rate,
                weight_decay=self.args.weight_decay,
                layer_decay=self.layer_decay,
            )
            self.optimizer = kind(groups, **keywords)
        return super().create_optimizer(*([] if model is None else [model]))

    def position(self) -> dict[str, Any]:
        """What a checkpoint keeps besides Trainer's own state: JSON values."""
        out: dict[str, Any] = {"seconds": self.budget.seconds(), "random_order": RANDOM_ORDER}
        out |= {"rows_a_step": self._rows_a_step(), "processes": process.world_size()}
        if self.compiling is not None and self.compiling.found:
            out["compile"] = self.compiling.found
        if hasattr(self, "_tr_loss") and process.world_size() == 1:
            # Trainer would begin a new mean: the next line of the resumed run's log would be another one
            out["unlogged"] = {"loss": float(self._tr_loss), "from": self._globalstep_last_logged}
        return out

    def resume_from(self, position: dict[str, Any]) -> None:
        """Restore what `position` of the interrupted run gave; to be called before `train`."""
        self.budget.before = position.get("seconds", 0.0)
        self._other_order = position.get("random_order") != RANDOM_ORDER
        self._unlogged = position.get("unlogged")

    def try_compiling(self, device: Device, position: dict[str, Any]) -> None:
        """Find out in the first steps whether compiled ones are faster; to be called before `train`.

        Args:
            position: of the interrupted run, which may have found out.
        """
        if why_not(device, self) is None:
            self.compiling = Compiling(self, device, position.get("compile"))
            self.add_callback(self.compiling)

    def start_clock(self) -> None:
        """Start the clock and continue the log; to be called when `train` has set up its own state."""
        self.budget.begin()
        if self._unlogged is not None and hasattr(self, "_tr_loss"):
            self._tr_loss += self._unlogged["loss"]
            self._globalstep_last_logged = self._unlogged["from"]
        self._unlogged = None

    def evaluate(self, *arguments: Any, **keywords: Any) -> dict[str, float]:
        with contextlib.nullcontext() if self._division is None else self._division.gathered():
            return self.halving_batches(functools.partial(super().evaluate, *arguments, **keywords))

    def halving_batches(self, judge: Callable[[], R]) -> R:
        """The result of `judge`, which reads rows in batches of --eval-batch-size,
        halved while one does not fit.

        The run goes on where it is: the checkpoint of a step is saved after its evaluation.

        Raises:
            RunError: a single row does not fit; or several processes judge together, which one cannot begin again.
        """
        while True:
            drawn, size = torch.get_rng_state(), self.args.per_device_eval_batch_size
            try:
                return judge()
            except (RuntimeError, MemoryError) as error:
                if not memory.is_exhausted(error):
                    raise
                if size == 1 or process.world_size() > 1:
                    raise RunError(
                        f"out of memory in an evaluation with --eval-batch-size {size}: {first_line(error)}",
                        f"Lower {'--eval-batch-size or ' if size > 1 else ''}--max-length.",
                    ) from error
            self.args.per_device_eval_batch_size = size // 2
            self.__dict__.pop("_eval_dataloaders", None)  # those that Trainer keeps, with workers that persist
            reporting.current().warn(
                f"the {self.args.device.type} ran out of memory in an evaluation with --eval-batch-size {size}; going "
                f"on with --eval-batch-size {size // 2}"
            )
            torch.set_rng_state(drawn)  # opening a loader draws a number
            memory.release()

    def training_step(self, model: Any, inputs: Any, *arguments: Any, **keywords: Any) -> torch.Tensor:
        # compiled code does not look into masks
        trial = self.compiling
        compiled = self.args.torch_compile or (trial is not None and trial.active)
        waits = self.args.device.type == "cuda" and not compiled
        with attention_masks.taken_as_given() if waits else contextlib.nullcontext():
            if trial is None:
                return super().training_step(model, inputs, *arguments, **keywords)
            try:
                with trial.step(inputs):
                    return super().training_step(model, inputs, *arguments, **keywords)
            except RuntimeError as error:
                if not trial.gives_up(error):
                    raise
                return super().training_step(model, inputs, *arguments, **keywords)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        folder = Path(self.args.output_dir)  # type: ignore[arg-type]
        target = folder / f"checkpoint-{self.state.global_step}"
        with together.unbroken, writing(folder, RunFolder(folder.parent).way_on):
            try:
                if self.is_world_process_zero():
                    target.mkdir(parents=True, exist_ok=True)
                    write_json(target / POSITION, self.position())
                super()._save_checkpoint(model, trial)
                self._saved = self.state.global_step
            except BaseException:
                # half a checkpoint would take the room that the next one needs
                if self.is_world_process_zero():
                    shutil.rmtree(target, ignore_errors=True)
                raise

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        """Under the names that weights have in the model: some architectures are published under others (ESM, GTE, all
        mixtures of experts), among which a Trainer does not find them again.
        """
        inner: Any = self.model
        if not isinstance(inner, PreTrainedModel):
            super()._save(output_dir, state_dict)
            return
        inner.__dict__["save_pretrained"] = functools.partial(inner.save_pretrained, save_original_format=False)
        try:
            super()._save(output_dir, state_dict)
        finally:
            del inner.__dict__["save_pretrained"]

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        if not self.is_fsdp_enabled:
            super().save_model(output_dir, _internal_call)
            return
        whole = sharded.weights(cast(torch.nn.Module, self.model))
        self._save(output_dir, state_dict=whole)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if not self.keeps_state:
            return
        if not self.is_fsdp_enabled:
            super()._save_optimizer_and_scheduler(output_dir)
            return
        whole = sharded.optimizer_state(self.optimizer)
        if self.args.should_save:
            torch.save(whole, Path(output_dir) / "optimizer.pt")
            torch.save(self.lr_scheduler.state_dict(), Path(output_dir) / "scheduler.pt")  # type: ignore[union-attr]

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if not self.is_fsdp_enabled:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            return
        sharded.load_weights(cast(torch.nn.Module, model or self.model), Path(resume_from_checkpoint))

    def _load_best_model(self) -> None:
        if not self.keeps_state:
            self._load_from_checkpoint(str(self.state.best_model_checkpoint))
            return
        if not self.is_fsdp_enabled:
            super()._load_best_model()
            return
        sharded.load_weights(cast(torch.nn.Module, self.model), Path(str(self.state.best_model_checkpoint)))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if not self.is_fsdp_enabled or checkpoint is None:
            super()._load_optimizer_and_scheduler(checkpoint)
            return
        optimizer, scheduler = (
            torch.load(Path(checkpoint) / name, map_location="cpu", weights_only=True)
            for name in ("optimizer.pt", "scheduler.pt")
        )
        sharded.load_optimizer(self.optimizer, optimizer)
        self.lr_scheduler.load_state_dict(scheduler)  # type: ignore[union-attr]

    def _issue_warnings_after_load(self, load_result: Any) -> None:
        """Stop where weights of a checkpoint were not found: the others would go on with those that are there.

        Raises:
            RunError: naming one.
        """
        inner: Any = self.model
        missing, state = set(load_result.missing_keys), inner.state_dict()
        loaded = {tensor.data_ptr() for name, tensor in state.items() if name not in missing}
        ignored = set(getattr(inner, "_keys_to_ignore_on_save", None) or ())
        lost = [name for name in missing - ignored if name in state and state[name].data_ptr() not in loaded]
        if lost:
            raise RunError(
                f"the checkpoint lacks {len(lost):,} weights of the model ({min(lost)}, ...)",
                "It was written by another version, or damaged: train again with --overwrite.",
            )
        super()._issue_warnings_after_load(load_result)

    def _load_scaler(self, checkpoint: str | None) -> None:
        if self.accelerator.scaler is not None:  # a run in fp16 may go on where there is no GPU
            super()._load_scaler(checkpoint)

    def save_now(self) -> None:
        """Save a checkpoint outside the schedule, unless this step has one."""
        # not by whether there is a folder: another process may just have made it, or a kill have left it half written
        if self.state.global_step != self._saved:
            self._save_checkpoint(self.model, None)


class NlpkitTrainer(ResumableTrainer):
    """A Trainer run of one task.

    Args:
        task: the task, which gives loss, padding and scores.
        splits: `train`, `validation` and others; the best checkpoint is chosen on `validation`.
        grouped: whether a batch holds rows of similar length.
        features: what the run adds to its training; each has changed the model, and is asked in turn.
        arguments: of `ResumableTrainer`.

    Raises:
        UserError: batches are to be accumulated that the loss of the task does not add up over.
    """

    def __init__(
        self,
        *,
        task: Trainable,
        splits: dict[str, Split],
        grouped: bool = True,
        features: Sequence[TrainerFeature] = (),
        **arguments: Any,
    ) -> None:
        accumulated = arguments["args"].gradient_accumulation_steps
        if accumulated > 1 and not task.divisible_batches:
            raise UserError(
                f"--gradient-accumulation-steps {accumulated}: the loss of {task.name} compares the rows of a batch "
                "with one another, and those of another batch are none of them",
                "Leave it out, and raise --batch-size instead.",
            )
        if process.divides_models() or process.launched_for_deepspeed():
            _require_divisible(features)
        self.task = task
        self.features = features
        # DDP waits for each weight once, in the forward pass, and a loss shares some with it
        self._averages = bool(task.own_weights) and process.world_size() > 1
        self.splits = splits
        self.grouped = grouped
        self.want: Collection[Part] = {part for feature in features for part in feature.want}
        self._validated: dict[int, Outputs] = {}  # step -> outputs, of the best checkpoint and the newest
        self.watched = _watched(task, splits["validation"], arguments["args"].seed)
        self._judging = task.while_training()
        model, tokenizer, device = arguments["model"], arguments["processing_class"], arguments["args"].device
        super().__init__(
            train_dataset=splits["train"].for_training(),
            eval_dataset=self.watched.for_evaluation(),
            data_collator=self._collate(model, tokenizer, device),
            **arguments,
        )
        self.model_accepts_loss_kwargs = True  # a step's loss is divided here; Trainer need not do it
        for feature in features:
            feature.attach(self)

    @property
    def divisible_batches(self) -> bool:
        return self.task.divisible_batches

    @property
    def indivisible(self) -> str:
        return self.task.indivisible

    def _collate(self, model: Any, tokenizer: Any, device: torch.device) -> Collate:
        """What makes batches of features, before there is a Trainer.

        Args:
            model: not yet on the
            device: of the run.
        """
        if device.type != "cuda":
            return self.task.collate(tokenizer)
        rows = self.splits["train"].for_training()
        readers = [model, *(reader for feature in self.features for reader in feature.readers)]
        # random batches have the losses of a plain Trainer, digit for digit
        align = self.grouped and all(feature.aligned for feature in self.features)
        return padding.collator(self.task, tokenizer, readers, rows, align=align)

    def training_step(self, model: Any, inputs: Any, *arguments: Any, **keywords: Any) -> torch.Tensor:
        loss = super().training_step(model, inputs, *arguments, **keywords)
        if self._averages:
            together.average_gradients(self.model)
        return loss

    def set_epoch(self, epoch: int) -> None:
        super().set_epoch(epoch)
        for feature in self.features:
            feature.set_epoch(epoch)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        create = functools.partial(super().create_optimizer, model)
        for feature in self.features:
            create = functools.partial(feature.optimizer, create)
        return create()

    def get_batch_samples(self, epoch_iterator: Iterator[Any], num_batches: int, device: Any) -> tuple[list[Any], Any]:
        """The batches of an optimizer step, and the entries of its loss over all processes."""
        batches, entries = super().get_batch_samples(epoch_iterator, num_batches, device)
        if self.task.loss_reads_padding and process.world_size() > 1:
            widths = together.largest([batch["input_ids"].shape[1] for batch in batches])
            batches = [
                self.task.widened(batch, int(width), self.processing_class)
                for batch, width in zip(batches, widths, strict=True)
            ]
        for feature in self.features:
            entries = feature.on_step_batches(batches, entries, device)
        return batches, entries

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        candidate = all(feature.is_candidate() for feature in self.features)
        return candidate and super()._determine_best_metric(metrics, trial)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """A batch's part of the task's loss, a mean over the entries of the optimizer step.

        Args:
            inputs: the batch.
            return_outputs: whether the `Forward` is given too.
            num_items_in_batch: entries of the step, over all processes; None takes those of the batch.
        """
        added = {name for feature in self.features for name in feature.own_keys}
        batch = {name: tensor for name, tensor in inputs.items() if name not in added}
        with contextlib.ExitStack() as blocks:
            for feature in self.features:
                blocks.enter_context(feature.forward_pass())
            within = self.accelerator.unwrap_model(model) if self._averages else model
            loss, forward = self.task.training_step(within, batch, self.want)
        if num_items_in_batch is None:
            part = loss.mean()
        else:
            # gradients are averaged over processes, each of which divides by the entries of all
            part = loss.total / num_items_in_batch * self.accelerator.num_processes
        for feature in self.features:
            part = feature.on_loss(part, forward, inputs)
        return (part, forward) if return_outputs else part

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: torch.device) -> torch.Tensor | None:
        """Entries of the loss in an optimizer step, over all processes; None without batches."""
        counts = [entries for batch in batch_samples if (entries := self.task.loss_entries(batch)) is not None]
        if not counts:
            return None
        entries = torch.stack(counts).sum().to(device)
        return self.accelerator.gather(entries).sum() if self.args.world_size > 1 else entries

    def evaluation_loop(
        self,
        dataloader: Any,
        description: str,
        prediction_loss_only: bool | None = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> EvalLoopOutput:
        """Metrics of the validation rows that are watched, from what the task keeps of the logits."""
        split = self.watched
        kept, loss = self._run(dataloader, self._judging)
        outputs = split.merged(self.task, kept)
        best = self.state.best_global_step
        self._validated = {step: result for step, result in self._validated.items() if step == best}
        self._validated[self.state.global_step] = outputs
        metrics = self._validation_metrics(outputs)
        if loss is not None:
            metrics = {"loss": loss, **metrics}
        return EvalLoopOutput(
            predictions=np.empty(0),
            label_ids=None,
            metrics={f"{metric_key_prefix}_{name}": value for name, value in metrics.items()},
            num_samples=len(split.features),
        )

    def _validation_metrics(self, outputs: Outputs) -> dict[str, float]:
        return self._judging.score(outputs, self.watched.examples)

    def outputs(self, split: Split, *, anew: bool = False) -> Outputs:
        """The best model's merged outputs for a split, in example order; after `train`.

        Args:
            anew: compute those of validation even where they are known, as the model was changed since.
        """
        best, known = self.state.best_global_step, self.args.load_best_model_at_end and not anew
        as_judged = split is self.watched and self._judging is self.task
        if known and as_judged and best in self._validated:
            return self._validated[best]  # it was judged to be found the best
        rows = split.for_evaluation()
        kept, _ = self.halving_batches(lambda: self._run(self.get_test_dataloader(rows), self.task))
        return split.merged(self.task, kept)

    def _run(self, dataloader: Any, task: Trainable) -> tuple[Outputs, float | None]:
        """What a task keeps of all rows, and their mean loss where they have one, over all processes."""
        self.model.eval()  # type: ignore[union-attr]
        parts: list[Outputs] = []
        own: list[Outputs] = []  # that the other processes do not have yet
        total = torch.zeros(2, dtype=torch.float64)  # loss summed over its entries, and their number
        # one block for all batches: within it the weights are cast once
        with torch.no_grad(), self.autocast_smart_context_manager():
            for _, evaluated in arriving(
                (None, self._evaluated(task, *counted)) for counted in self._with_new(dataloader)
            ):
                if task.validation_loss:
                    loss, entries = float(evaluated.pop("loss")), int(evaluated.pop("entries"))
                    total += torch.tensor([loss * entries if entries else 0.0, entries], dtype=torch.float64)
                own.append(task.collect(evaluated))
                if len(own) == GATHERED:
                    parts, own = parts + self._of_all(own), []
        parts += self._of_all(own)
        total = self.accelerator.reduce(total.to(self.args.device, torch.float32)).cpu()
        # processes have as many batches each: the last of them begin again with the first rows
        outputs = model_outputs.joined(parts)[: len(dataloader.dataset)]
        return outputs, float(total[0] / total[1].clamp(min=1)) if task.validation_loss else None

    def _with_new(self, dataloader: Any) -> Iterator[tuple[Any, int]]:
        """Batches of an evaluation, and how many rows of each no process has had before it: the last ones of several
        processes are filled up with the first rows."""
        left = len(dataloader.dataset)  # from the batches on that all processes are at
        for batch in dataloader:
            rows = rows_of(batch)
            yield batch, min(max(left - self.accelerator.process_index * rows, 0), rows)
            left -= self.accelerator.num_processes * rows

    def _evaluated(self, task: Trainable, batch: Any, new: int) -> dict[str, torch.Tensor]:
        """What the task reduces a batch to, and where it has one its mean `loss` and over how many `entries`; nothing
        waits for it.

        Args:
            new: rows that the loss is of; of none it counts for nothing.
        """
        batch = self._prepare_inputs(batch)
        with attention_masks.taken_as_given() if self.args.device.type == "cuda" else contextlib.nullcontext():
            forward = task.run(self.model, batch)
        self.control = self.callback_handler.on_prediction_step(self.args, self.state, self.control)
        reduced = task.judge(self.model, batch, forward)
        if not task.validation_loss:
            return reduced
        loss = task.loss(forward.first(new or 1))
        entries = loss.entries if new else torch.zeros_like(loss.entries)
        return {**reduced, "loss": loss.mean(), "entries": entries}

    def _of_all(self, parts: list[Outputs]) -> list[Outputs]:
        """The parts of all processes, batch by batch; each has as many."""
        count = self.accelerator.num_processes
        if count == 1:
            return parts
        gathered = gather_object(parts)  # those of a process after those of the one before it
        return [gathered[rank * len(parts) + i] for i in range(len(parts)) for rank in range(count)]

    def _get_train_sampler(self, train_dataset: Any = None) -> LengthBatchSampler:
        train = self.splits["train"]
        if (labels := self.task.batch_labels(train.examples)) is not None:
            self.sampler = LabelBatchSampler(
                train.lengths, labels[train.owner], self._train_batch_size, seed=self._order_seed()
            )
            return self.sampler
        apart = self.task.rivals(train.examples)
        return self.length_sampler(
            train.lengths, grouped=self.grouped, apart=None if apart is None else apart[train.owner]
        )


def _require_divisible(features: Sequence[TrainerFeature]) -> None:
    """Raises UserError: a feature needs whole weights, and the model is to be divided over processes."""
    for feature in features:
        if feature.needs_whole_weights:
            raise UserError(
                f"`accelerate launch` is to divide the model, and this run has {feature.needs_whole_weights}",
                "Train with a whole model in each process: accelerate launch --multi_gpu, or torchrun.",
            )


def _watched(task: Trainable, validation: Split, seed: int) -> Split:
    """The rows of validation that are judged while it trains: all, or as many as the task says, drawn."""
    if task.watched_rows is None or len(validation.examples) <= task.watched_rows:
        return validation
    rows = np.random.default_rng(seed).choice(len(validation.examples), task.watched_rows, replace=False)
    return validation.subset(np.sort(rows))
