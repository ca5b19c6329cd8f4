"""An index behind a name, beside a model."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import RunOf, write_csv
from serving import Client, serving

from nlpkit.recipes import index, search
from nlpkit.searching.record import Chance

pytestmark = pytest.mark.slow

CPU: dict[str, Any] = {"device": "cpu", "threads": 1}
ROWS = [
    {"id": "f1", "text": "how do I get a refund of my money", "price": "5"},
    {"id": "f2", "text": "a good film about a train", "price": "20"},
    {"id": "f3", "text": "the soup was cold and the waiter slow", "price": "nan"},
    {"id": "f4", "text": "the film was bad", "price": "7"},
]


@pytest.fixture(scope="module")
def place(run_of: RunOf, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faq")
    shutil.copytree(run_of("embedding"), folder / "encoder", ignore=shutil.ignore_patterns("nlpkit.json", "data"))
    data = write_csv(folder / "rows.csv", ROWS)
    index.run(index.Config(data=str(data), model=str(folder / "encoder"), output=folder / "faq.index", **CPU))
    return folder / "faq.index"


@pytest.fixture(scope="module")
def client(place: Path, run_of: RunOf) -> Iterator[Client]:
    with serving({"faq": place, "reviews": run_of("classification")}) as client:
        yield client


def searched(client: Client, query: Any, **options: Any) -> Any:
    answer = client.post("/search", {"query": query, "max_false_answers": 1, **options})
    assert answer.status == 200, answer.raw
    return answer.json


@pytest.mark.parametrize("options", [{}, {"mode": "bm25"}, {"mode": "hybrid", "weight": 0.3, "top_k": 2}])
def test_what_is_found_is_what_search_finds(client: Client, place: Path, options: dict[str, Any]) -> None:
    queries = ["a refund please", "which film is bad"]
    config = search.Config(index=place, questions=queries, max_false_answers=1, **CPU, **options)
    expected = search.run(config).record["answers"]
    found = searched(client, queries, **options)
    assert found["model"] == "faq"
    for one, answer in zip(found["results"], expected, strict=True):
        assert [hit["id"] for hit in one] == [hit["id"] for hit in answer["found"]]
        for hit, other in zip(one, answer["found"], strict=True):
            assert hit["score"] == pytest.approx(other["score"], abs=1e-5)
            assert {name: hit[name] for name in ("rank", "text", "values")} == {
                name: other[name] for name in ("rank", "text", "values")
            }
    (alone,) = searched(client, queries[1], **options)["results"]
    assert [hit["id"] for hit in alone] == [hit["id"] for hit in found["results"][1]]


def test_a_filter_of_a_request(client: Client) -> None:
    found = searched(client, "film", filter="price<10", mode="bm25")["results"]
    assert [[hit["id"] for hit in one] for one in found] == [["f4"]]


def test_nothing_found_is_told_with_the_chance(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    index = client.service.models["faq"].searcher.index
    chance = Chance(best=[2.0] * 99, source="questions about something else", estimate=True)
    monkeypatch.setattr(index, "entry", index.entry.model_copy(update={"chance": {"dense": chance}}))
    answer = client.post("/v1/models/faq/search", {"query": "a film", "max_false_answers": 0.02}).json
    assert answer["results"] == [[]]
    (told,) = answer["chances"]
    assert told["best"]["score"] < told["threshold"]
    assert (told["false_answer"], told["estimate"]) == (1, True)


@pytest.mark.parametrize(
    ("path", "body", "status", "loc", "said"),
    [
        ("/search", {}, 422, ["query"], "lacks query"),
        ("/search", {"query": ["a", " "]}, 422, ["query", 1], "query[1] is empty"),
        ("/search", {"query": ["a", 3]}, 422, ["query", 1], "is a number"),
        ("/search", {"query": "a", "top_k": 0}, 422, ["top_k"], "top_k"),
        ("/search", {"query": "a", "rerank": "model"}, 422, ["rerank"], "rerank"),
        ("/search", {"query": "a", "index": "/etc"}, 422, ["index"], "index"),
        ("/search", {"query": "a", "filter": ["colour=red"]}, 422, None, "colour"),
        ("/search", {"query": "a", "weight": 0.5}, 422, None, "hybrid"),
        ("/v1/models/faq/predict", {"input": "a"}, 422, None, "does not answer predict"),
        ("/v1/models/reviews/search", {"query": "a"}, 422, None, "does not answer search"),
    ],
)
def test_a_wrong_search(client: Client, path: str, body: Any, status: int, loc: Any, said: str) -> None:
    answer = client.post(path, body)
    assert answer.status == status, answer.raw
    assert said in answer.error["message"]
    if loc is not None:
        assert answer.error["where"][0]["loc"] == loc


def test_it_is_listed_beside_the_models(client: Client) -> None:
    listed = {entry["id"]: entry for entry in client.get("/v1/models").json["data"]}
    assert (listed["faq"]["task"], listed["faq"]["routes"]) == ("search", ["/v1/models/faq/search"])
    form = listed["faq"]["form"]
    assert (form["shows"], form["example"]["top_k"]) == ("results", 5)
    assert {option["name"] for option in form["options"]} >= {"top_k", "mode", "filter"}
    assert client.post("/search", form["example"]).status == 200
    assert client.post("/predict", {"input": "a good film"}).status == 200  # the only model that answers it


def test_an_index_whose_model_has_gone_is_searched_by_words(place: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved.index"
    shutil.copytree(place, moved)
    told = (moved / "index.json").read_text().replace(str(place.parent / "encoder"), "/not/there")
    (moved / "index.json").write_text(told.replace('"mode": "dense"', '"mode": "bm25"'))
    with serving({"faq": moved}) as client:
        assert searched(client, "film")["results"][0]
        refused = client.post("/search", {"query": "film", "mode": "dense"})
        assert (refused.status, refused.error["type"]) == (422, "invalid_options")
        assert "/not/there" in refused.error["message"]
