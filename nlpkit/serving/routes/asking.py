"""What routes of all forms have in common: which model is asked, and what comes of the inputs of a request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import Request, Response
from starlette.responses import StreamingResponse

from nlpkit.serving.routes.state import service_of
from nlpkit.serving.served import ServedModel
from nlpkit.serving.service import dumped

if TYPE_CHECKING:
    from nlpkit.serving.contract import Served
    from nlpkit.serving.doors import Visit


@dataclass(frozen=True)
class Came:
    """What came of the inputs of a request.

    Attributes:
        answers: in the order of the inputs.
        tokens: that were read for them.
        warnings: what was said of the options.
    """

    answers: list[dict[str, Any]]
    tokens: int
    warnings: Sequence[str]


def chosen(request: Request, name: str | None, route: str) -> Served[Any, Any]:
    """What a request asks.

    Args:
        name: of it; None: the only one that answers the route.
        route: see `Served.routes`.

    Raises:
        Refusal: there is none, or several.
    """
    model, visit = service_of(request).model(name, route), visit_of(request)
    visit.model, visit.route = model.name, route
    return model


def chosen_model(request: Request, name: str | None, route: str) -> ServedModel:
    """The same of a route that models of a task answer, and nothing else."""
    model = chosen(request, name, route)
    assert isinstance(model, ServedModel)
    return model


def visit_of(request: Request) -> Visit:
    """The request on its way through."""
    visit: Visit = request.scope["visit"]
    return visit


async def asked(request: Request, model: Served[Any, Any], inputs: Sequence[Any], options: Mapping[str, Any]) -> Came:
    """The answers to the inputs of a request, as long as its client is there.

    Raises:
        Refusal: there are none.
    """
    service, visit = service_of(request), visit_of(request)
    if service.log.texts:
        visit.noted["input"] = inputs
    pending, variant = await service.begun(model, inputs, options)
    answers = await service.answered(pending, request.receive)
    visit.noted.update(inputs=len(inputs), tokens=pending.tokens)
    return Came(answers, pending.tokens, variant.warnings)


def cuts(answers: Sequence[Mapping[str, Any]], at: str) -> list[str]:
    """What was not read of inputs that are longer than the model reads, one sentence each.

    Args:
        at: the entry of the body that holds the inputs.
    """
    return [
        f"{at}[{i}] is longer than the model reads: {answer['cut']:,} tokens were left out"
        for i, answer in enumerate(answers)
        if answer.get("cut")
    ]


# --- answers ---

END = b"data: [DONE]\n\n"  # the last event of an answer in pieces


def json_of(value: Any) -> Response:
    """An answer in JSON."""
    return Response(dumped(value), media_type="application/json")


def event(value: Any) -> bytes:
    """One server-sent event."""
    return b"data: " + dumped(value) + b"\n\n"


def in_pieces(events: AsyncIterator[bytes]) -> Response:
    """An answer of server-sent events; nginx would hold them back."""
    return StreamingResponse(events, media_type="text/event-stream", headers={"x-accel-buffering": "no"})
