"""The forms of OpenAI's API that fit: vectors of texts, and texts that go on.

What would change an answer and is not done is refused by name; `user` and the like, which change none, are not read.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response

from nlpkit.serving.batcher import Pending
from nlpkit.serving.refusals import Refusal
from nlpkit.serving.routes import bodies, schemas
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
from nlpkit.serving.values import fits

router = APIRouter()
SEEDS = 2**31  # of texts that are drawn
EMBED, WRITE = bodies.known(schemas.OPENAI_EMBED), bodies.known(schemas.OPENAI_WRITE)
EMBEDDING = schemas.documented(schemas.OPENAI_EMBED, "input", answer=schemas.OPENAI_EMBEDDED, described="The vectors")
WRITING = schemas.documented(
    schemas.OPENAI_WRITE,
    "prompt",
    answer=schemas.OPENAI_WRITTEN,
    described="The texts",
    streams="The same with what comes next of a text, then [DONE]",
)
# OpenAI's name of an option -> ours; what holds where a request says nothing is OpenAI's, and stands in its schema.
OPTIONS = {
    "max_tokens": "max_new_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "n": "sequences",
    "stop": "stop",
    "seed": "seed",
}
THEIRS = {own: theirs for theirs, own in OPTIONS.items()}
# What is not done -> the value with which it changes nothing.
NOT_DONE: Mapping[str, Any] = {
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "logit_bias": {},
    "suffix": "",
}


@router.post("/v1/embeddings", summary="Vectors of texts, in OpenAI's form", openapi_extra=EMBEDDING)
async def embeddings(request: Request) -> Response:
    """The vectors of one text or several."""
    body = bodies.given(await bodies.parsed(request), EMBED)
    model = chosen_model(request, body.get("model"), "embed")
    inputs = _texts(body, "input")
    encoding = body.get("encoding_format", "float")
    if encoding not in ("float", "base64"):
        raise _refused("encoding_format", f"is {encoding!r:.50}, and may be float or base64")
    options = {"dims": body["dimensions"]} if "dimensions" in body else {}
    with bodies.worded("input", {"dims": "dimensions"}):
        came = await asked(request, model, inputs, options)
    vectors = [answer["prediction"] for answer in came.answers]
    data = [
        {"object": "embedding", "index": i, "embedding": vector if encoding == "float" else _packed(vector)}
        for i, vector in enumerate(vectors)
    ]
    made = {
        "object": "list",
        "data": data,
        "model": model.name,
        "usage": {"prompt_tokens": came.tokens, "total_tokens": came.tokens},
    }
    return json_of(_with_warnings(made, [*came.warnings, *cuts(came.answers, "input")]))


@router.post("/v1/completions", summary="Texts that go on, in OpenAI's form", openapi_extra=WRITING)
async def completions(request: Request) -> Response:
    """What a model writes behind one prompt or several; with `stream` as it is written."""
    body = bodies.given(await bodies.parsed(request), WRITE)
    model = chosen_model(request, body.get("model"), "predict")
    if not model.task.writes:
        raise Refusal("wrong_task", f"{model.name} is a model for {model.kind}, which writes no texts")
    prompts, options = _texts(body, "prompt"), _options(body)
    if body.get("stream"):
        return await _streamed(request, model, prompts, options, body)
    with bodies.worded("prompt", THEIRS):
        came = await asked(request, model, prompts, options)
    choices = [choice for i, answer in enumerate(came.answers) for choice in _choices(model, prompts[i], answer, body)]
    for i, choice in enumerate(choices):
        choice["index"] = i
    made = {
        **_head(request, model),
        "choices": choices,
        "usage": _usage(came.tokens, came.answers),
    }
    return json_of(_with_warnings(made, [*came.warnings, *cuts(came.answers, "prompt")]))


async def _streamed(
    request: Request, model: ServedModel, prompts: list[str], options: Mapping[str, Any], body: Mapping[str, Any]
) -> Response:
    """A text as it is written; of several for a prompt each when all are there."""
    service, visit = service_of(request), visit_of(request)
    if len(prompts) != 1:
        raise Refusal("invalid_input", f"stream shows the texts of one prompt; the request has {len(prompts)}")
    if service.log.texts:
        visit.noted["input"] = prompts
    stream = Stream(asyncio.get_running_loop())
    with bodies.worded("prompt", THEIRS):
        pending, variant = await service.begun(model, prompts, options, stream)
    stream.follow(pending)
    head = _head(request, model)

    def chunk(text: str, index: int = 0, finish: str | None = None, **more: Any) -> bytes:
        choice = {"index": index, "text": text, "logprobs": None, "finish_reason": finish}
        return event({**head, "choices": [choice], **more})

    async def events() -> AsyncIterator[bytes]:
        try:
            if body.get("echo"):
                yield chunk(prompts[0])
            async for piece in stream.pieces():
                yield chunk(piece)
            for part in _ends(pending):
                yield part
            yield END
        except Refusal as refusal:
            visit.failed = refusal.kind
            yield event(refusal.body(visit.id))
        finally:
            visit.noted.update(inputs=1, tokens=pending.tokens)
            stream.leave()

    def _ends(pending: Pending) -> list[bytes]:
        """What was not sent yet of the texts, why each has ended, and what was read and written."""
        (answer,) = pending.future.result()
        warnings = [*variant.warnings, *cuts([answer], "prompt")]
        parts = []
        for i, choice in enumerate(_choices(model, prompts[0], answer, {**body, "echo": False})):
            left = "" if i == 0 and stream.text else choice["text"]
            again = prompts[0] if i and body.get("echo") else ""
            parts.append(chunk(again + left, i, choice["finish_reason"], **_with_warnings({}, warnings)))
        if body.get("stream_options", {}).get("include_usage"):
            parts.append(event({**head, "choices": [], "usage": _usage(pending.tokens, [answer])}))
        return parts

    return in_pieces(events())


def _texts(body: Mapping[str, Any], name: str) -> list[str]:
    """The texts of a request, which OpenAI also takes as token ids.

    Raises:
        Refusal: there are none, they are token ids, or some are no texts.
    """
    if name not in body:
        raise bodies.lacking(name, "a text, or a list of texts")
    if _are_token_ids(body[name]):
        raise Refusal(
            "invalid_input",
            f"{name} holds token ids, which mean other words to each tokenizer: send texts "
            "(LangChain's OpenAIEmbeddings: check_embedding_ctx_length=False)",
            [([name], "holds token ids")],
        )
    return bodies.texts(body, name)


def _are_token_ids(given: Any) -> bool:
    """Whether something is a list of token ids, or a list of such lists."""
    if not isinstance(given, list) or not given:
        return False
    lists = given if all(isinstance(one, list) for one in given) else [given]
    return all(ids and all(fits(one, "integer") for one in ids) for ids in lists)


def _options(body: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a completion, by our names.

    Raises:
        Refusal: the request asks for what is not done.
    """
    for name, nothing in NOT_DONE.items():
        if body.get(name, nothing) != nothing:
            raise _refused(name, "is not supported; leave it out")
    if "logprobs" in body:
        raise _refused("logprobs", "is not supported here: `predict` gives probabilities with show_probabilities")
    if body.get("best_of", body.get("n", 1)) != body.get("n", 1):
        raise _refused("best_of", "is not supported beyond n; leave it out")
    usual = {theirs: schemas.OPENAI_WRITE[theirs].get("default") for theirs in OPTIONS}
    options: dict[str, Any] = {own: body.get(theirs, usual[theirs]) for theirs, own in OPTIONS.items()}
    stop = options["stop"] or []
    options["stop"] = [stop] if isinstance(stop, str) else stop
    if not options["temperature"]:
        del options["top_p"]  # the likeliest token is among those of any probability
    if options["seed"] is None:
        # without a seed a text is another one each time; where nothing is drawn requests stay alike
        options["seed"] = secrets.randbelow(SEEDS) if options["temperature"] else 0
    return options


