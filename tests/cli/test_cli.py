from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from conftest import Run, rows, write_csv

from nlpkit import __version__
from nlpkit.cli import aliases, manual
from nlpkit.cli.app import main
from nlpkit.cli.registry import COMMANDS
from nlpkit.errors import RunError
from nlpkit.recipes import check_data, finetune_cls, finetune_ner, finetune_qa, finetune_seq2seq, pretrain_mlm
from nlpkit.reporting import Report, Table
from nlpkit.tasks.deferred import DeferredOptions
from nlpkit.tasks.token_classification.tags import Offsets

SPEECH = {"help", "help-all", "config", "json", "quiet", "verbose"}


@pytest.fixture
def resolved(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """The Config that a `finetune-cls` command line means; its run is left out."""

    def resolve(*arguments: str) -> Any:
        seen: list[finetune_cls.Config] = []
        monkeypatch.setattr(finetune_cls, "run", lambda config: seen.append(config) or Report({}))
        code = main(["finetune-cls", *arguments])
        assert code == 0, capsys.readouterr().err
        return seen[0]

    return resolve


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Standard error of a command that is wrong usage."""
    capsys.readouterr()
    assert main(list(arguments)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    return captured.err


def shown(command: str, capsys: pytest.CaptureFixture[str], *, all_options: bool = False) -> list[str]:
    """The lines of a command's help."""
    assert main([command, "--help-all" if all_options else "--help"]) == 0
    return capsys.readouterr().out.splitlines()


# --- help ---


def test_help_names_every_choice_of_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(shown("finetune-ner", capsys, all_options=True))
    assert all(way in text for way in get_args(Offsets))


@pytest.mark.parametrize("command", list(COMMANDS))
def test_help_fits_a_screen_and_shows_what_matters(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of 80 columns and 24 lines."""
    monkeypatch.setenv("COLUMNS", "80")
    lines = shown(command, capsys)
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    module = importlib.import_module(COMMANDS[command].module)
    names = [line.split()[0] for line in lines if re.match(r"  (--|[A-Z]+\b)", line)]
    assert [name.strip("-").replace("-", "_").lower() for name in names] == [
        (info.json_schema_extra["metavar"] or name).lower() if info.json_schema_extra["positional"] else name
        for name, info in ((name, module.Config.known_fields()[name]) for name in module.ESSENTIAL)
    ]
    assert sum(line.startswith("  nlpkit ") for line in lines) >= 2
    assert lines[-1].endswith(f"nlpkit {command} --help-all")


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("command", list(COMMANDS))
def test_no_name_of_an_option_is_cut(
    command: str, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = shown(command, capsys, all_options=True)
    flags = {match[1] for line in lines if (match := re.match(r"  --([a-z0-9-]+)", line))}
    fields = importlib.import_module(COMMANDS[command].module).Config.known_fields()
    named = {name for name, info in fields.items() if not info.json_schema_extra["positional"]}
    assert flags == {name.replace("_", "-") for name in named} | SPEECH
    # what stands in a column is broken between words; a name alone on its line may be longer
    assert all(len(line) <= width for line in lines if "  " in line.strip())


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_nlpkit_alone_says_what_it_is_for_and_how_to_start(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "argv", ["nlpkit", *arguments])
    assert main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 48
    assert max(map(len, lines)) <= 80
    started = [line for line in lines if line.startswith("  nlpkit ")]
    assert started == [f"  {command}" for command in manual.START]
    assert len(started) == 3
    for name, entry in COMMANDS.items():
        assert any(f" {name} " in line and line.endswith(entry.help) for line in lines)  # on one line
    for panel in {entry.panel for entry in COMMANDS.values()}:
        assert sum(line.startswith(f"{panel} ") for line in lines) == 1


def test_the_commands_to_start_with_are_such_as_can_be_typed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import shlex

    for command in manual.START:
        name, *arguments = shlex.split(command)[1:]
        module = importlib.import_module(COMMANDS[name].module)
        monkeypatch.setattr(module, "run", lambda config: Report({"config": config.record()}))
        assert main([name, *arguments, "--json"]) == 0, capsys.readouterr().err


def test_help_of_a_command_behind_the_word_help(capsys: pytest.CaptureFixture[str]) -> None:
    asked = shown("finetune-cls", capsys)
    for arguments in (["help", "finetune-cls"], ["finetune-cls", "-h"]):
        assert main(arguments) == 0
        assert capsys.readouterr().out.splitlines() == asked
    assert "finetune-cls" in fails(capsys, "help", "finetun-cls")


@pytest.mark.parametrize("command", list(COMMANDS))
def test_first_lines_of_the_help_name_what_is_written(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    first = " ".join(" ".join(shown(command, capsys)[2:4]).split())
    assert re.search(r"\b(Writes?|Prints?|List|writes)\b", first)


def test_a_switch_that_is_on_says_how_it_is_turned_off(capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(" ".join(shown("evaluate", capsys, all_options=True)).split())
    assert "[default: on; --no-save turns it off]" in text
    assert "A switch that a --config file has turned on is turned off by --no-NAME." in text
    assert not re.search(r"--[a-z-]+/--no-", text)


@pytest.mark.parametrize("command", list(COMMANDS))
def test_examples_of_the_help_can_be_typed(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Broken over lines as a shell reads them, with options that there are and values that they take."""
    import shlex

    monkeypatch.setenv("COLUMNS", "60")
    text = "\n".join(shown(command, capsys)).replace("\\\n", " ")
    module = importlib.import_module(COMMANDS[command].module)
    examples = [line for line in text.splitlines() if line.startswith("  nlpkit ")]
    seen: list[Any] = []
    monkeypatch.setattr(module, "run", lambda config: seen.append(config) or Report({}))
    for example in examples:
        assert main(shlex.split(example.split(" > ")[0])[1:]) == 0, capsys.readouterr().err
    assert len(seen) == len(examples) >= 2


@pytest.mark.parametrize("arguments", [["--help"], [], ["--version"], ["-V"]])
def test_help_and_version_import_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from nlpkit.cli.app import main; "
        f"code = main({arguments!r} or None); "
        "heavy = {'torch', 'transformers', 'pydantic', 'datasets', 'numpy', 'rich.console'} & set(sys.modules); "
        "assert not heavy, heavy; sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if arguments in (["--version"], ["-V"]):
        assert done.stdout == f"nlpkit {__version__}\n"
    else:
        assert all(name in done.stdout for name in COMMANDS)


def test_help_of_a_command_imports_neither_torch_nor_transformers() -> None:
    """Of all commands in one process, which starts without any of them: what one imports is there for good."""
    code = (
        "import sys; from nlpkit.cli.app import main\n"
        "heavy = {'torch', 'transformers', 'datasets', 'sklearn', 'matplotlib', 'rich.console'}\n"
        f"for command in {list(COMMANDS)!r}:\n"
        "    assert main([command, '--help']) == 0, command\n"
        "    assert not heavy & set(sys.modules), (command, heavy & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(f"Usage: nlpkit {command} " in done.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", list(COMMANDS))
def test_all_options_stand_in_panels_with_what_they_do_and_their_default(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = shown(command, capsys, all_options=True)
    config = importlib.import_module(COMMANDS[command].module).Config
    told: dict[tuple[str, str], str] = {}  # panel, name -> text
    panel = name = ""
    # the title of a panel of several tasks may need more lines than one
    text = "\n".join(lines)
    lines = re.sub(r"^For [^:]*:$", lambda title: title[0].replace("\n", " "), text, flags=re.M).split("\n")
    for line in lines:
        if re.fullmatch(r"[A-Z][a-z0-9, -]+:", line):
            panel = line[:-1]
        elif panel and (entry := re.match(r"  (\S+)(.*)", line)):
            name = entry[1]
            told[panel, name] = entry[2]
        elif panel and line.startswith("   "):
            told[panel, name] += f" {line.strip()}"
    declared = config.declared() if issubclass(config, DeferredOptions) else {}
    panels = [(info.json_schema_extra["panel"], name, info) for name, info in config.model_fields.items()]
    panels += [(f"For {', '.join(tasks)}", name, info) for name, ways in declared.items() for info, tasks in ways]
    for panel, name, info in panels:
        extra = info.json_schema_extra
        written = (extra["metavar"] or name) if extra["positional"] else f"--{name.replace('_', '-')}"
        text = " ".join(told.pop((panel, written)).split())
        assert " ".join(info.description.rstrip(".").split()) in text
        default = extra["shown_default"] or info.default
        if default is True:
            assert text.endswith(f"[default: on; --no-{name.replace('_', '-')} turns it off]")
        elif default not in (None, False, [], {}) and not info.is_required():
            said = "/".join(map(str, default)) if isinstance(default, list) else default
            assert text.endswith(f"[default: {said}]")
        else:
            assert "[default:" not in text
    assert {name.strip("-,") for _, name in told} == SPEECH


@pytest.mark.parametrize(
    ("typed", "near"),
    [("finetun-cls", "finetune-cls"), ("benchmrk", "benchmark"), ("bench", "benchmark"), ("quantise", "quantize")],
)
def test_unknown_command_lists_the_near_ones_and_what_they_do(
    typed: str, near: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = fails(capsys, typed, "--data", "x.csv").splitlines()
    assert lines[0] == f"nlpkit: there is no command '{typed}'"
    assert lines[2].split(maxsplit=2) == ["nlpkit", near, COMMANDS[near].help]


def test_a_command_that_is_like_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert fails(capsys, "xyzzy") == "nlpkit: there is no command 'xyzzy'\n  See `nlpkit --help`.\n"


# --- precedence ---


def test_flag_over_file_over_default(tmp_path: Path, resolved: Callable[..., Any]) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(
        "command: finetune-cls\nepochs: 5\nbatch-size: 8\ntrain_file: a.csv\ntrainer:\n  adam_beta2: 0.98\n"
    )
    config = resolved("--config", str(path), "--epochs", "7")
    assert (config.epochs, config.batch_size, config.learning_rate) == (7.0, 8, 5e-5)
    assert config.train_file == ["a.csv"]
    assert config.trainer == {"adam_beta2": 0.98}
    assert resolved("--config", str(path)).epochs == 5.0


def test_a_run_is_repeated_from_its_record(
    trained: Path, tmp_path: Path, resolved: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    recorded = json.loads((trained / "nlpkit.json").read_text())
    config = resolved("--config", str(trained / "nlpkit.json"), "--output", str(tmp_path / "again"))
    assert config.record() == recorded["config"]
    assert config.output == tmp_path / "again"
    assert not config.overwrite


def test_a_record_of_another_command_is_refused(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = fails(capsys, "check-data", "--config", str(trained / "nlpkit.json"))
    assert "is for `nlpkit finetune-cls`, not for `nlpkit check-data`" in error


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epoch: 3\n", "unknown option 'epoch'"),
        ("- 1\n- 2\n", "expected `option: value` lines, found list"),
        ("epochs: [1\n", "not valid YAML"),
        ("epochs: many\n", "--epochs 'many'"),
        ("learning_rate: 1e-4\nepochs: 0\n", "--epochs 0: input should be greater than 0"),
    ],
)
def test_a_wrong_config_file_is_one_message(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    error = fails(capsys, "finetune-cls", "--config", str(path))
    assert said in error
    assert len(error.splitlines()) <= 2
    if "epoch:" in text:
        assert str(path) in error
        assert "Did you mean 'epochs'?" in error


def test_scientific_notation_in_yaml_is_a_number(tmp_path: Path, resolved: Callable[..., Any]) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("learning_rate: 2e-5\n")  # YAML 1.1 reads this as text
    assert resolved("--config", str(path)).learning_rate == 2e-5


def test_a_flag_can_unset_what_a_file_has_set(tmp_path: Path, resolved: Callable[..., Any]) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("oversample: true\n")
    assert resolved("--config", str(path)).oversample is True
    assert resolved("--config", str(path), "--no-oversample").oversample is False


def test_a_missing_config_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no config file" in fails(capsys, "finetune-cls", "--config", str(tmp_path / "no.yaml"))


# --- mistakes on the command line ---


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--learnig-rate", "1e-4"], "--learning-rate"),
        (["--epoch", "3"], "--epochs"),
        (["--schedule", "linaer"], "Did you mean 'linear'?"),
        (["--batch-size", "many"], "--batch-size 'many'"),
        (["--batch-size", "0"], "--batch-size '0': input should be greater than or equal to 1"),
        (["--freeze", "heads"], "use none, embeddings, encoder or a number of layers"),
        (["--trainer", "adam_beta2"], "'adam_beta2' is not of the form key=value"),
    ],
)
def test_wrong_flags_and_values(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    error = fails(capsys, "finetune-cls", "--data", "x.csv", *arguments)
    assert said in error


def test_unknown_trainer_field_names_the_nearest(
    tiny_model: Path, reviews: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = ["finetune-cls", "--data", str(reviews), "--model", str(tiny_model), "--output", str(tmp_path / "run")]
    base += ["--device", "cpu", "--quiet"]
    error = fails(capsys, *base, "--trainer", "adam_beta=0.98")
    assert "TrainingArguments has no such field" in error
    assert "Did you mean 'adam_beta" in error
    error = fails(capsys, *base, "--trainer", "learning_rate=0.98")
    assert "--trainer learning_rate: nlpkit sets this itself" in error
    assert not (tmp_path / "run").exists()


# --- other people's names ---


def test_underscores_and_dashes_mean_the_same(resolved: Callable[..., Any]) -> None:
    assert resolved("--batch_size", "8", "--learning_rate=1e-3") == resolved(
        "--batch-size=8", "--learning-rate", "1e-3"
    )


def test_commands_of_the_example_scripts(resolved: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    command = (
        "--model_name_or_path bert-base-uncased --train_file a.csv --validation_file b.csv --output_dir out "
        "--num_train_epochs 4 --per_device_train_batch_size 16 --per_device_eval_batch_size=128 --max_seq_length 128 "
        "--learning_rate 2e-5 --lr_scheduler_type cosine --warmup_ratio 0.1 --weight_decay 0.01 "
        "--evaluation_strategy epoch --save_strategy epoch --save_total_limit 2 --load_best_model_at_end True "
        "--metric_for_best_model f1 --overwrite_output_dir --fp16 False --do_train --do_eval True --do_predict "
        "--adam_epsilon 1e-6 --use_fast_tokenizer --pad_to_max_length False --seed 7"
    )
    config = resolved(*command.split())
    error = capsys.readouterr().err
    assert config.model == "bert-base-uncased"
    assert (config.train_file, config.validation_file, config.output) == (["a.csv"], ["b.csv"], Path("out"))
    assert (config.epochs, config.batch_size, config.eval_batch_size, config.max_length) == (4.0, 16, 128, 128)
    assert (config.learning_rate, config.schedule, config.warmup, config.weight_decay) == (2e-5, "cosine", 0.1, 0.01)
    assert (config.overwrite, config.precision, config.best_metric, config.seed) == (True, "auto", "f1", 7)
    assert config.trainer == {"adam_epsilon": 1e-6}
    # silent where only the spelling differs, one line for each name that Transformers renamed or removed
    gone = [
        "warmup_ratio", "evaluation_strategy", "save_strategy", "save_total_limit", "load_best_model_at_end",
        "overwrite_output_dir", "fp16", "do_train", "do_eval", "do_predict", "use_fast_tokenizer", "pad_to_max_length",
    ]  # fmt: skip
    assert [line.split()[1].rstrip(":") for line in error.splitlines()] == [f"--{name}" for name in gone]
    assert all(re.fullmatch(r"nlpkit: --\w+: .{5,}", line) for line in error.splitlines())


@pytest.mark.parametrize(
    ("arguments", "field", "value"),
    [
        (["--fp16"], "precision", "fp16"),
        (["--fp16", "True"], "precision", "fp16"),
        (["--bf16=true"], "precision", "bf16"),
        (["--bf16=False"], "precision", "auto"),
        (["--no_cuda"], "device", "cpu"),
        (["--use_cpu"], "device", "cpu"),
        (["--use_cpu", "True"], "device", "cpu"),
        (["--use_cpu=False"], "device", "auto"),
        (["--task_name", "mrpc"], "data", "glue:mrpc"),
        (["--warmup_steps", "100"], "warmup", 100.0),
        (["--early_stopping_patience=2"], "early_stopping", 2),
        (["--resume_from_checkpoint", "out/checkpoint-5", "--output_dir", "out"], "resume", True),
        (["--dataset_name", "imdb"], "data", "imdb"),
        (["--gradient_checkpointing", "True"], "gradient_checkpointing", True),
        (["--gradient_checkpointing", "False"], "gradient_checkpointing", False),
        (["--push_to_hub_model_id", "me/x"], "push_to_hub", None),
        (["--hub_model_id", "me/x"], "push_to_hub", None),
        (["--push_to_hub", "--hub_model_id", "me/x"], "push_to_hub", "me/x"),
        (["--hub-model-id=me/x", "--push_to_hub", "True"], "push_to_hub", "me/x"),
        (["--push_to_hub", "False", "--hub_model_id", "me/x"], "push_to_hub", None),
        (["--push_to_hub", "False"], "push_to_hub", None),
        (["--push-to-hub=no"], "push_to_hub", None),
        (["--push-to-hub", "0"], "push_to_hub", None),
        (["--push_to_hub", "None"], "push_to_hub", None),
        (["--push_to_hub"], "push_to_hub", True),
        (["--push_to_hub", "TRUE"], "push_to_hub", True),
        (["--push-to-hub=1"], "push_to_hub", True),
        (["--push_to_hub", "--epochs", "2"], "push_to_hub", True),
        (["--push_to_hub", "me/y"], "push_to_hub", "me/y"),
        (["--label_smoothing_factor", "0.1"], "label_smoothing", 0.1),
        (["--optim", "adafactor"], "trainer", {"optim": "adafactor"}),
        (["--group_by_length"], "batching", "length"),
    ],
)
def test_other_names_one_by_one(arguments: list[str], field: str, value: Any, resolved: Callable[..., Any]) -> None:
    assert getattr(resolved(*arguments), field) == value


def test_two_repositories_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["finetune-cls", "--push-to-hub", "me/x", "--hub_model_id", "me/y"]) == 2
    assert "--push-to-hub me/x and --hub-model-id me/y name two repositories" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("written", "value"), [("true", True), ("yes", True), ("false", None), ("no", None), ("me/x", "me/x")]
)
def test_whether_to_upload_in_a_recipe(written: str, value: Any, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(f"data: a.csv\npush-to-hub: {written}\n")
    config = finetune_cls.Config.from_sources({}, tmp_path / "recipe.yaml", "finetune-cls")
    assert config.push_to_hub == value


@pytest.mark.parametrize(("asked", "named"), [(True, "feedback"), ("me/x", "me/x"), (False, None)])
def test_a_repository_is_called_as_the_folder(
    asked: str | bool, named: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import huggingface_hub

    from nlpkit.experiment import upload

    made: list[str] = []

    class Hub:
        def whoami(self) -> None:
            pass

        def create_repo(self, name: str, **_: Any) -> Any:
            made.append(name)
            return huggingface_hub.RepoUrl(f"https://huggingface.co/{'me/' if '/' not in name else ''}{name}")

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    upload.require_hub_access(finetune_cls.Config(data="a.csv", push_to_hub=asked), tmp_path / "feedback")
    assert made == ([named] if named else [])


@pytest.mark.parametrize(("error", "said"), [(OSError("no route\n..."), "no route"), (TimeoutError(), "TimeoutError")])
def test_an_upload_that_fails_leaves_a_complete_run_and_says_so(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import huggingface_hub

    from nlpkit.experiment import upload

    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(huggingface_hub.HfApi, "upload_folder", fail)
    with pytest.raises(RunError, match=rf"complete in {tmp_path}, but its upload failed: {said}\nUpload it again"):
        upload.push(tmp_path, "me/x", public=False)


def test_a_strategy_without_counterpart_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    error = fails(capsys, "finetune-cls", "--evaluation_strategy", "never")
    assert "nlpkit evaluates each epoch, or each --eval-steps N steps" in error


def test_every_alias_leads_to_an_option() -> None:
    modules = (finetune_cls, finetune_ner, finetune_qa, finetune_seq2seq, pretrain_mlm)
    known = {name.replace("_", "-") for module in modules for name in module.Config.known_fields()}
    assert {target.partition("=")[0] for several in aliases.SAME.values() for target in several.split("|")} <= known


@pytest.mark.parametrize(
    ("module", "arguments", "translated", "told"),
    [
        (
            finetune_ner,
            ["--task_name", "pos", "--label_column_name", "tags", "--return_entity_level_metrics"],
            ["--column", "pos", "--tag-column=tags"],
            2,
        ),
        (
            finetune_qa,
            [
                "--version_2_with_negative",
                "--n_best_size",
                "20",
                "--null_score_diff_threshold=0.5",
                "--doc_stride",
                "64",
            ],
            ["--doc-stride", "64"],
            3,
        ),
    ],
)
def test_names_of_the_token_and_question_scripts(
    module: Any, arguments: list[str], translated: list[str], told: int
) -> None:
    known = {name.replace("_", "-") for name in module.Config.known_fields()}
    out, said = aliases.translate(arguments, known)
    assert [part for argument in out for part in argument.split("=")] == [
        part for argument in translated for part in argument.split("=")
    ]
    assert len(said) == told


def test_arguments_behind_two_dashes_are_left_alone() -> None:
    out, said = aliases.translate(["--batch_size", "8", "--", "--fp16", "a_b"], {"batch-size"})
    assert out == ["--batch-size", "8", "--", "--fp16", "a_b"]
    assert said == []


# --- speech ---


def noisy(_: Any) -> Report:
    """A run that speaks in every way there is, one library print included."""
    from nlpkit import reporting

    reporter = reporting.current()
    reporter.note("a fact")
    reporter.warn("a doubt")
    reporter.plan("plan", [("data", "10 rows")])
    print("a library prints")
    with reporter.progress("train", 3) as bar:
        bar.advance(3, loss="0.1")
    return Report({"figure": 1.5, "text": "ä"}, [Table("result", ["a"], [[0.5]])], ["a line"], next_command="nlpkit x")


def test_json_is_the_only_thing_on_stdout(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(check_data, "run", noisy)
    assert main(["check-data", "--data", "x.csv", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"figure": 1.5, "text": "ä"}
    for said in ("a fact", "warning: a doubt", "10 rows", "a library prints"):
        assert said in captured.err


def test_plain_speech_has_no_control_codes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(check_data, "run", noisy)
    assert main(["check-data", "--data", "x.csv"]) == 0
    captured = capsys.readouterr()
    assert [line.strip() for line in captured.out.splitlines()] == [
        "a fact", "plan", "data  10 rows", "a library prints", "result", "a", "0.5000", "a line", "next: nlpkit x",
    ]  # fmt: skip
    assert captured.err == "warning: a doubt\n"


def test_quiet_leaves_warnings_and_the_result(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check_data, "run", noisy)
    assert main(["check-data", "--data", "x.csv", "--quiet"]) == 0
    captured = capsys.readouterr()
    lines = [line.strip() for line in captured.out.splitlines()]
    assert lines == ["a library prints", "result", "a", "0.5000", "a line"]
    assert captured.err == "warning: a doubt\n"


def test_unexpected_errors_are_one_line_unless_verbose(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: Any) -> Report:
        raise RuntimeError("something odd\nwith details")

    monkeypatch.setattr(check_data, "run", broken)
    assert main(["check-data", "--data", "x.csv"]) == 1
    error = capsys.readouterr().err
    assert error.splitlines() == [
        "nlpkit: RuntimeError: something odd",
        "  Run again with --verbose for the traceback.",
    ]
    assert main(["check-data", "--data", "x.csv", "--verbose"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.slow
def test_a_real_run_in_a_pipe(nlpkit: Run, tiny_model: Path, tmp_path: Path) -> None:
    """Training end to end: one JSON document, no control codes, library noise gone."""
    write_csv(tmp_path / "reviews.csv", rows(60))
    done = nlpkit(
        *("finetune-cls", "--data", "reviews.csv", "--model", tiny_model, "--epochs", 2, "--output", "run"),
        *("--device", "cpu", "--learning-rate", "1e-3", "--batch-size", 32, "--json"),
        env={"FORCE_COLOR": "", "TERM": "xterm-256color"},
    )
    record = json.loads(done.stdout)
    assert record["command"] == "finetune-cls"
    assert record["output"] == "run"
    assert record["steps"] == 4
    for control in ("\x1b", "\r"):
        assert control not in done.stdout + done.stderr
    assert "plan" in done.stderr
    assert not re.search(r"warn|deprecat|newly initialized|Loading weights", done.stderr, re.IGNORECASE), done.stderr


# --- what reaches the Trainer, and what a dry run leaves ---


def test_trainer_fields_reach_training_arguments(tiny_model: Path, reviews: Path, tmp_path: Path) -> None:
    config = finetune_cls.Config(
        data=str(reviews),
        model=str(tiny_model),
        output=tmp_path / "run",
        device="cpu",
        trainer=["adam-beta2=0.98", "optim=adafactor"],
    )
    trainer = finetune_cls.build(config)
    assert trainer.args.adam_beta2 == 0.98
    assert trainer.args.optim == "adafactor"


def test_dry_run_shows_the_plan_and_writes_nothing(
    tiny_model: Path, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(reviews.rglob("*")), sorted(tiny_model.rglob("*"))
    command = ["finetune-cls", "--data", str(reviews), "--model", str(tiny_model), "--device", "cpu", "--dry-run"]
    assert main(command) == 0
    out = capsys.readouterr().out
    plan = {line.split()[0]: line for line in out.splitlines() if line.startswith("  ")}
    assert "train 96, validation 32, test 32" in plan["data"]
    assert "2 labels (negative, positive)" in plan["task"]
    assert "cpu" in plan["device"]
    assert "learning rate 0.00015 (one answer per text, 32 wide)" in plan["by"] and "120 of 16 rows" in plan["steps"]
    assert "dry run: nothing was trained or written" in out
    assert list(tmp_path.iterdir()) == []
    assert before == (sorted(reviews.rglob("*")), sorted(tiny_model.rglob("*")))


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--epochs", "1e400", "give a finite number"),
        ("--epochs", "inf", "give a finite number"),
        ("--epochs", "nan", "greater than 0"),
        ("--epochs", "1e-400", "greater than 0"),
        ("--weight-decay", "inf", "give a finite number"),
        ("--seed", "-1", "greater than or equal to 0"),
        ("--seed", "4294967296", "less than or equal to 4294967295"),
        ("--shuffle-seed", "-1", "greater than or equal to 0"),
        ("--threads", "1000000000", "less than or equal to 4096"),
        ("--batch-size", "9223372036854775807", "less than or equal to 16777216"),
        ("--batch-size", "1e9", "not a whole number"),
        ("--max-steps", "9" * 30, "give a number up to 9223372036854775807"),
        ("--batch-size", "9" * 5000, "unable to parse"),
    ],
)
def test_numbers_that_nothing_can_be_done_with(
    option: str, value: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["finetune-cls", "--data", "sample:feedback", option, value, "--dry-run"]) == 2
    message = capsys.readouterr().err
    assert f"{option} " in message
    assert said in message
    assert len(message) < 600


@pytest.mark.parametrize("name", ["x" * 300, ""])
def test_help_for_what_can_be_no_model_says_so_and_shows_all(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", name, "--help"]) == 0
    shown = capsys.readouterr()
    assert "the options of every task are shown" in shown.err and "--fail-under" in shown.out
