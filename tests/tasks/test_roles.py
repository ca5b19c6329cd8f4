"""What a task must be able to do for a command, and the least that a task is: it answers, and no more."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import every_task
import numpy as np
import pytest
import torch

from nlpkit.cli.app import main
from nlpkit.errors import UserError
from nlpkit.inference.predictor import open_predictor
from nlpkit.models import opening
from nlpkit.recipes import check_data, distill, evaluate, predict, prune, quantize
from nlpkit.tasks import registry
from nlpkit.tasks.claims import Claim
from nlpkit.tasks.contract import Task
from nlpkit.tasks.reading import Reader

TEXTS = ["the film was kind", "late"]


class NormsReader(Reader[Task]):
    """Reads texts, and no labels."""

    @classmethod
    def of(cls, task: Task, columns: Any, options: Any, *, labelled: bool) -> NormsReader:
        return cls(task)

    @property
    def input_columns(self) -> list[str]:
        return ["text"]

    def inputs(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return {"text": row["text"]}


class Norms(Task):
    """How long the mean of a text's hidden states is; nothing can be learned, and no answer be wrong."""

    name = "norms"
    auto_class = "AutoModel"
    reading_class = f"{__name__}:NormsReader"

    @classmethod
    def claims(cls, config: Any, record: Any, place: Any) -> Claim | None:
        return Claim.COULD_SERVE if "BertModel" in (config.architectures or ()) else None

    @classmethod
    def from_model(cls, config: Any, record: Mapping[str, Any] | None) -> Norms:
        return cls()

    def record(self) -> dict[str, Any]:
        return {"name": self.name}

    def features(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        ids = tokenizer(list(examples["text"]))["input_ids"]
        return {"input_ids": ids, "length": [len(row) for row in ids], "example": list(range(len(ids)))}

    def model_arguments(self) -> dict[str, Any]:
        return {}

    def logits(self, outputs: Any, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        mask = batch["attention_mask"].unsqueeze(-1)
        return (outputs["last_hidden_state"] * mask).sum(1) / mask.sum(1)

    def merge(self, outputs: np.ndarray, features: Mapping[str, Sequence[Any]]) -> np.ndarray:
        return outputs

    def decode(self, outputs: np.ndarray, inputs: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        for vector in outputs:
            yield {"prediction": float(np.linalg.norm(vector)), "score": None}


class Zeros(Norms):
    """Answers in another way than by one forward pass."""

    name = "zeros"

    def answer(self, model: Any, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"logits": 0 * super().answer(model, batch)["logits"]}


@pytest.fixture(autouse=True)
def more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry with the lines of two more tasks."""
    lines = {kind.name: f"{__name__}:{kind.__name__}" for kind in (Norms, Zeros)}
    monkeypatch.setattr(registry, "TASKS", {**registry.TASKS, **lines})


def answers(model: Path, task: str) -> list[float]:
    predictor = open_predictor(predict.Config(model=str(model), texts=["-"], task=task, device="cpu"))
    return [answer["prediction"] for answer in predictor.answers([{"text": text} for text in TEXTS])]


def test_a_task_that_only_answers_needs_no_more_than_that(tiny_model: Path) -> None:
    """Mean pooling, in a batch with padding: the forward pass comes with its mask."""
    model, tokenizer = opening.load_model(str(tiny_model), "AutoModel")[0], opening.load_tokenizer(str(tiny_model))
    with torch.inference_mode():
        states = [model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0] for text in TEXTS]
    expected = [float(rows.mean(0).norm()) for rows in states]
    assert answers(tiny_model, "norms") == pytest.approx(expected, rel=1e-5)


def test_a_task_may_answer_in_another_way_than_by_one_forward_pass(tiny_model: Path) -> None:
    assert answers(tiny_model, "zeros") == [0, 0]


def test_it_is_asked_on_the_command_line(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(tiny_model), TEXTS[0], "--task", "norms", "--device", "cpu"]) == 0
    assert TEXTS[0] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "module", "values"),
    [
        ("evaluate", evaluate, {"data": "rows.csv"}),
        ("quantize", quantize, {"data": "rows.csv", "to": "torch-int8"}),
        ("prune", prune, {"data": "rows.csv", "sparsity": 0.5}),
        ("distill", distill, {"data": "rows.csv", "student_layers": "1"}),
    ],
)
def test_a_command_that_needs_more_of_a_task_says_so_before_it_works(
    command: str, module: ModuleType, values: dict[str, Any], tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "load_model", lambda *_, **__: pytest.fail("weights were read"))
    model = {"teacher" if command == "distill" else "model": str(tiny_model)}
    with pytest.raises(
        UserError, match=f"`nlpkit {command}` needs a task that|`nlpkit {command}` needs a task whose"
    ) as caught:
        module.run(module.Config(**model, **values, task="norms", device="cpu"))
    assert "which norms is not" in str(caught.value)
    assert caught.value.hint == "norms works with predict, benchmark."


def test_data_are_checked_for_tasks_that_learn_from_them(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("text\nkind\n", encoding="utf-8")
    with pytest.raises(UserError, match="`nlpkit check-data` needs a task that can be trained, which norms is not"):
        check_data.run(check_data.Config(data=str(tmp_path / "rows.csv"), task="norms", model="none"))


def test_a_role_names_the_commands_that_need_it() -> None:
    modules = {"predict": predict, "evaluate": evaluate, "quantize": quantize, "prune": prune, "distill": distill}
    for command, module in modules.items():
        assert command in vars(module.NEEDS)["operations"]


def test_every_task_is_tested_with_all_that_it_claims() -> None:
    assert set(every_task.KINDS.values()) == registry.TASKS.keys() - {"norms", "zeros"}


@pytest.mark.parametrize("name", registry.TASKS)
def test_a_task_never_changes(name: str) -> None:
    kind = registry.task_class(name)
    made = object.__new__(kind)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.max_length = 8
