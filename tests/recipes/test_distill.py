"""`distill` on every task, with every kind of student; what it refuses; and what it leaves behind."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import every_task
import forked
import numpy as np
import pytest
import torch
from conftest import WORDS, RunOf, make_model, make_tokenizer, rows, write_jsonl
from qa_models import byte_bpe
from teachers import require_teacher
from transformers import AutoConfig

from nlpkit import reporting
from nlpkit.cli.app import main
from nlpkit.errors import Interrupted, UserError
from nlpkit.recipes import distill, evaluate, finetune_cls, prune
from nlpkit.reporting import Report
from nlpkit.tasks import registry
from nlpkit.tasks.roles import Teachable

INSIDE = {"hidden_weight": 1.0, "attention_weight": 1.0, "relation_weight": 1.0, "cosine_weight": 1.0}
TRAINING: dict[str, Any] = {"device": "cpu", "threads": 1, "batch_size": 16, "max_steps": 2, "learning_rate": 5e-3}
SHORT = {"measure_seconds": 0}  # no test reads a timing
RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("NLPKIT_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def teachers(run_of: RunOf) -> RunOf:
    """Run folders by task; each has two layers."""
    return run_of


def config(teacher: Path, output: Path, **values: Any) -> distill.Config:
    """One layer of the teacher learns for a moment, unless the values say otherwise."""
    data = {} if (teacher / "nlpkit.json").exists() else {"data": str(teacher.parent / "data")}
    return distill.Config(
        teacher=str(teacher), output=output, **{"student_layers": "1", **data, **TRAINING, **SHORT, **values}
    )


def distilled(teacher: Path, output: Path, **values: Any) -> Report:
    return distill.run(config(teacher, output, **values))


def trainer_of(teacher: Path, output: Path, **values: Any) -> Any:
    return distill.build(config(teacher, output, **values))


def moved(trainer: Any) -> Any:
    """Far enough from the teacher, which has hardly been trained, for their difference to be measured."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in trainer.model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return trainer


def loss_of(trainer: Any, places: range = range(16)) -> torch.Tensor:
    """Of a batch of training rows, without dropout."""
    batch = trainer.data_collator([trainer.train_dataset[i] for i in places])
    (batch,), items = trainer.get_batch_samples(iter([batch]), 1, "cpu")
    return trainer.compute_loss(trainer.model.eval(), batch, num_items_in_batch=items)


