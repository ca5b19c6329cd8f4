"""Any model, any task: `{"input": ...}` in, `{"answers": [...]}` out; of a model that writes also as it writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from starlette.responses import StreamingResponse

from nlpkit.serving.api_document import documented
from nlpkit.serving.refusals import Refusal
from nlpkit.serving.routes import bodies
from nlpkit.serving.routes.state import service_of
from nlpkit.serving.service import dumped
from nlpkit.serving.streams import Stream

if TYPE_CHECKING:
    from nlpkit.serving.doors import Visit
    from nlpkit.serving.served import ServedModel
    from nlpkit.serving.service import Service

router = APIRouter()
BODY: bodies.Known = {"input": (str, dict, list), "options": dict, "stream": bool}
TEXT_OR_COLUMNS = [{"type": "string"}, {"type": "object"}]
DOCUMENTED: dict[str, Any] = {
    "input": {
        "description": "A text, or an object with the columns that the model reads; or a list of these.",
        "oneOf": [*TEXT_OR_COLUMNS, {"type": "array", "items": {"oneOf": TEXT_OR_COLUMNS}}],
    },
    "options": {
        "type": "object",
        "description": "Options of the model's task by name; `form.options` of GET /v1/models/{name} lists them.",
    },
    "stream": {"type": "boolean", "description": "Of a model that writes: send the text as it is written."},
}


@router.post("/v1/models/{name}/predict", summary="Ask a model", openapi_extra=documented(DOCUMENTED, "input"))
async def predict(request: Request, name: str) -> Response:
    """The answers to one input or several, in their order."""
    return await _predicted(request, name)


@router.post("/predict", summary="Ask the only model", openapi_extra=documented(DOCUMENTED, "input"))
async def predict_only(request: Request) -> Response:
    """The same where one model is served."""
    return await _predicted(request, None)


async def _predicted(request: Request, name: str | None) -> Response:
    service, visit = service_of(request), request.scope["visit"]
    model = service.model(name)
    visit.model, visit.route = model.name, "predict"
    body = await bodies.read(request, BODY)
    if "input" not in body:
        raise Refusal("invalid_input", "the body lacks input: a text, an object, or a list of these", [(["input"], "")])
    inputs = body["input"] if isinstance(body["input"], list) else [body["input"]]
    if service.log.texts:
        visit.noted["input"] = inputs
    if body.get("stream"):
        return await _streamed(service, visit, model, inputs, body.get("options", {}))
    pending, variant, tokens = await service.begun(model, inputs, body.get("options", {}))
    answers = await service.answered(pending, request.receive)
    visit.noted.update(inputs=len(inputs), tokens=tokens)
    made: dict[str, Any] = {
        "model": model.name,
        "task": model.task.name,
        "answers": answers,
        "usage": {"tokens": tokens},
    }
    if variant.warnings:
        made["warnings"] = list(variant.warnings)
    return Response(dumped(made), media_type="application/json")


async def _streamed(
    service: Service, visit: Visit, model: ServedModel, inputs: list[Any], options: dict[str, Any]
) -> Response:
    """A text as it is written, as server-sent events."""
    if not model.task.writes:
        raise Refusal(
            "wrong_task", f"{model.name} is a model for {model.task.name}, which answers at once: leave out stream"
        )
    if len(inputs) != 1:
        raise Refusal("invalid_input", f"stream shows one text; the request has {len(inputs)} inputs")
    stream = Stream(asyncio.get_running_loop())
    pending, _, tokens = await service.begun(model, inputs, options, stream)
    visit.noted.update(inputs=1, tokens=tokens)
    stream.follow(pending)

    async def events() -> AsyncIterator[bytes]:
        try:
            async for piece in stream.pieces():
                yield event({"text": piece})
            (answer,) = pending.future.result()
            yield event({"answer": answer, "usage": {"tokens": tokens}})
            yield b"data: [DONE]\n\n"
        except Refusal as refusal:
            visit.failed = refusal.kind
            yield b"event: error\n" + event(refusal.body(visit.id))
        finally:
            stream.leave()

    return StreamingResponse(events(), media_type="text/event-stream", headers={"x-accel-buffering": "no"})


def event(value: Any) -> bytes:
    """One server-sent event."""
    return b"data: " + dumped(value) + b"\n\n"
