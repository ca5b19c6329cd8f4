"""What bodies and answers hold, in JSON Schema: what a request is checked against, and what `/docs` shows.

A dict of schemas by key stands for an object with these keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nlpkit.searching.options import SearchOptions
from nlpkit.serving import form, searched

Keys = Mapping[str, Mapping[str, Any]]
JSON = "application/json"
EVENTS = "text/event-stream"


def of(type_: str, description: str, **more: Any) -> dict[str, Any]:
    """The schema of a value."""
    return {"type": type_, "description": description, **more}


def several(items: Mapping[str, Any], description: str) -> dict[str, Any]:
    """The schema of a list."""
    return {"type": "array", "items": dict(items), "description": description}


def one_or_several(items: Mapping[str, Any], description: str) -> dict[str, Any]:
    """The schema of a value, or a list of such values."""
    return {"oneOf": [dict(items), {"type": "array", "items": dict(items)}], "description": description}


def holding(keys: Keys, **more: Any) -> dict[str, Any]:
    """The schema of an object."""
    return {"type": "object", "properties": dict(keys), **more}


def documented(
    body: Keys, *required: str, answer: Mapping[str, Any], described: str, streams: str = ""
) -> dict[str, Any]:
    """What the declaration of a route says of its body and its answer: `openapi_extra` of FastAPI.

    Args:
        body: what it may hold.
        required: keys that must be there.
        answer: its schema.
        described: the answer in words.
        streams: what its events hold, where it may be sent in pieces.
    """
    schema = {"type": "object", "required": list(required), "properties": dict(body), "additionalProperties": False}
    content: dict[str, Any] = {JSON: {"schema": answer}}
    if streams:
        content[EVENTS] = {"schema": {"type": "string", "description": streams}}
    return {
        "requestBody": {"required": True, "content": {JSON: {"schema": schema}}},
        "responses": {"200": {"description": described, "content": content}},
    }


def options_of(listed: list[form.FormOption]) -> dict[str, dict[str, Any]]:
    """The schemas of options, by name."""
    return {option["name"]: _of_option(option) for option in listed}


BOUNDS = {"minimum": "minimum", "maximum": "maximum", "above": "exclusiveMinimum", "below": "exclusiveMaximum"}


def _of_option(option: form.FormOption) -> dict[str, Any]:
    values: dict[str, Any] = {"enum": option["choices"]} if "choices" in option else {}
    kind: dict[str, Any] = {"type": option["type"]}
    if option["type"] == "choice":
        kind = values
    elif option["type"] == "list":
        kind = {"type": "array", "items": values or {"type": "string"}}
    usual = f" Usually {option['usual']}." if "usual" in option else ""
    given: Mapping[str, Any] = option
    bounds = {theirs: given[own] for own, theirs in BOUNDS.items() if own in given}
    made = {**kind, **bounds, "description": option["help"] + usual}
    return made if option["default"] is None else {**made, "default": option["default"]}


TEXT = {"type": "string"}
NUMBER = {"type": "number"}
COUNT = {"type": "integer"}
WARNINGS = several(TEXT, "What was said of the options, and what was left out of inputs, where there is something.")
USAGE = holding({"tokens": of("integer", "That the model read.")}, description="What it took.")
MODEL = of("string", "The name of the model.")
VECTOR = several(NUMBER, "A vector.")

# --- the service's own form ---

INPUT: dict[str, Any] = one_or_several(
    {"oneOf": [TEXT, {"type": "object"}]},
    "A text, or an object with the columns that the model reads; or a list of these.",
)
EMBED: Keys = {
    "input": INPUT,
    "options": of("object", "Options of the model's task by name; `form.options` of GET /v1/models/{name} lists them."),
}
PREDICT: Keys = {
    **EMBED,
    "stream": of("boolean", "Of a model that writes: send the text as it is written.", default=False),
}
PREDICTED = holding(
    {
        "model": MODEL,
        "task": of("string", "What it was trained for."),
        "answers": several(
            holding(
                {
                    "prediction": {"description": "A label, a text, spans, ..., by the task."},
                    "score": {"type": ["number", "null"], "description": "How sure the model is, where it tells."},
                    "cut": of("integer", "Tokens of the input that were not read, where there are some."),
                }
            ),
            "One for each input, in their order, with what the task adds.",
        ),
        "usage": USAGE,
        "warnings": WARNINGS,
    }
)
EMBEDDED = holding(
    {
        "model": MODEL,
        "vectors": several(VECTOR, "One for each input, in their order."),
        "dimensions": of("integer", "Numbers of a vector."),
        "usage": USAGE,
        "warnings": WARNINGS,
    }
)

# --- search ---

SEARCH_OPTIONS = {name: SearchOptions.model_fields[name] for name in searched.OPTIONS}
_OPTIONS = options_of(form.described(SEARCH_OPTIONS))
SEARCH: Keys = {
    "query": one_or_several(TEXT, "What is asked, or a list of that."),
    **_OPTIONS,
    "filter": one_or_several(TEXT, _OPTIONS["filter"]["description"]),
}
SEARCHED = holding(
    {
        "model": of("string", "The name of the index."),
        "results": several(
            several(
                holding(
                    {
                        "id": TEXT,
                        "score": {"type": ["number", "null"], "description": "The higher, the better it answers."},
                        "rank": of("integer", "From 1."),
                        "text": TEXT,
                        "values": of("object", "The columns of the document."),
                        "ranks": of("object", "Rank and score of each way of searching."),
                    }
                ),
                "The best first; none where nothing is likely to answer.",
            ),
            "One for each query, in their order.",
        ),
        "chances": several(
            {
                "type": ["object", "null"],
                "properties": {
                    "best": of("object", "Id and score of the best document."),
                    "threshold": of("number", "The score that it takes to be an answer."),
                    "false_answer": of("number", "Share of questions without an answer whose best is as good."),
                    "estimate": of("boolean", "Whether that was not measured on judged questions."),
                },
            },
            "How likely the best document of each query is an answer; null where nothing is known of that.",
        ),
        "warnings": WARNINGS,
    }
)

# --- text-embeddings-inference, and the Inference API of the hub ---

THEIRS = "In the form of text-embeddings-inference: "
_READING: Keys = {
    "truncate": of("boolean", f"{THEIRS}cut texts that are longer than the model reads.", default=False),
    "truncation_direction": of("string", f"{THEIRS}where; only `right` is done."),
}
_RAW: Keys = {"raw_scores": of("boolean", f"{THEIRS}only false is done.", default=False)}
PARAMETERS: Keys = {
    "top_k": of("integer", "Labels of an answer."),
    "function_to_apply": of("string", "Only null is done: as the model was trained."),
}
INFERENCE_EMBED: Keys = {
    "inputs": one_or_several(TEXT, f"{THEIRS}a text, or a list of texts, in the place of `input`."),
    "normalize": of("boolean", f"{THEIRS}scale each vector to length 1.", default=True),
    "prompt_name": of("string", f"{THEIRS}name of one of the model's prompts."),
    "dimensions": of("integer", f"{THEIRS}keep the first of them."),
    **_READING,
}
INFERENCE_PREDICT: Keys = {
    "inputs": one_or_several(
        {"oneOf": [TEXT, {"type": "array", "items": TEXT}]},
        f"{THEIRS}a text, a pair [a, b], or a list of [a] and [a, b], in the place of `input`.",
    ),
    "parameters": holding(PARAMETERS, description="Of the hub's Inference API, which answers with a list of lists."),
    **_RAW,
    **_READING,
}
RERANK: Keys = {
    "query": of("string", "What the texts are to answer."),
    "texts": several(TEXT, "To be put into order."),
    "return_text": of("boolean", "Give the texts too.", default=False),
    **_RAW,
    **_READING,
}
RERANKED = several(
    holding({"index": of("integer", "Of the text, from 0."), "score": NUMBER, "text": TEXT}), "The best first."
)

# --- OpenAI ---

_USER: Keys = {"user": of("string", "Not read.")}
OPENAI_EMBED: Keys = {
    "input": one_or_several(TEXT, "A text, or a list of texts."),
    "model": MODEL,
    "encoding_format": of("string", "`float`, or `base64` of float32.", default="float"),
    "dimensions": of("integer", "Keep the first of them, of a model that was trained for that."),
    **_USER,
}
_OPENAI_USAGE: Keys = {"prompt_tokens": COUNT, "total_tokens": COUNT}
OPENAI_EMBEDDED = holding(
    {
        "object": {"const": "list"},
        "data": several(
            holding(
                {
                    "object": {"const": "embedding"},
                    "index": COUNT,
                    "embedding": {"oneOf": [VECTOR, TEXT], "description": "Numbers, or base64."},
                }
            ),
            "One for each input, in their order.",
        ),
        "model": MODEL,
        "usage": holding(_OPENAI_USAGE),
        "warnings": WARNINGS,
    }
)
NOT_DONE = "Only what changes nothing is done."
OPENAI_WRITE: Keys = {
    "prompt": one_or_several(TEXT, "A text, or a list of texts."),
    "model": MODEL,
    "max_tokens": of("integer", "Tokens that are written at most.", default=16),
    "temperature": of("number", "Of what is drawn; 0: always the likeliest token.", default=1),
    "top_p": of("number", "Draw one of the tokens with this probability together.", default=1),
    "n": of("integer", "Texts for each prompt.", default=1),
    "stop": one_or_several(TEXT, "What ends a text, and is left out."),
    "seed": of("integer", "Of what is drawn; without it each text is another one."),
    "echo": of("boolean", "Put the prompt before each text.", default=False),
    "stream": of("boolean", "Send the text of one prompt as it is written.", default=False),
    "stream_options": of("object", "`include_usage`: count tokens in an event of its own."),
    "best_of": of("integer", NOT_DONE),
    "frequency_penalty": of("number", NOT_DONE, default=0),
    "presence_penalty": of("number", NOT_DONE, default=0),
    "logit_bias": of("object", NOT_DONE),
    "logprobs": of("integer", "Only null is done."),
    "suffix": of("string", NOT_DONE),
    **_USER,
}
OPENAI_WRITTEN = holding(
    {
        "id": TEXT,
        "object": {"const": "text_completion"},
        "created": COUNT,
        "model": MODEL,
        "choices": several(
            holding(
                {
                    "index": COUNT,
                    "text": TEXT,
                    "finish_reason": {"enum": ["stop", "length"], "description": "Why it ended."},
                    "logprobs": {"type": "null"},
                }
            ),
            "The texts of the first prompt, of the second, ...",
        ),
        "usage": holding({**_OPENAI_USAGE, "completion_tokens": COUNT}),
        "warnings": WARNINGS,
    }
)