def weights(run: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(run / "model.safetensors")


def learns_labels(kind: str) -> bool:
    task = registry.task_class(every_task.KINDS[kind])
    return issubclass(task, Teachable) and task.learns_labels


WITH_LABELS = [kind for kind in every_task.kinds(Teachable) if learns_labels(kind)]
# rows without a label are taught by the teacher's logits alone; of models that write see tests/distillation
WITHOUT_LABELS = [kind for kind in WITH_LABELS if not registry.task_class(every_task.KINDS[kind]).writes]


@pytest.mark.parametrize("task", every_task.kinds(Teachable))
def test_every_task(task: str, teachers: RunOf, tmp_path: Path) -> None:
    """A student of one of two layers, priced on the rows that the teacher was validated on."""
    teacher, output = teachers(task), tmp_path / "student"
    report = distilled(teacher, output)
    record = json.loads((output / "nlpkit.json").read_text())
    assert record["status"] == "complete"
    assert AutoConfig.from_pretrained(output).num_hidden_layers == 1
    assert record["parents"]["model"]["layers"] == [1]
    assert record["parents"]["teacher"]["given"] == str(teacher)
    before, after = record["price"]["sides"]
    assert after["parameters"] < before["parameters"] and after["bytes"] < before["bytes"]
    assert after["metrics"] == pytest.approx(record["metrics"]["validation"])
    if (teacher / "nlpkit.json").exists() and task != "embedding":  # whose teacher was not trained here
        taught = json.loads((teacher / "nlpkit.json").read_text())
        assert before["metrics"] == pytest.approx(taught["metrics"]["validation"], abs=1e-5)
        assert [entry["command"] for entry in record["lineage"]] == [taught["command"], "distill"]
    assert report.next_command == f"nlpkit quantize {output}"


@pytest.mark.parametrize("task", [task for task in every_task.kinds(Teachable) if task != "masked-lm"])
def test_kept_logits_are_what_the_teacher_says(task: str, teachers: RunOf, tmp_path: Path) -> None:
    """Written, found again, or computed in the step: the same loss, whose gradient reaches the student alone."""
    values: dict[str, Any] = {"alpha": 1.0, "temperature": 3.0} if task in WITH_LABELS else {}
    first, second = (moved(trainer_of(teachers(task), tmp_path / "run", **values)) for _ in range(2))
    running = moved(trainer_of(teachers(task), tmp_path / "run", **values, cache_teacher=False))
    expected = loss_of(running)
    assert expected.item() > 1e-4
    for trainer in (first, second):
        assert loss_of(trainer).item() == pytest.approx(expected.item(), rel=1e-4)
    expected.backward()
    assert all(parameter.grad is None for parameter in require_teacher(running).teacher.model.parameters())
    assert any(parameter.grad.abs().sum() > 0 for parameter in running.model.parameters() if parameter.grad is not None)


def test_second_run_finds_the_logits(teachers: RunOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nlpkit.inference.predictor import Predictor

    trainer_of(teachers("classification"), tmp_path / "run")
    monkeypatch.setattr(Predictor, "run", lambda *_: pytest.fail("the teacher was run"))
    trainer = trainer_of(teachers("classification"), tmp_path / "run", temperature=4.0)
    loss_of(trainer)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["classification", "token-classification", "question-answering", "masked-lm"])
def test_losses_on_the_inside(task: str, teachers: RunOf, tmp_path: Path) -> None:
    """Each adds what it measures, and all of it is the student's to learn."""
    teacher = teachers(task)
    plain = loss_of(moved(trainer_of(teacher, tmp_path / "run", cache_teacher=False))).item()
    alone = [loss_of(moved(trainer_of(teacher, tmp_path / "run", **{name: 1.0}))).item() - plain for name in INSIDE]
    assert all(value > 1e-4 for value in alone)
    trainer = moved(trainer_of(teacher, tmp_path / "run", **INSIDE))
    together = loss_of(trainer)
    assert together.item() == pytest.approx(plain + sum(alone), rel=1e-4)
    together.backward()
    assert all(parameter.grad is None for parameter in require_teacher(trainer).teacher.model.parameters())
    inner = trainer.model.base_model.encoder.layer[0].attention.self.query.weight
    assert inner.grad.abs().sum() > 0


def test_twin_of_the_teacher_has_nothing_to_learn(teachers: RunOf, tmp_path: Path) -> None:
    trainer = trainer_of(teachers("classification"), tmp_path / "run", student_layers="2", alpha=1.0, **INSIDE)
    assert loss_of(trainer).item() == pytest.approx(0.0, abs=1e-5)


def test_loss_of_parts_is_that_of_the_whole(teachers: RunOf, tmp_path: Path) -> None:
    """Accumulated batches weigh by their rows and tokens: what a run does that ran out of memory."""
    trainer = trainer_of(teachers("token-classification"), tmp_path / "run", **INSIDE)
    features = [trainer.train_dataset[i] for i in range(16)]
    whole = loss_of(trainer).item()
    parts, items = trainer.get_batch_samples(
        iter([trainer.data_collator(features[:3]), trainer.data_collator(features[3:])]), 2, "cpu"
    )
    losses = [trainer.compute_loss(trainer.model, part, num_items_in_batch=items).item() for part in parts]
    assert sum(losses) == pytest.approx(whole, rel=1e-4)


def test_masks_change_from_epoch_to_epoch(teachers: RunOf, tmp_path: Path) -> None:
    trainer = trainer_of(teachers("masked-lm"), tmp_path / "run")
    seen = []
    for epoch in (0, 1, 0):
        trainer.set_epoch(epoch)
        seen.append(trainer.data_collator([trainer.train_dataset[i] for i in range(4)]))
    assert not torch.equal(seen[0]["input_ids"], seen[1]["input_ids"])
    assert torch.equal(seen[0]["input_ids"], seen[2]["input_ids"])
    unmasked = [
        batch["input_ids"].scatter(1, batch["positions"].clamp(min=0), batch["labels"].clamp(min=2)) for batch in seen
    ]
    whole = [ids[batch["positions"].min(1).values > 0] for ids, batch in zip(unmasked, seen, strict=True)]
    assert torch.equal(whole[0], whole[2])


@pytest.mark.parametrize("recipe", sorted(RECIPES.glob("distill-*.yaml")), ids=lambda path: path.stem)
def test_recipe_builds_its_trainer(recipe: Path, teachers: RunOf, tiny_model: Path, tmp_path: Path) -> None:
    """With stand-ins for what comes from the hub, and numbers that tiny models allow."""
    written = distill.Config.from_sources({}, recipe, "distill")
    general = written.student_layers is not None
    teacher = teachers("masked-lm" if general else "pairs")
    stand_ins: dict[str, Any] = {
        "teacher": str(teacher),
        "data": str(teacher.parent / "data"),
        "output": tmp_path / "run",
    }
    stand_ins |= {"student_layers": "1"} if general else {"student": str(tiny_model)}
    if written.relation_heads:
        stand_ins["relation_heads"] = 16
    trainer = distill.build(written.changed(**stand_ins, max_length=64, **TRAINING))
    loss_weights = require_teacher(trainer).weights
    asked = {name.removesuffix("_weight") for name in INSIDE if getattr(written, name)}
    assert {name for name in ("hidden", "attention", "relation", "cosine") if getattr(loss_weights, name)} == asked
    assert (loss_weights.alpha, loss_weights.temperature) == (written.alpha, written.temperature)
    assert (len(trainer.splits["train"].examples) > 64) == bool(written.augment)
    assert torch.isfinite(loss_of(trainer))


# --- students ---


@pytest.mark.slow
def test_student_of_another_width_and_tokenizer(teachers: RunOf, tmp_path: Path) -> None:
    """Row by row the teacher may read other tokens; where its answers stand at tokens it may not."""
    import transformers as hf

    folder, tokenizer = tmp_path / "roberta", byte_bpe()
    config = hf.RobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=66,
        pad_token_id=tokenizer.pad_token_id,
    )
    hf.RobertaModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    other: dict[str, Any] = {"student": str(folder), "student_layers": None}
    record = distilled(teachers("classification"), tmp_path / "student", **other).record
    assert record["parents"]["model"]["name"] == "roberta"
    data = str(teachers("classification").parent / "data")
    again = evaluate.Config(model=str(tmp_path / "student"), data=data, device="cpu", threads=1)
    assert evaluate.run(again).record["metrics"] == {"validation": pytest.approx(record["metrics"]["validation"])}
    with pytest.raises(UserError, match="the loss of token-classification compares token with token"):
        distilled(teachers("token-classification"), tmp_path / "no", **other)
    with pytest.raises(UserError, match="--hidden-weight compares token with token"):
        distilled(teachers("classification"), tmp_path / "no", hidden_weight=1.0, **other)


