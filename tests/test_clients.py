"""Programs that know nothing of nlpkit give its folders' answers: those of `predict`."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import every_task
import pytest
from conftest import BAD, GOOD, RunOf, rows, sentence, write_jsonl

from nlpkit.recipes import finetune_cls, predict, prune, quantize

WHERE: dict[str, Any] = {"device": "cpu", "threads": 1}
TEXTS = ["a good film", "Ångström — naïve 日本語", "the awful train was late and my kind clerk was rude " * 6]
PAIRS = [(first, second) for first in TEXTS for second in ("a lovely soup", "bad")]


def answers(run: Path, texts: list[str], **options: Any) -> list[dict[str, Any]]:
    """What `predict` says of typed texts."""
    return predict.run(predict.Config(model=str(run), texts=texts, **WHERE, **options)).record["answers"]


@pytest.mark.parametrize("task", ["classification", "multi-label", "regression"])
def test_scores_of_the_stock_pipeline(task: str, run_of: RunOf) -> None:
    """Names and numbers of all labels: softmax, a sigmoid for each of several, the number itself of a regression."""
    from transformers import pipeline

    run = run_of(task)
    found = pipeline("text-classification", str(run), device="cpu", top_k=None)(TEXTS, truncation=True)
    given = answers(run, TEXTS, all_scores=task != "regression")
    for stock, own in zip(found, given, strict=True):
        wanted = {"score": own["prediction"]} if task == "regression" else own["prediction_scores"]
        assert {entry["label"]: entry["score"] for entry in stock} == pytest.approx(wanted, abs=1e-6)
        if task == "classification":
            assert stock[0]["label"] == own["prediction"]


# --- CrossEncoder of sentence-transformers ---


def scored_pairs(count: int, seed: int) -> list[dict[str, Any]]:
    """Pairs with a number far from 0 and 1, which a sigmoid would move far."""
    rng = random.Random(seed)
    made = []
    for row in rows(count, seed):
        kinds = [word in GOOD for word in row["text"].split() if word in (*GOOD, *BAD)]
        number = 5 * sum(kinds) / len(kinds) - 2
        made.append({"sentence1": row["text"], "sentence2": sentence(rng, "positive"), "label": number + rng.random()})
    return made


def several_a_pair(count: int, seed: int) -> list[dict[str, Any]]:
    kept = every_task.labelled("multi-label", count, seed)
    return [{"sentence1": row["text"], "sentence2": "a film", "labels": row["labels"]} for row in kept]


@pytest.fixture(scope="module")
def pair_runs(run_of: RunOf, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs on pairs: of two classes, of numbers, of several labels."""
    made = {"classes": run_of("pairs")}
    for name, rows_of in {"numbers": scored_pairs, "several": several_a_pair}.items():
        folder = tmp_path_factory.mktemp(name)
        write_jsonl(folder / "train.jsonl", rows_of(64, 1))
        write_jsonl(folder / "validation.jsonl", rows_of(24, 2))
        config = {**every_task.TRAINING, "data": str(folder), "model": str(tiny_model), "output": folder / "run"}
        finetune_cls.run(finetune_cls.Config(**config))
        made[name] = folder / "run"
    return made


def told(folder: Path) -> str:
    """What the config says to CrossEncoder, in the words of its versions 3 and 4 to 6."""
    config = json.loads((folder / "config.json").read_text())
    assert config["sentence_transformers"] == {"activation_fn": config["sbert_ce_default_activation_function"]}
    return config["sbert_ce_default_activation_function"]


@pytest.mark.parametrize("kind", ["classes", "numbers", "several"])
def test_cross_encoder_predicts_what_predict_does(kind: str, pair_runs: dict[str, Path], tmp_path: Path) -> None:
    """Of classes with `apply_softmax=True`, by its own convention; it was a sigmoid of a number before."""
    sentence_transformers = pytest.importorskip("sentence_transformers")
    half = tmp_path / "half"
    common = {**WHERE, "measure_seconds": 0}
    quantize.run(quantize.Config(model=str(pair_runs[kind]), to="bf16", output=half, **common))
    assert told(half) == told(pair_runs[kind])
    typed = {"text_pair": [second for _, second in PAIRS], "all_scores": kind != "numbers"}
    given = answers(pair_runs[kind], [first for first, _ in PAIRS], **typed)
    wanted = [a["prediction"] if kind == "numbers" else list(a["prediction_scores"].values()) for a in given]
    encoder = sentence_transformers.CrossEncoder(str(pair_runs[kind]), device="cpu")
    found = encoder.predict(PAIRS, apply_softmax=kind == "classes", show_progress_bar=False)
    for mine, theirs in zip(wanted, found.tolist(), strict=True):
        assert theirs == pytest.approx(mine, abs=1e-6)


def test_what_is_pruned_tells_cross_encoder_too_and_what_takes_single_texts_does_not(
    pair_runs: dict[str, Path], run_of: RunOf, tmp_path: Path
) -> None:
    cut = {"sparsity": 0.5, "measure_seconds": 0, "output": tmp_path / "cut"}
    prune.run(prune.Config(model=str(pair_runs["numbers"]), **cut, **WHERE))
    assert told(tmp_path / "cut") == told(pair_runs["numbers"]) == "torch.nn.modules.linear.Identity"
    assert told(pair_runs["several"]) == "torch.nn.modules.activation.Sigmoid"
    assert "sentence_transformers" not in json.loads((run_of("regression") / "config.json").read_text())
