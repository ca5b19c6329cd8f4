"""Which files are shards, here and in a store, and what the files of their answers are called."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from nlpkit.data.inputs import Reading
from nlpkit.errors import UserError
from nlpkit.sharding import stores
from nlpkit.sharding.listing import is_several, listed

CSV = Reading()


def same(format: str | None) -> str:
    return f".{format}"


def jsonl(format: str | None) -> str:
    return ".jsonl"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def memory() -> Iterator[Any]:
    store = fsspec.filesystem("memory")
    yield store
    for path in store.find("/"):
        store.rm(path)


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("text\na\n")


def outputs(spec: str, output: str = "out", suffix: Any = same) -> dict[str, str]:
    return {shard.place: shard.output for shard in listed(spec, stores.target(output), CSV, suffix)}


def test_shards_of_a_pattern_are_sorted_and_called_as_they_are() -> None:
    touch("s/b.csv", "s/a.csv", "s/c.txt")
    assert outputs("s/*.csv") == {"s/a.csv": "a.csv", "s/b.csv": "b.csv"}
    assert list(outputs("s/*.csv")) == ["s/a.csv", "s/b.csv"]


def test_folders_below_a_pattern_tell_equal_names_apart_whatever_matches() -> None:
    touch("s/x/part.csv", "s/y/part.csv")
    assert outputs("s/*/part.csv") == {"s/x/part.csv": "x/part.csv", "s/y/part.csv": "y/part.csv"}
    Path("s/y/part.csv").unlink()
    assert outputs("s/*/part.csv") == {"s/x/part.csv": "x/part.csv"}
    assert outputs("s/**/*.csv") == {"s/x/part.csv": "x/part.csv"}


def test_a_folder_leaves_out_what_others_put_there(monkeypatch: pytest.MonkeyPatch) -> None:
    touch("s/a.csv.gz", "s/_SUCCESS", "s/.a.csv.crc", "s/notes.md", "s/more/b.csv")
    from nlpkit import reporting

    with reporting.listening() as heard:
        assert outputs("s") == {"s/a.csv.gz": "a.csv"}
    assert any("notes.md" in note for note in heard.notes) and any("1 folder in it" in note for note in heard.notes)


def test_an_address_of_a_file_here_is_its_path(tmp_path: Path) -> None:
    touch("s/a.csv")
    assert outputs(f"file://{tmp_path}/s/*.csv") == {f"{tmp_path}/s/a.csv": "a.csv"}
    assert stores.target(Path(f"file://{tmp_path}/out")).shown == f"{tmp_path}/out"
    assert stores.remote(Path("s3://bucket/out")) == "s3://bucket/out"


@pytest.mark.parametrize("spec", ["memory://s/*.csv", "memory://s", "memory://s/"])
def test_shards_of_a_store_have_addresses(spec: str, memory: Any) -> None:
    for name in ("/s/b.csv", "/s/a.csv", "/s/_SUCCESS"):
        memory.pipe_file(name, b"text\na\n")
    shards = listed(spec, stores.target("out"), CSV, jsonl)
    assert [(shard.place, shard.output) for shard in shards] == [
        ("memory://s/a.csv", "a.jsonl"),
        ("memory://s/b.csv", "b.jsonl"),
    ]
    before = shards[0].fingerprint
    memory.pipe_file("/s/a.csv", b"text\nb\n")
    assert before and listed(spec, stores.target("out"), CSV, jsonl)[0].fingerprint != before


@pytest.mark.parametrize(
    ("files", "spec", "output", "said"),
    [
        (["s/a.csv"], "s/*.parquet", "out", "no file matches"),
        (["s/a.csv"], "t/*.csv", "out", "no file matches"),
        (["s/a.csv"], "s/*.csv", "s", "answers would be taken for shards"),
        (["s/a.csv"], "s", "s/", "answers would be taken for shards"),
        (["s/a.csv"], "s/**/*.csv", "s/out", "answers would be taken for shards"),
        (["s/a.csv"], "**/*.csv", "out", "answers would be taken for shards"),
        (["s/a.md"], "s/*", "out", "s/a.md does not tell its format"),
        (["s/a.txt", "s/a.csv"], "s/a.*", "out", "s/a.csv and s/a.txt would both be answered into a.jsonl"),
    ],
)
def test_what_is_refused(files: list[str], spec: str, output: str, said: str) -> None:
    touch(*files)
    with pytest.raises(UserError, match=said):
        outputs(spec, output, jsonl if "a.txt" in str(files) else same)


def test_a_folder_below_that_of_the_shards_is_no_shard() -> None:
    touch("s/a.csv")
    assert outputs("s", "s/out") == outputs("s/*.csv", "s/out") == {"s/a.csv": "a.csv"}


@pytest.mark.parametrize(("address", "package"), [("s3://b/*.csv", "s3fs"), ("gs://b/*.csv", "gcsfs")])
def test_a_store_whose_package_is_missing(address: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError) as caught:
        outputs(address)
    assert caught.value.hint == f"pip install {package}"


@pytest.mark.parametrize("address", ["nope://b/*.csv", "ftp://me:secret@host/*.csv"])
def test_addresses_that_are_refused_do_not_repeat_a_password(address: str) -> None:
    with pytest.raises(UserError) as caught:
        outputs(address)
    assert "secret" not in str(caught.value)


def test_what_stands_for_several_files() -> None:
    touch("s/a.csv", "s/[b].csv")
    assert is_several("s") and is_several("s/*.csv") and is_several("s3://b/a.csv")
    assert not is_several("s/a.csv") and not is_several("s/[b].csv") and not is_several("-")
