"""Show the pieces of a Transformer at work, on a model and a text of yours.
Writes figures and pictures to a folder.

Each piece (nlpkit/learn/pieces/) is a few lines of torch beside its formula and its paper: docs/learn/ explains them. A
topic runs its piece with the weights of the model, tells how far the result is from what the model itself computes, and
draws it. Without RUN the model is a small BERT with weights that are drawn. An experiment (compare-...) trains variants
of a small model with several seeds, and says what their losses tell. Without TOPIC all topics are listed.

Examples: nlpkit learn attention runs/reviews --text "What a film!" --output runs/attention
nlpkit learn compare-heads --data book.txt --max-minutes 5
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable

from nlpkit import nearby
from nlpkit.errors import UserError
from nlpkit.learn.options import LearnOptions
from nlpkit.learn.shown import Shown
from nlpkit.learn.topics import TOPICS
from nlpkit.reporting import Report, Table, counted
from nlpkit.runs import lock
from nlpkit.runs.folder import RunFolder, versions

COMMAND = "learn"
ESSENTIAL: tuple[str, ...] = (
    *("topic", "model", "text", "layer", "data", "seeds", "max_steps", "max_minutes", "output"),
)
KINDS = {"piece": "pieces", "experiment": "experiments"}


class Config(LearnOptions):
    """Options of `nlpkit learn`."""


@lock.given_back()
def run(config: Config) -> Report:
    """List the topics, or show one; returns its tables and figures.

    Raises:
        UserError: there is no such topic, or its model or text cannot be read in this way.
    """
    if config.topic is None:
        config.refuse_unread()
        return _listed()
    if config.topic not in TOPICS:
        meant = nearby.nearest(config.topic, TOPICS)
        raise UserError(
            f"there is no topic {config.topic!r}",
            f"Did you mean {meant}?" if meant else f"There are: {', '.join(TOPICS)}.",
        )
    config.refuse_unread()
    started = time.monotonic()
    folder = RunFolder(config.output or RunFolder.default_path(config.topic, _subject(config)))
    folder.require_usable(resume=None, overwrite=config.overwrite)
    show: Callable[[LearnOptions], Shown] = importlib.import_module(TOPICS[config.topic].module).show
    shown = show(config)

    from nlpkit.runs import plots

    begun = {"command": COMMAND, "config": config.record()}
    folder.start(begun, overwrite=config.overwrite, resume=False)
    with folder.staging() as staged:
        drawn = plots.draw(shown.plots, staged / "plots")
        record = {
            **begun,
            "topic": config.topic,
            "shown": shown.record,
            "plots": drawn,
            "seed": config.seed,
            "versions": versions(),
            "wall_seconds": round(time.monotonic() - started, 2),
        }
        folder.finish(record, staged, keep_checkpoints=False)
    lines = [*shown.lines]
    if drawn:
        lines.append(f"{counted(len(drawn), 'picture', 'pictures')} in {folder.path}/plots")
    report = {"command": COMMAND, "topic": config.topic, "output": str(folder.path), "plots": drawn, **shown.record}
    return Report(report, shown.tables, lines)


def _subject(config: Config) -> str:
    """The name of the model, or of the first text of an experiment, as the name of a folder ends."""
    topic = TOPICS[str(config.topic)]
    if topic.kind == "experiment":
        return config.data[0].removeprefix("sample:").rstrip("/").rpartition("/")[2].partition(".")[0] or "text"
    if "model" not in topic.reads:
        return "formula"
    return (config.model or "random").rstrip("/").rpartition("/")[2] or "model"


def _listed() -> Report:
    """The topics, by kind."""
    tables = []
    for kind, heading in KINDS.items():
        rows = [(name, topic.title) for name, topic in TOPICS.items() if topic.kind == kind]
        if rows:
            tables.append(Table(heading, ("topic", "what it shows"), rows, to_left=True))
    record = {"topics": [{"name": name, "title": topic.title, "kind": topic.kind} for name, topic in TOPICS.items()]}
    return Report(record, tables, next_command="nlpkit learn attention")
