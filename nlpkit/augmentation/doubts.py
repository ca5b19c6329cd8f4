"""Rows whose label a trained model doubts: a changed copy may no longer be what its label says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit import reporting
from nlpkit.data.findings import Finding
from nlpkit.data.places import user_columns
from nlpkit.errors import UserError
from nlpkit.experiment.supervised import stop_on_errors
from nlpkit.inference.predictor import Predictor, TrainedModelOptions, open_predictor
from nlpkit.options import DeviceOptions
from nlpkit.tasks import registry, suspects
from nlpkit.tasks.roles import Judged

if TYPE_CHECKING:
    from nlpkit.data.sources import LoadedData

NAMED = 10  # rows as they were collected that are listed


@dataclass(frozen=True)
class Doubts:
    """What a model says of labels.

    Attributes:
        doubted: of each row, bool of shape (rows,); also of one that cannot be read.
        named: what the task says of those that are contradicted most surely.
    """

    doubted: np.ndarray
    named: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Checker:
    """A model that was trained for the task of the rows.

    Args:
        name: as the user gave it.
        predictor: of it.
        least: probability that it must give a label.
    """

    name: str
    predictor: Predictor[Judged]
    least: float

    def doubts(
        self,
        rows: Sequence[Mapping[str, Any]],
        split: str,
        origin: LoadedData,
        wheres: Sequence[str] | None = None,
    ) -> Doubts:
        """What it says of labelled rows.

        Args:
            rows: by column, as the user has them.
            split: that they belong to, for messages.
            origin: of the data.
            wheres: what each row is called; None: by its number.

        Raises:
            UserError: it is for other rows, or for other labels.
        """
        from datasets import Dataset

        if not rows:
            return Doubts(np.zeros(0, dtype=bool), [])
        read = Dataset.from_list([dict(row) for row in rows])
        task = self.predictor.task
        findings: list[Finding] = []
        with registry.pointing_elsewhere(type(task), read, registry.OTHER_MODEL), reporting.silent():
            reader = task.reader(user_columns(read.column_names)).settled(read, split, origin)
            examples = reader.examples(read, split, origin, findings)
        stop_on_errors(findings)
        if not len(examples):
            raise UserError(
                f"--checked-by {self.name} can read none of the rows", "Name a model that was trained on them."
            )
        with reporting.current().progress(f"check {split}", len(examples), "rows") as bar:
            outputs = self.predictor.reading(reader).outputs(examples[:], bar)
        task = reader.task.with_conventions(outputs)
        found = task.doubted(outputs, examples, self.least)
        if found is None:
            raise UserError(
                f"--checked-by {self.name}: {task.describe()}: its answers do not say how sure it is of a label",
                "Leave --checked-by out.",
            )
        places = {where: i for i, where in enumerate(origin.places(read, split))}
        doubted = np.ones(len(rows), dtype=bool)
        doubted[[places[where] for where in examples["where"][:]]] = found
        named = [
            {**row, "where": row["where"] if wheres is None else wheres[places[row["where"]]]}
            for row in suspects.contradicted(task, outputs, examples, NAMED)
        ]
        return Doubts(doubted, named)


def open_checker(name: str, least: float, options: DeviceOptions) -> Checker:
    """The model of --checked-by.

    Raises:
        UserError: its answers are not judged by labels.
    """
    device = {field: getattr(options, field) for field in DeviceOptions.model_fields}
    predictor: Predictor[Judged] = open_predictor(
        TrainedModelOptions(model=name, **device), Judged, "augment --checked-by"
    )
    return Checker(name, predictor, least)