def _refused(name: str, why: str) -> Refusal:
    return Refusal("invalid_options", f"{name} {why}", [([name], why)])


def _head(request: Request, model: ServedModel) -> dict[str, Any]:
    created = int(visit_of(request).began)
    return {
        "id": f"cmpl-{visit_of(request).id}",
        "object": "text_completion",
        "created": created,
        "model": model.name,
    }


def _choices(
    model: ServedModel, prompt: str, answer: Mapping[str, Any], body: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The texts of a prompt."""
    before = prompt if body.get("echo") else ""
    return [
        {
            "index": i,
            "text": before + text["prediction"],
            "logprobs": None,
            "finish_reason": "length" if stopped else "stop",
        }
        for i, (text, stopped) in enumerate(zip(_written(answer), model.task.unfinished(answer), strict=True))
    ]


def _written(answer: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The texts that were written for a prompt: all of them, or the one."""
    texts: Sequence[Mapping[str, Any]] = answer.get("texts") or [answer]
    return texts


def _usage(read: int, answers: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    written = sum(text["tokens"] for answer in answers for text in _written(answer))
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _with_warnings(made: dict[str, Any], warnings: Sequence[str]) -> dict[str, Any]:
    """What OpenAI has no place for stands beside the rest, which its clients keep."""
    return {**made, "warnings": list(warnings)} if warnings else made


def _packed(vector: Sequence[float]) -> str:
    """Numbers in base64, as float32 with the low byte first."""
    return base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode()
