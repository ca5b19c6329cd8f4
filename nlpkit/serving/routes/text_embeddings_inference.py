"""The form of text-embeddings-inference and of the Inference API of the Hugging Face hub: `{"inputs": ...}`.

A body with `inputs` selects it on the routes `embed` and `predict`; `POST /` is what the only model answers, as clients
send requests to the address of a server. A text that is longer than the model reads is refused there, unless the
request says `truncate`; an answer of this form could not tell that something was left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response

from nlpkit.serving.refusals import Refusal
from nlpkit.serving.routes import bodies, schemas
from nlpkit.serving.routes.asking import Came, asked, chosen_model, json_of
from nlpkit.serving.routes.state import service_of
from nlpkit.serving.served import ServedModel, Template
from nlpkit.serving.values import kind_of

router = APIRouter()
EMBED, PREDICT = bodies.known(schemas.INFERENCE_EMBED), bodies.known(schemas.INFERENCE_PREDICT)
PARAMETERS, RERANK = bodies.known(schemas.PARAMETERS), bodies.known(schemas.RERANK)
DIMENSIONS = {"dims": "dimensions"}
WARNING = "x-nlpkit-warning"


ANY = schemas.documented(
    {**schemas.INFERENCE_EMBED, **schemas.INFERENCE_PREDICT, **schemas.RERANK},
    answer={"type": "array"},
    described="Vectors, labels with scores, or texts in order, by what the model is",
)
RERANKING = schemas.documented(
    schemas.RERANK, "query", "texts", answer=schemas.RERANKED, described="The texts in order"
)


@router.post("/", summary="Ask the only model, as text-embeddings-inference does", openapi_extra=ANY)
async def only(request: Request) -> Response:
    """What the only model answers: scores of texts for a query, vectors, or scores of labels."""
    body = await bodies.parsed(request)
    if "texts" in body:
        return await reranked(request, chosen_model(request, None, "rerank"), body)
    models = service_of(request).models.values()
    embeds = any("embed" in model.routes for model in models)
    if embeds and len(models) == 1:
        return await embedded(request, chosen_model(request, None, "embed"), body)
    return await predicted(request, chosen_model(request, None, "predict"), body)


@router.post("/v1/models/{name}/rerank", summary="Texts in the order in which they answer", openapi_extra=RERANKING)
async def rerank(request: Request, name: str) -> Response:
    """How well each text answers a query, the best first."""
    return await reranked(request, chosen_model(request, name, "rerank"), await bodies.parsed(request))


@router.post("/rerank", summary="The same by the only model that reads pairs", openapi_extra=RERANKING)
async def rerank_only(request: Request) -> Response:
    """The same where one model tells how well two texts belong together."""
    return await reranked(request, chosen_model(request, None, "rerank"), await bodies.parsed(request))


async def embedded(request: Request, model: ServedModel, body: Mapping[str, Any]) -> Response:
    """Vectors, `[[...], ...]`, also of one text."""
    body = _given(body, EMBED, "inputs")
    inputs = bodies.texts(body, "inputs")
    options = {"normalize": body.get("normalize", True)}
    if "prompt_name" in body:
        options["prompt_name"] = body["prompt_name"]
    if "dimensions" in body:
        options["dims"] = body["dimensions"]
    with bodies.worded("inputs", DIMENSIONS):
        came = await asked(request, model, inputs, options)
    _require_whole(body, came, "inputs")
    return _answer([answer["prediction"] for answer in came.answers], came.warnings)


async def predicted(request: Request, model: ServedModel, body: Mapping[str, Any]) -> Response:
    """The labels of a text with their scores, the likeliest first; of several texts, or of a request of the Inference
    API, a list of these."""
    body = _given(body, PREDICT, "inputs")
    parameters = bodies.given(body.get("parameters", {}), PARAMETERS, ["parameters"])
    most = int(parameters["top_k"]) if "top_k" in parameters else None
    if most is not None and most < 1:
        raise Refusal(
            "invalid_options", f"parameters.top_k is {most}; give at least 1", [(["parameters", "top_k"], "is below 1")]
        )
    if parameters.get("function_to_apply") is not None:
        raise _unsupported("parameters.function_to_apply", "scores are those that the model was trained for")
    _require_scores(model, body)
    inputs, single = _pairs(body["inputs"], model.variant({}).pair)
    with bodies.worded("inputs"):
        labels, warnings = await _scores(request, model, inputs, body, "inputs")
    answers = [
        [{"label": label, "score": score} for label, score in sorted(scores.items(), key=lambda one: -one[1])[:most]]
        for scores in labels
    ]
    return _answer(answers[0] if single and "parameters" not in body else answers, warnings)


async def reranked(request: Request, model: ServedModel, body: Mapping[str, Any]) -> Response:
    """How well each text answers a query, the best first: `[{"index", "score"}, ...]`."""
    body = _given(body, RERANK, "query", "texts")
    _require_scores(model, body)
    label, pair = model.relevant_label, model.variant({}).pair
    assert label is not None  # it answers the route
    assert pair is not None
    texts = bodies.texts(body, "texts")
    inputs = [dict(zip(pair.columns, (body["query"], text), strict=True)) for text in texts]
    with bodies.worded("texts"):
        scored, warnings = await _scores(request, model, inputs, body, "texts")
    scores = [one[label] for one in scored]
    order = sorted(range(len(texts)), key=lambda i: -scores[i])
    shown = body.get("return_text", False)
    made = [{"index": i, **({"text": texts[i]} if shown else {}), "score": scores[i]} for i in order]
    return _answer(made, warnings)


async def _scores(
    request: Request, model: ServedModel, inputs: Sequence[Any], body: Mapping[str, Any], at: str
) -> tuple[list[dict[str, float]], Sequence[str]]:
    """The score of each label, of each input, and what was said of the options."""
    came = await asked(request, model, inputs, model.task.score_options)
    _require_whole(body, came, at)
    return [model.task.label_scores(answer) for answer in came.answers], came.warnings


def _answer(made: Any, warnings: Sequence[str]) -> Response:
    """An answer of a form that has no place for warnings: they stand in a header, a JSON list in ASCII."""
    answer = json_of(made)
    if warnings:
        answer.headers[WARNING] = json.dumps(list(warnings))
    return answer


def _require_scores(model: ServedModel, body: Mapping[str, Any]) -> None:
    """Refuse what asks for other scores than a model gives.

    Raises:
        Refusal: it gives none of labels, or raw ones are wanted.
    """
    if not model.task.scored_labels:
        message = f"{model.name} ({model.kind}) gives no scores of labels, which this form has: send input, not inputs"
        raise Refusal("wrong_task", message)
    if body.get("raw_scores"):
        raise _unsupported("raw_scores", "scores are those that the model was trained for")


def _given(body: Mapping[str, Any], known: bodies.Known, *needed: str) -> dict[str, Any]:
    """The body without what is null.

    Raises:
        Refusal: it holds what nothing reads, lacks what is needed, or asks for another end of texts.
    """
    said = bodies.given(body, known)
    for name in needed:
        if name not in said:
            raise bodies.lacking(name, f"send {' and '.join(needed)}")
    if said.get("truncate") and said.get("truncation_direction", "right").lower() != "right":
        raise _unsupported("truncation_direction", "texts are cut at their end")
    return said


def _unsupported(name: str, why: str) -> Refusal:
    return Refusal("invalid_options", f"{name} is not supported: {why}; leave it out", [(name.split("."), why)])


def _require_whole(body: Mapping[str, Any], came: Came, at: str) -> None:
    """Refuse texts that were cut, unless that was asked for.

    Raises:
        Refusal: naming them.
    """
    cut = [(i, answer["cut"]) for i, answer in enumerate(came.answers) if answer.get("cut")]
    if cut and not body.get("truncate"):
        where: list[tuple[list[str | int], str]] = [([at, i], f"{tokens:,} tokens too many") for i, tokens in cut]
        first, tokens = cut[0]
        raise Refusal(
            "too_large",
            f'{at}[{first}] has {tokens:,} tokens more than the model reads; with "truncate": true they are left out',
            where,
        )


def _pairs(given: Any, pair: Template | None) -> tuple[list[Any], bool]:
    """Inputs as the service has them, and whether there is one alone: a text, a pair `[a, b]`, or a list of `[a]` and
    `[a, b]`. Of a model that reads no pairs a list of texts is one of several inputs.

    Raises:
        Refusal: naming what is none of these.
    """
    if isinstance(given, str):
        return [given], True
    texts = all(isinstance(one, str) for one in given)
    if texts and pair is not None and len(given) == len(pair.columns):
        return [dict(zip(pair.columns, given, strict=True))], True
    if texts:
        return list(given), False
    made = []
    for i, one in enumerate(given):
        parts = one if isinstance(one, list) else [one]
        others = [part for part in parts if not isinstance(part, str)]
        if not parts or others or len(parts) > (1 if pair is None else 2):
            kind = f"holds {kind_of(others[0])}" if others else f"has {len(parts)} texts"
            kind = kind if isinstance(one, list) else f"is {kind_of(one)}"
            takes = "[text]" if pair is None else "[text] or [text, text]"
            raise Refusal("invalid_input", f"inputs[{i}] {kind}; give {takes}", [(["inputs", i], kind)])
        made.append(parts[0] if len(parts) == 1 or pair is None else dict(zip(pair.columns, parts, strict=True)))
    return made, False
