"""Static embedders are folders of model2vec, which sentence-transformers opens with the same vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import make_tokenizer
from safetensors.torch import load_file, save_file

from nlpkit.errors import UserError
from nlpkit.models import opening
from nlpkit.models.static import StaticConfig, StaticModel, open_model, plain_tokenizer
from nlpkit.recipes import predict

DIMS = 4
TEXTS = ["good film", "the very warm soup", "a"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("static")
    tokenizer = plain_tokenizer(make_tokenizer())
    torch.manual_seed(0)
    StaticModel(StaticConfig(len(tokenizer), DIMS)).save_pretrained(place)
    tokenizer.save_pretrained(place)
    return place


def by_hand(folder: Path, text: str) -> np.ndarray:
    """The mean of the rows of a text's words, of length 1."""
    vocabulary = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    table = load_file(folder / "model.safetensors")["embeddings"].numpy()
    mean = np.mean([table[vocabulary[word]] for word in text.split()], axis=0)
    return mean / np.linalg.norm(mean)


def test_the_vector_of_a_text_is_the_mean_of_its_tokens_rows(folder: Path) -> None:
    report = predict.run(predict.Config(model=str(folder), task="sentence-embedding", texts=TEXTS, device="cpu"))

    vectors = [answer["prediction"] for answer in report.record["answers"]]
    assert vectors == [pytest.approx(by_hand(folder, text), abs=1e-6) for text in TEXTS]


def test_what_several_tokens_share_and_their_factors_are_written_out(folder: Path, tmp_path: Path) -> None:
    # model2vec writes both where its vocabulary is quantized
    rows = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    save_file(
        {"embeddings": rows, "mapping": torch.tensor([1, 0, 1]), "weights": torch.tensor([1.0, 0.5, 2.0])},
        tmp_path / "model.safetensors",
    )
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "model2vec", "normalize": True}), encoding="utf-8")

    model, new = opening.load_model(str(tmp_path), "AutoModel")

    assert model.embedding.weight.tolist() == [[3.0, 4.0], [0.5, 1.0], [6.0, 8.0]]
    assert (new, opening.load_config(str(tmp_path)).hidden_size) == ([], 2)


def test_weights_that_are_no_table_are_refused(folder: Path, tmp_path: Path) -> None:
    save_file({"other": torch.zeros(2, 2)}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "model2vec"}), encoding="utf-8")

    with pytest.raises(UserError, match="no table of token vectors"):
        opening.load_model(str(tmp_path), "AutoModel")


@pytest.mark.slow
def test_sentence_transformers_gives_the_same_vectors(folder: Path) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")

    found = sentence_transformers.SentenceTransformer(str(folder), device="cpu").encode(TEXTS)

    np.testing.assert_allclose(found, [by_hand(folder, text) for text in TEXTS], atol=1e-6)


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"embeddings": torch.ones(4, 2), "mapping": torch.tensor([0, 9])}, "mapping names rows"),
        ({"embeddings": torch.ones(4, 2), "mapping": torch.tensor([-1, 0])}, "mapping names rows"),
        ({"embeddings": torch.ones(4, 2), "weights": torch.ones(3)}, "not one for each of the 4 tokens"),
        ({"embeddings": torch.full((4, 2), torch.nan)}, "NaN or infinite"),
        ({"embeddings": torch.ones(4, 2, 2)}, "no table of token vectors"),
        (b"\0" * 64, "cannot be read"),
    ],
)
def test_a_table_that_cannot_be_is_refused(tensors: Any, said: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    if isinstance(tensors, bytes):
        path.write_bytes(tensors)
    else:
        save_file(tensors, path)
    with pytest.raises(UserError, match=said):
        open_model(str(tmp_path), StaticConfig())
