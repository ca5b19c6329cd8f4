"""The pages for people, see `nlpkit.serving.page`, and the document that the one about the API shows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request, Response

from nlpkit.serving import page
from nlpkit.serving.api_document import document
from nlpkit.serving.routes.state import service_of

router = APIRouter()


def _shown(content: bytes, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    async def show(request: Request) -> Response:
        return Response(content, media_type=media_type, headers=dict(page.HEADERS))

    return show


for _path, (_content, _media_type) in page.files().items():
    router.add_api_route(_path, _shown(_content, _media_type), include_in_schema=False)


@router.get("/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> dict[str, Any]:
    """What every route takes and gives, in the format that generators of clients read."""
    return document(request.app, service_of(request))
