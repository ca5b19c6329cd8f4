"""Whether the service is there, what it serves, and its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from nlpkit.serving.contract import Served
    from nlpkit.serving.service import Service

router = APIRouter()


def service_of(request: Request) -> Service:
    """The service that a request has come to."""
    service: Service = request.app.state.service
    return service


@router.get("/health/live", summary="Whether the process answers")
async def live() -> dict[str, str]:
    """200 as long as the process answers, whatever it could do."""
    return {"status": "live"}


@router.get("/health/ready", summary="Whether requests are taken")
async def ready(request: Request) -> Response:
    """200 when every model has answered a real input; else 503 with why."""
    service = service_of(request)
    if service.status == "ready":
        return JSONResponse({"status": "ready", "models": list(service.models)})
    return JSONResponse({"status": service.status, "reason": service.reason}, 503)


@router.get("/metrics", summary="Figures for Prometheus")
async def metrics(request: Request) -> Response:
    """Requests, errors, queue, batches, latencies, tokens."""
    figures = service_of(request).metrics
    return Response(figures.text(), media_type=figures.content_type)


@router.get("/v1/models", summary="The models")
async def models(request: Request) -> dict[str, Any]:
    """Each model with its task."""
    service = service_of(request)
    return {"object": "list", "data": [entry(service, model) for model in service.models.values()]}


@router.get("/v1/models/{name}", summary="One model")
async def model(request: Request, name: str) -> dict[str, Any]:
    """The same of one."""
    service = service_of(request)
    return entry(service, service.model(name))


def entry(service: Service, model: Served[Any, Any]) -> dict[str, Any]:
    """What is told of a model."""
    form = model.form
    shared = {"/v1/embeddings": "embed" in model.routes, "/v1/completions": form["streams"]}
    return {
        "id": model.name,
        "object": "model",
        "created": service.created,
        "owned_by": "nlpkit",
        "task": model.kind,
        "runs_on": model.runs_on,
        "routes": [
            *(f"/v1/models/{model.name}/{route}" for route in model.routes),
            *(path for path, answers in shared.items() if answers),
        ],
        "form": form,
    }
