"""Names that people bring from Trainer and the example scripts: each is decided, and the page says how."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainingArguments

from nlpkit import trainer_fields
from nlpkit.cli import aliases, slips
from nlpkit.cli.app import main
from nlpkit.errors import UserError
from nlpkit.recipes import (
    distill,
    evaluate,
    finetune_cls,
    finetune_ner,
    finetune_qa,
    finetune_seq2seq,
    pretrain_mlm,
    prune,
)
from nlpkit.reporting import Report

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "coming-from-trainer.md"

# Names that are no fields of TrainingArguments, under the title of their table, with the command that stands for it.
OTHERS: dict[str, tuple[Any, str]] = {
    "TrainingArguments of earlier releases": (
        finetune_cls,
        "adafactor dispatch_batches evaluation_strategy fp16_backend fp16_opt_level group_by_length "
        "half_precision_backend include_inputs_for_metrics include_tokens_per_second jit_mode_eval logging_dir no_cuda "
        "overwrite_output_dir per_gpu_eval_batch_size per_gpu_train_batch_size save_safetensors sharded_ddp "
        "split_batches torchdynamo tpu_num_cores use_ipex use_legacy_prediction_loop use_mps_device warmup_ratio "
        "xpu_backend",
    ),
    "Arguments that the scripts share": (
        finetune_cls,
        "model_name_or_path config_name tokenizer_name cache_dir model_revision token use_auth_token "
        "trust_remote_code use_fast_tokenizer dataset_name dataset_config_name train_file validation_file test_file "
        "max_seq_length overwrite_cache pad_to_max_length preprocessing_num_workers max_train_samples "
        "max_eval_samples max_predict_samples",
    ),
    "run_glue.py, run_classification.py: finetune-cls": (
        finetune_cls,
        "task_name ignore_mismatched_sizes do_regression text_column_names text_column_delimiter label_column_name "
        "shuffle_train_dataset shuffle_seed metric_name remove_splits remove_columns train_split_name "
        "validation_split_name test_split_name",
    ),
    "run_ner.py: finetune-ner": (
        finetune_ner,
        "task_name text_column_name label_column_name label_all_tokens return_entity_level_metrics "
        "ignore_mismatched_sizes",
    ),
    "run_qa.py: finetune-qa": (
        finetune_qa,
        "question_column_name context_column_name answer_column_name predict_file doc_stride max_answer_length "
        "n_best_size version_2_with_negative null_score_diff_threshold",
    ),
    "run_translation.py, run_summarization.py: finetune-seq2seq": (
        finetune_seq2seq,
        "source_lang target_lang text_column summary_column source_prefix max_source_length max_target_length "
        "val_max_target_length num_beams ignore_pad_token_for_loss forced_bos_token resize_position_embeddings "
        "predict_with_generate generation_max_length generation_num_beams sortish_sampler",
    ),
    "run_mlm.py: pretrain-mlm": (
        pretrain_mlm,
        "model_type config_overrides dtype torch_dtype low_cpu_mem_usage mlm_probability line_by_line streaming "
        "validation_split_percentage max_train_samples",
    ),
    "The scripts without a Trainer": (
        finetune_cls,
        "num_warmup_steps max_train_steps checkpointing_steps with_tracking",
    ),
    "Scripts of earlier releases": (
        pretrain_mlm,
        "train_data_file eval_data_file mlm do_lower_case evaluate_during_training",
    ),
}
VALUES = {"dtype": "float32", "torch_dtype": "float32", "eval_strategy": "epoch", "evaluation_strategy": "epoch"}
VALUES |= {"train_sampling_strategy": "random", "validation_split_percentage": "5", "task_name": "NAME"}
VALUES |= {"source_lang": "en_XX", "target_lang": "de"}
VALUES |= {"warmup_ratio": "0.1", "resume_from_checkpoint": "True", "do_train": "True"}


def dashed(name: str) -> str:
    return name.replace("_", "-")


def known(module: Any) -> set[str]:
    return {dashed(name) for name in module.Config.known_fields()}


def outcome(name: str, module: Any) -> str:
    """What becomes of a name, as the page says it."""
    flag = dashed(name)
    if flag in aliases.ENVIRONMENT:
        return "the environment of this command: " + ", ".join(f"`{each}`" for each in aliases.ENVIRONMENT[flag])
    given = VALUES.get(name, "VALUE")
    field = name in trainer_fields.SWITCHES or name in trainer_fields.SETTLED or flag in aliases.RENAMED
    switch = flag in aliases.RENAMED and not aliases.RENAMED[flag][1]
    switch |= name in trainer_fields.SWITCHES or (
        field and name in trainer_fields.SETTLED and name not in trainer_fields.SETTLED_VALUES
    )
    switch |= "=" in aliases.SAME.get(flag, "") and not aliases.SAME[flag].startswith("trainer")
    bools = {dashed(each) for each, info in module.Config.known_fields().items() if info.annotation is bool}
    switch |= flag in bools or aliases.SAME.get(flag) in bools
    if name in trainer_fields.SETTLED and flag in known(module):
        return f"another option has this name here: `--{flag}`"
    if name in trainer_fields.REFUSED:
        return f"refused: {trainer_fields.REFUSED[name][0]}"
    try:
        out, said = aliases.translate([f"--{name}", *([] if switch else [given])], known(module), bools)
    except UserError as error:
        return f"refused: {error.message.partition(': ')[2]}"
    unknown = [each for each in out if each.startswith("--") and each[2:].partition("=")[0] not in known(module)]
    if unknown:
        return f"refused: {module.COMMAND} has no such option"
    text = f"`{' '.join(out)}`" if out else "passed over"
    if name in trainer_fields.PASSED and out:
        text = f"`--trainer {name}=VALUE`"
    line = said[0].partition(": ")[2] if said else ""
    plain = line.replace("`", "")
    return text if not line or f"`{plain}`" == text else f"{text}: {line}"


def names() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Titles of the tables, and their rows."""
    decided = sorted(
        {*trainer_fields.OPTIONS, *trainer_fields.PASSED, *trainer_fields.SETTLED, *trainer_fields.REFUSED}
    )
    yield "TrainingArguments", [(name, outcome(name, finetune_cls)) for name in decided]
    for title, (module, own) in OTHERS.items():
        yield title, [(name, outcome(name, module)) for name in own.split()]


