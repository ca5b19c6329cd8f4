"""Rows of JSON Lines and of JSON documents, SQuAD's among them."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from nlpkit.data import split_names, squad
from nlpkit.data.layouts import registry as layouts
from nlpkit.data.rows import DOCUMENT, DecodedLines, Row, half_of_pair, too_long
from nlpkit.errors import UserError
from nlpkit.reporting import counted

if TYPE_CHECKING:
    from nlpkit.data.inputs import Input

LONGEST_NUMBER = 1_000  # digits of a whole number, beyond which it is kept as text
DEEPEST = 64  # lists and objects within each other
_KNOWN_JSON = 'Known: a list of objects, {"data": [...]}, or {"column": [...]}; one object per line is .jsonl.'


def jsonl_rows(source: Input) -> Iterator[Row]:
    """One object a line; a document under this name is read as one, and said."""
    with source.text(newline="\n") as text:
        yield from _json_lines(source, text)


def _json_lines(source: Input, text: DecodedLines, *, begun: bool = False) -> Iterator[Row]:
    """Rows of one object a line; `begun`: a line that opens a document is bad, as those behind it do not close it."""
    hint = 'Each line must hold one JSON object, for example {"text": "...", "label": "..."}.'
    commas = 0
    decoder, repeated = _Decoder(), ""
    for number, line in enumerate(text, start=1):
        if problem := text.take_problem():
            yield source.bad(number, *problem)
            continue
        if not line.strip():
            source.skipped_blank(number)
            continue
        if not begun and (line.strip() in ("[", "{", "[{") or _is_table(line)):
            lines = ["\n"] * (number - 1) + [line, *_readable(source, text)]
            try:
                _Decoder().decode("".join(lines))
            except (json.JSONDecodeError, RecursionError):
                yield from _json_lines(source, DecodedLines(lines, source.encoding), begun=True)
                return
            source.say("holds one JSON document, read as json")
            source.format = "json"
            yield from _document(source, lines, _records)
            return
        begun, before = True, decoder.repeated
        try:
            values = decoder.decode(line)
        except RecursionError:
            yield source.bad(number, "nested too deep", hint)
            continue
        except json.JSONDecodeError as error:
            decoder.repeated = before
            if line[error.pos :].strip() != "," or not line[: error.pos].strip():
                yield source.bad(number, f"column {error.colno}: {_said(error)}", hint)
                continue
            values = decoder.decode(line[: error.pos])
            commas += 1
        if decoder.repeated and not repeated:
            repeated = f"line {number}, "
        values = _as_object(values, source)
        if not isinstance(values, dict):
            yield source.bad(number, f"expected an object, found {_kind(values)}", hint)
        elif line.count("[") + line.count("{") > DEEPEST and _too_deep(values):
            yield source.bad(number, "nested too deep", hint)
        elif "\\u" in line and (lone := _lone_surrogate(values)):
            yield source.bad(number, *lone)
        else:
            yield Row(number, values)
    if commas:
        source.say(f"{counted(commas, 'line ends', 'lines end')} in a comma, which is left out")
    decoder.tell(source, repeated)


def _said(error: json.JSONDecodeError) -> str:
    """What is wrong, without the "at" before a place that is named elsewhere."""
    return error.msg.removesuffix(" at").removesuffix(" starting")


def _is_table(line: str) -> bool:
    """Whether a line is a list of objects: a whole JSON document."""
    if not line.lstrip().startswith("["):
        return False
    try:
        document = _Decoder().decode(line)
    except (json.JSONDecodeError, RecursionError):
        return line.lstrip()[1:].lstrip().startswith("{")  # it goes on in the next line
    return isinstance(document, list) and _is_records(document)


def _is_records(items: Sequence[Any]) -> bool:
    """Whether items of JSON are objects, of which there is one at least."""
    return bool(items) and all(isinstance(item, dict) for item in items)


def _missing_number(name: str) -> float | None:
    """What JSON's dialect of Python and JavaScript writes for numbers that JSON does not have: NaN is a gap."""
    return None if name == "NaN" else float(name)


def _whole(digits: str) -> int | str:
    """A whole number; one that no arithmetic will be done with stays as it is written."""
    return int(digits) if len(digits) <= LONGEST_NUMBER else digits


def _too_deep(values: Any) -> bool:
    """Whether lists and objects hold others more than `DEEPEST` times over, which no type of a table does."""
    level = [values]
    for _ in range(DEEPEST):
        level = [
            item
            for value in level
            for item in (value.values() if isinstance(value, dict) else value)
            if isinstance(item, list | dict)
        ]
        if not level:
            return False
    return True


class _Decoder(json.JSONDecoder):
    """Reads JSON, and keeps the last value of a name that stands twice in an object.

    Attributes:
        repeated: in how many objects one did.
        name: the first such.
        nul: in how many objects a name held a NUL character.
    """

    def __init__(self) -> None:
        super().__init__(parse_constant=_missing_number, parse_int=_whole, object_pairs_hook=self._object)
        self.repeated, self.name = 0, ""
        self.nul = 0

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if any("\0" in name for name, _ in pairs):  # which names of columns may not hold
            pairs = [(name.replace("\0", r"\x00"), value) for name, value in pairs]
            self.nul += 1
        made = dict(pairs)
        if len(made) < len(pairs):
            self.repeated += 1
            names = Counter(name for name, _ in pairs)
            self.name = self.name or next(name for name in names if names[name] > 1)
        return made

    def tell(self, source: Input, where: str = "") -> None:
        """Warn where values were lost; `where` the first ones were."""
        if self.repeated:
            source.warn(
                f"{counted(self.repeated, 'object holds', 'objects hold')} a name twice, of which the last value is "
                f"kept (first: {where}{self.name!r})"
            )
        if self.nul:
            source.warn(
                f"{counted(self.nul, 'object holds', 'objects hold')} a name with a NUL character, which is read "
                r"as \x00"
            )


