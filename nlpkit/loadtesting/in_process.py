"""What a service costs over the model alone: the same texts by turns over HTTP and in this process."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from nlpkit.errors import UserError
from nlpkit.inference.predictor import Predictor, TrainedModelOptions, open_predictor
from nlpkit.loadtesting.client import ANSWERED, Client
from nlpkit.loadtesting.figures import quantile_interval
from nlpkit.loadtesting.load import said

TURNS, TURN = 10, 21  # texts of a turn, of which the first is not counted: what ran before has left the caches
PAUSE = 0.05  # seconds between turns: threads that wait for work spin for a while, and would hold up the other side


@dataclass(frozen=True)
class Overhead:
    """Latency of one request after the other, of the same texts.

    Attributes:
        run: that answered in this process.
        texts: how many were counted.
        service_p50_ms, process_p50_ms: medians over HTTP and in this process.
        p50_ms, low_ms, high_ms: median of the differences text by text, and its 95 % interval.
    """

    run: str
    texts: int
    service_p50_ms: float
    process_p50_ms: float
    p50_ms: float
    low_ms: float | None
    high_ms: float | None

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return {name: round(value, 3) if isinstance(value, float) else value for name, value in vars(self).items()}

    def line(self) -> str:
        """What people are told."""
        ends = "" if self.low_ms is None or self.high_ms is None else f" ({self.low_ms:.2f} to {self.high_ms:.2f})"
        return (
            f"{self.texts} texts by turns, one after the other: HTTP takes {self.p50_ms:.2f} ms more{ends} than "
            f"{self.run} in this process (p50 {self.service_p50_ms:.2f} ms, {self.process_p50_ms:.2f} ms)"
        )


def compare(client: Client, bodies: Iterator[bytes], run: str) -> Overhead:
    """Ask the service and a run in this process for the same texts.

    Args:
        client: of the service, whose bodies have an `input`, as those of nlpkit have.
        bodies: that are sent.
        run: folder of the model that the service has.

    Raises:
        UserError: the run cannot be opened, does not read the texts, or the service does not answer them.
    """
    answer = _opened(run)

    def asked(body: bytes) -> None:
        answered = client.ask(body)
        if answered.kind != ANSWERED:
            raise UserError(f"--in-process: the service gave a text no answer: {said(answered)}")

    service, process = list[float](), list[float]()
    for _ in range(TURNS):
        texts = [next(bodies) for _ in range(TURN)]
        service += _timed(asked, texts)
        process += _timed(answer, texts)
    differences = np.array(service) - np.array(process)
    return Overhead(
        run,
        len(differences),
        float(np.median(service)),
        float(np.median(process)),
        float(np.median(differences)),
        *quantile_interval(differences, 0.5),
    )


def _timed(ask: Callable[[bytes], None], texts: list[bytes]) -> list[float]:
    """The latency of each in ms, without the first."""
    time.sleep(PAUSE)
    latencies = []
    for text in texts:
        start = time.perf_counter()
        ask(text)
        latencies.append((time.perf_counter() - start) * 1e3)
    return latencies[1:]


def _opened(run: str) -> Callable[[bytes], None]:
    """What answers a body in this process."""
    predictor: Predictor[Any] = open_predictor(TrainedModelOptions(model=run), command="loadtest")
    reader = predictor.task.reader()
    main = reader.input_columns[0]

    def answer(body: bytes) -> None:
        given = json.loads(body).get("input")
        row = given if isinstance(given, dict) else {main: given}
        (answered,) = predictor.answers([row], reader)
        if answered.get("error"):
            raise UserError(f"--in-process {run}: it does not read a text: {answered['error']}")

    return answer
