"""Spans of characters as annotation tools write them, and how these count the characters of a text.

Tools in JavaScript and Java count UTF-16 units, some count bytes, some name the last character and not the one behind
it, or count from 1. Read as anything else than what they are, such spans stand beside their words. What a file means is
settled for all its spans at once: by the text that they say they cover, else by where words begin and end.
"""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal, NamedTuple, TypeGuard, get_args

from nlpkit.data import squad, words
from nlpkit.tasks.token_classification.tags import Offsets

# fmt: on

SAID: dict[str, str] = {
    "characters": "in characters",
    "utf-16": "in UTF-16 units (an emoji is two)",
    "utf-8": "in bytes of UTF-8",
    "inclusive": "in characters up to the last one of the span",
    "from-1": "in characters from 1",
    "from-1-inclusive": "in characters from 1, up to the last one of the span",
    "stripped": "from the first character that is no blank",
    "crlf": "with two characters for a line end",
    "lf": "with one character for the two of a line end",
}
"""How the offsets of a file may count, in words; in the order in which that is tried."""

# how annotation tools call what a span has
START = ("start", "start_offset", "startOffset", "start_char", "begin", "offset")
END = ("end", "end_offset", "endOffset", "end_char", "stop")
LENGTH = ("length",)  # in place of an end
LABEL = ("label", "type", "tag", "labels", "entity_group", "entity_type", "entity", "category", "class")
PAIR = ("span", "offsets")  # or start and end in a list
OWN_TEXT = "text"  # of which it is sure what it is
MAYBE_TEXT = ("value", "quote", "surface", "mention", "word", "name")

_CERTAIN = 0.9  # share of the spans that must cut words before ends or starts are taken to be off by one
# scripts without blanks between words, and Korean, whose particles are written to their noun: Thai, Lao, Tibetan,
# Myanmar, Khmer, Hangul
_UNPARTED = ((0x0E00, 0x0FFF), (0x1000, 0x109F), (0x1100, 0x11FF), (0x1780, 0x17FF), (0x3130, 0x318F), (0xAC00, 0xD7AF))


class Mark(NamedTuple):
    """A span as it is written: where, its label, and the text that it says it covers.

    Attributes:
        sure: whether `text` is what the span covers, and not perhaps a name for it.
    """

    start: int
    end: int
    label: str
    text: str | None = None
    sure: bool = True

    def __str__(self) -> str:
        text = f", {self.text!r}" if self.text else ""
        return f"span {self.start} to {self.end} ({self.label}{text})"


def marks_of(value: Any) -> list[Mark]:
    """The spans in a cell: a list of objects, or lists under the same keys.

    Raises:
        ValueError: a span lacks start, end or label; says so in a few words.
    """
    if isinstance(value, Mapping):  # how `datasets` keeps a sequence of objects
        value = [dict(zip(value, cells, strict=True)) for cells in zip(*value.values(), strict=True)]
    return [mark for item in value or [] for mark in _marks(item)]


def _marks(item: Any) -> list[Mark]:
    if not isinstance(item, Mapping):
        raise ValueError(f"a span is an object with start, end and label, not {item!r}")
    pair = _first(item, PAIR)
    start, end = pair if isinstance(pair, list | tuple) and len(pair) == 2 else (_first(item, START), _first(item, END))
    length, labels = _first(item, LENGTH), _first(item, LABEL)
    labels = labels if isinstance(labels, list | tuple) else [labels]
    if start is None or (end is None and length is None) or not labels or None in labels:
        shown = {name: value for name, value in item.items() if value is not None}
        raise ValueError(f"a span needs start, end and label: {shown}")
    try:
        first = _whole(start)
        behind = _whole(end) if end is not None else first + _whole(length)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"start and end of a span are numbers of characters: {item}") from None
    sure = isinstance(item.get(OWN_TEXT), str)
    text = item[OWN_TEXT] if sure else _first(item, MAYBE_TEXT)
    text = text if isinstance(text, str) and text.strip() else None
    return [Mark(first, behind, str(label), text, sure) for label in labels]


def _whole(value: Any) -> int:
    number = int(value)
    if isinstance(value, float) and number != value:
        raise ValueError(value)
    return number


