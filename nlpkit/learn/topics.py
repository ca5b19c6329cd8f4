"""The topics of `nlpkit learn`: what each is called, what it shows, and where that is done."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Topic(NamedTuple):
    """One topic.

    Attributes:
        title: what it shows, in one line.
        module: has `show(options: LearnOptions) -> Shown`; imported when the topic is asked for.
        reads: options that it reads beside `--seed`, `--output` and `--overwrite`.
        kind: `piece`: the formula on a text; `experiment`: models are trained, and compared in a table.
    """

    title: str
    module: str
    reads: tuple[str, ...] = ()
    kind: Literal["piece", "experiment"] = "piece"


OF_A_MODEL = ("model", "text", "model_revision", "tokenizer", "allow_pickle", "trust_remote_code")

TOPICS: dict[str, Topic] = {
    "attention": Topic(
        "softmax(QKᵀ/√d)V in every layer, beside the model's own",
        "nlpkit.learn.shows.attention",
        (*OF_A_MODEL, "layer"),
    ),
}


def reading(option: str) -> tuple[str, ...]:
    """Names of the topics that read an option."""
    return tuple(name for name, topic in TOPICS.items() if option in topic.reads)
