"""Many files answered by `predict` and `embed`: the same bytes as one at a time, and what a second start does."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import rows, write_csv

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.recipes import embed, predict
from nlpkit.reporting import Report
from nlpkit.sharding import batch
from nlpkit.sharding.manifest import NAME, Entry

CPU: dict[str, Any] = {"device": "cpu", "threads": 1}


@pytest.fixture
def shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three files of 12 rows in the folder `s`, from where paths begin."""
    monkeypatch.chdir(tmp_path)
    folder = Path("s")
    folder.mkdir()
    for number, name in enumerate("abc"):
        entries = [{"id": i, "text": row["text"]} for i, row in enumerate(rows(12, seed=number))]
        pq.write_table(pa.Table.from_pylist(entries), folder / f"{name}.parquet")
    return folder


@pytest.fixture
def answer(trained: Path) -> Callable[..., Report]:
    def run(input: str = "s/*.parquet", output: str = "out", model: Path = trained, **options: Any) -> Report:
        return predict.run(predict.Config(model=str(model), input=input, output=output, **CPU, **options))

    return run


def manifest(folder: str = "out") -> dict[str, Any]:
    document: dict[str, Any] = json.loads((Path(folder) / NAME).read_bytes())
    return document


def files(folder: str = "out") -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def test_the_answers_are_those_of_each_file_alone(shards: Path, answer: Callable[..., Report]) -> None:
    report = answer()
    assert files() == ["a.parquet", "b.parquet", "c.parquet", NAME]
    for name in "abc":
        answer(f"s/{name}.parquet", f"{name}.parquet")
        assert Path(f"out/{name}.parquet").read_bytes() == Path(f"{name}.parquet").read_bytes()
    entry = manifest()["shards"]["a.parquet"]
    assert (entry["input"], entry["status"], entry["rows"], entry["failed"]) == ("s/a.parquet", "done", 12, 0)
    assert (entry["columns"], entry["read_columns"]) == (["id", "text"], ["text"])
    counts = {name: report.record[name] for name in ("shards", "done", "skipped", "rows", "failed", "failed_shards")}
    assert counts == {"shards": 3, "done": 3, "skipped": 0, "rows": 36, "failed": 0, "failed_shards": {}}


def test_vectors_are_those_of_each_file_alone(shards: Path, trained: Path) -> None:
    def run(input: str, output: str, **options: Any) -> None:
        embed.run(embed.Config(model=str(trained), input=input, output=output, **CPU, **options))

    run("s", "out")
    run("s/b.parquet", "b.parquet")
    assert Path("out/b.parquet").read_bytes() == Path("b.parquet").read_bytes()
    run("s", "bare", output_format="npy")
    run("s/b.parquet", "b.npy")
    assert Path("bare/b.npy").read_bytes() == Path("b.npy").read_bytes()
    assert Path("bare/b.npy.json").read_bytes() == Path("b.npy.json").read_bytes()
    assert manifest("bare")["shards"]["b.npy"]["files"] == ["b.npy", "b.npy.json"]


def test_a_second_start_does_what_is_not_done_and_unchanged(shards: Path, answer: Callable[..., Report]) -> None:
    answer()
    times = {name: Path("out", name).stat().st_mtime_ns for name in ("a.parquet", "b.parquet", "c.parquet")}
    assert answer().record["skipped"] == 3
    assert {name: Path("out", name).stat().st_mtime_ns for name in times} == times

    os.utime("s/a.parquet")  # changed
    Path("out/b.parquet").unlink()  # gone
    pq.write_table(pq.read_table("s/c.parquet"), "s/d.parquet")  # new
    with reporting.listening() as heard:
        record = answer().record
    assert (record["done"], record["skipped"], record["shards"]) == (3, 1, 4)
    assert Path("out/c.parquet").stat().st_mtime_ns == times["c.parquet"]
    assert any("1 shard has changed" in note and "s/a.parquet" in note for note in heard.notes)
    assert answer(overwrite=True).record["skipped"] == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"batch_size": 7}, "begun differently: --batch-size"),
        ({"output_format": "csv"}, "begun differently: --output-format"),
        ({"input": "t/*.parquet"}, "has the answers to s/a.parquet, not to t/a.parquet"),
        ({"model": "other"}, "begun differently: the model"),
    ],
)
def test_answers_of_two_kinds_do_not_come_into_one_folder(
    change: dict[str, Any], said: str, shards: Path, answer: Callable[..., Report], run_of: Any
) -> None:
    answer()
    before = Path("out", NAME).read_bytes()
    Path("t").symlink_to("s")
    if "model" in change:
        change = {"model": run_of("classification")}
    with pytest.raises(UserError, match=said):
        answer(**change)
    assert Path("out", NAME).read_bytes() == before


def test_a_shard_that_cannot_be_read_is_named_and_the_others_are_answered(
    shards: Path, answer: Callable[..., Report]
) -> None:
    whole = Path("s/b.parquet").read_bytes()
    Path("s/b.parquet").write_bytes(whole[:500])
    report = answer()
    assert report.exit_code == 1 and "1 of 3 shards have no answers: s/b.parquet: not a parquet" in report.failure
    assert list(report.record["failed_shards"]) == ["s/b.parquet"] and report.record["rows"] == 24
    assert files() == ["a.parquet", "c.parquet", NAME]
    assert manifest()["shards"]["b.parquet"]["status"] == "failed"

    Path("s/b.parquet").write_bytes(whole)
    report = answer()
    assert (report.exit_code, report.record["done"], report.record["skipped"]) == (0, 1, 2)


