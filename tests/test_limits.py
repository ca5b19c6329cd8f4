"""The tokens that a run reads of a text are the tokens that clients read of it, who know its folder alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import make_model, texts_around, write_csv
from conftest import rows as made_rows

from nlpkit.experiment import finetune
from nlpkit.inference.predictor import TrainedModelOptions, open_predictor
from nlpkit.models import opening
from nlpkit.recipes import distill, finetune_cls, predict, quantize
from nlpkit.tasks.text_classification.task import TextClassification
from nlpkit.tokenization import saving

LIMIT = 32  # asked for
SAID = 64  # by the tokenizer of the encoder
TAKEN = 256  # by its positions
WHERE: dict[str, Any] = {"device": "cpu", "threads": 1}
TEXTS = texts_around(LIMIT)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with --max-length 32 of an encoder whose tokenizer says 64, and which takes 256; data and model beside."""
    folder = tmp_path_factory.mktemp("short")
    model = make_model(folder / "model", max_position_embeddings=TAKEN)
    write_csv(folder / "data.csv", made_rows(48))
    finetune_cls.run(finetune_cls.Config(**options(folder), output=folder / "run", max_length=LIMIT))
    assert opening.load_tokenizer(str(model)).model_max_length == SAID
    return folder / "run"


def options(folder: Path, **changed: Any) -> dict[str, Any]:
    fixed = {"model": str(folder / "model"), "data": str(folder / "data.csv"), "max_steps": 1, "batch_size": 16}
    return {**fixed, **WHERE, **changed}


def answered(run: Path, **examples: Any) -> np.ndarray:
    """What `predict` has of texts before it is worded."""
    return open_predictor(TrainedModelOptions(model=str(run), **WHERE)).outputs(examples)


def said(folder: Path) -> tuple[Any, ...]:
    """All that clients read of the limit."""
    config, tokenizer, sentence = (
        json.loads((folder / name).read_text())
        for name in ("tokenizer_config.json", "tokenizer.json", "sentence_bert_config.json")
    )
    return config["model_max_length"], tokenizer["truncation"]["max_length"], sentence["max_seq_length"]


@pytest.mark.slow
def test_the_folder_says_what_was_asked_for(short: Path, tmp_path: Path) -> None:
    assert said(short) == (LIMIT, LIMIT, LIMIT)
    common = {**WHERE, "data": str(short.parent / "data.csv"), "measure_seconds": 0}
    quantize.run(quantize.Config(**common, model=str(short), to="bf16", output=tmp_path / "half"))
    assert said(tmp_path / "half") == (LIMIT, LIMIT, LIMIT)
    taught = {**WHERE, "teacher": str(short), "student_layers": "1", "max_steps": 1, "measure_seconds": 0}
    distill.run(distill.Config(**taught, output=tmp_path / "student"))
    assert said(tmp_path / "student") == (LIMIT, LIMIT, LIMIT)


def test_calls_leave_nothing_behind_in_a_folder(trained: Path) -> None:
    """What was cut or padded last is no part of a tokenizer: a run without --max-length says what the model takes."""
    assert said(trained) == (64, 64, 64)
    assert json.loads((trained / "tokenizer.json").read_text())["padding"] is None


def settled(run: Path, **changed: Any) -> tuple[int | None, int | None]:
    """Tokens of a text, and of one that is trained on, of a run that would begin."""
    config = finetune_cls.Config(**options(run.parent, **changed))
    task = finetune.prepare(config, "finetune-cls", TextClassification).task
    return task.max_length, task.training_length


def test_a_run_that_begins_with_it_has_a_limit_of_its_own(short: Path, tmp_path: Path) -> None:
    output = tmp_path / "again"
    # 128 as short texts are no reason to cut others: the encoder's own tokenizer says less, which the model can exceed
    assert settled(short, model=str(short), output=output) == (128, 128)
    assert settled(short, output=output) == (128, 128)
    assert settled(short, model=str(short), output=output, max_length=TAKEN) == (TAKEN, None)
    opened = opening.load_tokenizer(str(short))
    # the latter of tokenizers that are made of it, as with a smaller vocabulary
    assert opened.model_max_length == saving.arguments_of(opened)["model_max_length"] == SAID


