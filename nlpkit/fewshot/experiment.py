"""A run that learns from few labels: ways to learn are compared on the train rows, the best one makes the model."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from nlpkit import process, reporting
from nlpkit.data import splits
from nlpkit.errors import UserError
from nlpkit.experiment import finetune, lifecycle, supervised, ways
from nlpkit.experiment.finetune import Finetuning
from nlpkit.fewshot import label_texts
from nlpkit.fewshot.options import FewShotOptions
from nlpkit.options.names import flag_of
from nlpkit.reporting import Report, duration

if TYPE_CHECKING:
    from nlpkit.experiment.supervised import Evaluated
    from nlpkit.fewshot.candidates import Bench, Candidate
    from nlpkit.fewshot.choosing import Fold, Judged
    from nlpkit.fewshot.next_rows import Unlabelled
    from nlpkit.tasks.roles import Trainable


class FewLabelsConfig(FewShotOptions, finetune.FinetuneOptions):
    """What a command has that learns from few labels."""


# Options of a training that no way to learn from few labels reads.
UNREAD = (
    "epochs", "max_steps", "early_stopping", "batch_size", "gradient_accumulation_steps", "batching", "learning_rate",
    "schedule", "warmup", "weight_decay", "max_grad_norm", "layer_decay", "gradient_checkpointing", "compile",
    "eval_steps", "logging_steps", "checkpoint_minutes", "keep_checkpoints", "best_metric", "cv", "seeds", "trainer",
    "class_weights", "label_smoothing", "oversample", "report_to", "lr_finder", "pooling",
)  # fmt: skip
HEADS = {"logistic": "Frozen", "knn": "Nearest", "mlp": "TwoLayers"}


@dataclass(kw_only=True)
class FewLabels(Finetuning):
    """A run of --few-shot or --heads before it has learnt anything.

    Attributes:
        meant: what labels mean, each text with the number of its label.
    """

    by_trainer: ClassVar[bool] = False
    judges_train: ClassVar[str] = "ways to learn are judged on them"

    meant: list[tuple[int, str]] = field(init=False, default_factory=list)
    _unlabelled: Unlabelled | None = field(init=False, default=None)
    _told: dict[str, Any] = field(init=False, default_factory=dict)
    _seconds: float = field(init=False, default=0.0)

    @classmethod
    def opened(
        cls, model: Any, config: finetune.FinetuneOptions, parts: finetune.Parts
    ) -> tuple[finetune.FinetuneOptions, list[tuple[str, str]]]:
        from nlpkit.fewshot import tuning

        tuning.prepare(model)
        return config, []  # see `besides`

    @property
    def own(self) -> FewShotOptions:
        """The options of few labels."""
        return FewShotOptions.of(self.config)

    @property
    def names(self) -> list[str]:
        """The labels, in the order of the model's outputs."""
        return [str(name) for _, name in sorted(self.model.config.id2label.items())]

    def ready(self, *notes: tuple[str, str], **given: Any) -> Self:
        from nlpkit.fewshot import choosing, curve

        flag = "--few-shot" if self.own.few_shot else "--heads"
        splits.refuse_copies(self.loaded, flag)
        strata = self.task.strata(self.examples["train"])
        if strata is None:
            raise UserError(
                f"{flag} is for rows with one label each, and these are for {self.task.describe()}",
                "Leave it out.",
            )
        choosing.require_two(strata, self.names)
        if self.own.few_shot:
            self.meant = self._descriptions()
        if self.own.label_next:
            from nlpkit.fewshot import next_rows

            self._unlabelled = next_rows.read(self.own.label_next, self.task, self.config)
        curve.require_rows(self.own.few_shot_curve, strata, self.names)
        return super().ready(*notes, **given)

    def besides(self, seconds: float) -> list[tuple[str, str]]:
        from nlpkit.models import mean_layer

        reads = "the first token, as the stock class does"
        if mean_layer.is_mean_layer(self.model):
            reads = "the mean of the tokens, by one more layer"
        candidates = self._candidates()
        lines = [("head", reads), ("ways", "; ".join(candidate.name for candidate in candidates))]
        if any(candidate.trains_encoder for candidate in candidates):
            lines.append(("encoder", self._trainings()))
        if self.own.few_shot:
            texts = ", ".join(f"'{text}'" for _, text in self.meant[:6]) + (", ..." if len(self.meant) > 6 else "")
            lines.append(("label texts", texts or "none: the labels are no words, or --label-texts none was given"))
        return lines

    def _trainings(self) -> str:
        """How often the encoder is trained, and about how long that takes, for the plan."""
        from nlpkit.fewshot import candidates, choosing, curve, tuning

        strata = np.asarray(self.task.strata(self.examples["train"]))
        folds = max(min(choosing.FOLDS, int(np.bincount(strata)[np.unique(strata)].min())), 2)
        drawn = curve.trainings(self.own.few_shot_curve, strata)
        draws = drawn * curve.longer(len(self.examples["validation"]))
        # the folds of the usual way, the first of the other one, and what is kept
        least, takes = folds + 2 + drawn, (folds + 2 + draws) * self._training_seconds
        more, longer = folds - 1 + drawn, (folds - 1 + draws) * self._training_seconds
        return (
            f"trained {least:,} times, {candidates.STEPS} steps of {tuning.ROWS} rows each, {self._step_seconds:.2f} s "
            f"a step: about {duration(takes)}; {more:,} times more, {duration(longer)}, where the fine-tuned one "
            "begins better than the contrastive one"
        )

    @property
    def _training_seconds(self) -> float:
        """That training the encoder once takes, as one step did."""
        from nlpkit.fewshot import candidates

        return candidates.STEPS * self._step_seconds

    @functools.cached_property
    def _step_seconds(self) -> float:
        """That a step of training the encoder takes: one is tried, and nothing learnt."""
        from nlpkit.fewshot import states, tuning

        train, model = self.splits["train"], self.trainer.model
        labels = np.asarray(self.task.strata(train.examples))[train.owner]
        rows = next(tuning.draws(labels, np.random.default_rng(self.config.seed)))
        inputs = states.read_of(train.features.select(rows)).to_list()
        few = tuning.Few(inputs, labels[rows], self.task.collate(self.tokenizer))
        tuning.freeze(model)
        return tuning.step_seconds(tuning.contrastive(self.task, model, few, self.config.seed))

    def before_training(self) -> None:
        """Compare, choose, and leave in the model what the best way learns from all train rows."""
        from nlpkit.fewshot import choosing, curve, next_rows

        train, own = self.splits["train"], self.own
        bench = self._bench()
        started = time.monotonic()
        strata = np.asarray(self.task.strata(train.examples))
        folds = choosing.folds_of(bench, train.owner, strata, self.names, self.config.seed)
        compared = self._compared(bench, folds, started)
        best, why = choosing.best(compared)
        self._told = choosing.record(compared, best, why, bench, train.examples, self.names, len(folds))
        if own.few_shot_curve:
            validation = self.splits["validation"]
            able, late = self._on_curve(compared, started)
            self._told["curve"] = curve.record(bench, able, train, validation, own.few_shot_curve) | {"left_out": late}
        best.candidate.fit(bench, np.arange(len(train.features)))
        best.candidate.put(bench)
        self._seconds = time.monotonic() - started
        if self._unlabelled is not None:
            self._told["next"] = next_rows.record(bench, self._unlabelled, own.label_next_rows, self.names)

    def _compared(self, bench: Bench, folds: Sequence[Fold], started: float) -> list[Judged]:
        """Each way, judged on the folds, but for those that --max-minutes leaves no time for, and those that begin
        worse than the usual one and take long."""
        from nlpkit.fewshot import choosing

        candidates, train = self._candidates(), self.splits["train"]
        usual = max(candidates, key=lambda candidate: candidate.usual)
        compared: list[Judged] = []
        with reporting.current().progress("compare", len(candidates) * len(folds), "folds") as bar:
            for candidate in candidates:
                spent = time.monotonic() - started
                if why := self._no_time(candidate, compared, len(folds) + 1, spent):
                    compared.append(choosing.left_out(candidate, why))
                    bar.advance(len(folds))
                    continue
                able = [each for each in compared if each.candidate is usual and each.outputs is not None]
                rival = able[0] if able and candidate.trains_encoder else None
                compared.append(choosing.judged(bench, candidate, folds, train.owner, train.examples, bar, rival))
        return compared

    def _on_curve(self, compared: Sequence[Judged], started: float) -> tuple[list[Candidate], dict[str, str]]:
        """The ways that were judged; and by name those of them that --max-minutes leaves no time for, and why."""
        from nlpkit.fewshot import curve

        able, late, ahead = [], {}, 1.0  # the way that is kept learns once more from all rows
        strata = np.asarray(self.task.strata(self.splits["train"].examples))
        each = curve.trainings(self.own.few_shot_curve, strata) * curve.longer(len(self.splits["validation"].examples))
        for way in compared:
            if way.outputs is None:
                continue
            ahead += each * way.candidate.trains_encoder
            if why := self._no_time(way.candidate, compared, ahead, time.monotonic() - started):
                late[way.candidate.name] = why
            else:
                able.append(way.candidate)
        return able, late

    def _no_time(self, candidate: Candidate, compared: Sequence[Judged], trainings: float, spent: float) -> str:
        """Why a way is left out: as --max-minutes is used up, or would be by so many trainings of the encoder."""
        limit = self.config.max_minutes
        if limit is None or not candidate.trains_encoder:
            return ""
        measured = [each.seconds / each.trained for each in compared if each.candidate.trains_encoder and each.trained]
        takes = trainings * max(measured, default=self._training_seconds)
        if spent + takes <= 60 * limit:
            return ""
        return f"it takes about {takes:.0f} s, and of --max-minutes {limit:g} are left {60 * limit - spent:.0f} s"

    def _candidates(self) -> list[Candidate]:
        """The ways to learn that are compared, those that cost least first."""
        from nlpkit.fewshot import candidates
        from nlpkit.models import mean_layer

        if self.own.heads:
            if "mlp" in self.own.heads and mean_layer.square_layer(self.model) is None:
                raise UserError(
                    f"--heads mlp: the head of {type(self.model).__name__} has no hidden layer that could be learnt",
                    "Leave mlp out.",
                )
            return [getattr(candidates, HEADS[name])() for name in dict.fromkeys(self.own.heads)]
        counts = candidates.COUNTS if self.meant else ()
        frozen = [candidates.Frozen(count) for count in (0, *counts)]
        return [*frozen, candidates.Contrastive(min(counts, default=0)), candidates.FineTuned()]

    def _descriptions(self) -> list[tuple[int, str]]:
        """What the labels mean, where the task reads single texts.

        Raises:
            UserError: --label-texts is wrong, or for a task that reads more than a text.
        """
        given = self.own.label_texts
        if len(self.task.reader(options=self.config).input_columns) == 1:
            return label_texts.of_labels(self.names, given)
        if given not in (None, label_texts.NONE):
            raise UserError(
                "--label-texts: the rows are pairs of texts, and a label means no pair", "Say none, or leave it out."
            )
        return []

    def _bench(self) -> Bench:
        """What all ways work with: rows of train, then of validation."""
        from datasets import Dataset

        from nlpkit.fewshot.candidates import Bench

        parts = [self.splits[name] for name in ("train", "validation")]
        labels = [np.asarray(self.task.strata(part.examples))[part.owner] for part in parts]
        reader, described = self.task.reader(options=self.config), None
        if self.meant:
            (column,) = reader.input_columns
            inputs = [reader.inputs({column: text}) for _, text in self.meant]
            columns = {name: [row[name] for row in inputs] for name in inputs[0]}
            described = Dataset.from_dict(self.task.features(self.tokenizer, columns))
        return Bench(
            task=self.task,
            model=self.trainer.model,
            tokenizer=self.tokenizer,
            parts=[part.features for part in parts],
            labels=np.concatenate(labels),
            described=described,
            meant=np.array([number for number, _ in self.meant], dtype=np.int64),
            size=len(self.names),
            seed=self.config.seed,
            batch_size=self.config.eval_batch_size,
        )

    def record(self, evaluated: Evaluated) -> dict[str, Any]:
        return {**super().record(evaluated), "train_seconds": round(self._seconds, 4), "few_shot": self._told}


