"""Two processes on the CPU (gloo) train together: the same global batches as one process, one set of files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import forked
import pytest
import torch
import transformers
from conftest import GOOD, RunOf, make_model, nlpkit_command, rows, write_csv, write_jsonl
from packaging.version import Version
from safetensors.torch import load_file
from transformers import Trainer

from nlpkit import process
from nlpkit.cli.app import main
from nlpkit.data.batching import LengthBatchSampler
from nlpkit.errors import Interrupted, UserError
from nlpkit.hardware.devices import Device
from nlpkit.pruning.trainer import GradualPruning
from nlpkit.recipes import distill, finetune_cls, finetune_embed, finetune_ner, pretrain_mlm, prune
from nlpkit.tasks.sentence_embedding.losses import denoising
from nlpkit.training import muon
from nlpkit.training.arguments import training_arguments
from nlpkit.training.checkpoints import last_checkpoint
from nlpkit.training.own_weights import OwnWeights
from nlpkit.training.trainer import NlpkitTrainer, ResumableTrainer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> dict[str, Any]:
    """75 rows are 5 steps of 16, the last one of 11; the rows of an evaluation do not divide evenly either."""
    folder = tmp_path_factory.mktemp("data")
    made = rows(150, seed=5)
    write_csv(folder / "train.csv", made[:75])
    write_csv(folder / "validation.csv", made[85:118])
    write_csv(folder / "test.csv", made[118:149])
    return {
        "data": str(folder),
        "model": str(tiny_model),
        "epochs": 2,
        "gradient_accumulation_steps": 2,
        "learning_rate": 3e-3,
        "dropout": 0.0,
        "device": "cpu",
        "threads": 1,
        "logging_steps": 1,
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def surroundings(cwd: Path) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "NLPKIT_CACHE": str(cwd / "cache")}


def launch(launcher: list[str], cwd: Path, *arguments: Any) -> subprocess.CompletedProcess[str]:
    port = free_port()
    where = {"torch": ["--master-addr", "127.0.0.1", "--master-port", str(port)]}
    where["accelerate"] = ["--main_process_ip", "127.0.0.1", "--main_process_port", str(port)]
    kind = "torch" if "torch.distributed.run" in launcher else "accelerate"
    with forked.python() as python:
        return subprocess.run(
            [sys.executable, *launcher, *where[kind], python, "-m", "nlpkit", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=cwd,
            env=surroundings(cwd),
            timeout=240,
        )


def ranks(cwd: Path, *arguments: Any, first: str = "") -> list[tuple[int, str, str]]:
    """Exit code, stdout and stderr of two processes that find each other as a launcher lets them.

    Args:
        first: code that each runs before.
    """
    command = nlpkit_command(*arguments)
    if first:
        begun = f"{first}\nfrom nlpkit.cli.app import main\nsys.exit(main({[str(part) for part in arguments]!r}))"
        command = [sys.executable, "-c", begun]
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    started = [
        forked.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            env={**surroundings(cwd), **where, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]
    try:
        said = [process.communicate(timeout=240) for process in started]
    finally:
        for process in started:
            process.kill()
    return [(process.returncode, *streams) for process, streams in zip(started, said, strict=True)]


DIVIDED = {
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT",
}

ACCELERATE_FILES = Path(__file__).parents[2] / "recipes" / "accelerate"
TORCHRUN = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--no-python"]
ACCELERATE = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"]
ACCELERATE += ["--mixed_precision", "no", "--dynamo_backend", "no", "--no_python"]


def flags(options: dict[str, Any]) -> list[str]:
    return [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", str(value))]


@pytest.fixture(scope="module")
def alone(options: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One process, twice the batch."""
    output = tmp_path_factory.mktemp("alone") / "run"
    finetune_cls.run(finetune_cls.Config(**options, batch_size=8, output=output))
    return output


