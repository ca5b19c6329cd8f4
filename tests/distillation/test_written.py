"""What a student of a model that writes learns: distributions over its targets, the texts of its teacher, or both."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import every_task
import pytest
import torch
import torch.nn.functional as F
from conftest import RunOf, write_jsonl
from teachers import require_teacher, teacher_of

from nlpkit.errors import UserError
from nlpkit.inference.predictor import Predictor
from nlpkit.recipes import distill, predict
from nlpkit.tasks.forward import Forward
from nlpkit.tasks.text2text_generation.task import Text2Text

Texts = list[tuple[str, bool]]


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("NLPKIT_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def teacher(run_of: RunOf) -> Path:
    return run_of("text-to-text")


def config(teacher: Path, output: Path, **values: Any) -> distill.Config:
    fixed: dict[str, Any] = {"device": "cpu", "threads": 1, "batch_size": 16, "max_steps": 2, "measure_seconds": 0}
    ways = {"student", "student_size", "student_layers", "student_decoder_layers"}
    layers = {} if ways & values.keys() else {"student_layers": "1"}
    return distill.Config(teacher=str(teacher), output=output, **{**fixed, **layers, **values})


def wrote(monkeypatch: pytest.MonkeyPatch, change: Callable[[Texts], Texts]) -> None:
    """Let what the teacher has written be changed: it is random, and hardly ever comes to an end."""
    plain = Text2Text.written
    monkeypatch.setattr(Text2Text, "written", lambda task, outputs: change(plain(task, outputs)))


def ending(texts: Texts) -> Texts:
    return [(text, True) for text, _ in texts]


def targets(trainer: Any) -> list[str]:
    """What the training rows are to be written as."""
    tokenizer = trainer.processing_class
    return tokenizer.batch_decode([row["labels"] for row in trainer.train_dataset], skip_special_tokens=True)


def test_words_are_compared_where_the_targets_have_some() -> None:
    """By hand; of vocabularies that are padded to different sizes the common part."""
    generator = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(2, 3, size, generator=generator) for size in (5, 7))
    labels = torch.tensor([[1, 4, -100], [2, -100, -100]])
    found = Text2Text().soft_loss(Forward({"labels": labels}, student), Forward({}, teacher), 2.0)
    pairs = [(student[i, j], teacher[i, j, :5]) for i, j in ((0, 0), (0, 1), (1, 0))]
    expected = sum(4 * F.kl_div((s / 2).log_softmax(-1), (t / 2).softmax(-1), reduction="sum") for s, t in pairs)
    torch.testing.assert_close(found.total, expected)
    assert int(found.entries) == int(Text2Text().soft_entries({"labels": labels})) == 3


def test_the_loss_of_words_is_a_mean_over_the_tokens(teacher: Path, tmp_path: Path) -> None:
    """Targets and teacher in the shares of --alpha; the teacher runs in each step, and nothing of it is kept."""
    trainer = distill.build(config(teacher, tmp_path / "run", alpha=0.25, temperature=3.0))
    batch = trainer.data_collator([trainer.train_dataset[i] for i in range(16)])
    assert require_teacher(trainer).outputs.logits is None and "teacher" not in batch
    (batch,), items = trainer.get_batch_samples(iter([batch]), 1, "cpu")
    loss = trainer.compute_loss(trainer.model.eval(), dict(batch), num_items_in_batch=items)
    given = {name: batch[name] for name in ("input_ids", "attention_mask", "labels")}
    there = given["labels"] != -100
    with torch.no_grad():
        student, told = (
            model(**given).logits[there].float() for model in (trainer.model, require_teacher(trainer).teacher.model)
        )
    hard = F.cross_entropy(student, given["labels"][there])
    soft = 9 * F.kl_div((student / 3).log_softmax(-1), (told / 3).softmax(-1), reduction="batchmean")
    torch.testing.assert_close(loss, 0.75 * hard + 0.25 * soft, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("teach", ["texts", "both"])
def test_texts_are_those_of_the_teacher(
    teach: str, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written once: the next run finds them. Of texts alone no distribution is compared."""
    wrote(monkeypatch, ending)
    trainer = distill.build(config(teacher, tmp_path / "run", teach=teach, beams=2))
    assert (teacher_of(trainer) is None) == (teach == "texts")
    data = str(teacher.parent / "data" / "train.jsonl")
    output = tmp_path / "answers.jsonl"
    predict.run(predict.Config(model=str(teacher), input=data, output=output, beams=2, device="cpu", threads=1))
    said = [json.loads(line)["prediction"] for line in output.read_text().splitlines()]
    assert targets(trainer) == [text for text in said if text.strip()] != []
    monkeypatch.setattr(Predictor, "outputs", lambda *_: pytest.fail("the teacher wrote again"))
    again = distill.build(config(teacher, tmp_path / "run", teach=teach, beams=2))
    assert targets(again) == targets(trainer)


