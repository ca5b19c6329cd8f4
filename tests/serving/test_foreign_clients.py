"""Clients of other servers: OpenAI's forms, and those of text-embeddings-inference."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from conftest import RunOf
from serving import Client, serving

pytestmark = pytest.mark.slow

TEXTS = ["a good film", "a bad film indeed", "a good film"]


@pytest.fixture(scope="module")
def client(run_of: RunOf) -> Iterator[Client]:
    kinds = ("classification", "pairs", "regression", "embedding", "causal-lm", "token-classification")
    with serving({kind: run_of(kind) for kind in kinds}, max_inputs=8) as client:
        yield client


def posted(client: Client, path: str, body: dict[str, Any]) -> Any:
    answer = client.post(path, body)
    assert answer.status == 200, answer.raw
    return answer.json


@pytest.fixture(scope="module")
def vectors(client: Client) -> np.ndarray:
    """Of `TEXTS`, as the route for any task has them."""
    return np.array([answer["prediction"] for answer in client.answers("embedding", TEXTS)])


# --- vectors ---


def test_vectors_in_the_own_form(client: Client, vectors: np.ndarray) -> None:
    for path in ("/embed", "/v1/models/embedding/embed"):
        made = posted(client, path, {"input": TEXTS, "options": {"dims": 8, "normalize": False}})
        assert (made["model"], made["dimensions"], np.shape(made["vectors"])) == ("embedding", 8, (3, 8))
        assert "not trained to be cut" in made["warnings"][0]
    whole = posted(client, "/embed", {"input": TEXTS[0]})
    assert whole["vectors"] == [pytest.approx(vectors[0].tolist(), abs=1e-5)]
    assert whole["usage"]["tokens"] == 5
    assert "left out" in posted(client, "/embed", {"input": "good " * 400})["warnings"][0]


@pytest.mark.parametrize("encoding", [None, "float", "base64"])
def test_vectors_in_the_form_of_openai(client: Client, vectors: np.ndarray, encoding: str | None) -> None:
    body = {"input": TEXTS, "model": "embedding", "encoding_format": encoding, "user": "someone"}
    made = posted(client, "/v1/embeddings", body)
    assert (made["object"], made["model"]) == ("list", "embedding")
    tokens = [posted(client, "/embed", {"input": text})["usage"]["tokens"] for text in TEXTS]
    assert made["usage"] == {"prompt_tokens": sum(tokens), "total_tokens": sum(tokens)}  # equal texts count each time
    assert [(one["object"], one["index"]) for one in made["data"]] == [("embedding", i) for i in range(3)]
    found = [one["embedding"] for one in made["data"]]
    if encoding == "base64":
        found = [np.frombuffer(base64.b64decode(one), "<f4") for one in found]
    assert np.allclose(found, vectors, atol=1e-5)


def test_vectors_in_the_form_of_text_embeddings_inference(client: Client, vectors: np.ndarray) -> None:
    assert np.allclose(posted(client, "/embed", {"inputs": TEXTS, "truncate": False}), vectors, atol=1e-5)
    answer = client.post("/embed", {"inputs": TEXTS[0], "dimensions": 8, "prompt_name": None})
    (cut,) = answer.json
    (warning,) = json.loads(answer.headers["x-nlpkit-warning"])
    assert "not trained to be cut" in warning
    assert np.allclose(cut, vectors[0, :8] / np.linalg.norm(vectors[0, :8]), atol=1e-5)
    refused = client.post("/embed", {"inputs": ["good", "good " * 400]})
    assert (refused.status, refused.error["where"][0]["loc"]) == (413, ["inputs", 1])
    assert len(posted(client, "/embed", {"inputs": "good " * 400, "truncate": True})) == 1


# --- labels ---


def test_labels_in_the_form_of_text_embeddings_inference(client: Client) -> None:
    expected = [answer["scores"] for answer in client.answers("classification", TEXTS, all_scores=True)]
    path = "/v1/models/classification/predict"
    for inputs in (TEXTS, [[text] for text in TEXTS]):
        made = posted(client, path, {"inputs": inputs})
        for one, scores in zip(made, expected, strict=True):
            assert {entry["label"]: entry["score"] for entry in one} == pytest.approx(scores, abs=1e-4)
            assert [entry["score"] for entry in one] == sorted(scores.values(), reverse=True)
    assert posted(client, path, {"inputs": TEXTS[0], "raw_scores": False}) == made[0]
    # the Inference API of the hub, whose answer is a list also for one text
    assert posted(client, path, {"inputs": TEXTS[0], "parameters": {"top_k": 1}}) == [made[0][:1]]
    number = posted(client, "/v1/models/regression/predict", {"inputs": TEXTS[0]})
    assert number == [{"label": "score", "score": client.answers("regression", TEXTS[0])[0]["prediction"]}]


def test_pairs_in_the_form_of_text_embeddings_inference(client: Client) -> None:
    rows = [{"sentence1": "a good film", "sentence2": text} for text in TEXTS]
    expected = [answer["scores"] for answer in client.answers("pairs", rows, all_scores=True)]
    pairs = [list(row.values()) for row in rows]
    path = "/v1/models/pairs/predict"
    made = posted(client, path, {"inputs": pairs})
    assert [{entry["label"]: entry["score"] for entry in one} for one in made] == [
        pytest.approx(scores, abs=1e-4) for scores in expected
    ]
    assert posted(client, path, {"inputs": pairs[0]}) == made[0]  # a list of two texts is a pair


def test_texts_in_the_order_in_which_they_answer(client: Client) -> None:
    rows = [{"sentence1": "good", "sentence2": text} for text in TEXTS]
    scores = [answer["scores"]["positive"] for answer in client.answers("pairs", rows, all_scores=True)]
    made = posted(client, "/rerank", {"query": "good", "texts": TEXTS, "return_text": True})
    assert [one["score"] for one in made] == pytest.approx(sorted(scores, reverse=True), abs=1e-4)
    assert {one["index"]: one["text"] for one in made} == dict(enumerate(TEXTS))
    assert "text" not in posted(client, "/v1/models/pairs/rerank", {"query": "good", "texts": TEXTS})[0]


# --- texts ---

GREEDY = {"temperature": 0, "max_tokens": 6}


def test_completions(client: Client) -> None:
    (expected,) = client.answers("causal-lm", "good film", max_new_tokens=6)
    body = {"model": "causal-lm", "prompt": ["good film", "bad film"], **GREEDY, "top_p": 0.9, "logit_bias": {}}
    made = posted(client, "/v1/completions", body)
    assert (made["object"], made["model"], made["id"][:5]) == ("text_completion", "causal-lm", "cmpl-")
    assert made["choices"][0] == {
        "index": 0,
        "text": expected["prediction"],
        "logprobs": None,
        "finish_reason": "stop" if expected["ended"] else "length",
    }
    assert [choice["index"] for choice in made["choices"]] == [0, 1]
    usage = made["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    echoed = posted(client, "/v1/completions", {"model": "causal-lm", "prompt": "good film", **GREEDY, "echo": True})
    assert echoed["choices"][0]["text"] == "good film" + expected["prediction"]
    (letter, *_) = expected["prediction"].strip()
    stopped = posted(client, "/v1/completions", {"model": "causal-lm", "prompt": "good film", **GREEDY, "stop": letter})
    assert stopped["choices"][0]["text"] == expected["prediction"].split(letter)[0]
    assert stopped["choices"][0]["finish_reason"] == "stop"


def test_what_is_drawn_is_another_text_each_time_but_with_a_seed(client: Client) -> None:
    def texts(**more: Any) -> list[str]:
        body = {"model": "causal-lm", "prompt": "good film", "n": 3, **more}
        choices = posted(client, "/v1/completions", body)["choices"]
        assert [choice["index"] for choice in choices] == [0, 1, 2]
        return [choice["text"] for choice in choices]

    assert texts(seed=7) == texts(seed=7)
    assert len(set(texts())) == 3
    assert texts() != texts()


@pytest.mark.parametrize("more", [{}, {"echo": True}, {"n": 2, "temperature": 1.5, "seed": 3}])
def test_completions_as_they_are_written(client: Client, more: dict[str, Any]) -> None:
    body = {"model": "causal-lm", "prompt": "good film", **GREEDY, **more}
    whole = posted(client, "/v1/completions", body)
    answer = client.post("/v1/completions", {**body, "stream": True, "stream_options": {"include_usage": True}})
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [line.removeprefix("data: ") for line in answer.raw.decode().split("\n\n") if line]
    assert events[-1] == "[DONE]"
    *chunks, last = [json.loads(event) for event in events[:-1]]
    assert (last["choices"], last["usage"]) == ([], whole["usage"])
    texts = [""] * len(whole["choices"])
    ends: dict[int, str] = {}
    for chunk in chunks:
        (choice,) = chunk["choices"]
        texts[choice["index"]] += choice["text"]
        if choice["finish_reason"]:
            ends[choice["index"]] = choice["finish_reason"]
    assert texts == [choice["text"] for choice in whole["choices"]]
    assert ends == {choice["index"]: choice["finish_reason"] for choice in whole["choices"]}


# --- what is refused ---

LABELS = "/v1/models/classification/predict"
EMBED, WRITE = {"model": "embedding", "input": "a"}, {"model": "causal-lm", "prompt": "a"}


@pytest.mark.parametrize(
    ("path", "body", "status", "loc", "said"),
    [
        ("/v1/embeddings", {**EMBED, "model": "embeding"}, 404, None, "did you mean embedding"),
        ("/v1/embeddings", {**EMBED, "model": "causal-lm"}, 422, None, "predict"),
        ("/v1/embeddings", {**EMBED, "input": [[15, 3]]}, 422, ["input"], "token ids"),
        ("/v1/embeddings", {**EMBED, "input": [[[[15]]]]}, 422, ["input", 0], "input[0] is a list; give a text"),
        ("/v1/embeddings", {**EMBED, "input": ["good", ""]}, 422, ["input", 1], "input[1]"),
        ("/v1/embeddings", {**EMBED, "input": [True]}, 422, ["input", 0], "input[0] is true or false; give a text"),
        ("/v1/embeddings", {**EMBED, "input": ["a", {"text": "b"}]}, 422, ["input", 1], "is an object; give a text"),
        ("/v1/embeddings", {**EMBED, "dimensions": 1000}, 422, ["dimensions"], "have 32. At most 32."),
        ("/v1/embeddings", {**EMBED, "dimensions": 0}, 422, ["dimensions"], "dimensions"),
        ("/v1/embeddings", {**EMBED, "encoding_format": "int8"}, 422, ["encoding_format"], "base64"),
        ("/v1/embeddings", {"model": "embedding"}, 422, ["input"], "lacks input"),
        ("/v1/completions", {**WRITE, "model": "embedding"}, 422, None, "writes no texts"),
        ("/v1/completions", {**WRITE, "logit_bias": {"5": 1}}, 422, ["logit_bias"], "logit_bias"),
        ("/v1/completions", {**WRITE, "suffix": "b"}, 422, ["suffix"], "suffix"),
        ("/v1/completions", {**WRITE, "best_of": 3}, 422, ["best_of"], "best_of"),
        ("/v1/completions", {**WRITE, "logprobs": 1}, 422, ["logprobs"], "logprobs"),
        ("/v1/completions", {**WRITE, "max_tokens": 0}, 422, ["max_tokens"], "max_tokens"),
        ("/v1/completions", {**WRITE, "n": 2, "temperature": 0}, 422, ["n"], "would be the same. Give temperature 1"),
        ("/v1/completions", {**WRITE, "temperature": 1e-320}, 422, ["temperature"], "leave temperature out"),
        ("/v1/completions", {**WRITE, "temperature": True}, 422, ["temperature"], "give a number"),
        ("/v1/completions", {**WRITE, "stop": ["a", "\ud800"]}, 422, ["stop", 1], "stop[1] holds half"),
        ("/v1/completions", {**WRITE, "stop": ["a", 1]}, 422, ["stop", 1], "stop[1] is a number; give a text"),
        ("/v1/completions", {**WRITE, "prompt": [1, 2]}, 422, ["prompt"], "token ids"),
        ("/v1/completions", {**WRITE, "prompt": ["a", 3]}, 422, ["prompt", 1], "prompt[1] is a number"),
        ("/v1/completions", {**WRITE, "prompt": ["a", {"text": "b"}]}, 422, ["prompt", 1], "prompt[1] is an object"),
        ("/v1/completions", {**WRITE, "prompt": ["a", "b"], "stream": True}, 422, None, "one prompt"),
        ("/v1/completions", {**WRITE, "tempreature": 1}, 422, ["tempreature"], "tempreature"),
        ("/embed", {"inputs": ["good", 3]}, 422, ["inputs", 1], "inputs[1] is a number"),
        ("/embed", {"inputs": ["good", {"text": "b"}]}, 422, ["inputs", 1], "inputs[1] is an object; give a text"),
        ("/embed", {"inputs": "good", "dimensions": 1000}, 422, ["dimensions"], "have 32"),
        ("/embed", {"inputs": "good", "prompt_name": "query"}, 422, ["prompt_name"], "no prompt 'query'"),
        ("/embed", {"truncate": True}, 422, ["truncate"], "truncate"),
        ("/v1/models/pairs/embed", {"input": "good"}, 422, None, "predict, rerank"),
        ("/v1/models/classification/predict", {"inputs": [["a", "b"]]}, 422, ["inputs", 0], "2 texts"),
        ("/v1/models/classification/predict", {"inputs": "a", "raw_scores": True}, 422, ["raw_scores"], "raw_scores"),
        (LABELS, {"inputs": "a", "parameters": {"top_k": 0}}, 422, ["parameters", "top_k"], "give at least 1"),
        (LABELS, {"inputs": [["a", None]]}, 422, ["inputs", 0], "inputs[0] holds null"),
        (LABELS, {"inputs": "a", "parameters": {"k": 1}}, 422, ["parameters", "k"], "parameters may have top_k"),
        ("/v1/models/token-classification/predict", {"inputs": "a"}, 422, None, "scores of labels"),
        ("/v1/models/classification/rerank", {"query": "a", "texts": ["b"]}, 422, None, "does not answer rerank"),
        ("/rerank", {"query": "a", "texts": ["b", 3]}, 422, ["texts", 1], "number"),
        ("/embed", {"inputs": ["a"] * 9}, 413, None, "max-inputs"),
        ("/", {"inputs": "a"}, 404, None, "name one of the models"),
    ],
)
def test_what_does_not_fit_is_told(
    client: Client, path: str, body: dict[str, Any], status: int, loc: list[Any] | None, said: str
) -> None:
    answer = client.post(path, body)
    assert answer.status == status, answer.raw
    assert said in answer.error["message"]
    if loc is not None:
        assert answer.error["where"][0]["loc"] == loc
    assert "max_new_tokens" not in answer.raw.decode()  # whose name is another one in this form


def test_the_routes_of_each_are_listed(client: Client) -> None:
    listed = {entry["id"]: entry["routes"] for entry in client.get("/v1/models").json["data"]}
    assert listed["pairs"] == ["/v1/models/pairs/predict", "/v1/models/pairs/rerank"]
    assert listed["embedding"][1:] == ["/v1/models/embedding/embed", "/v1/embeddings"]
    assert listed["causal-lm"] == ["/v1/models/causal-lm/predict", "/v1/completions"]


def test_every_example_of_the_document_is_answered_as_it_says(client: Client) -> None:
    document = client.get("/openapi.json").json
    asked = 0
    for path, operations in document["paths"].items():
        if "post" not in operations:
            continue
        content = operations["post"]["requestBody"]["content"]["application/json"]
        given = content["schema"]["properties"]
        answered = operations["post"]["responses"]["200"]["content"]["application/json"]["schema"]
        for name, example in content["examples"].items():
            assert example["value"].keys() <= given.keys()
            made = posted(client, path.format(name=name), example["value"])
            assert answered["type"] == ("object" if isinstance(made, dict) else "array")
            if isinstance(made, dict):
                assert made.keys() <= answered["properties"].keys()
            asked += 1
    assert asked == 12  # of six models, three of which have other forms, and two shortcuts
    options = document["components"]["schemas"]["Options of causal-lm"]["properties"]
    assert options["top_p"] == {
        "type": "number",
        "exclusiveMinimum": 0,
        "maximum": 1,
        "default": 1.0,
        "description": options["top_p"]["description"],
    }


def test_the_client_of_the_hub(client: Client, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import InferenceClient

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)  # what it asks is this machine
    hub = InferenceClient(f"{client.address}/v1/models/embedding/embed", token="none")
    assert np.allclose(hub.feature_extraction(TEXTS, normalize=True, truncate=True), vectors, atol=1e-5)
    hub = InferenceClient(f"{client.address}/v1/models/classification/predict", token="none")
    found = hub.text_classification(TEXTS[0])
    (expected,) = client.answers("classification", TEXTS[0], all_scores=True)
    assert {one.label: one.score for one in found} == pytest.approx(expected["scores"], abs=1e-4)


# --- one model alone ---


def test_an_encoder_alone_embeds_with_a_key(run_of: RunOf, tiny_model: Any) -> None:
    """Also where requests go to the address of the server."""
    with serving({"encoder": tiny_model}) as client:
        client.service.keys = [b"secret"]
        assert client.post("/", {"inputs": "good film"}).status == 401
        assert client.get("/").status == 200
        client.headers["authorization"] = "Bearer secret"
        assert posted(client, "/", {"inputs": "good film"}) == posted(client, "/embed", {"inputs": ["good film"]})
        assert client.get("/v1/models").json["data"][0]["form"]["shows"] == "vectors"
