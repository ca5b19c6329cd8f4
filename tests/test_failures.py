"""What goes wrong in practice: one clear message, the promised exit code, nothing lost, nothing half-written."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import rows, write_csv

from nlpkit.cli.app import main
from nlpkit.errors import UserError
from nlpkit.models import opening
from nlpkit.recipes import finetune_cls
from nlpkit.runs.folder import RunFolder
from nlpkit.training.trainer import NlpkitTrainer

pytestmark = pytest.mark.slow

Finetune = Callable[..., tuple[int, str, str]]


@pytest.fixture
def finetune(
    tmp_path: Path, tiny_model: Path, reviews: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Finetune:
    """`nlpkit finetune-cls` on small data; keywords replace flags. Gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*more: str, **flags: Any) -> tuple[int, str, str]:
        given = {
            "data": reviews,
            "model": tiny_model,
            "output": tmp_path / "run",
            "epochs": 2,
            "batch_size": 16,
            "learning_rate": 3e-3,
            "device": "cpu",
            "threads": 1,
            **flags,
        }
        arguments = [part for k, v in given.items() if v is not None for part in (f"--{k.replace('_', '-')}", str(v))]
        capsys.readouterr()
        code = main(["finetune-cls", *arguments, *more])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        if code:
            errors = [line for line in said.err.splitlines() if line.startswith("nlpkit: ")]
            assert len(errors) == 1, said.err  # one message
        return code, said.out, said.err

    return run


def refused(done: tuple[int, str, str], *words: str, left: Path | None = None) -> None:
    """Exit code 2, every word in the message, and no run folder."""
    code, _, errors = done
    assert code == 2, errors
    for word in words:
        assert word in errors, errors
    if left is not None:
        assert not left.exists()


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, reviews: Path) -> Path:
    """The run of `finetune` when nothing goes wrong."""
    output = tmp_path_factory.mktemp("undisturbed") / "run"
    options: dict[str, Any] = {
        "data": str(reviews),
        "model": str(tiny_model),
        "epochs": 2,
        "batch_size": 16,
        "learning_rate": 3e-3,
        "device": "cpu",
        "threads": 1,
    }
    finetune_cls.run(finetune_cls.Config(output=output, **options))
    return output


# --- the disk ---


