"""A folder from somebody else is data: nothing in it runs, uploads, fetches, or writes elsewhere."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hearing import Heard

from nlpkit import reporting
from nlpkit.cli.app import main
from nlpkit.experiment.resume import resumed_options
from nlpkit.recipes import finetune_cls


class Opened:
    """What a pickle makes when it is loaded: a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return open, (str(self.path), "w")


@pytest.fixture(scope="module")
def checkpoints(tiny_model: Path, reviews: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of which two checkpoints are left, as if it had been killed behind the second."""
    output = tmp_path_factory.mktemp("interrupted") / "run"
    finetune_cls.run(
        finetune_cls.Config(
            data=str(reviews), model=str(tiny_model), output=output, max_steps=4, eval_steps=2, batch_size=16,
            keep_checkpoints=True, device="cpu", threads=1,
        )
    )  # fmt: skip
    edit(output / "nlpkit.json", status="running")
    return output


@pytest.fixture
def interrupted(checkpoints: Path, tmp_path: Path) -> Path:
    """A copy of it, to be doctored."""
    return shutil.copytree(checkpoints, tmp_path / "run")


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of a finished run, to be doctored."""
    return shutil.copytree(trained, tmp_path / "run", ignore=shutil.ignore_patterns("plots"))


def edit(path: Path, **values: Any) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**document, **values}), encoding="utf-8")


def options(path: Path, **values: Any) -> None:
    edit(path, config={**json.loads(path.read_text(encoding="utf-8"))["config"], **values})


def resume(run: Path) -> int:
    return main(["finetune-cls", "--output", str(run), "--resume"])


def predict(run: Path) -> int:
    return main(["predict", str(run), "a lovely film", "--device", "cpu", "--threads", "1"])


ASKED: dict[str, Any] = {
    "report_to": "wandb",
    "overwrite": True,
    "output": "/somewhere/else",
    "trainer": {
        "push_to_hub": True,
        "hub_token": "hf_secret",
        "deepspeed": "/x.json",
        "torch_compile_backend": "x",
        "torch_compile_mode": "max-autotune",
        "accelerator_config": "/x.json",
        "use_liger_kernel": True,
        "trackio_space_id": "me/space",
        "adam_beta2": 0.98,
    },
}


@pytest.mark.parametrize("version", [1, None])
def test_a_record_turns_nothing_on(version: int | None, run: Path, heard: Heard) -> None:
    """With a version or without, by --config and by --resume; what is arithmetic is repeated."""
    path = run / "nlpkit.json"
    options(path, **ASKED)
    if version is None:
        record = json.loads(path.read_text())
        del record["schema_version"]
        path.write_text(json.dumps(record))
    repeated = finetune_cls.Config.from_sources({}, path, "finetune-cls")
    resumed = resumed_options(finetune_cls.Config(output=run, resume=True))
    tracked = resumed_options(finetune_cls.Config(output=run, resume=True, report_to="wandb"))
    for config in (repeated, resumed):
        assert config.report_to == "none" and not config.overwrite and config.push_to_hub is None
        assert config.trainer == {"adam_beta2": 0.98} and config.epochs == 6
    assert repeated.output is None and resumed.output == run and tracked.report_to == "wandb"
    names = ("accelerator_config", "deepspeed", "hub_token", "push_to_hub")
    names += ("torch_compile_backend", "torch_compile_mode")
    flags = ["--output", "--overwrite", "--report-to", *(f"--trainer {name}" for name in names)]
    flags += ["--trainer trackio_space_id", "--trainer use_liger_kernel"]
    assert heard.warnings[0] == f"{path}: not taken from a record, give anew what is meant: {', '.join(flags)}"
    assert "hf_secret" not in heard.text


def test_a_record_of_bare_options_is_no_recipe(tmp_path: Path, capsys: Any) -> None:
    """Whoever names a nlpkit.json takes it for a record; a recipe has another name."""
    path = tmp_path / "nlpkit.json"
    path.write_text(json.dumps({"command": "finetune-cls", "data": "x", "trust_remote_code": True}))
    assert main(["finetune-cls", "--config", str(path), "--dry-run"]) == 2
    assert f"{path} does not tell the options of its run" in capsys.readouterr().err


