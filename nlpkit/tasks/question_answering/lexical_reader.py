"""Extractive answers without a model: the sentence that shares most with the question, and in it what looks right.

The reader learns by counting: how rare each word is, and for each kind of question (who, when, how many, ...) which
way of cutting a piece out of the sentence came closest to the gold answers.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nlpkit.metrics.squad import best_threshold, match_2, normalized, separating
from nlpkit.tasks.classical import Classical
from nlpkit.tasks.question_answering.spans import SPAN

if TYPE_CHECKING:
    from datasets import Dataset

QUESTION = re.compile(
    r"\b(how (?:many|much|long|old|far|often)|how|who|whom|whose|when|what year|where|why|which|what)\b", re.IGNORECASE
)
SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?](?!\s)[^.!?\n]*)*[.!?]?")
WORD = re.compile(r"\w+(?:[-'’]\w+)*")
NAME = re.compile(r"[A-Z][\w'’-]*(?:\s+(?:(?:of|the|de|and|&)\s+)?[A-Z][\w'’-]*)*")
NUMBER = re.compile(r"[$€£]?\d[\d,.:]*%?(?:\s+\w+)?")
CLAUSE = re.compile(r"[^,;:()\"“”]+")
BEHIND = re.compile(r"(?:\b(?:in|at|on|to|from|by|for|because|of|is|was|are|were)\s+)([^,;:.()]+)")
STOP = frozenset(
    re.findall(
        r"\w+",
        "a an the of in on at to for from by with and or but is are was were be been being do does did has have had "
        "that this these those it its as s what which who whom whose when where why how many much can could would will",
    )
)
SAMPLE = 2_000  # questions of train from which the way to cut is learnt

Span = tuple[int, int]


class Read(NamedTuple):
    """An answer: characters [start, end) of the context, and the share of the question that its sentence holds."""

    start: int
    end: int
    confidence: float


def kind_of(question: str) -> str:
    """The question word: `who`, `how many`, ...; `other` where there is none."""
    match = QUESTION.search(question)
    return match[1].lower() if match else "other"


def _matches(pattern: re.Pattern[str]) -> Callable[[str, frozenset[str]], Iterator[Span]]:
    def cut(sentence: str, question_words: frozenset[str]) -> Iterator[Span]:
        for match in pattern.finditer(sentence):
            yield match.span(pattern.groups)

    return cut


def _unasked(sentence: str, question_words: frozenset[str]) -> Iterator[Span]:
    """Runs of words that the question does not have, without words of grammar at their ends."""
    run: list[re.Match[str]] = []
    for word in [*WORD.finditer(sentence), None]:
        text = word[0].lower() if word else ""
        if word and text not in question_words and (run or text not in STOP):
            run.append(word)
            continue
        while run and run[-1][0].lower() in STOP:
            run.pop()
        if run:
            yield run[0].start(), run[-1].end()
        run = []


def _whole(sentence: str, question_words: frozenset[str]) -> Iterator[Span]:
    yield 0, len(sentence)


CUTS: Mapping[str, Callable[[str, frozenset[str]], Iterator[Span]]] = {
    "name": _matches(NAME),
    "number": _matches(NUMBER),
    "clause": _matches(CLAUSE),
    "behind a preposition": _matches(BEHIND),
    "words not asked": _unasked,
    "sentence": _whole,
}


class LexicalReader:
    """See the module's docstring.

    Args:
        questions, contexts: of train.
        golds: gold answers of each question, none where it has no answer.
    """

    def __init__(self, questions: Sequence[str], contexts: Sequence[str], golds: Sequence[Sequence[str]]) -> None:
        distinct = list(dict.fromkeys(contexts))
        counts = Counter(word for context in distinct for word in set(_words(context)))
        self.rarity = {word: math.log(1 + len(distinct) / count) for word, count in counts.items()}
        self.unseen = math.log(1 + len(distinct))
        self.cut: dict[str, str] = {}
        self._learn(questions[:SAMPLE], contexts[:SAMPLE], golds[:SAMPLE])

    def _learn(self, questions: Sequence[str], contexts: Sequence[str], golds: Sequence[Sequence[str]]) -> None:
        totals: dict[str, dict[str, float]] = defaultdict(lambda: dict.fromkeys(CUTS, 0.0))
        for question, context, wanted in zip(questions, contexts, golds, strict=True):
            if not wanted:
                continue
            question_words = frozenset(_words(question))
            sentence = self._sentence(question_words, context)
            for name in CUTS:
                piece = _piece(question_words, context, sentence, name)
                totals[kind_of(question)][name] += match_2(context[piece.start : piece.end], wanted).f1
        self.cut = {kind: max(scores, key=scores.__getitem__) for kind, scores in totals.items()}
        self.usual = max(CUTS, key=lambda name: sum(scores[name] for scores in totals.values()))
        self.doubt = self._least_confidence(questions, contexts, golds)

    def _least_confidence(
        self, questions: Sequence[str], contexts: Sequence[str], golds: Sequence[Sequence[str]]
    ) -> float:
        """The confidence below which no answer is the better one."""
        reads = [self.read(question, context) for question, context in zip(questions, contexts, strict=True)]
        answers = [context[read.start : read.end] for read, context in zip(reads, contexts, strict=True)]
        scores = np.array([match_2(answer, wanted).f1 for answer, wanted in zip(answers, golds, strict=True)])
        against = np.array([-read.confidence for read in reads])
        best = best_threshold(scores, against, np.array([len(wanted) > 0 for wanted in golds]), answers)
        return -separating(against, best.answered)

    def read(self, question: str, context: str) -> Read:
        """The answer to a question."""
        question_words = frozenset(_words(question))
        cut = self.cut.get(kind_of(question), self.usual)
        return _piece(question_words, context, self._sentence(question_words, context), cut)

    def _sentence(self, question_words: Iterable[str], context: str) -> Read:
        """The sentence with the most of what was asked."""
        weights = {word: self.rarity.get(word, self.unseen) for word in question_words if word not in STOP}
        total = sum(weights.values()) or 1.0
        best = Read(0, len(context), 0.0)
        for match in SENTENCE.finditer(context):
            share = sum(weights.get(word, 0.0) for word in set(_words(match[0]))) / total
            if share > best.confidence:
                text = match[0]
                start = match.start() + len(text) - len(text.lstrip())
                best = Read(start, start + len(text.strip()), share)
        return best

    def spans(self, question: str, context: str, threshold: float) -> np.ndarray:
        """The answer as a model's merged output, of dtype `SPAN`; no answer beats it by more than `threshold` where the
        reader is in doubt.
        """
        answer = self.read(question, context)
        null = threshold + self.doubt - answer.confidence
        return np.array([(-1, -1, null), (answer.start, answer.end, 0.0)], dtype=SPAN)


class WordOverlap(Classical):
    """A `LexicalReader` of train rows.

    Args:
        train: examples.
        threshold: see `LexicalReader.spans`.
    """

    name = "word overlap + answer type"

    def __init__(self, train: Dataset, threshold: float) -> None:
        self.reader = LexicalReader(train["question"][:], train["context"][:], train["answers"][:])
        self.threshold = threshold
        self.described = f"how rare {len(self.reader.rarity):,} words are"

    def outputs(self, examples: Dataset) -> list[np.ndarray]:
        columns = zip(examples["question"][:], examples["context"][:], strict=True)
        return [self.reader.spans(question, context, self.threshold) for question, context in columns]


def _piece(question_words: frozenset[str], context: str, sentence: Read, cut: str) -> Read:
    """The piece of a sentence that lies nearest to what was asked and says something else; else all of it."""
    text = context[sentence.start : sentence.end]
    pieces = [
        piece for piece in CUTS[cut](text, question_words) if set(_words(text[slice(*piece)])) - question_words - STOP
    ]
    if not pieces:
        return sentence
    places = [word.start() for word in WORD.finditer(text) if word[0].lower() in question_words - STOP]
    first, last = min(pieces, key=lambda piece: min((_gap(piece, place) for place in places), default=0))
    piece = text[first:last]
    start = sentence.start + first + len(piece) - len(piece.lstrip())
    return Read(start, start + len(piece.strip()), sentence.confidence)


def _words(text: str) -> list[str]:
    return [word for word in map(normalized, WORD.findall(text)) if word]


def _gap(piece: Span, place: int) -> int:
    """Characters between a piece and a place outside it."""
    return max(piece[0] - place, place - piece[1], 0)
