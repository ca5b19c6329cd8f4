"""`topics`: found, wished, named, and given to new texts; the same seed gives the same files."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

import pytest
from conftest import RunOf, write_csv

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.recipes import predict, topics

CPU: dict[str, Any] = {"device": "cpu", "threads": 1}
# The tiny model knows few words; each kind has some of its own.
WORDS = {"good": "good great lovely", "bad": "bad awful", "soup": "soup cold"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draw, rows = random.Random(0), []
    for i in range(90):
        kind = list(WORDS)[i % 3]
        text = " ".join(draw.choices(WORDS[kind].split(), k=2 + i % 3)) + " film" * (i % 2)
        rows.append({"id": str(i), "text": text, "day": f"2024-0{1 + i % 4}-10"})
    rows[5]["text"], rows[7]["day"] = "", "soon"
    return write_csv(tmp_path_factory.mktemp("texts") / "rows.csv", rows)


def run(model: Path, data: Path, output: Path | None, **options: Any) -> Any:
    given = {"output": output} if output is not None else {}
    return topics.run(topics.Config(model=str(model), input=str(data), **given, **options, **CPU))


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def found(run_of: RunOf, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("topics") / "out"
    with reporting.listening() as heard:
        report = run(run_of("embedding"), data, out, map="pca", min_size=8, time_column="day")
    assert report.record["topics"] >= 2 and any("no date that can be read" in said for said in heard.warnings)
    return out


def test_rows_in_are_rows_out_and_the_same_seed_gives_the_same_files(
    found: Path, run_of: RunOf, data: Path, tmp_path: Path
) -> None:
    given, rows = read(data), read(found / "rows.csv")
    assert [{name: row[name] for name in given[0]} for row in rows] == given
    assert rows[5]["topic"] == "" and "row 7" in rows[5]["topic_error"]
    written = json.loads((found / "topics.json").read_text())
    sizes = [topic["rows"] for topic in written["topics"]]
    assert sizes == sorted(sizes, reverse=True)
    assert [sum(row["topic"] == str(i) for row in rows) for i in range(len(sizes))] == sizes
    assert written["figures"]["outliers"] == sum(row["topic"] == "-1" for row in rows)
    assert written["over_time"]["parts"] == ["2024-01-10", "2024-02-10", "2024-03-10", "2024-04-10"] or (
        written["over_time"]["unit"] == "month"
    )
    assert sum(map(sum, written["over_time"]["counts"])) in (sum(sizes), sum(sizes) - 1)  # one has no date
    run(run_of("embedding"), data, tmp_path / "again", map="pca", min_size=8, time_column="day")
    for name in ("rows.csv", "topics.json", "topics.safetensors", "names.csv", "map.html"):
        assert (found / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_topics_of_a_draw_are_those_of_all_rows(run_of: RunOf, tmp_path: Path) -> None:
    words, rows = ["good great", "bad awful"], []
    for i in range(240):
        rows.append({"text": " ".join([words[i % 2]] * (1 + i % 5)) + " film" * (i % 3)})
    data = write_csv(tmp_path / "many.csv", rows)
    report = run(run_of("embedding"), data, tmp_path / "out", map="pca", min_size=8, sample=120)
    assert any("found in 120 of 240 rows" in line for line in report.lines)
    assert report.record["outliers"] < 120  # rows that were not drawn join the topics too


def test_new_texts_get_the_topics_of_a_folder(found: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "new.csv"
    report = run(found, data, out)
    before, after = read(found / "rows.csv"), read(out)
    inside = [
        (one["topic"], other["topic"])
        for one, other in zip(before, after, strict=True)
        if one["topic"] not in ("", "-1")
    ]
    assert sum(one == other for one, other in inside) > 0.85 * len(inside)  # but for the outer 5 % of each topic
    assert after[5]["topic"] == "" and report.record["outliers"] == sum(row["topic"] == "-1" for row in after)
    assert len(run(found, data, None).record["answers"]) == 90
    with pytest.raises(UserError, match="--merge is for finding some"):
        run(found, data, out, merge=2)


def test_predict_takes_a_folder_of_topics(
    found: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(found, data, tmp_path / "topics.csv")
    predict.run(predict.Config(model=str(found), input=str(data), output=tmp_path / "predict.csv", **CPU))
    assert (tmp_path / "topics.csv").read_bytes() == (tmp_path / "predict.csv").read_bytes()
    predict.run(predict.Config(model=str(found), input=str(data), **CPU))
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [str(row["topic_name"] or "") for row in printed] == [r["topic_name"] for r in read(tmp_path / "topics.csv")]
    with pytest.raises(UserError, match=r"TEXT: .* holds topics"):
        predict.run(predict.Config(model=str(found), texts=["good film"], **CPU))


def test_edited_names_stay(found: Path, run_of: RunOf, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options: dict[str, Any] = {"map": "pca", "min_size": 8}
    run(run_of("embedding"), data, out, **options)
    path = out / "names.csv"
    lines = path.read_text().splitlines()
    lines[1] = '0,"My own, name",x'
    path.write_text("\n".join(lines))
    assert "My own, name" in {row["topic_name"] for row in read_new(out, data, tmp_path)}
    run(run_of("embedding"), data, out, overwrite=True, **options)
    assert json.loads((out / "topics.json").read_text())["topics"][0]["name"] == "My own, name"
    assert read(path)[0]["name"] == "My own, name" and "My own, name" in {
        r["topic_name"] for r in read(out / "rows.csv")
    }


def read_new(folder: Path, data: Path, tmp_path: Path) -> list[dict[str, str]]:
    run(folder, data, tmp_path / "new.csv")
    return read(tmp_path / "new.csv")


def test_wishes_merging_and_outliers(run_of: RunOf, data: Path, tmp_path: Path) -> None:
    wishes = tmp_path / "wishes.txt"
    wishes.write_text("Cold soup: soup cold soup\n")
    report = run(
        run_of("embedding"), data, tmp_path / "out", topics=str(wishes), merge=1, outliers="nearest", min_size=8,
        map="none", wish_threshold=0.9,
    )  # fmt: skip
    assert report.record["wished"] == 1 and report.record["outliers"] == 0
    named = {topic["name"]: topic for topic in report.record["topics_found"]}
    assert named["Cold soup"]["wished"] and len(named) <= 2
    assert not (tmp_path / "out" / "map.html").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"min_size": 80}, "there are no topics"),
        ({"min_size": 8, "time_column": "text"}, "no cell of the column 'text' is a date"),
        ({"wish_threshold": 0.5}, "--wish-threshold is for --topics"),
        ({"time_unit": "day"}, "--time-unit is for --time-column"),
    ],
)
def test_what_cannot_be_done_is_said(
    options: dict[str, Any], said: str, run_of: RunOf, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as error:
        run(run_of("embedding"), data, tmp_path / "out", map="pca", **options)
    assert said in str(error.value) and not (tmp_path / "out").exists()
