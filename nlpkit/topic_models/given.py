"""Topics of a folder for new texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit.clustering import written
from nlpkit.embedding.corpus import open_corpus
from nlpkit.embedding.opened import digest_of_model, made_with, open_embedder
from nlpkit.embedding.options import EmbeddedRowsOptions, EmbedderOptions
from nlpkit.errors import UserError
from nlpkit.options import flag_of
from nlpkit.reporting import Report, counted
from nlpkit.runs.files import require_writable
from nlpkit.topic_models import told
from nlpkit.topic_models.found import nearest_topic
from nlpkit.topic_models.options import FINDING, OF_VECTORS, TopicOptions

if TYPE_CHECKING:
    from nlpkit.topic_models.saved import Saved


def give(config: TopicOptions, topics: Saved, command: str) -> Report:
    """Give the topics of a folder to texts.

    Args:
        config: of the command.
        topics: of the folder.
        command: its name.

    Raises:
        UserError: an option is set that finds topics, or the model is no longer the one that they were found with.
    """
    if asked_for := sorted(option for option in FINDING if option in config.given):
        flag = flag_of(asked_for[0])
        raise UserError(f"{config.model} holds topics, and {flag} is for finding some", "Leave it out.")
    if config.output is not None:
        written.require_known_format(config.output, "--output")
        require_writable(config.output, overwrite=config.overwrite)
    reading = {name: getattr(config, name) for name in EmbedderOptions.model_fields if name not in OF_VECTORS}
    asked = EmbeddedRowsOptions(**{**reading, **topics.asked})
    opened = open_embedder(asked)
    shape = (topics.made.rows, topics.made.width)
    ours = made_with(opened, asked, digest_of_model(opened, asked), shape, 0.0, ())
    topics.made.require_like(ours, config.model, "the model as it is now")
    corpus = open_corpus(opened, asked)
    places = corpus.there
    labels, cosines = nearest_topic(corpus.units(places), topics.centres, topics.limits)
    place = {int(row): i for i, row in enumerate(places)}
    columns = written.free_names(corpus, ["topic", "topic_name", "topic_similarity", "topic_error"])

    def beside(row: int) -> dict[str, Any]:
        i = place.get(row)
        if i is None:
            return dict(zip(columns, (None, None, None, corpus.errors[row]), strict=True))
        number = int(labels[i])
        name = topics.names[number] if number >= 0 else None
        return dict(zip(columns, (number, name, round(float(cosines[i]), 4), None), strict=True))

    counts = np.bincount(labels[labels >= 0], minlength=len(topics.names))
    order = [int(i) for i in np.argsort(-counts, kind="stable") if counts[i]]
    rows: list[list[Any]] = [[str(i), f"{counts[i]:,}", topics.names[i]] for i in order]
    outside = int((labels < 0).sum())
    share = 100 * outside / len(places)
    why = ": each is further from the nearest one than 95 % of that topic's own texts" if outside else ""
    lines = [f"{outside:,} of {len(places):,} rows ({share:.1f} %) have no topic{why}"]
    record: dict[str, Any] = {
        "command": command,
        "topics_of": config.model,
        "corpus": dict(corpus.record),
        "outliers": outside,
        "counts": [{"topic": i, "name": topics.names[i], "rows": int(counts[i])} for i in order],
    }
    if config.output is not None:
        written.write_rows(config.output, corpus, beside, range(len(corpus.rows)), overwrite=config.overwrite)
        record["output"] = str(config.output)
        lines.append(f"{counted(len(corpus.rows), 'row', 'rows')} to {config.output}")
    else:
        record["answers"] = [{**corpus.rows[i].values, **beside(i)} for i in range(len(corpus.rows))]
    return Report(record, [told.titled(rows, ["topic", "rows", "name"], "most frequent")], lines)
