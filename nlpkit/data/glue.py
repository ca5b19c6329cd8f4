"""The nine GLUE tasks (Wang et al. 2018, https://arxiv.org/abs/1804.07461): columns and their own metrics."""

from __future__ import annotations

from typing import NamedTuple


class GlueTask(NamedTuple):
    """Columns, metrics and validation split of one GLUE task."""

    columns: tuple[str, str | None]
    metrics: tuple[str, ...]  # the first is the main one, as the leaderboard ranks it
    validation: str = "validation"


GLUE: dict[str, GlueTask] = {
    "cola": GlueTask(("sentence", None), ("mcc",)),
    "sst2": GlueTask(("sentence", None), ("accuracy",)),
    "mrpc": GlueTask(("sentence1", "sentence2"), ("f1", "accuracy")),
    "qqp": GlueTask(("question1", "question2"), ("f1", "accuracy")),
    "stsb": GlueTask(("sentence1", "sentence2"), ("pearson", "spearman")),
    "mnli": GlueTask(("premise", "hypothesis"), ("accuracy",), "validation_matched"),
    "qnli": GlueTask(("question", "sentence"), ("accuracy",)),
    "rte": GlueTask(("sentence1", "sentence2"), ("accuracy",)),
    "wnli": GlueTask(("sentence1", "sentence2"), ("accuracy",)),
}


def glue_task(data: str | None, config: str | None) -> GlueTask | None:
    """The GLUE task that `--data glue:NAME` (or `--data glue --data-config NAME`) means, None for other data."""
    name, _, part = (data or "").partition("@")[0].partition(":")
    if name not in ("glue", "nyu-mll/glue"):
        return None
    return GLUE.get(part or config or "")
