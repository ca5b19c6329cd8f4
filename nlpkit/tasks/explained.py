"""What is explained of an answer, and the words that it is explained by: what the role `Explainable` gives."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nlpkit.data import pieces, words
from nlpkit.data.ignored import IGNORED
from nlpkit.errors import UserError
from nlpkit.nearby import nearest
from nlpkit.tasks.contract import BOOKKEEPING

if TYPE_CHECKING:
    import torch

SHOWN = 20  # names that a message lists


@dataclass(frozen=True)
class Word:
    """A word of a row, in one input of the model.

    Attributes:
        column: of the row, in which it stands.
        start, end: its first character there, and the one behind its last.
        text: what stands there.
        positions: of its tokens in the input, ascending.
    """

    column: str
    start: int
    end: int
    text: str
    positions: tuple[int, ...]


@dataclass(frozen=True)
class Reading:
    """One input of the model, with the words that may be hidden in it.

    Attributes:
        feature: a row of what `Task.features` gives, without bookkeeping: `input_ids` and what goes with them; `labels`
            may say what the number is of, as the task's own collator takes them.
        words: in the order of the text; special tokens, and what the answer is about (a mask), are in none.
    """

    feature: Mapping[str, Any]
    words: Sequence[Word]


@dataclass(frozen=True)
class Question:
    """One number that is explained: how sure a model is of one thing in its answer to a row.

    Attributes:
        asked: what it is sure of, in words: "positive", "location: Paris".
        readings: the inputs that its answer is made of: one, of a text that is read in windows several.
        target: by which the task reads the number, see `Explainable.explained`; nobody else looks into it.
        texts: of the row, by column, which words have their places in.
    """

    asked: str
    readings: Sequence[Reading]
    target: Mapping[str, Any]
    texts: Mapping[str, str] = field(default_factory=dict)


def words_in(
    texts: Mapping[str, str],
    places: Sequence[tuple[str, int, int] | None],
    starts: Mapping[str, Sequence[words.Place]] | None = None,
) -> list[Word]:
    """The words that the tokens of an input belong to.

    A token belongs to the word that its first character is in. One that stands in no word (a blank, a control
    character) belongs to the word before it, so that hiding all words hides all of the text. Words that have no token
    of their own, as one token spans them (an emoji of several characters that a tokenizer does not know), are one with
    the word that has it.

    Args:
        texts: by column.
        places: of each token of the input the column and the characters, first and behind the last; None of a special
            token.
        starts: places of the words of each column, where they are given; else as `data.words.split` has them.

    Returns:
        Words with tokens, by column in the order of `texts`, ascending.
    """
    found: dict[tuple[str, int], list[int]] = {}
    reach: dict[tuple[str, int], int] = {}
    spans = {column: (starts or {}).get(column) or words.split(text) for column, text in texts.items()}
    ends = {column: np.array([end for _, end in places_of]) for column, places_of in spans.items()}
    for position, place in enumerate(places):
        if place is None:
            continue
        column, start, end = place
        if not len(ends[column]) or end <= start:
            continue
        word = int(np.searchsorted(ends[column], start, side="right"))
        if word == len(ends[column]) or (end <= spans[column][word][0] and word):
            word -= 1
        found.setdefault((column, word), []).append(position)
        reach[column, word] = max(reach.get((column, word), 0), end)
    order = {column: i for i, column in enumerate(texts)}
    made = []
    for (column, word), positions in sorted(found.items(), key=lambda item: (order[item[0][0]], item[0][1])):
        start, end = spans[column][word]
        for other, (_, behind) in enumerate(spans[column][word + 1 :], word + 1):
            if (column, other) in found or behind > reach[column, word]:
                break
            end = behind
        made.append(Word(column, start, end, texts[column][start:end], tuple(positions)))
    return made


def words_of_owners(column: str, text: str, spans: Sequence[words.Place], owners: Sequence[int]) -> list[Word]:
    """The words of one text by the word that each token of an input belongs to.

    Args:
        spans: places of the words.
        owners: of each token of the input the index of its word; -1 of special tokens.
    """
    positions: dict[int, list[int]] = {}
    for position, owner in enumerate(owners):
        if owner >= 0:
            positions.setdefault(owner, []).append(position)
    return [
        Word(column, start, end, text[start:end], tuple(positions[owner]))
        for owner, (start, end) in enumerate(spans)
        if owner in positions
    ]


class Placed(NamedTuple):
    """The tokens of a text without special ones, and where they stand in it.

    Attributes:
        ids: of the tokens.
        spans: characters of each, first and behind the last; of a tokenizer that does not tell, those of the word
            between blanks that it is a piece of.
        words: places of the words that can be told apart; None: as `data.words.split` has them.
    """

    ids: list[int]
    spans: list[words.Place]
    words: list[words.Place] | None = None


def placed(tokenizer: Any, text: str) -> Placed:
    """Where the tokens of a text stand.

    A slow tokenizer (Marian's, Japanese BERT's) is given each word between blanks by itself; where its tokens are not
    those of the whole text then, nothing is guessed.

    Raises:
        UserError: they cannot be told.
    """
    (tokens,) = pieces.tokenized(tokenizer, [text], offsets=tokenizer.is_fast)
    if tokenizer.is_fast:
        return Placed(tokens.ids.tolist(), [(int(start), int(end)) for start, end in tokens.offsets])
    between = [(match.start(), match.end()) for match in re.finditer(r"\S+", text)]
    ids, spans = list[int](), list[words.Place]()
    for start, end in between:
        made = tokenizer(text[start:end], add_special_tokens=False, verbose=False)["input_ids"]
        ids += made
        spans += [(start, end)] * len(made)
    if ids != tokens.ids.tolist():
        require_places(tokenizer)
    return Placed(ids, spans, between)


def sureness_of_written(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """How probable written tokens are, each behind those before it: their geometric mean, shape (rows,).

    Args:
        logits: by which each is foretold, shape (rows, tokens, vocabulary).
        labels: the tokens, shape (rows, tokens), IGNORED where there is none; as many in each row.
    """
    rows, places = (labels != IGNORED).nonzero(as_tuple=True)
    chances = logits[rows, places].float().log_softmax(-1).gather(1, labels[rows, places][:, None])
    return chances.view(len(labels), -1).mean(1).exp()


def readings_of(
    made: Mapping[str, Sequence[Any]],
    places: Sequence[Sequence[tuple[str, int, int] | None]],
    texts: Mapping[str, str],
    starts: Mapping[str, Sequence[words.Place]] | None = None,
) -> list[Reading]:
    """The readings of features whose tokens' places are known.

    Args:
        made: columns of the features of one example, as `Task.features` gives them.
        places: of each feature, see `words_in`.
        texts, starts: see there.

    Raises:
        UserError: they are not of the same tokens, as of a text of many thousand words.
    """
    if [len(ids) for ids in made["input_ids"]] != [len(tokens) for tokens in places]:
        raise UserError("a text is too long to tell where its tokens stand", "Give a part of it.")
    names = [name for name in made if name not in BOOKKEEPING]
    return [
        Reading({name: made[name][i] for name in names}, words_in(texts, tokens, starts))
        for i, tokens in enumerate(places)
    ]


def require_places(tokenizer: Any) -> None:
    """Stop where a tokenizer does not tell where its tokens stand.

    Raises:
        UserError: saying so.
    """
    if not tokenizer.is_fast:
        raise UserError(
            f"{type(tokenizer).__name__} does not tell where its tokens stand in a text, and words would be guessed",
            "Name a model with a tokenizer.json.",
        )


def unknown_target(asked: str, kind: str, known: Sequence[str]) -> UserError:
    """What is raised where a user asks to have something explained that there is not.

    Args:
        kind: what it should be, for the message.
        known: names of those that there are.
    """
    meant = nearest(asked, known)
    listed = ", ".join(known[:SHOWN]) + (", ..." if len(known) > SHOWN else "")
    return UserError(
        f"--target {asked}: there is no such {kind}", f"Did you mean {meant}?" if meant else f"There are: {listed}."
    )
