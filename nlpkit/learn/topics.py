"""The topics of `nlpkit learn`: what each is called, what it shows, and where that is done."""

from __future__ import annotations

from typing import Literal, NamedTuple

from nlpkit.learn.experiments.variants import EXPERIMENTS
from nlpkit.options import OnlyWith


class Topic(NamedTuple):
    """One topic.

    Attributes:
        title: what it shows, in one line.
        module: has `show(options: LearnOptions) -> Shown`; imported when the topic is asked for.
        reads: options that it reads beside `--output` and `--overwrite`.
        kind: `piece`: the formula on a text; `experiment`: models are trained, and compared in a table.
    """

    title: str
    module: str
    reads: tuple[str, ...] = ()
    kind: Literal["piece", "experiment"] = "piece"


OF_A_MODEL = ("model", "model_revision", "tokenizer", "allow_pickle", "trust_remote_code")
OF_A_TEXT = (*OF_A_MODEL, "text")
OF_TRAININGS = ("data", "seeds", "max_steps", "max_minutes", "device")

TOPICS: dict[str, Topic] = {
    "attention": Topic(
        "softmax(QKᵀ/√d)V in every layer, beside the model's own", "nlpkit.learn.shows.attention", (*OF_A_TEXT, "layer")
    ),
    "masks": Topic("what the padding mask and the causal mask hide", "nlpkit.learn.shows.masks", (*OF_A_TEXT, "layer")),
    "multi-head": Topic(
        "the same weights divided into 1, 2, 4, 8 and 12 heads", "nlpkit.learn.shows.multi_head", (*OF_A_TEXT, "layer")
    ),
    "positions": Topic(
        "sinusoidal, learned, rotary and relative positions", "nlpkit.learn.shows.positions", OF_A_MODEL
    ),
    "feed-forward": Topic(
        "active neurons, and other activations in their place", "nlpkit.learn.shows.feed_forward", OF_A_TEXT
    ),
    "norms": Topic("layer norm, RMS norm and batch norm of the same states", "nlpkit.learn.shows.norms", OF_A_TEXT),
    "encoder": Topic("a whole encoder from the pieces, beside the model", "nlpkit.learn.shows.encoder", OF_A_TEXT),
    "decoder": Topic("a decoder with cross-attention, beside the model", "nlpkit.learn.shows.decoder", OF_A_TEXT),
    "training": Topic("learning rates with a warm-up", "nlpkit.learn.shows.training"),
    **{
        experiment.name: Topic(
            experiment.title,
            "nlpkit.learn.experiments.run",
            OF_TRAININGS if experiment.needs_gpu else (*OF_TRAININGS, "precision"),
            "experiment",
        )
        for experiment in EXPERIMENTS.values()
    },
}


def reading(option: str) -> tuple[str, ...]:
    """Names of the topics that read an option."""
    return tuple(name for name, topic in TOPICS.items() if option in topic.reads)


def only_where_read(option: str) -> OnlyWith:
    """That an option is refused where the topic does not read it."""
    topics = reading(option)
    named = f"the topics {', '.join(topics)}"
    if set(topics) == set(EXPERIMENTS):
        named = "the experiments, compare-..."
    return OnlyWith(("topic",), topics, why=f" is read by {named}", shown=f"only with {named}")
