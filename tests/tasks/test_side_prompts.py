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


E5 = {"prompts": {"query": "film ", "passage": "day "}}


def begun(tmp_path: Path, text: str, pair: str | None, **options: Any) -> SentenceEmbedding:
    """The task of a training that begins with a model that has prompts for each side, on rows with these columns."""
    from transformers import BertConfig

    (tmp_path / "config_sentence_transformers.json").write_text(json.dumps(E5), encoding="utf-8")
    task = SentenceEmbedding(layout=Layout("pairs" if pair else "texts", text, pair))
    config = finetune_embed.Config(data="rows.csv", **options)
    return task.begun_with(BertConfig(hidden_size=32, name_or_path=str(tmp_path)), None, config)


def test_columns_that_tell_the_sides_are_trained_on_with_the_prompts_of_the_model(tmp_path: Path) -> None:
    """As they are judged before training, and after it, when the record alone says how the model was trained."""
    pairs: dict[str, list[Any]] = {"text": ["good"], "text_pair": ["bad"]}
    task = begun(tmp_path, "question", "answer")
    assert texts(task, pairs) == ["film good", "day bad"]
    again = SentenceEmbedding(vectors=Vectors.recorded(task.vectors.record()), loss_name="triplet")
    assert texts(again, pairs) == ["film good", "day bad"]
    assert texts(begun(tmp_path, "question", "answer", prompt=""), pairs) == ["good", "bad"]
    assert texts(begun(tmp_path, "sentence1", "sentence2"), pairs) == ["good", "bad"]
    mixed: dict[str, list[Any]] = {"text": ["good", "great"], "text_pair": ["bad", None]}
    assert texts(task, mixed) == ["film good", "day bad", "great"]  # a text that was added to pairs is of no side


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (("sentence1", "sentence2"), "'sentence1' and 'sentence2' are names of neither side"),
        (("sentence",), "texts by themselves are of neither side"),
        (("question", "answer"), ""),
    ],
)
def test_prompts_that_no_text_is_read_with_are_told(columns: tuple[str, ...], said: str, tmp_path: Path) -> None:
    from datasets import Dataset

    from nlpkit.data.places import PLACE
    from nlpkit.data.sources import LoadedData, Source

    task = begun(tmp_path, *columns, *[None] * (2 - len(columns)))  # type: ignore[arg-type]
    rows = Dataset.from_list([dict.fromkeys(columns, "film") | dict.fromkeys(PLACE, 0)])
    with reporting.listening() as heard:
        reader = task.reader(columns, finetune_embed.Config(data="rows.csv")).settled(rows, "train", None)  # type: ignore[arg-type]
        reader.examples(rows, "train", LoadedData({"train": rows}, Source(""), [("rows.csv", "line")]))
    notes = [note for note in heard.notes if "has a prompt for queries" in note]
    assert len(notes) == bool(said)
    assert said in "".join(notes)


def test_a_text_that_is_embedded_without_the_prompts_of_its_model_is_told() -> None:
    from nlpkit.tasks.sentence_embedding.options import EmbeddingAnswerOptions

    task = SentenceEmbedding(vectors=Vectors(**E5))
    with reporting.listening() as heard:
        task.configured(EmbeddingAnswerOptions())
        task.configured(EmbeddingAnswerOptions(prompt_name="passage"))
        task.configured(EmbeddingJudgeOptions())
    assert heard.notes == [
        "texts are embedded without a prompt, and the model has some for queries and documents: --prompt-name query or "
        "--prompt-name passage"
    ]


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
