"""How like vectors are: the matrix of several, figures of pairs, and the pictures of both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nlpkit.vectors import compared


@pytest.mark.parametrize(
    ("how", "wanted"), [("cosine", 0.6), ("dot", 3.0), ("angular", 1 - np.arccos(0.6) / np.pi), ("manhattan", -6.0)]
)
def test_a_matrix_compares_each_with_each(how: str, wanted: float) -> None:
    vectors = np.array([[1, 0], [3, 4]], np.float32)
    found = compared.matrix(vectors, how)
    assert found.shape == (2, 2) and found[0, 1] == pytest.approx(wanted, abs=1e-6)
    np.testing.assert_allclose(found, found.T, rtol=1e-6)


def pairs(count: int = 200) -> compared.Pairs:
    """Pairs that point the same way, but for one that points the other."""
    rng = np.random.default_rng(0)
    first = rng.normal(size=(count, 8)).astype(np.float32)
    second = first + 0.1 * rng.normal(size=first.shape).astype(np.float32)
    second[17] = -first[17]
    made = compared.Pairs("cosine")
    for start in range(0, count, 90):
        part = slice(start, min(start + 90, count))
        lines = list(range(part.start + 1, part.stop + 1))
        made.add(lines, [(f"a{line}", f"b{line}") for line in lines], first[part], second[part])
    return made


def test_pairs_are_measured_against_exchanged_partners() -> None:
    made = pairs()
    figures = made.figures()
    assert figures["pairs"] == 200 and figures["mean"] > 0.97 and abs(figures["shuffled"]["mean"]) < 0.1
    assert figures["above_shuffled"] == pytest.approx(0.995)
    assert made.farthest()[0][1:] == (18, "a18", "b18") and made.farthest()[0][0] == pytest.approx(-1, abs=1e-5)
    assert made.closest()[0][0] == max(float(values.max()) for values in made.values)
    assert sum(count for _, _, count, _ in made.histogram()) == sum(other for *_, other in made.histogram()) == 200


def test_pictures_are_drawn(tmp_path: Path) -> None:
    compared.draw_pairs(tmp_path / "pairs.png", pairs(60), ("a.txt", "b.txt"), overwrite=False)
    compared.draw_matrix(tmp_path / "m.png", np.eye(3), ["a $ b", "b" * 90, "c"], "cosine", overwrite=False)
    for picture in tmp_path.iterdir():
        assert picture.read_bytes().startswith(b"\x89PNG")