def test_no_answers_of_before_are_left_among_the_new(shards: Path, answer: Callable[..., Report]) -> None:
    answer()
    Path("s/a.parquet").write_bytes(b"spoilt")
    assert answer().exit_code == 1 and files() == ["b.parquet", "c.parquet", NAME]
    with reporting.listening() as heard:
        answer("s/c.parquet", shards=True, overwrite=True)
    assert files() == ["c.parquet", NAME] and any("1 file of an earlier batch is removed" in n for n in heard.notes)


def test_rows_without_an_answer_are_counted_over_all_shards(shards: Path, answer: Callable[..., Report]) -> None:
    write_csv(Path("s/a.csv"), [{"text": "a good film"}, {"text": ""}])
    write_csv(Path("s/b.csv"), [{"text": "a bad film"}])
    with reporting.listening() as heard:
        report = answer("s/*.csv", max_errors=0.4)
    assert report.exit_code == 0 and not any("exit code" in warning for warning in heard.warnings)
    report = answer("s/*.csv")
    assert report.exit_code == 1 and report.failure.startswith("1 of 3 rows have no answer")
    assert (report.record["rows"], report.record["failed"], report.record["failed_shards"]) == (3, 1, {})
    assert answer("s/*.csv", max_errors=1).exit_code == 0


def test_other_columns_and_empty_shards_are_told(shards: Path, answer: Callable[..., Report]) -> None:
    pq.write_table(pa.table({"sentence": ["a good film"], "lang": ["en"]}), "s/d.parquet")
    pq.write_table(pa.table({"id": pa.array([], pa.int64()), "text": pa.array([], pa.string())}), "s/e.parquet")
    with reporting.listening() as heard:
        report = answer()
    assert any("s/d.parquet (sentence), where s/a.parquet has text" in warning for warning in heard.warnings)
    assert any("s/e.parquet" in warning and "no rows" in warning for warning in heard.warnings)
    assert report.record["rows"] == 37 and pq.read_table("out/e.parquet").num_rows == 0


def test_stores(shards: Path, answer: Callable[..., Report]) -> None:
    store = fsspec.filesystem("memory")
    for path in shards.iterdir():
        store.put_file(str(path), f"/in/{path.name}")
    store.pipe_file("/in/d.csv", b"text\na good film\n\xff\xfe\n")
    try:
        report = answer("memory://in", "memory://out", max_errors=1)
        answer("s/*.parquet", "here")
        assert store.cat_file("/out/b.parquet") == Path("here/b.parquet").read_bytes()
        assert b"memory://in/d.csv line 3" in store.cat_file("/out/d.csv")  # and not the copy that was read
        assert (report.record["done"], answer("memory://in", "memory://out", max_errors=1).record["skipped"]) == (4, 4)
        with pytest.raises(UserError, match="in the memory of this process"):
            answer("memory://in", "memory://out", jobs=2)
    finally:
        store.rm("/in", recursive=True)
        store.rm("/out", recursive=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"output": "out.csv", "jobs": 2}, "out.csv names a file"),
        ({"output": "s/a.parquet", "overwrite": True}, "one file at a time, or many into a folder"),
        ({"output": "full"}, "is not empty, and holds no manifest.json"),
        ({"input": "s/a.parquet", "output": "a.csv", "retries": 2}, "--retries is for --shards"),
        ({"top_k": 3}, "--top-k is for"),
    ],
)
def test_what_is_refused_before_anything_is_written(
    options: dict[str, Any], said: str, shards: Path, answer: Callable[..., Report]
) -> None:
    Path("full").mkdir()
    Path("full/notes.txt").touch()
    with pytest.raises(UserError, match=said):
        answer(**options)
    assert not Path("out", NAME).exists() and files("full") == ["notes.txt"]


def test_a_start_that_answered_nothing_binds_to_nothing(shards: Path, answer: Callable[..., Report]) -> None:
    with pytest.raises(UserError, match="--output-format doc: unknown format"):
        answer(output_format="doc")
    assert answer(output_format="csv").record["done"] == 3


def test_a_manifest_that_is_damaged_is_refused(shards: Path, answer: Callable[..., Report]) -> None:
    answer()
    Path("precious").touch()
    for field, value in (("rows", "many"), ("files", ["../precious"])):
        document = manifest()
        document["shards"]["a.parquet"][field] = value
        Path("out", NAME).write_text(json.dumps(document))
        with pytest.raises(UserError, match=rf"manifest.json is damaged \(shards.a.parquet.{field}"):
            answer()
        answer(overwrite=True)
    assert Path("precious").exists()


def test_one_device_with_other_threads_is_no_other_device() -> None:
    same = ["cpu (1 thread by OMP_NUM_THREADS), ONNX Runtime", "cpu (2 threads), ONNX Runtime", "cpu, ONNX Runtime"]
    entries = {
        str(i): Entry(input=str(i), bytes=1, fingerprint="", rows=1, device=device) for i, device in enumerate(same)
    }
    with reporting.listening() as heard:
        batch._tell_of_differences(entries)
        assert not heard.warnings
        batch._tell_of_differences({**entries, "0": entries["0"].model_copy(update={"device": "cuda, fp32"})})
    assert "different devices" in heard.warnings[0]
