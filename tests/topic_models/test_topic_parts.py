"""Parts of topics: names that stay, wishes, time, merging."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.topic_models import names, times, tree, wished


def test_names_that_people_gave_follow_their_topics_to_new_numbers(tmp_path: Path) -> None:
    names.write(tmp_path / names.FILE, ["cats", "dogs", "ships"], [["cat"], ["dog"], ["ship"]])
    assert names.read(tmp_path, ["cats", "dogs", "ships"]) == {}
    text = (tmp_path / names.FILE).read_text().replace("0,cats", "0,Pets").replace("2,ships", '2,"Boats, all"')
    (tmp_path / names.FILE).write_text(f"\ufeff{text}")  # as a spreadsheet saves it
    own = names.read(tmp_path, ["cats", "dogs", "ships"])
    assert own == {0: "Pets", 2: "Boats, all"}
    given = names.Given(own, np.eye(3, dtype=np.float32))
    with reporting.listening() as heard:
        found = names.carried(given, np.asarray([[0, 1, 0], [0.995, 0.1, 0]], np.float32))
    assert found == {1: "Pets"}
    assert heard.warnings == ["1 name of names.csv found no topic and is not used any more: 'Boats, all'"]
    (tmp_path / names.FILE).write_text("topic;name;words\n1;Hunde;dog\n")
    assert names.read(tmp_path, ["cats", "dogs"]) == {1: "Hunde"}
    (tmp_path / names.FILE).write_bytes("topic,name\n0,Schöne\n".encode("latin-1"))
    with pytest.raises(UserError, match="Save it as csv in UTF-8"):
        names.read(tmp_path, ["cats"])
    for text, said in (
        ("topic,called\n0,Cats\n", "has no column 'name'"),
        ("topic,name\n0,Cats\n0,Dogs\n", "line 3: topic 0 stands in line 2 too"),
    ):
        (tmp_path / names.FILE).write_text(text)
        with pytest.raises(UserError, match=said):
            names.read(tmp_path, ["cats"])
    (tmp_path / names.FILE).write_text("topic,name\n7,Nothing\n")
    with pytest.raises(UserError, match="line 2: there is no topic '7'"):
        names.read(tmp_path, ["cats"])


def test_texts_join_a_wish_only_where_they_are_clearly_like_it() -> None:
    draw = np.random.default_rng(0)
    others = draw.standard_normal((200, 16))
    about = np.eye(16)[[0] * 10] + 0.1 * draw.standard_normal((10, 16))
    units = np.concatenate([others, about])
    units = np.asarray(units / np.linalg.norm(units, axis=1, keepdims=True), np.float32)
    wishes = np.eye(16, dtype=np.float32)[[0, 1]]
    found, limits = wished.assigned(units, wishes, None)
    assert (found[200:] == 0).all() and (found[:200] >= 0).mean() < 0.02
    assert (limits > 0.4).all()
    assert (wished.assigned(units, wishes, 1.1)[0] == -1).all()


@pytest.mark.parametrize(("text", "said"), [("", "holds no topics"), ("a\nb\na: more", "'a' is there twice")])
def test_wishes_that_cannot_be_read(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "w.txt").write_text(text)
    with pytest.raises(UserError, match=said):
        wished.read(str(tmp_path / "w.txt"))
    with pytest.raises(UserError, match="no such file"):
        wished.read(str(tmp_path / "none.txt"))
    (tmp_path / "w.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(UserError, match="in UTF-8"):
        wished.read(str(tmp_path / "w.txt"))


def test_a_wish_may_have_a_description(tmp_path: Path) -> None:
    (tmp_path / "w.txt").write_text("refund: money back, returns\n\nlogin\n")
    assert wished.read(str(tmp_path / "w.txt")) == [
        *(wished.Wish("refund", "refund: money back, returns"), wished.Wish("login", "login")),
    ]


@pytest.mark.parametrize(
    ("cell", "day"),
    [
        ("2024-03-31", date(2024, 3, 31)),
        ("2024-03-31T23:59:00+02:00", date(2024, 3, 31)),
        ("2024", date(2024, 1, 1)),
        (2024, date(2024, 1, 1)),
        ("31.03.2024", date(2024, 3, 31)),
        ("Mar 31, 2024", date(2024, 3, 31)),
        ("1711843200", date(2024, 3, 31)),
        ("03/04/2024", None),  # the third of April or the fourth of March
        ("soon", None),
        (None, None),
    ],
)
def test_dates(cell: object, day: date | None) -> None:
    assert times.read(cell) == day


def test_topics_over_time() -> None:
    days = [date(2024, 1, 5), date(2024, 2, 1), None, date(2024, 2, 28)]
    found = times.over(days, np.asarray([0, 1, 0, -1]), 2, "month")
    assert found is not None
    assert found.parts == ["2024-01", "2024-02"] and found.counts.tolist() == [[1, 0], [0, 1]] and found.without == 1
    guessed = times.over(days, np.asarray([0, 1, 0, -1]), 2)
    assert guessed is not None and guessed.unit == "month"
    assert times.over([None], np.asarray([0]), 1) is None


@pytest.mark.parametrize(
    ("unit", "parts"),
    [
        ("month", ["2023-11", "2023-12", "2024-01", "2024-02"]),
        ("year", ["2023", "2024"]),
        ("day", None),
    ],
)
def test_parts_of_time_without_texts_have_a_place_too(unit: times.Unit, parts: list[str] | None) -> None:
    found = times.over([date(2023, 11, 30), date(2024, 2, 1)], np.asarray([0, 0]), 1, unit)
    assert found is not None and found.counts.sum() == 2
    assert found.parts == parts if parts else (len(found.parts), found.parts[31]) == (64, "2023-12-31")


def test_the_nearest_topics_are_merged() -> None:
    centres = np.asarray([[1, 0], [0.99, 0.14], [0, 1]], np.float32)
    assert tree.merged(np.asarray([0, 1, 2, -1]), centres, 2).tolist() in ([0, 0, 1, -1], [1, 1, 0, -1])
    assert tree.merged(np.asarray([0, 1, 2, -1]), centres, 5).tolist() == [0, 1, 2, -1]
    assert tree.linked(centres).shape == (2, 4) and tree.linked(centres[:1]).shape == (0, 4)
