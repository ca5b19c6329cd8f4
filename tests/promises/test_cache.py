"""A cache that is full, cannot be written, or holds what it should not costs time, not the run, nor its result."""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import make_tokenizer, rows
from datasets import Dataset

from nlpkit import reporting
from nlpkit.data import cache
from nlpkit.data.corpus import Corpus, CorpusOptions
from nlpkit.measurement import export_cache
from nlpkit.measurement.spec import Subject
from nlpkit.pretraining import streams
from nlpkit.tasks import features

pytestmark = pytest.mark.slow

TEXTS = [row["text"] for row in rows(120, seed=9)]
Use = Callable[[], Any]


class Words:
    """As much of a task as features ask for."""

    feature_settings = ""

    def record(self) -> dict[str, Any]:
        return {"name": "words"}

    def features(self, tokenizer: Any, examples: dict[str, Sequence[Any]]) -> dict[str, list[Any]]:
        ids = tokenizer(examples["text"])["input_ids"]
        return {"input_ids": ids, "length": [len(row) for row in ids], "example": list(range(len(ids)))}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the cache is; nothing is there."""
    monkeypatch.setattr(features, "CACHE_FROM", 1)
    monkeypatch.setattr(features, "BATCH", 40)
    monkeypatch.setenv("NLPKIT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "text.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    return tmp_path / "cache"


def tokens() -> list[list[int]]:
    examples = Dataset.from_dict({"text": TEXTS, "where": TEXTS})
    found = features.featurize(Words(), make_tokenizer(), examples, "train")  # type: ignore[arg-type]
    assert found["example"][:] == list(range(len(TEXTS)))
    return found["input_ids"][:]


def stream(path: Path) -> dict[str, list[Any]]:
    corpus = Corpus(CorpusOptions(data=[str(path)]))
    found = streams.cached(corpus, streams.Encoder(make_tokenizer()), streams.HeldOut.share(0.2, run=1, seed=1))
    return {name: [getattr(part, what).tolist() for what in vars(part)] for name, part in found.items()}


@pytest.fixture(params=["tokens", "streams"])
def use(request: pytest.FixtureRequest, place: Path) -> tuple[str, Use]:
    """A kind of entry, and what asks for one."""
    text = place.parent / "text.txt"
    return request.param, tokens if request.param == "tokens" else lambda: stream(text)


def said(asked: Use) -> tuple[Any, list[str]]:
    with reporting.listening() as listener:
        found = asked()
    return found, listener.notes


def full(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def a_file(place: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    place.write_text("no folder")
    return "Not a directory"


def no_permission(place: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    real = Path.mkdir

    def mkdir(path: Path, *arguments: Any, **options: Any) -> None:
        if path.is_relative_to(place):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        real(path, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    return "Permission denied"


def read_only(place: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    def mkdir(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(place))

    monkeypatch.setattr(Path, "mkdir", mkdir)
    return "Read-only file system"


def full_at_the_last_file(place: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(cache, "_seal_of", full)
    return "the disk is full"


def full_on_the_way(place: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Without a number, as numpy says it; and as Arrow does."""
    from datasets.arrow_writer import ArrowWriter

    def cut(*_: Any, **__: Any) -> None:
        raise OSError("640 requested and 12 written")

    real = ArrowWriter.write_batch

    def write_batch(self: Any, *arguments: Any, **options: Any) -> Any:
        if self._path is not None:  # else it writes to memory
            full()
        return real(self, *arguments, **options)

    monkeypatch.setattr(np, "save", cut)
    monkeypatch.setattr(ArrowWriter, "write_batch", write_batch)
    return "the disk is full"


@pytest.mark.parametrize("failing", [a_file, no_permission, read_only, full_at_the_last_file, full_on_the_way])
def test_a_cache_that_cannot_be_written(
    failing: Callable[[Path, pytest.MonkeyPatch], str],
    use: tuple[str, Use],
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kind, asked = use
    expected = asked()
    shutil.rmtree(place)
    with monkeypatch.context() as patch:
        reason = failing(place, patch)
        found, notes = said(asked)
        again, later = said(asked)
    assert found == again == expected
    assert notes == [f"cache of {kind}: {place / kind} cannot be written: {reason}; going on without"]
    assert later == []  # once is enough
    assert not list(place.rglob("*.*"))


def test_a_cache_that_is_only_read_is_used(use: tuple[str, Use], place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, asked = use
    expected = asked()
    before = sorted(place.rglob("*"))

    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EROFS, "Read-only file system")

    for name in ("mkdir", "rename", "write_text"):
        monkeypatch.setattr(Path, name, refused)
    monkeypatch.setattr(os, "utime", refused)
    assert said(asked) == (expected, [])
    assert sorted(place.rglob("*")) == before


def at_a_batch(entry: Path) -> None:
    """A table without its last rows is a table: nothing in the format tells that they are missing."""
    for path in entry.glob("*.arrow"):
        data = path.read_bytes()
        starts = [at for at in range(0, len(data) - 8, 8) if data[at : at + 4] == b"\xff\xff\xff\xff"]
        path.write_bytes(data[: starts[-2]])
    for path in entry.glob("*.tokens"):
        path.write_bytes(path.read_bytes()[:-2])


def one_bit(entry: Path) -> None:
    for path in [*entry.glob("*.arrow"), *entry.glob("*.tokens")]:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)


