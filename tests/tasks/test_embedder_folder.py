"""The folder of an embedder: what sentence-transformers, and code without it, make of the same files."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import forked
import numpy as np
import pytest
import snippets
from conftest import RunOf

from nlpkit import limits, reporting
from nlpkit.inference.predictor import TrainedModelOptions, open_predictor
from nlpkit.models.files import STRUCTURE
from nlpkit.tasks.sentence_embedding.folder import writing
from nlpkit.tasks.sentence_embedding.folder.names import POOLINGS
from nlpkit.tasks.sentence_embedding.folder.reading import vectors_of
from nlpkit.tasks.sentence_embedding.task import SentenceEmbedding
from nlpkit.tasks.sentence_embedding.vectors import Vectors

TEXTS = ["Your text here.", "a good great film", "the awful train was late and my kind clerk was rude " * 12]
PROMPT: dict[str, Any] = {"prompts": {"query": "a kind clerk ", "document": ""}, "default_prompt": "query"}
KINDS: dict[str, dict[str, Any]] = {
    **{way: {"pooling": (way,)} for way in POOLINGS},
    "joined": {"pooling": ("cls", "mean", "last_token")},
    "another order": {"pooling": ("mean", "cls"), "normalize": False},
    "cut": {"dims": 12},
    "joined and cut": {"pooling": ("max", "mean"), "dims": 40, "normalize": False},
    "prompt": PROMPT,
    "prompt left out": {**PROMPT, "include_prompt": False, "pooling": ("mean", "weighted_mean")},
    "lower case": {"lower_case": True},
}
# Vectors of each folder by sentence-transformers, in a process that has not imported anything of nlpkit.
ASK = """
import json, sys
import numpy as np
from sentence_transformers import SentenceTransformer
folders, texts, out = json.load(sys.stdin)
vectors = {}
for name, folder in folders.items():
    vectors[name] = SentenceTransformer(folder, device="cpu").encode(texts)
np.savez(out, **vectors)
"""


def saved(encoder: Path, folder: Path, **settings: Any) -> Path:
    """The folder of a run whose vectors are made like this, as commands write it, without a record."""
    from transformers import AutoModel, AutoTokenizer

    model, tokenizer = AutoModel.from_pretrained(encoder), AutoTokenizer.from_pretrained(encoder)
    task = SentenceEmbedding(vectors=Vectors(**settings), max_length=48)
    model.save_pretrained(folder)
    limits.save_tokenizer(tokenizer, folder, task.stated_length)
    task.extra_files(folder, model.config)
    return folder


def by_nlpkit(folder: Path, texts: list[str]) -> np.ndarray:
    options = TrainedModelOptions(model=str(folder), task=SentenceEmbedding.name, device="cpu", threads=1)
    return np.asarray(open_predictor(options).outputs({"text": texts})[:, 0])


@pytest.mark.slow  # another process imports sentence-transformers
def test_all_programs_give_the_same_vectors(run_of: RunOf, tmp_path: Path) -> None:
    """Of short texts, and of one that is cut: `embed`, SentenceTransformer, and the code of the card."""
    folders = {kind: saved(run_of("embedding"), tmp_path / kind, **made) for kind, made in KINDS.items()}
    asked = json.dumps([{kind: str(folder) for kind, folder in folders.items()}, TEXTS, str(tmp_path / "out.npz")])
    forked.imported("sentence_transformers")
    forked.run([sys.executable, "-c", ASK], input=asked, check=True)
    theirs = np.load(tmp_path / "out.npz")
    for kind, folder in folders.items():
        ours = by_nlpkit(folder, TEXTS)
        np.testing.assert_allclose(theirs[kind], ours, atol=1e-6, err_msg=kind)
        task = SentenceEmbedding(vectors=vectors_of(folder), max_length=48)
        _, names = snippets.ran("\n".join(task.view.transformers_code(task.record())), folder)
        np.testing.assert_allclose(names["vectors"].numpy(), ours[:1], atol=1e-6, err_msg=kind)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_read_again(kind: str, tmp_path: Path) -> None:
    vectors = Vectors(**KINDS[kind], max_length=48)
    writing.write(vectors, tmp_path, 32)
    assert vectors_of(tmp_path).with_(source="") == vectors


def test_older_programs_and_servers_find_their_keys(tmp_path: Path) -> None:
    """Those of sentence-transformers 5.3, which stops at a key that it does not know, and of text-embeddings-inference,
    which needs two of them."""
    known = {"word_embedding_dimension", "pooling_mode", "include_prompt", *(key for _, key in POOLINGS.values())}
    writing.write(Vectors(max_length=48), tmp_path, 32)
    pooling = json.loads((tmp_path / "1_Pooling" / "config.json").read_text())
    assert set(pooling) <= known
    assert (pooling["pooling_mode_mean_tokens"], pooling["pooling_mode_cls_token"]) == (True, False)
    assert pooling["pooling_mode"] == "mean"
    assert json.loads((tmp_path / "sentence_bert_config.json").read_text())["max_seq_length"] == 48
    types = [module["type"] for module in json.loads((tmp_path / "modules.json").read_text())]
    assert types == [f"sentence_transformers.models.{kind}" for kind in ("Transformer", "Pooling", "Normalize")]
    writing.write(Vectors(pooling=("mean", "cls")), tmp_path, 32)
    assert not known >= set(json.loads((tmp_path / "1_Pooling" / "config.json").read_text()))


@pytest.mark.parametrize(("vectors", "structure"), [(Vectors(layers=2), ""), (Vectors(), STRUCTURE)])
def test_a_folder_that_would_open_wrongly_gets_no_modules(
    vectors: Vectors, structure: str, run_of: RunOf, tmp_path: Path
) -> None:
    from transformers import AutoConfig

    shutil.copy(run_of("embedding") / "config.json", tmp_path)
    if structure:
        document = json.loads((tmp_path / "config.json").read_text())
        (tmp_path / "config.json").write_text(json.dumps({**document, structure: {}}))
    config = AutoConfig.from_pretrained(run_of("embedding"))
    with reporting.listening() as heard:
        SentenceEmbedding(vectors=vectors).extra_files(tmp_path, config)
    assert not (tmp_path / "modules.json").exists()
    assert heard.notes[0].startswith("sentence-transformers does not open this model: its ")
