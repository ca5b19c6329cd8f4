from __future__ import annotations

import importlib
from typing import get_args

import pytest

from nlpkit.options import Config, TextColumnOptions
from nlpkit.tasks import registry
from nlpkit.tasks.deferred import Kind


@pytest.mark.parametrize("name", list(registry.TASKS))
def test_every_task_says_who_it_is(name: str) -> None:
    task = registry.task_class(name)
    assert task.name == name
    assert task.pipeline_tag
    assert hasattr(importlib.import_module("transformers"), task.auto_class)
    for kind in get_args(Kind):
        group = getattr(task, kind)
        # what explains an answer is read as what asks for it, unless a task says otherwise
        assert issubclass(group, Config) if group is not None else kind == "explain_options"


def test_shared_groups_declare_what_the_common_ones_do() -> None:
    from nlpkit.tasks.options import TextOptions

    assert repr(TextOptions.model_fields["text_column"]) == repr(TextColumnOptions.model_fields["text_column"])
