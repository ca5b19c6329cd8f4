"""How the cells of a label column are written, decided on all rows: a label, a list, 0 and 1 for each label, an object.

One cell tells little: `[NOISE]` is a class among words and a list among lists. So `survey` looks at every cell of every
split in hand, whatever their order, and `Cells.read` then turns each into a label or a list of labels.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal

from nlpkit.data.labels import MINUS, MISSING_WORDS, as_number, is_missing, natural_order
from nlpkit.data.rows import spells_half
from nlpkit.errors import UserError
from nlpkit.reporting import counted

Form = Literal["one", "several", "flags"]

# fields of a label object that name it, the first that all objects have
NAMING = ("name", "label", "text", "value", "title", "class", "category")
COMMA_NUMBER = re.compile(r"[+-]?\d+,\d+")
NUMBER_LIST = re.compile(r"[0-9]+(?:,[0-9]+)+")
QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
NUMPY_TEXTS = re.compile(rf"\[\s*(?:{QUOTED})(?:\s+(?:{QUOTED}))+\s*\]")
NUMPY_ITEM = r"(?:True|False|[-+\d.eE]+)"
NUMPY_ITEMS = re.compile(rf"\[\s*{NUMPY_ITEM}(?:\s+{NUMPY_ITEM})*\s*\]")
# tensor([1, 0]), array(['a', 'b'], dtype=object)
ARRAY = re.compile(r"(?:tensor|(?:np\.|numpy\.)?array)\((\[.*\])(?:,\s*(?:dtype|device)=[^\])]*)*\)", re.DOTALL)
EMPTY_SET = "set()"  # as Python prints {} of labels; literals have none
FLAG = r"[01](?:\.0*)?"
FLAGS = re.compile(rf"{FLAG}(?:(?:\s+|\s*[;|]\s*){FLAG})+|{FLAG}(?:\s*,\s*{FLAG}){{2,}}")
# 1,5 may be a number with a decimal comma when at least this share of the cells is a number then
NUMBERS_SHARE = 0.9


@dataclass(frozen=True)
class Cells:
    """How the cells of a label column are written.

    Attributes:
        form: `one` label a cell, `several` in a list, or `flags`: 0 or 1 for each label, in their order.
        one_each: every cell that holds anything holds exactly one label, whatever the form.
        width: labels a cell has flags for.
        names: of the labels that flags are about, or that numbers count from 0; empty where nothing tells.
        naming: field of a label object that names it.
        written: texts that hold a list or an object, with that.
        delimiter: between the labels in a text.
        decimal_comma: 1,5 is a number, and 1.234,5.
        notes: what was decided, for people.
        doubtful: likewise, where it may well be wrong.
    """

    form: Form = "one"
    one_each: bool = True
    width: int = 0
    names: tuple[str, ...] = ()
    naming: str | None = None
    written: dict[str, Any] = field(default_factory=dict)
    delimiter: str | None = None
    decimal_comma: bool = False
    notes: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()

    def named(self, names: Sequence[str]) -> Cells:
        """The same with names for the places of flags, or for labels that are numbers from 0."""
        return replace(self, names=tuple(names))

    def read(self, value: Any) -> Any:
        """A label, a list of labels where the form is not `one`, or None for a cell that holds nothing.

        Raises:
            ValueError: what is wrong with the cell, in a few words.
        """
        value = self._opened(plain(value))
        if is_missing(value):
            return None
        if self.form == "flags":
            return self._flagged(value)
        if isinstance(value, list):
            items = [self._label(plain(item)) for item in value]
            labels = [item for item in items if not is_missing(item)]
            if self.form == "one":
                raise ValueError("holds a list")
            return labels
        label = self._label(value)
        return label if self.form == "one" or is_missing(label) else [label]

    def _opened(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value in self.written:
            return self.written[value]
        if self.delimiter is not None and self.form != "one":
            return [part for part in map(str.strip, value.split(self.delimiter)) if part]
        number = foreign_number(value) if self.decimal_comma else None
        return value if number is None else number

    def _label(self, value: Any) -> Any:
        if isinstance(value, dict):
            if self.naming is None:
                raise ValueError("holds an object")
            return plain(value.get(self.naming))
        if isinstance(value, list):
            raise ValueError("holds a list in a list")
        return self._counted(value) if self.names else value

    def _counted(self, value: Any) -> Any:
        number = as_number(value)
        if number is None or str(value).strip() in self.names:
            return value
        if not number.is_integer() or not 0 <= number < len(self.names):
            raise ValueError(f"holds {value!r}: there are names for 0 to {len(self.names) - 1}")
        return self.names[int(number)]

    def _flagged(self, value: Any) -> list[str]:
        if isinstance(value, dict):
            value = [value.get(name) or 0 for name in self.names]
        if isinstance(value, str):
            value = _separated(value)
        flags = [flag(plain(item)) for item in value]
        if len(flags) != len(self.names):
            raise ValueError(f"holds {len(flags)} numbers for {len(self.names)} labels")
        return [name for name, on in zip(self.names, flags, strict=True) if on]


def plain(value: Any) -> Any:
    """A cell as JSON would have it: bytes as UTF-8 text, decimals as numbers.

    Raises:
        ValueError: bytes that are no UTF-8.
    """
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            raise ValueError(f"holds bytes that are not UTF-8: {value[:20]!r}") from None
    if isinstance(value, Decimal):
        return int(value) if value.as_tuple().exponent == 0 else float(value)
    return list(value) if isinstance(value, tuple) else value


def flag(value: Any) -> bool:
    """Whether a 0 or 1, however written, is 1.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    number = as_number(value)
    if number not in (0, 1):
        raise ValueError(f"holds {value!r}, neither 0 nor 1")
    return number == 1


