"""SQuAD's nested JSON (https://rajpurkar.github.io/SQuAD-explorer/), answers in the shapes people keep them, and where
an answer stands in its context.
"""

from __future__ import annotations

import ast
import io
import itertools
import json
import math
import re
import tokenize
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from nlpkit.data.labels import is_missing
from nlpkit.data.layouts import cells
from nlpkit.data.one_type import as_text
from nlpkit.data.places import PROVENANCE
from nlpkit.data.rows import spells_half
from nlpkit.errors import UserError

# Where a context was cleaned after its answers were marked, these are off by as much as was cut before them: up to 34
# characters in the reviews of SQuADShifts (Miller et al. 2020).
NEARBY = 50

OBJECTS = ("{'", '{"', "[{", "array([")  # how a cell of objects begins
# what a question has its answers under; MRQA (Fisch et al. 2019) says of `detected_answers` where they stand
ANSWER_KEYS = ("detected_answers", "answers", "answer")
TEXT_KEYS = ("text", "answer_text")
START_KEYS = ("answer_start", "start")
SPANS = "char_spans"
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
    """A row for each question of a SQuAD 1.1 or 2.0 document, or of its kin; None for JSON of another shape.

    Args:
        document: parsed JSON: articles with paragraphs, or paragraphs alone (KorQuAD 2, simpletransformers), in a list
            or in one under "data".
        name: of the file, for messages.

    Returns:
        Rows of id, title, context, question and, where any question of the document has them, answers
        ({"text": [...], "answer_start": [...]}, None for a question without the key) and is_impossible. All other
        keys are passed over but those of `augment`; `plausible_answers` of SQuAD 2.0 are no answers.

    Raises:
        UserError: the document is SQuAD's, but for a part that is named.
    """
    articles = document.get("data", document) if isinstance(document, dict) else document
    articles = [articles] if isinstance(articles, dict) else articles
    if not isinstance(articles, list) or not any(map(is_article, articles)):
        return None
    rows = [row for i, article in enumerate(articles) for row in of_article(article, f"{name}: data[{i}]")]
    optional = [key for key in ("answers", "is_impossible", *PROVENANCE) if any(key in row for row in rows)]
    for number, row in enumerate(rows, start=1):
        row["id"] = str(number) if row["id"] is None else row["id"]
        row.update({key: row.get(key) for key in optional})
    return rows


def of_article(article: Any, where: str) -> list[dict[str, Any]]:
    """A row for each question of an article, or of a paragraph, as for `questions`; `id` may be None.

    Raises:
        UserError: a part is missing; says which, behind `where`.
    """
    paragraphs = [(where, article)]
    if not (isinstance(article, dict) and "qas" in article):
        listed = _listed(article, "paragraphs", where)
        paragraphs = [(f"{where}.paragraphs[{j}]", paragraph) for j, paragraph in enumerate(listed)]
    rows = []
    for place, paragraph in paragraphs:
        context = _text(paragraph, "context", place)
        for k, entry in enumerate(_listed(paragraph, "qas", place)):
            spot = f"{place}.qas[{k}]"
            question = _text(entry, "question", spot)
            id = next((str(entry[key]) for key in ("id", "qid") if entry.get(key) is not None), None)
            row = {"id": id, "title": str(article.get("title") or ""), "context": context, "question": question}
            row |= {"answers": _flat(entry, spot)} if any(key in entry for key in ANSWER_KEYS) else {}
            row |= {key: entry[key] for key in ("is_impossible", *PROVENANCE) if key in entry}
            rows.append(row)
    return rows


def is_article(item: Any) -> bool:
    """Whether an item of a document is an article or a paragraph, be it damaged."""
    return isinstance(item, dict) and ("paragraphs" in item or "qas" in item)


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


def _flat(entry: Mapping[str, Any], where: str) -> Any:
    """[{"text", "answer_start"}, ...] as columns, which arrow stores without knowing every key; None as it is."""
    try:
        golds = golds_of(entry)
    except ValueError as error:
        raise UserError(f"{where}: {error}", 'An answer is {"text": ..., "answer_start": ...}.') from None
    if golds is None:
        return None
    return {"text": [answer.text for answer in golds], "answer_start": [answer.start for answer in golds]}


def golds_of(entry: Mapping[str, Any]) -> list[Answer] | None:
    """The answers of a question: where MRQA detected them in the context, then those that it did not detect.

    Returns:
        None where nobody says whether there is one.

    Raises:
        ValueError: as `answers_of`.
    """
    given = [entry[key] for key in ANSWER_KEYS if entry.get(key) is not None]
    if not given:
        return None
    kept = answers_of(given[0])  # each annotator counts
    for value in given[1:]:
        # a text that was detected needs no second mention, in other capitals or signs neither: it scores the same
        known = {_plainly(answer.text) for answer in kept}
        kept += [answer for answer in answers_of(value) if _plainly(answer.text) not in known]
    return kept


def _plainly(text: str) -> str:
    return " ".join(re.sub(r"\W+", " ", text.lower()).split())


