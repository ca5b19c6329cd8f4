"""What a form says of a model: what a request may set, and nothing that opens a file."""

from __future__ import annotations

import pytest

from nlpkit.options.places import names_place
from nlpkit.serving import form
from nlpkit.tasks import registry


@pytest.mark.parametrize("name", registry.TASKS)
def test_a_request_names_no_file_and_no_column(name: str) -> None:
    task = registry.task_class(name)
    fields = task.predict_options.model_fields
    left_out = fields.keys() - form.request_options(task).keys()
    assert {one for one in fields if names_place(one, fields) or one.endswith("_column")} <= left_out


def test_what_is_read_only_with_a_model_of_the_users_is_left_out() -> None:
    task = registry.task_class("zero-shot-classification")
    assert {"shortlist", "embedder", "labels_file"} < task.predict_options.model_fields.keys()
    options = form.request_options(task)
    assert {"labels", "template", "threshold"} <= options.keys()
    assert not {"shortlist", "embedder", "labels_file"} & options.keys()


def test_a_form_of_a_model_that_has_learnt_labels(trained) -> None:
    from nlpkit.inference.predictor import TrainedModelOptions, open_predictor

    task = open_predictor(TrainedModelOptions(model=str(trained), device="cpu")).task
    made = form.of_task(task, ["text"], ["predict"])
    assert made["shows"] == "labels"
    assert made["inputs"][0]["example"] == made["example"]["input"]
    assert made["example"]["options"] == {"all_scores": True}
    options = {option["name"]: option for option in made["options"]}
    assert options["all_scores"]["choices"] == [False, True, "columns"]
    assert options["min_score"] == {
        "name": "min_score",
        "type": "number",
        "default": None,
        "help": "Give no answer below this score.",
        "usual": "give every answer",
        "minimum": 0,
        "maximum": 1,
    }
    # in the words of a request, where the command line says --min-score
    assert options["abstain_label"]["help"] == (
        "What stands for an answer below min_score or min_margin. Only with min_score or min_margin."
    )


def test_labels_of_columns() -> None:
    assert [form.label_of(name) for name in ("question", "sentence1", "text_pair")] == [
        "Question",
        "Sentence 1",
        "Text pair",
    ]
