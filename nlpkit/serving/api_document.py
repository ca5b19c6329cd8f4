"""The OpenAPI document of a service: what its routes take and give, with examples of the models that it serves."""

from __future__ import annotations

import copy
from typing import Any

from fastapi import FastAPI

from nlpkit.serving.refusals import KINDS
from nlpkit.serving.service import Service

JSON = "application/json"
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


def documented(body: dict[str, Any], *required: str) -> dict[str, Any]:
    """What the declaration of a route says of its body: `openapi_extra` of FastAPI.

    Args:
        body: a JSON schema for each key of the body.
        required: keys that must be there.
    """
    schema = {"type": "object", "required": list(required), "properties": body, "additionalProperties": False}
    return {"requestBody": {"required": True, "content": {JSON: {"schema": schema}}}}


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
        if path.endswith("/predict"):
            body = operations["post"]["requestBody"]["content"][JSON]
            body["examples"] = {
                model.name: {"summary": f"{model.name} ({model.kind})", "value": model.form["example"]}
                for model in service.models.values()
                if "predict" in model.routes
            }
    return made