@pytest.mark.parametrize("names", [("optimizer.pt",), ("scheduler.pt", "rng_state.pth"), ("scaler.pt",)])
def test_a_checkpoint_runs_nothing(names: tuple[str, ...], interrupted: Path, tmp_path: Path, capsys: Any) -> None:
    import torch

    made = tmp_path / "made"
    for checkpoint in (interrupted / "checkpoints").iterdir():
        for name in names:
            torch.save(Opened(made), checkpoint / name)
    assert resume(interrupted) == 2
    error = capsys.readouterr().err
    assert f"({names[0]} holds something else than tensors and numbers: it could run code, and is not opened)" in error
    assert "every checkpoint in" in error and not made.exists()


def test_what_trainer_leaves_beside_a_checkpoint_is_not_opened(interrupted: Path, tmp_path: Path) -> None:
    import torch

    made = tmp_path / "made"
    for checkpoint in (interrupted / "checkpoints").iterdir():
        for name in ("training_args.bin", "pytorch_model.bin"):
            torch.save(Opened(made), checkpoint / name)
    assert resume(interrupted) == 0
    assert not made.exists()


def to_kernel(run: Path) -> None:
    edit(run / "config.json", text_config={"_attn_implementation": {"": "someone/kernel"}})


def to_adapter(run: Path) -> None:
    (run / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "someone/model"}))


def to_code(run: Path) -> None:
    (run / "evil.py").write_text(f"open({str(run.parent / 'made')!r}, 'w')\nclass Evil: pass\n")
    edit(run / "config.json", model_type="evil", auto_map={"AutoConfig": "evil.Evil"})


def to_pickle(run: Path) -> None:
    import torch

    (run / "model.safetensors").unlink()
    torch.save(Opened(run.parent / "made"), run / "pytorch_model.bin")


def to_pickled_shard(run: Path) -> None:
    import torch
    from safetensors.torch import load_file

    weights = load_file(run / "model.safetensors")
    torch.save(weights, run / "part.bin")
    (run / "model.safetensors").rename(run / "part.safetensors")
    to_shards(run, dict.fromkeys(weights, "part.bin"))


def to_shard_elsewhere(run: Path) -> None:
    (run / "model.safetensors").rename(run / "part.safetensors")
    shutil.copy(run / "part.safetensors", run.parent / "part.safetensors")
    to_shards(run, {"classifier.bias": "../part.safetensors"})


def to_shards(run: Path, named: Any) -> None:
    index = {"metadata": {"total_size": 1}, "weight_map": named}
    (run / "model.safetensors.index.json").write_text(json.dumps(index))


def to_template_elsewhere(run: Path) -> None:
    edit(run / "tokenizer_config.json", chat_template=[{"name": "../../made", "template": "x"}])


def to_half_a_character(run: Path) -> None:
    (run / "nlpkit.json").unlink()  # whose record is read before
    edit(run / "config.json", id2label={0: "a", 1: "\ud800"})


@pytest.mark.parametrize(
    ("doctor", "said"),
    [
        (to_half_a_character, r"config.json: id2label: '\ud800' is no text"),
        (to_pickled_shard, "model.safetensors.index.json: weight_map: 'part.bin' is no safetensors file of the folder"),
        (to_shard_elsewhere, "weight_map: '../part.safetensors' is no safetensors file of the folder"),
        (lambda run: to_shards(run, []), "model.safetensors.index.json: expected the objects metadata and weight_map"),
        (to_template_elsewhere, "has a chat template named '../../made'"),
        (to_kernel, "asks for code from the hub, to compute attention with: 'someone/kernel'"),
        (to_adapter, "holds an adapter (adapter_config.json), whose model is elsewhere"),
        (to_code, "comes with its own model code"),
        (to_pickle, "which can run code when opened"),
    ],
)
@pytest.mark.parametrize("use", ["predict", "finetune-cls"])
def test_a_model_folder_runs_and_fetches_nothing(
    doctor: Callable[[Path], None], said: str, use: str, run: Path, reviews: Path, capsys: Any
) -> None:
    doctor(run)
    tune = ["finetune-cls", "--data", str(reviews), "--model", str(run), "--dry-run", "--device", "cpu"]
    assert (predict(run) if use == "predict" else main(tune)) == 2
    assert said in capsys.readouterr().err
    assert not (run.parent / "made").exists()