def test_more_tokens_than_the_folder_says_can_be_asked_for(short: Path) -> None:
    text = "a " * 100
    report = predict.run(predict.Config(model=str(short), texts=[text], max_length=200, **WHERE))
    (wanted,) = stock(short)([text])
    (answer,) = report.record["answers"]
    assert (answer["prediction"], answer["prediction_score"]) == (
        wanted["label"],
        pytest.approx(wanted["score"], abs=1e-5),
    )
    assert "prediction_cut" not in answer


def stock(run: Path) -> Any:
    from transformers import pipeline

    return pipeline("text-classification", str(run), device="cpu")


def test_a_resumed_run_of_an_earlier_version_reads_as_it_began(short: Path, tmp_path: Path) -> None:
    """Which wrote the length that it chose from the data, and no other."""
    run = tmp_path / "run"
    (run / "checkpoints" / "checkpoint-1").mkdir(parents=True)
    record = json.loads((short / "nlpkit.json").read_text())
    record |= {"status": "running", "config": {**record["config"], "max_length": None}}
    del record["task"]["training_length"]
    (run / "nlpkit.json").write_text(json.dumps(record))
    assert settled(short, output=run, resume=True) == (LIMIT, None)
    assert settled(short, output=run, resume=True, max_length=40) == (40, None)


@pytest.mark.slow
def test_a_resumed_run_keeps_the_length_that_was_chosen(short: Path, tmp_path: Path) -> None:
    """Of an earlier version, for which the number of the tokenizer was the most that is read; this one begins with
    128."""
    run = tmp_path / "run"
    (run / "checkpoints" / "checkpoint-1").mkdir(parents=True)
    record = json.loads((short / "nlpkit.json").read_text())
    record |= {"status": "running", "config": {**record["config"], "max_length": None}}
    record["task"] |= {"max_length": SAID, "training_length": SAID}
    (run / "nlpkit.json").write_text(json.dumps(record))
    assert settled(short, output=run, resume=True) == (SAID, SAID)


# --- clients ---


def test_stock_pipeline(short: Path) -> None:
    """It cuts where it is asked to, at the length that the folder says."""
    found = stock(short)(TEXTS, truncation=True, top_k=None, batch_size=1)
    scores = [[entry["score"] for entry in sorted(answer, key=lambda entry: entry["label"])] for answer in found]
    wanted = torch.tensor(answered(short, text=TEXTS)).softmax(-1)
    assert scores == pytest.approx(wanted.numpy(), abs=1e-5)


def test_stock_model_behind_the_tokenizers_library(short: Path) -> None:
    """Which cuts without being asked."""
    from tokenizers import Tokenizer
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(short)
    tokenizer = Tokenizer.from_file(str(short / "tokenizer.json"))
    with torch.inference_mode():
        found = [model(torch.tensor([tokenizer.encode(text).ids])).logits[0].numpy() for text in TEXTS]
    assert np.allclose(found, answered(short, text=TEXTS), atol=1e-5)


def test_cross_encoder(run_of: Any, tmp_path: Path) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    from nlpkit import limits

    run = tmp_path / "pairs"
    shutil.copytree(run_of("pairs"), run)
    record = json.loads((run / "nlpkit.json").read_text())
    record["task"] |= {"max_length": LIMIT, "training_length": None}
    (run / "nlpkit.json").write_text(json.dumps(record))
    limits.save_tokenizer(opening.load_tokenizer(str(run)), run, LIMIT)
    encoder = sentence_transformers.CrossEncoder(str(run), device="cpu")
    assert encoder.max_seq_length == LIMIT
    pairs = [(text, other) for text in TEXTS for other in ("a good film", TEXTS[2])]
    found = encoder.predict(pairs, activation_fn=torch.nn.Identity(), show_progress_bar=False)
    wanted = answered(run, text=[a for a, _ in pairs], text_pair=[b for _, b in pairs])
    assert np.allclose(found, wanted, atol=1e-5)
