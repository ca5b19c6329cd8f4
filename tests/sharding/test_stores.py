"""Files that are put into a folder or a store are whole, and what is read of them is what they hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fsspec
import pytest

from nlpkit.runs.files import whole
from nlpkit.sharding import stores


@pytest.fixture(params=["folder", "file", "memory", "renaming"])
def target(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    if request.param == "renaming":  # a store that shows what is half written, as sftp does
        monkeypatch.setattr(stores, "OBJECTS", ())
    places = {"folder": str(tmp_path / "out"), "file": f"file://{tmp_path}/out"}
    yield stores.target(places.get(request.param, "memory://out"))
    store = fsspec.filesystem("memory")
    if store.exists("/out"):
        store.rm("/out", recursive=True)


def test_what_is_put_is_there_and_nothing_else(target: stores.Target, tmp_path: Path) -> None:
    assert not target.holds_anything() and target.size("a/b.csv") is None and target.read("m.json") is None
    file = target.scratch() / "b.csv"
    file.write_text("text\na\n")
    target.put(file, "a/b.csv")
    target.write("m.json", b"{}")
    target.write("m.json", b"[]")
    assert (target.size("a/b.csv"), target.read("m.json")) == (7, b"[]")
    assert target.holds_anything() and not file.exists()
    target.clear()
    folder = tmp_path / "out"
    left = folder.rglob("*") if folder.exists() else map(Path, fsspec.filesystem("memory").find("/out"))
    assert sorted(path.name for path in left if path.name != "a") == ["b.csv", "m.json"]


def test_a_manifest_that_a_killed_process_has_half_written_goes(tmp_path: Path) -> None:
    (tmp_path / ".manifest.json.9-0123abcd.partial").write_text('{"sha')
    (tmp_path / ".theirs.partial").write_text("of another program")
    with whole(tmp_path / "manifest.json") as partial:  # a process that lives has it locked
        partial.write_text("{}")
        stores.Local(tmp_path).clear()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".theirs.partial", "manifest.json"]


def test_a_file_of_a_store_is_read_from_a_copy_that_goes() -> None:
    store = fsspec.filesystem("memory")
    store.pipe_file("/in/a.csv", b"text\n")
    with stores.fetched("memory://in/a.csv") as copy:
        assert (copy.name, copy.read_bytes()) == ("a.csv", b"text\n")
    assert not copy.exists()
    store.rm("/in", recursive=True)
