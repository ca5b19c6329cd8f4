"""The application: routes, and how each refusal is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from nlpkit import __version__
from nlpkit.serving.doors import FAILED, Doors, Visit
from nlpkit.serving.refusals import Refusal
from nlpkit.serving.routes import native, openai, pages, search, state, text_embeddings_inference

if TYPE_CHECKING:
    from nlpkit.serving.doors import App
    from nlpkit.serving.service import Service

ROUTERS = [module.router for module in (native, openai, search, text_embeddings_inference, state, pages)]


def application(service: Service) -> App:
    """The ASGI application of a service.

    Args:
        service: its models may be added later.
    """
    app = FastAPI(title="nlpkit", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.service = service
    app.router.redirect_slashes = False
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _no_route)
    app.add_exception_handler(Exception, _failed)
    for router in ROUTERS:
        app.include_router(router)
    return Doors(app, service)


async def _refused(request: Request, refusal: Any) -> Response:
    visit: Visit = request.scope["visit"]
    return visit.response_to(refusal)


async def _failed(request: Request, error: Exception) -> Response:
    """In the place of a plain text of the framework; the error itself goes on to the doors, which log it."""
    return await _refused(request, FAILED)


async def _no_route(request: Request, error: Any) -> Response:
    path, visit = request.url.path, request.scope["visit"]
    if error.status_code != 405:
        refusal = Refusal("unknown_route", f"there is nothing at {path[:200]}; /docs lists what there is")
        return await _refused(request, refusal)
    allowed = ", ".join(_methods(request))
    answer = await _refused(request, Refusal("wrong_method", f"{path} takes {allowed}, not {visit.scope['method']}"))
    answer.headers["allow"] = allowed
    return answer


def _methods(request: Request) -> list[str]:
    """The methods that the path of a request takes, by all of its routes."""
    found = {
        method
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
        for method in route.methods or ()
    }
    return sorted(found | {"HEAD"} if "GET" in found else found)
