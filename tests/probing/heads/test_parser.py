import numpy as np
import pytest

from nlpkit.probing.heads import parser
from nlpkit.probing.heads.observed import Sentence

GENERATOR = np.random.default_rng(0)


def examples(count, maps=3, words=6):
    """Trees that the second map holds, turned round, among maps of noise."""
    made = []
    for _ in range(count):
        heads = np.array([-1, *(GENERATOR.integers(0, i) for i in range(1, words))])
        noise = GENERATOR.random((maps, words, words)).astype(np.float32)
        noise[1] *= 0.5
        noise[1, heads[1:], np.arange(1, words)] += 0.5
        vectors = GENERATOR.random((words, 2)).astype(np.float32)
        made.append(
            parser.example(Sentence(["w"] * words, heads, ["dep"] * words), noise, vectors, np.ones(words, bool))
        )
    return made


@pytest.mark.slow
def test_the_map_that_holds_the_heads_is_found_among_others():
    learnt, judged = examples(60), examples(30)
    probe = parser.learn(learnt)
    assert probe.weights.argmax() == 3 + 1  # from the head to the word, the second map
    right = [probe.guesses(one) == one.heads for one in judged]
    assert np.mean(right) > 0.9


def test_neither_the_word_itself_nor_one_without_tokens_is_a_candidate():
    sentence = Sentence(["a", "b", ",", "c"], np.array([1, -1, 1, 1]), ["det", "root", "punct", "obj"])
    maps = np.ones((1, 4, 4), np.float32)
    made = parser.example(sentence, maps, np.zeros((4, 2), np.float32), np.array([True, True, False, True]))
    assert (made.dependents.tolist(), made.heads.tolist()) == ([0, 3], [1, 1])
    scores = parser.Parser(2).scores(parser.together([made])).detach().numpy()
    assert np.isneginf(scores).tolist() == [[True, False, True, False], [False, False, True, True]]


def test_distances_take_the_place_of_attention():
    made = parser.distances(examples(1, words=3)[0])
    assert made.dependents.tolist() == [1, 2]
    assert made.maps.shape == (2, 22, 3)
    assert made.maps[:, 5].tolist() == [[0, 0, 1], [0, 0, 0]]  # the next word, to which a word points
    assert made.maps[:, 11 + 5].tolist() == [[1, 0, 0], [0, 1, 0]]  # and which is pointed at
    assert made.maps[:, 10].all()


def test_what_there_is_no_memory_for_is_counted(monkeypatch):
    monkeypatch.setattr(parser, "MEMORY", 2 * 5 * 6 * 6)
    kept = parser.Kept()
    assert [kept.add(place, made) for place, made in enumerate([*examples(2), None])] == [True, False, False]
    assert (list(kept.examples), kept.left_out, kept.empty) == ([0], 1, 1)