def is_flag(value: Any) -> bool:
    """Whether `flag` takes it."""
    try:
        flag(plain(value))
    except ValueError:
        return False
    return True


def of_columns(rows: Iterable[Sequence[Any] | None], names: Sequence[str]) -> Cells:
    """Cells that are made of a column of 0 and 1 for each label.

    Args:
        rows: the flags of each row, None where there are none.
        names: of the columns.
    """
    one_each = all(sum(map(flag, row)) == 1 for row in rows if row is not None and all(map(is_flag, row)))
    return Cells("flags", one_each, len(names), tuple(names))


def survey(
    values: Iterable[Any],
    column: str,
    *,
    delimiter: str | None = None,
    numbers: bool = True,
    known: Collection[str] = (),
) -> Cells:
    """How these cells are written.

    Args:
        values: the label column of all splits, in any order.
        column: its name, for messages.
        delimiter: given by the user: texts hold several labels with this between them.
        numbers: whether the cells may be numbers to predict, so that 1,5 may be one.
        known: names of labels: a text that is one of them is no list, whatever it looks like.

    Raises:
        UserError: no way of writing labels that is known, or several that contradict each other.
    """
    texts: Counter[str] = Counter()
    others: list[Any] = []
    bare = 0  # numbers and the like, a label each
    for value in values:
        try:
            value = plain(value)
        except ValueError:
            continue  # `read` names the row
        if is_missing(value):
            continue
        if isinstance(value, str):
            texts[value] += 1
        elif isinstance(value, list | dict):
            others.append(value)
        else:
            bare += 1
    notes: list[str] = []
    doubtful: list[str] = []
    written = _open_texts(texts, known, column, notes, doubtful)
    closed = {text: count for text, count in texts.items() if text not in written}
    structured = others + [written[text] for text, count in texts.items() if text in written for _ in range(count)]
    cells = Cells(written=written)
    if delimiter is not None:
        cells = _delimited(cells, closed, structured, delimiter)
    elif structured:
        cells = _structured(cells, structured, sum(closed.values()) + bare, column, notes, doubtful)
    elif closed and not bare and all(FLAGS.fullmatch(text.strip()) for text in closed):
        cells = _of_flags(cells, [_separated(text) for text in closed for _ in range(closed[text])], column, notes)
    elif numbers and _has_decimal_comma(closed, column, notes, doubtful):
        cells = replace(cells, decimal_comma=True)
    return replace(cells, notes=tuple(notes), doubtful=tuple(doubtful))


def _open_texts(
    texts: Counter[str], known: Collection[str], column: str, notes: list[str], doubtful: list[str]
) -> dict[str, Any]:
    """The texts that hold a list or an object, with that; none where brackets are part of names."""
    stripped = {text: text.strip() for text in texts if text.strip() not in known}
    bracketed = {
        text: inner
        for text, inner in stripped.items()
        if (inner[0] in "[{(" and inner[-1] in "]})") or ARRAY.fullmatch(inner) or inner == EMPTY_SET
    }
    if not bracketed:
        return {}
    strict = {text: value for text, inner in bracketed.items() if (value := _written(inner)) is not None}
    if len(strict) == len(texts):
        return strict
    strict = {text: value for text, value in strict.items() if isinstance(value, list)}
    # "[1]" and "[]" may be names; quotes and several items are the marks of a list
    sure = any(len(value) > 1 or isinstance(next(iter(value), None), str) for value in strict.values())
    loose = {text: inner for text, inner in bracketed.items() if inner[0] == "[" and inner[-1] == "]"}
    if len(loose) == len(texts) and (sure or any("," in inner for inner in loose.values())):
        return {text: strict.get(text, _bare_items(inner)) for text, inner in loose.items()}
    if not sure:
        count = sum(texts[text] for text in bracketed)
        example = next(iter(sorted(bracketed)))
        brackets = counted(
            count, "cell in brackets is a name as it stands", "cells in brackets are names as they stand"
        )
        notes.append(f"column '{column}': {brackets} ({example})")
        return {}
    lists, rest = sum(texts[text] for text in strict), [text for text in texts if text not in strict]
    doubtful.append(
        f"column '{column}' mixes ways of writing labels: {lists:,} cells hold lists ({min(strict)}), "
        f"{sum(texts[text] for text in rest):,} do not ({min(rest)}) and are read as one label each"
    )
    return strict


