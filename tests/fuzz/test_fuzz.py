"""A few spoilt inputs in every run of the tests; `make fuzz` has as many as you like."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import folders
import fuzz
import kinds
import pytest
import spoil

from nlpkit.errors import RunError, UserError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished classifier, with what the kinds need beside it."""
    copy = tmp_path_factory.mktemp("fuzz") / "run"
    shutil.copytree(trained, copy)
    return kinds.beside(copy)


def test_spoilt_inputs_are_used_or_refused(run: Path, tmp_path: Path) -> None:
    failures = []
    for number in range(120):
        folder = tmp_path / str(number)
        folder.mkdir()
        failures.append(fuzz.run_one(1, number, run, folder))
        shutil.rmtree(folder)
    assert [f"{found.where} {found.what}: {found.command}" for found in failures if found] == []


def test_each_field_of_a_record_is_used_or_refused(run: Path, tmp_path: Path) -> None:
    """One way to spoil each, the next for the next; `folders.py` has them all, in folders of every kind."""
    found = [case for case in folders.cases("cls", run) if case.file in ("nlpkit.json", "tokenizer_config.json")]
    places = list(dict.fromkeys((case.file, case.path) for case in found if case.path))
    hows = [how for how in folders.DAMAGES if how != "dropped"]
    whole = [case for case in found if not case.path]
    place = tmp_path / "run"
    wrong = []
    for number, (file, path) in enumerate(places):
        case = folders.Case("cls", file, path, hows[number % len(hows)])
        wrong += _wrong(case, run, place)
    for case in whole:
        wrong += _wrong(case, run, place)
    assert len(places) > 80 and wrong == []


def _wrong(case: folders.Case, run: Path, place: Path) -> list[str]:
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(run, place, ignore=shutil.ignore_patterns("plots"))
    folders.spoil(case, place)
    arguments = ["predict", str(place), folders.TEXT, "--json", *folders.QUICK]
    made = folders.judged(case, (0, "", ""), folders.called(arguments))
    return [f"{case}: {made.what}: {made.said}"] if made.what in ("failed", "vague") else []


def test_an_input_is_made_from_its_number(run: Path, tmp_path: Path) -> None:
    made = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        kinds.KINDS["check-data"].make(random.Random("1:3"), folder, run)
        made.append([(path.name, path.read_bytes()) for path in folder.iterdir()])
    assert made[0] == made[1]
    assert made[0]


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (UserError("what, where", "what to do"), False),
        (UserError("<object object at 0x7f>"), True),
        (UserError(""), True),
        (RunError("failed while working"), True),
        (ValueError("raw"), True),
    ],
)
def test_what_counts_as_a_failure(
    error: Exception, found: bool, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(kinds, "KINDS", {"one": kinds.Kind(1, lambda *_: ("nlpkit x", fail))})
    failure = fuzz.run_one(1, 1, run, tmp_path)
    assert (failure is not None) == found


def test_an_endless_input_is_one(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def turn() -> None:
        while True:
            pass

    monkeypatch.setattr(kinds, "KINDS", {"one": kinds.Kind(1, lambda *_: ("nlpkit x", turn))})
    monkeypatch.setattr(fuzz, "SECONDS", 0.2)
    failure = fuzz.run_one(1, 1, run, tmp_path)
    assert failure is not None
    assert failure.what.startswith("Hang")


def test_spoiling_keeps_the_original() -> None:
    document = {"a": [{"b": 1}, {"b": 2}]}
    spoilt = [spoil.spoil_document(random.Random(i), document) for i in range(50)]
    assert document == {"a": [{"b": 1}, {"b": 2}]}
    assert sum(other != document for other in spoilt) > 30
