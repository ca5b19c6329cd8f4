from __future__ import annotations

from collections import Counter

import datasets
import pytest

from nlpkit import reporting
from nlpkit.data import draws, places
from nlpkit.errors import UserError


def labelled(**counts: int) -> datasets.Dataset:
    """Rows sorted by label, with the hidden columns."""
    labels = [label for label, count in counts.items() for _ in range(count)]
    return datasets.Dataset.from_dict(
        {"label": labels, places.FILE: [0] * len(labels), places.LINE: list(range(len(labels)))}
    )


def test_hold_out_keeps_the_proportions() -> None:
    rows = labelled(a=700, b=200, c=99, d=1)
    rest, held = draws.hold_out(rows, 0.1, stratify_by="label", seed=1)
    assert Counter(held["label"]) == {"a": 70, "b": 20, "c": 10}
    lines = [*rest[places.LINE], *held[places.LINE]]
    assert sorted(lines) == list(range(1000))
    assert held[places.LINE][:] == sorted(held[places.LINE])


def test_hold_out_is_set_by_its_seed() -> None:
    rows = labelled(a=30, b=20)
    drawn = [draws.hold_out(rows, 10, stratify_by="label", seed=seed)[1][places.LINE][:] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0] == [3, 6, 15, 23, 25, 27, 30, 33, 37, 49]  # pinned: a change of platform or numpy must not move it


def test_hold_out_takes_a_count_and_works_without_labels() -> None:
    rows = labelled(a=10, b=5)
    assert [len(part) for part in draws.hold_out(rows, 4, stratify_by=None, seed=0)] == [11, 4]
    singles = labelled(**{f"l{i}": 1 for i in range(9)})
    with reporting.listening() as heard:
        assert [len(part) for part in draws.hold_out(singles, 3, stratify_by="label", seed=0)] == [6, 3]
    assert "random" in heard.notes[0]


@pytest.mark.parametrize("share", [0, 0.0, 1.0, 1.5, -1, 10, 11])
def test_hold_out_refuses_what_leaves_nothing(share: float) -> None:
    with pytest.raises(UserError, match="of 10 rows"):
        draws.hold_out(labelled(a=10), share, stratify_by=None, seed=0)


def test_hold_out_of_an_unknown_column_names_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"'lable'[\s\S]*Columns: label\."):
        draws.hold_out(labelled(a=10), 0.5, stratify_by="lable", seed=0)


def test_sample_balanced_fills_up_evenly() -> None:
    rows = labelled(a=1000, b=500, c=7, d=1)
    sample = draws.sample_balanced(rows, 108, balance_by="label", seed=3)
    assert Counter(sample["label"]) == {"a": 50, "b": 50, "c": 7, "d": 1}
    assert sample[places.LINE][:] == draws.sample_balanced(rows, 108, balance_by="label", seed=3)[places.LINE][:]
    assert sample[places.LINE][:] != sorted(sample[places.LINE])
    assert len(set(sample[places.LINE])) == 108


def test_sample_balanced_with_fewer_rows_than_labels_and_with_all() -> None:
    rows = labelled(a=5, b=5, c=5)
    assert len(set(draws.sample_balanced(rows, 2, balance_by="label", seed=0)["label"])) == 2
    assert draws.sample_balanced(rows, 15, balance_by="label", seed=0) is rows
    assert len(draws.sample_balanced(rows, 4, balance_by=None, seed=0)) == 4


def test_rows_that_belong_together_are_drawn_together() -> None:
    rows = datasets.Dataset.from_dict({"premise": [f"{i // 3}" for i in range(30)], "row": list(range(30))})
    drawn = draws.sample_whole(rows, 10, whole="premise", seed=0)
    assert Counter(Counter(drawn["premise"][:]).values()) == {3: 3}
    assert drawn["row"][:] == sorted(drawn["row"][:])
    assert drawn["row"][:] == draws.sample_whole(rows, 11, whole="premise", seed=0)["row"][:]
    assert len(draws.sample_whole(rows, 1, whole="premise", seed=0)) == 3


def test_rows_are_gathered_as_they_were_selected() -> None:
    rows = datasets.Dataset.from_dict(
        {"text": [f"text {i}" for i in range(50)], "label": [f"{i % 7}" for i in range(50)]}
    )
    chosen = rows.select([40, 3, 3, 17])
    found = draws.gathered(chosen)
    assert found[:] == chosen[:] and found.features == chosen.features and found._indices is None
    assert draws.gathered(rows) is rows


def test_classes_of_selected_rows_are_numbered_by_their_first() -> None:
    rows = datasets.Dataset.from_dict({"label": ["a", "b", None, "c", "b"]})
    assert draws.class_numbers(rows, "label").tolist() == [0, 1, 2, 3, 1]
    assert draws.class_numbers(rows.select([4, 3, 1, 2, 3]), "label").tolist() == [0, 1, 0, 2, 1]
    assert draws.class_numbers(rows.select([]), "label").tolist() == []
