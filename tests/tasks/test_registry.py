from __future__ import annotations

import importlib
from typing import Any

import pytest

from nlpkit.experiment import inherited_data
from nlpkit.options import Config, TextColumnOptions, option
from nlpkit.recipes import check_data, evaluate, predict
from nlpkit.tasks import registry
from nlpkit.tasks.contract import Task
from nlpkit.tasks.registry import Entry

KINDS: list[registry.Kind] = ["data_options", "predict_options", "evaluate_options"]


class Stride(Config):
    stride: int = option(128, "Overlap.", panel="Task", ge=0)


class OtherStride(Config):
    stride: int = option(64, "Overlap.", panel="Task", ge=0)


class Base(Config):
    shared: int = option(1, "Shared.", panel="Task")


class Derived(Base):
    own: int = option(2, "Own.", panel="Task")


def tasks(monkeypatch: pytest.MonkeyPatch, *groups: type[Config]) -> None:
    """A registry of one task for each options group."""
    made = [type(f"Task{i}", (Task,), {"name": f"t{i}", "data_options": group}) for i, group in enumerate(groups)]
    monkeypatch.setattr(registry, "TASKS", {task.name: Entry("", "", ()) for task in made})
    monkeypatch.setattr(registry, "task_class", {task.name: task for task in made}.__getitem__)


@pytest.mark.parametrize(
    ("recipe", "kind"), [(check_data, "data_options"), (predict, "predict_options"), (evaluate, "evaluate_options")]
)
def test_commands_offer_the_options_of_every_task(recipe: Any, kind: registry.Kind) -> None:
    for name in registry.TASKS:
        for field, info in getattr(registry.task_class(name), kind).model_fields.items():
            assert repr(recipe.Config.model_fields[field]) == repr(info), f"--{field} of {name}"


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        (check_data.Config(), "data_options"),
        (predict.Config(model="-"), "predict_options"),
        (evaluate.Config(model="-"), "evaluate_options"),
        (inherited_data.TrainedDataOptions(), "column_options"),
    ],
    ids=["check-data", "predict", "evaluate", "distill"],
)
def test_a_task_reads_its_own_group_off_the_config_of_a_command(config: Config, kind: str) -> None:
    for name in registry.TASKS:
        group: type[Config] = getattr(registry.task_class(name), kind)
        assert group.of(config) is config
    with pytest.raises(TypeError, match=r"test_registry\.Base has no Stride"):
        Stride.of(Base())


def test_groups_are_joined_and_a_group_that_another_extends_comes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks(monkeypatch, Base, Derived, Stride, Config, Stride)
    joined = registry.options_of_tasks("data_options")
    assert set(joined.model_fields) == {"shared", "own", "stride"}
    assert joined(own=3).record() == {"shared": 1, "own": 3, "stride": 128}


def test_one_flag_with_two_meanings_is_an_error_of_the_authors(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks(monkeypatch, Stride, OtherStride)
    with pytest.raises(TypeError, match="Stride and OtherStride declare the option 'stride' differently"):
        registry.options_of_tasks("data_options")


def test_an_option_of_another_task_is_refused_only_when_it_was_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    from nlpkit.errors import UserError

    tasks(monkeypatch, Stride, Derived)
    joined = registry.options_of_tasks("data_options")
    derived: Any = registry.task_class("t1")
    registry.refuse_foreign_options(joined(stride=128, own=7), derived, "data_options")
    with pytest.raises(UserError, match="--stride is for t0, not for t1"):
        registry.refuse_foreign_options(joined(stride=12), derived, "data_options")


@pytest.mark.parametrize("name", list(registry.TASKS))
def test_every_task_says_who_it_is(name: str) -> None:
    task = registry.task_class(name)
    assert task.name == name
    assert task.pipeline_tag
    assert hasattr(importlib.import_module("transformers"), task.auto_class)
    for kind in KINDS:
        assert issubclass(getattr(task, kind), Config)


def test_shared_groups_declare_what_the_common_ones_do() -> None:
    from nlpkit.tasks.options import TextOptions

    assert repr(TextOptions.model_fields["text_column"]) == repr(TextColumnOptions.model_fields["text_column"])
