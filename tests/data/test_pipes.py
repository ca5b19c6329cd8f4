"""What can be read once, what changes while it is read, and what is no file."""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import rows

from nlpkit import reporting
from nlpkit.augmentation.synonyms import read as read_synonyms
from nlpkit.data import pipes, readers, sources
from nlpkit.data.corpus import Corpus, CorpusOptions
from nlpkit.data.inputs import Reading
from nlpkit.errors import RunError, UserError
from nlpkit.options import read_config_file
from nlpkit.recipes import check_data, evaluate, predict
from nlpkit.runs import files, records
from nlpkit.tasks.text_classification.task import _read_class_weights

KINDS = ("csv", "jsonl", "json", "txt", "parquet")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where copies are made."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(pipes, "_copies", {})
    yield folder


def pipe(path: Path, entries: list[dict[str, Any]]) -> Path:
    """A pipe that gives rows in the format of its name, once."""
    kind = path.suffix.lstrip(".")
    if kind == "csv":
        content = "text,label\n" + "".join(f"{row['text']},{row['label']}\n" for row in entries)
    elif kind == "txt":
        content = "".join(f"{row['text']}\n" for row in entries)
    elif kind == "json":
        content = json.dumps(entries)
    else:
        content = "".join(json.dumps(row) + "\n" for row in entries)
    data = content.encode()
    if kind == "parquet":
        out = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(entries), out)
        data = out.getvalue().to_pybytes()
    os.mkfifo(path)
    threading.Thread(target=path.write_bytes, args=[data], daemon=True).start()
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_a_pipe_is_data_as_a_file_is(kind: str, tmp_path: Path) -> None:
    made = rows(8)
    with reporting.listening() as said:
        loaded = sources.load(str(pipe(tmp_path / f"a.{kind}", made)))
    split = loaded.splits["train"]
    assert split["text"][:] == [row["text"] for row in made]
    assert loaded.where("train", 0).startswith(f"{tmp_path}/a.{kind} ")
    assert loaded.source.files["train"][0].bytes > 0
    assert [note for note in said.notes if "a pipe, copied to" in note]


@pytest.mark.parametrize("kind", ["txt", "csv", "parquet"])
def test_running_text_from_a_pipe_can_be_read_again(kind: str, tmp_path: Path) -> None:
    made = rows(8)
    corpus = Corpus(CorpusOptions(data=[str(pipe(tmp_path / f"a.{kind}", made))]))
    for _ in range(2):
        assert [text for batch in corpus.batches() for text in batch.texts] == [row["text"] for row in made]
    assert corpus.size is not None
    assert corpus.size > 0


def test_commands_take_pipes(trained: Path, tmp_path: Path, place: Path) -> None:
    made = rows(8)
    model = {"model": str(trained), "device": "cpu", "threads": 1}
    out = tmp_path / "answers.jsonl"
    predict.run(predict.Config(input=str(pipe(tmp_path / "p.csv", made)), output=out, **model))
    assert len(out.read_text().splitlines()) == 8
    assert list(place.iterdir()) == []  # answers need no copy
    judged = evaluate.run(evaluate.Config(data=str(pipe(tmp_path / "e.csv", made)), save=False, **model))
    assert judged.record["metrics"]
    checked = check_data.run(check_data.Config(data=str(pipe(tmp_path / "c.jsonl", made)), model="none"))
    assert sum(checked.record["rows"].values()) == 8


def test_standard_input_is_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pipes, "STDIN", pipe(tmp_path / "in", [{"text": "a", "label": "b"}]))
    loaded = sources.load("-", reading=Reading(format="jsonl"))
    assert loaded.splits["train"]["text"][:] == ["a"]


def test_what_is_no_file_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with socket.socket(socket.AF_UNIX) as inner:
        inner.bind(str(path))
        for read in (sources.load, lambda name: list(readers.read_rows(name, on_error="keep"))):
            with pytest.raises(UserError, match="is a socket, not a file"):
                read(str(path))
    with pytest.raises(UserError, match="/dev/zero is a device, not a file"):
        sources.load("/dev/zero", reading=Reading(format="csv"))
    with pytest.raises(UserError, match="/dev/null: the file holds no rows"):
        sources.load("/dev/null", reading=Reading(format="csv"))


def test_a_copy_that_does_not_fit_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    path = pipe(tmp_path / "a.csv", rows(2))
    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(RunError, match=r"a\.csv: no copy of the pipe fits.*No space left") as caught:
        sources.load(str(path))
    assert "TMPDIR" in str(caught.value.hint)


@pytest.mark.parametrize("what", ["grows", "goes"])
def test_a_file_that_changes_while_it_is_read_is_told(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\na,b\n")
    read = readers.read_table

    def changing(name: Path, reading: Reading) -> Any:
        table = read(name, reading)
        if what == "goes":
            path.unlink()
        else:
            path.write_text("text,label\na,b\nc,d\n")
        return table

    monkeypatch.setattr(readers, "read_table", changing)
    if what == "goes":
        with pytest.raises(UserError, match="gone"):
            sources.load(str(path))
        return
    with reporting.listening() as said:
        sources.load(str(path))
    assert "the file has changed while it was read" in said.warnings[0]


def test_a_run_that_a_pipe_made_is_named_so_and_asks_for_its_rows(trained: Path, tmp_path: Path) -> None:
    assert [pipes.name_of(spec) for spec in ("/dev/fd/63", "-", "a/b.csv")] == ["pipe", "stdin", "b.csv"]
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    record = json.loads((run / "nlpkit.json").read_text(encoding="utf-8"))
    # a number that is open in this process, too, with something else behind it
    there = os.open(trained / "nlpkit.json", os.O_RDONLY)
    fifo = tmp_path / "rows.csv"
    os.mkfifo(fifo)
    for spec in (f"/dev/fd/{there}", "-", str(fifo)):
        record["config"]["data"] = spec
        (run / "nlpkit.json").write_text(json.dumps(record), encoding="utf-8")
        with pytest.raises(UserError, match="was trained on rows of a pipe"):
            evaluate.run(evaluate.Config(model=str(run)))
    os.close(there)


def test_files_of_options_and_records_that_never_end_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers_of: dict[str, Callable[[Path], Any]] = {
        "config file": lambda path: read_config_file(path, None, check_data.Config.model_fields),
        "--class-weights": lambda path: _read_class_weights(str(path), ["a"]),
        "--synonyms": read_synonyms,
        "nlpkit.json": records.read,
    }
    monkeypatch.setattr(files, "LARGEST", 1_000)
    path = tmp_path / "nlpkit.json"
    for said, read in readers_of.items():
        path.symlink_to("/dev/zero")
        with pytest.raises(UserError, match=f"{said}.* is a device"):
            read(path)
        path.unlink()
        path.write_text("a b\n" * 1_000, encoding="utf-8")
        with pytest.raises(UserError, match=f"{said}.* is larger than"):
            read(path)
        path.unlink()
