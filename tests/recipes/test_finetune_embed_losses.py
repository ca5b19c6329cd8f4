"""Runs of `finetune-embed` with losses that need more than a batch: their own weights, labels in twos, a guide."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from nlpkit import reporting
from nlpkit.errors import Interrupted, UserError
from nlpkit.recipes import finetune_embed
from nlpkit.reporting import Report
from nlpkit.tasks.sentence_embedding.folder import writing
from nlpkit.tasks.sentence_embedding.vectors import Vectors
from nlpkit.training.callbacks import MetricsFileCallback

pytest.importorskip("sentence_transformers")
pytestmark = pytest.mark.slow

WORDS = ["good", "bad", "film", "story", "actor", "scene", "plot", "music"]


def table(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of each kind, and pairs with a score that they are judged by."""
    folder = tmp_path_factory.mktemp("embedding")
    texts = [f"the {WORDS[i % 8]} {WORDS[(i * 3 + 1) % 8]} was {WORDS[(i * 5 + 2) % 8]} number {i}" for i in range(24)]
    table(folder / "texts.csv", ["text"], [[text] for text in texts])
    table(folder / "labels.csv", ["text", "label"], [[text, "abc"[i % 3]] for i, text in enumerate(texts)])
    table(folder / "pairs.csv", ["anchor", "positive"], [[text, text[4:]] for text in texts])
    scored = [[texts[i], texts[-i - 1][: 8 + i], i % 6] for i in range(12)]
    table(folder / "scored.csv", ["sentence1", "sentence2", "score"], scored)
    return folder


def run(data: Path, rows: str, model: Path, output: Path, **options: Any) -> Report:
    return finetune_embed.run(
        finetune_embed.Config(
            train_file=[str(data / rows)],
            validation_file=[str(data / "scored.csv")],
            model=str(model),
            output=output,
            device="cpu",
            batch_size=8,
            **{"epochs": 2, **options},
        )
    )


def weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def test_tsdae_leaves_no_trace_of_its_decoder_and_resumes(data: Path, tiny_model: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    report = run(data, "texts.csv", tiny_model, whole, loss="tsdae")
    # texts alone teach, and nothing in them tells how good vectors are: no row without figures
    assert [row[0] for row in report.tables[0].rows if row[0]] == ["validation"]
    results = (whole / "README.md").read_text().split("## Results")[1].split("## ")[0]
    assert "| validation |" in results and "| train |" not in results
    before, after = weights(tiny_model), weights(whole)
    assert set(after) == set(before)
    assert any(not torch.equal(before[name], after[name]) for name in after)

    parted = tmp_path / "parted"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
        signal_at(4, patch)
        run(data, "texts.csv", tiny_model, parted, loss="tsdae")
    run(data, "texts.csv", tiny_model, parted, loss="tsdae", resume=True)
    for name, weight in after.items():
        assert torch.equal(weights(parted)[name], weight), name


def signal_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process get a SIGINT after the log line of a step."""
    original = MetricsFileCallback.on_log

    def and_signal(self: Any, args: Any, state: Any, control: Any, **keywords: Any) -> None:
        original(self, args, state, control, **keywords)
        if state.global_step == step:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(MetricsFileCallback, "on_log", and_signal)


def test_an_encoder_begins_with_all_of_its_weights(data: Path, tiny_model: Path, tmp_path: Path) -> None:
    trainer = finetune_embed.build(
        finetune_embed.Config(
            data=str(data / "scored.csv"), model=str(tiny_model), output=tmp_path / "run", device="cpu"
        )
    )
    known = weights(tiny_model)
    assert known["embeddings.token_type_embeddings.weight"].shape[0] == trainer.model.config.num_labels
    for name, weight in trainer.model.state_dict().items():
        assert torch.equal(weight, known[name]), name


def test_labelled_texts_come_in_twos_of_a_label(data: Path, tiny_model: Path, tmp_path: Path) -> None:
    config = finetune_embed.Config(
        train_file=[str(data / "labels.csv")],
        validation_file=[str(data / "scored.csv")],
        model=str(tiny_model),
        output=tmp_path / "run",
        device="cpu",
        batch_size=8,
    )
    trainer = finetune_embed.build(config)
    for batch in trainer.get_train_dataloader():
        assert min(Counter(batch["labels"].tolist()).values()) > 1
    trainer.train()
    assert trainer.state.global_step == 9


@pytest.mark.parametrize("loss", ["simcse", "cached-guided"])
def test_losses_that_compute_twice_train(data: Path, tiny_model: Path, tmp_path: Path, loss: str) -> None:
    more = {"guide": str(tiny_model), "mini_batch_size": 3} if loss == "cached-guided" else {}
    rows = "texts.csv" if loss == "simcse" else "pairs.csv"
    report = run(data, rows, tiny_model, tmp_path / "run", loss=loss, epochs=1, **more)
    assert report.record["steps"] == 3
    assert any(not torch.equal(a, weights(tmp_path / "run")[name]) for name, a in weights(tiny_model).items())


def test_a_guide_reads_texts_behind_its_own_prompt_and_to_its_own_limit(
    data: Path, tiny_model: Path, tmp_path: Path
) -> None:
    guide = shutil.copytree(tiny_model, tmp_path / "guide")
    vectors = Vectors(prompts={"task": "soup "}, default_prompt="task", max_length=8)
    writing.write(vectors, guide, 32)
    config = finetune_embed.Config(
        train_file=[str(data / "pairs.csv")],
        validation_file=[str(data / "scored.csv")],
        model=str(tiny_model),
        output=tmp_path / "run",
        device="cpu",
        batch_size=8,
        loss="guided",
        guide=str(guide),
        prompt="warm ",
    )
    with reporting.listening() as heard:
        trainer = finetune_embed.build(config)
    from sentence_transformers import SentenceTransformer
    from transformers import AutoTokenizer

    assert "it reads 8 tokens of a text, and 24 of 24 rows have more" in " ".join(heard.notes)
    batch = next(iter(trainer.get_train_dataloader()))
    assert batch["guide_input_ids_0"].shape == (8, 8) and batch["input_ids_0"].shape[1] > 8
    read = AutoTokenizer.from_pretrained(tiny_model).batch_decode(batch["guide_input_ids_1"])
    assert all(text.startswith("[CLS] soup ") and "warm" not in text for text in read)
    with (data / "pairs.csv").open(encoding="utf-8") as file:
        texts = [row["positive"] for row in csv.DictReader(file)][:3]
    own = trainer.task.guide
    made = own.features({"text": texts, "text_pair": texts})
    padded = own.batch([{name: ids[row] for name, ids in made.items()} for row in range(3)])
    entries = ("guide_input_ids", "guide_attention_mask")
    columns = [{name: torch.from_numpy(padded[f"{name}_{k}"]) for name in entries} for k in (0, 1)]
    found = own.opened("cpu")(columns)
    known = SentenceTransformer(str(guide), device="cpu").encode(texts, normalize_embeddings=True)
    for column in found:
        assert column.numpy() == pytest.approx(known, abs=1e-6)


def test_simcse_without_dropout_is_refused(data: Path, tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--loss simcse reads each text twice"):
        run(data, "texts.csv", tiny_model, tmp_path / "run", loss="simcse", dropout=0)


def test_matryoshka_shows_what_each_number_of_dimensions_is_worth(
    data: Path, tiny_model: Path, tmp_path: Path, drawing: Any
) -> None:
    with drawing():
        report = run(data, "pairs.csv", tiny_model, tmp_path / "run", matryoshka=["16:0.5,4"], epochs=1)
    record = json.loads((tmp_path / "run" / "nlpkit.json").read_text())
    dims = record["details"]["validation"]["dims"]
    assert list(dims) == ["32", "16", "4"]
    assert dims["32"]["spearman"] == pytest.approx(record["metrics"]["validation"]["spearman"])
    assert dims["4"] != dims["32"]
    before = record["baseline"]["details"]["validation"]["dims"]
    assert before["32"]["spearman"] == pytest.approx(record["baseline"]["metrics"]["validation"]["spearman"])
    assert before != dims and (tmp_path / "run" / "plots" / "dims.png").stat().st_size > 1000
    shown = next(table for table in report.tables if table.title == "vectors cut")
    assert shown.header[:2] == ["dimensions", "validation before spearman"]
    assert [row[0] for row in shown.rows] == [32, 16, 4]
    with pytest.raises(UserError, match="--matryoshka 64"):
        run(data, "pairs.csv", tiny_model, tmp_path / "other", matryoshka=["64"])


def test_folds_of_rows_of_two_kinds_are_refused(data: Path, tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--cv cuts train and validation up together, and they are pairs and scored"):
        run(data, "pairs.csv", tiny_model, tmp_path / "run", cv=3)
    assert not (tmp_path / "run").exists()