def empty(entry: Path) -> None:
    for path in entry.iterdir():
        path.write_bytes(b"")


def no_seal(entry: Path) -> None:
    (entry / cache.SEAL).unlink()


def deep_seal(entry: Path) -> None:
    (entry / cache.SEAL).write_text("[" * 100_000)


def file_for_a_folder(entry: Path) -> None:
    shutil.rmtree(entry)
    entry.write_text("nothing")


@pytest.mark.parametrize("damage", [at_a_batch, one_bit, empty, no_seal, deep_seal, file_for_a_folder])
def test_an_entry_that_is_not_whole_is_made_again(
    damage: Callable[[Path], None], use: tuple[str, Use], place: Path
) -> None:
    kind, asked = use
    expected = asked()
    (entry,) = (place / kind).iterdir()
    damage(entry)
    found, notes = said(asked)
    assert found == expected
    assert notes == [f"cache of {kind}: {entry} is not whole; it is made again"]
    assert said(asked) == (expected, [])
    assert list((place / kind).iterdir()) == [entry]


class Marker:
    """Leaves a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_nothing_in_a_cache_is_run(place: Path) -> None:
    """Not even where whoever wrote the entry has sealed it."""
    text = place.parent / "text.txt"
    stream(text)
    (entry,) = (place / "streams").iterdir()
    payload = np.empty(1, dtype=object)
    payload[0] = Marker(place.parent / "run")
    np.save(entry / "train.texts.npy", payload, allow_pickle=True)
    (entry / cache.SEAL).write_text(json.dumps(cache._seal_of(entry)))
    with pytest.raises(ValueError, match="allow_pickle"):
        stream(text)
    (entry / "train.texts.npy").write_bytes(pickle.dumps(Marker(place.parent / "run")))
    (entry / cache.SEAL).write_text(json.dumps(cache._seal_of(entry)))
    with pytest.raises(ValueError, match="pickle"):
        stream(text)
    assert not (place.parent / "run").exists()


def write(text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "data").write_text(text) and None


def test_an_error_of_the_work_itself_is_not_taken_for_one_of_the_cache(place: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        cache.kept("tokens", "key", lambda _: (tmp_path / "data.csv").read_text())
    with pytest.raises(OSError, match="a model is missing"):
        cache.kept("tokens", "key", lambda _: (_ for _ in ()).throw(OSError("a model is missing")))
    assert list((place / "tokens").iterdir()) == []


def test_of_two_that_make_an_entry_one_stays(place: Path) -> None:
    def slow(folder: Path) -> None:
        inner = cache.kept("tokens", "key", write("same"))
        assert inner is not None and not inner.found
        write("same")(folder)

    entry = cache.kept("tokens", "key", slow)
    assert entry is not None
    assert (entry.path / "data").read_text() == "same"
    assert [item.name for item in (place / "tokens").iterdir()] == ["key"]


def test_what_was_not_used_for_longest_goes(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, key in enumerate(("old", "used", "new")):
        entry = cache.kept("tokens", key, write("x" * 1000))
        assert entry is not None
        os.utime(entry.path, (number, number))
    left = place / "tokens" / "of-another-version.arrow"
    left.write_text("x" * 1000)
    os.utime(left, (0, 0))
    abandoned = place / "tokens" / ".key.1-00"
    abandoned.mkdir()
    os.utime(abandoned, (0, 0))
    assert cache.kept("tokens", "used", write("")) == (place / "tokens" / "used", True)
    assert time.time() - (place / "tokens" / "used").stat().st_mtime < 100
    monkeypatch.setattr(cache, "BYTES", 2_500)
    cache.kept("tokens", "last", write("x" * 1000))
    assert {item.name for item in (place / "tokens").iterdir()} == {"last", "used"}


@pytest.mark.parametrize("room", [True, False])
def test_exports_find_another_place(room: bool, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if room:
        place.write_text("no folder")
    else:
        monkeypatch.setattr(export_cache, "ROOM", 2**62)
    subjects = [Subject("a", str(tmp_path)), Subject("b", str(tmp_path), backend="onnx")]
    with reporting.listening() as listener, export_cache.room_for(subjects):
        other = Path(os.environ["NLPKIT_CACHE"])
        assert other.is_dir() and other != place
    assert os.environ["NLPKIT_CACHE"] == str(place) and not other.exists()
    assert [note.startswith(f"cache of exported: {place / 'exported'}") for note in listener.notes] == [True]
    with export_cache.room_for(subjects[:1]):
        assert os.environ["NLPKIT_CACHE"] == str(place)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
def test_disks_say_that_they_are_full_in_the_ways_that_are_known() -> None:
    from nlpkit.runs.files import is_disk_full

    with pytest.raises(OSError) as by_number, open("/dev/full", "wb", buffering=0) as file:  # noqa: PTH123
        file.write(b"x")
    with pytest.raises(OSError) as by_numpy, open("/dev/full", "wb") as file:  # noqa: PTH123
        np.zeros(10_000).tofile(file)
    assert is_disk_full(by_number.value) and is_disk_full(by_numpy.value)
