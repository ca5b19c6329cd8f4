"""How the speed of models is measured beside each other in one process."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pretended
import pytest
import torch

from nlpkit.hardware import timing
from nlpkit.hardware.devices import Device
from nlpkit.inference.predictor import Predictor, open_trained
from nlpkit.measurement import speed
from nlpkit.measurement.workloads import Workload
from nlpkit.options import OpeningOptions

CPU = Device("cpu", "fp32", "cpu")


def sleepy(trained: Path, seconds: float) -> Predictor:
    """A predictor whose model takes that much longer for each forward pass."""
    opened = open_trained(str(trained), OpeningOptions())
    opened.model.register_forward_pre_hook(lambda *_: time.sleep(seconds))
    return Predictor(opened.task, opened.model, opened.tokenizer, CPU)


@pytest.mark.slow
def test_a_planted_delay_is_found(trained: Path) -> None:
    examples = {"text": ["good film"] * 8}
    torch.set_num_threads(1)
    (slow,) = speed.measure([sleepy(trained, 0.05)], examples, seconds=0)
    # a sleep is never shorter than asked for; how much longer it is, is the machine's business
    assert 50 <= slow.p50_ms <= slow.p95_ms
    assert 0 < slow.rows_per_second <= 8 / 0.05


def test_sides_take_turns(trained: Path) -> None:
    seen: list[str] = []
    sides = []
    for name in "ab":
        side = sleepy(trained, 0)
        side.model.register_forward_pre_hook(lambda *_, name=name: seen.append(name))
        sides.append(side)
    speed.measure(sides, {"text": ["good film"] * 3}, seconds=0)
    turns = [name for i, name in enumerate(seen) if i == 0 or seen[i - 1] != name]
    # warm-up, then three rounds: ab, ba, ab
    assert "".join(turns) == "ab" + "ab" + "a" + "b"


def test_batches_hold_rows_of_like_length(trained: Path) -> None:
    shapes: list[tuple[int, int]] = []
    side = sleepy(trained, 0)
    side.model.register_forward_pre_hook(
        lambda _, __, keywords: shapes.append(tuple(keywords["input_ids"].shape)), with_kwargs=True
    )
    speed.measure([side], {"text": ["good", "good film " * 8] * 4}, batch_size=4, seconds=0)
    batches = [shape for shape in shapes if shape[0] > 1]
    assert {shape[0] for shape in batches} == {4}
    assert len({shape[1] for shape in batches}) == 2  # the short ones are not padded to the long ones


def test_on_a_gpu_a_pass_waits_for_its_end_alone(trained: Path) -> None:
    opened = open_trained(str(trained), OpeningOptions())
    with pretended.cuda() as machine, pretended.tensors(), pretended.waits() as waited:
        device = Device("cuda", "bf16", "a GPU")
        predictor = Predictor(opened.task, opened.model, opened.tokenizer, device, lent=False)
        side = speed._prepared(predictor, {"text": ["good", "good film"]}, 2)
        for call in [*side.singles.calls, *side.batches.calls]:
            waited.clear()
            before = machine.calls["synchronize"]
            timing.timed([call], 1, side.synchronize)
            assert machine.calls["synchronize"] == before + 2
            assert waited == []


def test_sample_is_drawn_over_all_rows() -> None:
    drawn = speed.sample({"text": [str(i) for i in range(1_000)]}, rows=100)
    numbers = [int(text) for text in drawn["text"]]
    assert len(set(numbers)) == 100 and max(numbers) > 800 and min(numbers) < 200
    assert speed.sample({"text": ["a", "b"]})["text"] == ["a", "b"]


def test_the_ratio_goes_by_the_batches_that_stand_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock of tokens: the second model takes half as long a token, for a quarter more of them in more batches."""
    monkeypatch.setattr(timing, "stopwatch", lambda device: lambda call: call())

    def workload(lengths: Sequence[int], factor: float) -> Workload:
        return Workload([lambda length=length: factor * length for length in lengths], [], 1)

    assert (
        speed.ratio(workload([40, 30, 20, 10], 2.0), workload([50, 40, 25, 10], 1.0), "cpu", seconds=0.0) == 200 / 125
    )
    many = workload([20] * 10, 1.0)
    assert speed.ratio(workload([20] * 8, 1.0), many, "cpu", seconds=0.0) == pytest.approx(0.8)
