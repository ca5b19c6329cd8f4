"""Ways to find groups: what each promises of its groups, on points whose groups are known."""

from __future__ import annotations

import numpy as np
import pytest

from nlpkit.clustering import methods, neighbours, quality, reduction
from nlpkit.errors import UserError
from nlpkit.metrics import similarity


def blobs(sizes: tuple[int, ...] = (30, 20, 10), spread: float = 0.15, width: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of length 1 around one axis for each group, and the group of each."""
    draw = np.random.default_rng(0)
    gold = np.repeat(np.arange(len(sizes)), sizes)
    points = np.eye(width)[gold] + spread * draw.standard_normal((len(gold), width))
    points = points[(order := draw.permutation(len(gold)))]
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True), np.float32), gold[order]


@pytest.mark.parametrize("method", methods.METHODS)
def test_groups_that_are_there_are_found_the_largest_first(method: str) -> None:
    units, gold = blobs()
    found = {
        "kmeans": lambda: methods.kmeans(units, 3, 1),
        "agglomerative": lambda: methods.agglomerative(units, 3, 1),
        "hdbscan": lambda: methods.hdbscan(reduction.pca(units, 3, 1), 5),
        "community": lambda: methods.community(units, 0.6, 5),
    }[method]()
    inside = found >= 0
    assert inside.mean() > 0.8 and found[inside].tolist() == gold[inside].tolist()


def test_members_of_a_community_are_all_like_the_one_in_its_middle() -> None:
    units, _ = blobs(spread=0.3)
    found = methods.community(units, 0.7, 3)
    assert found.max() > 0
    for group in range(found.max() + 1):
        members = units[found == group]
        assert len(members) >= 3 and (members @ members.T).min(axis=1).max() >= 0.7 - 1e-6
    chain = np.stack([np.cos(np.linspace(0, 1.5, 7)), np.sin(np.linspace(0, 1.5, 7))], axis=1).astype(np.float32)
    assert methods.community(chain, 0.9, 2).max() > 0  # neighbours are alike, the ends are not: no single group


def test_of_many_rows_a_sample_is_grouped_and_the_others_join(monkeypatch: pytest.MonkeyPatch) -> None:
    units, gold = blobs()
    monkeypatch.setattr(methods, "WHOLE", 30)
    assert methods.agglomerative(units, 3, 1).tolist() == gold.tolist()
    monkeypatch.setattr(reduction, "PLACED", 40)
    points, placed = reduction.reduced(units, 2, "tsne", 1)
    assert placed == 40 and points.shape == (60, 2) and np.isfinite(points).all()
    same, _ = reduction.reduced(units, 2, "tsne", 1)
    np.testing.assert_array_equal(points, same)


def test_blocks_give_what_a_whole_matrix_would(monkeypatch: pytest.MonkeyPatch) -> None:
    units, _ = blobs(spread=0.5)
    monkeypatch.setattr(neighbours, "BLOCK", 7)
    whole = units @ units.T
    first, second, cosines = neighbours.pairs_above(units, 0.5)
    expected = {(i, j) for j in range(60) for i in range(j) if whole[i, j] >= 0.5}
    assert set(zip(first.tolist(), second.tolist(), strict=True)) == expected
    np.testing.assert_allclose(cosines, whole[first, second], atol=1e-6)
    np.fill_diagonal(whole, -1)
    assert abs(neighbours.highest(units) - whole.max()) < 1e-6
    places, _ = neighbours.nearest(units, units[:20], 3)
    assert places[:, 0].tolist() == (units @ units[:20].T).argmax(axis=1).tolist()
    monkeypatch.setattr(neighbours, "MOST_PAIRS", 5)
    with pytest.raises(UserError, match="more than 5 pairs"):
        neighbours.pairs_above(units, 0.1)


def test_figures_know_groups_from_noise() -> None:
    units, gold = blobs()

    def fit(some: np.ndarray, seed: int) -> np.ndarray:
        return methods.kmeans(units[some], 3, seed)

    assert quality.stability(fit, gold, 1) == [1.0] * quality.DRAWS
    noise = np.random.default_rng(0).integers(0, 3, 60)
    assert max(quality.stability(fit, noise, 1)) < 0.2
    real, random = quality.silhouette(units, gold, 1), quality.silhouette(units, noise, 1)
    assert real is not None and random is not None and real > 0.5 > 0.1 > random
    assert quality.silhouette(units, np.zeros(60, int), 1) is None
    tried = quality.tried(units, 1)
    assert max(tried, key=lambda one: one.silhouette).k == 3


def test_agreement_with_labels_by_hand() -> None:
    labels = np.asarray([0, 0, 1, 1, -1, 0])
    found = quality.agreement(labels, ["a", "a", "b", "b", "b", None])
    assert found is not None
    assert found["labels"] == ["a", "b"] and found["clusters"] == [0, 1, -1]
    assert found["table"] == [[2, 0, 0], [0, 2, 1]] and found["purity"] == 1
    assert (found["rows"], found["without_label"], found["homogeneity"]) == (5, 1, 1)
    perfect = quality.agreement(np.asarray([1, 1, 0]), ["x", "x", "y"])
    assert perfect is not None and perfect["nmi"] == perfect["ari"] == perfect["v_measure"] == 1
    assert quality.agreement(labels, [None] * 6) is None


@pytest.mark.parametrize("fine", [False, True])
def test_rows_of_one_text_are_one_point_in_one_group(fine: bool) -> None:
    draw = np.random.default_rng(0)
    units = similarity.unit(draw.normal(size=(60, 8)).astype(np.float32))
    units[40:] = units[0]
    first = np.where(np.arange(60) < 40, np.arange(60), 0)
    points, placed = reduction.placed_once(units, first, 2, "tsne", 0)
    assert placed == 60 and (points[40:] == points[0]).all() and len(np.unique(points, axis=0)) == 40
    labels = methods.hdbscan(points, 5, fine=fine)
    assert len(set(labels[40:].tolist()) | {int(labels[0])}) == 1
    alone = reduction.reduced(units[:40], 2, "tsne", 0)[0]
    np.testing.assert_array_equal(points[:40], alone)  # where all differ nothing is another
