"""Questions to vectors by an exported model, without torch; and the best put into a new order."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import RunOf, write_jsonl

from nlpkit.data.affirmative import affirmative
from nlpkit.errors import UserError
from nlpkit.recipes import index, quantize, search
from nlpkit.searching import quick, rerank, sides
from nlpkit.searching.opened import Index
from nlpkit.searching.record import QuickSettings

CPU: dict[str, Any] = {"device": "cpu", "threads": 1}
TEXTS = ["a good great film", "the very bad day", "soup was cold", "good film very bad soup " * 30]
WITHOUT_TORCH = """
import sys
from nlpkit.cli.app import main
code = main(sys.argv[1:])
assert "torch" not in sys.modules and "transformers" not in sys.modules and "pandas" not in sys.modules
sys.exit(code)
"""


@pytest.fixture(scope="module")
def exported(run_of: RunOf, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("exported") / "onnx"
    settings: dict[str, Any] = {"to": "onnx-fp32", "measure_seconds": 0, "device": "cpu"}
    quantize.run(quantize.Config(model=str(run_of("embedding")), output=output, **settings))
    return output


@pytest.fixture(scope="module")
def place(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index")
    data = write_jsonl(folder / "rows.jsonl", [{"text": text} for text in TEXTS])
    index.run(index.Config(data=str(data), model=str(exported), output=folder / "i", prompt_query="good: ", **CPU))
    return folder / "i"


@pytest.mark.slow
def test_an_exported_model_gives_the_same_vectors_without_torch(exported: Path, place: Path) -> None:
    entry = Index.open(place).entry
    assert entry.quick is not None
    found = quick.Quick(exported, entry.quick, entry.measure, 1)
    opened = sides.open_sides(index.Config(model=str(exported), prompt_query="good: ", **CPU), "search")
    np.testing.assert_allclose(found.asked(TEXTS), opened.asked(TEXTS), atol=1e-5)
    assert found.digest() == opened.digest == entry.made["model_sha256"]
    assert found.cut(["film " * 600, "a film"]) == opened.cut(["film " * 600, "a film"]) == 1
    for mode in ("dense", "bm25"):
        command = [
            sys.executable,
            "-c",
            WITHOUT_TORCH,
            "search",
            str(place),
            "the very bad day",
            "--mode",
            mode,
            "--json",
        ]
        done = subprocess.run([*command, "--max-false-answers", "1"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        hits = json.loads(done.stdout)["answers"][0]["found"]
        assert len(hits) > 1 and (mode == "dense" or hits[0]["text"] == "the very bad day")


@pytest.mark.slow
def test_a_model_that_reads_texts_in_another_way_is_not_asked_so(exported: Path) -> None:
    settings = QuickSettings(prompt="", max_length=64, lower_case=False)
    wanted = quick.Quick(exported, settings, "cosine").asked(TEXTS)
    assert quick.tried(exported, settings, "cosine", TEXTS, wanted)
    assert not quick.tried(exported, settings.model_copy(update={"prompt": "bad "}), "cosine", TEXTS, wanted)
    assert not quick.tried(exported.parent, settings, "cosine", TEXTS, wanted)
    assert not quick.tried(None, settings, "cosine", TEXTS, wanted)


def test_as_many_are_put_into_a_new_order_as_there_is_time_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(rerank.time, "perf_counter", lambda: clock[0])
    texts = ["x" * length for length in range(30)]

    def scores(self: rerank.Reranker, question: str, some: list[str]) -> np.ndarray:
        clock[0] += 0.1
        return np.asarray([len(text) for text in some], float)

    monkeypatch.setattr(rerank.Reranker, "scores", scores)
    made: Any = rerank.Reranker(None, 250)  # type: ignore[arg-type]
    order, found = made.order("?", texts)
    assert order == list(range(15, -1, -1)) and found.tolist() == order  # two batches of eight, a third would be late
    made.milliseconds = 10_000
    assert len(made.order("?", texts)[0]) == 30
    made.milliseconds = 1
    assert len(made.order("?", texts)[0]) == 8


def test_the_best_are_put_into_the_order_of_a_cross_encoder(run_of: RunOf, tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "rows.jsonl", [{"id": str(i), "text": text} for i, text in enumerate(TEXTS)])
    place = tmp_path / "i"
    index.run(index.Config(data=str(data), model=str(run_of("embedding")), output=place, **CPU))
    given: dict[str, Any] = {"index": place, "questions": ["bad soup"], "max_false_answers": 1, **CPU}
    report = search.run(search.Config(**given, rerank=str(run_of("pairs")), rerank_ms=100_000))
    (answer,) = report.record["answers"]
    assert answer["reranked"] == 4
    scores = [hit["score"] for hit in answer["found"]]
    assert scores == sorted(scores, reverse=True)
    assert {hit["ranks"]["rerank"]["rank"] for hit in answer["found"]} == {1, 2, 3, 4}
    with pytest.raises(UserError, match="was not trained on pairs"):
        search.run(search.Config(**given, rerank=str(run_of("regression"))))


def test_which_of_two_labels_says_that_a_text_answers_is_seen_by_their_names() -> None:
    for yes, no in (("1", "0"), ("LABEL_1", "LABEL_0"), ("equivalent", "not_equivalent"), ("relevant", "irrelevant")):
        assert affirmative([no, yes]) == 1 and affirmative([yes, no]) == 0
    assert affirmative(["sports", "world"]) is None


def test_labels_that_do_not_say_yes_put_nothing_into_an_order(run_of: RunOf, tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "rows.jsonl", [{"id": str(i), "text": text} for i, text in enumerate(TEXTS)])
    index.run(index.Config(data=str(data), model=str(run_of("embedding")), output=tmp_path / "i", **CPU))
    given: dict[str, Any] = {"index": tmp_path / "i", "questions": ["bad soup"], "max_false_answers": 1, **CPU}
    orders = []
    for names in (["negative", "positive"], ["same", "not same"], ["sports", "world"]):
        run = tmp_path / names[0]
        shutil.copytree(run_of("pairs"), run)
        for name, edit in (("config.json", _renamed_config), ("nlpkit.json", _renamed_record)):
            path = run / name
            path.write_text(json.dumps(edit(json.loads(path.read_text()), names)))
        asked = search.Config(**given, rerank=str(run), rerank_ms=100_000)
        if names[0] == "sports":
            with pytest.raises(UserError, match="'sports' and 'world', and neither says that a text answers"):
                search.run(asked)
        else:
            orders.append([hit["id"] for hit in search.run(asked).record["answers"][0]["found"]])
    assert orders[0] == orders[1][::-1]


def _renamed_config(config: dict[str, Any], names: list[str]) -> dict[str, Any]:
    return {**config, "id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}


def _renamed_record(record: dict[str, Any], names: list[str]) -> dict[str, Any]:
    return {**record, "task": {**record["task"], "labels": names}}
