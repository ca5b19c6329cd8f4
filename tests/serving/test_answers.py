"""Answers over HTTP are those of the model, for every task, however requests are put together."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import every_task
import pytest
from conftest import RunOf
from serving import Client, serving

from nlpkit.tasks.contract import Task

pytestmark = pytest.mark.slow

KINDS = every_task.kinds(Task)


@pytest.fixture(scope="module")
def client(run_of: RunOf) -> Iterator[Client]:
    with serving({kind: run_of(kind) for kind in KINDS}) as client:
        yield client


def inputs_of(client: Client, kind: str) -> list[Any]:
    """Inputs of several lengths, as the model takes them."""
    example = client.service.models[kind].example()
    if isinstance(example, str):
        return [example, f"{example} {example}", f"good film {example}", example]
    return [example, {name: f"{text} good film" for name, text in example.items()}]


@pytest.mark.parametrize("kind", KINDS)
def test_they_are_those_of_predict(client: Client, kind: str) -> None:
    model = client.service.models[kind]
    inputs = inputs_of(client, kind)
    variant = model.variant({})
    rows = [{variant.template.columns[0]: one} if isinstance(one, str) and variant.template else one for one in inputs]
    reader = variant.template.reader if variant.template and isinstance(inputs[0], str) else variant.reader
    expected = json.loads(json.dumps(variant.predictor.answers(rows, reader)))
    answers = client.answers(kind, inputs)
    for one, other in zip(answers, expected, strict=True):
        assert approximately(one) == other
    assert [client.answers(kind, one)[0] for one in inputs] == approximately(answers)


def approximately(value: Any) -> Any:
    """Numbers within what another batch changes."""
    if isinstance(value, float):
        return pytest.approx(value, rel=1e-3, abs=1e-4)
    if isinstance(value, dict):
        return {name: approximately(part) for name, part in value.items()}
    return [approximately(part) for part in value] if isinstance(value, list) else value


def test_requests_at_once_with_options_of_their_own(client: Client) -> None:
    """Each gets what it asked for, in its order."""
    texts = [f"a good film {'very ' * (i % 7)}indeed" for i in range(40)]
    alone = [client.answers("classification", text)[0] for text in texts]
    got: dict[int, Any] = {}

    def ask(i: int) -> None:
        options = {"all_scores": True} if i % 3 == 0 else {}
        got[i] = client.answers("classification", [texts[i], texts[(i + 1) % 40]], **options)

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, answers in got.items():
        assert [("scores" in one) for one in answers] == [i % 3 == 0] * 2
        for one, text in zip(answers, (alone[i], alone[(i + 1) % 40]), strict=True):
            assert one["prediction"] == text["prediction"]
            assert one["score"] == approximately(text["score"])


@pytest.mark.parametrize("kind", ["causal-lm", "text-to-text"])
def test_a_text_is_sent_as_it_is_written(client: Client, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = client.service.models[kind]
    variant = model.variant
    monkeypatch.setattr(model, "variant", lambda options: replace(variant(options), warnings=["said of the options"]))
    body = {"input": "good film", "stream": True, "options": {"max_new_tokens": 6}}
    answer = client.post(f"/v1/models/{kind}/predict", body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [line.removeprefix("data: ") for line in answer.raw.decode().split("\n\n") if line]
    assert events[-1] == "[DONE]"
    *pieces, last = [json.loads(event) for event in events[:-1]]
    assert last["warnings"] == ["said of the options"]
    whole = client.answers(kind, "good film", max_new_tokens=6)[0]
    assert last["answer"] == approximately(whole)
    assert "".join(piece["text"] for piece in pieces) == whole["prediction"]


def test_what_is_not_read_is_told(client: Client) -> None:
    (answer,) = client.answers("classification", "good film " * 400)
    assert answer["cut"] > 0


@pytest.mark.parametrize(
    "options", [{"max_new_tokens": 20_000}, {"max_new_tokens": 400, "sequences": 50, "temperature": 1}]
)
def test_what_may_be_written_is_bounded(client: Client, options: dict[str, Any]) -> None:
    answer = client.post("/v1/models/causal-lm/predict", {"input": "good film", "options": options})
    assert (answer.status, answer.error["type"]) == (413, "too_large")
    assert "20,000 tokens may have to be written" in answer.error["message"]


def test_the_models_are_listed(client: Client) -> None:
    listed = client.get("/v1/models").json["data"]
    assert {entry["id"]: entry["task"] for entry in listed} == every_task.KINDS
    assert client.get("/v1/models/classification").json == listed[0]


def test_figures_are_counted(client: Client) -> None:
    def figure(name: str) -> float:
        lines = client.get("/metrics").raw.decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    requests = 'nlpkit_requests_total{model="pairs",route="predict",status="422"}'
    tokens = 'nlpkit_tokens_total{model="regression"}'
    before = figure(requests), figure(tokens)
    client.post("/v1/models/pairs/predict", {"input": [1]})
    asked = client.post("/v1/models/regression/predict", {"input": "good film"})
    assert figure(requests) == before[0] + 1
    wanted = before[1] + asked.json["usage"]["tokens"]
    until = time.monotonic() + 10
    while figure(tokens) < wanted and time.monotonic() < until:  # the batch is told of once its answers are out
        time.sleep(0.01)
    assert figure(tokens) == wanted
    assert figure("nlpkit_ready") == 1


def test_the_examples_of_the_api_document_are_answered(client: Client) -> None:
    document = client.get("/openapi.json").json
    asked = document["paths"]["/v1/models/{name}/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert set(asked["examples"]) == set(KINDS)
    for kind, example in asked["examples"].items():
        answer = client.post(f"/v1/models/{kind}/predict", example["value"])
        assert answer.status == 200, answer.raw
        assert not any(one.get("error") for one in answer.json["answers"])
        assert set(example["value"]) <= set(asked["schema"]["properties"])


def test_labels_that_leave_no_room_for_a_text_are_refused(client: Client) -> None:
    labels = ["a very long label " * 20, "another"]
    answer = client.post("/v1/models/zero-shot/predict", {"input": "good film", "options": {"labels": labels}})
    assert (answer.status, answer.error["type"]) == (422, "invalid_input")
    assert "leaves no room for a text" in answer.error["message"]


def test_what_nobody_foresaw_is_told_as_every_refusal_is(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr(client.service.models["classification"], "prepared", broken)
    answer = client.post("/v1/models/classification/predict", {"input": "a text that was never asked before"})
    assert (answer.status, answer.error["type"]) == (500, "internal")
    assert "secret" not in answer.raw.decode() and answer.error["request_id"] == answer.headers["x-request-id"]


def test_the_time_in_the_server_is_told(client: Client) -> None:
    told = client.post("/v1/models/classification/predict", {"input": "good film"}).headers["server-timing"]
    assert float(told.removeprefix("total;dur=")) > 0


def test_a_model_without_labels_of_its_own_is_asked_with_some(run_of: RunOf, tmp_path: Path) -> None:
    run = Path(shutil.copytree(run_of("zero-shot"), tmp_path / "nli"))
    record = json.loads((run / "nlpkit.json").read_text())
    record["task"]["labels"] = []
    (run / "nlpkit.json").write_text(json.dumps(record))
    with serving({"nli": run}) as client:
        (answer,) = client.answers("nli", "good film", labels=["praise", "blame"], all_scores=True)
        assert set(answer["scores"]) == {"praise", "blame"}
        example = client.get("/v1/models/nli").json["form"]["example"]
        assert client.post("/predict", example).json["answers"][0]["scores"].keys() == set(example["options"]["labels"])
        refused = client.post("/predict", {"input": "good film"})
        assert (refused.status, refused.error["type"]) == (422, "invalid_options")
        assert "chooses among labels" in refused.error["message"]


def test_dynamic_int8_answers_alone_as_among_others(run_of: RunOf, tmp_path: Path) -> None:
    """One scale for a batch would let a score hang on the texts of other clients."""
    pytest.importorskip("onnx")
    from nlpkit.recipes import quantize

    folder = tmp_path / "int8"
    quantize.run(
        quantize.Config(
            model=str(run_of("classification")), to="onnx-int8", output=folder, device="cpu", measure_seconds=0
        )
    )
    with serving({"int8": folder}) as client:
        texts = [f"good film {'bad ' * (i % 9)}" for i in range(24)]
        alone = [client.answers("int8", text)[0] for text in texts]
        assert client.answers("int8", texts) == alone
