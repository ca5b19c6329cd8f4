"""The graph of an embedder: finished vectors, for whoever has ONNX Runtime and tokenizers alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import snippets
import torch
from conftest import RunOf

from nlpkit.errors import UserError
from nlpkit.inference.predictor import TrainedModelOptions, open_predictor
from nlpkit.models.onnx import OnnxModel
from nlpkit.quantization import export
from nlpkit.recipes import quantize
from nlpkit.tasks.sentence_embedding.folder.names import POOLINGS
from nlpkit.tasks.sentence_embedding.task import FINISHED, STATES, SentenceEmbedding
from nlpkit.tasks.sentence_embedding.vectors import Vectors

pytestmark = pytest.mark.slow  # exports

TEXTS = ["a good film", "the awful train was late and my kind clerk was rude " * 12, "bad"]
MASK = torch.tensor([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0]])


def graph_of(run: Path, place: Path, **settings: Any) -> tuple[SentenceEmbedding, Any, OnnxModel]:
    """A task, its model in torch, and the same exported."""
    from transformers import AutoModel

    task, model = SentenceEmbedding(vectors=Vectors(**settings)), AutoModel.from_pretrained(run).eval()
    ids = torch.arange(12).view(2, 6) + 5
    made = export.export(model, {"input_ids": ids, "attention_mask": torch.ones_like(ids)}, graph=task.graph)
    export.finish(made, model, fused=False)
    export.save(made, place / "model.onnx")
    return task, model, OnnxModel(place / "model.onnx", model.config)


def test_a_graph_pools_as_torch_does(run_of: RunOf, tmp_path: Path) -> None:
    """In every way, of several layers, cut and normalized."""
    task, model, graph = graph_of(run_of("embedding"), tmp_path, pooling=tuple(POOLINGS), layers=2, dims=150)
    assert graph.outputs == [STATES, FINISHED]
    for mask in (MASK, MASK.flip(1)):  # padding on the right, and on the left
        batch = {"input_ids": torch.arange(18).view(3, 6) + 5, "attention_mask": mask}
        with torch.no_grad():
            wanted = task.run(model, batch).logits
        np.testing.assert_allclose(task.run(graph, batch).logits.numpy(), wanted.numpy(), atol=2e-6)
    assert "forward" not in vars(model)
    # Others than those that the graph was exported with are pooled of its states, or refused.
    task = task.with_(own=task.vectors, vectors=Vectors(pooling=("max",), dims=9))
    with torch.no_grad():
        wanted = task.run(model, batch).logits
    np.testing.assert_allclose(task.run(graph, batch).logits.numpy(), wanted.numpy(), atol=2e-6)
    with pytest.raises(UserError, match="gives the states of the last layer alone, and those of 2 are to be averaged"):
        task.with_(vectors=Vectors(layers=2)).run(graph, batch)


def test_a_prompt_that_is_left_out_is_no_part_of_the_graph() -> None:
    """A graph cannot tell which tokens are its own: it gives the states, and nlpkit pools them."""
    task = SentenceEmbedding(vectors=Vectors(include_prompt=False))
    batch = {"attention_mask": torch.ones(1, 2)}
    assert list(task.graph(lambda **_: {STATES: torch.ones(1, 2, 4)}, batch)) == [STATES]
    assert not task.view.onnx_code(task.record(), "model.onnx")
    with pytest.raises(UserError, match="cannot average several layers"):
        task.with_(vectors=task.vectors.with_(layers=2)).graph(lambda **_: {}, batch)


def test_onnxruntime_and_tokenizers_alone_give_the_vectors(run_of: RunOf, tmp_path: Path) -> None:
    """The code of the card, in a process without torch and transformers: also of a text beyond the limit."""
    run, exported = run_of("embedding"), tmp_path / "exported"
    config = {"model": str(run), "output": exported, "device": "cpu", "threads": 1, "measure_seconds": 0}
    quantize.run(quantize.Config(to="onnx-fp32", **config))
    (script,) = snippets.blocks((exported / "README.md").read_text())
    script = script.replace('["Your text here."]', repr(TEXTS)) + (
        "import sys\nassert not {'torch', 'transformers'} & set(sys.modules)\nnp.save('vectors.npy', vectors)\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=exported, check=True)
    wanted = open_predictor(TrainedModelOptions(model=str(run), device="cpu", threads=1)).outputs({"text": TEXTS})
    np.testing.assert_allclose(np.load(exported / "vectors.npy"), wanted[:, 0], atol=2e-6)
