"""The service's own form: any model, any task: `{"input": ...}` in, `{"answers": [...]}` out; of a model that writes
also as it writes; vectors of texts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request, Response

from nlpkit.serving.refusals import Refusal
from nlpkit.serving.routes import bodies, schemas, text_embeddings_inference
from nlpkit.serving.routes.asking import (
    END,
    asked,
    chosen_model,
    cuts,
    event,
    in_pieces,
    json_of,
    visit_of,
)
from nlpkit.serving.routes.state import service_of
from nlpkit.serving.served import ServedModel
from nlpkit.serving.streams import Stream

router = APIRouter()
EMBED, PREDICT = bodies.known(schemas.EMBED), bodies.known(schemas.PREDICT)
OTHER_FORM = "inputs"  # in the place of `input`: the request is of text-embeddings-inference
PREDICTING = schemas.documented(
    {**schemas.PREDICT, **schemas.INFERENCE_PREDICT},
    answer=schemas.PREDICTED,
    described="The answers; in the form of text-embeddings-inference labels with scores, the likeliest first",
    streams='{"text"} for each piece, then {"answer", "usage", "warnings"}, then [DONE]; or event: error',
)
EMBEDDING = schemas.documented(
    {**schemas.EMBED, **schemas.INFERENCE_EMBED},
    answer=schemas.EMBEDDED,
    described="The vectors; in the form of text-embeddings-inference these alone",
)


@router.post("/v1/models/{name}/predict", summary="Ask a model", openapi_extra=PREDICTING)
async def predict(request: Request, name: str) -> Response:
    """The answers to one input or several, in their order."""
    return await _predicted(request, name)


@router.post("/predict", summary="Ask the only model", openapi_extra=PREDICTING)
async def predict_only(request: Request) -> Response:
    """The same where one model is served."""
    return await _predicted(request, None)


@router.post("/v1/models/{name}/embed", summary="Vectors of texts", openapi_extra=EMBEDDING)
async def embed(request: Request, name: str) -> Response:
    """The vectors of one text or several, in their order."""
    return await _embedded(request, name)


@router.post("/embed", summary="Vectors by the only model that gives them", openapi_extra=EMBEDDING)
async def embed_only(request: Request) -> Response:
    """The same where one model gives vectors."""
    return await _embedded(request, None)


async def _predicted(request: Request, name: str | None) -> Response:
    model = chosen_model(request, name, "predict")
    body = await bodies.parsed(request)
    if OTHER_FORM in body:
        return await text_embeddings_inference.predicted(request, model, body)
    bodies.require(body, PREDICT)
    inputs = _inputs(body)
    if body.get("stream"):
        return await _streamed(request, model, inputs, body.get("options", {}))
    came = await asked(request, model, inputs, body.get("options", {}))
    made: dict[str, Any] = {
        "model": model.name,
        "task": model.kind,
        "answers": came.answers,
        "usage": {"tokens": came.tokens},
    }
    if came.warnings:
        made["warnings"] = list(came.warnings)
    return json_of(made)


async def _embedded(request: Request, name: str | None) -> Response:
    model = chosen_model(request, name, "embed")
    body = await bodies.parsed(request)
    if OTHER_FORM in body:
        return await text_embeddings_inference.embedded(request, model, body)
    bodies.require(body, EMBED)
    came = await asked(request, model, _inputs(body), body.get("options", {}))
    vectors = [answer["prediction"] for answer in came.answers]
    made: dict[str, Any] = {
        "model": model.name,
        "vectors": vectors,
        "dimensions": len(vectors[0]) if vectors else 0,
        "usage": {"tokens": came.tokens},
    }
    if warnings := [*came.warnings, *cuts(came.answers, "input")]:
        made["warnings"] = warnings
    return json_of(made)


def _inputs(body: dict[str, Any]) -> list[Any]:
    if "input" not in body:
        raise bodies.lacking("input", "a text, an object, or a list of these")
    return body["input"] if isinstance(body["input"], list) else [body["input"]]


async def _streamed(request: Request, model: ServedModel, inputs: list[Any], options: dict[str, Any]) -> Response:
    """A text as it is written, as server-sent events."""
    service, visit = service_of(request), visit_of(request)
    if not model.task.writes:
        raise Refusal(
            "wrong_task", f"{model.name} is a model for {model.kind}, which answers at once: leave out stream"
        )
    if len(inputs) != 1:
        raise Refusal("invalid_input", f"stream shows one text; the request has {len(inputs)} inputs")
    if service.log.texts:
        visit.noted["input"] = inputs
    stream = Stream(asyncio.get_running_loop())
    pending, variant = await service.begun(model, inputs, options, stream)
    stream.follow(pending)

    async def events() -> AsyncIterator[bytes]:
        try:
            async for piece in stream.pieces():
                yield event({"text": piece})
            (answer,) = pending.future.result()
            last: dict[str, Any] = {"answer": answer, "usage": {"tokens": pending.tokens}}
            if variant.warnings:
                last["warnings"] = list(variant.warnings)
            yield event(last)
            yield END
        except Refusal as refusal:
            visit.failed = refusal.kind
            yield b"event: error\n" + event(refusal.body(visit.id))
        finally:
            visit.noted.update(inputs=1, tokens=pending.tokens)
            stream.leave()

    return in_pieces(events())
