"""Search in an index: `{"query": ...}` in, `{"results": [[...]]}` out."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from nlpkit.serving.routes import bodies, schemas
from nlpkit.serving.routes.asking import asked, chosen, json_of
from nlpkit.serving.values import ANYTHING

router = APIRouter()
QUERY = "query"
BODY = bodies.known({QUERY: schemas.SEARCH[QUERY]})
SEARCHING = schemas.documented(schemas.SEARCH, QUERY, answer=schemas.SEARCHED, described="What was found")
NOT_READ = "{}[{}] is longer than the model reads: what stands behind is not searched by meaning"


@router.post("/v1/models/{name}/search", summary="Search an index", openapi_extra=SEARCHING)
async def search(request: Request, name: str) -> Response:
    """What answers one query or several, in their order, the best first."""
    return await _searched(request, name)


@router.post("/search", summary="Search the only index", openapi_extra=SEARCHING)
async def search_only(request: Request) -> Response:
    """The same where one index is served."""
    return await _searched(request, None)


async def _searched(request: Request, name: str | None) -> Response:
    index = chosen(request, name, "search")
    body = await bodies.parsed(request)
    bodies.require(body, {**BODY, **dict.fromkeys(index.options, ANYTHING)})  # these have checks of their own
    if QUERY not in body:
        raise bodies.lacking(QUERY, "a text, or a list of texts")
    options = {option: value for option, value in body.items() if option != QUERY}
    if isinstance(options.get("filter"), str):
        options["filter"] = [options["filter"]]
    queries = body[QUERY] if isinstance(body[QUERY], list) else [body[QUERY]]
    with bodies.worded(QUERY):
        came = await asked(request, index, queries, options)
    made: dict[str, Any] = {
        "model": index.name,
        "results": [answer["found"] for answer in came.answers],
        "chances": [answer["chance"] for answer in came.answers],
    }
    cut = [NOT_READ.format(QUERY, i) for i, answer in enumerate(came.answers) if answer.get("cut")]
    if warnings := [*came.warnings, *cut]:
        made["warnings"] = warnings
    return json_of(made)
