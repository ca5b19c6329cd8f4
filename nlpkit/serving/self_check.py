"""Whether the service answers as its models do: asked over HTTP, as a client asks."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from typing import Any

from nlpkit.reporting import Cell, Table
from nlpkit.serving.served import ServedModel
from nlpkit.serving.service import Service


@dataclass(frozen=True)
class Checked:
    """What came of the check of one model.

    Attributes:
        inputs: that were asked.
        differing: of these, whose answers were others over HTTP.
    """

    model: str
    inputs: int
    differing: int

    def record(self) -> dict[str, Any]:
        """JSON values."""
        return {"model": self.model, "inputs": self.inputs, "differing": self.differing}


def check(service: Service, address: str) -> list[Checked]:
    """Ask each model over HTTP and in this process."""
    return [_checked(model, address, service.keys) for model in service.models.values()]


def table(checked: list[Checked]) -> Table:
    """What people are told."""
    body: list[list[Cell]] = [[one.model, one.inputs, one.differing] for one in checked]
    return Table("self-check", ["model", "inputs", "answered otherwise over HTTP"], body)


def _checked(model: ServedModel, address: str, keys: list[bytes]) -> Checked:
    inputs = [model.example()]
    expected = [json.loads(json.dumps(model.try_example()))]
    body = {**model.form["example"], "input": inputs}
    answers = _asked(f"{address}/v1/models/{model.name}/predict", body, keys)["answers"]
    differing = sum(one != other for one, other in zip(answers, expected, strict=True))
    return Checked(model.name, len(inputs), differing)


def _asked(url: str, body: dict[str, Any], keys: list[bytes]) -> dict[str, Any]:
    headers = {"content-type": "application/json"}
    if keys:
        headers["authorization"] = f"Bearer {keys[0].decode()}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the service is on this machine
    with opener.open(request, timeout=60) as answer:
        made: dict[str, Any] = json.load(answer)
    return made
