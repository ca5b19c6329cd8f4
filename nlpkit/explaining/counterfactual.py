"""The fewest words without which a model answers otherwise.

The words are tried in the order of what they are worth: first how many of the strongest it takes, then which of these
are not needed, then whether one or two others would do. What is found can be typed: the changed text has the other
answer. No smaller set was among those that were tried; that there is none at all would take every subset to know.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nlpkit.errors import UserError
from nlpkit.explaining.edits import Edit, Proposes, edited
from nlpkit.explaining.explanation import Explanation
from nlpkit.inference.predictor import Predictor
from nlpkit.tasks.explained import Word
from nlpkit.tasks.reading import Reader
from nlpkit.tasks.roles import Explainable

MOST = 0.5  # share of the words that are changed at most: with fewer left a text is another one
PAIRED = 10  # of the strongest words, every two are tried


@dataclass(frozen=True)
class Counterfactual:
    """A row that is answered otherwise.

    Attributes:
        edits: in the order of the text.
        texts: by column, with them.
        prediction: what is answered to these.
        score: of that.
    """

    edits: Sequence[Edit]
    texts: Mapping[str, str]
    prediction: Any
    score: Any

    def record(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "words": [
                {
                    "column": edit.word.column,
                    "start": edit.word.start,
                    "end": edit.word.end,
                    "text": edit.word.text,
                    "instead": edit.instead,
                }
                for edit in self.edits
            ],
            "texts": dict(self.texts),
            "prediction": self.prediction,
            "score": self.score,
        }


@dataclass(frozen=True)
class Sought:
    """What a search came to.

    Attributes:
        found: None where the answer stays the same.
        words: that the row has.
        asked: rows that the model was asked about.
    """

    found: Counterfactual | None
    words: int
    asked: int

    def record(self) -> dict[str, Any]:
        """JSON values."""
        found = None if self.found is None else self.found.record()
        return {"changed": found, "of_words": self.words, "variants": self.asked}


class _Search:
    """The answers to a row with some of its words changed.

    Args:
        predictor: answers.
        reader: of the row.
        values: of the row, by column.
        texts: in which the words have their places, in the order of the reader's columns.
        answer: to the row as it is.

    Raises:
        UserError: a text is no cell of the row, so that no other can be put in its place.
    """

    def __init__(
        self,
        predictor: Predictor[Explainable],
        reader: Reader[Any],
        values: Mapping[str, Any],
        texts: Mapping[str, str],
        answer: Mapping[str, Any],
    ) -> None:
        self.predictor, self.reader, self.values, self.texts, self.answer = predictor, reader, values, texts, answer
        self.cells = dict(zip(texts, reader.input_columns, strict=False))
        if any(values.get(self.cells.get(name, "")) != text for name, text in texts.items()):
            raise UserError(
                "--counterfactual: the words of a row are in a list, or changed when read; only texts can be changed",
                "Give each row as a text.",
            )
        self.asked = 0
        self._known: dict[tuple[tuple[str, int, str], ...], dict[str, Any]] = {}

    def answers(self, sets: Sequence[Sequence[Edit]]) -> list[dict[str, Any]]:
        """What is answered with each set of edits."""
        keys = [tuple(sorted((edit.word.column, edit.word.start, edit.instead) for edit in edits)) for edits in sets]
        new = {key: edits for key, edits in zip(keys, sets, strict=True) if key not in self._known}
        if new:
            rows = [
                {**self.values, **{self.cells[name]: text for name, text in edited(self.texts, edits).items()}}
                for edits in new.values()
            ]
            self.asked += len(rows)
            # of a row that cannot be read any more, as nothing is left of it, there is no answer
            self._known.update(zip(new, self.predictor.answers(rows, self.reader), strict=True))
        return [self._known[key] for key in keys]

    def flips(self, sets: Sequence[Sequence[Edit]]) -> list[bool]:
        """Which of them have another answer."""
        return [not one.get("error") and one["prediction"] != self.answer["prediction"] for one in self.answers(sets)]


def require_flipping(task: Explainable) -> None:
    """Stop where answers are not the same or others.

    Raises:
        UserError: saying so.
    """
    if not task.answers_flip:
        raise UserError(
            f"--counterfactual: an answer of this model ({task.describe()}) changes with every word, and none makes "
            "it another one",
            "Leave it out.",
        )


def sought(
    predictor: Predictor[Explainable],
    reader: Reader[Any],
    values: Mapping[str, Any],
    answer: Mapping[str, Any],
    explanations: Sequence[Explanation],
    proposes: Proposes,
) -> Sought:
    """Look for the fewest words.

    Args:
        predictor: of the model.
        reader: of the row.
        values: of the row, by column.
        answer: to it.
        explanations: by words; the order in which they are tried is that of the first method.
        proposes: what stands in their place.
    """
    texts = explanations[0].question.texts
    words = list(explanations[0].words)
    worth = np.max([next(iter(one.attributed.values())).scores for one in explanations], axis=0)
    order = [int(i) for i in np.argsort(-worth, kind="stable")]
    search = _Search(predictor, reader, values, texts, answer)
    options = proposes(texts, words)
    edits = _chosen(search, words, order, options)
    edits = edits[: max(int(MOST * len(words)), 1)]
    found = _fewest(search, edits)
    changed = None
    if found is not None:
        (other,) = search.answers([found])
        shown = sorted(found, key=lambda edit: (list(texts).index(edit.word.column), edit.word.start))
        changed = Counterfactual(shown, edited(texts, found), other["prediction"], other.get("score"))
    return Sought(changed, len(words), search.asked)


def _chosen(search: _Search, words: Sequence[Word], order: Sequence[int], options: list[list[str]]) -> list[Edit]:
    """For each word that can be changed the edit after which the answer is least sure, the strongest words first."""
    several = [i for i in order if len(options[i]) > 1]
    tried = [[Edit(words[i], text)] for i in several for text in options[i]]
    answers = iter(search.answers(tried) if tried else [])
    best: dict[int, Edit] = {}
    for i in several:
        given = [(_sureness(search, next(answers)), Edit(words[i], text)) for text in options[i]]
        best[i] = min(given, key=lambda one: one[0])[1]
    return [best.get(i) or Edit(words[i], options[i][0]) for i in order if options[i]]


def _sureness(search: _Search, answer: Mapping[str, Any]) -> float:
    """How sure a model still is of its answer; less than any score where it gives another."""
    if answer["prediction"] != search.answer["prediction"]:
        return -1.0
    return float(np.mean(answer["score"])) if answer.get("score") is not None else 0.0


def _fewest(search: _Search, edits: list[Edit]) -> list[Edit] | None:
    """The smallest set that was found to flip the answer."""
    if not edits:
        return None
    singles = search.flips([[edit] for edit in edits])
    if any(singles):
        return [edits[singles.index(True)]]
    starts = [edits[:count] for count in range(2, len(edits) + 1)]
    flipped = next((some for some, flips in zip(starts, _one_by_one(search, starts), strict=False) if flips), None)
    if flipped is None:
        return None
    smaller: list[Edit] | None = flipped
    while smaller is not None:
        flipped = smaller
        without = [[edit for edit in flipped if edit is not one] for one in flipped]
        smaller = next((some for some, flips in zip(without, search.flips(without), strict=True) if flips), None)
    if len(flipped) > 2:
        pairs = [list(pair) for pair in itertools.combinations(edits[:PAIRED], 2)]
        flipped = next((pair for pair, flips in zip(pairs, search.flips(pairs), strict=True) if flips), flipped)
    return flipped


def _one_by_one(search: _Search, starts: Sequence[Sequence[Edit]]) -> Iterator[bool]:
    """Whether each flips, asked for some at a time: most rows take few words."""
    size = 4
    first = 0
    while first < len(starts):
        yield from search.flips(starts[first : first + size])
        first += size
        size *= 2
