"""n-gram baselines: Kneser-Ney by hand, probabilities that sum to 1, and the same tokens as the model judges."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from nlpkit.generation.ngrams import NGrams, sums_of_rows
from nlpkit.pretraining.rows import TokenRow

END = 3


def chances(model: NGrams, tokens: list[int]) -> list[float]:
    """The probability of the last token behind the others, for each order."""
    return [float(chance[-1]) for chance, _ in model.judged(np.array(tokens))]


def test_a_stream_counted_by_hand() -> None:
    """0 1 0 1 0 2: bigrams 01 twice, 10 twice, 02 once; the discount of bigrams is 1 / (1 + 2 * 2)."""
    model = NGrams(np.array([0, 1, 0, 1, 0, 2]), 4, None, orders=2)
    unigram, bigram = chances(model, [0, 1])
    # once: 2; twice: 1: a discount of 1/3, of three kinds, a quarter for each of four tokens
    assert unigram == pytest.approx((2 - 1 / 3) / 6 + 3 * (1 / 3) / 6 / 4)
    # below bigrams a token counts once for each that it stands after: 0 after 1, 1 after 0, 2 after 0; none twice, so
    # that all is given away: a quarter each
    assert bigram == pytest.approx((2 - 1 / 5) / 3 + 2 * (1 / 5) / 3 * 1 / 4)
    # 3 was never seen
    assert chances(model, [0, 3]) == pytest.approx([3 * (1 / 3) / 6 / 4, 2 * (1 / 5) / 3 / 4])
    # nothing was seen behind 2: one token less is looked at
    assert chances(model, [2, 1])[1] == pytest.approx(1 / 4)


@pytest.mark.parametrize("separator", [None, END])
def test_probabilities_sum_to_one_and_the_guess_is_the_likeliest(separator: int | None) -> None:
    drawn = np.random.default_rng(0)
    tokens = drawn.choice(5, 400, p=[0.4, 0.3, 0.15, 0.1, 0.05])
    model = NGrams(tokens, 6, separator)
    for context in (drawn.choice(6, 4).tolist() for _ in range(60)):
        found = [list(model.judged(np.array([*context, token]))) for token in range(6)]
        for order in range(5):
            of_all = np.array([found[token][order][0][-1] for token in range(6)])
            guessed = [token for token in range(6) if found[token][order][1][-1]]
            assert of_all.sum() == pytest.approx(1.0)
            assert len(guessed) == 1 and of_all[guessed[0]] == pytest.approx(of_all.max())


def test_documents_do_not_see_each_other() -> None:
    """What follows the token that ends a document depends on that token alone."""
    tokens = np.array([0, 1, 2, END, 1, 1, 0, END, 2, 0, 1, END] * 3)
    model = NGrams(tokens, 4, END)
    (*_, one), (*_, other) = model.judged(np.array([0, 1, END, 1])), model.judged(np.array([2, 2, END, 1]))
    assert one[0][-1] == other[0][-1]
    # begun by it, an n-gram counts as often as it is there: 1 is one of three beginnings, and no longer one is seen
    assert 0.2 < one[0][-1] < 0.5


def test_rows_are_summed_up_as_the_model_is() -> None:
    """Each token of a row that is judged, with nothing before the row."""
    tokens = np.array([0, 1, 0, 1, 0, 2, 1, 1])
    model = NGrams(tokens, 4, None, orders=2)
    rows = [TokenRow(np.array([0, 1, 0]), 0, 0), TokenRow(np.array([1, 0, 2]), 1, 0, context=1)]
    sums = sums_of_rows(model, rows, np.array([1.0, 1.0, 4.0, 0.0]))
    assert list(sums) == ["1-gram", "2-gram"]
    wanted = -math.log(chances(model, [0, 1])[1]) - math.log(chances(model, [1, 0])[1])
    nll, right, judged, said = sums["2-gram"].T
    assert nll == pytest.approx([wanted, -math.log(chances(model, [0, 2])[1])])
    assert right.tolist() == [2, 0] and judged.tolist() == [2, 1] and said.tolist() == [2.0, 4.0]


@pytest.mark.parametrize("tokens", [[1], [1, 2], [END, END, END]])
def test_hardly_any_text(tokens: list[int]) -> None:
    """Orders that no document is long enough for are left out."""
    model: Any = NGrams(np.array(tokens), 4, END)
    found = chances(model, tokens)
    assert 1 <= len(found) < 5 and all(0 < chance < 1 for chance in found)
