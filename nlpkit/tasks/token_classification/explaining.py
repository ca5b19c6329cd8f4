"""Why words have their tags: which words of the text the tags of an entity hang on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nlpkit.data import words
from nlpkit.errors import UserError
from nlpkit.tasks.explained import Question, Reading, unknown_target, words_of_owners
from nlpkit.tasks.token_classification.tag_sets import TagSet
from nlpkit.tasks.token_classification.tags import OUTSIDE, Span

if TYPE_CHECKING:
    import torch

    from nlpkit.tasks.forward import Forward


BETWEEN = ": "  # a class and a piece of the text, as a question shows them and a user names them


class Explained(NamedTuple):
    """Words whose tags are explained.

    Attributes:
        label: what they are together.
        tags: of each.
    """

    label: str
    tags: Mapping[int, str]


@dataclass(frozen=True)
class Sentence:
    """What the model found in a text.

    Attributes:
        text, places: with the characters of its words.
        tags: of the words, as the model gives them.
        entities: that they make up, or with plain tags the words by themselves.
    """

    text: str
    places: Sequence[words.Place]
    tags: Sequence[str]
    entities: Sequence[Span]

    def said(self, span: Sequence[int]) -> str:
        """The text of words, from the first to the one behind the last."""
        return self.text[self.places[span[0]][0] : self.places[span[1] - 1][1]]

    def chosen(self, asked: str | None, tag_set: TagSet) -> list[Explained]:
        """What is explained.

        Args:
            asked: a class of which all entities are meant, or a piece of the text; or both, as `PER: Ann`: how sure the
                model is that this is one. None: all entities.

        Raises:
            UserError: there is no such class and no such piece, or the model finds nothing of the class.
        """
        if asked is None:
            return [self._as_found(span) for span in self.entities]
        if asked in tag_set.classes:
            found = [self._as_found(span) for span in self.entities if span[2] == asked]
            if not found:
                raise UserError(
                    f"--target {asked}: the model finds no {asked} in the text",
                    f'Name a piece of it too, and it is told what speaks for that: "{asked}: {self.said((0, 1))}".',
                )
            return found
        name, _, piece = asked.partition(BETWEEN)
        if piece and name in (*tag_set.classes, OUTSIDE) and (inside := self._words_of(piece)):
            return [Explained(name, dict(zip(inside, _tags(name, len(inside), tag_set), strict=True)))]
        inside = self._words_of(asked)
        if not inside:
            known = [*tag_set.classes, *(self.text[start:end] for start, end in self.places)]
            raise unknown_target(asked, f"{tag_set.class_noun} of the model and no such word in the text", known)
        around = [span for span in self.entities if span[0] <= inside[0] < span[1]]
        if around:
            return [self._as_found(around[0])]
        return [self._as_found((inside[0], inside[-1] + 1, self.tags[inside[0]]))]

    def _as_found(self, span: Sequence[Any]) -> Explained:
        first, behind, label = span
        return Explained(label, {word: self.tags[word] for word in range(first, behind)})

    def _words_of(self, piece: str) -> list[int]:
        """The words that a piece of the text reaches into, where it first stands."""
        start = self.text.find(piece)
        places = enumerate(self.places)
        return [i for i, (first, end) in places if first < start + len(piece) and end > start >= 0]


def _tags(name: str, words: int, tag_set: TagSet) -> Sequence[str]:
    """The tags of so many words that are an entity of a class together, or none.

    Raises:
        UserError: the model has no tag for one of them.
    """
    if tag_set.plain:
        return [name] * words
    tags = [OUTSIDE] * words if name == OUTSIDE else tag_set.tags_of([Span(0, words, name)], words)
    lacking = [tag for tag in tags if tag not in tag_set.ids]
    if lacking:
        raise UserError(f"--target {name}: the model has no tag {lacking[0]}", "Name a single word.")
    return tags


def questions(
    tokenizer: Any,
    sentence: Sentence,
    made: Mapping[str, Sequence[Any]],
    tag_set: TagSet,
    asked: str | None,
    *,
    max_length: int | None,
    averages: bool,
) -> list[Question]:
    """How sure the model is of the tags of each entity: the mean over its words.

    Args:
        made: features of the text, see `features.windows`. An entity that two windows read is a question in each.
        asked: see `Sentence.chosen`.
        averages: whether all tokens of a word speak for it alike; else the surest of those that are read does.
    """
    starts, ends = zip(*sentence.places, strict=True)
    (tokens,) = words.tokenized(tokenizer, [sentence.text], [starts], [ends])
    # a token of no word (a blank) belongs to the word before it
    owners = np.maximum(np.maximum.accumulate(tokens.words), 0)
    before, after = words.frame(tokenizer)
    room = max(max_length - len(before) - len(after), 1) if max_length else None
    readings = []
    for window, ids, read in zip(words.windows(len(tokens.ids), room), made["input_ids"], made["read"], strict=True):
        inside = [*[-1] * len(before), *owners[window.start : window.stop].tolist(), *[-1] * len(after)]
        found = words_of_owners("text", sentence.text, sentence.places, inside)
        readings.append(Reading({"input_ids": ids, "read": read}, found))
    out = []
    for one in sentence.chosen(asked, tag_set):
        for i, reading in enumerate(readings):
            spoken: dict[int, list[int]] = {}
            for position, word in zip(made["read"][i], made["words"][i], strict=True):
                if word in one.tags:
                    spoken.setdefault(int(word), []).append(int(position))
            if not spoken:
                continue
            target = {
                "tokens": list(spoken.values()),
                "tags": [tag_set.ids[one.tags[word]] for word in spoken],
                "averages": averages,
            }
            said = sentence.said((min(spoken), max(spoken) + 1))
            out.append(Question(f"{one.label}{BETWEEN}{said}", [reading], target, {"text": sentence.text}))
    return out


def explained(forward: Forward, target: Mapping[str, Any]) -> torch.Tensor:
    """The probability of the tags of words, shape (rows,)."""
    import torch

    probabilities = forward.logits.float().softmax(-1)
    rows = torch.arange(len(probabilities), device=probabilities.device)
    each = []
    for positions, tag in zip(target["tokens"], target["tags"], strict=True):
        tokens = probabilities[:, positions]
        if target["averages"]:
            each.append(tokens[..., tag].mean(1))
        else:
            each.append(tokens[rows, tokens.amax(-1).argmax(1), tag])
    return torch.stack(each).mean(0)
