"""Find the topics of the texts of a file, and give them to new texts.
Writes topics, names to edit, the rows with their topics and a map to a folder.

Texts lie on a plane by their vectors; where they lie close together is a topic, named by the words that tell it from
the others. --topics FILE has topics that you wish for, beside those that are found; --merge N joins the nearest ones;
--time-column shows how they come and go. Names are edited in names.csv of the folder, and stay when it is made anew
with --overwrite. With a folder of topics in place of the model new texts get its topics.

Examples: nlpkit topics minilm --input news.csv --output runs/topics
nlpkit topics minilm --input news.csv --topics wishes.txt --time-column date
nlpkit topics runs/topics --input new.csv --output with-topics.csv
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.metrics.similarity import unit
from nlpkit.reporting import Report, counted
from nlpkit.runs import lock
from nlpkit.runs.folder import RunFolder, versions
from nlpkit.tasks.contract import Task
from nlpkit.topic_models.options import OF_VECTORS, TopicOptions

if TYPE_CHECKING:
    from datetime import date

    from nlpkit.data.rows import Row
    from nlpkit.embedding.corpus import Corpus
    from nlpkit.embedding.opened import Opened
    from nlpkit.topic_models.found import Topics
    from nlpkit.topic_models.times import Over

COMMAND = "topics"
NEEDS = Task  # of the task of the model
ESSENTIAL: tuple[str, ...] = (
    "model",
    "input",
    "text_column",
    "topics",
    "min_size",
    "merge",
    "outliers",
    "time_column",
    "output",
    "overwrite",
)


class Config(TopicOptions):
    """Options of `nlpkit topics`."""


@lock.given_back()
def run(config: Config) -> Report:
    """Find topics and write a folder, or give the topics of a folder to new texts.

    Raises:
        UserError: there are no texts, or they lie nowhere close together.
    """
    started = time.monotonic()
    if config.input is None:
        raise UserError("name the file with the texts: --input FILE (- for a pipe)")
    config.refuse_unread()
    from nlpkit.topic_models import saved

    if saved.is_folder(config.model):
        from nlpkit.topic_models import given

        return given.give(config, saved.read(Path(config.model)), COMMAND)
    return _found(config, started)


# --- topics are found ---


def _found(config: Config, started: float) -> Report:
    from nlpkit.clustering import reduction
    from nlpkit.clustering.clusters import stop_words_of
    from nlpkit.embedding.corpus import open_corpus
    from nlpkit.embedding.opened import open_embedder
    from nlpkit.topic_models import found, names, saved, told, wished

    name = config.input_name.split(".")[0] or "rows"
    folder = RunFolder(config.output or RunFolder.default_path(name, COMMAND))
    folder.require_usable(resume=None, overwrite=config.overwrite)
    given = saved.read(folder.path).given() if saved.is_folder(str(folder.path)) else None
    reduction.require(config.map)
    stop_words_of(config.stop_words)
    wishes = wished.read(config.topics) if config.topics else []
    opened = open_embedder(config)

    def plan(rows: Sequence[Row], different: int, width: int) -> None:
        if config.time_column is not None:
            _dates(rows, config.time_column)
        reporting.current().plan(COMMAND, _plan(opened, config, folder.path, len(rows), different, width))

    corpus = open_corpus(opened, config, plan)
    units = _of_wishes(opened, [wish.text for wish in wishes], corpus)
    if given is not None and given.centres.shape[1] != corpus.vectors.shape[1]:
        if given.names:
            lost = counted(len(given.names), "name", "names")
            reporting.current().warn(f"{lost} of {names.FILE} cannot be used: vectors had another width before")
        given = None
    topics = found.find(corpus, config, wishes, units, given)
    over = _over_time(topics, config)
    made = {key: value for key, value in corpus.made.record().items() if key != "broken"}
    head: dict[str, Any] = {
        "figures": dict(topics.figures),
        "vectors": made,
        "asked": {option: getattr(config, option) for option in OF_VECTORS},
    }
    record = {
        "command": COMMAND,
        "config": config.record(),
        "parents": {"model": {"given": config.model, "revision": config.model_revision}},
        "rows": len(corpus.rows),
        "input": {"given": config.input, **corpus.source.read_as()},
        "corpus": dict(corpus.record),
        "metrics": {"rows": {n: topics.figures[n] for n in ("npmi", "npmi_windows", "diversity", "outlier_share")}},
        "topics": dict(topics.figures),
        "seed": config.seed,
        "versions": versions(),
        "wall_seconds": round(time.monotonic() - started, 2),
    }
    title = f"{counted(len(topics.found), 'topic', 'topics')} of {config.input_name}"
    folder.start({"command": COMMAND, "config": config.record()}, overwrite=config.overwrite, resume=False)
    with folder.staging() as staged:
        saved.write(staged, topics, over, head, title=title, about=told.about(topics, config))
        folder.finish(record, staged, keep_checkpoints=False)
    report = {
        **{key: record[key] for key in ("command", "metrics", "corpus")},
        **topics.figures,
        "output": str(folder.path),
        "topics_found": [saved.of_topic(topics, topic) for topic in topics.found],
    }
    following = f"nlpkit topics {reporting.typed(folder.path)} --input NEW"
    return Report(report, [told.table(topics)], told.lines(topics, over, folder.path), next_command=following)


def _plan(opened: Opened, config: Config, output: Path, rows: int, different: int, width: int) -> list[tuple[str, str]]:
    """What is about to be done to so many rows, of which so many have a text of their own, and what it costs."""
    from nlpkit.clustering import price

    found_in = f", found in a draw of {config.sample:,} rows" if rows > config.sample else ""
    return [
        ("model", config.model),
        ("vectors", str(config.vectors) if config.vectors else opened.how),
        ("rows", f"{rows:,} of {config.input}, {counted(different, 'different text', 'different texts')}"),
        ("topics", f"dense places of a map{found_in}{', beside those of ' + config.topics if config.topics else ''}"),
        *price.described(rows, width, placed=config.map != "pca"),
        ("device", opened.predictor.device.described),
        ("output", str(output)),
    ]


def _of_wishes(opened: Opened, texts: list[str], corpus: Corpus) -> np.ndarray:
    """The vectors of wishes, of length 1."""
    if not texts:
        return np.empty((0, corpus.vectors.shape[1]), np.float32)
    reader = opened.task.reader(["text"], None, labelled=False)
    ((_, embedded),) = opened.embedder.embedded([(None, reader, [{"text": text} for text in texts])])
    if embedded.vectors is None or embedded.errors:
        raise UserError(f"--topics: {next(iter(embedded.errors.values()), 'no wish has a vector')}")
    return unit(np.asarray(embedded.vectors, np.float32))


def _over_time(topics: Topics, config: Config) -> Over | None:
    from nlpkit.topic_models import times

    if config.time_column is None:
        return None
    dates = _dates(topics.corpus.rows, config.time_column)
    over = times.over([dates[i] for i in topics.places], topics.labels, len(topics.found), config.time_unit)
    if over is not None and over.without:
        reporting.current().warn(
            f"{counted(over.without, 'row has', 'rows have')} no date that can be read in '{config.time_column}'"
        )
    return over


def _dates(rows: Sequence[Row], column: str) -> list[date | None]:
    """The date of each row.

    Raises:
        UserError: there is no such column, or no cell of it is a date.
    """
    from nlpkit.data import columns as column_names
    from nlpkit.topic_models import times

    column = column_names.require(column, dict.fromkeys(name for row in rows for name in row.values), "time")
    values = [row.values.get(column) for row in rows]
    dates = [times.read(value) for value in values]
    if not any(day is not None for day in dates):
        first = next((value for value in values if value not in (None, "")), "")
        raise UserError(
            f"no cell of the column '{column}' is a date (the first: {first!r})", "Write dates as 2024-03-31."
        )
    return dates
