"""Labels that a trained model doubts."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import rows, write_csv
from datasets import Dataset

from nlpkit.augmentation import doubts
from nlpkit.data.sources import LoadedData
from nlpkit.errors import UserError
from nlpkit.inference.predictor import TrainedModelOptions, open_predictor
from nlpkit.options import DeviceOptions
from nlpkit.recipes import augment
from nlpkit.tasks.question_answering.spans import SPAN
from nlpkit.tasks.question_answering.task import QuestionAnswering
from nlpkit.tasks.roles import Judged

DEVICE = DeviceOptions(device="cpu", threads=1)
OTHER = {"positive": "negative", "negative": "positive"}


def test_copies_with_a_doubted_label_are_dropped_and_counted_and_rows_with_one_are_listed(
    tmp_path: Path, trained: Path
) -> None:
    data = rows(30)
    wrong = [{"text": row["text"], "label": OTHER[row["label"]]} for row in data[:4]]
    write_csv(tmp_path / "train.csv", [*wrong, *data[4:]])
    report = augment.run(
        augment.Config(
            train_file=[str(tmp_path / "train.csv")],
            by=["swap"],
            copies=1,
            output=tmp_path / "out.csv",
            checked_by=str(trained),
            device="cpu",
            threads=1,
        )
    )
    counts = report.record["operations"]["swap"]
    assert counts["doubted"] == 4 and counts["copies"] == 26
    with (tmp_path / "out.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert len(written) == 56  # the rows themselves stay
    (named,) = [line for line in report.lines if line.startswith("labels to look at")]
    assert "doubts that of 4 rows as they were collected" in named
    assert any(f"{tmp_path / 'train.csv'} line 2" in line for line in report.lines)


def test_a_sentence_is_doubted_where_the_tags_of_its_words_are_others(run_of: Any) -> None:
    predictor = open_predictor(TrainedModelOptions(model=str(run_of("token-classification")), **dict(DEVICE)), Judged)
    task = predictor.task
    logits = [np.eye(len(task.labels))[[0, 1]] * 9, np.eye(len(task.labels))[[0, 1]] * 9]  # type: ignore[attr-defined]
    names = list(task.labels)  # type: ignore[attr-defined]
    examples = Dataset.from_list([{"tags": [names[0], names[1]]}, {"tags": [names[0], names[0]]}])
    found = task.doubted(logits, examples, 0.5)
    assert found is not None and found.tolist() == [False, True]


def test_an_answer_is_doubted_where_less_than_that_share_of_its_words_is_found() -> None:
    context = "Ada Lovelace wrote the first program in London"
    spans = [np.array([(-1, -1, 0.0), (start, end, 5.0)], SPAN) for start, end in ((0, 12), (0, 3), (40, 46))]
    examples = Dataset.from_dict({"context": [context] * 3, "answers": [["Ada Lovelace"]] * 3})
    # F1 of the words: 1, 2 / 3, 0
    assert QuestionAnswering().doubted(spans, examples, 0.5).tolist() == [False, False, True]
    assert QuestionAnswering().doubted(spans, examples, 0.7).tolist() == [False, True, True]


def test_a_model_that_says_nothing_of_labels_is_refused(run_of: Any) -> None:
    checker = doubts.open_checker(str(run_of("regression")), 0.5, DEVICE)
    with pytest.raises(UserError, match="do not say how sure it is of a label"):
        checker.doubts([{"text": "good film", "label": 0.5}], "train", LoadedData({}, None, []))  # type: ignore[arg-type]
