"""`cluster`: rows in are rows out, the same seed gives the same files, and what cannot be done is said."""

from __future__ import annotations

import csv
import json
import random
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import RunOf, write_csv
from hearing import Heard

import nlpkit
from nlpkit import reporting
from nlpkit.clustering import clusters, reduction, told
from nlpkit.errors import UserError
from nlpkit.options.problems import OptionError
from nlpkit.recipes import cluster

CPU: dict[str, Any] = {"device": "cpu", "threads": 1}
WORDS = {"food": "soup bread cheese butter rice", "ships": "harbour anchor sail captain deck"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draw, rows = random.Random(0), []
    for i in range(40):
        kind = list(WORDS)[i % 2]
        rows.append({"id": str(i), "text": " ".join(draw.choices(WORDS[kind].split(), k=6)), "kind": kind})
    rows[5]["text"], rows[7]["kind"] = "", ""
    return write_csv(tmp_path_factory.mktemp("texts") / "rows.csv", rows)


def run(model: Path, data: Path, output: Path, **options: Any) -> Any:
    config = cluster.Config(model=str(model), input=str(data), output=output, text_column="text", **options, **CPU)
    return cluster.run(config)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*") if path.is_file() and path.name != "nlpkit.json"}


def test_rows_in_are_rows_out_and_the_same_seed_gives_the_same_files(run_of: RunOf, data: Path, tmp_path: Path) -> None:
    model, out = run_of("embedding"), tmp_path / "out"
    report = run(model, data, out, k="2", label_column="kind", map="pca")
    given, found = read(data), read(out / "rows.csv")
    assert [{name: row[name] for name in given[0]} for row in found] == given
    assert found[5]["cluster"] == "" and "row 7" in found[5]["cluster_error"]
    assert {row["cluster"] for row in found} == {"", "0", "1"}
    written = json.loads((out / "clusters.json").read_text())
    sizes = [sum(row["cluster"] == str(i) for row in found) for i in (0, 1)]
    assert [one["rows"] for one in written["clusters"]] == sizes == sorted(sizes, reverse=True)
    assert all(one["central"] for one in written["clusters"])
    assert written["agreement"]["rows"] == 38 and written["agreement"]["without_label"] == 1
    assert len(written["stabilities"]) == 5 and report.record["output"] == str(out)
    assert {path.name for path in (out / "plots").iterdir()} == {"map.png", "labels.png"}
    run(model, data, tmp_path / "again", k="2", label_column="kind", map="pca")
    assert files(out) == files(tmp_path / "again")
    with pytest.raises(UserError, match="holds a finished run"):
        run(model, data, out, k="2")


def test_the_number_is_chosen_where_none_is_given(run_of: RunOf, data: Path, tmp_path: Path) -> None:
    report = run(run_of("embedding"), data, tmp_path / "out", map="none", stability=False)
    assert report.record["clusters"] >= 2 and not (tmp_path / "out" / "map.html").exists()
    assert (tmp_path / "out" / "plots" / "numbers.png").exists()


def test_duplicates_are_listed_and_left_out_on_demand(run_of: RunOf, tmp_path: Path) -> None:
    texts = ["good film", "bad soup", "Good  film", "", "a very long day", "good film"]
    data = write_csv(tmp_path / "rows.csv", [{"id": str(i), "text": text} for i, text in enumerate(texts)])
    unique = tmp_path / "unique.csv"
    report = run(run_of("embedding"), data, tmp_path / "out", mode="duplicates", without=unique, threshold=0.9999)
    found = read(tmp_path / "out" / "rows.csv")
    assert [row["duplicate_of"] for row in found] == ["", "", "2", "", "", "2"]
    assert [row["id"] for row in read(unique)] == ["0", "1", "3", "4"]
    assert (report.record["repeated"], report.record["equal"], report.record["kept"]) == (2, 2, 4)
    groups = json.loads((tmp_path / "out" / "duplicates.json").read_text())["groups"]
    assert [(group["line"], group["rows"]) for group in groups] == [(2, 3)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"k": "50"}, "needs 50 different texts"),
        ({"method": "community", "threshold": 1.0, "min_size": 30}, "no 30 texts are alike"),
        ({"method": "community", "threshold": 0.0, "min_size": 40}, "none has a cosine of 0 with 39 others"),
        ({"k": "2", "label_column": "sort"}, "sort"),
        ({"stop_words": "nowhere.txt"}, "there is no such file"),
        ({"mode": "duplicates", "without": Path("x.doc")}, "unknown format"),
        ({"k": "2", "threshold": 0.5}, "is for --method community"),
        ({"mode": "duplicates", "k": "3"}, "--k is for --mode clusters"),
        ({"method": "hdbscan", "k": "3"}, "--k is for --method"),
    ],
)
def test_what_cannot_be_done_is_said(
    options: dict[str, Any], said: str, run_of: RunOf, data: Path, tmp_path: Path
) -> None:
    with pytest.raises((UserError, OptionError)) as error:
        run(run_of("embedding"), data, tmp_path / "out", **options)
    assert said in str(error.value) and not (tmp_path / "out").exists()


