from __future__ import annotations

import numpy as np
import pytest
import torch

from nlpkit.tasks.question_answering import spans
from nlpkit.tasks.question_answering.spans import SPAN


def listed(found: np.ndarray) -> list[tuple[int, int]]:
    return [(int(span["start"]), int(span["end"])) for span in found if np.isfinite(span["score"])]


def best(logits: torch.Tensor, passage: torch.Tensor, cls: torch.Tensor, *, count: int, longest: int) -> np.ndarray:
    found = spans.best_spans(logits, passage, cls, count=count, longest=longest)
    return spans.as_array(found, count=count)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("count", "longest"), [(20, 7), (3, 1), (5, 1000), (500, 30)])
def test_the_best_spans_of_all_there_are(seed: int, count: int, longest: int) -> None:
    rng = np.random.default_rng(seed)
    rows, tokens = 8, 25
    logits = torch.tensor(rng.normal(size=(rows, tokens, 2)), dtype=torch.float32)
    first = rng.integers(1, 10, rows)
    end = first + rng.integers(0, 15, rows)
    cls = torch.tensor(rng.integers(0, tokens, rows))
    found = best(logits, torch.tensor(np.stack([first, end], 1)), cls, count=count, longest=longest)
    assert found.shape == (rows, 1 + count)
    for row in range(rows):
        assert tuple(found[row, 0])[:2] == (-1, -1)
        assert found[row, 0]["score"] == pytest.approx(float(logits[row, cls[row]].sum()))
        every = [
            (float(logits[row, i, 0] + logits[row, j, 1]), i - first[row], j - first[row])
            for i in range(first[row], end[row])
            for j in range(i, min(i + longest, end[row]))
        ]
        wanted = sorted(every, reverse=True)[:count]
        assert listed(found[row, 1:]) == [(i, j) for _, i, j in wanted]
        assert found["score"][row, 1 : 1 + len(wanted)].tolist() == pytest.approx([score for score, *_ in wanted])


def test_half_precision_and_padding_do_not_change_the_spans() -> None:
    torch.manual_seed(0)
    logits = torch.randn(4, 12, 2).bfloat16()
    passage, cls = torch.tensor([[3, 10]] * 4), torch.zeros(4, dtype=torch.long)
    alone = best(logits, passage, cls, count=5, longest=4)
    padded = torch.cat([logits, torch.full((4, 6, 2), 50.0).bfloat16()], dim=1)
    assert (best(padded, passage, cls, count=5, longest=4) == alone).all()


def window(null: float, *found: tuple[int, int, float], count: int = 3) -> np.ndarray:
    rest = [(-1, -1, -np.inf)] * (count - len(found))
    return np.array([(-1, -1, null), *found, *rest], dtype=SPAN)


OFFSETS = [np.array([0, 3, 4, 9, 10, 13]), np.array([4, 9, 10, 13, 14, 18])]


def test_windows_of_a_question_come_together() -> None:
    outputs = np.stack(
        [
            window(1.0, (1, 1, 5.0), (0, 1, 2.0)),
            window(0.5, (0, 0, 6.0), (2, 2, 3.0), (1, 2, 1.0)),
            window(-2.0, (0, 0, 1.0)),
        ]
    )
    one, two = spans.merged(outputs, np.array([0, 0, 1]), [*OFFSETS, np.array([7, 8])], count=3)
    # [4, 9) is seen by both windows and counts once, with its better score; no answer takes the lesser one
    assert one.tolist() == [(-1, -1, 0.5), (4, 9, 6.0), (14, 18, 3.0), (0, 9, 2.0)]
    assert two.tolist() == [(-1, -1, -2.0), (7, 8, 1.0)]


def test_spans_of_blanks_and_examples_without_a_span() -> None:
    outputs = np.stack([window(1.0, (0, 0, 9.0), (0, 1, 3.0)), window(0.0)])
    blank, none = spans.merged(outputs, np.array([0, 1]), [np.array([5, 4, 5, 8]), np.array([], np.int32)], count=3)
    assert blank.tolist() == [(-1, -1, 1.0), (5, 8, 3.0)]
    assert none.tolist() == [(-1, -1, 0.0)]
    assert spans.null_margin(blank) == -2.0
    assert spans.null_margin(none) == float("inf")
    shares, alone = spans.probabilities([blank, none])
    assert shares.tolist() == pytest.approx([1 / (1 + np.e**2), np.e**2 / (1 + np.e**2)])
    assert alone.tolist() == [1.0]


def test_nothing_to_merge() -> None:
    assert spans.merged(np.empty((0, 4), SPAN), np.empty(0, int), [], count=3) == []


@pytest.mark.parametrize("seed", range(3))
def test_merging_is_the_sorted_union(seed: int) -> None:
    rng = np.random.default_rng(seed)
    example = np.sort(np.concatenate([np.arange(20), rng.integers(0, 20, 30)]))
    offsets, rows = [], []
    for _ in example:
        cuts = np.sort(rng.choice(60, 12, replace=False)).reshape(-1, 2)
        offsets.append(cuts.reshape(-1))
        pairs = sorted(rng.integers(0, 6, 2).tolist() for _ in range(8))
        rows.append(window(float(rng.normal()), *[(i, j, float(rng.normal())) for i, j in map(sorted, pairs)], count=8))
    merged = spans.merged(np.stack(rows), example, offsets, count=6)
    for number, found in enumerate(merged):
        best: dict[tuple[int, int], float] = {}
        nulls = []
        for owner, places, row in zip(example, offsets, rows, strict=True):
            if owner != number:
                continue
            nulls.append(row[0]["score"])
            for i, j, score in row[1:].tolist():
                chars = (int(places[2 * i]), int(places[2 * j + 1]))
                best[chars] = max(best.get(chars, -np.inf), score)
        order = sorted(best, key=lambda chars: -best[chars])[:6]
        assert listed(found[1:]) == order
        assert found[0]["score"] == min(nulls)
