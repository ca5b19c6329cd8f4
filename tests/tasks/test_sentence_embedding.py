"""Sentence embedding: vectors against ones computed by hand, files of them, likeness of pairs, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import RunOf, write_jsonl

from nlpkit.errors import UserError
from nlpkit.recipes import embed, evaluate, predict

TEXTS = ["a good great film", "bad", "the very bad day and a clerk"]
CPU: dict[str, Any] = {"device": "cpu", "threads": 1}


@pytest.fixture
def encoder(run_of: RunOf, tmp_path: Path) -> Path:
    """A random encoder as Transformers saves it, without a record."""
    shutil.copytree(run_of("embedding"), tmp_path / "encoder", ignore=shutil.ignore_patterns("nlpkit.json"))
    return tmp_path / "encoder"


def means(folder: Path) -> np.ndarray:
    """The mean of the last hidden states of each text, read alone."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    found = []
    for text in TEXTS:
        with torch.no_grad():
            found.append(model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0).numpy())
    return np.stack(found)


def vectors(folder: Path, **options: Any) -> np.ndarray:
    made = embed.run(embed.Config(model=str(folder), texts=TEXTS, **CPU, **options)).record["answers"]
    return np.array([answer["vector"] for answer in made])


def test_a_vector_is_the_mean_over_the_tokens_of_its_text(encoder: Path) -> None:
    wanted = means(encoder)
    np.testing.assert_allclose(vectors(encoder, normalize=False), wanted, atol=1e-5)
    np.testing.assert_allclose(vectors(encoder), wanted / np.linalg.norm(wanted, axis=1, keepdims=True), atol=1e-6)


def test_a_model_with_a_head_gives_the_vectors_of_its_encoder(run_of: RunOf) -> None:
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    folder = run_of("masked-lm")
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForMaskedLM.from_pretrained(folder).eval()
    with torch.no_grad():
        states = model(**tokenizer(TEXTS[0], return_tensors="pt"), output_hidden_states=True).hidden_states[-1]
    np.testing.assert_allclose(vectors(folder, normalize=False)[0], states[0].mean(0).numpy(), atol=1e-5)


@pytest.mark.parametrize("rows", [[*TEXTS, ""], ["", *TEXTS], [""]])
def test_npy_keeps_a_row_for_each_text(rows: list[str], encoder: Path, tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "rows.jsonl", [{"text": text} for text in rows])
    out = tmp_path / "vectors.npy"
    report = embed.run(embed.Config(model=str(encoder), input=str(data), output=out, **CPU))
    found = np.load(out)
    assert (report.record["rows"], report.record["failed"], report.exit_code) == (len(rows), 1, 1)
    assert found.dtype == np.float32 and len(found) == len(rows)
    if len(rows) > 1:
        empty = rows.index("")
        assert np.isnan(found[empty]).all()
        np.testing.assert_allclose(np.delete(found, empty, 0), vectors(encoder), atol=1e-6)


def test_parquet_has_the_vectors_beside_the_columns(encoder: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    data = write_jsonl(tmp_path / "rows.jsonl", [{"text": text, "id": i} for i, text in enumerate(TEXTS)])
    embed.run(embed.Config(model=str(encoder), input=str(data), output=tmp_path / "v.parquet", **CPU))
    table = pq.read_table(tmp_path / "v.parquet")
    assert table["id"].to_pylist() == [0, 1, 2]
    np.testing.assert_allclose(np.array(table["vector"].to_pylist()), vectors(encoder), atol=1e-6)


def test_likeness_is_the_rank_correlation_of_cosines(encoder: Path, tmp_path: Path) -> None:
    from scipy.stats import pearsonr, spearmanr

    pairs = [(0, 1, 0.2), (0, 2, 0.5), (1, 2, 0.9)]
    rows = [{"sentence1": TEXTS[a], "sentence2": TEXTS[b], "score": score} for a, b, score in pairs]
    data = write_jsonl(tmp_path / "pairs.jsonl", rows)
    config = evaluate.Config(model=str(encoder), task="sentence-embedding", data=str(data), **CPU)
    (metrics,) = evaluate.run(config).record["metrics"].values()
    unit = vectors(encoder)
    cosines, scores = [float(unit[a] @ unit[b]) for a, b, _ in pairs], [score for *_, score in pairs]
    assert metrics["spearman"] == pytest.approx(spearmanr(cosines, scores).statistic)
    assert metrics["pearson"] == pytest.approx(pearsonr(cosines, scores).statistic, abs=1e-5)


def test_the_limit_of_a_folder_of_sentence_transformers_counts(encoder: Path) -> None:
    from transformers import AutoTokenizer

    (encoder / "1_Pooling").mkdir()
    (encoder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    whole = vectors(encoder)
    (encoder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 4}))
    cut = embed.run(embed.Config(model=str(encoder), texts=TEXTS, **CPU)).record["answers"]
    lengths = [len(ids) for ids in AutoTokenizer.from_pretrained(encoder)(TEXTS)["input_ids"]]
    assert [answer.get("vector_cut", 0) for answer in cut] == [max(length - 4, 0) for length in lengths]
    assert not np.allclose(cut[0]["vector"], whole[0], atol=1e-3)


def test_an_encoder_has_no_task_until_it_is_named(encoder: Path) -> None:
    with pytest.raises(UserError) as error:
        predict.run(predict.Config(model=str(encoder), texts=TEXTS, **CPU))
    assert "--task sentence-embedding" in str(error.value.hint)