def _written(text: str) -> list[Any] | dict[str, Any] | None:
    """A list or an object as JSON, Python, numpy or torch writes it."""
    if text == EMPTY_SET:
        return []
    if wrapped := ARRAY.fullmatch(text):
        text = wrapped[1]
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        parsed = _python_literal(text)
    if spells_half(text, parsed):
        return None
    if isinstance(parsed, tuple | set):
        return list(parsed) if isinstance(parsed, tuple) else sorted(parsed, key=str)
    if isinstance(parsed, dict):
        return {str(key): value for key, value in parsed.items()}
    return parsed if isinstance(parsed, list) else None


def _python_literal(text: str) -> Any:
    # Python would join 'a' 'b' into one text; numpy means two
    if NUMPY_TEXTS.fullmatch(text):
        return [ast.literal_eval(part) for part in re.findall(QUOTED, text)]
    if NUMPY_ITEMS.fullmatch(text):
        parts = [part == "True" if part in ("True", "False") else as_number(part) for part in text[1:-1].split()]
        return None if None in parts else parts
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Python thinks of a label as code
            return ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _bare_items(text: str) -> list[str]:
    return [part.strip() for part in text[1:-1].split(",") if part.strip()]


def _separated(text: str) -> list[str]:
    return [part for part in re.split(r"[\s,;|]+", text.strip().strip("[]")) if part]


def _delimited(cells: Cells, closed: dict[str, int], structured: list[Any], delimiter: str) -> Cells:
    parts = [[part.strip() for part in text.split(delimiter) if part.strip()] for text in closed]
    if not structured and _are_flags(parts):
        return replace(cells, form="flags", one_each=_one_each(parts), width=len(parts[0]), delimiter=delimiter)
    return replace(cells, form="several", one_each=False, delimiter=delimiter, naming=_naming(structured))


def _structured(
    cells: Cells, structured: list[Any], single: int, column: str, notes: list[str], doubtful: list[str]
) -> Cells:
    """Lists and objects, and `single` cells that are neither."""
    objects = [value for value in structured if isinstance(value, dict)]
    lists = [value for value in structured if isinstance(value, list)]
    naming = _naming(structured)
    keys = {key for value in objects for key in value}
    alone = len(objects) == len(structured) and not single and len(keys) > 1
    if alone and naming is None and _of_named_flags(objects):
        # spaCy's cats, {"rude": 0, "spam": 1}: what an object lacks is 0
        names = natural_order(keys)
        notes.append(f"column '{column}': an object with 0 or 1 for each label: {', '.join(names[:6])}")
        on = [[value.get(name) or 0 for name in names] for value in objects]
        return replace(cells, form="flags", one_each=_one_each(on), width=len(names), names=tuple(names))
    if lists and not objects and not single and _are_flags(lists):
        return _of_flags(cells, lists, column, notes)
    held = objects + [item for value in lists for item in value if isinstance(item, dict)]
    if held:
        if naming is None:
            keys = {key for value in held for key in value}
            raise UserError(
                f"column '{column}' holds objects with the fields {', '.join(sorted(keys))}; none of "
                f"{', '.join(NAMING)} names the label in all of them",
                "Write the name of the label in place of the object, or 0 or 1 for each label in it.",
            )
        notes.append(f"column '{column}': labels are objects, named by their field '{naming}'")
    numbers = [item for value in lists for item in value if isinstance(item, float)]
    if any(len(value) > 1 for value in lists) and any(not number.is_integer() for number in numbers):
        example = min((value for value in lists if len(value) > 1), key=str)
        raise UserError(
            f"column '{column}' holds lists of numbers such as {example}",
            "Labels are names, or 0 and 1 for each label: write which labels a row has, not how likely each is.",
        )
    if flags := [value for value in lists if _repeats(value) and all(map(is_flag, value))]:
        raise UserError(
            f"column '{column}' mixes ways of writing labels: {len(flags):,} cells are numbers 0 or 1 for each label "
            f"({min(map(str, flags))}), {len(lists) - len(flags) + single:,} are not",
            "Write all of them alike.",
        )
    if repeating := [value for value in lists if _repeats(value)]:
        name = counted(len(repeating), "cell names", "cells name")
        doubtful.append(f"column '{column}': {name} a label twice, such as {min(map(str, repeating))}")
    counts = [len([item for item in value if not is_missing(item)]) for value in lists]
    form: Form = "several" if lists else "one"
    return replace(cells, form=form, one_each=all(count == 1 for count in counts), naming=naming)


