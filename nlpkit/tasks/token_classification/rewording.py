"""Sentences with tags as words that can be changed, and rows with their tags again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nlpkit.data.conll import NUMBERS
from nlpkit.data.places import user_columns
from nlpkit.data.wording import Word, Wording, text_of
from nlpkit.tasks.rewording import Rewordable, plain_rows
from nlpkit.tasks.token_classification import tags as schemes
from nlpkit.tasks.token_classification.tagged import TaggedSentence, holds_spans
from nlpkit.tasks.token_classification.tags import Scheme

if TYPE_CHECKING:
    from datasets import Dataset

# columns of CoNLL-U that number other words of the sentence, which a changed one has elsewhere, or not at all
OF_PLACES = frozenset(("head", "deprel", "deps"))


@dataclass(frozen=True)
class RewordableTags(Rewordable):
    """See `Rewordable`.

    Attributes:
        text, tag: columns of the words and of the tags.
        beside: columns with a cell for each word, in the order of `Word.beside`.
        spans: whether the words are a text, and the tags its spans.
    """

    text: str = ""
    tag: str = ""
    beside: Sequence[str] = ()
    spans: bool = False

    def reworded(self, row: int, changed: Mapping[str, Wording]) -> dict[str, Any]:
        (wording,) = changed.values()
        if self.spans:
            return {**self.rows[row], self.text: text_of(wording), self.tag: spans_of(wording)}
        of_words: dict[str, list[Any]] = {
            self.text: [word.text for word in wording],
            self.tag: [word.tag for word in wording],
        }
        for place, name in enumerate(self.beside):
            if name == NUMBERS:
                of_words[name] = [str(number) for number in range(1, len(wording) + 1)]
            else:
                of_words[name] = ["_" if name in OF_PLACES else word.beside[place] for word in wording]
        return {**self.rows[row], **of_words}


def of_sentences(
    rows: Dataset, text: str, tag: str, sentences: Sequence[TaggedSentence | None], scheme: Scheme
) -> RewordableTags:
    """The rows whose sentence could be read, with the tags that were read.

    Args:
        rows: of the user's data.
        text, tag: the columns of the words and of the tags.
        sentences: of each row, None where it cannot be used.
        scheme: of the tags in the rows.
    """
    spans = holds_spans(rows, tag)
    plain = plain_rows(rows)
    beside = [] if spans else _beside(plain, [name for name in user_columns(rows.column_names) if name != tag], text)
    numbers = [number for number, sentence in enumerate(sentences) if sentence is not None]
    wordings = [{text: _wording(sentence, plain[i], beside)} for i, sentence in enumerate(sentences) if sentence]
    kept = [plain[number] for number in numbers]
    kind: Any = "plain" if scheme == "plain" else "bio"
    made = RewordableTags(kept, wordings, numbers, kind, text=text, tag=tag, beside=beside, spans=spans)
    # the rows themselves have the tags of their copies, in one scheme and one shape
    written = [
        _as_read(row, text, tag, wording[text], spans=spans) for row, wording in zip(kept, wordings, strict=True)
    ]
    return replace(made, rows=written)


def _as_read(row: Mapping[str, Any], text: str, tag: str, wording: Wording, *, spans: bool) -> dict[str, Any]:
    if not spans:
        return {**row, tag: [word.tag for word in wording]}
    lead = len(row[text]) - len(row[text].lstrip())
    moved = [{**span, "start": span["start"] + lead, "end": span["end"] + lead} for span in spans_of(wording)]
    return {**row, tag: moved}


def _beside(rows: Sequence[Mapping[str, Any]], names: Sequence[str], text: str) -> list[str]:
    """Columns that have, in every row, a list of as many cells as there are words."""

    def fits(name: str) -> bool:
        return name != text and all(
            isinstance(row[name], list) and isinstance(row[text], list) and len(row[name]) == len(row[text])
            for row in rows
        )

    return [name for name in names if fits(name)]


def _wording(sentence: TaggedSentence, row: Mapping[str, Any], beside: Sequence[str]) -> list[Word]:
    assert sentence.tags is not None
    behind = [start for start, _ in sentence.places[1:]] + [len(sentence.text)]
    cells = zip(*(row[name] for name in beside), strict=True) if beside else [()] * len(sentence.tags)
    return [
        Word(sentence.text[start:end], sentence.text[end:after], tag, tuple(of_word))
        for (start, end), after, tag, of_word in zip(sentence.places, behind, sentence.tags, cells, strict=True)
    ]


def spans_of(wording: Wording) -> list[dict[str, Any]]:
    """The entities of words as spans of characters of their text, see `text_of`."""
    starts, length = [], 0
    for word in wording:
        starts.append(length)
        length += len(word.text) + len(word.after)
    tags = [word.tag or schemes.OUTSIDE for word in wording]
    return [
        {"start": starts[span.start], "end": starts[span.end - 1] + len(wording[span.end - 1].text), "label": span.type}
        for span in schemes.spans(tags)
    ]