def tables() -> str:
    parts = []
    for title, rows in names():
        # what is quoted in a row may not end its cell
        lines = [f"| `{name}` | {text.replace('|', '/')} |" for name, text in rows]
        parts.append("\n".join([f"### {title}", "", "| name | here |", "|---|---|", *lines]))
    return "\n\n".join(parts) + "\n"


def test_the_page_says_what_becomes_of_every_name() -> None:
    """Where this fails, what it prints belongs below `## Names`."""
    print(tables())
    assert PAGE.read_text(encoding="utf-8").partition("## Names\n\n")[2] == tables()


def test_no_name_is_left_to_chance() -> None:
    current = {field.name for field in dataclasses.fields(TrainingArguments) if field.init}
    listed = {name for _, rows in names() for name, _ in rows}
    assert current <= listed
    unsaid = [name for _, rows in names() for name, text in rows if text == f"`--{name} VALUE`" and "_" in name]
    assert not [name for name in unsaid if dashed(name) not in known(finetune_cls) | known(pretrain_mlm)]


@pytest.mark.parametrize("module", [finetune_ner, finetune_qa, pretrain_mlm, distill, prune])
def test_every_training_command_takes_the_fields(module: Any) -> None:
    """What finetune-cls takes, the others take."""
    taken = set(trainer_fields.OPTIONS) | set(trainer_fields.PASSED) | set(trainer_fields.SETTLED)
    refused = [name for name in sorted(taken) if outcome(name, module).startswith("refused")]
    assert refused == ["label_smoothing_factor"]


