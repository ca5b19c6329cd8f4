"""What must hold of every file and every list of labels, tried on inputs that nobody thought of."""

from __future__ import annotations

import io
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlpkit import reporting
from nlpkit.data import labels, readers
from nlpkit.data.inputs import Reading
from nlpkit.data.writers import writer
from nlpkit.errors import UserError

pytestmark = pytest.mark.slow

settings.register_profile("fixed", derandomize=True, deadline=None, database=None, max_examples=120)
settings.load_profile("fixed")

# what has a meaning in one of the formats, and what looks like something else than it is
MARKS = st.sampled_from(
    ["nan", "NA", "null", "1.0", "sep=", "\r\n", '""', *"\"',;\t|\\\n\r#[]{}-= aä😀\u2028\x85\ufeff\u200b"]
)
TEXT = st.lists(
    MARKS | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4), max_size=6
)
CELL = TEXT.map("".join)
ONE_LINE = CELL.map(lambda text: re.sub(r"[\t\r\n]", "", text))
ROWS = st.lists(st.fixed_dictionaries({"text": CELL, "label": CELL}), min_size=1, max_size=8)


def read(data: bytes, format: str, **how: Any) -> list[readers.Row]:
    return list(readers.read_rows(io.BytesIO(data), Reading(format=format, **how), on_error="keep"))


# --- rows in = rows kept + rows named ---


@given(st.lists(st.lists(ONE_LINE, min_size=1, max_size=4), min_size=1, max_size=8))
def test_without_quoting_a_line_is_a_row(rows: list[list[str]]) -> None:
    lines = ["text\tlabel", "x\ty", *("\t".join(cells) for cells in rows)]
    found = read("\n".join(lines).encode(), "tsv", quoting="none")
    filled = {i for i, line in enumerate(lines, start=1) if line.strip() or "\t" in line}
    assert [row.line for row in found if row.line in filled] == sorted(filled)[1:]
    for row in found:
        cells = lines[row.line - 1].split("\t")
        # empty cells behind the last column are none
        assert (row.error is None) == (len(cells) >= 2 and not any(cells[2:]))
        if row.error is None:
            assert [value or "" for value in row.values.values()] == cells[:2]


@given(st.lists(st.tuples(ONE_LINE, ONE_LINE), min_size=1, max_size=8))
def test_raw_quotes_lose_no_line_without_a_word(rows: list[tuple[str, str]]) -> None:
    """As GLUE and many exports write it: tabs between, quotes wherever they stand in the text."""
    rows = [(text or "x", label or "y") for text, label in rows]
    data = "\n".join(["text\tlabel", *(f"{text}\t{label}" for text, label in rows)]).encode()
    with reporting.listening() as said:
        found = read(data, "tsv")
    named = sum(row.error is not None for row in found) + len(said.warnings)
    assert named or len(found) == len(rows)
    for row, cells in zip(found, rows, strict=False):
        if not named and '"' not in "".join(cells):
            assert tuple(row.values.values()) == cells


@given(
    st.lists(
        st.sampled_from(['{"text": "a"}', "{", "[]", "7", "", " ", '{"text": "a",}', "NaN", "\\", ","]), min_size=1
    )
)
def test_a_line_of_json_is_a_row_or_is_named(lines: list[str]) -> None:
    filled = [i for i, line in enumerate(lines, start=1) if line.strip()]
    try:
        found = read("\n".join(lines).encode(), "jsonl")
    except UserError:
        assert not filled
        return
    assert [row.line for row in found] == filled
    assert all(row.error is None or f"line {row.line}" in row.error for row in found)


@given(st.lists(CELL, min_size=1, max_size=8))
def test_a_line_of_text_is_a_row(texts: list[str]) -> None:
    lines = "\n".join(["first", *texts]).split("\n")
    found = read("\n".join(lines).encode(), "txt")
    if not lines[-1]:  # what follows the last line end is no line
        del lines[-1]
    assert [row.values["text"] for row in found] == [line.rstrip("\r") for line in lines]


# --- what we write, we read ---


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("written")


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
@given(rows=ROWS)
def test_written_rows_are_read_as_they_were(suffix: str, folder: Path, rows: list[dict[str, str]]) -> None:
    path = folder / f"rows{suffix}"
    with writer(path) as write:
        write(rows)
    # separated values have one way to write an empty cell and a missing one
    empty = None if suffix in (".csv", ".tsv") else ""
    expected = [{name: value or empty for name, value in row.items()} for row in rows]
    # where tabs are between and a field spans lines, its quotes are text to a reader who is not told of them
    lines = suffix == ".tsv" and any("\n" in cell or "\r" in cell for row in rows for cell in row.values())
    reading = Reading(quoting="standard" if lines else "auto")
    assert [row.values for row in readers.read_rows(path, reading)] == expected
    table = readers.read_table(path, reading)
    for name in ("text", "label"):
        assert table[name].to_pylist() == [row[name] for row in expected]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False) | CELL,
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


@given(rows=st.lists(st.fixed_dictionaries({"text": CELL, "value": VALUES}), min_size=1, max_size=6))
def test_values_of_any_kind_pass_through_jsonl(folder: Path, rows: list[dict[str, Any]]) -> None:
    path = folder / "values.jsonl"
    with writer(path) as write:
        write(rows)
    assert [row.values for row in readers.read_rows(path)] == json.loads(json.dumps(rows))


# --- order decides nothing ---

LABEL = st.one_of(
    st.sampled_from(
        ["a", "b", "A", "1", "0", "1.0", "2,5", "nan", "NaN", "inf", "NA", "", " ", "[a]", "['a', 'b']", "x|y"]
    ),
    st.sampled_from([None, 0, 1, 2, 0.0, 1.0, 0.5, True, False, float("nan")]),
    st.lists(st.sampled_from(["a", "b"]), max_size=2),
)


@given(st.lists(LABEL, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_label(values: list[Any], rng: random.Random) -> None:
    def detected(values: list[Any]) -> Any:
        try:
            found = labels.detect(values, "label")
        except UserError:
            return "refused"
        return found.problem, found.names

    moved = list(values)
    rng.shuffle(moved)
    assert detected(moved) == detected(values)


NAMES = st.one_of(
    st.sampled_from(
        ["nan", "-nan", "inf", "-inf", "1", "1.0", "01", "1e0", "-0", "0", "1_0", "٣", "²", " 1", "a", "A", "ä"]
    ),
    CELL,
)


@given(st.lists(NAMES, unique=True, max_size=10), st.randoms(use_true_random=False))
def test_natural_order_is_the_same_from_every_order(names: list[str], rng: random.Random) -> None:
    moved = list(names)
    rng.shuffle(moved)
    ordered = labels.natural_order(moved)
    assert ordered == labels.natural_order(names)
    assert sorted(ordered) == sorted(names)
