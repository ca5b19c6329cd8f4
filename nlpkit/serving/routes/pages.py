"""The pages for people, see `nlpkit.serving.page`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request, Response

from nlpkit.serving import page

router = APIRouter()


def _shown(content: bytes, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    async def show(request: Request) -> Response:
        return Response(content, media_type=media_type, headers=dict(page.HEADERS))

    return show


for _path, (_content, _media_type) in page.files().items():
    router.add_api_route(_path, _shown(_content, _media_type), include_in_schema=False)