@pytest.fixture
def resolved(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """The Config that a `finetune-cls` command line means, and what was said; its run is left out."""

    def resolve(*arguments: str) -> tuple[finetune_cls.Config, str]:
        seen: list[finetune_cls.Config] = []
        monkeypatch.setattr(finetune_cls, "run", lambda config: seen.append(config) or Report({}))
        assert main(["finetune-cls", *arguments]) == 0, capsys.readouterr().err
        return seen[0], capsys.readouterr().err

    return resolve


@pytest.mark.parametrize(
    ("arguments", "field", "value"),
    [
        ("--metric_for_best_model eval_accuracy", "best_metric", "accuracy"),
        ("--metric_for_best_model=eval_loss", "best_metric", "loss"),
        ("--max_steps -1", "max_steps", None),
        ("--eval_steps 0.1", "eval_steps", 0.1),
        ("--logging_steps 5e1", "logging_steps", 50),
        ("--lr_scheduler_type constant_with_warmup", "schedule", "constant"),
        ("--lr_scheduler_type warmup_stable_decay", "schedule", "wsd"),
        ("--lr_scheduler_type polynomial", "schedule", "polynomial"),
        ("--lr_scheduler_type constant", "warmup", 0.0),  # that of Trainer has none, whatever is asked for
        ("--lr_scheduler_type constant --warmup_steps 500", "warmup", 0.0),
        ("--warmup_ratio=0.1 --lr_scheduler_type=constant", "warmup", 0.0),
        ("--lr_scheduler_type constant_with_warmup --warmup_steps 500", "warmup", 500.0),
        ("--warmup_steps 500 --warmup_ratio 0.1", "warmup", 500.0),
        ("--warmup_ratio 0.1 --warmup_steps 0", "warmup", 0.1),
        ("--eval_steps 500 --eval_strategy epoch", "eval_steps", None),
        ("--evaluation_strategy=steps --logging_steps=20", "eval_steps", 20),
        ("--evaluation_strategy=steps --logging_steps=20 --eval_steps 0.5", "eval_steps", 0.5),
        ("--run_name 007", "trainer", {"run_name": "007"}),
        ("--run_name 2024-01-01", "trainer", {"run_name": "2024-01-01"}),
        ("--task_name MRPC", "data", "glue:mrpc"),
        ("--resume_from_checkpoint=a/checkpoints/checkpoint-9 --output a", "resume", True),
        ("--split_batches False --fsdp none --hub_token None --config_name=", "trainer", {}),
        ("--max_train_steps 9", "max_steps", 9),
        ("--no_log_on_each_node --no_use_fast_tokenizer --no_bf16", "trainer", {"log_on_each_node": False}),
        ("--no_cuda", "device", "cpu"),
        ("--train_sampling_strategy random", "batching", "random"),
        ("--bf16 1", "precision", "bf16"),
        ("--bf16 no", "precision", "auto"),
        ("--tf32", "precision", "tf32"),
        ("--tf32 False", "precision", "auto"),
        ("--bf16 --tf32 True", "precision", "bf16"),
        ("--tf32 --bf16=False", "precision", "tf32"),
        ("--adam-beta1 9e-1", "trainer", {"adam_beta1": 0.9}),
        ('--lr_scheduler_kwargs={"min_lr":1e-6}', "trainer", {"lr_scheduler_kwargs": {"min_lr": 1e-6}}),
        ("--dataloader_drop_last False --ignore_data_skip false --deepspeed=", "trainer", {}),
        ("--resume_from_checkpoint False", "resume", False),
        ("--resume=0", "resume", False),
        ("--do_regression", "problem", "regression"),
        ("--report_to all", "report_to", "all"),
    ],
)
def test_values_as_the_scripts_take_them(arguments: str, field: str, value: Any, resolved: Any) -> None:
    assert getattr(resolved(*arguments.split())[0], field) == value


def test_a_switch_that_is_off_is_not_said_to_be_on(resolved: Any) -> None:
    assert "--fp16: not set; it is --precision fp16 here" in resolved("--fp16", "False")[1]
    assert "--bf16: --precision bf16" in resolved("--bf16")[1]


def test_what_says_nothing_beside_another_is_told(resolved: Any) -> None:
    """As a Trainer has it, which says nothing."""
    line = "--eval_steps 9 --eval_strategy no --warmup_steps 0 --warmup_ratio 0.1 --hub_model_id me/x"
    said = resolved(*line.split())[1]
    assert "--eval_steps: not used; --eval-strategy no counts beside it" in said
    assert "--warmup_steps: not used; --warmup-ratio counts beside it" in said
    assert "--hub-model-id: nothing is uploaded without --push-to-hub me/x" in said


def test_what_is_passed_over_is_said(resolved: Any) -> None:
    said = resolved("--greater_is_better", "False", "--save_steps", "9", "--remove_unused_columns", "--seed", "7")
    assert said[0].seed == 7
    assert [line.split()[1] for line in said[1].splitlines()] == [
        "--greater_is_better:", "--save_steps:", "--remove_unused_columns:",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--deepspeed ds.json", "--deepspeed: what divides a model is said by"),
        ("--dataloader_drop_last", "--dataloader_drop_last: every row is trained on and judged"),
        ("--config_name x", "--config-name: a model is built as its own config says"),
        ("--fp16=perhaps", "--fp16=perhaps: it is a switch"),
        ("--resume=perhaps", "--resume=perhaps: it is a switch"),
        ("--adam_beta1 --seed 7", "--adam_beta1 needs a value"),
        ("--cache_dir", "--cache_dir needs a value"),
        ("--warmup_ratio 10", "--warmup-ratio 10: it is a share of all steps, below 1"),
        ("--do_train False", "A model is judged by `nlpkit evaluate MODEL --data DATA`"),
        ("--resume_from_checkpoint a/checkpoint-9 --output_dir b", "Write --resume --output a; to begin with"),
        ("--resume_from_checkpoint a/checkpoint-9", "Write --resume --output a."),
        ("--model_type bert", "--model_type: --arch of other commands"),
        ("--torch_dtype bfloat16", "--dtype bfloat16: weights are trained in float32"),
    ],
)
def test_what_is_refused_is_told_with_the_reason(arguments: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["finetune-cls", *arguments.split()]) == 2
    assert said in capsys.readouterr().err