def run(config: FewLabelsConfig, command: str, task_class: type[Trainable]) -> Report:
    """Compare, learn from few labels and write the run folder; returns the result table and that of the ways."""
    config.refuse_unread()
    require_read(config)

    def prepared(config: FewLabelsConfig) -> FewLabels:
        made = finetune.prepare(config, command, task_class, FewLabels)
        assert isinstance(made, FewLabels), "as it was asked for"
        return made

    def reported(record: dict[str, Any], folder: Path) -> Report:
        report = supervised.report(record, folder, task_class)
        report.tables += ways.tables(record)
        report.lines = ways.said(record) + report.lines
        return report

    return lifecycle.run(config, command, prepared, reported)


def require_read(config: FewLabelsConfig) -> None:
    """Refuse options of a training that these ways do not read.

    Raises:
        UserError: naming them.
    """
    process.require_one("--few-shot" if config.few_shot else "--heads")
    fields = type(config).model_fields
    unread = [
        name
        for name in UNREAD
        if name in fields and getattr(config, name) != fields[name].get_default(call_default_factory=True)
    ]
    if config.few_shot and config.freeze != "none":
        unread.append("freeze")
    if unread:
        flag = "--few-shot" if config.few_shot else "--heads"
        raise UserError(
            f"{', '.join(map(flag_of, unread))}: {flag} compares ways to learn that have settings of their own, and "
            "reads none of this",
            "Leave it out.",
        )
