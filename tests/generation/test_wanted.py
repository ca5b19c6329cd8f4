"""A text that nobody wants any more is not written on."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import RunOf

from nlpkit.generation import wanted
from nlpkit.inference.predictor import Predictor, open_predictor
from nlpkit.recipes import predict

pytestmark = pytest.mark.slow


def opened(run: Path, **options: object) -> Predictor:
    config = predict.Config(model=str(run), device="cpu", threads=1, **options)
    predictor = open_predictor(config)
    return predictor.configured(config.for_task(type(predictor.task)))


@pytest.mark.parametrize("kind", ["causal-lm", "text-to-text"])
@pytest.mark.parametrize("beams", [1, 2])
def test_it_ends_at_the_next_token(kind: str, beams: int, run_of: RunOf) -> None:
    predictor = opened(run_of(kind), beams=beams, max_new_tokens=8)
    asked: list[int] = []

    def three_times() -> bool:
        asked.append(1)
        return len(asked) <= 3

    with pytest.raises(wanted.Unwanted), wanted.as_long_as(three_times):
        predictor.answers([{predictor.task.text: "good film"}])
    assert len(asked) == 4
    (answer,) = predictor.answers([{predictor.task.text: "good film"}])  # outside of the block all is as ever
    assert "error" not in answer
