"""Options of learning from few labels."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import field_validator

from nlpkit.options import Config, NotWith, OnlyWith, option
from nlpkit.options.values import AtCommas

HeadName = Literal["logistic", "knn", "mlp"]
PANEL = "Few labels"
NOT_BOTH = NotWith(("few_shot",), why=" and --few-shot: it compares heads by itself", hint="Give one of them.")


class FewShotOptions(Config):
    """What is compared where there are few labels, and what is told besides."""

    few_shot: bool = option(
        False,
        "Few labels: compare ways to learn, keep the best.",
        panel=PANEL,
    )
    heads: Annotated[list[HeadName], AtCommas] = option(
        [],
        "With --freeze encoder: compare these heads by cross-validation, keep the best that a stock model can hold: "
        "logistic, mlp, knn.",
        panel=PANEL,
        metavar="NAME,NAME",
        only_with=(NOT_BOTH, OnlyWith(("freeze",), ("encoder",))),
    )
    label_texts: str | None = option(
        None,
        "What each label means, learnt from as a row: JSON {label: text or [texts]}; none: rows alone.",
        panel=PANEL,
        metavar="FILE|none",
        shown_default="the names of labels that are words",
        only_with="few_shot",
    )
    few_shot_curve: Annotated[list[int], AtCommas] = option(
        [],
        "Also learn from N rows per label, drawn ten times from train, judged on validation: a table with intervals.",
        panel=PANEL,
        metavar="N,N",
        only_with="few_shot",
    )
    label_next: str | None = option(
        None,
        "File of rows without labels: list those to label next, by how unsure the model is and how unlike they are.",
        panel=PANEL,
        metavar="FILE",
        only_with=OnlyWith(("few_shot", "heads")),
    )
    label_next_rows: int = option(10, "Rows that --label-next lists.", panel=PANEL, ge=1, only_with="label_next")

    @field_validator("few_shot_curve")
    @classmethod
    def _ascending(cls, value: list[int]) -> list[int]:
        if any(count < 2 for count in value) or value != sorted(set(value)):
            raise ValueError("give numbers of rows per label from 2 up, in ascending order, as 4,8,16,32")
        return value