def json_rows(source: Input) -> Iterator[Row]:
    """The objects of a document; lines of objects are read as such, and said."""
    yield from _document_rows(source, _records)


def squad_rows(source: Input) -> Iterator[Row]:
    """Questions in SQuAD's nested layout; JSON of another shape is read as ever."""

    def rows(source: Input, document: Any) -> list[Any]:
        questions = squad.questions(document, source.name)
        return _records(source, document) if questions is None else questions

    yield from _document_rows(source, rows)


def _document_rows(source: Input, rows_of: Callable[[Input, Any], list[Any]]) -> Iterator[Row]:
    with source.text(newline="\n", document=True) as text:
        lines = list(_readable(source, text))
    yield from _document(source, lines, rows_of)


def _readable(source: Input, text: DecodedLines) -> Iterator[str]:
    """The lines of a document, which is of no use without one of them.

    Raises:
        UserError: one cannot be read, or they are longer than `DOCUMENT` together.
    """
    size = 0
    for line in text:
        size += len(line)
        if size > DOCUMENT:
            message, hint = too_long("a document", DOCUMENT)
            raise UserError(f"{source.name}: {message}", hint)
        if problem := text.take_problem():
            raise UserError(f"{source.name} line {text.number}: {problem[0]}", problem[1])
        yield line


def _document(source: Input, lines: list[str], rows_of: Callable[[Input, Any], list[Any]]) -> Iterator[Row]:
    content = "".join(lines)
    if not content.strip():
        raise source.empty()
    try:
        decoder = _Decoder()
        document = decoder.decode(content)
        decoder.tell(source)
    except RecursionError:
        raise UserError(f"{source.name}: nested too deep", "Rows are objects in a list.") from None
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            source.say("holds one object per line, read as JSON Lines")
            source.format = "jsonl"
            yield from _json_lines(source, DecodedLines(lines, source.encoding))
            return
        where = f"{source.name} line {error.lineno}, column {error.colno}"
        raise UserError(f"{where}: {_said(error)}", "Check the file with `python -m json.tool`.") from error
    if isinstance(document, dict) and document and not any(isinstance(v, list | dict) for v in document.values()):
        source.say("holds one object, read as one row")
        document = [document]
    if document == []:
        source.columns = []
    escaped = "\\u" in content
    numbers = itertools.count(1)
    held = split_names.parts_of(document)
    if held:
        source.say(f"holds the splits {', '.join(held)}")
    parts: list[tuple[str | None, Any]] = [*held.items()] if held else [(None, document)]
    for split, part in parts:
        converted = layouts.document(part, source)
        for number, values in converted or ((next(numbers), row) for row in rows_of(source, part)):
            values = _as_object(values, source)
            if not isinstance(values, dict):
                yield source.bad(number, f"expected an object, found {_kind(values)}", "Make every item an object.")
            elif _too_deep(values):
                yield source.bad(number, "nested too deep", "Rows hold texts, labels and lists of such.")
            elif escaped and (lone := _lone_surrogate(values)):
                yield source.bad(number, *lone)
            else:
                yield Row(number, values, split=split)


def _records(source: Input, document: Any) -> list[Any]:
    """The rows of a JSON document: a list, a list under "data" or the only one of objects, or columns of one length."""
    if isinstance(document, list):
        return document
    if isinstance(document, dict):
        data = document.get("data")
        if isinstance(data, list) and (len(document) == 1 or (data and isinstance(data[0], dict))):
            return data
        columns = list(document.values())
        held = [name for name, column in document.items() if isinstance(column, list) and _is_records(column)]
        even = len(columns) > 1 and len({len(column) if isinstance(column, list) else -1 for column in columns}) == 1
        if len(held) == 1 and not even:
            source.say(f"the rows are those under {held[0]!r}")
            return cast(list[Any], document[held[0]])
        if columns and all(isinstance(column, list) for column in columns):
            lengths = {name: len(column) for name, column in document.items()}
            if len(set(lengths.values())) > 1:
                raise UserError(f"{source.name}: the columns differ in length: {lengths}", _KNOWN_JSON)
            return [dict(zip(document, row, strict=True)) for row in zip(*columns, strict=True)]
    raise UserError(f"{source.name}: found {_kind(document)} that holds no rows", _KNOWN_JSON)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _lone_surrogate(values: dict[str, Any]) -> tuple[str, str] | None:
    r"""Half of a \ud83d\ude00 pair: json allows it, no text encoding does."""
    if half := half_of_pair(values):
        return f"\\u{half} is half of a surrogate pair", "Write the whole character; the text was cut inside it."
    return None


def _as_object(value: Any, source: Input) -> Any:
    """A JSON value as the object that it stands for in a known layout; others as they are."""
    if isinstance(value, dict) or (reshaped := layouts.record(value)) is None:
        return value
    row, name = reshaped
    if name is not None:
        source.say(f"read as {name}")
    return row
