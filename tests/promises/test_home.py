"""Without a home folder, or with one that cannot be written, commands do what they do with one."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import every_command
import pytest

from nlpkit.cli.app import main
from nlpkit.data import cache

pytestmark = pytest.mark.slow


@pytest.mark.skipif(sys.platform != "linux", reason="needs a place where nobody can make a folder, as /proc is")
def test_a_home_that_cannot_be_written(tmp_path: Path, tiny_model: Path, reviews: Path) -> None:
    """In a process that begins from nothing: libraries look for their caches while they are imported."""
    names = ("env", "pretrain-mlm", "finetune-cls", "evaluate", "predict", "distill")
    said = every_command.run(tmp_path, tiny_model, reviews, *names, HOME="/proc/nobody")["commands"]
    assert list(said) == list(names)
    for kind, name in (("streams", "pretrain-mlm"), ("teacher", "distill")):
        note = f"cache of {kind}: /proc/nobody/.cache/nlpkit/{kind} cannot be written: No such file or directory"
        assert said[name]["said"].count(f"{note}; going on without") == 1
    assert not any("cache of" in said[name]["said"] for name in ("finetune-cls", "evaluate", "predict"))
    assert {path.name for path in tmp_path.iterdir()} == {"corpus.txt", "out"}


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose user has no entry in the list of users."""
    pwd = pytest.importorskip("pwd")

    def nobody(number: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    for name in ("HOME", "NLPKIT_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("homeless")
def test_a_user_without_a_home(capsys: pytest.CaptureFixture[str], trained: Path, reviews: Path) -> None:
    assert cache.folder() is None
    assert main(["env", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["caches"]["nlpkit"]
    assert found == {"path": None, "bytes": None, "complete": True}
    assert main(["env"]) == 0
    assert "none: there is no home folder; NLPKIT_CACHE=FOLDER names a place" in capsys.readouterr().out
    assert main(["evaluate", str(trained), "--data", str(reviews / "test.csv"), "--device", "cpu", "--no-save"]) == 0
    assert main(["predict", str(trained), "a good film", "--device", "cpu"]) == 0


@pytest.mark.usefixtures("homeless")
def test_a_cache_that_is_named_needs_no_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.folder() == tmp_path / "xdg" / "nlpkit"
    monkeypatch.setenv("NLPKIT_CACHE", str(tmp_path / "own"))
    assert cache.folder() == tmp_path / "own"
    monkeypatch.setenv("NLPKIT_CACHE", "~/own")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.folder() == tmp_path / "own"


def test_the_cache_of_somebody_else_is_no_error_of_env(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("NLPKIT_CACHE", str(tmp_path))
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != str(tmp_path) and real(path, mode))
    assert main(["env", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["caches"]["nlpkit"]["bytes"] is None