def test_the_plan_counts_rows_and_what_they_cost(run_of: RunOf, data: Path, tmp_path: Path, heard: Heard) -> None:
    run(run_of("embedding"), data, tmp_path / "out", k="2", map="pca", stability=False)
    with pytest.raises(UserError, match="sort"):  # before anything is embedded
        run(run_of("embedding"), data, tmp_path / "wrong", k="2", label_column="sort")
    (plan,) = heard.plans
    assert plan["rows"] == f"40 of {data}, 39 different texts"
    assert "on one core" in plan["time"] and "for rows and vectors" in plan["memory"]


def test_umap_is_asked_for_by_name_alone(
    run_of: RunOf, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reduction, "find_spec", lambda _: None)
    with pytest.raises(UserError, match="umap-learn is not installed"):
        run(run_of("embedding"), data, tmp_path / "out", k="2", map="umap")
    asked: dict[str, Any] = {}

    class Umap:
        def __init__(self, **options: Any) -> None:
            asked.update(options)

        def fit_transform(self, units: np.ndarray) -> np.ndarray:
            return units[:, : asked["n_components"]]

    monkeypatch.setattr(reduction, "find_spec", lambda _: object())
    monkeypatch.setitem(sys.modules, "umap", types.SimpleNamespace(UMAP=Umap))
    run(run_of("embedding"), data, tmp_path / "out", k="2", map="umap", stability=False)
    assert asked["random_state"] == 42 and asked["metric"] == "cosine"
    assert "Map by UMAP" in (tmp_path / "out" / "map.html").read_text()


def test_groups_smaller_than_the_map_can_tell_are_warned_of() -> None:
    with reporting.listening() as heard:
        for min_size, placed in ((40, 500), (41, 10_000), (None, 500), (200, 500)):
            clusters.warn_of_clumps(min_size, placed, 10_000)
    assert len(heard.warnings) == 1 and "with 20 about each: groups of fewer than 200" in heard.warnings[0]


def test_k_is_a_number_or_auto() -> None:
    for wrong in ("1", "many", "-3"):
        with pytest.raises(OptionError, match="whole number from 2, or auto"):
            cluster.Config(model="m", input="f", k=wrong)
    assert cluster.Config(model="m", input="f", k=5).k == "5"  # type: ignore[arg-type]


def test_rows_in_memory_are_grouped_from_python(run_of: RunOf, tmp_path: Path) -> None:
    rows = [{"text": f"{'good film' if i % 2 else 'cold soup'} {'very ' * (i % 5)}bad", "id": i} for i in range(20)]
    report = nlpkit.cluster(
        str(run_of("embedding")), input=rows, k=2, map="none", stability=False, output=tmp_path / "out", **CPU
    )
    written = [json.loads(line) for line in (tmp_path / "out" / "rows.jsonl").read_text().splitlines()]
    assert [row["id"] for row in written] == list(range(20)) and {row["cluster"] for row in written} == {0, 1}
    assert report.path == tmp_path / "out" and len(report.record["clusters_found"]) == 2


def test_one_dense_place_with_most_rows_is_told() -> None:
    rows = [types.SimpleNamespace(rows=np.arange(size)) for size in (8, 2)]
    found: Any = types.SimpleNamespace(
        found=rows,
        places=np.arange(10),
        placed=10,
        points=None,
        stop_words="",
        agreement=None,
        figures={"outliers": 0, "silhouette": None},
        corpus=types.SimpleNamespace(source=types.SimpleNamespace(source=types.SimpleNamespace(format="csv"))),
    )
    config = cluster.Config(model="m", input="f", method="hdbscan")
    assert any("cluster 0 holds 80 % of the rows" in line for line in told.lines(found, config, Path("out")))
    assert not any("holds" in line for line in told.lines(found, config.changed(method="kmeans"), Path("out")))
    assert "3 of 10 rows are placed" in told.placement(3, 10)[0] and told.placement(10, 10) == []