def test_code_of_a_tokenizer_is_left_alone(run: Path) -> None:
    (run / "evil.py").write_text(f"open({str(run.parent / 'made')!r}, 'w')\nclass Evil: pass\n")
    edit(run / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Evil", "evil.Evil"]})
    (run / "chat_template.jinja").write_text("{{ ''.__class__.__mro__ }}")
    assert predict(run) == 0
    assert not (run.parent / "made").exists()


@pytest.mark.parametrize(
    "name", ["metrics.jsonl", "checkpoints/checkpoint-4", "README.md", "plots", "checkpoints/checkpoint-4/optimizer.pt"]
)
def test_a_resumed_run_writes_nowhere_else(name: str, interrupted: Path, tmp_path: Path, capsys: Any) -> None:
    item, elsewhere = interrupted / name, tmp_path / "elsewhere"
    item.rename(elsewhere)
    before = {path: path.stat().st_mtime_ns for path in (elsewhere, *elsewhere.rglob("*"))}
    item.symlink_to(elsewhere)
    assert resume(interrupted) == 2
    assert f"{item} is a link: the run would write elsewhere" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in (elsewhere, *elsewhere.rglob("*"))} == before


@pytest.mark.parametrize("name", [".lock", "nlpkit.json"])
def test_figures_are_not_written_through_a_link(
    name: str, run: Path, reviews: Path, tmp_path: Path, capsys: Any
) -> None:
    """A folder of the hub's cache is made of links, and one of somebody else's may lead to any file."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text((run / "nlpkit.json").read_text())
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(elsewhere)
    before = elsewhere.read_bytes()
    assert main(["evaluate", str(run), "--data", str(reviews / "test.csv"), "--device", "cpu"]) == 0
    assert elsewhere.read_bytes() == before and (run / name).is_symlink()
    assert f"the figures are not added to {run / 'nlpkit.json'}: " in capsys.readouterr().err


def test_to_overwrite_removes_links_and_not_what_they_point_to(interrupted: Path, tmp_path: Path) -> None:
    from nlpkit.runs.folder import RunFolder

    elsewhere = tmp_path / "elsewhere"
    (interrupted / "checkpoints").rename(elsewhere)
    (interrupted / "checkpoints").symlink_to(elsewhere)
    (interrupted / "metrics.jsonl").unlink()
    (interrupted / "metrics.jsonl").symlink_to(elsewhere / "checkpoint-4" / "config.json")
    (interrupted / "nlpkit.json").unlink()
    (interrupted / "nlpkit.json").mkdir()  # folders in the place of files go, too
    (interrupted / ".x.partial").mkdir()
    RunFolder(interrupted).start({"command": "finetune-cls"}, overwrite=True, resume=False)
    assert [path.name for path in interrupted.iterdir() if not path.name.startswith(".")] == ["nlpkit.json"]
    assert (elsewhere / "checkpoint-4" / "config.json").is_file()


@pytest.mark.parametrize("flag", ["--resume", "--overwrite"])
def test_a_lock_is_no_way_to_another_file(
    flag: str, interrupted: Path, reviews: Path, tmp_path: Path, capsys: Any
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    (interrupted / ".lock").symlink_to(elsewhere)
    assert main(["finetune-cls", "--data", str(reviews), "--output", str(interrupted), flag]) == 2
    assert f"{interrupted / '.lock'} is " in capsys.readouterr().err
    assert elsewhere.read_text() == "mine"


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_a_lock_that_is_no_file_costs_no_figures(
    make: Callable[[Path], None], run: Path, reviews: Path, capsys: Any
) -> None:
    make(run / ".lock")
    assert main(["evaluate", str(run), "--data", str(reviews / "test.csv"), "--device", "cpu"]) == 0
    assert f"{run / '.lock'} is not the lock of a run" in capsys.readouterr().err


def test_a_best_checkpoint_is_one_of_the_run(interrupted: Path, capsys: Any) -> None:
    for checkpoint in (interrupted / "checkpoints").iterdir():
        edit(checkpoint / "trainer_state.json", best_model_checkpoint="../..")
    assert resume(interrupted) == 2
    assert "in the best, ..: it is no checkpoint of this run" in capsys.readouterr().err


def test_a_command_to_paste_is_of_nlpkit(run: Path, capsys: Any) -> None:
    """The hint of an unfinished run names its command, which the record tells."""
    edit(run / "nlpkit.json", command="x; rm -rf ~ #", status="running")
    (run / "config.json").unlink()
    assert predict(run) == 2
    assert "Go on with" not in capsys.readouterr().err


def test_secrets_are_not_written_down(tmp_path: Path, reviews: Path, tiny_model: Path, capsys: Any) -> None:
    common = ["finetune-cls", "--data", str(reviews), "--model", str(tiny_model), "--output", str(tmp_path / "run")]
    for flags in (
        ["--trainer", "hub_token=hf_secret"],
        ["--hub_token", "hf_secret"],
        ["--push_to_hub_token=hf_secret"],
    ):
        assert main([*common, *flags, "--device", "cpu"]) == 2
        said = capsys.readouterr()
        assert "hf_secret" not in said.err + said.out
        assert not (tmp_path / "run").exists()


# --- checkpoints that are damaged ---


@pytest.mark.parametrize(
    ("file", "values", "said"),
    [
        ("trainer_state.json", {"global_step": "4"}, "trainer_state.json: global_step: expected a whole number"),
        ("trainer_state.json", {"global_step": 40}, "global_step 40: the folder says 4"),
        ("trainer_state.json", {"log_history": 5}, "trainer_state.json: log_history: expected a list, found 5"),
        ("trainer_state.json", {"stateful_callbacks": {"TrainerControl": {"args": {"x": 1}}}}, "not of this transform"),
        ("nlpkit_position.json", {"seconds": None}, "nlpkit_position.json: seconds: expected a number, found null"),
        ("nlpkit_position.json", {"unlogged": {}}, "nlpkit_position.json: unlogged.loss is missing"),
        ("config.json", {"vocab_size": {}}, "config.json cannot be read"),
    ],
)
def test_a_damaged_checkpoint_is_passed_over(file: str, values: dict[str, Any], said: str, interrupted: Path) -> None:
    from nlpkit.training import checkpoints

    newest = interrupted / "checkpoints" / "checkpoint-4"
    edit(newest / file, **values)
    assert said in (checkpoints.damage(newest) or "")
    with reporting.listening() as heard:
        found = checkpoints.last_checkpoint(newest.parent)
    assert found == newest.with_name("checkpoint-2") and said in heard.warnings[0]
    assert not newest.exists() and newest.with_name("damaged-checkpoint-4").is_dir()


def test_a_checkpoint_with_weights_as_pickle_is_passed_over(interrupted: Path) -> None:
    import torch
    from safetensors.torch import load_file

    from nlpkit.training import checkpoints

    newest = interrupted / "checkpoints" / "checkpoint-4"
    torch.save(load_file(newest / "model.safetensors"), newest / "pytorch_model.bin")
    (newest / "model.safetensors").rename(newest / "other.safetensors")
    assert checkpoints.damage(newest) == "no weights"


@pytest.mark.parametrize("name", ["optimizer.pt", "model.safetensors", "trainer_state.json"])
def test_a_folder_in_the_place_of_a_file_of_a_checkpoint(name: str, interrupted: Path) -> None:
    path = interrupted / "checkpoints" / "checkpoint-4" / name
    path.unlink()
    path.mkdir()
    assert resume(interrupted) == 0
    assert json.loads((interrupted / "nlpkit.json").read_text())["status"] == "complete"


def test_bytes_that_changed_within_a_checkpoint(interrupted: Path) -> None:
    from nlpkit.training import checkpoints

    path = interrupted / "checkpoints" / "checkpoint-4" / "optimizer.pt"
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 64] = bytes(byte ^ 255 for byte in data[middle : middle + 64])
    path.write_bytes(data)
    assert "optimizer.pt" in (checkpoints.damage(path.parent) or "")