@pytest.fixture(scope="module")
def together(
    options: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> tuple[subprocess.CompletedProcess[str], Path]:
    output = tmp_path_factory.mktemp("together") / "run"
    done = launch(TORCHRUN, output.parent, "finetune-cls", *flags(options), "--batch-size", 4, "--output", output)
    assert done.returncode == 0, done.stdout + done.stderr
    return done, output


def test_the_order_does_not_depend_on_how_a_batch_is_divided() -> None:
    """16 rows a step: by one process, by two, or by two with two accumulated batches each."""
    lengths = [5 + i % 23 for i in range(85)]
    order = list(LengthBatchSampler(lengths, 16, seed=1))
    assert sorted(order) == list(range(85))

    from accelerate.data_loader import BatchSamplerShard
    from torch.utils.data import BatchSampler

    for processes, size in ((1, 16), (2, 8), (2, 4)):
        sampler = LengthBatchSampler(lengths, 16, seed=1)
        shards = [
            list(BatchSamplerShard(BatchSampler(sampler, size, False), processes, rank)) for rank in range(processes)
        ]
        per_step = 16 // (processes * size)
        for step in range(85 // 16):
            seen = [
                row for shard in shards for batch in shard[step * per_step : (step + 1) * per_step] for row in batch
            ]
            assert sorted(seen) == sorted(order[step * 16 : (step + 1) * 16])


def require_same_course(several: Path, alone: Path) -> None:
    """They have the losses, the choices and the weights of one process."""
    record, single = (json.loads((run / "nlpkit.json").read_text()) for run in (several, alone))
    assert record["steps"] == single["steps"] == 10
    assert record["best_step"] == single["best_step"]
    assert record["rows"] == single["rows"]
    for name, precision in (("loss", 1e-3), ("eval_loss", 1e-5)):
        losses = [
            [logged[name] for logged in map(json.loads, (run / "metrics.jsonl").open()) if name in logged]
            for run in (several, alone)
        ]
        assert losses[0] == pytest.approx(losses[1], rel=precision), name
    for split, metrics in single["metrics"].items():
        assert record["metrics"][split] == pytest.approx(metrics, abs=1e-3), split
    require_same_weights(several, alone)


def require_same_weights(several: Path, alone: Path) -> None:
    mine, theirs = load_file(several / "model.safetensors"), load_file(alone / "model.safetensors")
    assert mine.keys() == theirs.keys()
    for name in theirs:
        torch.testing.assert_close(mine[name], theirs[name], rtol=1e-3, atol=1e-4)


def test_same_course_as_one_process(alone: Path, together: Any) -> None:
    require_same_course(together[1], alone)
    assert [json.loads((run / "nlpkit.json").read_text())["processes"] for run in (together[1], alone)] == [2, 1]


def test_one_set_of_files_and_one_voice(alone: Path, together: Any) -> None:
    done, output = together
    assert sorted(p.name for p in output.iterdir()) == sorted(p.name for p in alone.iterdir())
    steps = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in steps if "loss" in line] == list(range(1, 11))
    for once in ("validation  ", "next: nlpkit predict", "best checkpoint at step", "plan\n"):
        assert done.stdout.count(once) == 1, done.stdout
    assert "10 of 16 rows" in done.stdout
    assert done.stderr.strip() == ""


def test_user_error_is_said_once(options: dict[str, Any], together: Any, tmp_path: Path) -> None:
    """A refusal that only the first process sees ends all of them."""
    arguments = [*flags(options), "--batch-size", 4, "--output", together[1]]
    done = launch(TORCHRUN, tmp_path, "finetune-cls", *arguments)
    assert done.returncode != 0
    assert done.stderr.count("holds a finished run") == 1
    assert done.stderr.count("nlpkit: ") == 1


def test_outputs_of_any_length_are_gathered_in_order(tmp_path: Path, tiny_model: Path) -> None:
    """Two processes tag rows that do not divide evenly as one does: each sentence has as many outputs as words."""
    made = rows(75, seed=7)
    for split, part in (("train", made[:48]), ("validation", made[48:])):
        tagged = [
            {"tokens": words, "ner_tags": ["B-good" if word in GOOD else "O" for word in words]}
            for words in (row["text"].split() for row in part)
        ]
        write_jsonl(tmp_path / f"{split}.jsonl", tagged)
    options = {"data": str(tmp_path), "model": str(tiny_model), "epochs": 2, "learning_rate": 1e-2, "dropout": 0.0}
    options |= {"device": "cpu", "threads": 1, "eval_batch_size": 8}
    alone = finetune_ner.run(finetune_ner.Config(**options, batch_size=8, output=tmp_path / "alone")).record
    arguments = [*flags(options), "--batch-size", 4, "--output", tmp_path / "run", "--json"]
    (first, document, errors), (second, nothing, _) = ranks(tmp_path, "finetune-ner", *arguments)
    assert (first, second, nothing) == (0, 0, ""), errors
    metrics = json.loads(document)["metrics"]
    assert 0.1 < metrics["validation"]["f1"] < 1
    for split, values in alone["metrics"].items():
        assert metrics[split] == pytest.approx(values, abs=2e-2), split


def test_texts_of_all_processes_are_negatives(tmp_path: Path, tiny_model: Path) -> None:
    """A loss that compares the rows of a batch compares those that all processes have in a step; the last one has rows
    enough for each to have as many."""
    pairs = [{"anchor": row["text"], "positive": f"{row['text'].split()[0]} {i}"} for i, row in enumerate(rows(43))]
    held = write_csv(tmp_path / "validation.csv", pairs[:12])
    train = write_csv(tmp_path / "train.csv", pairs[12:])
    options = {
        "train_file": str(train),
        "validation_file": str(held),
        "model": str(tiny_model),
        "epochs": 1,
        "max_steps": 3,
        "learning_rate": 3e-3,
        "dropout": 0.0,
        "device": "cpu",
        "threads": 1,
        "logging_steps": 1,
    }
    single = {name: [value] if name.endswith("_file") else value for name, value in options.items()}
    finetune_embed.run(finetune_embed.Config(**single, batch_size=8, output=tmp_path / "alone"))
    output = tmp_path / "together"
    forked.imported("sentence_transformers.sentence_transformer.losses", commands=True)
    done = launch(TORCHRUN, tmp_path, "finetune-embed", *flags(options), "--batch-size", 4, "--output", output)
    assert done.returncode == 0, done.stdout + done.stderr
    require_same_weights(output, tmp_path / "alone")


WHOLE = """
from nlpkit.tasks.sentence_embedding.losses import denoising
denoising.noisy = lambda column, tokenizer: dict(column)  # which tokens go is drawn in each process
"""


def test_a_decoder_that_shares_weights_learns_as_in_one_process(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TSDAE: DDP waits for each weight of the encoder once, and the decoder reads it again; a step has its mean over
    all tokens that are written, however they are divided."""
    train = write_jsonl(tmp_path / "train.jsonl", [{"text": row["text"]} for row in rows(26)])
    scored = [
        {"sentence1": row["text"], "sentence2": row["text"][::-1], "score": i % 5} for i, row in enumerate(rows(8))
    ]
    held = write_csv(tmp_path / "validation.csv", scored)
    options = {"model": str(tiny_model), "loss": "tsdae", "max_steps": 3, "gradient_accumulation_steps": 2}
    options |= {"train_file": str(train), "validation_file": str(held), "learning_rate": 3e-3, "dropout": 0.0}
    options |= {"device": "cpu", "threads": 1, "logging_steps": 1}
    forked.imported("sentence_transformers.sentence_transformer.losses", commands=True)
    done = ranks(
        tmp_path, "finetune-embed", *flags(options), "--batch-size", 2, "--output", "together", first=HERE + WHOLE
    )
    assert [code for code, _, _ in done] == [0, 0], done
    monkeypatch.setattr(denoising, "noisy", lambda column, tokenizer: dict(column))
    single = {name: [value] if name.endswith("_file") else value for name, value in options.items()}
    finetune_embed.run(finetune_embed.Config(**single, batch_size=4, output=tmp_path / "alone"))
    require_same_weights(tmp_path / "together", tmp_path / "alone")


def test_distillation_with_a_projection_learns_as_one_process_does(
    run_of: RunOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A student narrower than its teacher, all losses on hidden states, batches that do not divide evenly by steps."""
    monkeypatch.setenv("NLPKIT_CACHE", str(tmp_path / "cache"))
    narrow = make_model(tmp_path / "narrow", hidden_size=16, intermediate_size=32)
    options = {"student": str(narrow), "hidden_weight": 1.0, "cosine_weight": 1.0, "dropout": 0.0, "max_steps": 2}
    options |= {"gradient_accumulation_steps": 2, "learning_rate": 3e-3, "logging_steps": 1, "measure_seconds": 0}
    options |= {"device": "cpu", "threads": 1}
    teacher = run_of("classification")
    alone, together = tmp_path / "alone", tmp_path / "together"
    distill.run(distill.Config(**options, teacher=str(teacher), batch_size=6, output=alone))
    arguments = [*flags(options), "--batch-size", 3, "--output", together]
    for code, _, errors in ranks(tmp_path, "distill", teacher, *arguments):
        assert code == 0, errors
    norms = [
        [json.loads(line)["grad_norm"] for line in (run / "metrics.jsonl").read_text().splitlines() if "grad" in line]
        for run in (alone, together)
    ]
    assert norms[0] == pytest.approx(norms[1], rel=1e-3)
    require_same_weights(together, alone)


def test_accelerate_launch(options: dict[str, Any], alone: Path, tmp_path: Path) -> None:
    """Also with rows that do not divide evenly, and with one JSON document for both processes."""
    # accelerate starts several processes only under this flag; that they use the CPU is said by --device
    output = tmp_path / "run"
    arguments = [*flags(options), "--batch-size", 4, "--max-train-samples", 65, "--output", output, "--json"]
    done = launch(ACCELERATE, tmp_path, "finetune-cls", *arguments)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["processes"] == 2
    assert record["rows"]["train"] == 65
    assert "train: 1 row is trained on twice in each epoch" in done.stderr
    assert record["steps"] == 10
    assert sorted(p.name for p in output.iterdir()) == sorted(p.name for p in alone.iterdir())


@pytest.mark.parametrize("path", sorted(ACCELERATE_FILES.glob("*.yaml")), ids=lambda path: path.stem)
def test_configurations_that_ship_are_those_of_accelerate(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads each without an unknown key, and gives its processes what nlpkit takes."""
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser
    from accelerate.utils import DeepSpeedPlugin, FullyShardedDataParallelPlugin
    from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env

    config = load_config_from_file(str(path))
    given = ["--config_file", str(path), "-m", "nlpkit", "env"]
    arguments, _, _ = _validate_launch_command(launch_command_parser().parse_args(given))
    assert (arguments.num_processes, arguments.num_machines) == (config.num_processes, config.num_machines)
    if config.distributed_type == "DEEPSPEED":  # which accelerate has told it by then
        arguments.deepspeed_fields_from_accelerate_config = ",".join(config.deepspeed_config)
        _, passed = prepare_deepspeed_cmd_env(arguments)
    else:
        passed = prepare_multi_gpu_env(arguments)
    for name, value in passed.items():
        if name.startswith(("ACCELERATE_", "FSDP_")):
            monkeypatch.setenv(name, value)
    process.require_known_division()
    assert process.launched_precision() is None  # --precision says it
    monkeypatch.setenv("WORLD_SIZE", "2")
    divides = path.stem.startswith("fsdp2")
    assert process.divides_models() == divides
    if divides:
        plugin = FullyShardedDataParallelPlugin()
        assert (plugin.fsdp_version, plugin.cpu_ram_efficient_loading) == (2, False)
        assert plugin.reshard_after_forward == (path.stem != "fsdp2-gathered")
        assert bool(getattr(plugin.cpu_offload, "pin_memory", False)) == (path.stem == "fsdp2-offload")
    assert process.launched_for_deepspeed() == (path.stem == "deepspeed-zero2")
    if process.launched_for_deepspeed():
        settings = DeepSpeedPlugin().deepspeed_config
        assert settings["zero_optimization"]["stage"] == 2
        assert settings["gradient_accumulation_steps"] == settings["gradient_clipping"] == "auto"


@pytest.mark.parametrize(
    ("variables", "what", "instead"),
    [
        ({"FSDP_VERSION": "1"}, "asks for FSDP1", "fsdp_version: 2"),
        ({"FSDP_VERSION": "2", "FSDP_CPU_RAM_EFFICIENT_LOADING": "true"}, "fsdp_cpu_ram_efficient_loading", "false"),
        ({"FSDP_VERSION": "2", "FSDP_ACTIVATION_CHECKPOINTING": "true"}, "checkpointing", "--gradient-checkpointing"),
    ],
)
def test_a_division_that_would_give_another_model_is_refused(
    variables: dict[str, str], what: str, instead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"ACCELERATE_USE_FSDP": "true", **variables}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=what) as refused:
        finetune_cls.run(finetune_cls.Config(data="none.csv", model="none"))
    assert instead in str(refused.value.hint)


def test_deepspeed_is_taken_as_far_as_a_run_needs_no_state_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its state would be pickled objects; ZeRO-3 leaves no process a model that could be written."""
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    asked: dict[str, Any] = {"data": "none.csv", "model": "none", "output": "none"}
    with pytest.raises(UserError, match="--resume: DeepSpeed would keep its state as pickled objects") as refused:
        finetune_cls.run(finetune_cls.Config(**asked, resume=True))
    assert "fsdp2-gathered.yaml" in str(refused.value.hint)
    with pytest.raises(UserError, match="--optimizer muon: DeepSpeed divides"):
        muon.of_model(torch.nn.Linear(2, 2), set(), learning_rate=0.1, weight_decay=0.0, betas=(0.9, 0.99), eps=1e-8)
    monkeypatch.setenv("ACCELERATE_DEEPSPEED_ZERO_STAGE", "3")
    with pytest.raises(UserError, match="more than ZeRO-1 or ZeRO-2") as refused:
        finetune_cls.run(finetune_cls.Config(**asked))
    assert "fsdp2.yaml" in str(refused.value.hint)


def test_weights_that_a_loss_or_masks_share_are_not_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("WORLD_SIZE", "2")
    for feature, named in ((OwnWeights([]), "tsdae"), (GradualPruning(SimpleNamespace()), "masks")):
        with pytest.raises(UserError, match=named):
            NlpkitTrainer(
                task=SimpleNamespace(),
                splits={},
                features=[feature],
                args=SimpleNamespace(gradient_accumulation_steps=1),
            )


@pytest.mark.parametrize(("precision", "given"), [("fp16", {}), ("fp32", {"compile": True})])
def test_what_a_divided_model_is_not_trained_with_is_refused(
    precision: str, given: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**DIVIDED, "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    config = finetune_cls.Config(data="none.csv", **given)
    with pytest.raises(UserError, match="is for whole models"):
        training_arguments(
            config,
            tmp_path,
            Device("cuda", precision, "a GPU"),
            main_metric="accuracy",
            higher_is_better=True,
            steps=1,
        )


def test_a_divided_model_learns_as_a_whole_one(options: dict[str, Any], alone: Path, tmp_path: Path) -> None:
    """FSDP2 as the configuration that ships asks for it: the same losses, files and weights."""
    output = tmp_path / "run"
    launcher = [
        "-m",
        "accelerate.commands.launch",
        "--config_file",
        str(ACCELERATE_FILES / "fsdp2.yaml"),
        "--no_python",
    ]
    arguments = [*flags(options), "--batch-size", 4, "--output", output, "--keep-checkpoints"]
    done = launch(launcher, tmp_path, "finetune-cls", *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == ""
    assert "2 processes that divide the weights (FSDP2)" in done.stdout
    require_same_course(output, alone)
    assert {path.name for path in output.iterdir()} == {path.name for path in alone.iterdir()} | {"checkpoints"}
    for checkpoint in (output / "checkpoints").iterdir():  # nothing that only such a run could read
        names = {"model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state_0.pth", "rng_state_1.pth"}
        assert names <= {path.name for path in checkpoint.iterdir()}
        assert not any(path.is_dir() for path in checkpoint.iterdir())


@pytest.mark.parametrize("saves", [True, False])
def test_folder_is_removed_only_by_the_process_that_made_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saves: bool
) -> None:
    """A process that does not save sees the folder appear while the first one is making it."""
    folder = tmp_path / "run" / "checkpoints"

    def made(trainer: Any, args: Any) -> None:
        trainer.args = args
        folder.mkdir(parents=True)

    monkeypatch.setattr(Trainer, "__init__", made)
    ResumableTrainer(args=SimpleNamespace(output_dir=str(folder), should_save=saves))
    assert folder.parent.exists() is not saves


@pytest.mark.parametrize(
    ("variable", "what"),
    [
        ("ACCELERATE_USE_MEGATRON_LM", "Megatron-LM"),
        ("ACCELERATE_USE_PARALLELISM_CONFIG", "a parallelism config"),
    ],
)
def test_a_model_divided_in_another_way_is_refused_before_anything_is_read(
    variable: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of what is named here is there."""
    monkeypatch.setenv(variable, "true")
    asked: dict[str, Any] = {"data": str(tmp_path / "none.csv"), "output": tmp_path / "run"}
    for run in (
        lambda: finetune_cls.run(finetune_cls.Config(**asked, model="none")),
        lambda: pretrain_mlm.run(pretrain_mlm.Config(**asked, model="none")),
        lambda: distill.run(distill.Config(**asked, teacher="none", student_layers="1")),
        lambda: prune.run(prune.Config(**asked, model="none", what="weights", sparsity=0.5)),
    ):
        with pytest.raises(UserError, match=f"asks for {what}: nlpkit trains with a whole model in each process"):
            run()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (["predict", "RUN", "--input", "rows.csv"], "predict"),
        (["evaluate", "RUN"], "evaluate"),
        (["quantize", "RUN"], "quantize"),
        (["train-tokenizer", "--data", "text.txt"], "train-tokenizer"),
        (["prune", "RUN", "--sweep", "0.3,0.5"], "prune --sweep"),
    ],
)
def test_what_one_process_does_is_refused_in_several(
    command: list[str], named: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each would do all of it, into the same files."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(command) == 2
    said = capsys.readouterr().err
    assert f"{named} works in one process, and 2 were begun" in said and f"nlpkit {named} ..." in said


# What is done in one of two processes. They look often whether the other fails; one that waits for the other, as NCCL
# lets it, waits in C.
HERE = """
import os, signal, sys, time, torch
from nlpkit.cli.app import main
from nlpkit.errors import UserError
from nlpkit.experiment import finetune
from nlpkit.training import together
from nlpkit.training.trainer import NlpkitTrainer
together.LOOK, together.GRACE, rank = 0.1, 0.3, int(os.environ["RANK"])
def replaced(owner, name, changed):
    original = getattr(owner, name)
    setattr(owner, name, lambda *given, **named: changed(original, *given, **named))
"""
SPENT = """
def step(original, self, *given):
    if self.state.global_step == 3:
        if rank == {rank}:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        time.sleep(600)
    return original(self, *given)
replaced(NlpkitTrainer, "training_step", step)
"""
UNSAVED = """
def saved(original, *given):
    time.sleep(1 - rank)
    original(*given)
    if rank == 1:
        raise ValueError("the network file system is gone")
replaced(NlpkitTrainer, "_save_rng_state", saved)
"""
UNREADABLE = """
def opened(original, *given):
    if rank == 1:
        raise UserError("this disk has another train.csv", "Copy it.")
    return original(*given)
replaced(finetune, "_open_data", opened)
"""
NOT_A_NUMBER = """
replaced(NlpkitTrainer, "training_step", lambda original, *given: original(*given) * float("nan"))
"""


@pytest.mark.parametrize(("rank", "said"), [(1, "nlpkit: rank 1 of 2 failed: out of"), (0, "nlpkit: out of memory")])
def test_out_of_memory_in_one_process_ends_all(rank: int, said: str, options: dict[str, Any], tmp_path: Path) -> None:
    """With one message, though one of them waits for the other; the run goes on from the last checkpoint."""
    output = tmp_path / "run"
    arguments = ["finetune-cls", *flags(options), "--batch-size", 4, "--eval-steps", 3, "--output", output]
    (code, document, errors), (other, nothing, silence) = ranks(
        tmp_path, *arguments, "--json", first=HERE + SPENT.format(rank=rank)
    )
    assert (code, other) == (1, 1)
    assert said in errors and errors.count("nlpkit: ") == 1
    assert errors.rstrip().endswith("Lower --batch-size or --max-length, or add --gradient-checkpointing.")
    assert "nlpkit: ".join(["", json.loads(document)["error"]["message"]]) in errors
    assert (nothing, silence) == ("", "")
    assert not (output / ".lock").exists()
    found = last_checkpoint(output / "checkpoints")
    assert found is not None and found.name == "checkpoint-3"


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_out_of_memory_in_one_process_ends_one_that_waits_in_nccl(options: dict[str, Any], tmp_path: Path) -> None:
    asked = {**options, "device": "cuda", "eval_steps": 3, "batch_size": 4, "output": tmp_path / "run"}
    first = HERE + SPENT.format(rank=1).replace("time.sleep(600)", "pass")
    (code, _, errors), (other, _, _) = ranks(tmp_path, "finetune-cls", *flags(asked), first=first)
    assert (code, other) == (1, 1)
    assert "nlpkit: rank 1 of 2 failed: out of memory with --batch-size 4" in errors


def test_what_the_main_process_is_saving_is_whole(options: dict[str, Any], tmp_path: Path) -> None:
    """The other one fails meanwhile."""
    output = tmp_path / "run"
    arguments = ["finetune-cls", *flags(options), "--batch-size", 4, "--eval-steps", 3, "--output", output]
    (code, _, errors), (other, _, silence) = ranks(tmp_path, *arguments, first=HERE + UNSAVED)
    assert (code, other, silence) == (1, 1, "")
    assert errors == "nlpkit: rank 1 of 2 failed: ValueError: the network file system is gone\n"
    found = last_checkpoint(output / "checkpoints")
    assert found is not None and found.name == "checkpoint-3"


def test_an_error_of_another_process_before_training_is_said(options: dict[str, Any], tmp_path: Path) -> None:
    arguments = ["finetune-cls", *flags(options), "--batch-size", 4, "--output", tmp_path / "run"]
    (code, _, errors), (other, _, silence) = ranks(tmp_path, *arguments, first=HERE + UNREADABLE)
    assert (code, other, silence) == (1, 2, "")
    assert errors == "nlpkit: rank 1 of 2 failed: this disk has another train.csv\n  Copy it.\n"


def test_what_is_wrong_for_all_is_said_as_of_one(options: dict[str, Any], tmp_path: Path) -> None:
    arguments = ["finetune-cls", *flags(options), "--batch-size", 4, "--output", tmp_path / "run"]
    (code, _, errors), (other, _, _) = ranks(tmp_path, *arguments, first=HERE + NOT_A_NUMBER)
    assert (code, other) == (1, 1)
    assert errors.startswith("nlpkit: the loss is nan at step 1\n") and errors.count("nlpkit: ") == 1


KILLED = """
def step(original, self, *given):
    if self.state.global_step == 3 and rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(self, *given)
replaced(NlpkitTrainer, "training_step", step)
"""


def test_a_process_that_is_killed_is_told_of(options: dict[str, Any], tmp_path: Path) -> None:
    """A launcher ends the others as soon as it notices: they do not wait for it."""
    arguments = ["finetune-cls", *flags(options), "--batch-size", 4, "--output", tmp_path / "run"]
    (code, _, errors), (other, _, _) = ranks(tmp_path, *arguments, first=HERE + KILLED)
    assert (code, other) == (1, -9)
    assert errors.startswith("nlpkit: a process that trained with this one is gone: it was killed")
    assert errors.count("nlpkit: ") == 1


SIGNALLED = """
together.EVERY = 0
def clip(original, self, *given):
    if self.state.global_step == 6 and rank == 1:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
    return original(self, *given)
replaced(NlpkitTrainer, "_clip_grad_norm", clip)
def state(original, *given):
    time.sleep(0.5)
    original(*given)
replaced(NlpkitTrainer, "_save_optimizer_and_scheduler", state)
def ended():
    if rank == 1:
        open("files", "w").write(" ".join(os.listdir("run/checkpoints/checkpoint-7")))
import atexit
atexit.register(ended)
"""


def test_a_signal_to_one_process_ends_all_at_one_step(
    options: dict[str, Any], together: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where a launcher passes it on again; none before the state is saved. They go on to the same weights."""
    output = tmp_path / "run"
    arguments = ["finetune-cls", *flags(options), "--batch-size", 4, "--output", output]
    (code, _, errors), (other, _, silence) = ranks(tmp_path, *arguments, first=HERE + SIGNALLED)
    assert (code, other, silence) == (130, 130, ""), errors
    assert "interrupted at step 7 of 10; the state is saved" in errors
    assert {"optimizer.pt", "trainer_state.json"} <= set((tmp_path / "files").read_text().split())
    shutil.copytree(output, tmp_path / "copy")
    if Version(transformers.__version__) < Version("5.18"):
        pytest.skip("transformers 5.17 cannot load an optimizer onto one of several CPU processes")
    (code, said, errors), (other, _, _) = ranks(tmp_path, *arguments, "--resume")
    assert (code, other) == (0, 0), errors
    assert "resuming from step 7" in said
    assert (output / "model.safetensors").read_bytes() == (together[1] / "model.safetensors").read_bytes()
    # with another number of processes batches are as large as makes as many rows a step; else it is refused
    capsys.readouterr()
    resumed = ["finetune-cls", "--output", str(tmp_path / "copy"), "--resume"]
    assert main([*resumed, "--batch-size", "4", "--json"]) == 2
    said = json.loads(capsys.readouterr().out)["error"]
    assert "begun with 16 rows per step; 1 x --batch-size 4 x --gradient-accumulation-steps 2 are 8" in said["message"]
    assert "--gradient-accumulation-steps 4, or start 2 processes" in said["hint"]
    assert main(resumed) == 0
    said = capsys.readouterr().out
    assert "2 processes x --batch-size 4 x --gradient-accumulation-steps 2 become 1 x 4 x 4: as before 16 rows" in said
    assert "begun with 2 processes and goes on with 1: random numbers are others" in said
    assert json.loads((tmp_path / "copy" / "nlpkit.json").read_text())["steps"] == 10
    require_same_weights(tmp_path / "copy", together[1])  # they have no dropout


def interrupting(at: int) -> Any:
    """What clips gradients, and is interrupted at a step."""
    original = NlpkitTrainer._clip_grad_norm

    def clip(self: Any, *given: Any) -> Any:
        if self.state.global_step == at:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, *given)

    return clip


@pytest.mark.skipif(Version(transformers.__version__) < Version("5.18"), reason="cannot load an optimizer")
def test_a_divided_run_and_a_whole_one_go_on_as_each_other(
    options: dict[str, Any], alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process begins with a whole model, two go on that divide it, and are interrupted; one ends it."""
    output = tmp_path / "run"
    monkeypatch.setenv("NLPKIT_CACHE", str(tmp_path / "cache"))
    with pytest.raises(Interrupted), monkeypatch.context() as patched:
        patched.setattr(NlpkitTrainer, "_clip_grad_norm", interrupting(at=3))
        finetune_cls.run(finetune_cls.Config(**options, batch_size=8, output=output))
    for name, value in DIVIDED.items():
        monkeypatch.setenv(name, value)
    resumed = ["finetune-cls", "--output", output, "--resume"]
    (code, said, errors), (other, _, _) = ranks(tmp_path, *resumed, first=HERE + SIGNALLED)
    assert (code, other) == (130, 130), said + errors
    assert "1 process x --batch-size 8 x --gradient-accumulation-steps 2 become 2 x 8 x 1: as before 16 rows" in said
    monkeypatch.delenv("ACCELERATE_USE_FSDP")
    assert main([str(part) for part in resumed]) == 0
    require_same_course(output, alone)


AHEAD = """
import torch.distributed as dist
from nlpkit.pretraining.trainer import PretrainingTrainer
from nlpkit.training.schedules import Budget
replaced(Budget, "seconds", lambda original, self: original(self) + (6 * rank if self.start else 0))
reductions, rates = [], []
replaced(dist, "all_reduce", lambda original, *given, **named: (reductions.append(1), original(*given, **named))[1])
def step(original, self, *given):
    rates.append(self.lr_scheduler.get_last_lr()[0])
    return original(self, *given)
replaced(PretrainingTrainer, "training_step", step)
def beside_nccl(original, mine):
    real, dist.get_backend = dist.get_backend, lambda: "nccl"
    try:
        return original(mine)
    finally:
        dist.get_backend = real
replaced(together, "largest", beside_nccl)
import atexit, json, pathlib
def ended():
    group = dist.get_backend(together._on_the_cpu()) if together._group else None
    pathlib.Path(f"rank{rank}.json").write_text(json.dumps([len(reductions), rates, group]))
atexit.register(ended)
"""


def test_learning_rates_by_time_are_the_same_in_all_processes(tmp_path: Path, tiny_model: Path) -> None:
    """Their clocks are not; and a step costs at most one reduction besides that of the gradients."""
    (tmp_path / "text.txt").write_text("\n".join(row["text"] for row in rows(200)), encoding="utf-8")
    arguments = ["--data", "text.txt", "--model", tiny_model, "--max-length", 32, "--batch-size", 4, "--max-steps", 24]
    arguments += ["--max-minutes", 1, "--logging-steps", 100, "--device", "cpu", "--threads", 1, "--output", "run"]
    done = ranks(tmp_path, "pretrain-mlm", *arguments, first=HERE + AHEAD)
    assert [code for code, _, _ in done] == [0, 0], done
    (count, rates, group), (other_count, other_rates, other_group) = (
        json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in range(2)
    )
    assert len(rates) == 24 and rates == other_rates
    assert min(rates) < 0.92 * max(rates)  # the clock that is ahead counts
    assert count == other_count <= 24 + 3
    assert group == other_group == "gloo"  # where gradients are reduced by another, too
