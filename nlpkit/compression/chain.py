"""The steps that bring a model to a shape: fewer layers learn, parts of them go, the rest is exported."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nlpkit import reporting
from nlpkit.compression.shapes import Shape, Table, spoken
from nlpkit.runs.folder import METRICS, RECORD
from nlpkit.trials import running
from nlpkit.trials.running import Trial

INT8 = "onnx-int8"
ALPHA = 0.9  # share of the teacher's logits in the loss, as in docs/tutorials/big-to-small.md
# of the states layer by layer, as in TinyBERT (Jiao et al. 2020): the student has the teacher's layers and tokens
HIDDEN = 1.0
RECOVERY = 0.5  # epochs of the recovery after pruning, as a share of those of the student
# what int8 costs is part of the price, whatever the search makes of it: no layer is left in float32 for it
ANY_DROP = 100.0
KEPT = ("*.yaml", "*.log", RECORD, METRICS, "README.md")  # of a step whose weights are not needed any more


@dataclass(frozen=True)
class Effort:
    """How much training a chain gets.

    Attributes:
        name: part of the folders' names.
        epochs: of the student; the recovery after pruning gets half of them.
        rows: of train that are learnt from; None: all.
        minutes: that both trainings may take together; None: as long as they need.
    """

    name: str
    epochs: float
    rows: int | None = None
    minutes: float | None = None


@dataclass(frozen=True)
class Made:
    """A chain that has come to its end, or a step that it ended with.

    Attributes:
        name: of the model, for tables.
        folder: of its last step.
        record: of that.
        steps: folders of all of its steps, the model that was begun with not among them.
        seconds: that they took in this process.
    """

    name: str
    folder: Path
    record: Mapping[str, Any]
    steps: Sequence[Path]
    seconds: float


class GivenUp(Exception):
    """A chain was given up between two of its steps.

    Attributes:
        made: how far it came.
    """

    def __init__(self, made: Made) -> None:
        super().__init__(made.name)
        self.made = made


@dataclass
class Chain:
    """What the steps of all chains share.

    Attributes:
        model: that is begun with.
        layers: of it.
        parts: of a layer that may go: `ffn`, `heads`.
        folder: below which each step has a folder of its own.
        to: format of the last step, as `quantize --to` has it; None: none, the chain ends with weights for torch.
        learning_rate: peak, of all trainings.
        learns_labels: whether labels are part of what students learn.
        shared: options that every step is given: the data, the device, the seed.
        unlabelled: files of rows without labels that students learn from besides.
    """

    model: str
    layers: int
    parts: Sequence[str]
    folder: Path
    to: str | None
    learning_rate: float
    learns_labels: bool
    shared: Mapping[str, Any] = field(default_factory=dict)
    unlabelled: Sequence[str] = ()

    def tabled(self, table: Table) -> Made:
        """The model with the pieces of a table, and nothing else changed.

        Args:
            table: with a growth.
        """
        options = {**self._common(self.model, "model"), "what": ["vocabulary"], "max_growth": table.growth}
        title = f"{self._pieces(table)}: the vocabulary without pieces that are not needed"
        return self._made(
            self._pieces(table), [self._run(Trial("prune", options, self.folder / self._pieces(table)), title)]
        )

    def _pieces(self, table: Table) -> str:
        return Table(table.growth).named()

    def untrained(self, table: Table) -> Made:
        """The model with a table of embeddings, in the format that is wished for."""
        name = table.named() or "whole"
        if table.growth is None:
            return self.exported(name, self.model, table)
        made = self.tabled(table)
        if self.to is None:
            return made
        return self.exported(name, made.folder, table, made.seconds, made.steps)

    def exported(
        self, name: str, model: Path | str, table: Table, seconds: float = 0.0, steps: Sequence[Path] = ()
    ) -> Made:
        """A model in the format that is wished for.

        Args:
            table: says with how many bits its embeddings are kept.
            seconds, steps: of what it was made by.
        """
        assert self.to is not None
        options = {**self._common(str(model), "model"), "to": self.to}
        if self.to == INT8:
            options |= {"max_drop": ANY_DROP, "embedding_bits": str(table.bits)}
        trial = Trial("quantize", options, self.folder / f"{name}-{self.to}", resumes=False)
        done = self._run(trial, f"{name}: {self.to}")
        made = self._made(name, [done])
        return Made(name, made.folder, made.record, [*steps, *made.steps], seconds + made.seconds)

    def run(self, shape: Shape, effort: Effort, goes_on: Callable[[Mapping[str, float]], bool] | None = None) -> Made:
        """Bring the model to a shape.

        Args:
            goes_on: is asked after each step but the last whether it is worth going on, given the metrics of the step.

        Raises:
            GivenUp: it was not worth it.
            RunError: a step failed.
        """
        name = f"{self.named(shape)}-{effort.name}"
        done: list[_Step] = []
        for trial, title in self._steps(shape, effort, name):
            done.append(self._run(trial, title))
            if goes_on is not None and not goes_on(done[-1].record["metrics"]["validation"]):
                raise GivenUp(self._made(name, done))
        made = self._made(name, done)
        if self.to is None:
            return made
        return self.exported(name, made.folder, shape.table, made.seconds, made.steps)

    def named(self, shape: Shape) -> str:
        """A name of a shape, for folders and tables."""
        words = [f"{shape.layers}-layers", *([f"{100 * shape.share:.0f}-percent"] if shape.share < 1 else [])]
        return "-".join([*words, *([shape.table.named()] if shape.table.named() else [])])

    def _steps(self, shape: Shape, effort: Effort, name: str) -> Iterator[tuple[Trial, str]]:
        """The steps of a chain that train, and what is said while each runs."""
        model = self.model if shape.table.growth is None else str(self.folder / self._pieces(shape.table))
        trains = [shape.layers < self.layers, shape.share < 1]
        epochs = [effort.epochs, effort.epochs * (RECOVERY if trains[0] else 1.0)]
        whole = sum(share for share, wanted in zip(epochs, trains, strict=True) if wanted)
        for kind, share in enumerate(epochs):
            if not trains[kind]:
                continue
            training = self._training(share, effort.minutes and effort.minutes * share / whole, effort.rows)
            if kind == 0:
                folder = self.folder / f"{name}-distilled"
                options = {**self._common(model, "teacher"), **training, "student_layers": str(shape.layers)}
                options |= {"hidden_weight": HIDDEN}
                options |= {"unlabelled": list(self.unlabelled)} if self.unlabelled else {}
                trial, title = (
                    Trial("distill", options, folder),
                    f"{name}: {'1 layer learns' if shape.layers == 1 else f'{shape.layers} layers learn'}",
                )
            else:
                folder = self.folder / f"{name}-pruned"
                options = {**self._common(model, "model"), **training, "what": list(self.parts)}
                options |= {"sparsity": 1 - shape.share, "distill": True}
                title = f"{name}: {shape.share:.0%} of its {spoken(self.parts)} stay"
                trial = Trial("prune", options, folder)
            yield trial, title
            model = str(folder)

    def _training(self, epochs: float, minutes: float | None, rows: int | None) -> dict[str, Any]:
        options: dict[str, Any] = {"epochs": round(epochs, 3), "learning_rate": self.learning_rate}
        options |= {"alpha": ALPHA} if self.learns_labels else {}
        options |= {"max_minutes": round(minutes, 3)} if minutes is not None else {}
        return options | ({"max_train_samples": rows} if rows is not None else {})

    def _common(self, model: str, named: str) -> dict[str, Any]:
        # the speed of what comes out is measured beside all others, and not by each step
        return {**self.shared, named: model, "measure_seconds": 0.0}

    def _run(self, trial: Trial, title: str) -> _Step:
        before = running.finished_before(trial) is not None
        reporting.current().note(f"{title}{' (done before)' if before else ''}")
        outcome = running.run(trial)
        return _Step(trial.folder, outcome.finished(title), outcome.seconds)

    def _made(self, name: str, done: Sequence[_Step]) -> Made:
        last = done[-1]
        return Made(name, last.folder, last.record, [step.folder for step in done], sum(step.seconds for step in done))


@dataclass(frozen=True)
class _Step:
    folder: Path
    record: Mapping[str, Any]
    seconds: float


def drop_weights(steps: Sequence[Path], kept: Sequence[Path]) -> int:
    """Delete all but the records of steps that lost.

    Args:
        steps: their folders.
        kept: folders that stay whole.

    Returns:
        Bytes that are free again.
    """
    freed = 0
    for folder in dict.fromkeys(steps):
        if folder in kept or not folder.is_dir():
            continue
        for item in folder.iterdir():
            if not any(item.match(pattern) for pattern in KEPT):
                freed += _size(item)
                shutil.rmtree(item) if item.is_dir() else item.unlink()
    return freed


def _size(item: Path) -> int:
    files = [item] if item.is_file() else [file for file in item.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)
