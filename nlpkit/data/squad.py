"""SQuAD's nested JSON (https://rajpurkar.github.io/SQuAD-explorer/), answers in the shapes people keep them, and where
an answer stands in its context.
"""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from nlpkit.data.labels import is_missing
from nlpkit.errors import UserError

# Where a context was cleaned after its answers were marked, these are off by as much as was cut before them: up to 34
# characters in the reviews of SQuADShifts (Miller et al. 2020).
NEARBY = 50

OBJECTS = ("{'", '{"', "[{")  # how a cell of objects begins
TRUTH = {"": False, "true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}


class Answer(NamedTuple):
    """A gold answer: its text, and the character of the context where it is said to start, None where nobody says."""

    text: str
    start: int | None


class Spot(NamedTuple):
    """Where an answer stands, without blanks around it: characters [start, end); `moved`: not where it was said to."""

    start: int
    end: int
    moved: bool


def questions(document: Any, name: str) -> list[dict[str, Any]] | None:
    """A row for each question of a SQuAD 1.1 or 2.0 document, None for JSON of another shape.

    Args:
        document: parsed JSON.
        name: of the file, for messages.

    Returns:
        Rows of id, title, context, question and, where any question of the document has them, answers
        ({"text": [...], "answer_start": [...]}, None for a question without the key) and is_impossible. All other
        keys are passed over; `plausible_answers` of SQuAD 2.0 are no answers.

    Raises:
        UserError: the document is SQuAD's, but for a part that is named.
    """
    articles = document.get("data") if isinstance(document, dict) else document
    if not isinstance(articles, list) or not any(isinstance(item, dict) and "paragraphs" in item for item in articles):
        return None
    found = []
    for i, article in enumerate(articles):
        for j, paragraph in enumerate(_listed(article, "paragraphs", f"{name}: data[{i}]")):
            where = f"{name}: data[{i}].paragraphs[{j}]"
            context = _text(paragraph, "context", where)
            for k, entry in enumerate(_listed(paragraph, "qas", where)):
                place = f"{where}.qas[{k}]"
                question = _text(entry, "question", place)
                found.append((str(article.get("title") or ""), context, question, entry, place))
    optional = [key for key in ("answers", "is_impossible") if any(key in entry for *_, entry, _ in found)]
    rows = []
    for number, (title, context, question, entry, place) in enumerate(found, start=1):
        row: dict[str, Any] = {"id": str(entry.get("id", number)), "title": title}
        row |= {"context": context, "question": question}
        flat = {key: _flat(entry.get(key), place) if key == "answers" else entry.get(key) for key in optional}
        rows.append(row | flat)
    return rows


def is_nested(row: Mapping[str, Any]) -> bool:
    """Whether a row is an article or a paragraph in SQuAD's layout, its questions inside."""
    paragraphs: Any = row.get("paragraphs")
    inner = paragraphs[0] if _is_list(paragraphs) and paragraphs else row
    return isinstance(inner, Mapping) and _is_list(inner.get("qas"))


def _listed(parent: Any, key: str, where: str) -> list[Any]:
    value = parent.get(key) if isinstance(parent, dict) else None
    if not isinstance(value, list):
        raise UserError(f"{where} has no list {key!r}", "See the layout of SQuAD: data, paragraphs, qas.")
    return value


def _text(parent: Any, key: str, where: str) -> str:
    value = parent.get(key) if isinstance(parent, dict) else None
    if not isinstance(value, str):
        raise UserError(f"{where} has no text {key!r}", "See the layout of SQuAD: data, paragraphs, qas.")
    return value


def _flat(answers: Any, where: str) -> Any:
    """[{"text", "answer_start"}, ...] as columns, which arrow stores without knowing every key; None as it is."""
    if answers is None:
        return None
    try:
        found = answers_of(answers)
    except ValueError as error:
        raise UserError(f"{where}: {error}", 'An answer is {"text": ..., "answer_start": ...}.') from None
    return {"text": [answer.text for answer in found], "answer_start": [answer.start for answer in found]}


def answers_of(value: Any, start: Any = None) -> list[Answer]:
    """The answers in a cell: none for an unanswerable question.

    Args:
        value: {"text", "answer_start"} with one value or a list each, a list of such objects, a list of texts, a text,
            or any of the former as JSON or as Python prints it; missing (None, blank) for no answer.
        start: where the answer starts, for a `value` that does not say: a number, or one for each text.

    Raises:
        ValueError: the cell holds something else; says what.
    """
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        value = _literal(value)
    bare = not isinstance(value, Mapping)
    if isinstance(value, Mapping):
        starts = value.get("answer_start", value.get("start", start))
        if "text" not in value:
            raise ValueError(f"answers without 'text': {', '.join(map(str, value))}")
        value = value["text"]
    elif _is_list(value) and any(isinstance(item, Mapping) for item in value):
        return [answer for item in value for answer in answers_of(item)]
    else:
        starts = start
    if not _is_list(value):
        if value is None or (bare and is_missing(value)):
            return []
        return [Answer(str(value), _number(starts[0] if _is_list(starts) else starts))]
    texts = ["" if text is None else str(text) for text in value]
    given = list(starts) if _is_list(starts) else [starts] * len(texts)
    if len(given) != len(texts):
        raise ValueError(f"{len(texts)} answers but {len(given)} starts")
    return [Answer(text, _number(place)) for text, place in zip(texts, given, strict=True)]


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _literal(text: str) -> Any:
    """What a cell spells as JSON or as Python prints it; the text itself where it is neither.

    Raises:
        ValueError: it is neither, but an object or a list of these nevertheless: pandas writes arrays into them.
    """
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(text)
        except (ValueError, SyntaxError):
            continue
    if text.lstrip().startswith(OBJECTS):
        raise ValueError(f"answers that are neither JSON nor Python: {text[:60]}")
    return text


def _number(value: Any) -> int | None:
    if is_missing(value):
        return None
    try:
        number = float(value)  # pandas writes 3.0 in a column with gaps
    except (TypeError, ValueError):
        number = math.nan
    if not number.is_integer():
        raise ValueError(f"an answer starts at {value!r}, which is not a whole number")
    return int(number)


def is_true(value: Any) -> bool:
    """What a cell of `is_impossible` says, where csv files have text; false if it is missing.

    Raises:
        ValueError: it says something else.
    """
    if not isinstance(value, str):
        return not is_missing(value) and bool(value)
    said = TRUTH.get(value.strip().lower())
    if said is None:
        raise ValueError(f"is_impossible is {value!r}, neither true nor false")
    return said


def locate(context: str, answer: Answer) -> Spot | None:
    """Where an answer stands: where it says, else the only place in the context, else the only one nearby.

    Nearby is within `NEARBY` characters of the start that was given.

    Returns:
        None for a blank answer and for one that stands nowhere, or in several places of which none is nearer.
    """
    text, start = answer.text.strip(), answer.start
    if not text:
        return None
    lead = len(answer.text) - len(answer.text.lstrip())
    if start is not None and start >= 0 and context.startswith(text, start + lead):
        return Spot(start + lead, start + lead + len(text), moved=False)
    found = _occurrences(context, text)
    if len(found) > 1 and start is not None:
        found = [place for place in found if abs(place - start - lead) <= NEARBY]
    return Spot(found[0], found[0] + len(text), moved=start is not None) if len(found) == 1 else None


def _occurrences(context: str, text: str) -> list[int]:
    places = []
    place = context.find(text)
    while place >= 0:
        places.append(place)
        place = context.find(text, place + 1)
    return places
