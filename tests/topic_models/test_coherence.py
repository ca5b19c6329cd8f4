"""NPMI and diversity, against values worked out by hand."""

from __future__ import annotations

import math

import pytest

from nlpkit.topic_models import coherence

DOCUMENTS = [["a", "b", "x"], ["a", "b"], ["a", "c"], ["d"]]


def test_npmi_by_hand() -> None:
    # a is in 3 of 4 documents, b in 2, both in 2: log(.5 / (.75 * .5)) / -log(.5)
    together = math.log(0.5 / (0.75 * 0.5)) / -math.log(0.5)
    assert coherence.npmi([["a", "b"]], DOCUMENTS) == pytest.approx(together)
    # c is in 1, with a: log(.25 / (.75 * .25)) / -log(.25); b and c never meet.
    apart = math.log(0.25 / (0.75 * 0.25)) / -math.log(0.25)
    assert coherence.npmi([["a", "b", "c"]], DOCUMENTS) == pytest.approx((together + apart - 1) / 3)
    assert coherence.npmi([["a", "b"], ["a", "c"]], DOCUMENTS) == pytest.approx((together + apart) / 2)
    assert coherence.npmi([["b", "d"]], DOCUMENTS) == -1
    assert coherence.npmi([["p", "q"]], [["p", "q"], ["q", "p"]]) == 1
    assert coherence.npmi([["a"], []], DOCUMENTS) is None


def test_windows_slide_over_a_document() -> None:
    # Windows of two words: a b, b c, c a; the last document is one window.
    documents = [["a", "b", "c", "a"], ["b"]]
    found = coherence.npmi([["a", "b"]], documents, window=2)
    assert found == pytest.approx(math.log((1 / 4) / (2 / 4 * 3 / 4)) / -math.log(1 / 4))
    assert coherence.npmi([["a", "b"]], documents, window=9) == pytest.approx(0, abs=1e-9)


def test_by_windows_it_is_c_npmi_of_gensim() -> None:
    documents = [["a", "b", "c"], ["a", "c"], ["b", "d", "e"], ["f", "a", "b", "g"], ["g", "h"]]
    topics = [["a", "b", "c"], ["d", "e", "f"]]
    of_gensim = -0.18114434504931845  # CoherenceModel(coherence="c_npmi", window_size=2) of gensim 4.4
    assert coherence.npmi(topics, documents, window=2) == pytest.approx(of_gensim)


def test_only_the_first_ten_words_count() -> None:
    words = [f"w{i}" for i in range(12)]
    assert coherence.npmi([words], [words[:10], ["z"]]) == pytest.approx(1)
    assert coherence.diversity([words, [*words[:5], *"vwxyz"]]) == 15 / 20
    assert coherence.diversity([[]]) is None