def _repeats(items: Sequence[Any]) -> bool:
    return len(set(map(str, items))) < len(items)


def _of_named_flags(objects: list[Any]) -> bool:
    values = [item for value in objects for item in value.values()]
    return any(item is not None for item in values) and all(item is None or is_flag(item) for item in values)


def _naming(structured: list[Any]) -> str | None:
    held = [value for value in structured if isinstance(value, dict)]
    held += [item for value in structured if isinstance(value, list) for item in value if isinstance(item, dict)]
    held = [value for value in held if any(item is not None for item in value.values())]

    def names_all(key: str) -> bool:
        return all(not is_missing(value.get(key)) and not isinstance(value[key], list | dict) for value in held)

    return next((key for key in NAMING if held and names_all(key)), None)


def _are_flags(lists: Sequence[Sequence[Any]]) -> bool:
    """Whether lists are numbers 0 and 1 for each label, and not names of labels that are called 0 and 1."""
    if not lists or not all(is_flag(item) for value in lists for item in value):
        return False
    if any(map(_repeats, lists)):  # a label is named once
        return True
    return len({len(value) for value in lists}) == 1 and len(lists[0]) > 1


def _of_flags(cells: Cells, lists: Sequence[Sequence[Any]], column: str, notes: list[str]) -> Cells:
    # rows with another number of them are an error, which the reader of rows can give a place
    counts = Counter(len(value) for value in lists)
    width = max(counts, key=lambda width: (counts[width], width))
    notes.append(f"column '{column}': {width} numbers 0 or 1 in a cell, one for each label")
    return replace(cells, form="flags", one_each=_one_each(lists), width=width)


def _one_each(lists: Sequence[Sequence[Any]]) -> bool:
    return all(sum(map(flag, value)) == 1 for value in lists)


def _has_decimal_comma(texts: dict[str, int], column: str, notes: list[str], doubtful: list[str]) -> bool:
    stripped = {text.strip(): count for text, count in texts.items()}
    foreign = {text: number for text in stripped if (number := foreign_number(text)) is not None}
    words = sum(count for text, count in stripped.items() if text.lower() in MISSING_WORDS)
    plain_numbers = sum(count for text, count in stripped.items() if as_number(text) is not None)
    total = sum(stripped[text] for text in foreign)
    if _are_lists_of_numbers(stripped):
        return False
    if not foreign or total + plain_numbers < NUMBERS_SHARE * (sum(stripped.values()) - words):
        return False
    example = min(foreign)
    message = (
        f"column '{column}': {total:,} cells are read as numbers with a decimal comma, or commas or points between "
        f"thousands ({example} is {foreign[example]:g}; --label-delimiter , if these are several labels, --problem "
        "multi-class if they are names)"
    )
    # 1,234 may be a thousand and more; 0,123 is not
    thousands = all(re.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}", text) for text in foreign)
    (doubtful if thousands else notes).append(message)
    return True


def _are_lists_of_numbers(texts: Collection[str]) -> bool:
    """Whether commas stand between numbers that all stand alone as well, as 2,5 beside 2 and 5, and in their order.

    Where only one number comes behind a comma (2,5 and 3,5) it may be the half.
    """
    alone = {text for text in texts if text.isdecimal()}
    lists = [text.split(",") for text in texts if NUMBER_LIST.fullmatch(text)]
    if not all(set(parts) <= alone and parts == sorted(set(parts), key=int) for parts in lists):
        return False
    return len({part for parts in lists for part in parts[1:]}) > 1


def foreign_number(text: str) -> float | None:
    """A number with a decimal comma (1,5), or with marks between its thousands and another before its decimals."""
    text = text.strip().replace(MINUS, "-")
    if COMMA_NUMBER.fullmatch(text):
        return float(text.replace(",", "."))
    for mark, decimal in (".,", ",."):
        groups = rf"[+-]?\d{{1,3}}(?:\{mark}\d{{3}})+"
        if re.fullmatch(rf"{groups}\{decimal}\d+|{groups}\{mark}\d{{3}}", text):
            return float(text.replace(mark, "").replace(decimal, "."))
    return None
