"""What the words of a row are worth to the answer by several methods, and how faithful each is, with records of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nlpkit.errors import UserError
from nlpkit.explaining import faithfulness
from nlpkit.explaining.faithfulness import Faithfulness
from nlpkit.explaining.methods import METHODS
from nlpkit.explaining.variants import By, Variants
from nlpkit.generation.words import said_alone
from nlpkit.inference.predictor import Predictor
from nlpkit.tasks.explained import Question, Word
from nlpkit.tasks.roles import Explainable

DRAWS = 5  # of random scores, whose mean faithfulness is what a method has to beat
RANDOM = "random"


@dataclass(frozen=True)
class Attributed:
    """What one method gave.

    Attributes:
        scores: of each word of the explanation, in its order; in the units of the answer, as a rule probabilities,
            but for methods on attention and lengths of gradients, which have none.
        faithfulness: of these; of several readings the mean.
        seconds: that it took.
        asked: variants that the model was asked about; neither hangs on what other methods asked.
    """

    scores: Sequence[float]
    faithfulness: Faithfulness
    seconds: float
    asked: int


@dataclass(frozen=True)
class Explanation:
    """One thing in the answer to a row, explained.

    Attributes:
        question: what is explained.
        value: how sure the model is of it; of several readings the mean.
        masked_as: what became of words that a method masked, in words.
        words: that it is explained by: in the order of the text, those of several readings once; by tokens, one each.
        attributed: by method.
        chance: the faithfulness of random scores.
    """

    question: Question
    value: float
    masked_as: str
    words: Sequence[Word]
    attributed: Mapping[str, Attributed]
    chance: Faithfulness

    def record(self) -> dict[str, Any]:
        """JSON values: what `--json` and files hold."""
        return {
            "asked": self.question.asked,
            "value": self.value,
            "masked_words": self.masked_as,
            "words": [
                {"column": word.column, "start": word.start, "end": word.end, "text": word.text} for word in self.words
            ],
            "methods": {
                name: {"scores": list(found.scores), **_figures(found.faithfulness), "seconds": round(found.seconds, 4)}
                for name, found in self.attributed.items()
            },
            RANDOM: _figures(self.chance),
        }


def _figures(found: Faithfulness) -> dict[str, float]:
    return {"comprehensiveness": found.comprehensiveness, "sufficiency": found.sufficiency}


def explained(
    predictor: Predictor[Explainable], question: Question, methods: Sequence[str], *, by: By = "words", seed: int = 42
) -> Explanation:
    """Explain one number of an answer.

    Args:
        predictor: of a model in torch.
        question: see `Explainable.questions`.
        methods: names of `METHODS`.
        by: what is hidden together.
        seed: of what methods draw.

    Raises:
        UserError: an input has no words, or a method does not apply to the model.
    """
    asked = [Variants(predictor, question, reading, by) for reading in question.readings if reading.words]
    if not asked:
        raise UserError("there is no word that could be hidden", "Give a text.")
    found: dict[str, Attributed] = {}
    places = [_places(variants) for variants in asked]
    words = _in_order(question, places)
    for name in methods:
        scores, figures = [], []
        function = METHODS[name].function
        start, before = time.perf_counter(), sum(variants.asked for variants in asked)
        for variants in asked:
            with variants.anew():
                scores.append(function(variants, seed))
        seconds, count = time.perf_counter() - start, sum(variants.asked for variants in asked) - before
        for variants, of_units in zip(asked, scores, strict=True):
            figures.append(faithfulness.measured(variants, of_units))
        found[name] = Attributed(_merged(words, places, scores), _mean(figures), seconds, count)
    chance = _mean([faithfulness.of_random(variants, seed, DRAWS) for variants in asked])
    value = float(np.mean([variants.whole for variants in asked]))
    return Explanation(question, value, asked[0].masked_as, words, found, chance)


def _places(variants: Variants) -> list[Word]:
    """What stands in each unit."""
    words = list(variants.reading.words)
    if variants.by == "words":
        return words
    ids = variants.reading.feature["input_ids"]
    owners = {position: word for word in words for position in word.positions}
    made = []
    for (position,) in variants.units:
        word, token = owners[position], said_alone(variants.predictor.tokenizer, ids[position])
        made.append(Word(word.column, word.start, word.end, token, (position,)))
    return made


def _in_order(question: Question, places: Sequence[Sequence[Word]]) -> list[Word]:
    """All units of the readings, those of several windows once, in the order of the texts."""
    columns = {column: i for i, column in enumerate(question.texts)}
    first: dict[tuple[Any, ...], Word] = {}
    for units in places:
        for key, word in zip(_keys(units), units, strict=True):
            first.setdefault(key, word)
    return [first[key] for key in sorted(first, key=lambda key: (columns.get(key[0], 0), key[1], key[2]))]


def _keys(units: Sequence[Word]) -> list[tuple[Any, ...]]:
    """What a unit is known by in other windows: its word, and which of its tokens it is."""
    seen: dict[tuple[str, int], int] = {}
    keys = []
    for word in units:
        place = (word.column, word.start)
        seen[place] = seen.get(place, -1) + 1
        keys.append((*place, seen[place]))
    return keys


def _merged(words: Sequence[Word], places: Sequence[Sequence[Word]], scores: Sequence[np.ndarray]) -> list[float]:
    """One score for each word: where windows overlap, the mean."""
    found: dict[tuple[Any, ...], list[float]] = {}
    for units, of_units in zip(places, scores, strict=True):
        for key, score in zip(_keys(units), of_units, strict=True):
            found.setdefault(key, []).append(float(score))
    return [float(np.mean(found[key])) for key in _keys(words)]


def _mean(figures: Sequence[Faithfulness]) -> Faithfulness:
    return Faithfulness(
        float(np.mean([one.comprehensiveness for one in figures])), float(np.mean([one.sufficiency for one in figures]))
    )