def answers_of(value: Any, start: Any = None) -> list[Answer]:
    """The answers in a cell: none for an unanswerable question.

    Args:
        value: {"text", "answer_start"} with one value or a list each, a list of such objects, a list of texts, a text,
            or any of the former as JSON, or as Python, numpy or pandas print it; missing (None, blank) for no answer.
        start: where the answer starts, for a `value` that does not say: a number, or one for each text.

    Raises:
        ValueError: the cell holds something else; says what.
    """
    value = spelled(value)
    starts = spelled(start)
    bare = not isinstance(value, Mapping)
    if isinstance(value, Mapping):
        starts = next((value[key] for key in START_KEYS if value.get(key) is not None), starts)
        text = next((key for key in TEXT_KEYS if key in value), None)
        if text is None:
            raise ValueError(f"answers without 'text': {', '.join(map(str, value))}")
        if SPANS in value and _is_list(value[text]):  # of each text all places where it stands
            starts = [_first(places) for places in value[SPANS]]
        elif SPANS in value:
            starts = _first(value[SPANS])
        value = value[text]
    elif _is_list(value) and any(isinstance(item, Mapping) for item in value):
        return [answer for item in value for answer in answers_of(item)]
    if not _is_list(value):
        if value is None or (bare and is_missing(value)):
            return []
        return [Answer(as_text(value), _number(starts[0] if _is_list(starts) and starts else starts))]
    texts = ["" if text is None else as_text(text) for text in value]
    given = list(starts) if _is_list(starts) else [starts] * len(texts)
    if len(given) != len(texts):
        raise ValueError(f"{len(texts)} answers but {len(given)} starts")
    return [Answer(text, _number(place)) for text, place in zip(texts, given, strict=True)]


def _first(places: Any) -> Any:
    """The start of the first of MRQA's spans: [[start, last], ...], or {"start": [...], "end": [...]}."""
    while isinstance(places, Mapping) or _is_list(places):
        if isinstance(places, Mapping):
            places = places.get("start")
            continue
        places = places[0] if places else None
    return places


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def spelled(cell: Any) -> Any:
    """What a cell of text spells as JSON, or as Python, numpy or pandas print it; any other cell as it is, and one that
    escapes half of a character.

    Nothing is run: numpy's `array(...)` stands for the list in it.

    Raises:
        ValueError: it begins like an object, but spells none.
    """
    value = _spelled(cell)
    return cell if isinstance(cell, str) and value is not cell and spells_half(cell, value) else value


def _spelled(cell: Any) -> Any:
    text = cell.strip() if isinstance(cell, str) else ""
    if not text.startswith(("{", "[", "array(")):
        return cell
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        if not _joins_texts(text):
            return ast.literal_eval(_Plain().visit(ast.parse(text, mode="eval")))
        if (items := cells.listed(text)) is not None:
            return items
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        pass
    if re.fullmatch(r"\[[\s\d.]+\]", text):  # numpy's [3 7]
        return cells.listed(text)
    if text.startswith(OBJECTS):
        raise ValueError(f"answers that are neither JSON nor Python: {text[:60]}")
    return cell


def _joins_texts(text: str) -> bool:
    """Whether texts stand side by side, as in numpy's ['a' 'b'], which Python would take for one."""
    try:
        kinds = [token.type for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.string.strip()]
    except (tokenize.TokenError, SyntaxError):
        return False
    return (tokenize.STRING, tokenize.STRING) in itertools.pairwise(kinds)


class _Plain(ast.NodeTransformer):
    """`array([1, 2], dtype=int32)`, `np.int32(1)` and `nan` as what they hold."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if len(node.args) == 1 and re.fullmatch(r"array|list|tuple|str_|u?int\d*|float\d*", name):
            return self.visit(node.args[0])
        return node  # literal_eval refuses it

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Constant(None) if node.id in ("nan", "NaN", "null") else node


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
    truth = TRUTH.get(value.strip().lower())
    if truth is None:
        raise ValueError(f"is_impossible is {value!r}, neither true nor false")
    return truth


def locate(context: str, answer: Answer) -> Spot | None:
    """Where an answer stands: where it says, be it in UTF-16 units or in bytes, else the only place in the context,
    else the only one nearby.

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
    if start is not None and start >= 0 and not context.isascii():
        for units in ("utf-16-le", "utf-8"):  # an emoji is two units of JavaScript, and four bytes
            place = _character(context, start, units) + lead
            if context.startswith(text, place):
                return Spot(place, place + len(text), moved=True)
    places = _occurrences(context, text)
    if len(places) > 1 and start is not None:
        places = [place for place in places if abs(place - start - lead) <= NEARBY]
    return Spot(places[0], places[0] + len(text), moved=start is not None) if len(places) == 1 else None


def _character(context: str, place: int, units: str) -> int:
    """The character at a place that counts units of an encoding."""
    size = 2 if units == "utf-16-le" else 1
    return len(context.encode(units, "surrogatepass")[: size * place].decode(units, "ignore"))


def _occurrences(context: str, text: str) -> list[int]:
    places = []
    place = context.find(text)
    while place >= 0:
        places.append(place)
        place = context.find(text, place + 1)
    return places