def test_student_opens_in_a_fresh_process(teachers: RunOf, tmp_path: Path) -> None:
    distilled(teachers("classification"), tmp_path / "student")
    code = (
        "import sys, torch; from transformers import AutoModelForSequenceClassification as M, AutoTokenizer as T\n"
        "model, tokenizer = M.from_pretrained(sys.argv[1]), T.from_pretrained(sys.argv[1])\n"
        "print(len(model.bert.encoder.layer), model(**tokenizer('good', return_tensors='pt')).logits.shape)"
    )
    done = forked.run([sys.executable, "-c", code, str(tmp_path / "student")], check=True)
    assert done.stdout.strip() == "1 torch.Size([1, 2])"


# --- more rows ---


def test_unlabelled_rows_and_changed_copies(teachers: RunOf, tmp_path: Path) -> None:
    path = tmp_path / "more.txt"
    path.write_text("the film was kind\n\na very late train\n", encoding="utf-8")
    trainer = trainer_of(
        teachers("classification"), tmp_path / "run", unlabelled=[str(path)], augment=2, augment_by="mask,ngram"
    )
    train = trainer.splits["train"].examples
    labels = np.asarray(train["label"][:])
    assert (labels[:64] >= 0).all() and (labels[64:] == -100).all()
    assert train["text"][64:66] == ["the film was kind", "a very late train"]
    assert 64 < len(train) - 66 <= 2 * 64


