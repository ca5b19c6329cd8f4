"""What nlpkit leaves out of a training step must not change what is learnt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import make_model, make_tokenizer
from safetensors.torch import load_file

from nlpkit.data.collating import PaddingCollator
from nlpkit.errors import Interrupted, RunError
from nlpkit.recipes import evaluate, finetune_cls
from nlpkit.training import callbacks, embeddings
from nlpkit.training.dropout import CheapDropout, CpuDropout, use_cpu_dropout
from nlpkit.training.trainer import NlpkitTrainer

TABLE = "bert.embeddings.word_embeddings.weight"


@pytest.fixture(scope="module")
def wide_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model most of whose vocabulary never occurs in the data."""
    return make_model(tmp_path_factory.mktemp("wide") / "model", vocab_size=600)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def config(model: Path, data: Path, output: Path, **options: Any) -> finetune_cls.Config:
    settings: dict[str, Any] = {"epochs": 3, "learning_rate": 1e-3, "batch_size": 16, "device": "cpu", "threads": 1}
    return finetune_cls.Config(data=str(data), model=str(model), output=output, **(settings | options))


@pytest.fixture(scope="module")
def reduced_run(wide_model: Path, reviews: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("reduced") / "run"
    finetune_cls.run(config(wide_model, reviews, output))
    return output


def test_used_rows_train_as_the_whole_table_does(
    reduced_run: Path, wide_model: Path, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embeddings, "WORTH_BELOW", 0.0)  # never reduce
    finetune_cls.run(config(wide_model, reviews, tmp_path / "whole"))
    whole, reduced = weights(tmp_path / "whole"), weights(reduced_run)
    assert whole.keys() == reduced.keys()
    for name, tensor in whole.items():
        torch.testing.assert_close(reduced[name], tensor, atol=1e-5, rtol=1e-4)


@pytest.mark.slow
def test_rows_that_do_not_occur_stay_as_they_were(reduced_run: Path, wide_model: Path) -> None:
    before, after = weights(wide_model)["embeddings.word_embeddings.weight"], weights(reduced_run)[TABLE]
    assert after.shape == before.shape == (600, 32)
    changed = (before != after).any(dim=1)
    assert torch.equal(before[200:], after[200:])
    assert 10 < int(changed.sum()) < 100


@pytest.mark.slow
def test_an_interrupted_run_resumes_with_the_reduced_table(
    reduced_run: Path, wide_model: Path, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = callbacks.SignalCallback.on_step_begin

    def interrupt(self: Any, args: Any, state: Any, control: Any, **rest: Any) -> None:
        self.caught = 2 if state.global_step == 8 else None
        ask(self, args, state, control, **rest)

    with monkeypatch.context() as patched, pytest.raises(Interrupted):
        patched.setattr(callbacks.SignalCallback, "on_step_begin", interrupt)
        finetune_cls.run(config(wide_model, reviews, tmp_path / "run"))
    checkpoint = load_file(tmp_path / "run/checkpoints/checkpoint-8/model.safetensors")
    assert checkpoint[TABLE].shape == (600, 32), "a checkpoint opens with stock Transformers too"
    finetune_cls.run(finetune_cls.Config(output=tmp_path / "run", resume=True))
    resumed, reference = weights(tmp_path / "run"), weights(reduced_run)
    assert all(torch.equal(resumed[name], reference[name]) for name in reference)


def test_a_table_in_full_use_or_frozen_is_left_alone(wide_model: Path) -> None:
    from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(wide_model)
    assert embeddings.keep_used_rows(model, make_tokenizer(), [np.arange(590)]) == 1.0
    model.get_input_embeddings().weight.requires_grad_(False)
    assert embeddings.keep_used_rows(model, make_tokenizer(), [np.arange(5)]) == 1.0
    tied = AutoModelForMaskedLM.from_pretrained(wide_model)
    assert embeddings.keep_used_rows(tied, make_tokenizer(), [np.arange(5)]) == 1.0


def test_a_token_that_was_not_announced_is_an_error(wide_model: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(wide_model)
    embeddings.keep_used_rows(model, make_tokenizer(), [np.arange(5, 50)])
    with pytest.raises(IndexError):
        model(input_ids=torch.tensor([[7, 333]]))


@pytest.mark.parametrize("stranger", [333, 600])
def test_a_batch_with_a_token_that_was_not_announced_is_told_before_the_device_meets_it(
    wide_model: Path, stranger: int
) -> None:
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(wide_model)
    collate = PaddingCollator(make_tokenizer())
    assert embeddings.checked(model, collate) is collate
    embeddings.keep_used_rows(model, make_tokenizer(), [np.arange(5, 50)])
    checked = embeddings.checked(model, collate)
    assert checked([{"input_ids": [2, 7, 3]}, {"input_ids": [2, 3]}])["input_ids"].shape == (2, 3)
    with pytest.raises(RunError, match=f"holds the token {stranger}, which no row held"):
        checked([{"input_ids": [2, 7, stranger]}])


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_cpu_dropout_drops_and_scales(p: float) -> None:
    torch.manual_seed(0)
    x = torch.ones(500, 401, requires_grad=True)
    y = CpuDropout(p)(x)
    assert abs(float((y == 0).float().mean()) - p) < 0.005
    assert torch.allclose(y[y != 0], torch.tensor(1 / (1 - p)))
    y.sum().backward()
    assert torch.equal(x.grad, y.detach()), "the gradient goes through the same mask"
    rows, columns = (y == 0).float().mean(0), (y == 0).float().mean(1)
    assert rows.std() < 1.2 * (p * (1 - p) / 500) ** 0.5, "no column is favoured"
    assert columns.std() < 1.2 * (p * (1 - p) / 401) ** 0.5


def test_cpu_dropout_follows_torch_s_generator_and_mode() -> None:
    x, dropout = torch.ones(64, 33), CpuDropout(0.3)
    torch.manual_seed(1)
    first, second = dropout(x), dropout(x)
    torch.manual_seed(1)
    assert torch.equal(dropout(x), first)
    assert not torch.equal(first, second)
    assert torch.equal(dropout.eval()(x), x)


def test_layers_that_call_the_function_drop_as_cheaply_in_the_forward_pass_alone() -> None:
    usual, x = torch.nn.functional.dropout, torch.ones(64, 33, requires_grad=True)
    with CheapDropout().forward_pass():
        torch.manual_seed(0)
        found = torch.nn.functional.dropout(x, p=0.3, training=True)
        torch.manual_seed(0)
        assert torch.equal(found, CpuDropout(0.3)(x))
        assert torch.equal(torch.nn.functional.dropout(x, p=0.3, training=False), x)
    assert torch.nn.functional.dropout is usual


def test_every_dropout_of_a_model_is_replaced(wide_model: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(wide_model)
    found = sum(isinstance(module, torch.nn.Dropout) for module in model.modules())
    use_cpu_dropout(model)
    replaced = [module for module in model.modules() if isinstance(module, CpuDropout)]
    assert len(replaced) == found > 0
    assert {module.p for module in replaced} == {0.1}


@pytest.mark.slow
def test_validation_is_run_once_an_epoch(
    wide_model: Path, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the best checkpoint gave on validation is kept for the figures, errors and plots of the run."""
    run, judged = NlpkitTrainer._run, []

    def counted(trainer: NlpkitTrainer, loader: Any, task: Any) -> Any:
        judged.append(len(loader.dataset))
        return run(trainer, loader, task)

    monkeypatch.setattr(NlpkitTrainer, "_run", counted)
    record = finetune_cls.run(config(wide_model, reviews, tmp_path / "run", epochs=3)).record
    rows = record["rows"]
    assert sorted(judged) == sorted([*[rows["validation"]] * 3, *(n for s, n in rows.items() if s != "validation")])
    found = evaluate.run(
        evaluate.Config(model=str(tmp_path / "run"), data=str(reviews), split="validation", save=False)
    )
    assert found.record["metrics"]["validation"] == pytest.approx(record["metrics"]["validation"], abs=1e-6)
