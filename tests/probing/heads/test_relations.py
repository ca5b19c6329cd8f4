import numpy as np
import pytest

from nlpkit.probing.heads import relations
from nlpkit.probing.heads.observed import Head, Sentence, between_words, with_tokens
from nlpkit.probing.heads.shares import difference

HEADS = [Head(1, 1), Head(1, 2), Head(2, 1)]


def sentence(words=6):
    """Determiners before their nouns, in turn; each noun depends on the one before it."""
    heads = [i + 1 if i % 2 == 0 else i - 2 for i in range(words)]
    return Sentence(["w"] * words, np.array(heads).clip(-1), ["det" if i % 2 == 0 else "nmod" for i in range(words)])


def attention(words=6):
    """The first head looks at the next word, the second is looked at by the noun before, the third at itself."""
    made = np.full((3, words, words), 0.01)
    for i in range(words):
        made[0, i, min(i + 1, words - 1)] = 0.9
        made[1, max(i - 2, 0), i] = 0.9
        made[2, i, i] = 0.9
    return made


def found(sentences=30):
    collected = relations.Found(relations.DEPENDENCIES)
    for place in range(sentences):
        collected.add(place, sentence(), attention(), np.ones(6, dtype=bool))
    return collected


def test_a_head_that_looks_where_a_relation_points_finds_all_of_it():
    best = {one.relation: one for one in relations.best(found(), HEADS, np.arange(30) % 2 == 0, fewest=20)}
    assert (best["det"].head, best["det"].direction, best["det"].found.value) == (Head(1, 1), "from the word", 1.0)
    assert (best["nmod"].head, best["nmod"].direction, best["nmod"].found.value) == (Head(1, 2), "to the word", 1.0)
    # of the words with a head, 3 of 5 stand before it: no head finds all of them
    assert best[relations.ALL].found.value == pytest.approx(0.6)


def test_the_best_distance_is_what_a_head_must_beat():
    best = {one.relation: one for one in relations.best(found(), HEADS, np.arange(30) % 2 == 0, fewest=20)}
    assert (best["det"].rule, best["det"].baseline.value, best["det"].gain.value) == ("+1", 1.0, 0.0)
    assert (best["nmod"].rule, best["nmod"].gain.value) == ("-2", 0.0)


def test_a_head_is_judged_on_sentences_that_it_was_not_chosen_on():
    """The first head is right where heads are chosen, and nowhere else."""
    collected = relations.Found(relations.DEPENDENCIES)
    for place in range(40):
        collected.add(place, sentence(), attention() if place < 20 else np.eye(6)[None].repeat(3, 0), np.ones(6, bool))
    best = relations.best(collected, HEADS, np.arange(40) < 20)[0]
    assert (best.relation, best.chosen_on, best.words) == ("det", 60, 60)
    assert (best.found.value, best.on_all) == (0.0, 0.5)
    assert best.gain.value == -1.0


def test_relations_of_few_words_are_not_judged():
    assert [best.relation for best in relations.best(found(), HEADS, np.arange(30) % 2 == 0, fewest=40)] == [
        "det",
        relations.ALL,
    ]


def test_attention_to_the_tokens_of_a_word_is_summed_and_theirs_averaged():
    words = np.array([-1, 0, 1, 1, -1])  # [CLS] one two ##two [SEP]
    tokens = np.array(
        [[[0, 0, 0, 0, 1], [0.1, 0.2, 0.3, 0.4, 0], [0, 0.5, 0.5, 0, 0], [0, 0.3, 0.1, 0.4, 0.2], [1, 0, 0, 0, 0]]]
    )
    np.testing.assert_allclose(between_words(tokens, words, 3), [[[0.2, 0.7, 0], [0.4, 0.5, 0], [0, 0, 0]]], atol=1e-6)
    assert with_tokens(words, 3).tolist() == [True, True, False]


def test_a_word_without_tokens_is_counted_and_left_out():
    collected = relations.Found(relations.DEPENDENCIES)
    collected.add(0, sentence(), attention(), np.array([True, True, True, False, True, True]))
    # the fourth word itself, and the two that depend on it; the second word is the root
    assert (collected.unseen, len(collected.relations)) == (3, 2)


def test_a_word_that_looks_at_no_other_finds_no_head():
    assert (relations.guesses(np.eye(4)[None]) == -1).all()


def test_the_interval_of_a_gain_is_that_of_sentences():
    hits, others, units = np.array([1, 1, 0, 1, 1, 0]), np.array([0, 1, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 2, 2])
    gain = difference(hits, others, units)
    # sums of the sentences are 1, 1, -1 of two words each: a mean of 1/3 of two words, with t = 4.303 and 2 degrees
    error = np.std([1, 1, -1], ddof=1) / np.sqrt(3) / 2
    assert gain.value == pytest.approx(1 / 6)
    assert gain.high == pytest.approx(min(1 / 6 + 4.3027 * error, 1), abs=1e-4)
