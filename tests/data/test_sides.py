"""Which files belong together by their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from nlpkit.data import sides
from nlpkit.errors import UserError


@pytest.mark.parametrize(
    ("name", "side", "stem"),
    [
        ("train.en", "en", "train"),
        ("train.en.gz", "en", "train"),
        ("train.tok.de.txt", "de", "train.tok"),
        ("tatoeba.deu-eng.eng", "eng", "tatoeba.deu-eng"),
        ("europarl-v7.de-en.en", "en", "europarl-v7.de-en"),
        ("val.pt_BR", "pt_BR", "val"),
        ("train.zh-Hans", "zh-Hans", "train"),
        ("eng_Latn.dev", "eng_Latn", "dev"),
        ("train.source", "source", "train"),
        ("en.txt", "en", ""),
        ("src-train.txt", "src", "train"),
        ("train_de.txt", "de", "train"),
    ],
)
def test_the_side_that_a_name_tells(name: str, side: str, stem: str) -> None:
    assert sides.side_of(Path(name)) == sides.Side(side, stem)


@pytest.mark.parametrize("name", ["train.txt", "dev.txt", "train.log", "run.py", "notes_old.txt", "reviews.txt"])
def test_a_name_that_tells_none(name: str) -> None:
    assert sides.side_of(Path(name)) is None


def test_files_that_are_read_beside_one_another() -> None:
    names = ["a/train.en", "a/val.en", "a/train.de", "b/val.de", "a/val.fr", "a/notes.txt"]
    made = [(unit.stem, [str(path) for path in unit.paths]) for unit in sides.units([Path(name) for name in names])]
    assert made == [
        ("train", ["a/train.en", "a/train.de"]),
        ("val", ["a/val.en", "a/val.fr"]),
        ("val.de", ["b/val.de"]),  # of another folder
        ("notes.txt", ["a/notes.txt"]),
    ]


def test_one_side_in_two_files_is_refused() -> None:
    with pytest.raises(UserError, match=r"train\.en and train\.en\.gz are both 'en' of the same rows"):
        sides.units([Path("train.en"), Path("train.de"), Path("train.en.gz")])


def test_columns_of_files_whose_names_tell_no_side() -> None:
    assert list(sides.named([Path("x.one"), Path("x.two.gz")])) == ["one", "two"]
    assert list(sides.named([Path("a.1.txt"), Path("b.1.txt")])) == ["a.1.txt", "b.1.txt"]