def disk_full(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def torch_disk_full(*_: Any, **__: Any) -> None:
    # what torch.save really says on a full disk: its zip writer loses the error number
    raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534")


def safetensors_disk_full(*_: Any, **__: Any) -> None:
    from safetensors import SafetensorError

    raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


@pytest.mark.parametrize(
    ("what", "failure"),
    [
        ("_save_rng_state", disk_full),
        ("_save_optimizer_and_scheduler", torch_disk_full),
        ("save_model", safetensors_disk_full),
    ],
)
def test_disk_full_at_a_checkpoint(
    what: str, failure: Any, finetune: Finetune, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = getattr(NlpkitTrainer, what)

    def fails_at_the_second(self: Any, *arguments: Any, **keywords: Any) -> None:
        original(self, *arguments, **keywords)
        if self.state.global_step == 12:
            failure()

    with monkeypatch.context() as patch:
        patch.setattr(NlpkitTrainer, what, fails_at_the_second)
        code, _, errors = finetune()
    assert code == 1
    assert "the disk is full" in errors
    assert str(tmp_path / "run") in errors
    assert "--resume goes on from the last checkpoint" in errors
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["checkpoint-6"]
    assert json.loads((tmp_path / "run" / "nlpkit.json").read_text())["status"] == "running"
    code, said, _ = finetune("--resume")
    assert code == 0
    assert "resuming from step 6" in said
    assert (tmp_path / "run/model.safetensors").read_bytes() == (undisturbed / "model.safetensors").read_bytes()


@pytest.mark.parametrize("what", ["nlpkit.experiment.card.write", "transformers.PreTrainedModel.save_pretrained"])
def test_disk_full_at_the_final_files(
    what: str, finetune: Finetune, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    if "card" in what:
        with monkeypatch.context() as patch:
            patch.setattr(what, disk_full)
            code, _, errors = finetune()
    else:
        import transformers

        original = transformers.PreTrainedModel.save_pretrained

        def fails_in_the_result(self: Any, folder: Any, *arguments: Any, **keywords: Any) -> Any:
            saved = original(self, folder, *arguments, **keywords)
            return saved if "checkpoint" in str(folder) else disk_full()

        with monkeypatch.context() as patch:
            patch.setattr(transformers.PreTrainedModel, "save_pretrained", fails_in_the_result)
            code, _, errors = finetune()
    assert code == 1
    assert f"the disk is full: {run} could not be written completely" in errors
    # visibly in progress: the checkpoints, and nothing half-written
    assert sorted(path.name for path in run.iterdir()) == ["checkpoints", "metrics.jsonl", "nlpkit.json"]
    assert json.loads((run / "nlpkit.json").read_text())["status"] == "running"
    assert finetune("--resume")[0] == 0
    assert (run / "model.safetensors").read_bytes() == (undisturbed / "model.safetensors").read_bytes()


def test_disk_full_at_the_metrics_file(finetune: Finetune, monkeypatch: pytest.MonkeyPatch) -> None:
    original = RunFolder.rewind_metrics

    def with_a_full_device(self: RunFolder, step: int) -> None:
        original(self, step)
        (self.path / "metrics.jsonl").symlink_to("/dev/full")

    monkeypatch.setattr(RunFolder, "rewind_metrics", with_a_full_device)
    code, _, errors = finetune()
    assert code == 1
    assert "the disk is full" in errors


def test_too_little_space_is_noticed_before_training(
    finetune: Finetune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", ["total", "used", "free"])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 1_200_000, 1_200_000))
    refused(
        finetune(), "the run needs 5", "1.2 MB are free", "Free some space or give an --output", left=tmp_path / "run"
    )


# --- the output folder ---


def test_output_below_a_file(finetune: Finetune, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    refused(finetune(output=tmp_path / "notes" / "run"), str(tmp_path / "notes"), "Give")
    assert (tmp_path / "notes").read_text() == "mine"


def test_output_is_a_file(finetune: Finetune, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    refused(finetune("--overwrite"), f"--output {tmp_path / 'run'} is a file", "Give a folder.")
    assert (tmp_path / "run").read_text() == "mine"


def test_output_without_permission(finetune: Finetune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path and allowed(path, mode))
    refused(finetune(), f"no permission to write in {tmp_path}", "Give another --output.", left=tmp_path / "run")


@pytest.mark.parametrize("flag", [[], ["--overwrite"], ["--resume"]])
def test_foreign_folder_is_never_touched(flag: list[str], finetune: Finetune, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("years of work")
    refused(finetune(*flag), str(tmp_path / "run"), "not an nlpkit run")
    assert files(tmp_path / "run") == {"thesis.txt": b"years of work"}


def test_finished_run_is_kept_unless_overwritten(finetune: Finetune, undisturbed: Path, tmp_path: Path) -> None:
    shutil.copytree(undisturbed, tmp_path / "run")
    (tmp_path / "run" / "old.txt").write_text("of the earlier run")
    before = files(tmp_path / "run")
    refused(finetune(epochs=1), "holds a finished run", "--overwrite replaces it; or give another --output.")
    # a mistake in the options or the data must not cost the earlier run either
    refused(finetune("--overwrite", label_column="stars"), "stars")
    assert files(tmp_path / "run") == before
    code, _, _ = finetune("--overwrite", epochs=1)
    assert code == 0
    assert json.loads((tmp_path / "run" / "nlpkit.json").read_text())["steps"] == 6
    assert not (tmp_path / "run" / "old.txt").exists()


def test_interrupted_run_is_kept_unless_overwritten(
    finetune: Finetune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("nlpkit.experiment.card.write", disk_full)
        assert finetune()[0] == 1
    before = files(tmp_path / "run")
    refused(
        finetune(),
        "holds an interrupted run",
        "--resume goes on with it, --overwrite replaces it; or give another --output.",
    )
    assert files(tmp_path / "run") == before
    code, said, _ = finetune("--overwrite", epochs=1)
    assert code == 0
    assert "resuming" not in said
    assert json.loads((tmp_path / "run" / "nlpkit.json").read_text())["steps"] == 6


def test_damaged_record(finetune: Finetune, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "nlpkit.json").write_text('{"status": ')
    refused(finetune(), f"{tmp_path / 'run' / 'nlpkit.json'} is not valid JSON", "--overwrite")


# --- the model ---


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model, to be damaged."""
    return shutil.copytree(tiny_model, tmp_path / "model")


def test_model_without_tokenizer(finetune: Finetune, model: Path, tiny_model: Path, tmp_path: Path) -> None:
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (model / file).unlink()
    refused(finetune(model=model), f"{model} has no tokenizer", "Name one with --tokenizer.", left=tmp_path / "run")
    assert finetune(model=model, tokenizer=tiny_model, epochs=1)[0] == 0


def test_model_without_config(finetune: Finetune, model: Path, tmp_path: Path) -> None:
    (model / "config.json").unlink()
    refused(finetune(model=model), f"{model} is not a model folder", "no config.json", left=tmp_path / "run")


def test_tokenizer_that_needs_a_package(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MeCab of Japanese tokenizers, for instance."""
    from transformers import AutoTokenizer

    def needs_mecab(*_: Any, **__: Any) -> Any:
        raise ModuleNotFoundError("You need to install fugashi to use MecabTokenizer.")

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", needs_mecab)
    with pytest.raises(UserError, match=f"the tokenizer {model} needs a package: .*fugashi"):
        opening.load_tokenizer(str(model))


def test_model_with_broken_config(finetune: Finetune, model: Path) -> None:
    (model / "config.json").write_text('{"model_type": "bert",')
    refused(finetune(model=model), f"{model / 'config.json'} is not valid JSON")


def test_model_without_weights(finetune: Finetune, model: Path, tmp_path: Path) -> None:
    (model / "model.safetensors").unlink()
    refused(finetune(model=model), f"{model} has no model.safetensors", left=tmp_path / "run")


def test_corrupt_weights(finetune: Finetune, model: Path, tmp_path: Path) -> None:
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5_000])
    refused(
        finetune(model=model),
        f"the weights in {weights} cannot be read",
        "The file is damaged; copy it again.",
        left=tmp_path / "run",
    )


def test_pickle_only_weights(finetune: Finetune, model: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    torch.save(load_file(model / "model.safetensors"), model / "pytorch_model.bin")
    (model / "model.safetensors").unlink()
    refused(finetune(model=model), f"{model} has its weights as pickle only", "--allow-pickle", left=tmp_path / "run")
    assert finetune("--allow-pickle", model=model, epochs=1)[0] == 0
    assert (tmp_path / "run" / "model.safetensors").exists()


def test_model_folder_that_does_not_exist(finetune: Finetune) -> None:
    refused(finetune(model="./no/such"), "--model ./no/such: there is no such folder")


def test_hub_model_while_offline(finetune: Finetune, tmp_path: Path) -> None:
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    refused(
        finetune(model="someone/some-model"),
        "'someone/some-model' is not a folder here",
        "the network is off (HF_HUB_OFFLINE)",
        "unset HF_HUB_OFFLINE",
        left=tmp_path / "run",
    )


def test_hub_model_without_connection(finetune: Finetune, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoConfig

    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.delenv("HF_DATASETS_OFFLINE")

    def fails(*_: Any, **__: Any) -> None:
        # what transformers says when the hub does not answer
        raise OSError(
            "We couldn't connect to 'https://huggingface.co' to load the files, and couldn't find them in the cached "
            "files.\nCheck your internet connection or see how to run the library in offline mode at "
            "'https://huggingface.co/docs/transformers/installation#offline-mode'."
        )

    monkeypatch.setattr(AutoConfig, "from_pretrained", fails)
    refused(finetune(model="someone/some-model"), "'someone/some-model'", "the hub cannot be reached", "network")


# --- the data ---


def test_hub_data_while_offline(finetune: Finetune, tmp_path: Path) -> None:
    refused(
        finetune(data="someone/some-data"), "'someone/some-data'", "HF_HUB_OFFLINE", "--data", left=tmp_path / "run"
    )


def test_wrong_encoding(finetune: Finetune, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "data.csv", rows(60))
    lines = file.read_text().splitlines()
    lines[3] = "a caf\xe9 very good,positive"
    file.write_bytes("\n".join(lines).encode("latin-1"))
    refused(
        finetune(data=file), f"{file} line 4: byte 0xe9", "is not utf-8", "--encoding cp1252", left=tmp_path / "run"
    )
    assert finetune(data=file, encoding="latin-1", epochs=1)[0] == 0


def test_stray_quote(finetune: Finetune, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "data.csv", rows(60))
    lines = file.read_text().splitlines()
    lines[6] = '"good" shop the,positive'
    file.write_text("\n".join(lines))
    refused(finetune(data=file), f"{file} line 7: a stray quote", 'write a quote inside a quoted field twice ("")')
    lines[6] = '"good shop the,positive'
    file.write_text("\n".join(lines))
    refused(
        finetune(data=file), f"{file} line 7: a quote is opened in this row and never closed", left=tmp_path / "run"
    )


def test_label_column_of_unique_values(finetune: Finetune, tmp_path: Path) -> None:
    made = [{"text": row["text"], "label": f"id-{i}"} for i, row in enumerate(rows(60))]
    file = write_csv(tmp_path / "data.csv", made)
    refused(finetune(data=file), "'label'", "60", "--label-column", left=tmp_path / "run")


def test_single_class(finetune: Finetune, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "data.csv", [{**row, "label": "positive"} for row in rows(60)])
    refused(finetune(data=file), "are 'positive'", "--label-column", "nothing to learn", left=tmp_path / "run")


def test_empty_texts_are_left_out_and_named(finetune: Finetune, tmp_path: Path) -> None:
    made = rows(60)
    made[4]["text"], made[9]["text"] = "", "   "
    file = write_csv(tmp_path / "data.csv", made)
    code, _, errors = finetune(data=file, validation_file=write_csv(tmp_path / "v.csv", rows(20, 9)), epochs=1)
    assert code == 0
    assert "train: 2 of 60 rows have no text and are left out" in errors
    assert f"{file} line 6" in errors
    assert f"{file} line 11" in errors
    assert json.loads((tmp_path / "run" / "nlpkit.json").read_text())["rows"]["train"] == 58


def test_only_empty_texts(finetune: Finetune, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "data.csv", [{**row, "text": " "} for row in rows(60)])
    refused(finetune(data=file), "none of", "rows can be used", left=tmp_path / "run")


# --- the arithmetic ---


def out_of_memory_above(limit: int, monkeypatch: pytest.MonkeyPatch, first: int = 0) -> list[torch.Tensor]:
    """Let training fail as a GPU does, from step `first` on, when a batch has more than `limit` rows; the inputs."""
    original = NlpkitTrainer.training_step
    seen: list[torch.Tensor] = []

    def step(self: Any, model: Any, inputs: Any, *more: Any, **keywords: Any) -> Any:
        if len(inputs["input_ids"]) > limit and self.state.global_step >= first:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        seen.extend(inputs["input_ids"])
        return original(self, model, inputs, *more, **keywords)

    monkeypatch.setattr(NlpkitTrainer, "training_step", step)
    return seen


def texts(ids: list[torch.Tensor]) -> list[list[int]]:
    return [[token for token in row.tolist() if token] for row in ids]


def test_out_of_memory(finetune: Finetune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from safetensors.torch import load_file

    with monkeypatch.context() as patch:
        whole = out_of_memory_above(1_000, patch)
        assert finetune(output=tmp_path / "whole", dropout=0)[0] == 0
    seen = out_of_memory_above(4, monkeypatch)
    code, _, errors = finetune(dropout=0)
    assert code == 0
    assert (
        "the cpu ran out of memory with --batch-size 16; going on with --batch-size 8 --gradient-accumulation-steps 2"
        in errors
    )
    assert "with --batch-size 8; going on with --batch-size 4 --gradient-accumulation-steps 4" in errors
    record = json.loads((tmp_path / "run" / "nlpkit.json").read_text())
    assert (record["config"]["batch_size"], record["config"]["gradient_accumulation_steps"]) == (4, 4)
    assert record["steps"] == 12
    # the same rows in the same order make the same steps
    assert texts(seen) == texts(whole)
    reference = json.loads((tmp_path / "whole" / "nlpkit.json").read_text())
    assert record["best_step"] == reference["best_step"]
    mine, theirs = (load_file(tmp_path / run / "model.safetensors") for run in ("run", "whole"))
    for name in theirs:
        torch.testing.assert_close(mine[name], theirs[name], rtol=1e-3, atol=1e-4)


def test_out_of_memory_late_goes_on_from_the_checkpoint(
    finetune: Finetune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out_of_memory_above(5, monkeypatch, first=8)
    code, said, errors = finetune(batch_size=15, dropout=0, seed=3)
    assert code == 0
    # 15 rows a step stay 15: in parts of 5, not of 8
    assert "going on with --batch-size 5 --gradient-accumulation-steps 3" in errors
    assert "resuming from step 7" in said
    steps = [json.loads(line)["step"] for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert steps == sorted(steps)
    assert json.loads((tmp_path / "run" / "nlpkit.json").read_text())["steps"] == 14


def test_out_of_memory_with_one_row(finetune: Finetune, monkeypatch: pytest.MonkeyPatch) -> None:
    out_of_memory_above(0, monkeypatch)
    code, _, errors = finetune(batch_size=2)
    assert code == 1
    assert "out of memory with --batch-size 1" in errors
    assert "--gradient-checkpointing" in errors


def test_loss_that_is_not_a_number(finetune: Finetune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = NlpkitTrainer.training_step

    def step(self: Any, *arguments: Any, **keywords: Any) -> Any:
        return original(self, *arguments, **keywords) * (float("nan") if self.state.global_step == 8 else 1)

    monkeypatch.setattr(NlpkitTrainer, "training_step", step)
    code, _, errors = finetune()
    assert code == 1
    assert "the loss is nan at step 9" in errors
    assert "Lower --learning-rate" in errors
    assert not (tmp_path / "run" / "model.safetensors").exists()
    assert (tmp_path / "run" / "checkpoints" / "checkpoint-6").exists()


# --- the options ---


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--trainer", "adam_bta1=0.8"], ["--trainer adam_bta1", "no such field", "Did you mean 'adam_beta1'?"]),
        (["--trainer", "learning_rate=1"], ["--trainer learning_rate", "nlpkit sets this itself", "--help"]),
        (["--trainer", "max_grad_norm"], ["--trainer", "'max_grad_norm' is not of the form key=value"]),
        (["--best-metric", "acuracy"], ["--best-metric acuracy: no such metric", "Did you mean 'accuracy'?"]),
        (["--learning-rat", "1"], ["--learning-rat", "--learning-rate"]),
        (["--schedule", "linar"], ["--schedule 'linar'", "Did you mean 'linear'?"]),
        (["--epochs", "-1"], ["--epochs '-1'", "greater than 0"]),
        (["--dropout", "1.5"], ["--dropout '1.5'", "less than 1"]),
        (["--batch-size", "many"], ["--batch-size 'many'", "this is not a whole number"]),
        (["--freeze", "head"], ["--freeze 'head'", "none, embeddings, encoder"]),
        (["--freeze", "7"], ["--freeze 7: the model has 2 layers"]),
        (["--device", "gpu"], ["--device 'gpu': not a device", "cuda"]),
        (["--max-length", "65"], ["--max-length 65: the model takes at most 64 tokens"]),
        (["--text-column", "txt"], ["txt", "text"]),
        (["--push-to-hub", ""], ["--push-to-hub", "it is empty; was a variable of the shell not set?"]),
    ],
)
def test_bad_option(arguments: list[str], words: list[str], finetune: Finetune, tmp_path: Path) -> None:
    refused(finetune(*arguments, **{"epochs": None, "learning_rate": None}), *words, left=tmp_path / "run")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("learning-rat: 1e-4\n", ["unknown option 'learning_rat'", "Did you mean 'learning_rate'?"]),
        ("warmup: -3\n", ["--warmup -3", "greater than or equal to 0"]),
        ("epochs: [\n", ["line 2, column 1", "not valid YAML"]),
        ("data: 2026-13-45\n", ["not valid YAML: month must be in 1..12"]),
        ("full_determinism: !!bool x\n", ["not valid YAML: a value is not what its tag (!!) says"]),
        ("? [a]\n: b\n", ["line 1, column 3", "not valid YAML: found unhashable key"]),
        ("just words\n", ["expected `option: value` lines"]),
        ("command: predict\n", ["is for `nlpkit predict`, not for `nlpkit finetune-cls`"]),
    ],
)
def test_bad_config_file(text: str, words: list[str], finetune: Finetune, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(text)
    names = words if "warmup" in text else [str(recipe), *words]
    refused(finetune(config=recipe), *names, left=tmp_path / "run")


def test_bad_words_in_the_python_api() -> None:
    from nlpkit.errors import UserError

    with pytest.raises(UserError, match=r"unknown option 'learning_rat'\nDid you mean 'learning_rate'\?"):
        finetune_cls.Config(learning_rat=1)
