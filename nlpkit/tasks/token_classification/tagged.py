"""Rows of tagged words as people have them: lists of words and of tags, or a text with character spans."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from nlpkit import reporting
from nlpkit.data import columns as column_names
from nlpkit.data import words
from nlpkit.data.conll import CONLL_U
from nlpkit.data.layouts import registry as layouts
from nlpkit.data.one_type import as_text
from nlpkit.data.places import user_columns
from nlpkit.data.words import Place
from nlpkit.errors import UserError
from nlpkit.reporting import counted
from nlpkit.tasks.token_classification import spans
from nlpkit.tasks.token_classification import tags as schemes
from nlpkit.tasks.token_classification.spans import Counting, Mark
from nlpkit.tasks.token_classification.tags import Scheme, Span

if TYPE_CHECKING:
    from datasets import Dataset

Kind = Literal["pos", "chunk", "ner"]

WORD_NAMES = ("tokens", "words", "token", "word", "form", "forms")
KIND_NAMES: dict[str, Kind] = {
    **dict.fromkeys(("ner_tags", "ner", "ner_tag", "entities", "spans", "ents"), "ner"),
    **dict.fromkeys(("chunk_tags", "chunk", "chunks", "chunk_tag"), "chunk"),
    **dict.fromkeys(("pos_tags", "upos", "pos", "pos_tag", "xpos", "upos_tags"), "pos"),
}
# columns that say that they hold tags, not which
TAG_NAMES = ("tags", "labels", "tag", "label")
KINDS: tuple[Kind, ...] = ("ner", "chunk", "pos")  # what is taken first where a file has several
# of CoNLL-2000
PHRASES = frozenset(("NP", "VP", "PP", "ADVP", "ADJP", "SBAR", "PRT", "CONJP", "INTJ", "LST", "UCP"))
NOT_TAGS = frozenset(CONLL_U) - {"upos", "xpos"}
SAMPLE = 1_000  # sentences from which it is told what a column holds
MOST_TAGS = (
    200  # different values from which a column holds words, not tags; the largest tag sets in use have about 150
)

_SPANS_HINT = "Character spans go with a running text: --text-column names it."


@dataclass
class TaggedSentence:
    """The words of a row in their text.

    Attributes:
        text: the row's own, or its words with a blank between two.
        places: of the words in it.
        tags: one per word, in the scheme of the data, BIO for character spans; None where none were asked for.
        faults: spans that are left out, and why, in a few words each.
        moved: spans that stand elsewhere than they say, found by their text.
        cut: spans that begin or end inside a word.
    """

    text: str
    places: list[Place]
    tags: list[str] | None = None
    faults: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)


def sentence(value: Any) -> TaggedSentence:
    """The words of a cell with a list of them, or with a text.

    Raises:
        ValueError: there are none.
    """
    if isinstance(value, str):
        made = TaggedSentence(value, words.split(value))
    elif isinstance(value, list | tuple):
        if (odd := next((word for word in value if isinstance(word, dict | list)), None)) is not None:
            raise ValueError(f"a word is text, not {str(odd)[:60]}")
        made = TaggedSentence(*words.joined(["" if word is None else as_text(word) for word in value]))
    else:
        made = TaggedSentence("", [])
    if not made.places or not made.text.strip():
        raise ValueError("no words")
    return made


def tagged_sentence(value: Any, tags: Any, counting: Counting) -> TaggedSentence:
    """The words of a row with their tags.

    Args:
        value: a list of words, or a text.
        tags: of a list of words a tag each (see `cells`); of a text spans with start, end and label.
        counting: how the spans count characters.

    Raises:
        ValueError: no words, not a tag for each, or a span that stands nowhere; the message says so in a few words.
    """
    if isinstance(value, str):
        return _marked(value, spans.marks_of(tags), counting)
    made = sentence(value)
    if not isinstance(tags, list) or len(tags) != len(made.places):
        count = len(tags) if isinstance(tags, list) else 0
        raise ValueError(f"{counted(len(made.places), 'word', 'words')}, {counted(count, 'tag', 'tags')}")
    made.tags = tags
    return made


class LostSpan(ValueError):
    """A span whose words are not known: as all others of its row would be trained as no entity, the row is lost."""


def _marked(text: str, marks: list[Mark], counting: Counting) -> TaggedSentence:
    """A text cut into words so that spans cover whole ones; of two that overlap the one behind is left out.

    Raises:
        LostSpan: a span is not within the text, or does not cover the text that it says it covers.
    """
    made = sentence(text)  # which must have words
    kept = list[tuple[int, int, str]]()
    placed = counting.placed(text, marks)
    for mark, place, in_text in sorted(placed, key=lambda one: (one.place or (0, 0), one.mark)):
        if place is None and in_text:
            raise LostSpan(f"{mark} does not cover that text")
        if place is None:
            raise LostSpan(f"{mark} is not within the {len(text)} characters")
        start, end = place
        if in_text:
            made.moved.append(f"{mark} is {start} to {end}")
        if not words.split(text[start:end]):
            made.faults.append(f"{mark} covers no word")
        elif kept and start < kept[-1][1]:
            made.faults.append(f"{mark} overlaps span {kept[-1][0]} to {kept[-1][1]} ({kept[-1][2]})")
        else:
            kept.append((start, end, mark.label))
            if spans.cuts_a_word(text, place):
                around = text[max(start - 10, 0) : start], text[start:end], text[end : end + 10]
                made.cut.append(f"{mark}: {around[0]}[{around[1]}]{around[2]}")
    made.places = words.split(text, [border for start, end, _ in kept for border in (start, end)])
    found_spans = []
    for start, end, label in kept:
        inside = [i for i, (first, behind) in enumerate(made.places) if start <= first and behind <= end]
        found_spans.append(Span(inside[0], inside[-1] + 1, label))
    made.tags = schemes.bio(found_spans, len(made.places))
    return made


# --- which column holds what ---


def _holds(feature: Any) -> str:
    """What the cells of a column are: `words`, `numbers`, `spans`, `text` or `other`."""
    from datasets import ClassLabel, Value

    inner = getattr(feature, "feature", None)
    keys = set(feature) if isinstance(feature, dict) else set()
    if isinstance(inner, dict):
        keys = set(inner)
    if keys:
        return "spans" if spans.are_keys(keys) else "other"
    if isinstance(inner, ClassLabel):
        return "numbers"
    if isinstance(inner, Value):
        kinds = {"string": "words", "large_string": "words", "null": "spans"}  # lists that are all empty: no entity
        return kinds.get(inner.dtype, "numbers" if "int" in inner.dtype else "other")
    return "text" if isinstance(feature, Value) and "string" in feature.dtype else "other"


def words_column(rows: Dataset, named: str | None) -> str:
    """The column of the words, as lists or as text.

    Raises:
        UserError: the column that was named does not exist or holds something else, or none fits.
    """
    kinds = _kinds(rows)
    if named:
        column = column_names.require(named, kinds, "text")
        if kinds[column] not in ("words", "text"):
            raise UserError(f"column '{column}' holds neither lists of words nor text", "Name another: --text-column.")
        return column
    lists = [name for name, kind in kinds.items() if kind == "words"]
    texts = [name for name, kind in kinds.items() if kind == "text"]
    # beside spans a lone list of words has no tags: they are marked in the text
    if "spans" in kinds.values() and texts and len(lists) + list(kinds.values()).count("numbers") < 2:
        lists = []
    guess = (
        column_names.guess(lists, WORD_NAMES)
        or column_names.guess(texts, column_names.TEXT_NAMES)
        or next(iter(lists), "")
        or (texts[0] if len(texts) == 1 else "")
    )
    if not guess:
        raise UserError(
            f"no column holds lists of words, or text; the columns are {', '.join(kinds)}",
            f"Name it: --text-column; a file without a header needs --columns. {layouts.known('words')}",
        )
    if guess not in WORD_NAMES:
        reporting.current().note(f"words: column '{guess}' (guessed; --text-column)")
    return guess


def tags_column(rows: Dataset, text: str, named: str | None, kind: Kind | None) -> str:
    """The column of the tags of the words in column `text`.

    Args:
        rows: of the user's data.
        text: column of the words.
        named: what the user called it: a name, or a number from 1, from -1 back.
        kind: what the tags are to be; None for any.

    Raises:
        UserError: no such column, or none fits.
    """
    held = _kinds(rows)
    if named:
        column = named_column(named, list(held))
        require_tags(rows, text, column)
        return column
    fitting = _fitting(held[text])
    # a column that is empty so far is no column of words
    # tokens that are objects with tags of their own (spaCy's) are no spans
    marked = {name for name, what in held.items() if what == "spans" and name.lower() in WORD_NAMES}
    candidates = [name for name, what in held.items() if what in fitting and name not in (text, *marked)]
    # what is empty in all rows is the last guess
    candidates.sort(key=lambda name: _is_empty(rows, name))
    kinds = {name: kind_of for name in candidates if (kind_of := _kind_of(rows, name)) is not None}
    filled = [name for name in candidates if not _is_empty(rows, name)] or candidates
    if kind is None and (generic := column_names.guess(filled, TAG_NAMES)):
        if len(filled) > 1:
            others = ", ".join(name for name in filled if name != generic)
            reporting.current().note(f"tags: column '{generic}' (guessed, also possible: {others}; --tag-column)")
        return generic
    for wanted in (kind,) if kind else KINDS:
        for name, kind_of in kinds.items():
            if kind_of == wanted:
                if len(kinds) > 1 or name not in KIND_NAMES:
                    how = "" if kind else "guessed; --column pos|chunk|ner, "
                    reporting.current().note(f"tags: column '{name}' ({kind_of}; {how}--tag-column)")
                return name
    what = "spans with start, end and label" if fitting == ("spans",) else "tags"
    if kind:
        what = f"{kind} tags"
    if list(held) == [text]:
        hint = "Words alone teach nothing; if the line holds more, --delimiter says what separates its columns."
    elif "spans" in held.values() and held[text] == "words":
        hint = _SPANS_HINT
    else:
        hint = f"Name it by name or number: --tag-column. {layouts.known('words')}"
    raise UserError(f"no column holds {what}; the columns are {', '.join(held)}", hint)


def _is_empty(rows: Dataset, column: str) -> bool:
    feature = rows.features[column]
    return getattr(getattr(feature, "feature", feature), "dtype", None) == "null"


def require_tags(rows: Dataset, text: str, column: str, *, where: str = "") -> None:
    """Make sure that a column can hold the tags of the words in column `text`; one that is empty can.

    Raises:
        UserError: it holds the words themselves, or something else.
    """
    if column == text:
        raise UserError(f"{where}column '{column}' holds the words, not their tags", "Name another: --tag-column.")
    held = _kinds(rows)
    if _is_empty(rows, column) or held[column] in _fitting(held[text]):
        return
    if held[text] == "text":
        what = "no spans with start, end and label"
        hint = f"Tags go with lists of words: --text-column. {layouts.known('words')}"
    else:
        what = "no lists of tags"
        hint = _SPANS_HINT if held[column] == "spans" else "Name another: --tag-column."
    raise UserError(f"{where}column '{column}' holds {what}, as the words of column '{text}' need", hint)


def _fitting(held: str) -> tuple[str, ...]:
    """What the tags of words are held in, by what the words are held in."""
    return ("spans",) if held == "text" else ("words", "numbers")


def named_column(named: str, columns: Sequence[str]) -> str:
    """The column of this name, or of this number: 1 is the first, as for `cut -f`, -1 the last.

    Raises:
        UserError: there is none.
    """
    if named in columns or not re.fullmatch(r"-?\d+", named):
        if named in KINDS and column_names.guess(columns, [named]) is None:
            raise UserError(
                f"there is no tag column '{named}'; the columns are {', '.join(columns)}",
                f"--column {named} looks for one that holds such tags.",
            )
        return column_names.require(named, columns, "tag")
    number = int(named)
    if not 1 <= abs(number) <= len(columns):
        shown = ", ".join(f"{i} {name}" for i, name in enumerate(columns, start=1))
        raise UserError(f"--tag-column {named}: the columns are {shown}", "Count from 1, or from -1 back.")
    return columns[number - 1 if number > 0 else number]


def _kinds(rows: Dataset) -> dict[str, str]:
    return {name: _holds(rows.features[name]) for name in user_columns(rows.column_names)}


def _kind_of(rows: Dataset, column: str) -> Kind | None:
    """What the tags of a column are, by its name or else by a sample of them; None for no tags."""
    if column.lower() in KIND_NAMES:
        return KIND_NAMES[column.lower()]
    if column in NOT_TAGS:
        return None
    if holds_spans(rows, column):
        return "ner"
    sample = [value for value in cells(rows.select(range(min(SAMPLE, len(rows)))), column) if value]
    scheme = schemes.detect(sample)
    distinct = {tag for tags in sample for tag in tags}
    if scheme == "plain":
        return "pos" if len(distinct) <= MOST_TAGS else None
    kinds = schemes.types(distinct, scheme)
    return "chunk" if sum(kind in PHRASES for kind in kinds) > len(kinds) / 2 else "ner"


def class_names(rows: Dataset, column: str) -> list[str] | None:
    """The names that a column of numbered tags was declared with."""
    from datasets import ClassLabel

    inner = getattr(rows.features[column], "feature", None)
    return list(inner.names) if isinstance(inner, ClassLabel) else None


def cells(rows: Dataset, column: str, known: Collection[str] | None = ()) -> list[Any]:
    """The tags of each row: a list of names, an empty one for a missing tag; of spans the cell as it is.

    Args:
        rows, column: of the user's data.
        known: types that tags may have, see `schemes.spelling`; None leaves tags as they are spelled.
    """
    values = rows[column][:]
    if holds_spans(rows, column):
        return values
    names = class_names(rows, column)

    def name(tag: Any) -> str:
        if tag is None or (isinstance(tag, int) and tag < 0):  # -100: a word that is not to be judged
            return ""
        return names[tag] if names else str(tag).strip()

    spelled: dict[Any, str] = {tag: name(tag) for tag in dict.fromkeys(tag for value in values for tag in value or ())}
    if known is not None and (canonical := schemes.spelling(names or spelled.values(), known)):
        spelled = {tag: canonical.get(written, written) for tag, written in spelled.items()}
    return [value and [spelled[tag] for tag in value] for value in values]


def holds_spans(rows: Dataset, column: str) -> bool:
    """Whether a column holds spans of characters."""
    return _holds(rows.features[column]) == "spans"


def scheme_of(rows: Dataset, column: str, named: Scheme | None, known: Collection[str] | None = ()) -> Scheme:
    """The scheme of the tags in a column, which is `bio` for spans: the one asked for, else the one found.

    Args:
        rows, column, known: see `cells`.
        named: the scheme that the user named.

    Raises:
        UserError: another one was asked for than spans have.
    """
    if holds_spans(rows, column):
        if named not in (None, "bio"):
            raise UserError(
                f"column '{column}' holds character spans, which mark entities and are no {named.upper()} tags",
                "Leave out --scheme, or name another column: --tag-column.",
            )
        return "bio"
    if named:
        return named
    return schemes.detect(value for value in cells(rows, column, known) if value)


def spelled(named: Scheme | None, known: Collection[str] = ()) -> Collection[str] | None:
    """What `cells` takes for `known`: in the schemes whose tags have no letters each stays as it is."""
    return None if named in ("io", "plain") else known


def distinct(rows: Dataset, column: str, known: Collection[str] | None = ()) -> list[str]:
    """The different tags in a column, as BIO for spans, in the order of their first; arguments as for `cells`."""
    if holds_spans(rows, column):
        labels: dict[str, None] = {}
        for value in rows[column][:]:
            with contextlib.suppress(ValueError):  # told when the row is read
                labels.update(dict.fromkeys(mark.label for mark in spans.marks_of(value)))
        return [f"B-{label}" for label in labels]
    return list(dict.fromkeys(tag for value in cells(rows, column, known) for tag in value or ()))


def is_tagged(row: Mapping[str, Any]) -> bool:
    """Whether a row looks like words with their tags, or like a text with spans."""
    lists = [value for value in row.values() if isinstance(value, list) and value]
    words_and_tags = any(
        len(one) == len(other) and one is not other and all(isinstance(part, str) for part in one)
        for one in lists
        for other in lists
    )
    word = column_names.guess(list(row), WORD_NAMES)
    one_a_row = word and len(str(row[word]).split()) < 2 and column_names.guess(list(row), (*KIND_NAMES, *TAG_NAMES))
    return words_and_tags or any(map(_is_span, [value[0] for value in lists])) or bool(one_a_row)


def _is_span(item: Any) -> bool:
    if isinstance(item, list):
        return [type(part) for part in item] == [int, int, str]
    return isinstance(item, dict) and spans.are_keys(item)