@pytest.mark.slow
def test_rows_whose_text_is_empty_or_cut_are_left_out(
    teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are named; files without targets are written for too."""

    def some(texts: Texts) -> Texts:
        return [("  " if i == 3 else f"said {i}", i not in (5, 64)) for i in range(len(texts))]

    wrote(monkeypatch, some)
    more = write_jsonl(tmp_path / "more.jsonl", [{"source": "a late train"}, {"source": "the film was kind"}])
    record = distill.run(config(teacher, tmp_path / "run", teach="texts", unlabelled=[str(more)])).record
    left_out = [finding for finding in record["findings"] if finding["check"] == "teacher-text"]
    assert [finding["count"] for finding in left_out] == [1, 2]
    assert "train.jsonl line 4" in left_out[0]["examples"][0]
    assert any("more.jsonl line 1" in where for where in left_out[1]["examples"])
    assert record["rows"]["train"] == 63
    trainer = distill.build(config(teacher, tmp_path / "again", teach="texts", unlabelled=[str(more)]))
    assert targets(trainer) == [f"said {i}" for i in range(66) if i not in (3, 5, 64)]


def test_a_teacher_that_never_ends_is_refused(teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrote(monkeypatch, lambda texts: [("on and on", False) for _ in texts])
    with pytest.raises(UserError, match="wrote no text to its end for 64 rows of train: 0 are empty, 64 end at the"):
        distill.build(config(teacher, tmp_path / "run", teach="both"))


@pytest.mark.parametrize(
    ("options", "layers"),
    [
        ({"student_layers": "1"}, [1, 1]),
        ({"student_decoder_layers": "1"}, [2, 1]),
        ({"student_layers": "0,1", "student_decoder_layers": "1", "layer_choice": "first"}, [2, 1]),
    ],
)
def test_layers_of_either_side(options: dict[str, Any], layers: list[int], teacher: Path, tmp_path: Path) -> None:
    model = distill.build(config(teacher, tmp_path / "run", **options)).model
    assert [model.config.num_layers, model.config.num_decoder_layers] == layers
    assert model.generation_config.max_new_tokens


def test_another_tokenizer_takes_texts_and_no_words(
    teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrote(monkeypatch, ending)
    (tmp_path / "data").mkdir()
    student = {"student": str(every_task.make_text_to_text(tmp_path))}
    with pytest.raises(UserError, match="compares token with token") as refused:
        distill.build(config(teacher, tmp_path / "output", **student))
    assert "--teach texts asks for no equal ones" in str(refused.value.hint)
    trainer = distill.build(config(teacher, tmp_path / "output", teach="texts", **student))
    assert teacher_of(trainer) is None and all(text.strip() for text in targets(trainer))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_weight": 1.0}, "--hidden-weight compares the layers of encoders"),
        ({"augment": 1}, "--augment changes words of a text"),
        ({"unlabelled": ["more.jsonl"]}, "--unlabelled: a text without a target has no words to compare"),
        ({"teach": "texts", "alpha": 0.9}, "--alpha: a student that learns texts compares no distributions"),
        ({"beams": 2}, "--beams"),
        ({"student_size": "tiny"}, "--student-size tiny makes an encoder, and the teacher writes"),
        ({"student": "static"}, "--student static is for embedders"),
        ({"student_layers": "3"}, "--student-layers 3: the teacher has 2 encoder layers"),
        ({"student_decoder_layers": "0,2"}, "--student-decoder-layers 0,2: the teacher's decoder layers are 0 to 1"),
    ],
)
def test_refused(options: dict[str, Any], message: str, teacher: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError) as refused:
        distill.build(config(teacher, tmp_path / "run", **options))
    assert message in refused.value.message
    assert not (tmp_path / "run").exists()


def test_texts_are_for_models_that_write(run_of: RunOf, tmp_path: Path) -> None:
    for options, message in (
        ({"teach": "texts"}, "a model for text-classification writes no texts"),
        ({"student_decoder_layers": "1"}, "bert has layers on one side alone"),
    ):
        with pytest.raises(UserError, match=message):
            distill.build(config(run_of("classification"), tmp_path / "run", **options))
