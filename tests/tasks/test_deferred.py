"""Options of tasks on a command that learns of the task when it sees the model."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from nlpkit.cli.app import main
from nlpkit.errors import UserError
from nlpkit.experiment import inherited_data
from nlpkit.options import Config, Names, option
from nlpkit.options.problems import OptionError
from nlpkit.recipes import benchmark, check_data, distill, evaluate, predict, prune, quantize
from nlpkit.tasks import deferred, registry
from nlpkit.tasks.deferred import DeferredOptions, Kind

COMMANDS = (benchmark, check_data, distill, evaluate, predict, prune, quantize)


class Filler(Config):
    top_k: int = option(5, "Candidates per mask.", panel="Output", ge=1)
    seed: int = option(0, "Seed of the masks.", panel="Task")
    names: Names = option([], "Names.", panel="Data")


class Generator(Config):
    top_k: float = option(0.5, "Share of the vocabulary to draw from.", panel="Output", gt=0, le=1)
    beams: bool = option(False, "Search with beams.", panel="Output")


class Switch(Config):
    top_k: bool = option(False, "Take the best.", panel="Output")


class Command(DeferredOptions):
    kind: ClassVar[Kind] = "predict_options"

    model: str = option(..., "The model.", panel="Input", metavar="MODEL", positional=True)
    mode: Literal["fast", "slow"] = option("fast", "How.", panel="Method")


def tasks(monkeypatch: pytest.MonkeyPatch, **groups: type[Config]) -> Mapping[str, Any]:
    """A registry of one task for each group of options, by name."""
    made: dict[str, Any] = {
        name: type(name, (), {"name": name, "predict_options": group}) for name, group in groups.items()
    }
    monkeypatch.setattr(registry, "classes", lambda: iter(made.values()))
    monkeypatch.setattr(registry, "task_class", made.__getitem__)
    monkeypatch.setattr(deferred, "_declared", inspect.unwrap(deferred._declared))
    return made


def test_a_task_without_options_leaves_a_command_with_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    made = tasks(monkeypatch, plain=Config, filler=Filler)
    assert Command(model="m").for_task(made["plain"]).record() == {"model": "m", "mode": "fast"}
    with pytest.raises(UserError, match="--top-k is for filler, not for plain"):
        Command(model="m", top_k=1).for_task(made["plain"])


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Any]:
    return tasks(monkeypatch, filler=Filler, generator=Generator)


def test_one_flag_may_mean_something_else_to_each_task(two: Mapping[str, Any]) -> None:
    # as a command line gives it, text
    filler = Command(model="m", top_k="3").for_task(two["filler"])
    generator: Any = Command(model="m", top_k="0.25", beams=True).for_task(two["generator"])
    assert (Filler.of(filler).top_k, generator.top_k, generator.beams) == (3, 0.25, True)
    assert (filler.model, filler.mode) == ("m", "fast")
    with pytest.raises(UserError, match=r"--top-k '0\.25': this is not a whole number"):
        Command(model="m", top_k="0.25").for_task(two["filler"])


def test_a_value_that_no_task_takes_is_refused_at_once_with_all_else_that_is_wrong(two: Mapping[str, Any]) -> None:
    with pytest.raises(UserError, match="--top-k 'many': this is not a whole number"):
        Command(model="m", top_k="many")
    with pytest.raises(UserError, match="2 options are wrong") as caught:
        Command(model="m", mode="soon", seed="x")
    assert "--seed 'x'" in caught.value.message
    with pytest.raises(UserError, match="unknown option 'beam'") as caught:
        Command(model="m", beam=True)
    assert caught.value.hint == "Did you mean 'beams'?"


def test_an_option_of_another_task_is_refused_only_when_it_was_changed(two: Mapping[str, Any]) -> None:
    assert Command(model="m", seed=0, names=[]).for_task(two["generator"]).given == {"model"}
    with pytest.raises(UserError, match="--seed is for filler, not for generator"):
        Command(model="m", seed=7).for_task(two["generator"])
    with pytest.raises(OptionError, match=r"(?s)2 options are wrong.*--seed is for filler.*--names is for filler"):
        Command(model="m", seed=7, names="a").for_task(two["generator"])


def test_an_option_of_another_task_is_refused_as_it_is_by_default_where_it_was_typed(
    two: Mapping[str, Any], tmp_path: Path
) -> None:
    """A record gives the options of every task; who types one means it."""
    recorded = tmp_path / "recipe.yaml"
    recorded.write_text("model: m\nseed: 0\n")
    assert Command.from_sources({}, recorded).for_task(two["generator"]).model == "m"
    typed = Command.from_sources({"model": "m", "seed": "0"})
    for config in (typed, typed.changed(mode="slow")):
        with pytest.raises(UserError, match="--seed is for filler, not for generator"):
            config.for_task(two["generator"])


def test_what_is_kept_for_later_is_changed_resumed_and_recorded_like_any_option(two: Mapping[str, Any]) -> None:
    config = Command(model="m", names="a,b", top_k=3)
    assert config.given == {"model", "names", "top_k"}
    assert config.changed(top_k=4).task_values == {"names": ["a", "b"], "top_k": 4}
    assert config.on_top_of({"top_k": 9, "seed": 1, "gone": 2}).task_values == {
        "names": ["a", "b"],
        "top_k": 3,
        "seed": 1,
    }
    assert json.loads(json.dumps(config.record())) == {"model": "m", "mode": "fast", "names": ["a", "b"], "top_k": 3}
    settled = config.for_task(two["filler"])
    assert settled.record() == {**config.record(), "seed": 0}
    assert settled.for_task(two["filler"]) is settled
    assert isinstance(settled.changed(mode="slow"), Command)


def test_keys_of_a_file_are_those_of_every_task(two: Mapping[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text("model: m\ntop-k: 7\n")
    assert Command.from_sources({}, file).task_values == {"top_k": 7}
    assert Command.from_sources({"top_k": "8"}, file).task_values == {"top_k": "8"}
    file.write_text("model: m\nseed: x\n")
    with pytest.raises(UserError, match=r"recipe\.yaml: --seed 'x'"):
        Command.from_sources({}, file)


def test_what_a_command_line_cannot_tell_apart_is_an_error_of_the_authors(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks(monkeypatch, filler=Filler, switch=Switch)
    with pytest.raises(TypeError, match=r"'top_k' takes one value, several or none.*: filler, switch"):
        Command.known_fields()

    class Mode(Config):
        mode: int = option(1, "Another.", panel="Task")

    made = tasks(monkeypatch, other=Mode)
    with pytest.raises(TypeError, match="declare the option 'mode' differently"):
        Command(model="m").for_task(made["other"])


@pytest.mark.parametrize("recipe", COMMANDS, ids=[recipe.COMMAND for recipe in COMMANDS])
@pytest.mark.parametrize("name", list(registry.TASKS))
def test_every_command_is_settled_for_every_task(recipe: Any, name: str) -> None:
    task = registry.task_class(name)
    group: type[Config] = getattr(task, recipe.Config.kind)
    assert set(group.model_fields) <= set(recipe.Config.known_fields())
    settled = deferred.settled_class(recipe.Config, group, name)
    assert set(settled.known_fields()) == {*recipe.Config.model_fields, *group.model_fields}
    assert issubclass(settled, group)


def test_columns_of_the_rows_of_a_run_are_options_of_its_task() -> None:
    config = inherited_data.TrainedDataOptions(data="x.csv", question_column="q")
    assert config.for_task(registry.task_class("question-answering")).record()["question_column"] == "q"
    with pytest.raises(UserError, match="--question-column is for question-answering, not for fill-mask"):
        config.for_task(registry.task_class("fill-mask"))


def test_the_help_of_a_command_shows_what_this_model_takes(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for arguments in (["predict", str(trained)], ["evaluate", str(trained)], ["check-data", "--task", "fill-mask"]):
        assert main([*arguments, "--help"]) == 0
        assert len(capsys.readouterr().out.splitlines()) <= 50
    assert main(["predict", str(trained), "--help"]) == 0
    shown = capsys.readouterr().out
    assert "With this model, for text-classification:" in shown
    assert "--all-scores" in shown
    assert "--top-k" not in shown
    assert main(["predict", str(trained), "--help-all"]) == 0
    shown = capsys.readouterr().out
    assert "--all-scores" in shown
    assert "--max-errors" in shown
    assert "--question" not in shown
    assert main(["predict", "--help-all"]) == 0
    shown = capsys.readouterr().out
    assert "For question-answering:" in shown
    assert shown.count("  --text-column ") == 1


def test_the_help_for_a_run_imports_nothing_heavy(trained: Path) -> None:
    code = (
        "import sys; from nlpkit.cli.app import main; "
        f"code = main(['predict', {str(trained)!r}, '--help']); "
        "assert not {'torch', 'transformers', 'datasets'} & set(sys.modules); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "for text-classification" in done.stdout


def test_help_for_a_model_that_cannot_be_opened_shows_the_options_of_every_task(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(tmp_path / "gone"), "--help-all"]) == 0
    seen = capsys.readouterr()
    assert "--question" in seen.out
    assert "there is no such folder: the options of every task are shown" in seen.err


def test_an_option_of_another_task_is_refused_before_the_weights_are_read(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from nlpkit.models import opening

    def read(*_: Any, **__: Any) -> None:
        raise AssertionError("the weights were read")

    monkeypatch.setattr(opening, "load_model", read)
    assert main(["predict", str(trained), "a film", "--top-k", "3"]) == 2
    assert (
        "--top-k is for fill-mask, text-generation, text2text-generation, not for text-classification"
        in capsys.readouterr().err
    )
