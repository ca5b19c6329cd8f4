"""The application: routes, and how each refusal is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from nlpkit import __version__
from nlpkit.serving.doors import FAILED, Doors, Visit
from nlpkit.serving.refusals import Refusal
from nlpkit.serving.routes import native, openai, pages, search, state, text_embeddings_inference

if TYPE_CHECKING:
    from nlpkit.serving.doors import App
    from nlpkit.serving.service import Service


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
    app.include_router(native.router)
    app.include_router(openai.router)
    app.include_router(search.router)
    app.include_router(text_embeddings_inference.router)
    app.include_router(state.router)
    app.include_router(pages.router)
    return Doors(app, service)


async def _refused(request: Request, refusal: Any) -> Response:
    visit: Visit = request.scope["visit"]
    return visit.response_to(refusal)


async def _failed(request: Request, error: Exception) -> Response:
    """In the place of a plain text of the framework; the error itself goes on to the doors, which log it."""
    return await _refused(request, FAILED)


async def _no_route(request: Request, error: Any) -> Response:
    path = request.url.path
    if error.status_code == 405:
        refusal = Refusal("wrong_method", f"{path} takes {error.headers['Allow']}, not {request.method}")
    else:
        refusal = Refusal("unknown_route", f"there is nothing at {path[:200]}; /docs lists what there is")
    return await _refused(request, refusal)
