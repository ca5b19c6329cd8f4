"""Latency of sizes: read off between those that were measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import TASK, batches, tiny

from nlpkit.hardware import timing
from nlpkit.models import surgery
from nlpkit.pruning import latency_table
from nlpkit.pruning.latency_table import Size


def test_sizes_between_the_measured_ones_are_read_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock by which a layer takes 1 s, 0.1 s a head and 0.01 s a neuron, and the third layer twice as long."""

    def law(layers: int, width: int, heads: int) -> float:
        return 2 + (1 + 0.1 * heads + 0.01 * width) * (layers if layers < 3 else 4)

    def turns_of(runs: dict[Any, Callable[[], Any]], *rest: Any) -> dict[Any, Sequence[float]]:
        for run in runs.values():
            run()  # each size can be called
        return {key: [law(key[1].layers, key[1].width, key[1].heads), 99.0] for key in runs}

    monkeypatch.setattr(timing, "turns_of", turns_of)
    model = tiny("bert")
    table = latency_table.measured(model, TASK, batches(), ["fp32"])
    assert table.whole == Size(3, 48, 4, model.config.vocab_size)
    assert (table.rows, table.tokens) == (
        sum(len(b["input_ids"]) for b in batches()),
        sum(b["input_ids"].numel() for b in batches()),
    )
    for layers in (1, 2, 3):
        for width, heads in ((48, 4), (30, 4), (12, 2), (48, 1)):
            assert table.seconds(layers, width, heads) == pytest.approx(law(layers, width, heads))
    assert table.fit_error["fp32"] == pytest.approx(0, abs=1e-9)
    assert table.seconds(3) == pytest.approx(law(3, 48, 4))
    # bytes of a size that was not measured are those of the model that is cut to it
    cut = tiny("bert")
    surgery.keep_neurons(cut, {layer: range(20) for layer in range(3)})
    surgery.keep_heads(cut, {layer: range(3) for layer in range(3)})
    surgery.keep_layers(cut, range(2))
    cut.resize_token_embeddings(25)
    assert table.bytes(2, 20, 25, heads=3) == 4 * sum(parameter.numel() for parameter in cut.parameters())


@pytest.mark.slow
def test_int8_is_measured_as_it_is_exported(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    model = tiny("bert", num_hidden_layers=1)
    exported, size = latency_table._exported(model, TASK, batches()[0], tmp_path / "one")
    assert size == (tmp_path / "one" / "model.onnx").stat().st_size
    with torch.inference_mode():
        wanted, found = (TASK.run(side, batches()[0]).logits for side in (model, exported))
    torch.testing.assert_close(found, wanted, atol=0.3, rtol=0.1)
