"""Training of embedders: what rows are taken for, which of them meet in a batch, and what a run tells of itself."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import sentence, write_csv
from datasets import ClassLabel, Dataset, Features, Value

from nlpkit import reporting
from nlpkit.data.batching import LengthBatchSampler
from nlpkit.errors import UserError
from nlpkit.recipes import check_data, evaluate, finetune_embed
from nlpkit.tasks.sentence_embedding import checks, recognition, shapes
from nlpkit.tasks.sentence_embedding.layout import Layout
from nlpkit.tasks.sentence_embedding.options import ShapeOptions
from nlpkit.tasks.sentence_embedding.rows import Rows
from nlpkit.tasks.sentence_embedding.task import SentenceEmbedding

SMALL: dict[str, Any] = {"device": "cpu", "threads": 1, "max_steps": 3, "batch_size": 8, "learning_rate": 5e-3}


def texts(count: int, seed: int, label: str = "positive") -> list[str]:
    rng = random.Random(seed)
    return [f"{sentence(rng, label)} {i}" for i in range(count)]


def pairs(count: int, seed: int) -> list[dict[str, Any]]:
    return [
        {"anchor": one, "positive": other}
        for one, other in zip(texts(count, seed), texts(count, seed + 1), strict=True)
    ]


def scored(count: int, seed: int) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    return [
        {"sentence1": one, "sentence2": other, "score": rng.random() * 5}
        for one, other in zip(texts(count, seed), texts(count, seed + 1), strict=True)
    ]


def train(folder: Path, model: Path, rows: list[dict[str, Any]], **options: Any) -> Any:
    data = write_csv(folder / "train.csv", rows)
    chosen = {**SMALL, "data": str(data), "model": str(model), "output": folder / "run", **options}
    return finetune_embed.run(finetune_embed.Config(**chosen))


# --- what rows are ---

ROW: dict[str, Any] = {
    "anchor": "a good film", "positive": "a great film", "negative": "rain", "negatives": ["rain", "snow"],
    "premise": "a man runs", "hypothesis": "somebody moves", "sentence1": "one text", "sentence2": "two texts",
    "score": 2.5, "label": 1, "gold_label": "neutral", "text": "a good film", "vector": [0.1, 0.2],
}  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "shape"),
    [
        ("positive,anchor", "pairs"),
        ("negative,positive,anchor", "triplets"),
        ("anchor,positive,negatives", "pairs"),
        ("premise,hypothesis,gold_label", "nli"),
        ("score,sentence2,sentence1", "scored-pairs"),
        ("sentence1,sentence2,label", "labelled-pairs"),
        ("text,label", "labelled-texts"),
        ("text", "texts"),
        ("text,vector", "taught"),
    ],
)
def test_rows_are_told_by_names_and_cells(columns: str, shape: str) -> None:
    """In any order of the columns."""
    rows = Dataset.from_list([{name: ROW[name] for name in columns.split(",")}] * 3)
    found = recognition.find(rows, ShapeOptions())
    assert found.shape == shape
    assert found.text in ("anchor", "premise", "sentence1", "text")
    assert found.pair in (None, "positive", "hypothesis", "sentence2")


@pytest.mark.parametrize(
    ("row", "said", "way"),
    [
        ({"query": "what is it", "answer": "this", "document": "that"}, "'answer' or 'document'", "--text-pair-column"),
        (
            {"sentence1": "a b", "sentence2": "c d", "relatedness_score": 2.5, "entailment_judgment": "NEUTRAL"},
            "two readings",
            "--label-column relatedness_score or --label-column entailment_judgment",
        ),
        (
            {"text": "one long text here", "reply": "another long text here"},
            "two readings",
            "--text-pair-column 'reply'",
        ),
        ({"anchor": "one text", "number": 3, "shape": 1}, "", ""),
        ({"id": 3, "number": 4}, "no column looks like text", "--text-column"),
    ],
)
def test_two_readings_are_named_and_none_is_taken(row: dict[str, Any], said: str, way: str) -> None:
    rows = Dataset.from_list([row] * 3)
    if not said:
        assert recognition.find(rows, ShapeOptions()).shape == "texts"
        return
    with pytest.raises(UserError) as error:
        recognition.find(rows, ShapeOptions())
    assert said in error.value.message and way in str(error.value.hint)


def test_a_kind_that_only_teaches_is_not_that_of_validation(tmp_path: Path, tiny_model: Path) -> None:
    judged = write_csv(tmp_path / "sts.csv", scored(12, 0))
    lines = tmp_path / "texts.txt"
    lines.write_text("\n".join(texts(40, 3)))
    common = {**SMALL, "model": str(tiny_model), "data": str(lines), "validation_file": [str(judged)], "dry_run": True}
    with reporting.listening() as heard:
        finetune_embed.run(finetune_embed.Config(**common, shape="texts"))
    assert any("validation: scored-pairs" in note for note in heard.notes)
    with pytest.raises(UserError) as error:
        finetune_embed.run(finetune_embed.Config(**common, format="txt"))
    assert "--format txt is that of all files" in str(error.value.hint)


def test_numbers_0_to_2_are_inference_labels_only_where_names_say_so() -> None:
    rows = [{"premise": "a b", "hypothesis": "c d", "label": i % 3} for i in range(6)]
    with pytest.raises(UserError, match="inference labels, or grades"):
        recognition.find(Dataset.from_list(rows), ShapeOptions())
    names = ClassLabel(names=["entailment", "neutral", "contradiction"])
    declared = Features({"premise": Value("string"), "hypothesis": Value("string"), "label": names})
    assert recognition.find(Dataset.from_list(rows, features=declared), ShapeOptions()).shape == "nli"
    named = ShapeOptions(label_names=["entailment", "neutral", "contradiction"])
    assert recognition.find(Dataset.from_list(rows), named).shape == "nli"


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        ([{"anchor": f"text number {i}"} for i in range(20)], {}, "nothing in them tells how good vectors are"),
        (pairs(20, 0), {"batch_size": 1}, "one has no other"),
        (pairs(20, 0), {"gradient_accumulation_steps": 2}, "compares the rows of a batch"),
        (pairs(20, 0), {"loss": "cosent"}, "--loss cosent takes"),
        (pairs(20, 0), {"shape": "scored-pairs"}, "need a label"),
        (pairs(20, 0), {"baseline": True}, "there is none for sentence-embedding"),
        (pairs(20, 0), {"margin": 0.1}, "--margin is for --loss"),
        (pairs(20, 0), {"loss": "guided", "relative_margin": True}, "--margin is a share, and there is none"),
        (pairs(20, 0), {"best_metric": "loss"}, "rows that are judged have none"),
        ([{**row, "score": 3} for row in scored(20, 0)], {}, "have the score 3"),
        ([{"text": text, "label": "one"} for text in texts(20, 0)], {"shape": "labelled-texts"}, "have one label"),
        ([{"text": text, "label": text} for text in texts(40, 0)], {"shape": "labelled-texts"}, "none belong together"),
        ([{**row, "positive": " "} for row in pairs(20, 0)], {}, "none of"),
        ([{**row, "positive": "sport"} for row in pairs(40, 0)], {}, "look like labels"),
        ([{**row, "anchor": i} for i, row in enumerate(pairs(20, 0))], {}, "column 'anchor' holds numbers"),
    ],
)
def test_what_cannot_be_trained_is_said(
    rows: list[dict[str, Any]], options: dict[str, Any], said: str, tmp_path: Path, tiny_model: Path
) -> None:
    with pytest.raises(UserError, match=said):
        train(tmp_path, tiny_model, rows, **options)
    assert not (tmp_path / "run").exists()


def test_labels_of_a_single_text_are_counted() -> None:
    labels = [0] * 6 + [1] * 5 + [2, 3]
    rows = [
        {"text": text, "label": label, "where": f"row {i}"}
        for i, (text, label) in enumerate(zip(texts(13, 0), labels, strict=True))
    ]
    found = {finding.check: finding for finding in checks.find({"train": Dataset.from_list(rows)})}
    assert found["label-once"].count == 2 and found["label-once"].level == "warning"
    assert "2 texts have labels that no other text has" in found["label-once"].message
    assert found["label-once"].examples[0].startswith("row 11: ")
    assert checks.find({"train": Dataset.from_list(rows[:11])}) == []


@pytest.mark.parametrize(("width", "said"), [(5, "zeros fill them up"), (40, "32 principal axes, which hold 100.0%")])
def test_vectors_of_another_width_are_learnt_on_axes_that_keep_their_products(
    width: int, said: str, tmp_path: Path, tiny_model: Path
) -> None:
    rng = np.random.default_rng(0)
    directions, held = rng.normal(size=(4, width)), write_csv(tmp_path / "held.csv", scored(12, 5))
    given = rng.normal(size=(20, 4)) @ directions
    given /= np.linalg.norm(given, axis=1, keepdims=True)
    data = tmp_path / "taught.jsonl"
    rows = [{"text": text, "vector": vector} for text, vector in zip(texts(20, 0), given.tolist(), strict=True)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = {**SMALL, "train_file": [str(data)], "validation_file": [str(held)], "model": str(tiny_model)}
    with reporting.listening() as heard:
        trainer = finetune_embed.build(finetune_embed.Config(**options, output=tmp_path / "run"))
    assert said in "".join(heard.notes)
    batch = next(iter(trainer.get_train_dataloader()))
    learnt, rows_of_batch = trainer.task._labels(batch), batch["labels"].double()
    assert learnt.shape == (8, 32)
    np.testing.assert_allclose(learnt @ learnt.T, rows_of_batch @ rows_of_batch.T, atol=1e-5)
    assert float(trainer.task.training_step(trainer.model, batch)[0].total) > 0


def test_inference_pairs_become_triplets_and_what_is_not_used_is_counted(tmp_path: Path, tiny_model: Path) -> None:
    rows = []
    for i, text in enumerate(texts(24, 0)):
        rows.append({"premise": text, "hypothesis": f"good {i}", "label": "entailment"})
        rows.append({"premise": text, "hypothesis": f"bad {i}", "label": "contradiction"})
        rows.append({"premise": text, "hypothesis": f"fine {i}", "label": "neutral"})
    data = write_csv(tmp_path / "nli.csv", rows)
    found = check_data.run(check_data.Config(task="sentence-embedding", data=str(data), model="none"))
    (told,) = [one for one in found.record["findings"] if one["check"] == "inference" and "train" in one["message"]]
    count = found.record["rows"]["train"]
    assert f"{count} premises" in told["message"] and f"of {3 * count} rows" in told["message"]
    assert f"{count} neutral" in told["message"]


# --- batches ---


def test_rows_with_a_text_in_common_do_not_meet_and_the_order_is_that_of_the_epoch() -> None:
    generator = np.random.default_rng(0)
    apart = np.stack([generator.integers(0, 120, 400), 120 + np.arange(400)], axis=1)
    lengths = generator.integers(3, 40, 400)
    sampler = LengthBatchSampler(lengths, 16, seed=1, apart=apart)
    plain = LengthBatchSampler(lengths, 16, seed=1)
    for epoch in (0, 1):
        order = sampler.order(epoch)
        assert sorted(order) == list(range(400))
        assert all(len(set(apart[order[i : i + 16], 0])) == 16 for i in range(0, 400, 16))
        np.testing.assert_array_equal(order, sampler.order(epoch))
        assert any(len(set(apart[plain.order(epoch)[i : i + 16], 0])) < 16 for i in range(0, 400, 16))
    assert sampler.meeting(0) == 0
    assert LengthBatchSampler(lengths[:8], 4, seed=1, apart=np.zeros((8, 1), int)).meeting(0) == 6


# --- runs ---


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> tuple[Path, Any]:
    """Trained on pairs, judged by pairs with a score."""
    folder = tmp_path_factory.mktemp("embedder")
    held = write_csv(folder / "held.csv", scored(24, 5))
    return folder / "run", train(folder, tiny_model, pairs(40, 0), validation_file=[str(held)])


@pytest.mark.slow
def test_the_model_before_training_is_the_first_row(run: tuple[Path, Any], tiny_model: Path) -> None:
    folder, report = run
    record = json.loads((folder / "nlpkit.json").read_text())
    header, rows = report.tables[0].header, report.tables[0].rows
    assert header[:3] == ["split", "model", "rows"] and "spearman" in header
    assert [row[:2] for row in rows if row[0] == "validation"] == [["validation", f"{tiny_model.name} before training"]]
    assert rows[[row[0] for row in rows].index("validation") + 1][1] == "trained"
    before = record["baseline"]["metrics"]["validation"]["spearman"]
    assert record["baseline"]["before"] and before != record["metrics"]["validation"]["spearman"]
    assert any(line.startswith("training made") for line in report.lines)
    assert record["main_metric"] == "spearman" and "mrr@10" in record["metrics"]["train"]


def test_a_trained_embedder_embeds_and_says_what_it_learnt(run: tuple[Path, Any]) -> None:
    from nlpkit.recipes import embed

    folder, _ = run
    task = json.loads((folder / "nlpkit.json").read_text())["task"]
    assert (task["layout"]["shape"], task["judged"]["shape"]) == ("pairs", "scored-pairs")
    assert task["loss"] == "multiple-negatives-ranking"
    told = embed.run(embed.Config(model=str(folder), texts=["a good film"], device="cpu", threads=1))
    assert len(told.record["answers"][0]["vector"]) == 32


@pytest.mark.slow
def test_a_run_that_is_begun_again_is_the_same(run: tuple[Path, Any], tmp_path: Path, tiny_model: Path) -> None:
    from safetensors.numpy import load_file

    held = write_csv(tmp_path / "held.csv", scored(24, 5))
    train(tmp_path, tiny_model, pairs(40, 0), validation_file=[str(held)])
    first, second = (load_file(folder / "model.safetensors") for folder in (run[0], tmp_path / "run"))
    assert all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.slow
def test_a_run_that_is_interrupted_ends_the_same(tmp_path: Path, tiny_model: Path) -> None:
    """Within an epoch whose rows are parted, with dropout."""
    from safetensors.numpy import load_file

    from nlpkit.training.callbacks import MetricsFileCallback

    rows = [{**row, "positive": f"good {i % 7}"} for i, row in enumerate(pairs(60, 0))]
    options: dict[str, Any] = {"max_steps": 6, "batch_size": 4, "eval_steps": 2}
    train(tmp_path, tiny_model, rows, **options)
    step_end = MetricsFileCallback.on_log

    def cut(self: Any, args: Any, state: Any, control: Any, **more: Any) -> Any:
        if state.global_step == 5:
            raise KeyboardInterrupt
        return step_end(self, args, state, control, **more)

    again = {**options, "output": tmp_path / "again", "logging_steps": 1}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MetricsFileCallback, "on_log", cut)
        with pytest.raises(BaseException):  # noqa: B017 (as a kill leaves it)
            train(tmp_path, tiny_model, rows, **again)
    train(tmp_path, tiny_model, rows, **again, resume=True)
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("run", "again"))
    assert all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("count", [1, 2])
def test_lists_of_negatives_are_filled_up(count: int, tmp_path: Path, tiny_model: Path) -> None:
    rows = [{**row, "negative_1": f"bad {i}", "negative_2": f"dull {i}"} for i, row in enumerate(pairs(30, 0))]
    for row in rows[: 10 * (count - 1)]:
        row["negative_2"] = ""
    with reporting.listening() as heard:
        train(tmp_path, tiny_model, rows, max_steps=1)
    said = [note for note in heard.notes if "fewer than 2 negatives" in note]
    assert len(said) == count - 1


def test_a_row_is_not_filled_up_with_what_belongs_to_it() -> None:
    """`a` has two positives, and each stands among the negatives of another row."""
    rows = Dataset.from_dict(
        {
            "anchor": ["a", "A", "b", "c"],
            "positive": ["x", "y", "z", "w"],
            "negatives": [["n"], [], ["x", "Y"], ["a", "m"]],
        }
    )
    layout = Layout("pairs", "anchor", "positive", negatives=("negatives",))
    examples = Rows(layout, "train", 4).read(rows, list("1234"))
    assert sorted(examples["negatives"][0]) == sorted(examples["negatives"][1]) == ["m", "n"]
    assert examples["negatives"][2:] == [["x", "Y"], ["a", "m"]]


def test_a_row_that_no_negative_is_left_for_is_left_out() -> None:
    rows = Dataset.from_dict({"anchor": ["a", "b"], "positive": ["x", "z"], "negatives": [[], ["x"]]})
    made = Rows(Layout("pairs", "anchor", "positive", negatives=("negatives",)), "train", 2)
    examples = made.read(rows, ["1", "2"])
    assert examples["text"][:] == ["b"]
    assert [finding.check for finding in made.findings(1)] == ["no-negative", "negatives"]


@pytest.mark.parametrize("shape", ["triplets", "pairs"])
def test_negatives_that_are_right_teach_nothing_and_are_counted(shape: str) -> None:
    """A negative that is the positive, however it is written, or the anchor."""
    column = [["X "], ["n"], ["b", "m"]] if shape == "pairs" else ["X ", "n", "b"]
    rows = Dataset.from_dict({"anchor": ["a", "a", "b"], "positive": ["x", "y", "z"], "negative": column})
    made = Rows(Layout(shape, "anchor", "positive", negatives=("negative",)), "validation", 3)  # type: ignore[arg-type]
    examples = made.read(rows, ["line 2", "line 3", "line 4"])
    (found,) = [finding for finding in made.findings(len(examples)) if finding.check == "false-negative"]
    assert (found.count, found.examples) == (2, ["line 2: 'X '", "line 4: 'b'"])
    assert examples["negatives"][:] == ([[], ["n"], ["m"]] if shape == "pairs" else [["n"]])


def test_a_contradiction_that_is_entailed_too_is_no_negative() -> None:
    label = ["entailment", "contradiction", "contradiction"] * 2
    second = ["x", "X", "n", "y", "z", "z"]
    rows = Dataset.from_dict({"premise": ["a"] * 3 + ["b"] * 3, "hypothesis": second, "label": label})
    made = Rows(Layout("nli", "premise", "hypothesis", label="label"), "train", 6)
    examples = made.read(rows, list("123456"))
    assert examples["negatives"][:] == [["n"], ["z"]]
    assert "1 contradictions that are entailed too" in made.findings(2)[0].message


@pytest.mark.slow
def test_a_prompt_that_is_not_pooled_is_left_out_in_training_too(tmp_path: Path, tiny_model: Path) -> None:
    """The figure of the run is that of the model in its folder, opened again."""
    model = tmp_path / "prompted"
    shutil.copytree(tiny_model, model)
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling")]
    files: dict[str, Any] = {
        "modules.json": [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in kinds],
        "1_Pooling/config.json": {"pooling_mode_mean_tokens": True, "include_prompt": False},
        "config_sentence_transformers.json": {"prompts": {"query": "good film: "}, "default_prompt_name": "query"},
    }
    (model / "1_Pooling").mkdir()
    for name, document in files.items():
        (model / name).write_text(json.dumps(document))
    held = write_csv(tmp_path / "held.csv", scored(24, 5))
    trained = train(tmp_path, model, pairs(20, 0), validation_file=[str(held)], max_steps=1).record
    judged = evaluate.run(evaluate.Config(model=str(tmp_path / "run"), device="cpu", threads=1)).record
    assert judged["metrics"]["validation"] == pytest.approx(trained["metrics"]["validation"], abs=1e-6)


# --- figures ---


def test_a_positive_stands_among_all_of_its_split() -> None:
    examples = Dataset.from_dict({"text": ["a", "b", "c"], "text_pair": ["x", "y", "x"]})
    anchors = np.array([[1, 0], [1, 0.1], [0.9, 0.3]], np.float32)
    positives = np.array([[1, 0], [0, 1], [1, 0]], np.float32)
    vectors = np.stack([anchors, positives], axis=1)
    found = shapes.of_examples(examples).score(vectors, examples)
    assert found["accuracy@1"] == pytest.approx(2 / 3)
    assert found["mrr@10"] == pytest.approx((1 + 1 / 2 + 1) / 3)


def test_scores_that_are_no_numbers_do_not_make_all_pairs_alike() -> None:
    texts = ["a cat sleeps", "a dog runs"]
    rows = Dataset.from_dict({"sentence1": texts, "sentence2": texts, "score": ["4,5", "0"]})
    with pytest.raises(UserError, match="'4,5' is no number"):
        recognition.find(rows, ShapeOptions())
    assert recognition.find(rows, ShapeOptions(shape="pairs")).shape == "pairs"


def test_options_of_columns_that_name_none_leave_the_columns_of_training() -> None:
    """As those of a command that takes the data of a model's run."""
    layout = Layout("pairs", "left", "right")
    options = ShapeOptions(text_column=None, label_column=None)
    reader = SentenceEmbedding(layout=layout).reader(["left", "right", "other"], options, labelled=True)
    assert reader.layout == layout  # type: ignore[attr-defined]
