"""A run whose scores are too sure divides its logits by a temperature, for every program that opens it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import GOOD, rows, sentence, write_jsonl

from nlpkit.recipes import evaluate, finetune_cls, finetune_ner, predict
from nlpkit.training import parameters

TEXTS = ["a lovely film", "the soup was cold", "my bike was late and kind"]


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of which a quarter of validation and test have the wrong label, so that a sure model is too sure."""
    folder, rng = tmp_path_factory.mktemp("noisy"), random.Random(3)
    made = rows(500, 5)
    for row in made[100:]:
        if rng.random() < 0.25:
            row["label"] = "negative" if row["label"] == "positive" else "positive"
    for split, some in (("train", made[:100]), ("validation", made[100:300]), ("test", made[300:])):
        write_jsonl(folder / f"{split}.jsonl", some)
    return folder


def finetuned(data: Path, model: Path, output: Path, **options: Any) -> dict[str, Any]:
    common = {"epochs": 8, "eval_steps": 56, "learning_rate": 5e-3, "batch_size": 16, "device": "cpu", "threads": 1}
    finetune_cls.run(finetune_cls.Config(data=str(data), model=str(model), output=output, **{**common, **options}))
    return json.loads((output / "nlpkit.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pair(noisy: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Any]:
    """The same run with and without --calibrate: folder and record."""
    made = {}
    for calibrate in (True, False):
        output = tmp_path_factory.mktemp("pair") / "run"
        made[calibrate] = output, finetuned(noisy, tiny_model, output, calibrate=calibrate)
    return made


def scores(folder: Path) -> dict[str, np.ndarray]:
    config = predict.Config(model=str(folder), texts=TEXTS, device="cpu", threads=1, all_scores=True)
    answers = predict.run(config).record["answers"]
    return {
        "prediction": np.array([answer["prediction"] for answer in answers]),
        "scores": np.array([list(answer["prediction_scores"].values()) for answer in answers]),
    }


def test_scores_are_truer_and_answers_the_same(pair: dict[bool, Any]) -> None:
    (folder, record), (plain_folder, plain) = pair[True], pair[False]
    told = record["calibration"]
    assert told["temperature"] > 1.2
    assert told["layer"] == "classifier"
    assert plain["calibration"] is None
    for split in ("validation", "test"):  # which was not fitted on
        assert record["metrics"][split]["ece"] < 0.7 * plain["metrics"][split]["ece"]
        assert record["metrics"][split]["nll"] < plain["metrics"][split]["nll"]
        assert record["metrics"][split]["accuracy"] == plain["metrics"][split]["accuracy"]
    assert told["before"]["ece"] == plain["metrics"]["validation"]["ece"]
    assert told["after"]["ece"] == record["metrics"]["validation"]["ece"]
    mine, theirs = scores(folder), scores(plain_folder)
    assert mine["prediction"].tolist() == theirs["prediction"].tolist()
    softened = np.log(theirs["scores"]) / told["temperature"]
    expected = np.exp(softened) / np.exp(softened).sum(axis=1, keepdims=True)
    assert mine["scores"] == pytest.approx(expected, abs=1e-5)


def test_every_program_gives_these_scores(pair: dict[bool, Any]) -> None:
    """They are in the weights: a plain pipeline divides by nothing."""
    from transformers import pipeline

    folder, _ = pair[True]
    answers = pipeline("text-classification", model=str(folder), device="cpu", top_k=None)(TEXTS)
    of_pipeline = [{entry["label"]: entry["score"] for entry in answer} for answer in answers]
    mine = scores(folder)["scores"]
    assert mine == pytest.approx(np.array([[a["negative"], a["positive"]] for a in of_pipeline]), abs=1e-5)


def test_a_finished_run_is_not_divided_again(noisy: Path, tiny_model: Path, pair: dict[bool, Any]) -> None:
    folder, record = pair[True]
    before = (folder / "model.safetensors").read_bytes()
    assert finetuned(noisy, tiny_model, folder, resume=True)["calibration"] == record["calibration"]
    assert (folder / "model.safetensors").read_bytes() == before


def test_calibration_error_gates(pair: dict[bool, Any]) -> None:
    folder, record = pair[True]
    ece = record["metrics"]["test"]["ece"]
    for bound, code in ((ece - 0.01, 1), (ece + 0.01, 0)):
        config = evaluate.Config(model=str(folder), fail_over={"ece": bound}, device="cpu", threads=1, save=False)
        assert evaluate.run(config).exit_code == code


def test_what_is_done_is_said(pair: dict[bool, Any], trained: Path) -> None:
    from nlpkit.experiment import calibration

    (line,) = calibration.lines(pair[True][1])
    assert line.startswith("scores: divided by temperature ")
    assert "from 200 validation rows: ece 0." in line
    assert calibration.lines(pair[False][1]) == []
    record = json.loads((trained / "nlpkit.json").read_text(encoding="utf-8"))
    (line,) = calibration.lines(record)
    assert "not calibrated" in line
    assert "validation has 32 rows, and 100 are needed" in line


@pytest.mark.parametrize("found", ["no layer", "another layer"])
def test_a_head_that_cannot_be_divided_stays_as_it_is(
    found: str, noisy: Path, tiny_model: Path, pair: dict[bool, Any], tmp_path: Path, monkeypatch: Any
) -> None:
    def last_layer(model: Any) -> dict[str, Any]:
        return {} if found == "no layer" else {"classifier.bias": model.get_parameter("classifier.bias")}

    monkeypatch.setattr(parameters, "last_layer", last_layer)
    record = finetuned(noisy, tiny_model, tmp_path / "run")
    assert record["calibration"]["temperature"] is None
    assert "no layer" in record["calibration"]["why"]
    assert record["metrics"] == pair[False][1]["metrics"]
    weights = [(folder / "model.safetensors").read_bytes() for folder in (tmp_path / "run", pair[False][0])]
    assert weights[0] == weights[1]


def test_tags_of_words_and_several_labels_are_calibrated(tiny_model: Path, tmp_path: Path) -> None:
    rng = random.Random(0)
    for kind in ("tags", "labels"):
        (tmp_path / kind).mkdir()
        for split, count, noise in (("train", 100, 0.0), ("validation", 200, 0.2)):
            made = []
            for _ in range(count):
                text = sentence(rng, rng.choice(["positive", "negative"]))
                kinds = [(word in GOOD) != (rng.random() < noise) for word in text.split()]
                tags = ["A" if good else "B" for good in kinds]
                labels = [name for name in ("good", "short") if rng.random() < noise or (name == "good") == kinds[0]]
                made.append(
                    {"tokens": text.split(), "tags": tags} if kind == "tags" else {"text": text, "labels": labels}
                )
            write_jsonl(tmp_path / kind / f"{split}.jsonl", made)
    common: dict[str, Any] = {
        "model": str(tiny_model),
        "epochs": 8,
        "eval_steps": 56,
        "learning_rate": 5e-3,
        "batch_size": 16,
        "device": "cpu",
        "threads": 1,
    }
    finetune_ner.run(finetune_ner.Config(data=str(tmp_path / "tags"), output=tmp_path / "tagger", **common))
    finetune_cls.run(finetune_cls.Config(data=str(tmp_path / "labels"), output=tmp_path / "labeller", **common))
    for run in ("tagger", "labeller"):
        record = json.loads((tmp_path / run / "nlpkit.json").read_text(encoding="utf-8"))
        told = record["calibration"]
        assert told["temperature"] > 1.1, told
        assert told["rows"] == 200
        assert told["after"]["nll"] < told["before"]["nll"]
