"""The OpenAPI document of a service: what its routes take and give, with examples of the models that it serves."""

from __future__ import annotations

import copy
from typing import Any

from fastapi import FastAPI

from nlpkit.serving.contract import Served
from nlpkit.serving.refusals import KINDS
from nlpkit.serving.routes import schemas
from nlpkit.serving.routes.schemas import JSON
from nlpkit.serving.service import Service

REFUSAL: dict[str, Any] = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "request_id"],
            "properties": {
                "message": {"type": "string", "description": "What is wrong, and what to do."},
                "type": {"enum": [kind for kind in KINDS if kind != "gone"]},
                "where": {
                    "type": "array",
                    "description": "Places of the body: `loc` is the path to one.",
                    "items": {"type": "object"},
                },
                "request_id": {"type": "string", "description": "By which the log knows the request."},
            },
        }
    },
}


def document(app: FastAPI, service: Service) -> dict[str, Any]:
    """The document of an application, with how the models at hand are asked.

    Args:
        app: with the routes.
        service: its models.
    """
    made = copy.deepcopy(app.openapi())
    components = made.setdefault("components", {})
    components["schemas"] = {"Refusal": REFUSAL}
    refused = {"description": "Refused", "content": {JSON: {"schema": {"$ref": "#/components/schemas/Refusal"}}}}
    if service.keys:
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        made["security"] = [{"key": []}]
    for path, operations in made["paths"].items():
        for operation in operations.values():
            operation["responses"].pop("422", None)  # of FastAPI's own validation, which no route uses
            operation["responses"]["default"] = refused
        if (asked := operations.get("post")) is None:
            continue
        body = asked["requestBody"]["content"][JSON]
        able = [(model, value) for model in service.models.values() if (value := example_of(model, path)) is not None]
        if len(able) > 1 and "{name}" not in path and not path.startswith("/v1/"):
            able = []  # a shortcut to the only one, of which there are several
        body["examples"] = {
            model.name: {"summary": f"{model.name} ({model.kind})", "value": value} for model, value in able
        }
        if path.endswith("/predict"):
            own = {model.name: _options_of(model) for model, _ in able}
            components["schemas"].update({f"Options of {name}": schema for name, schema in own.items()})
            anyone = [{"$ref": f"#/components/schemas/Options of {name}"} for name in own]
            body["schema"]["properties"]["options"]["anyOf"] = anyone
    return made


def _options_of(model: Served[Any, Any]) -> dict[str, Any]:
    return schemas.holding(schemas.options_of(model.form["options"]), title=f"Options of {model.name}")


def example_of(model: Served[Any, Any], path: str) -> dict[str, Any] | None:
    """A body that a model answers at an address; None where it has no answer there.

    Args:
        path: as a route declares it.
    """
    own, example = path.rpartition("/")[2], model.form["example"]
    if path in ("/v1/embeddings", "/v1/completions"):
        name, answers = {
            "embeddings": ("input", "embed" in model.routes),
            "completions": ("prompt", model.form["streams"]),
        }[own]
        return {"model": model.name, name: example["input"]} if answers else None
    if own not in model.routes:
        return None
    if own == "rerank":
        texts = [one["example"] for one in model.form["inputs"]]
        return {"query": texts[0], "texts": texts[::-1], "truncate": True}
    return {"input": example["input"]} if own == "embed" else dict(example)
