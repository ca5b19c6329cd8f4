"""Embedders with one prompt for queries and one for documents: trained so, judged so, and what their folder says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import make_tokenizer, write_csv

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.recipes import embed, evaluate, finetune_embed
from nlpkit.tasks.sentence_embedding.layout import Layout
from nlpkit.tasks.sentence_embedding.options import EmbeddingJudgeOptions
from nlpkit.tasks.sentence_embedding.task import SentenceEmbedding
from nlpkit.tasks.sentence_embedding.vectors import Vectors

SMALL: dict[str, Any] = {"device": "cpu", "threads": 1, "max_steps": 2, "batch_size": 8, "learning_rate": 5e-3}
ROWS = [{"query": f"a good film {i}", "document": f"the great day {i}"} for i in range(24)]


def texts(task: SentenceEmbedding, examples: dict[str, list[Any]]) -> list[str]:
    """The texts of features as a person reads them, those of an example one behind the other."""
    tokenizer = make_tokenizer()
    made = task.features(tokenizer, examples)
    columns = [made[name] for name in sorted(made) if name.startswith("input_ids")]
    rows = [ids for row in zip(*columns, strict=True) for ids in row]
    return [tokenizer.decode(ids, skip_special_tokens=True).replace(" ##", "") for ids in rows]


@pytest.mark.parametrize("together", [False, True])
def test_each_side_of_a_row_begins_with_its_prompt(together: bool) -> None:
    prompts = Vectors().with_side_prompts("film ", "day ")
    task = SentenceEmbedding(vectors=prompts, together=together)
    row: dict[str, list[Any]] = {"text": ["good"], "text_pair": ["bad"], "negatives": [["great"]]}
    assert texts(task, row) == ["film good", "day bad", "day great"]
    alone = SentenceEmbedding(vectors=prompts)
    assert texts(alone, {"text": ["good"]}) == ["good"]


def test_the_tokens_of_each_prompt_are_left_out_of_the_pooling() -> None:
    vectors = Vectors(include_prompt=False).with_side_prompts("film ", "the good ")
    task, tokenizer = SentenceEmbedding(vectors=vectors, together=True), make_tokenizer()
    made = task.features(tokenizer, {"text": ["good"], "text_pair": ["bad"]})
    rows = [{name: made[name][0] for name in ("input_ids_0", "input_ids_1")}]
    batch = task.collate(tokenizer)(rows)
    assert batch["prompt_tokens_0"].tolist() == [2]  # [CLS] film
    assert batch["prompt_tokens_1"].tolist() == [3]


@pytest.mark.slow
def test_a_run_is_judged_with_the_prompts_it_was_trained_with(tiny_model: Path, tmp_path: Path) -> None:
    data, run = write_csv(tmp_path / "pairs.csv", ROWS), tmp_path / "run"
    sides = {"prompt_query": "film ", "prompt_document": "day "}
    trained = finetune_embed.run(
        finetune_embed.Config(data=str(data), model=str(tiny_model), output=run, **SMALL, **sides)
    ).record
    settings = json.loads((run / "config_sentence_transformers.json").read_text(encoding="utf-8"))
    assert settings["prompts"] == {"query": "film ", "document": "day "}
    assert settings["default_prompt_name"] is None

    def judged(**options: Any) -> dict[str, float]:
        config = evaluate.Config(model=str(run), device="cpu", threads=1, save=False, **options)
        return evaluate.run(config).record["metrics"]["validation"]

    own = judged()
    assert own["mrr@10"] == pytest.approx(trained["metrics"]["validation"]["mrr@10"])
    assert judged(prompt_query="film ", prompt_document="day ") == own

    with reporting.listening() as heard:
        embed.run(embed.Config(model=str(run), texts=["a film", "a day"], device="cpu"))
    assert "--prompt-name query" in " ".join(heard.warnings)
    with reporting.listening() as heard:
        embed.run(embed.Config(model=str(run), texts=["a film", "a day"], device="cpu", prompt_name="query"))
    assert not heard.warnings


def test_prompts_of_sides_are_not_mixed_with_one_for_all() -> None:
    options = EmbeddingJudgeOptions(prompt="film ", prompt_document="day ")
    with pytest.raises(UserError, match="--prompt-document of one side"):
        SentenceEmbedding().configured(options)
    vectors = Vectors().with_side_prompts("film ", None)
    assert not vectors.with_prompt(text="film ").asymmetric


def test_texts_by_themselves_have_no_sides() -> None:
    from datasets import Dataset

    rows = Dataset.from_dict({"text": ["good", "bad"] * 4, "label": [0, 1] * 4})
    layout = Layout("labelled-texts", "text", label="label")
    task = SentenceEmbedding(layout=layout, vectors=Vectors().with_side_prompts("film ", None))
    with pytest.raises(UserError, match="no side of documents"):
        task.with_loss(finetune_embed.Config(data="rows.csv"), rows)