def test_a_field_of_a_release_to_come_is_pointed_to_trainer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trainer_fields, "PASSED", trainer_fields.PASSED - {"adam_beta1"})
    assert main(["finetune-cls", "--adam_beta1", "0.8"]) == 2
    assert "It is a field of TrainingArguments: --trainer adam_beta1=0.8" in capsys.readouterr().err
    assert {field.name for field in dataclasses.fields(TrainingArguments)} >= slips._trainer_fields() > {"seed"}


def test_cache_and_token_are_of_this_command_alone(monkeypatch: pytest.MonkeyPatch, resolved: Any) -> None:
    for name in ("HF_HUB_CACHE", "HF_DATASETS_CACHE", "HF_TOKEN"):
        monkeypatch.setenv(name, "before")
    config, said = resolved("--cache_dir", "here", "--token", "hf_secret", "--use_auth_token", "True")
    assert (os.environ["HF_HUB_CACHE"], os.environ["HF_DATASETS_CACHE"]) == ("here", "here")
    assert os.environ["HF_TOKEN"] == "hf_secret"
    assert "hf_secret" not in said + str(config.record())
    assert len(said.splitlines()) == 3


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("num_train_epochs", "It is 'epochs' here."),
        ("bf16", "It is 'precision' here."),
        ("adam_beta1", "It stands under trainer, adam_beta1: VALUE."),
        ("epoch", "Did you mean 'epochs'?"),
    ],
)
def test_in_a_recipe_and_in_python_names_of_trainer_are_told(name: str, hint: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(f"{name}: 1\n")
    with pytest.raises(UserError) as read:
        finetune_cls.Config.from_sources({}, tmp_path / "recipe.yaml")
    with pytest.raises(UserError) as called:
        finetune_cls.Config(**{name: 1})
    assert read.value.hint == called.value.hint == hint


def test_evaluation_takes_the_batch_size_of_evaluation() -> None:
    assert aliases.translate(["--per_device_eval_batch_size", "8"], known(evaluate))[0] == ["--batch-size", "8"]