@pytest.mark.parametrize("task", [task for task in WITHOUT_LABELS if task != "masked-lm"])
def test_unlabelled_rows_of_every_task(task: str, teachers: RunOf, tmp_path: Path) -> None:
    """Only the teacher counts for them."""
    validation = next((teachers(task).parent / "data").glob("validation.*"))
    more = {"unlabelled": [str(validation)]}
    labels = loss_of(moved(trainer_of(teachers(task), tmp_path / "run", alpha=0.0, **more)), range(64, 80))
    taught = loss_of(moved(trainer_of(teachers(task), tmp_path / "run", alpha=1.0, **more)), range(64, 80))
    assert labels.item() == 0.0
    assert taught.item() > 1e-4


def test_run_with_more_rows_judges_the_labelled_ones(teachers: RunOf, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "more.jsonl", [{"text": " ".join(WORDS[i : i + 5])} for i in range(20)])
    record = distilled(teachers("regression"), tmp_path / "run", unlabelled=[str(path)], augment=1).record
    assert record["judged"]["train"] == record["rows"]["train"] == 64


def test_positions_allow_no_changed_copies(teachers: RunOf, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--augment: token-classification has labels at places of the text"):
        distilled(teachers("token-classification"), tmp_path / "no", augment=1)


# --- what is refused ---


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"student_layers": None}, "name which model learns"),
        ({"student_size": "tiny"}, "name one of them"),
        ({"student_arch": "roberta"}, "--student-arch is for --student-size"),
        ({"student_layers": "3"}, "the teacher has 2 layers"),
        ({"student_layers": "two"}, "give a number of layers"),
        ({"student_layers": "0,2"}, "the teacher's layers are 0 to 1"),
        ({"alpha": 1.5}, "--alpha 1.5"),
        ({"temperature": 0}, "--temperature 0"),
        ({"layer_map": "1-2", "hidden_weight": 1}, "write pairs of layers"),
        ({"layer_map": "1:3", "hidden_weight": 1}, "the student has 1 layer, the teacher 2"),
        ({"layer_map": "1:2"}, "--layer-map is for --hidden-weight or --attention-weight"),
        ({"relation_weight": 1, "relation_heads": 5}, "5 relation heads do not divide"),
        ({"relation_weight": 1, "relation_layer": 3}, "the teacher has 2 layers"),
        ({"augment": 1, "augment_by": "noise"}, "--augment-by"),
        ({"augment_by": "mask", "synonyms": "s.txt"}, r"(?s)--augment-by is .*--synonyms is for --augment"),
        ({"augment": 1, "augment_by": "mask", "synonyms": "s.txt"}, "read with --augment-by synonym only"),
        ({"student_layers": None, "student_size": "tiny", "layer_choice": "last"}, "--layer-choice is for --student-l"),
        ({"public": True}, "--public is for --push-to-hub"),
        ({"question_column": "text"}, "--question-column is for question-answering"),
    ],
)
def test_refused(values: dict[str, Any], message: str, teachers: RunOf, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        distilled(teachers("classification"), tmp_path / "no", **values)
    assert not (tmp_path / "no").exists()


@pytest.mark.slow
def test_a_dry_run_tells_the_options_of_the_task_too(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["distill", str(trained), "--student-layers", "1", "--device", "cpu", "--dry-run", "--json"]
    assert main([*command, "--output", str(tmp_path / "student")]) == 0
    told = json.loads(capsys.readouterr().out)["config"]
    assert "label_column" in told
    assert told["data"]  # of the teacher's run, where none is named


def test_different_labels_are_refused(teachers: RunOf, trained: Path, tmp_path: Path) -> None:
    names = {"negative": "bad", "positive": "good"}
    data = write_jsonl(tmp_path / "data.jsonl", [{**row, "label": names[row["label"]]} for row in rows(40, seed=5)])
    model = make_model(tmp_path / "model", num_hidden_layers=1)
    other = tmp_path / "other"
    finetune_cls.run(finetune_cls.Config(data=str(data), model=str(model), output=other, **TRAINING))
    differ = r"teacher and student label sets differ: \(negative, positive\) and \(bad, good\)"
    with pytest.raises(UserError, match=differ):
        distilled(teachers("classification"), tmp_path / "no", student=str(other), student_layers=None)
    distilled(teachers("classification"), tmp_path / "yes", student=str(trained), student_layers=None)


def test_labels_that_no_row_has_are_told(trained: Path, teachers: RunOf, tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "data.jsonl", [{**row, "label": "positive"} for row in rows(40, seed=5)])
    with reporting.listening() as said:
        made = trainer_of(trained, tmp_path / "run", data=str(data))
    assert said.warnings == ["train: no row has 1 of the model's labels: negative; they may be forgotten"]
    assert made is not None
    words = [{"tokens": row["text"].split(), "tags": ["O"] * len(row["text"].split())} for row in rows(40, seed=5)]
    data = write_jsonl(tmp_path / "words.jsonl", words)
    asked: dict[str, Any] = {"data": str(data), "sparsity": 0.5, "output": tmp_path / "pruned", **TRAINING}
    with reporting.listening() as said:
        prune.build(prune.Config(model=str(teachers("token-classification")), **asked))
    assert [text.partition(":")[2].partition(" of")[0] for text in said.warnings] == [" no row has 2"]


def test_a_teacher_of_fewer_positions_reads_no_more_than_it_takes(trained: Path, tmp_path: Path) -> None:
    student = make_model(tmp_path / "model", num_hidden_layers=1, max_position_embeddings=128)
    tokenizer = make_tokenizer()
    tokenizer.model_max_length = 128
    tokenizer.save_pretrained(student)
    long = [{**row, "text": f"{row['text']} " * 12} for row in rows(40, seed=5)]
    data = write_jsonl(tmp_path / "data.jsonl", long)
    distilled(trained, tmp_path / "run", student=str(student), student_layers=None, data=str(data))


def test_untrained_teacher_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no model for a task known here"):
        distilled(tiny_model, tmp_path / "no")


def test_unlabelled_file_without_a_usable_row(teachers: RunOf, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "more.jsonl", [{"text": None}])
    with pytest.raises(UserError, match="no row can be used"):
        distilled(teachers("classification"), tmp_path / "no", unlabelled=[str(path)])


# --- the command ---


@pytest.mark.slow
def test_command_says_what_it_costs(teachers: RunOf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--student-layers", "1", "--max-steps", "2", "--device", "cpu", "--measure-seconds", "0.1"]
    flags += ["--output", tmp_path / "run"]
    assert main(["distill", str(teachers("classification")), *map(str, flags)]) == 0
    said = capsys.readouterr()
    assert "its logits for 64 rows" in said.out + said.err
    assert "before and after (validation, 32 rows)" in said.out
    assert said.out.count("in brackets: ") == 1
    assert "times smaller" in said.out
    assert f"next: nlpkit quantize {tmp_path / 'run'}" in said.out
    assert main(["distill", str(teachers("classification")), *map(str, flags)]) == 2  # the folder holds a run
    assert main(["evaluate", str(tmp_path / "run"), "--data", str(teachers("classification").parent / "data")]) == 0


@pytest.mark.slow
def test_recorded_run_can_be_repeated(teachers: RunOf, tmp_path: Path) -> None:
    distilled(teachers("classification"), tmp_path / "one")
    again = distill.Config.from_sources({"output": tmp_path / "two"}, tmp_path / "one" / "nlpkit.json", "distill")
    distill.run(again)
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.slow
def test_killed_run_goes_on_to_the_same_student(teachers: RunOf, tmp_path: Path) -> None:
    """With a projection and kept logits beside the student's own state."""
    from nlpkit.distillation.trainer import Teacher

    values: dict[str, Any] = {"max_steps": 8, "eval_steps": 2, "student_layers": None, "student_size": "tiny"}
    values |= {"hidden_weight": 1.0, "cosine_weight": 1.0}
    distilled(teachers("classification"), tmp_path / "whole", **values)
    steps, original = [], Teacher.on_loss

    def killed(self: Any, *arguments: Any, **keywords: Any) -> Any:
        steps.append(1)
        if len(steps) == 6:
            raise KeyboardInterrupt
        return original(self, *arguments, **keywords)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Teacher, "on_loss", killed)
        with pytest.raises(Interrupted, match="interrupted") as stopped:
            distilled(teachers("classification"), tmp_path / "cut", **values)
    assert stopped.value.hint is not None
    command = shlex.split(stopped.value.hint.partition("Go on with: nlpkit ")[2])
    assert main([*command, "--quiet"]) == 0
    whole, cut = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert whole.keys() == cut.keys() and not any("projection" in name for name in whole)
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
