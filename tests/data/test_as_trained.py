"""A file is read as the data of the run were, where that fits it and the user says nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nlpkit.data.as_trained import as_trained, settled
from nlpkit.data.inputs import AS_FOUND, FORMATS, Reading
from nlpkit.options import ReadingOptions

RUN: dict[str, Any] = {"encoding": "cp1252", "delimiter": "#", "quoting": "none", "columns": []}
CAFE = "text#label\ncafé \u201cNord\u201d#x\n"


def read_as(path: Path, content: bytes, recorded: dict[str, Any], *given: str) -> Reading:
    path.write_bytes(content)
    return as_trained(AS_FOUND, str(path), {"config": recorded}, given, ["text"])


def test_what_fits_the_file_is_taken_over(tmp_path: Path) -> None:
    reading = read_as(tmp_path / "a.csv", CAFE.encode("cp1252"), RUN)
    assert (reading.encoding, reading.delimiter, reading.quoting) == ("cp1252", "#", "none")


def test_a_file_of_another_kind_is_read_as_it_is(tmp_path: Path) -> None:
    assert read_as(tmp_path / "a.csv", b"text,label\ngood,x\n", RUN) == AS_FOUND
    assert read_as(tmp_path / "a.csv", CAFE.encode(), RUN).encoding == "utf-8"  # which it is
    assert read_as(tmp_path / "a.txt", "café\u201d\n".encode("utf-16"), {**RUN, "encoding": "ascii"}) == AS_FOUND
    assert as_trained(AS_FOUND, str(tmp_path / "a.csv"), None, (), ["text"]) == AS_FOUND


def test_what_the_user_says_stays(tmp_path: Path) -> None:
    reading = read_as(tmp_path / "a.csv", CAFE.encode("cp1252"), RUN, "encoding", "delimiter", "quoting")
    assert reading == AS_FOUND


def test_evaluate_takes_it_over_too(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(CAFE.encode("cp1252"))
    options = ReadingOptions(quoting="standard")
    found = settled(options, str(tmp_path / "a.csv"), {"config": RUN}, ["text"], FORMATS)
    assert (found.encoding, found.delimiter, found.quoting) == ("cp1252", "#", "standard")


@pytest.mark.parametrize(("content", "columns"), [("x,good film\n", ("label", "text")), ("label,text\nx,y\n", ())])
def test_names_are_taken_over_for_a_file_without_a_header(
    tmp_path: Path, content: str, columns: tuple[str, ...]
) -> None:
    recorded = {"encoding": "utf-8", "delimiter": None, "columns": ["label", "text"]}
    assert tuple(read_as(tmp_path / "a.csv", content.encode(), recorded).columns) == columns
