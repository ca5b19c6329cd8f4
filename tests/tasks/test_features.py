from __future__ import annotations

import numpy as np
import pytest
from datasets import Dataset

from nlpkit.tasks.features import Columns


@pytest.fixture
def features() -> Dataset:
    """Three windows of two examples."""
    made = {"example": [0, 0, 1], "offsets": [[0, 2, 3, 5], [3, 5], []], "input_ids": [[2, 7, 3], [2, 3], [2]]}
    return Dataset.from_dict(made)


def test_numbers_are_one_array_and_lists_are_arrays_of_their_own_lengths(features: Dataset) -> None:
    columns = Columns(features)
    example, offsets = columns["example"], columns["offsets"]
    assert isinstance(example, np.ndarray)
    assert example.tolist() == [0, 0, 1]
    assert [found.tolist() for found in offsets] == features["offsets"][:]
    assert all(isinstance(found, np.ndarray) and found.dtype == np.int64 for found in offsets)


@pytest.mark.parametrize("rows", [[2, 0], [1], [2], [1, 1, 0], []])
def test_any_selection_of_rows_in_its_order(rows: list[int], features: Dataset) -> None:
    chosen = Columns(features.select(rows))
    assert list(chosen["example"]) == [features["example"][i] for i in rows]
    for name in ("offsets", "input_ids"):
        assert [found.tolist() for found in chosen[name]] == [features[name][i] for i in rows]


def test_rows_of_several_chunks(features: Dataset) -> None:
    from datasets import concatenate_datasets

    both = Columns(concatenate_datasets([features, features.select([1, 2])]))
    assert list(both["example"]) == [0, 0, 1, 0, 1]
    assert [found.tolist() for found in both["offsets"]] == [[0, 2, 3, 5], [3, 5], [], [3, 5], []]


def test_a_column_may_be_replaced(features: Dataset) -> None:
    owner = np.array([4, 4, 5])
    columns = Columns(features, example=owner)
    assert columns["example"] is owner
    assert dict(columns).keys() == {"example", "offsets", "input_ids"}
    assert len(columns) == 3


def test_a_column_that_does_not_exist(features: Dataset) -> None:
    columns = Columns(features)
    assert "labels" not in columns
    with pytest.raises(KeyError):
        columns["labels"]
