import math

import numpy as np
import pytest

from nlpkit.probing.heads.observed import Head
from nlpkit.probing.heads.patterns import Tally

HEADS = [Head(1, 1), Head(1, 2), Head(1, 3)]


def counted(attention, special=(["[CLS]"], ["[SEP]"])):
    tally = Tally(special)
    tally.add(np.asarray(attention, dtype=np.float32))
    return tally.patterns(HEADS[: len(attention)])


def test_each_pattern_is_found_in_the_head_that_has_it():
    length = 6
    even = np.full((length, length), 1 / length)
    separator = np.zeros((length, length))
    separator[:, -1] = 1
    patterns = counted([np.eye(length, k=1), separator, even])
    assert patterns.shares["next token"] == pytest.approx([1, 0, 1 / 6])  # of 3 tokens that have a next one
    assert patterns.shares["[SEP]"] == pytest.approx([1 / 4, 1, 1 / 6])  # the last token's next one is it
    assert patterns.shares["[CLS]"] == pytest.approx([0, 0, 1 / 6])
    assert patterns.entropy == pytest.approx([0, 0, math.log(6)], abs=1e-6)
    assert patterns.even == pytest.approx(dict.fromkeys(patterns.shares, 1 / 6))
    assert (patterns.even_entropy, patterns.tokens) == (pytest.approx(math.log(6)), 4)


def test_of_a_model_that_writes_a_token_is_compared_with_what_it_could_see():
    seen = np.tril(np.ones((4, 4)))
    patterns = counted([seen / seen.sum(axis=1, keepdims=True)], special=([], []))
    for name, share in patterns.shares.items():
        assert share[0] == pytest.approx(patterns.even[name])
    assert patterns.even["first token"] == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
    assert patterns.even["next token"] == 0
    assert patterns.entropy[0] == pytest.approx(patterns.even_entropy)
