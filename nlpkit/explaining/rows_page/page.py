"""One page for many rows that were explained: where does the model look when it errs?

One file that loads nothing. Its own script runs alone, known by its checksum, and rows stand in a block of JSON that
none of their characters can end: a text that holds HTML is shown as it is.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from nlpkit import page, reporting
from nlpkit.data import columns as column_names
from nlpkit.data.labels import Labels, as_number, text_of
from nlpkit.data.writers import Write
from nlpkit.explaining.methods import METHODS

HERE = Path(__file__).parent
SCRIPT, STYLE = HERE / "rows.js", HERE / "rows.css"
MOST_ROWS = 1_000
DIGITS = 4  # of a figure
AGREED = 0.3  # Spearman's correlation between methods, below which a row is flagged: in ranks a tenth of what is there
LEAST_ROWS = 3  # in which a word speaks for a wrong answer, before it is named
NAMED = 12  # such words of an answer


@contextmanager
def format(path: Path, *, model: str, labels: Sequence[str] = (), prefix: str = "prediction") -> Iterator[Write]:
    """Write rows with their explanations as a page.

    Args:
        path: that nobody reads yet.
        model: its name, for the heading.
        labels: that it answers with, in their order, by which labels of rows are read; none: as they stand there.
        prefix: of the columns of answers; of rows that have such columns already the last number counts.
    """
    known = Labels("single-label", list(labels))
    rows: list[dict[str, Any]] = []
    more = 0

    def write(entries: Sequence[Mapping[str, Any]]) -> None:
        nonlocal more
        room = MOST_ROWS - len(rows)
        rows.extend([_row(entry, prefix, known, number) for number, entry in enumerate(entries[:room], len(rows) + 1)])
        more += max(len(entries) - room, 0)

    yield write
    if more:
        reporting.current().warn(f"the page shows the first {MOST_ROWS:,} rows; {more:,} more are not in it")
    path.write_text(made(model, rows, more), encoding="utf-8")


def made(model: str, rows: Sequence[Mapping[str, Any]], more: int = 0) -> str:
    """The page.

    Args:
        model: its name.
        rows: as the page has them.
        more: rows that are left out.
    """
    wrong = sum(row["right"] is False for row in rows)
    told = f"{reporting.counted(len(rows), 'row', 'rows')}"
    if any(row["right"] is not None for row in rows):
        told += f", {wrong:,} answered otherwise than their label says"
    if more:
        told += f"; {more:,} more are left out"
    data = {"rows": rows, "agreed": AGREED, "weak": [name for name, method in METHODS.items() if method.weak]}
    # As escapes no character of a text can end the block, or begin a comment in it.
    block = json.dumps(data, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c").replace("&", "\\u0026")
    script = SCRIPT.read_text(encoding="utf-8")
    misled = _misled(rows)
    table = ""
    if misled:
        header = ["answered", "word", "wrong answers that it speaks for most"]
        table = page.table("Words that mislead", header, misled, texts=True)
    head = page.head(f"Why: {model}", STYLE.read_text(encoding="utf-8"), script)
    return f"""{head}<header><h1>{page.text(model)}</h1>
<p>{page.text(told)}.
<p class=key><span class=for>for the answer</span> <span class=against>against it</span>; the pointer on a word shows
its figure. <b>Methods disagree</b> where their order of the words has a correlation below {AGREED:g}.
</header>
{table}
<form id=filter>
<label>answers <select id=answers><option value="">all<option value=wrong>wrong<option value=right>right<option
value=apart>methods disagree</select></label>
<label>answered <select id=answer><option value="">anything</select></label>
<label>order <select id=order><option value=given>as given<option value=sure>surest first<option value=unsure>least
sure first<option value=apart>least agreement first</select></label>
<label>with <input id=search type=search placeholder="a word"></label>
<output id=said></output>
</form>
<main id=rows></main>
<button id=more hidden>more</button>
<script id=data type=application/json>{block}</script>
<script>{script}</script>
"""


def _row(entry: Mapping[str, Any], prefix: str, labels: Labels, number: int) -> dict[str, Any]:
    """A row as the page has it."""
    named = [name.removesuffix("_explanations") for name in entry if name.endswith("_explanations")]
    prefix = max(
        (name for name in named if name.startswith(prefix)), key=lambda name: (len(name), name), default=prefix
    )
    given = {name: value for name, value in entry.items() if not name.startswith(prefix)}
    label = column_names.guess(list(given), column_names.LABEL_NAMES)
    gold, answer = _named(given.get(label or ""), labels), entry.get(prefix)
    right = str(gold) == str(answer) if isinstance(gold, str | int) and isinstance(answer, str | int) else None
    return {
        "number": number,
        "answer": _said(answer),
        "score": _rounded(entry.get(f"{prefix}_score")),
        "gold": None if right is None else _said(gold),
        "right": right,
        "error": entry.get(f"{prefix}_error"),
        "parts": [_part(one, given) for one in entry.get(f"{prefix}_explanations") or ()],
    }


def _named(gold: Any, labels: Labels) -> Any:
    """A label as the model has it, which a row may have in other letters, or as its number; others as they stand."""
    if not labels.names or not isinstance(gold, str | int | float):
        return gold
    name = text_of(gold)
    if not labels.unknown(name):
        return labels.names[labels.id_of(name)]
    number = as_number(name)
    numbered = number is not None and number.is_integer() and 0 <= number < labels.size
    return labels.names[int(number)] if number is not None and numbered else gold


def _part(found: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """One thing that is explained."""
    methods = {
        name: {
            "scores": [_rounded(score) for score in one["scores"]],
            "figures": [_rounded(one["comprehensiveness"]), _rounded(one["sufficiency"])],
        }
        for name, one in found["methods"].items()
    }
    strong = [one["scores"] for name, one in found["methods"].items() if not METHODS[name].weak]
    words = [[word["column"], word["text"]] for word in found["words"]]
    return {
        "asked": found["asked"],
        "value": _rounded(found["value"]),
        "words": words,
        "methods": methods,
        "random": [_rounded(found["random"]["comprehensiveness"]), _rounded(found["random"]["sufficiency"])],
        "agreement": _agreement(strong),
    }


def _agreement(scores: Sequence[Sequence[float]]) -> float | None:
    """The lowest correlation of two methods that are not weak; None of one alone."""
    from scipy import stats

    found = [
        float(stats.spearmanr(one, other).statistic)
        for one, other in combinations(map(np.asarray, scores), 2)
        if len(one) > 2 and np.ptp(one) > 0 and np.ptp(other) > 0
    ]
    return round(min(found), 2) if found else None


def _misled(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Of wrong answers the words that speak for most of them, by the first method."""
    counts: Counter[tuple[str, str]] = Counter()
    for row in rows:
        if row["right"] is not False:
            continue
        for part in row["parts"]:
            scores = next(iter(part["methods"].values()))["scores"]
            best = int(np.argmax(scores))
            if scores[best] > 0:
                counts[row["answer"], part["words"][best][1].lower()] += 1
    often = [(answer, word, count) for (answer, word), count in counts.most_common() if count >= LEAST_ROWS]
    shown: Counter[str] = Counter()
    lines = []
    for answer, word, count in often:
        shown[answer] += 1
        if shown[answer] <= NAMED:
            lines.append([answer, word, f"{count:,}"])
    return lines


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _rounded(value: Any) -> Any:
    if isinstance(value, list):
        value = float(np.mean(value)) if value else None
    return None if value is None or not math.isfinite(value) else round(float(value), DIGITS)