def are_keys(keys: Collection[str]) -> bool:
    """Whether objects with these keys are spans."""
    ends = bool(set(END) & set(keys)) or bool(set(LENGTH) & set(keys))
    placed = bool(set(PAIR) & set(keys)) or (bool(set(START) & set(keys)) and ends)
    return placed and bool(set(LABEL) & set(keys))


def _first(item: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((item[name] for name in names if item.get(name) is not None), None)


# --- one way to count ---

Place = tuple[int, int]
Reader = Callable[[Mark], Place | None]  # of one text: the characters that a span means, None for no such place


def _reader(text: str, offsets: str) -> Reader:
    if offsets in _SIZES and not (text.isascii() and "\n" not in text):
        at = {place: i for i, place in enumerate(accumulate(_SIZES[offsets](text), initial=0))}
        return lambda mark: _place(at.get(mark.start), at.get(mark.end))
    lead = len(text) - len(text.lstrip()) if offsets == "stripped" else 0
    first = lead - offsets.startswith("from-1")
    behind = first + offsets.endswith("inclusive")
    return lambda mark: (mark.start + first, mark.end + behind)


_SIZES: dict[str, Callable[[str], list[int]]] = {
    "utf-16": lambda text: [2 if ord(character) > 0xFFFF else 1 for character in text],
    "utf-8": lambda text: [len(character.encode()) for character in text],
    "crlf": lambda text: [1 + (pair[1] == "\n" and pair[0] != "\r") for pair in zip(" " + text, text, strict=False)],
    "lf": lambda text: [1 - (pair == ("\r", "\n")) for pair in zip(text, text[1:] + " ", strict=True)],
}
"""How much each character of a text counts."""


def _place(start: int | None, end: int | None) -> Place | None:
    return None if start is None or end is None else (start, end)


def _plain(text: str) -> str:
    """A text without what tools change in it: blanks, line ends (Label Studio writes them out), composed accents."""
    return " ".join(unicodedata.normalize("NFC", text.replace("\\n", " ")).split())


def _agrees(text: str, mark: Mark, place: Place | None) -> bool:
    return _within(place, text) and _plain(text[slice(*place)]) == _plain(mark.text or "")


def cuts_a_word(text: str, place: Place) -> bool:
    """Whether a span begins or ends between two letters or digits of a word."""
    return any(_inside(text, border) for border in place)


def _is_unparted(character: str) -> bool:
    return any(low <= ord(character) <= high for low, high in _UNPARTED)


def _inside(text: str, border: int) -> bool:
    if not 0 < border < len(text):
        return False
    pair = text[border - 1], text[border]
    if any(map(_is_unparted, pair)):
        return False
    return all(words.shape(character) in "a0" for character in pair)


# --- the way of a file ---


@dataclass
class Counting:
    """How the spans of a file count, and how that was found out.

    Attributes:
        offsets: the way to count.
        reason: `asked` for, as all agree with their `text`, as else `words` are cut, or None where nothing speaks
            against characters.
        compared: whether the texts that spans bring are what they cover.
        total, moved: spans, and those that this way places elsewhere than characters would.
    """

    offsets: str = "characters"
    reason: Literal["asked", "text", "words"] | None = None
    compared: bool = True
    total: int = 0
    moved: int = 0

    def of(self, texts: Sequence[str], marks: Sequence[Sequence[Mark]]) -> Counting:
        """The same for some of the texts alone: with their `total` and `moved`."""
        total = sum(map(len, marks))
        if self.reason is None:
            return dataclasses.replace(self, total=total, moved=0)
        moved = sum(
            read(mark) != (mark.start, mark.end)
            for text, marks_here in zip(texts, marks, strict=True)
            if marks_here
            for read in [_reader(text, self.offsets)]
            for mark in marks_here
        )
        return dataclasses.replace(self, total=total, moved=moved)

    def placed(self, text: str, marks: Sequence[Mark]) -> list[Placed]:
        """Where the spans of a text stand."""
        read = _reader(text, self.offsets)
        return [self._settled(text, mark, read(mark)) for mark in marks]

    def _settled(self, text: str, mark: Mark, place: Place | None) -> Placed:
        if mark.text is not None and self.compared and not _agrees(text, mark, place):
            spot = squad.locate(text, squad.Answer(mark.text, mark.start))
            return Placed(mark, (spot.start, spot.end) if spot else None, by_text=True)
        if place is None or (place[0] < 0 or place[1] > len(text)):
            return Placed(mark, None)
        return Placed(mark, place)


class Placed(NamedTuple):
    """A span and the characters that it means, None where it stands nowhere; `by_text`: found by its text alone."""

    mark: Mark
    place: Place | None
    by_text: bool = False


def counting(texts: Sequence[str], marks: Sequence[Sequence[Mark]], offsets: str = "auto") -> Counting:
    """Settle how all spans of a file count.

    Where they bring the text that they cover, the first way that agrees with all of it; else characters, unless these
    cut words where another way cuts none: one that counts some characters as several where any word is cut, one with
    ends or starts off by one where nearly all are. Where several do and differ, it stays at characters.

    Args:
        texts: of the file.
        marks: the spans of each text.
        offsets: the way to count that the user named, else "auto".
    """
    pairs = [(text, marks_here) for text, marks_here in zip(texts, marks, strict=True) if marks_here]
    made = Counting(compared=_compared(pairs))
    ways = [offsets] if offsets != "auto" else get_args(Offsets)
    told = made.compared and any(mark.text for _, marks_here in pairs for mark in marks_here)
    if offsets != "auto":
        made.offsets, made.reason = offsets, "asked"
    elif told:
        made.offsets = next((way for way in ways if _all_agree(pairs, way)), "characters")
        made.reason = "text" if made.offsets != "characters" else None
    else:
        made.offsets = _by_words(pairs)
        made.reason = "words" if made.offsets != "characters" else None
    return made.of(texts, marks)


Pairs = Sequence[tuple[str, Sequence[Mark]]]


def _compared(pairs: Pairs) -> bool:
    """Whether the texts of spans are what they cover: under another key than `text` that may be a name for it."""
    doubtful = [(text, mark) for text, marks in pairs for mark in marks if mark.text and not mark.sure]
    matching = sum(_plain(mark.text or "") in _plain(text) for text, mark in doubtful)
    return 2 * matching >= len(doubtful)


def _all_agree(pairs: Pairs, way: str) -> bool:
    return all(
        _agrees(text, mark, place(mark))
        for text, marks in pairs
        for place in [_reader(text, way)]
        for mark in marks
        if mark.text
    )


def _cuts(pairs: Pairs, way: str) -> int:
    """How many spans cut words or stand nowhere."""
    count = 0
    for text, marks in pairs:
        read = _reader(text, way)
        for mark in marks:
            place = read(mark)
            count += not _within(place, text) or cuts_a_word(text, place)
    return count


def _within(place: Place | None, text: str) -> TypeGuard[Place]:
    return place is not None and 0 <= place[0] < place[1] <= len(text)


def _can_be_cut(text: str, mark: Mark) -> bool:
    """Whether a span is of a script in which a border can be seen to cut a word."""
    return any(
        words.shape(character) in "a0" and not _is_unparted(character) for character in text[mark.start : mark.end]
    )


def _by_words(pairs: Pairs) -> str:
    """The way that no word speaks against, where words speak against characters; of several the tidiest."""
    wrong = _cuts(pairs, "characters")
    if not wrong:
        return "characters"
    telling = sum(_can_be_cut(text, mark) for text, marks in pairs for mark in marks)
    nearly_all = wrong >= max(_CERTAIN * telling, 2)
    ways = [*_SIZES, *(way for way in get_args(Offsets) if nearly_all and way not in (*_SIZES, "characters"))]
    fitting = {way: _untidy(pairs, way) for way in ways if _cuts(pairs, way) == 0}
    if not fitting:
        return "characters"
    best = [way for way, count in fitting.items() if count == min(fitting.values())]
    return best[0] if all(_same(pairs, best[0], way) for way in best[1:]) else "characters"


def _untidy(pairs: Pairs, way: str) -> int:
    """How many spans begin or end with a blank."""
    return sum(
        piece != piece.strip()
        for text, marks in pairs
        for place in map(_reader(text, way), marks)
        if _within(place, text)
        for piece in [text[slice(*place)]]
    )


def _same(pairs: Pairs, way: str, other: str) -> bool:
    """Whether two ways place all spans alike."""
    return all(_reader(text, way)(mark) == _reader(text, other)(mark) for text, marks in pairs for mark in marks)
