"""Programs that know nothing of nlpkit give its folders' answers: those of `predict`."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import every_task
import pytest
from conftest import BAD, GOOD, RunOf, rows, sentence, write_jsonl

from nlpkit.errors import UserError
from nlpkit.recipes import evaluate, finetune_cls, predict, prune, quantize

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


def relevant_pairs(count: int, seed: int) -> list[dict[str, Any]]:
    """Queries with four passages each, of which those of the query's own kind are relevant."""
    rng = random.Random(seed)
    made = []
    for i, kind in enumerate(["positive", "negative"] * (count // 8)):
        query = sentence(rng, kind)
        for k in range(4):
            other = "negative" if kind == "positive" else "positive"
            passage = sentence(rng, kind if k == i % 4 else other)
            made.append({"query": query, "passage": passage, "label": int(k == i % 4)})
    return made


@pytest.fixture(scope="module")
def pair_runs(run_of: RunOf, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs on pairs: of two classes, of numbers, of several labels, of relevance."""
    made = {"classes": run_of("pairs")}
    kinds = {"numbers": scored_pairs, "several": several_a_pair, "relevance": relevant_pairs}
    for name, rows_of in kinds.items():
        folder = tmp_path_factory.mktemp(name)
        write_jsonl(folder / "train.jsonl", rows_of(64, 1))
        write_jsonl(folder / "validation.jsonl", rows_of(24, 2))
        config = {**every_task.TRAINING, "data": str(folder), "model": str(tiny_model), "output": folder / "run"}
        problem = {"problem": "relevance"} if name == "relevance" else {}
        finetune_cls.run(finetune_cls.Config(**config, **problem))
        made[name] = folder / "run"
    return made


def told(folder: Path) -> str:
    """What the config says to CrossEncoder, in the words of its versions 3 and 4 to 6."""
    config = json.loads((folder / "config.json").read_text())
    assert config["sentence_transformers"] == {"activation_fn": config["sbert_ce_default_activation_function"]}
    return config["sbert_ce_default_activation_function"]


@pytest.mark.parametrize("kind", ["classes", "numbers", "several", "relevance"])
def test_cross_encoder_predicts_what_predict_does(kind: str, pair_runs: dict[str, Path], tmp_path: Path) -> None:
    """Of classes with `apply_softmax=True`, by its own convention; it was a sigmoid of a number before."""
    sentence_transformers = pytest.importorskip("sentence_transformers")
    half = tmp_path / "half"
    common = {**WHERE, "measure_seconds": 0}
    quantize.run(quantize.Config(model=str(pair_runs[kind]), to="bf16", output=half, **common))
    assert told(half) == told(pair_runs[kind])
    typed = {"text_pair": [second for _, second in PAIRS], "all_scores": kind in ("classes", "several")}
    given = answers(pair_runs[kind], [first for first, _ in PAIRS], **typed)
    number = kind in ("numbers", "relevance")
    wanted = [a["prediction"] if number else list(a["prediction_scores"].values()) for a in given]
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
    assert told(pair_runs["several"]) == told(pair_runs["relevance"]) == "torch.nn.modules.activation.Sigmoid"
    assert "sentence_transformers" not in json.loads((run_of("regression") / "config.json").read_text())


def test_a_reranker_is_judged_by_the_order_of_passages_and_opens_without_its_record(
    pair_runs: dict[str, Path], tmp_path: Path
) -> None:
    """Grades above 1 are read where nothing is trained; a folder of CrossEncoder with a sigmoid answers with it."""
    run = pair_runs["relevance"]
    graded = [{**row, "label": 3 * row["label"]} for row in relevant_pairs(24, 3)]
    write_jsonl(tmp_path / "graded.jsonl", graded)
    judge = {"data": str(tmp_path / "graded.jsonl"), "save": False, **WHERE}
    record = evaluate.run(evaluate.Config(model=str(run), **judge)).record
    found = record["metrics"]["test"] if "test" in record["metrics"] else next(iter(record["metrics"].values()))
    assert {"ndcg@10", "mrr@10", "average_precision", "roc_auc", "spearman", "pearson"} == set(found)
    plain = tmp_path / "plain"
    shutil.copytree(run, plain, ignore=shutil.ignore_patterns("nlpkit.json", "*.jsonl", "data"))
    typed = {"text_pair": [second for _, second in PAIRS]}
    firsts = [first for first, _ in PAIRS]
    again = answers(plain, firsts, **typed)
    assert [a["prediction"] for a in again] == [a["prediction"] for a in answers(run, firsts, **typed)]


def test_what_is_no_relevance_is_not_trained_on(tmp_path: Path, tiny_model: Path) -> None:
    write_jsonl(tmp_path / "train.jsonl", [{**row, "label": 2 * row["label"]} for row in relevant_pairs(24, 3)])
    config = {**every_task.TRAINING, "data": str(tmp_path), "model": str(tiny_model), "output": tmp_path / "run"}
    with pytest.raises(UserError, match=r"from 0 to 2.*from 0 to 1"):
        finetune_cls.run(finetune_cls.Config(**config, problem="relevance"))


ASKED = "import json, sys; from sentence_transformers import CrossEncoder; r = CrossEncoder(sys.argv[1], device='cpu')"
PRINTED = "print(json.dumps(r.predict(json.loads(sys.argv[2]), show_progress_bar=False).tolist()))"


@pytest.mark.slow
def test_a_process_that_has_not_seen_nlpkit_gives_the_same_relevance(pair_runs: dict[str, Path]) -> None:
    pytest.importorskip("sentence_transformers")
    command = [sys.executable, "-c", f"{ASKED}; {PRINTED}", str(pair_runs["relevance"]), json.dumps(PAIRS)]
    there = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    typed = {"text_pair": [second for _, second in PAIRS]}
    here = [a["prediction"] for a in answers(pair_runs["relevance"], [first for first, _ in PAIRS], **typed)]
    assert there == pytest.approx(here, abs=1e-6)
